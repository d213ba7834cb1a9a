"""From an order that was found with the clock standing to the latencies that make it: then the story falls by itself, without a search.

The steps are performed in the same order in a world whose clock runs; what each has to wait for is its latency. Where that takes so long that what
has an instant of its own comes in between, the same is tried with every latency as short as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from billsim.core.kernel import Wake
from billsim.core.platform import Platform
from billsim.core.schedule import Schedule
from billsim.explore.guide import Fired, branch_of
from billsim.explore.stage import Make, Steered, quiet_world
from billsim.explore.states import what_of
from billsim.run import SHIPPED, RunResult, run_scenario
from billsim.runtime.gather import branches
from billsim.runtime.task import Task
from billsim.scenario.plan import Scenario
from billsim.world import World

# What is to go first may be due this much later than what waits: longer than anything under way takes.
REACH_MS = 600_000
MOST_TRIALS = 120


class Told(NamedTuple):
    """A failing order as a story: `answers` make it, and `result` is its run."""

    scenario: Scenario
    answers: dict[str, int]
    result: RunResult


class Diverged(BaseException):
    """What was to go next does not wait. No component may take it for a failure."""


class Follower(Schedule):
    """Performs the steps in the order in which they were performed before. `hasty`: what has a latency takes a millisecond."""

    def __init__(self, order: Sequence[Fired], *, hasty: bool) -> None:
        super().__init__(REACH_MS)
        self.choices: Steered | None = None
        self._order = order
        self._hasty = hasty
        self._begun: dict[str, int] = {}

    def choose(self, waiting: Sequence[Wake]) -> int:
        """What was performed next. Raises Diverged."""
        if self.steps == len(self._order):
            return 0
        wanted = self._order[self.steps].what
        for index, wake in enumerate(waiting):
            if what_of(wake) == wanted:
                return index
        raise Diverged(wanted)

    def instant(self, now_ms: int, wake: Wake, earliest: Wake) -> int:
        """As early as it may be; each later than the one before, so that nothing ties."""
        fired = self._order[self.steps] if self.steps < len(self._order) else None
        if fired is not None and what_of(wake) != fired.what:
            raise Diverged(fired.what)
        self.steps += 1
        if fired is None:
            return super().instant(now_ms, wake, earliest)
        target = self._hurried(now_ms, wake) if self._hasty and wake.label else super().instant(now_ms, wake, earliest)
        if isinstance(wake, Task) and wake.label in self._begun and self.choices is not None:
            self._read(wake, fired, target, self.choices)
        return target

    def begun(self, tasks: Sequence[Task]) -> None:
        """Note how much had been written when a gather began."""
        for task in tasks:
            if task.begun[2] is not None and task.label == task.begun[0]:
                self._begun.setdefault(task.label, len(task.begun[2].undo))

    def _hurried(self, now_ms: int, wake: Wake) -> int:
        target = max(now_ms, wake.due_ms - wake.open_ms) + 1
        if target != wake.due_ms:
            self.answers[wake.label] = wake.open_ms + target - wake.due_ms
        return target

    def _read(self, task: Task, fired: Fired, ended_ms: int, choices: Steered) -> None:
        """Each branch that has moved since is read right before what it missed, or at the end."""
        label, began_ms, shard = task.begun
        missed, seen = dict(fired.tears), dict[str, int]()
        reads = branches(task.effect.parts).reads
        for undo in shard.undo[self._begun[task.label] :]:
            branch = branch_of(undo)
            if branch not in reads:
                continue
            seen[branch] = seen.get(branch, 0) + 1
            question = f"{label}/{branch}"
            if branch in missed and seen[branch] == missed[branch] + 1:
                choices.pinned[question] = self.answers[question] = max(0, undo.at - 1 - began_ms)
            elif branch not in missed:
                choices.pinned[question] = self.answers[question] = ended_ms - began_ms


def told(
    scenario: Scenario, engine: str | Make, seed: int, order: Sequence[Fired], falls: Callable[[RunResult], bool], platform: Platform = SHIPPED
) -> Told | None:
    """The story in which an order comes about by its latencies alone, with as few of them told as can be; None where none shows it again."""
    if not isinstance(engine, str):
        return None

    def run(answers: dict[str, int]) -> RunResult:
        return run_scenario(scenario, seed=seed, engine=engine, overrides=answers, platform=platform, bodies=False)

    for hasty in (False, True):
        answers = latencies(scenario, engine, seed, order, hasty=hasty, platform=platform)
        if answers is not None and falls(run(answers)):
            fewest = _fewest(answers, lambda some: falls(run(some)))
            return Told(replace(scenario, answers={**scenario.answers, **fewest}), fewest, run(fewest))
    return None


def latencies(
    scenario: Scenario, engine: str | Make, seed: int, order: Sequence[Fired], *, hasty: bool, platform: Platform = SHIPPED
) -> dict[str, int] | None:
    """The latencies that differ from those of the seed; None where the order does not come about with a clock that runs."""
    follower = Follower(order, hasty=hasty)
    choices = Steered(seed, dict(scenario.answers))
    follower.choices = choices
    with quiet_world(scenario, engine, choices, follower, platform) as (world, live):
        _watch_gathers(world, follower)
        try:
            live()
        except Diverged:
            return None
    return follower.answers


def _watch_gathers(world: World, follower: Follower) -> None:
    look = world.after_step

    def after_step() -> None:
        look()
        follower.begun(list(world.runtime.running.values()))

    world.after_step = after_step  # type: ignore[method-assign]


def _fewest(answers: dict[str, int], falls: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """As few of the answers as still do: whole halves are left out first, then smaller parts, down to single ones."""
    kept, trials = list(answers), 0
    size = max(1, len(kept) // 2)
    while kept and trials < MOST_TRIALS:
        before = len(kept)
        for begin in range(0, len(kept), size):
            rest = kept[:begin] + kept[begin + size :]
            trials += 1
            if len(rest) < len(kept) and falls({label: answers[label] for label in rest}):
                kept = rest
                break
        if len(kept) == before:
            if size == 1:
                break
            size //= 2
    return {label: answers[label] for label in kept}
