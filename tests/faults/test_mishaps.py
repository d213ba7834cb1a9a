"""What happens to an account's data in the storm, that it is put right, and what was wrong before anything began."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.choices import Seeded
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS
from billsim.engines import load_engine
from billsim.faults.base import Dial, Mishap
from billsim.faults.catalogue import weather_of
from billsim.run import RunResult, look_at, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import dump, loads, unplaced
from billsim.world import World

DATA = ("missing_customer", "merged_account", "no_payment_method", "missing_price")
ALWAYS = 1_000_000
START = 1_773_446_400_000


# -- whom it strikes -----------------------------------------------------------------------------------------------------------------------


def mishaps(name: str, accounts: tuple[str, ...] = ("ada", "bob"), **dial: Any) -> tuple[list[Mishap], list[str]]:
    choices = Seeded(1)
    weather = weather_of({name: Dial(**{"ppm": ALWAYS, **dial})}, choices, lambda customer: ())
    assert weather is not None
    return weather.mishaps(accounts, DAY_MS), [label for label, _ in choices.asked]


@pytest.mark.parametrize("name", DATA)
def test_each_account_is_struck_once_within_the_storm_for_no_longer_than_its_minutes(name: str) -> None:
    found, labels = mishaps(name, minutes=100)
    assert sorted(mishap.account for mishap in found) == ["ada", "bob"]
    for mishap in found:
        assert mishap.fault == name and 0 <= mishap.after_ms < DAY_MS and MINUTE_MS <= mishap.lasts_ms <= 100 * MINUTE_MS
        assert (mishap.other != "" and mishap.other != mishap.account) == (name == "merged_account")
    assert labels[:3] == [f"w/fault/{name}/ada{step}" for step in ("", "/after", "/lasts")]
    assert [mishap.after_ms for mishap in found] == sorted(mishap.after_ms for mishap in found)


@pytest.mark.parametrize("name", DATA)
def test_it_keeps_to_its_accounts_and_rate(name: str) -> None:
    found, labels = scoped(name)
    assert [mishap.account for mishap in found] == ["bob"] and not [label for label in labels if "/ada" in label]
    assert mishaps(name, tuple(f"a{n}" for n in range(50)), ppm=1)[0] == []


def scoped(name: str) -> tuple[list[Mishap], list[str]]:
    choices = Seeded(1)
    weather = weather_of({name: Dial(ppm=ALWAYS, accounts=("bob",))}, choices, lambda customer: ())
    assert weather is not None
    return weather.mishaps(("ada", "bob"), DAY_MS), [label for label, _ in choices.asked]


def test_nobody_is_merged_with_himself() -> None:
    assert mishaps("merged_account", ("ada",))[0] == []
    everybody = tuple(f"a{n}" for n in range(200))
    assert all(mishap.account != mishap.other for mishap in mishaps("merged_account", everybody)[0])


# -- what it does ------------------------------------------------------------------------------------------------------------------------


def story(name: str, timeline: str = "", lasts_h: int = 3, **more: int) -> Scenario:
    """ada is struck at nine, for three hours."""
    answers = {"": 1, "/after": 9 * HOUR_MS, "/lasts": lasts_h * HOUR_MS, **{f"/{key}": value for key, value in more.items()}}
    pinned = "\n".join(f'"w/fault/{name}/ada{step}" = {value}' for step, value in answers.items())
    return loads(f"""
        id = "x"
        start = 2026-03-14T00:00:00Z
        until = 2026-03-16T00:00:00Z
        given = [ {{ account = "ada", failed_attempts = 3, card = "good" }}, {{ account = "bob", failed_attempts = 5, card = "good" }} ]
        timeline = [ {timeline} ]
        faults = {{ {name} = {{ ppm = 1 }} }}
        [answers]
        {pinned}
    """)


def seen(scenario: Scenario, hour: int, look: Any) -> Any:
    return look_at(scenario, START + hour * HOUR_MS, look, seed=0, engine="recompute", tape={})[0]


def test_a_mapping_is_lost_and_comes_back() -> None:
    told = story("missing_customer")
    assert [seen(told, hour, lambda world: world.customer_of("ada")) for hour in (8, 10, 13)] == ["cus_ada", "", "cus_ada"]


def test_two_accounts_are_put_on_one_customer_and_parted() -> None:
    told = story("merged_account", other=1)
    assert [seen(told, hour, lambda world: world.accounts_of("cus_bob")) for hour in (8, 10, 13)] == [("bob",), ("bob", "ada"), ("bob",)]
    assert seen(told, 13, lambda world: world.customer_of("ada")) == "cus_ada"


def test_a_customer_has_nothing_to_pay_with_until_there_is_a_new_card() -> None:
    def default(world: World) -> Any:
        customer = world.stripe.books["cus_ada"].customer
        return customer.invoice_settings.default_payment_method if customer is not None else None

    told = story("no_payment_method")
    assert seen(told, 8, default) == "pm_ada" and seen(told, 10, default) is None and seen(told, 13, default) not in (None, "pm_ada")


def test_something_is_bought_that_stripe_bills_when_it_has_a_price() -> None:
    def billed(world: World) -> tuple[int, int, bool]:
        items = world.stores.read("ope", "ada", "ope_ada").items
        return len(items), len(world.stripe.books["cus_ada"].subscriptions["sub_ada"].items.data), world.stripe.has_price("handmade_ada")

    told = story("missing_price")
    assert [seen(told, hour, billed) for hour in (8, 10, 13)] == [(1, 1, False), (2, 1, False), (2, 2, True)]


@pytest.mark.parametrize("name", DATA)
def test_when_the_storm_is_over_everything_is_put_right_at_once(name: str) -> None:
    """It would last for a month."""
    run = run_scenario(story(name, lasts_h=700, **({"other": 1} if name == "merged_account" else {})))
    assert run.verdict == "holds", (run.drift, run.data["findings"])
    assert all(drift.closed_ms is not None and drift.closed_ms <= START + 2 * DAY_MS + HOUR_MS for drift in run.drift)


@pytest.mark.parametrize("name", ["missing_customer", "merged_account"])
def test_what_is_on_the_way_when_an_account_moves_is_on_the_way_for_it_no_more(name: str) -> None:
    """Or the world would wait for it for ever, and call the account lagging meanwhile."""
    pays = '{ at = 2026-03-14T08:59:59Z, by = "ada", do = "pay", invoice = "ada_1", via = "hosted" },'
    told = story(name, pays, lasts_h=1, **({"other": 1} if name == "merged_account" else {}))
    for seed in range(8):
        run = run_scenario(told, seed=seed)
        assert run.verdict == "holds", (seed, run.drift, run.data["findings"])


def test_what_was_heard_of_two_is_made_up_for_when_they_are_parted() -> None:
    """Deaf to what is said of mappings, an engine misses what was acknowledged while nobody could tell whose it was."""
    pays = '{ at = 2026-03-14T10:00:00Z, by = "bob", do = "pay", invoice = "bob_1", via = "hosted" },'
    told = story("merged_account", pays, other=1)
    assert run_scenario(told).verdict == "holds"
    deaf = run_scenario(told, engine=f"{__name__}:deaf_to_mappings")
    assert {(drift.account, drift.code) for drift in deaf.drift if drift.closed_ms is None} == {("bob", "dunning_wrong"), ("bob", "ledger_drift")}


def deaf_to_mappings() -> Any:
    """`recompute`, which does not hear that an account stands on another customer."""
    engine: Any = load_engine("recompute")
    heard = engine.wakes
    engine.wakes = lambda message: () if message.kind == "domain.mapping_changed" else heard(message)
    return engine


# -- in a population -----------------------------------------------------------------------------------------------------------------------

PEOPLE = """
    id = "x"
    start = 2026-03-01T00:00:00Z
    until = 2026-03-15T00:00:00Z
    [population]
    accounts = 30
    days = 14
    declines = 300
    lost = 150
    second_subscription = 200
    pays_dashboard = 200
    renewal_spread_days = 12
