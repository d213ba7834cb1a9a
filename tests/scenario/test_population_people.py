"""Populations out of a data file: shares, calendars and debts of old are as the file says, and every store agrees with truth at the start."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from billsim.core.choices import Seeded
from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING
from billsim.core.time import DAY_S
from billsim.scenario import population_data, toml_file
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Population, Scenario
from billsim.scenario.population_data import by_quantile, by_share, people
from billsim.scenario.population_people import DIGITS, Calendar, Term
from billsim.stores.subs_customer import BRAINTREE
from billsim.stripe.objects import Book, Recurring
from billsim.stripe.periods import period_end

from .test_given import disagreements
from .worlds import World

START = datetime(2026, 3, 1, tzinfo=UTC)
START_S = int(START.timestamp())
MONTHLY, YEARLY = Term("m", (), 1), Term("y", (), 12)


def at(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())


def crowd(accounts: int = 300, seed: int = 0, start: int = START_S) -> World:
    population = Population(accounts=accounts, days=1, people="saas")
    return World(Scenario(id="x", population=population, start=start * 1000, until=(start + DAY_S) * 1000), seed)


@pytest.fixture(scope="module")
def town() -> World:
    return crowd(4_000)


def everything(world: World) -> dict[str, tuple[object, ...]]:
    shards = world.stores.shards
    return {name: (shard.rows, shard.many, *(getattr(shard.stripe, kind) for kind in Book.__slots__)) for name, shard in shards.items()}


def near(found: int, share: int, of: int) -> bool:
    """Within four standard deviations of a share (parts per thousand) of so many."""
    mean = of * share / 1000
    return abs(found - mean) <= 4 * (mean * (1 - share / 1000)) ** 0.5 + 1


# -- the same people -----------------------------------------------------------------------------------------------------------------------


def test_a_seed_makes_the_same_people() -> None:
    assert everything(crowd(seed=7)) == everything(crowd(seed=7))
    assert everything(crowd(seed=7)) != everything(crowd(seed=8))


def test_one_account_more_makes_no_other_into_somebody_else() -> None:
    fewer, more = everything(crowd(300, 3)), everything(crowd(301, 3))
    assert len(more) == 301 and all(more[name] == person for name, person in fewer.items())
    assert all(label.startswith("w/population/acct_") for label, _ in crowd(20).choices.asked)


def test_an_answer_fits_a_tape() -> None:
    assert DIGITS.answer(2**64 - 1) == 2**63 - 1
    assert max(answer for _, answer in crowd(200).choices.asked) < 2**63


def test_everybody_agrees_with_truth_at_the_start(town: World) -> None:
    assert len(town.stores.shards) == 4_000
    assert [found for shard in town.stores.shards.values() for found in disagreements(shard, START_S)] == []
    assert town.outbox.reported == []


def test_everybody_agrees_with_truth_in_the_middle_of_a_day_too() -> None:
    """At 15:40 on a 31st: subscriptions of earlier today have renewed, and of later today have not."""
    start = at("2026-03-31T15:40")
    world = crowd(600, start=start)
    assert [found for shard in world.stores.shards.values() for found in disagreements(shard, start)] == []


def test_nothing_of_the_past_lies_in_the_future() -> None:
    """A draft of 23:30 was to be paid at 00:30: it was paid by the start instead."""
    for start in (START_S, at("2026-03-31T15:40")):
        for shard in crowd(500, start=start).stores.shards.values():
            book = shard.stripe
            instants = [charge.created for charge in book.charges.values()]
            instants += [invoice.status_transitions.finalized_at or 0 for invoice in book.invoices.values()]
            instants += [thing.created for part in (book.subscriptions, book.invoices, book.payment_intents) for thing in part.values()]
            assert max(instants) <= start
            ends = [s.items.data[0].current_period_end for s in book.subscriptions.values() if s.status == "active"]
            assert all(end >= start for end in ends)


# -- shares --------------------------------------------------------------------------------------------------------------------------------


def test_plans_counts_and_payment_methods_have_their_shares(town: World) -> None:
    data, shards = people("saas"), list(town.stores.shards.values())
    settled = [shard for shard in shards if shard.one("subs_dunning").status == HEALTHY]
    assert near(len(shards) - len(settled), data.dunning.accounts, 4_000)
    counts = Counter(len(shard.all("ope")) for shard in settled)
    assert all(near(counts[count], share, len(settled)) for count, share in enumerate(data.accounts.subscriptions, 1))
    plans = Counter(row.items[0].plan for shard in settled for row in shard.all("ope").values())
    assert all(near(plans[plan], share.share, plans.total()) for plan, share in data.plans.items())
    methods = [shard.stripe.payment_methods[f"pm_{shard.account}"] for shard in settled]
    instruments = Counter(method.type for method in methods)
    assert all(near(instruments[name], share, len(settled)) for name, share in data.payment_methods.instruments.items())
    brands = Counter(method.card.brand for method in methods if method.card)
    assert all(near(brands[name], share, brands.total()) for name, share in data.payment_methods.brands.items())
    assert all((method.card is None) == (method.type != "card") for method in methods)


def test_some_paypal_is_in_the_wrong_vault_and_nothing_else_is(town: World) -> None:
    shards = list(town.stores.shards.values())
    wrong = [shard for shard in shards if shard.one("subs_customer").vault == BRAINTREE]
    assert near(len(wrong), people("saas").payment_methods.wrong_vault, len(shards))
    assert {shard.stripe.payment_methods[f"pm_{shard.account}"].type for shard in wrong} == {"paypal"}


def test_anchors_have_their_days_and_hours(town: World) -> None:
    anchors = data = people("saas").anchors
    subscriptions = [s for shard in town.stores.shards.values() for s in shard.stripe.subscriptions.values() if s.status == "active"]
    monthly = [s for s in subscriptions if s.items.data[0].price.recurring == Recurring("month")]
    moments = [datetime.fromtimestamp(s.billing_cycle_anchor, UTC) for s in monthly]
    days, hours = Counter(m.day for m in moments), Counter(m.hour for m in moments)
    for found, weights, first in ((days, anchors.days, 1), (hours, data.hours, 0)):
        total = sum(weights)
        assert all(near(found[value], 1000 * weight // total, len(moments)) for value, weight in enumerate(weights, first))


def test_some_have_never_paid_and_some_cards_do_not_pay(town: World) -> None:
    data, shards = people("saas"), list(town.stores.shards.values())
    never = sum(not shard.stripe.charges for shard in shards)
    assert near(never, data.accounts.never_paid, 4_000)
    behaviours = town.stripe._backend.cards._behaviours
    kinds = Counter(behaviour.kind for behaviour in behaviours.values())
    lost = data.declines.lost + data.dunning.accounts * data.dunning.lost // 1000
    assert near(kinds["lost"], lost, 4_000)
    assert near(kinds["insufficient_funds"], data.declines.short + data.dunning.accounts - data.dunning.accounts * data.dunning.lost // 1000, 4_000)


# -- the calendar --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "term", "day", "second", "age", "started", "renewed", "renews"),
    [
        ("2026-03-01", MONTHLY, 1, 3600, 0, "2026-02-01T01:00", "2026-02-01T01:00", "2026-03-01T01:00"),
        ("2026-03-01", MONTHLY, 15, 0, 13, "2025-01-15", "2026-02-15", "2026-03-15"),
        # February has no 31st: it renewed on the 28th, and was bought in January, the month before, or in December.
        ("2026-03-01", MONTHLY, 31, 0, 0, "2026-01-31", "2026-02-28", "2026-03-31"),
        ("2026-03-01", MONTHLY, 31, 0, 3, "2025-10-31", "2026-02-28", "2026-03-31"),
        # Of later today, and of earlier today.
        ("2026-03-31T15:40", MONTHLY, 31, 16 * 3600, 0, "2026-01-31T16:00", "2026-02-28T16:00", "2026-03-31T16:00"),
        ("2026-03-31T15:40", MONTHLY, 31, 15 * 3600, 0, "2026-03-31T15:00", "2026-03-31T15:00", "2026-04-30T15:00"),
        # Yearly ones are spread over the year by `part`.
        ("2026-03-01", YEARLY, 10, 0, 30, "2023-05-10", "2025-05-10", "2026-05-10"),
        ("2026-03-01", YEARLY, 29, 0, 5, "2026-02-28", "2026-02-28", "2027-02-28"),
    ],
)
def test_when_a_subscription_was_bought_and_renews(
    start: str, term: Term, day: int, second: int, age: int, started: str, renewed: str, renews: str
) -> None:
    part = {10: 2, 29: 11}.get(day, 0) if term is YEARLY else 7
    bought = Calendar(at(start)).bought(term, day, second, age, part)
    assert (bought.started, bought.renewed, bought.renews) == (at(started), at(renewed), at(renews))


def test_the_next_period_is_the_one_that_stripe_would_bill(town: World) -> None:
    """Stripe's own arithmetic, from the anchor, comes from the running period's start to its end."""
    for shard in town.stores.shards.values():
        for subscription in shard.stripe.subscriptions.values():
            item = subscription.items.data[0]
            if subscription.status == "active":
                assert period_end(item.price.recurring, item.current_period_start, subscription.billing_cycle_anchor) == item.current_period_end


# -- debts of old --------------------------------------------------------------------------------------------------------------------------


def test_who_owes_is_where_the_schedule_has_brought_them(town: World) -> None:
    """A lost card was charged once, two weeks before the schedule gave up: its grace is over by then."""
    owing = {name: shard for name, shard in town.stores.shards.items() if shard.one("subs_dunning").status != HEALTHY}
    behaviours = town.stripe._backend.cards._behaviours
    statuses = Counter(shard.one("subs_dunning").status for shard in owing.values())
    assert set(statuses) == {RETRYING, DELINQUENT, BAD_DEBT} and statuses[RETRYING] > statuses[DELINQUENT]
    for name, shard in owing.items():
        debt = shard.stripe.invoices[f"in_{name}_1"]
        age_days = (START_S - (debt.status_transitions.finalized_at or 0)) / DAY_S
        tried = sum(day <= age_days for day in (0, 1, 3, 5, 7, 9, 11, 14))
        assert (debt.status, debt.attempt_count) == ("open", tried)
        due = debt.next_payment_attempt
        assert due is None if tried == 8 or shard.one("subs_dunning").status == BAD_DEBT else START_S < due <= START_S + 3 * DAY_S
        grace_over_days = 7 if behaviours[f"pm_{name}"].kind == "lost" else 14 + 7
        expected = RETRYING if tried < 8 else DELINQUENT if age_days < grace_over_days else BAD_DEBT
        assert shard.one("subs_dunning").status == expected


def test_their_cards_come_back_or_do_not(town: World) -> None:
    behaviours = town.stripe._backend.cards._behaviours
    owing = [name for name, shard in town.stores.shards.items() if shard.one("subs_dunning").status != HEALTHY]
    kinds = Counter(behaviours[f"pm_{name}"].kind for name in owing)
    assert set(kinds) == {"lost", "insufficient_funds"} and near(kinds["lost"], people("saas").dunning.lost, len(owing))
    ends = [behaviours[f"pm_{name}"].until_s for name in owing if behaviours[f"pm_{name}"].kind == "insufficient_funds"]
    assert min(end for end in ends if end is not None) >= START_S + DAY_S


# -- the data file -------------------------------------------------------------------------------------------------------------------------


def test_slots() -> None:
    assert by_share({5: 250, 6: 750})[249:251] == (5, 6) and len(by_share({1: 1, 2: 1, 3: 1})) == 1000
    assert Counter(by_share({1: 1, 2: 1, 3: 1})) == {1: 333, 2: 333, 3: 334}
    assert by_quantile((0, 10, 30))[::250] == (0, 5, 10, 20)
    assert by_quantile((1, 2), DAY_S)[500] == DAY_S * 3 // 2


def test_every_data_file_adds_up() -> None:
    assert population_data.names() == ["saas"]
    assert all(people(name).about for name in population_data.names())


BROKEN: list[tuple[str, Any, str]] = [
    ("plans", {"pro": {"price": 1, "share": 999}}, "plans: shares add up to 999, not to 1000"),
    ("plans", {"pro": {"price": 1, "share": 1000, "interval": "year"}}, "plans: needs one that is paid by the month"),
    ("plans", {"pro": {"price": 1, "share": 1000, "intervall": "year"}}, "unknown field `intervall`"),
    ("anchors", {"days": [1] * 30, "hours": [1] * 24}, "anchors.days: needs 31 weights of 0 or more"),
    ("anchors", {"days": [1] * 31, "hours": [0] * 24}, "anchors.hours: needs 24 weights of 0 or more"),
    ("accounts", {"subscriptions": [900, 101], "age_months": [0, 1], "never_paid": 1}, "accounts.subscriptions: shares add up to 1001"),
    ("accounts", {"subscriptions": [100] * 10, "age_months": [0, 1], "never_paid": 1}, "accounts.subscriptions: at most 9 an account"),
    ("accounts", {"subscriptions": [1000], "age_months": [3, 1], "never_paid": 1}, "accounts.age_months: quantiles must be two or more, rising"),
    ("declines", {"on_a_day_ppm": 0, "short": 999, "short_days": [1, 2], "lost": 2}, "declines: short, lost and accounts.never_paid"),
    ("payment_methods", {"instruments": {"paypal": 1000}, "brands": {"visa": 1000}, "wrong_vault": 1001}, "payment_methods.wrong_vault: is a share"),
    ("dunning", {"accounts": 1, "days_ago": [0, 1], "good_again_days": [0, 1], "lost": 1}, "dunning.days_ago: a debt of old is a day old"),
]


@pytest.mark.parametrize(("table", "value", "message"), BROKEN, ids=[message for *_, message in BROKEN])
def test_a_data_file_that_does_not_add_up(table: str, value: Any, message: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from billsim.scenario.writing import key_of, literal

    told = {**msgspec.to_builtins(people("saas")), table: value}
    (tmp_path / "bad.toml").write_text("".join(f"{key_of(key)} = {literal(value)}\n" for key, value in told.items()))
    monkeypatch.setattr(population_data, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="bad.toml: ") as error:
        people("bad")
    assert message in str(error.value)


SCENARIO = 'id = "x"\nstart = 2026-03-01T00:00:00Z\n\n[population]\naccounts = 5\ndays = 1\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('people = "sass"', "x.toml:7: population.people: unknown data file of people 'sass' (did you mean 'saas'?)"),
        (
            'people = "saas"\nlost = 5',
            "x.toml:8: population.lost: is what the data file 'saas' says: leave it out, or leave out 'people'",
        ),
    ],
)
def test_bad_input(line: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        toml_file.loads(SCENARIO + line + "\n", "x.toml")
    assert str(error.value) == message


def test_round_trip() -> None:
    scenario = toml_file.loads(SCENARIO + 'people = "saas"\n')
    assert scenario.population is not None and scenario.population.people == "saas"
    assert toml_file.loads(toml_file.dump(scenario)) == scenario


def test_a_story_may_name_any_subscription_of_the_people() -> None:
    story = SCENARIO.replace('days = 1\n', 'days = 1\npeople = "saas"\n')
    row = 'timeline = [ { at = 2026-03-01T10:00:00Z, by = "acct_00001", do = "pay", invoice = "acct_00001-%d_1" } ]\n'
    head, table = story.split("\n[population]")
    assert toml_file.loads(f"{head}{row % 5}\n[population]{table}").timeline
    with pytest.raises(InputError, match="has no such subscription"):
        toml_file.loads(f"{head}{row % 6}\n[population]{table}")


def test_one_question_an_account_and_one_a_subscription() -> None:
    world = crowd(200)
    asked = Counter(label.split("/")[2] for label, _ in world.choices.asked)
    expected = {name: 1 + len(shard.all("ope")) for name, shard in world.stores.shards.items()}
    assert asked == expected and isinstance(world.choices, Seeded)


@pytest.mark.parametrize("start", ["2026-03-01", "2026-01-31T12:00", "2028-02-29T06:30", "2026-12-30T23:59"])
@pytest.mark.parametrize("days", [0, 1, 20, 45])
def test_a_day_on_which_nothing_may_renew_renews_nothing(start: str, days: int) -> None:
    calendar, end = Calendar(at(start)), at(start) + days * DAY_S + 3_600
    for day in range(1, 32):
        renewals = [calendar.bought(MONTHLY, day, second, 5, 0).renews for second in (0, 3_599, 43_200, 86_399)]
        renewals += [calendar.bought(YEARLY, day, second, 30, part).renews for second in (0, 86_399) for part in range(12)]
        assert calendar.may_renew(day, end) or min(renewals) > end
    if days < 20:
        assert sum(calendar.may_renew(day, end) for day in range(1, 32)) <= days + 4
