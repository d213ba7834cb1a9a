"""Reads that are answered with what is no longer so: by a replica that is behind, by a cache whose copies outlive their time."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.time import MINUTE_MS, SECOND_MS
from billsim.engine.lift import lift
from billsim.engines import load_engine
from billsim.external.words import speaking
from billsim.faults.base import Dial
from billsim.faults.catalogue import weather_of
from billsim.ports import AccountState, Component, Engine, GatherAll, Message, Read, Scan
from billsim.run import RunResult, run_scenario
from billsim.scenario.toml_file import find, load, loads
from tests.test_runtime import START_MS, Platform, Script

ANSWERS = list[Any]
LOOKS: list[Any] = [Read("subs_dunning", "ada"), Scan("subs_dunning", {"status": ("retrying",)}), GatherAll("ada", ("subs_dunning", "ope"))]


class Behind:
    """Replicas and caches that are behind by so much, wherever they are asked."""

    longest_ms = 10 * MINUTE_MS

    def __init__(self, replica_ms: int = 0, cache_ms: int = 0) -> None:
        self.replica_ms = replica_ms
        self.cache_ms = cache_ms
        self.asked: list[str] = []

    def replica_lag_ms(self, task: str, account: str, what: str) -> int:
        self.asked.append(f"{task}/{what}")
        return self.replica_ms

    def cache_lag_ms(self, task: str, account: str, what: str) -> int:
        self.asked.append(f"{task}/{what}")
        return self.cache_ms


def town(replica_ms: int = 0, cache_ms: int = 0) -> tuple[Platform, Behind]:
    platform, behind = Platform(), Behind(replica_ms, cache_ms)
    platform.runtime.mislead(behind)
    return platform, behind


def looking(*looks: Any) -> tuple[Script, ANSWERS]:
    answers: ANSWERS = []

    def script(message: Message) -> Generator[Any, Any, None]:
        for look in looks:
            answers.append((yield look))

    return script, answers


def looked(platform: Platform, *looks: Any, primary: bool = False) -> ANSWERS:
    """What a task is answered that looks now."""
    script, answers = looking(*looks)
    component = Component("tester", "engine", script, primary=primary)
    platform.runtime.start(component, Message("m", "w", "test", "ada", platform.kernel.now), "e/test", lambda task, failure: None)
    platform.run()
    return answers


def status_of(answer: Any) -> str:
    if isinstance(answer, AccountState):
        return answer.dunning.status if answer.dunning else "none"
    if isinstance(answer, tuple):
        return answer[0].status if answer else "none"
    return answer.status if answer else "none"


def written(platform: Platform, *, ago_ms: int = SECOND_MS) -> None:
    """A minute ago ada was retrying, `ago_ms` ago she became delinquent."""
    platform.stores.write("engine", "subs_dunning", "ada", None, {"status": "retrying"}, START_MS - MINUTE_MS)
    platform.stores.write("engine", "subs_dunning", "ada", None, {"status": "delinquent"}, START_MS - ago_ms)


# -- replicas ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS, ids=["read", "scan", "gather"])
def test_a_replica_shows_what_was_committed_before(look: Any) -> None:
    platform, behind = town(replica_ms=5 * SECOND_MS)
    written(platform)
    assert [status_of(answer) for answer in looked(platform, look)] == ["retrying"]
    assert platform.marks == {"stale_replica_read": 1} and len(behind.asked) == 1


@pytest.mark.parametrize("look", LOOKS, ids=["read", "scan", "gather"])
def test_one_that_is_behind_by_less_than_the_row_is_old_shows_what_is_so(look: Any) -> None:
    platform, _ = town(replica_ms=SECOND_MS)
    written(platform, ago_ms=5 * SECOND_MS)
    expected = "none" if isinstance(look, Scan) else "delinquent"
    assert [status_of(answer) for answer in looked(platform, look)] == [expected] and platform.marks == {}


@pytest.mark.parametrize("look", LOOKS, ids=["read", "scan", "gather"])
def test_the_primary_shows_what_is_so_and_nothing_is_asked(look: Any) -> None:
    platform, behind = town(replica_ms=5 * SECOND_MS)
    written(platform)
    expected = "none" if isinstance(look, Scan) else "delinquent"
    assert [status_of(answer) for answer in looked(platform, look, primary=True)] == [expected] and behind.asked == []


def test_where_nothing_has_moved_nothing_is_asked() -> None:
    platform, behind = town(replica_ms=5 * SECOND_MS)
    written(platform, ago_ms=0)
    platform.kernel.move_to(START_MS + 11 * MINUTE_MS)
    looked(platform, Read("subs_account", "ada"), Read("ope", "ada"), Scan("ope", {"status": ("active",)}), GatherAll("ada", ("ope",)))
    assert behind.asked == []


def test_a_row_that_was_not_there_yet_is_not_seen_and_each_look_is_asked_about() -> None:
    platform, behind = town(replica_ms=5 * SECOND_MS)
    platform.stores.write("entitlements", "cf_prod", "ada", "zones", {"plan": "pro"}, START_MS - 1)
    one, every, again = looked(platform, Read("cf_prod", "ada", "zones"), Read("cf_prod", "ada"), Read("cf_prod", "ada"))
    assert one is None and every == {} and again == {}
    assert behind.asked == ["e/test/replica/cf_prod/zones", "e/test/replica/cf_prod/ada", "e/test/replica/cf_prod/ada#2"]


def test_a_scan_shows_the_rows_of_one_moment_in_the_order_of_the_accounts() -> None:
    platform, _ = town(replica_ms=5 * SECOND_MS)
    for account in ("ada", "bob", "cem"):
        platform.stores.write("engine", "subs_dunning", account, None, {"status": "retrying"}, START_MS - MINUTE_MS)
    platform.stores.write("engine", "subs_dunning", "ada", None, {"status": "healthy"}, START_MS - 1)
    platform.stores.write("engine", "subs_dunning", "dan", None, {"status": "retrying"}, START_MS - 1)
    (rows,) = looked(platform, Scan("subs_dunning", {"status": ("retrying",)}))
    assert [row.account for row in rows] == ["ada", "bob", "cem"]


def test_what_a_task_is_known_to_have_seen_is_what_it_was_shown() -> None:
    """The cause of a drift is told from this: the version that it went by, and when that was so."""
    platform, _ = town(replica_ms=5 * SECOND_MS)
    written(platform)
    tasks = []

    def script(message: Message) -> Generator[Any, Any, None]:
        yield Read("subs_dunning", "ada")
        yield GatherAll("ada", ("subs_dunning",))
        tasks.append(platform.runtime.running["e/test"])

    platform.start(script)
    platform.run()
    (read_ms, _, _), ((_, read_at), _, state) = tasks[0].seen
    assert tasks[0].known_version("subs_dunning", "ada", "") == 1 == state.dunning.version
    assert read_ms < START_MS - 4 * SECOND_MS and read_at["subs_dunning"] < START_MS - 4 * SECOND_MS


# -- the cache ---------------------------------------------------------------------------------------------------------------------------

COPY = Read("facade_cache", "ada", "profile")


def kept(platform: Platform, value: Any, until_ms: int, at_ms: int, key: str = "profile") -> None:
    platform.stores.write("facade", "facade_cache", "ada", key, {"value": value, "until_ms": until_ms}, at_ms)


def test_a_copy_that_has_expired_is_shown_as_if_it_had_not() -> None:
    platform, behind = town(cache_ms=MINUTE_MS)
    kept(platform, "old", START_MS - 1, START_MS - 2 * MINUTE_MS)
    (row,) = looked(platform, COPY)
    assert row.value == "old" and row.until_ms > START_MS and platform.marks == {"stale_cache_served": 1}
    assert behind.asked == ["e/test/cache/profile"]


def test_a_copy_that_was_thrown_away_is_shown_and_cannot_be_written_upon() -> None:
    platform, _ = town(cache_ms=MINUTE_MS)
    kept(platform, "old", START_MS + MINUTE_MS, START_MS - 2 * MINUTE_MS)
    kept(platform, None, 0, START_MS - SECOND_MS)
    (row,) = looked(platform, COPY)
    assert (row.value, row.version) == ("old", 1) and platform.stores.version("facade_cache", "ada", "profile") == 2


def test_a_copy_that_is_as_it_should_be_is_not_asked_about() -> None:
    platform, behind = town(cache_ms=MINUTE_MS)
    kept(platform, "new", START_MS + MINUTE_MS, START_MS - 11 * MINUTE_MS)
    kept(platform, "other", START_MS + MINUTE_MS, START_MS, "methods")
    (row,) = looked(platform, COPY)
    assert row.value == "new" and behind.asked == []


@pytest.mark.parametrize("key", ["answer/update_profile", "limit/dashboard"])
def test_answers_and_limits_are_no_copies(key: str) -> None:
    platform, behind = town(cache_ms=MINUTE_MS)
    kept(platform, {"requests": 1}, START_MS - 1, START_MS - 2 * MINUTE_MS, key)
    (row,) = looked(platform, Read("facade_cache", "ada", key))
    assert row.until_ms == START_MS - 1 and behind.asked == []


# -- what is asked -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "ask"), [("stale_replica", "replica_lag_ms"), ("stale_cache", "cache_lag_ms")])
def test_it_is_asked_for_under_the_look_and_keeps_to_its_accounts(name: str, ask: str) -> None:
    def asked(ppm: int = 1_000_000, account: str = "ada", **dial: Any) -> tuple[list[str], int]:
        choices = Seeded(1)
        weather = weather_of({name: Dial(ppm=ppm, **dial)}, choices, lambda customer: ())
        assert weather is not None and weather.misleads_reads
        lag_ms = getattr(weather, ask)("e/in_ada_1.paid.x/brain", account, "what")
        weather.stopped = True
        assert getattr(weather, ask)("e/in_ada_1.paid.x/brain", account, "more") == 0
        return [label for label, _ in choices.asked], lag_ms

    label = f"e/fault/{name}/in_ada_1.paid.x/brain/what"
    labels, lag_ms = asked(minutes=3)
    assert labels == [label, f"{label}/by"] and 0 < lag_ms <= 3 * MINUTE_MS
    assert asked(ppm=1) == ([label], 0)
    assert asked(accounts=("bob",)) == ([], 0)


# -- in a world --------------------------------------------------------------------------------------------------------------------------


def on_replicas() -> Engine:
    """`recompute` with all of its reads gone to replicas."""
    engine = load_engine("recompute")
    engine.components = {name: replace(component, primary=False) for name, component in engine.components.items()}  # type: ignore[misc]
    return engine


LEAVES = """
    id = "x"
    start = 2026-03-14T00:00:00Z
    given = [ { account = "ada", account_type = "jdc", invoices = [
      { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-02-20T10:00:00Z } ] } ]
    timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "change_account_type", account = "ada", account_type = "self_serve" } ]
    [faults]
    stale_replica = { ppm = 1000000 }