"""


def lived(more: str, seed: int, engine: str = "recompute") -> RunResult:
    return run_scenario(loads(PEOPLE + more), seed=seed, engine=engine, keep_tape=True)


@pytest.mark.parametrize("name", [*DATA, "stale_replica", "stale_cache", "cron_missed", "cron_twice", "cron_overlap"])
def test_recompute_converges_under_each_by_itself_and_strongly(name: str) -> None:
    for seed in range(12):
        run = lived(f"\n[faults]\n{name} = {{ ppm = 600000 }}", seed)
        assert run.verdict == "holds", (seed, run.drift[:3], run.data["findings"][:3])


ALL = "\n[faults]\n" + "\n".join(f"{name} = {{ ppm = 250000 }}" for name in (*DATA, "stale_replica", "stale_cache", "cron_twice"))


def test_recompute_converges_under_all_of_them_with_crashes_and_late_news() -> None:
    struck: dict[str, int] = {}
    for seed in range(20):
        run = lived(f"{ALL}\ncrash = {{ ppm = 20000 }}\nlate = {{ ppm = 20000 }}\npoison = {{ ppm = 20000 }}", seed)
        assert run.verdict == "holds" and run.data["drift"]["unhealable"] == 0, (seed, run.drift[:3], run.data["findings"][:3])
        for label, answer in run.tape or ():
            if "/fault/" in label and answer == 1:
                struck[label.split("/")[2]] = struck.get(label.split("/")[2], 0) + 1
    assert all(struck[name] >= 20 for name in (*DATA, "cron_twice")), struck


FLAWS = "\nflaws = { merged = 100, no_customer = 100, no_payment_method = 100, missing_price = 100 }"


def test_what_no_engine_could_heal_is_counted_apart_and_is_no_failure() -> None:
    healthy = lived("", 0).data["drift"]["unhealable"]
    assert healthy == 0
    for seed in range(6):
        flawed = lived(FLAWS, seed)
        assert flawed.verdict == "holds" and flawed.data["drift"]["unhealable"] >= 4, (seed, flawed.drift[:3])
        assert lived(FLAWS, seed, "noop").verdict == "falls"


def test_the_flawed_are_as_flawed_as_is_said_and_nobody_else_is_another() -> None:
    flaws = {name: answer for name, answer in asked(PEOPLE + FLAWS).items() if name.endswith("/flaw") and answer}
    assert set(flaws.values()) == {1, 2, 3, 4}
    plain, with_flaws = asked(PEOPLE), asked(PEOPLE + FLAWS)
    same = [label for label in with_flaws if label in plain and label.endswith("/kind")]
    assert len(same) == 30 - len(flaws) and all(plain[label] == with_flaws[label] for label in same)


def asked(text: str) -> dict[str, int]:
    return {label: answer for label, answer in run_scenario(loads(text), keep_tape=True).tape or () if label.startswith("w/population/")}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("flaws = { merged = 600, no_customer = 500 }", "population.flaws.merged: parts per thousand"),
        ("flaws = { merge = 6 }", "population.flaws.merge: unknown key (did you mean 'merged'?)"),
        ("flaws = { merged = -1 }", "population.flaws.merged: must not be negative"),
    ],
)
def test_bad_input_is_met_with_one_line(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")):
        loads(PEOPLE + line)


def test_what_is_written_is_read_again() -> None:
    told = loads(PEOPLE + FLAWS)
    assert unplaced(loads(dump(told))) == unplaced(told)


# -- the queues, both of them ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "what"), [("redelivery", "retried"), ("poison", "dead_letter")])
def test_the_faults_of_queues_strike_domain_events_and_async_processing_alike(fault: str, what: str) -> None:
    told = loads(f"""
        id = "x"
        start = 2026-03-14T00:00:00Z
        given = [ {{ account = "ada", failed_attempts = 7, card = "declines" }} ]
        timeline = [
          {{ at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" }},
          {{ at = 2026-03-14T11:00:00Z, by = "ada", do = "set_flag", flag = "marketing_opt_in", on = true }},
          {{ at = 2026-03-14T12:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" }},
        ]
        faults = {{ {fault} = {{ ppm = 1000000 }} }}
    """)
    run = run_scenario(told, keep_records=True)
    struck = {record.kind.partition(".")[0] for record in run.records if record[0] == "messages" and record.what == what}
    assert run.verdict == "holds" and struck == {"domain", "async"}
