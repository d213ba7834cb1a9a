"""Shrinks a failing world to a told story: fewer accounts, rows, faults and pins, and plainer ones, that fail in the same way.

While rows and accounts go, every answer of the run stays pinned, under the name that it has by then, so that leaving out one thing does not move the
others: what remains of the world goes on as it did. Then pins go, until only those are left without which it does not fail. An order is nothing but
latencies, so what is left of one are the latencies of a few things: first in, first out, but for these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from billsim.core.platform import Platform
from billsim.explore import edits, wording
from billsim.explore.narrate import narrated
from billsim.explore.trial import Budget, Spent, Step, Trial, fewest
from billsim.run import SHIPPED, run_orders
from billsim.scenario.errors import InputError
from billsim.scenario.orders import MOST_ORDERS, count_orders, orders
from billsim.scenario.plan import Scenario
from billsim.scenario.tales import told

# Parts of the budget by whose end the first rows, and then the pins, are to be through.
_UNTIL_ROWS, _UNTIL_PINS = 0.5, 0.8
# A failure of a population is told as the story of one of these many accounts.
_FEW_ACCOUNTS = 3
# More orders of a story than this are not tried for what it is to expect.
_FEW_ORDERS = 24


class Shrunk(NamedTuple):
    """The smallest story that was found. It fails as `signature` says when it is run with `seed`, which is 0 but where ties of the world forbid that.

    `rows` and `pins` are those of the story, `runs` and `seconds` what it took. `exhausted`: the budget was spent before nothing more could go.
    `against`: the engine under which it holds, None where it holds under none that was named. `stopped`: Ctrl-C came before more could go.
    """

    scenario: Scenario
    signature: str
    runs: int
    rows: int
    pins: int
    seconds: float
    exhausted: bool
    seed: int
    against: str | None
    stopped: bool = False


def shrink(
    scenario: Scenario,
    seed: int,
    engine: str,
    schedule_answers: Mapping[str, int] | None = None,
    want: str = "",
    budget_runs: int = 400,
    budget_s: float = 10.0,
    against: str | None = "recompute",
    progress: Callable[[Step], None] | None = None,
    platform: Platform = SHIPPED,
    keeps: bool = False,
) -> Shrunk:
    """Shrink a world that fails under `engine` with `seed` and, where a schedule made its order, with that schedule's answers.

    `want` is the signature that is to stay (default: the gravest). The story holds under `against`, unless the world itself fails so under it.
    With `keeps`, Ctrl-C ends it with the smallest story so far, if there is one that is no population. Raises InputError for a world that does not
    fail so, and for one of imported events.
    """
    if scenario.events is not None or scenario.rows is not None:
        what = "tells of imported events or rows, which cannot be left out: only told stories, tales and populations are shrunk"
        raise InputError(what, scenario.source)
    against = None if against == engine else against
    trial = Trial(engine, want, against, Budget(budget_runs, budget_s), platform, progress)
    if not _begins(trial, edits.untold(told(scenario, seed)), seed, schedule_answers or {}):
        raise InputError(f"{scenario.id} does not fail{f' with {want}' if want else ''} under {engine} with seed {seed}: there is nothing to shrink")
    exhausted, stopped = until_interrupted(trial) if keeps else (smallest(trial), False)
    return _finished(trial, f"fuzz seed={seed} engine={engine}", exhausted)._replace(stopped=stopped)


def until_interrupted(trial: Trial) -> tuple[bool, bool]:
    """As `smallest`, and whether Ctrl-C has ended it. Raises KeyboardInterrupt while the story is still that of a population."""
    try:
        return smallest(trial), False
    except KeyboardInterrupt:
        if trial.best.population is not None:
            raise  # running one again, to the end, takes longer than who interrupts it will wait
        so_that_it_replays(trial)
        return True, True


def smallest(trial: Trial) -> bool:
    """Make the story of a trial that has begun as small as its budget allows; whether that was spent before nothing more could go."""
    exhausted = False
    try:
        with trial.part(_UNTIL_ROWS):
            _as_story(trial)
            _at_seed_0(trial)
            _as_few(trial)
        with trial.part(_UNTIL_PINS):
            trial.pins_all = False
            _fewer_pins(trial)
        _to_the_end(trial)
    except Spent:
        exhausted = True
    so_that_it_replays(trial)
    return exhausted


def _begins(trial: Trial, story: Scenario, seed: int, answers: Mapping[str, int]) -> bool:
    """The first story is the one that is named; or, where its rows race and nobody said how, one of its orders."""
    if trial.begin(story, seed, answers):
        return True
    tried = not answers and 1 < count_orders(story) <= MOST_ORDERS
    return tried and any(trial.begin(story, seed, order) for order in orders(story))


def _as_story(trial: Trial) -> None:
    """A population's failure as the story of one of those whom it befell; else a smaller population."""
    if trial.best.population is None:
        return
    guilty = trial.guilty()
    if not any(_as_story_of(trial, account, is_first=account == guilty[0]) for account in guilty[:_FEW_ACCOUNTS]):
        trial.first(edits.shorter(trial.best, trial.wrong_ms()))
        trial.first(edits.smaller_populations(trial.best, max(guilty)))


