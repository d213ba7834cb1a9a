"""What a scenario that is handed over must satisfy, and what a population tells of newcomers and of debts that were given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from billsim.core.time import DAY_MS
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.reading import Path
from billsim.scenario.vocabulary import CODES

MOST_DAYS = 3_660


class Rules(Protocol):
    """A scenario under examination."""

    scenario: Scenario
    fail: Callable[..., InputError]

    def one_of(self, value: str, allowed: Iterable[str], path: Path, what: str) -> None:
        """The value must be among these names."""
        ...


def before(rules: Any) -> None:
    """The first part ends within the scenario, and what is asked of it can be there."""
    _button(rules)
    told, scenario = rules.scenario.before, rules.scenario
    if told is None:
        return
    if not 1 <= told.days <= MOST_DAYS:
        raise rules.fail(("before", "days"), f"must be 1 to {MOST_DAYS}")
    if scenario.handover >= scenario.until:
        raise rules.fail(("before", "days"), "end after the scenario, see 'until'")
    if scenario.tales is not None:
        raise rules.fail(("before",), "and 'tales' exclude each other: a tale is over in days")
    for code in told.drift:
        rules.one_of(code, CODES, ("before", "drift", code), "drift code")
    if (told.accounts or told.debtors or told.drift) and scenario.population is None:
        raise rules.fail(("before",), "chooses among the accounts of a 'population', and there is none")
    if told.accounts and scenario.population is not None and told.accounts > scenario.population.accounts:
        raise rules.fail(("before", "accounts"), f"is more than the population's {scenario.population.accounts}")


def _button(rules: Rules) -> None:
    told, scenario = rules.scenario.button, rules.scenario
    if told is None:
        return
    if scenario.before is None:
        raise rules.fail(("button",), "needs a handover to count its days from, see 'before'")
    if scenario.handover + told.after_days * DAY_MS >= scenario.end:
        raise rules.fail(("button", "after_days"), "lie after the scenario's end")


def people(rules: Any) -> None:
    """Shares of a thousand."""
    population = rules.scenario.population
    if population is None:
        return
    shares: dict[str, int] = {"challenged": population.challenged}
    if population.newcomers is not None:
        kinds = population.declines + population.lost + population.never_paid
        shares |= {"newcomers.accounts": kinds + population.newcomers.accounts, "newcomers.pays_dashboard": population.newcomers.pays_dashboard}
        shares["newcomers.cleared"] = population.newcomers.cleared
    if (after := population.aftermath) is not None:
        shares |= {"aftermath.pays": after.pays + after.waived + after.waived_cleared + after.cleared, "aftermath.returns": after.returns}
    if (flaws := population.flaws) is not None:
        shares["flaws.merged"] = flaws.merged + flaws.no_customer + flaws.no_payment_method + flaws.missing_price
        if flaws.merged and population.accounts < 2:
            raise rules.fail(("population", "flaws", "merged"), "needs a second account to be merged with")
    for key, share in shares.items():
        if share > 1000:
            raise rules.fail(("population", *key.split(".")), f"parts per thousand: with what it is added to it must be at most 1000, is {share}")
    if population.people and population.newcomers is not None:
        raise rules.fail(("population", "newcomers"), f"is what the data file '{population.people}' says: leave it out, or leave out 'people'")