"""


def leaves(engine: str, seed: int) -> RunResult:
    return run_scenario(loads(LEAVES), engine=engine, seed=seed)


def test_a_brain_that_decides_by_replicas_finds_nothing_to_do_and_recompute_does_not() -> None:
    """Compare-and-set protects what is written; nothing protects a decision that nothing is to be written."""
    assert {leaves("recompute", seed).verdict for seed in range(12)} == {"holds"}
    fallen = [leaves(f"{__name__}:on_replicas", seed) for seed in range(12)]
    assert sum(run.verdict == "falls" for run in fallen) >= 6
    assert {drift.code for run in fallen for drift in run.drift if drift.closed_ms is None} >= {"bad_debt_missed", "consequence_missing"}


@pytest.mark.parametrize("primary", [None, False, True])
@pytest.mark.parametrize("statuses", [{}, {"healthy": "fine"}])
def test_an_engine_of_ones_own_says_where_its_reads_go_and_what_is_lent_reads_from_primaries(primary: bool | None, statuses: dict[str, str]) -> None:
    class Hands:
        def handle(self, message: Message) -> Generator[Any, Any, None]:
            yield Read("subs_dunning", message.account)

    hands = Hands()
    if primary is not None:
        hands.primary = primary  # type: ignore[attr-defined]
    components = lift(speaking(hands, statuses), DunningPolicy(), name="mine").components
    assert components["engine"].primary is (primary is True)
    assert all(component.primary for name, component in components.items() if name != "engine")


def test_the_told_stories_do_not_hang_on_a_seed() -> None:
    for seed in range(8):
        story = load(find("faults/stale_replica"))
        legacy = run_scenario(story, seed=seed, engine="legacy")
        assert [(drift.code, drift.cause) for drift in legacy.drift if drift.closed_ms is None] == [("bad_debt_stuck", "stale_read")]
        assert legacy.data["marks"]["stale_replica_read"] == 1
        assert run_scenario(story, seed=seed).verdict == "holds"
        assert run_scenario(load(find("faults/stale_cache")), seed=seed).data["marks"]["stale_cache_served"] == 1