def _as_story_of(trial: Trial, account: str, *, is_first: bool) -> bool:
    """The first one whatever it costs: runs of a population are slow, and those of a story are not."""
    trial.unlimited = is_first
    told = any(trial.keeps(*story) for story in narrated(trial.best, account, seed=trial.seed, engine=trial.engine, platform=trial.platform))
    trial.unlimited = False
    return told


def _at_seed_0(trial: Trial) -> None:
    """With all answers pinned, another seed decides no more than ties."""
    if trial.seed:
        trial.keeps(trial.best, seed=0)


def so_that_it_replays(trial: Trial) -> None:
    """Where shrinking was stopped too soon: what the story must have, or need not."""
    trial.unlimited = True
    _at_seed_0(trial)
    if trial.pins_all:
        trial.keeps(edits.with_pins(trial.best, []))


def _as_few(trial: Trial) -> None:
    """Fewer parts, with every answer pinned."""
    trial.keeps(edits.with_faults_pinned(trial.best))
    trial.first(edits.shorter(trial.best, trial.wrong_ms()))
    trial.keeps(*edits.apart(trial.best))
    _fewer_accounts(trial)
    _fewer_rows(trial)
    _with_people_named(trial)
    _plainer(trial)


def _to_the_end(trial: Trial) -> None:
    """Whatever can still go, until nothing can."""
    before = None
    while before != trial.best:
        before = trial.best
        _fewer_rows(trial)
        _with_people_named(trial)
        _plainer(trial)
        _fewer_pins(trial)
        trial.first(edits.of_usual_length(trial.best))
    _rounder_pins(trial)


def _with_people_named(trial: Trial) -> None:
    if trial.best.given:
        trial.keeps(*edits.with_people_named(trial.best))


def _fewer_accounts(trial: Trial) -> None:
    names, guilty = [account.account for account in trial.best.given], trial.guilty()
    if trial.keeps(*edits.with_accounts(trial.best, [name for name in names if name in guilty])):
        names = [account.account for account in trial.best.given]
    if len(names) > 1:
        fewest(names, lambda rest: bool(rest) and trial.keeps(*edits.with_accounts(trial.best, rest)))


def _fewer_rows(trial: Trial) -> None:
    had = list(range(len(trial.best.timeline)))

    def keeps(rest: list[int]) -> bool:
        nonlocal had
        if not trial.keeps(*edits.with_rows(trial.best, [had.index(row) for row in rest])):
            return False
        had = rest
        return True

    fewest(had, keeps)
    more = True
    while more:
        more = any(trial.keeps(*folded) for folded in edits.folded(trial.best))


def _plainer(trial: Trial) -> None:
    """What is told otherwise than usual, as usual; instants, rounded."""
    trial.first(edits.without_settings(trial.best))
    trial.keeps(edits.usual_plans(trial.best))
    trial.each(edits.plainer_accounts(trial.best))
    trial.each(edits.plainer_rows(trial.best))
    trial.first(edits.of_usual_length(trial.best))
    if not trial.first(edits.rounded(trial.best)):
        for index in range(len(trial.best.timeline)):
            trial.first(edits.rounded_row(trial.best, index))


def _fewer_pins(trial: Trial) -> None:
    for fault in list(trial.best.faults):
        trial.keeps(edits.without_fault(trial.best, fault))
    if trial.keeps(edits.with_pins(trial.best, [])):
        return
    for account in trial.guilty()[:_FEW_ACCOUNTS]:
        if trial.keeps(edits.with_pins(trial.best, edits.about(trial.best, account))):
            break
    trial.keeps(edits.with_pins(trial.best, [label for label in trial.best.answers if "/fault/" in label]))
    fewest(list(trial.best.answers), lambda rest: trial.keeps(edits.with_pins(trial.best, rest)))
    trial.keeps(edits.with_faults_pinned(trial.best))


def _rounder_pins(trial: Trial) -> None:
    for label in list(trial.best.answers):
        trial.first(edits.rounded_pins(trial.best, label))


def _finished(trial: Trial, from_: str, exhausted: bool) -> Shrunk:
    """The story as a file has it, with what is expected of it."""
    story = wording.titled(trial.best, trial.want, from_)
    if trial.seed == 0 and count_orders(story) <= _FEW_ORDERS:
        shown = run_orders(story, engine=trial.engine, platform=trial.platform)
        told_so = wording.pinned(story, trial.engine, shown, trial.holds_under)
        if run_orders(told_so, engine=trial.engine, platform=trial.platform).as_expected:
            story = told_so
    pins = len(story.answers)
    return Shrunk(story, trial.want, trial.runs, len(story.timeline), pins, trial.seconds, exhausted, trial.seed, trial.holds_under)
