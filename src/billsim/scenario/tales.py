"""Tales: told stories that a seed makes up.

What is open about a story is asked as facts under `w/tale/...`, so a seed tells the same story under every engine, on every machine. In each table of
answers the plainest comes first: whoever answers with small numbers gets a plain story, and a shrinker need know nothing of billing.

A story is good at finding faults if much of it meets: accounts are found near an edge (the next try, the end of the grace, a renewal), rows come in
bursts or at just the instant when Stripe or the clock moves, and what is held in the pipe is let go beside a later row. And the first stories of a
campaign are no worse than later ones: see `Spread`.
"""

from __future__ import annotations

from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from billsim.core.choices import Choices, Seeded, Table
from billsim.scenario.plan import Scenario
from billsim.scenario.tale_calls import CALLS
from billsim.scenario.tale_cast import Casting, Facts, evenly
from billsim.scenario.tale_rows import ACTIONS, Act, Telling

DOES: dict[str, Act] = {**ACTIONS, **CALLS}


def told(scenario: Scenario, seed: int) -> Scenario:
    """The story that a seed tells, as a file would have it; a scenario without tales is its own story."""
    if scenario.tales is None:
        return scenario
    return replace(tell(scenario, Seeded(seed)), from_=f"tale seed={seed}")


def tell(scenario: Scenario, choices: Choices) -> Scenario:
    """The scenario with the tale told that its seed tells; a scenario without tales as it is."""
    return tell_as(scenario, Spread(choices))


def tell_as(scenario: Scenario, facts: Facts) -> Scenario:
    """As `tell`, with all answers from whoever makes stories up."""
    tales = scenario.tales
    if tales is None:
        return scenario
    casting = Casting(scenario, tales, facts)
    casts = [casting.cast(n) for n in range(1 + facts.fact("w/tale/accounts", evenly("accounts", tales.accounts)))]
    timeline = Telling(scenario, tales, facts, casts, DOES).tell()
    return replace(scenario, tales=None, given=tuple(cast.account for cast in casts), timeline=tuple(timeline))


class Spread:
    """Answers as `choices` do, but for who there is: in that, seeds that follow each other take turns.

    By chance alone some states of an account would come often in the first stories, and others late. So the answer about the state of each of the
    first three moves on from one seed to the next by a stride, which is no fraction of the whole: in any row of seeds each state is met about as
    often as its weight says, and so is each pair of states. (Kronecker's sequence; the strides are those of Martin Roberts' R3.)
    """

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def fact(self, label: str, table: Table) -> int:
        """The answer to a question about a subject, which may be put any number of times."""
        stride = _STRIDES.get(label)
        if stride is not None:
            table = _Turned(table, (xxh3_64_intdigest(label.encode()) + stride * self._choices.seed) % _WHOLE)
        return self._choices.fact(label, table)


class _Turned:
    """A table that is answered by bits of its own."""

    def __init__(self, table: Table, bits: int) -> None:
        self._table = table
        self._bits = bits

    def answer(self, bits: int) -> int:
        return self._table.answer(self._bits)


_WHOLE = 1 << 64
# The root of x**4 = x + 1 to the power of -1, -2 and -3, in parts of 2**64.
_STRIDES = {
    "w/tale/account0/state": 15_111_065_706_836_454_659,
    "w/tale/account1/state": 12_378_569_675_163_806_722,
    "w/tale/account2/state": 10_140_184_033_053_478_359,
}
