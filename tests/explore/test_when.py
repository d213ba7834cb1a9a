"""When did it go wrong: a run whose failure hangs on one known answer turns where that answer is given, and nowhere else."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.time import to_ms
from billsim.core.trace import WriteRecord
from billsim.explore.when import Share, Wanted, When, _measured, when
from billsim.faults.base import Dial
from billsim.run import RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load

# The 7th try fails at this instant, and `legacy` counts deliveries: it falls if Stripe makes two events of the failure, and only then.
CHARGED = "2026-03-14T10:00:00Z"
TWIN = "w/fault/twin/in_ada_1.payment_failed.7"
FALLS, HOLDS = 2, 0
GRAVEST, LATER = "drift/dunning_wrong/duplicate/subs_dunning.status", "drift/consequence_unjustified/duplicate/notify.delinquent"
RUNS = 12


def instant(text: str) -> int:
    from datetime import datetime

    return to_ms(datetime.fromisoformat(text))


@pytest.fixture(scope="module")
def story() -> Scenario:
    told = load(find("dunning/duplicate_failed_counts_twice"))
    return replace(told, timeline=told.timeline[1:], faults={"twin": Dial(ppm=300_000)})


@pytest.fixture(scope="module")
def found(story: Scenario) -> When:
    return when(story, seed=FALLS, engine="legacy", runs=RUNS)


def run(story: Scenario, seed: int = FALLS, **how: Any) -> RunResult:
    return run_scenario(story, seed=seed, engine="legacy", keep_records=True, keep_tape=True, bodies=False, **how)


@pytest.fixture(scope="module", params=["races/ban_falls_due", "dunning/cron_reads_stale_list", "fuzz/tales"])
def told(request: pytest.FixtureRequest) -> Scenario:
    return load(find(request.param))


class TestReseeding:
    def test_up_to_the_instant_it_is_the_same_world_and_after_it_another(self, told: Scenario) -> None:
        whole = run(told)
        instants = sorted({record.at_ms for record in whole.records if record.table != "drift"})
        parted = 0
        for until_ms in instants[:: len(instants) // 6]:
            other = run(told, reseed=(until_ms, 5))
            assert happened(other, until_ms) == happened(whole, until_ms)
            parted += happened(other, instants[-1]) != happened(whole, instants[-1])
        assert parted

    def test_after_the_end_it_changes_nothing_and_before_the_start_everything(self, told: Scenario) -> None:
        whole, other = run(told), run(told, seed=5)
        assert whole.data["digest"] != other.data["digest"]
        kept = run(told, reseed=(1 << 60, 5))
        assert (kept.data["digest"], kept.tape, kept.kept) == (whole.data["digest"], whole.tape, len(whole.tape or ()))
        nothing = run(told, reseed=(told.start - 1, 5))
        assert (nothing.data["digest"], nothing.tape, nothing.kept) == (other.data["digest"], other.tape, 0)

    def test_under_its_own_seed_it_is_the_same_run(self, told: Scenario) -> None:
        assert run(told, reseed=((told.start + told.until) // 2, FALLS)).data["digest"] == run(told).data["digest"]

    def test_rows_that_race_later_are_left_open_and_earlier_ones_are_not(self) -> None:
        race = load(find("dunning/void_after_bad_debt"))
        at, whole = race.timeline[0].at, dict(run(race).tape or ())
        before, then = dict(run(race, reseed=(at - 1, 5)).tape or ()), dict(run(race, reseed=(at, 5)).tape or ())
        other = dict(run(race, seed=5).tape or ())
        for label in ("w/story/row0/offset", "w/story/row1/offset"):
            assert (before[label], then[label]) == (other[label], whole[label])
            assert other[label] != whole[label]


def happened(result: RunResult, until_ms: int) -> list[Any]:
    return [record for record in result.records if record.table != "drift" and record.at_ms <= until_ms]


class TestWhen:
    def test_it_turns_at_the_instant_at_which_the_deciding_answer_is_given(self, story: Scenario, found: When) -> None:
        assert found.failure == (GRAVEST, "ada") and found.others == (LATER,)
        assert found.turn is not None
        assert (found.turn.before.at_ms, found.turn.after.at_ms) == (story.start, instant(CHARGED))

    def test_with_nothing_kept_it_is_as_likely_as_among_the_other_seeds(self, story: Scenario, found: When) -> None:
        falling = sum(run(story, seed=FALLS + 1 + n).verdict == "falls" for n in range(RUNS))
        assert 0 < falling < RUNS
        assert [point.share for point in found.points[:2]] == [Share(RUNS, falling, 0)] * 2
        assert found.points[0].at_ms is None

    def test_from_there_on_it_is_certain(self, found: When) -> None:
        assert [point.share.falling for point in found.points[2:]] == [RUNS] * (len(found.points) - 2)
        times = [point.at_ms for point in found.points[1:]]
        assert all(one < other for one, other in pairwise(times) if one is not None and other is not None)

    def test_the_answer_that_decided_it_is_found_among_those_that_were_given(self, found: When) -> None:
        turn = found.turn
        assert turn is not None and turn.decision is not None
        assert turn.decision.answers == {TWIN: 1} and turn.questions > 5
        assert turn.decision.alone.falling == turn.decision.after.falling == RUNS
        assert turn.decision.before == found.points[0].share

    def test_what_happened_there_is_the_failed_charge(self, found: When) -> None:
        assert found.turn is not None
        written = [record for record in found.turn.records if isinstance(record, WriteRecord)]
        assert written[0].store == "stripe.charge" and written[0].new.status == "failed"
        assert {record.at_ms for record in found.turn.records} == {instant(CHARGED)}

    def test_an_answer_that_the_scenario_pins_is_left_open_after_the_instant_like_any_other(self, story: Scenario) -> None:
        pinned = replace(story, faults={"twin": Dial(ppm=1)}, answers={TWIN: 1})
        turn = when(pinned, seed=HOLDS, engine="legacy", runs=4).turn
        assert turn is not None and turn.decision is not None
        assert (turn.before.share.falling, turn.after.share.falling, turn.decision.answers) == (0, 4, {TWIN: 1})

    def test_what_nothing_open_decides_turns_nowhere(self, story: Scenario) -> None:
        certain = when(replace(story, faults={"twin": Dial(ppm=1_000_000)}), seed=HOLDS, engine="legacy", runs=3)
        assert certain.failure is not None and certain.turn is None
        assert {point.share.falling for point in certain.points} == {3}

    def test_a_run_that_holds_has_no_points(self, story: Scenario) -> None:
        nothing = when(story, seed=HOLDS, engine="legacy", runs=3)
        assert (nothing.verdict, nothing.failure, nothing.points, nothing.turn, nothing.runs) == ("holds", None, (), None, 1)

    def test_another_failure_can_be_asked_for(self, story: Scenario) -> None:
        asked = when(story, seed=FALLS, engine="legacy", points=2, runs=2, wanted=Wanted(signature=LATER))
        assert asked.failure == (LATER, "ada") and asked.others == (GRAVEST,)

    @pytest.mark.parametrize(
        ("wanted", "key", "hint"),
        [(Wanted(account="adda"), "--account", "ada"), (Wanted(signature=GRAVEST[:-3]), "--signature", GRAVEST)],
    )
    def test_a_failure_that_is_not_there_is_told_with_the_nearest(self, story: Scenario, wanted: Wanted, key: str, hint: str) -> None:
        with pytest.raises(InputError) as raised:
            when(story, seed=FALLS, engine="legacy", wanted=wanted)
        assert (raised.value.key, raised.value.hint) == (key, hint)

    def test_progress_never_says_more_than_is_planned_and_ends_with_all(self, story: Scenario) -> None:
        seen: list[tuple[int, int]] = []
        asked = when(story, seed=FALLS, engine="legacy", points=4, runs=2, progress=lambda done, planned: seen.append((done, planned)))
        assert [done for done, _ in seen] == list(range(1, asked.runs + 1))
        assert all(done <= planned for done, planned in seen)


class TestMeasured:
    def step(self, at: int) -> tuple[list[int], Any]:
        asked: list[int] = []

        def measure(index: int) -> Share:
            asked.append(index)
            return Share(20, 20 if index >= at else 3, 0)

        return asked, measure

    @pytest.mark.parametrize("at", [1, 37, 50, 99])
    def test_a_step_is_found_to_the_place(self, at: int) -> None:
        """7 of 14 all over leave a gap of 17, which 5 halvings close."""
        asked, measure = self.step(at)
        found = _measured(100, 14, measure)
        assert {at - 1, at} <= set(found)
        assert len(asked) == len(set(asked)) == len(found) <= 14

    def test_few_places_are_all_measured(self) -> None:
        assert sorted(_measured(5, 24, self.step(2)[1])) == [0, 1, 2, 3, 4]

    def test_where_nothing_differs_nothing_is_looked_for(self) -> None:
        assert sorted(_measured(100, 14, self.step(0)[1])) == [0, 16, 33, 49, 66, 82, 99]


class TestShare:
    @pytest.mark.parametrize(
        ("falling", "runs", "low", "high"),
        [(0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (10, 20, 0.2993, 0.7007), (1, 1, 0.2065, 1.0)],
    )
    def test_bounds_are_wilsons(self, falling: int, runs: int, low: float, high: float) -> None:
        """By hand: (p + z2/2n +- z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n), z2 = 3.8416; 0 of 20: (0.09604 + 0.09604) / 1.19208."""
        assert Share(runs, falling, 0).bounds == pytest.approx((low, high), abs=5e-5)
