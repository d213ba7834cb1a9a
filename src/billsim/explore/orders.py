"""Every order in which the steps of a story may happen: depth first, each state once.

A choice is which of the waiting effects is performed next. A run follows a path of choices from the beginning, goes on with what waits first, and
stops where it meets a state that is known. Steps that commute with everything are not choices at all; with `reduce`, of two orders that only swap
independent steps one is tried (sleep sets: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996; with states
remembered, as there in chapter 5). What states lead to is counted, not run: the number of orders is the number of ways through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from billsim.core.kernel import Wake
from billsim.core.schedule import Schedule
from billsim.explore.footprint import Footprint, footprint, independent

WINDOW_MS = 10_000
MOST_RUNS = 200_000
# What a path is made of: which of the options was taken at each state where there were several.
Path = tuple[int, ...]
Asleep = dict[str, Footprint]


class End(NamedTuple):
    """Where a complete order leads: a digest of the rows and objects, and the signatures of what was wrong."""

    digest: str
    signatures: tuple[str, ...]


class Stage(Protocol):
    """Runs a story under a guide, once."""

    def play(self, guide: Guide) -> End:
        """Build the world, let the guide order it, and say how it ended. Raises Known where the guide has seen enough."""
        ...


class Known(BaseException):
    """What follows from here has been seen: the run need not go on. No component may take it for a failure."""


class Node:
    """A state in which several steps could be next: where each that was tried leads, and what was left out there."""

    __slots__ = ("next", "asleep")

    def __init__(self, asleep: Asleep) -> None:
        self.next: dict[int, Node | End] = {}
        self.asleep = asleep


class Task(NamedTuple):
    """A path that is to be tried from `node`, the last of its states, and what is asleep where it ends."""

    path: Path
    asleep: Asleep
    node: Node | None


class Explored(NamedTuple):
    """What a search came to. `orders` counts the ways through the states that were met, of which `failing` lead to something wrong; `runs` is how many
    were run; `ends` holds each distinct end and by how many orders it is reached. `complete`: nothing was left out within `switches` (None: any
    number).
    """

    orders: int
    failing: int
    states: int
    runs: int
    switches: int | None
    complete: bool
    ends: dict[End, int]
    first_failing: Path | None


class Guide(Schedule):
    """Follows a path, and then takes what waits first; asks its search at each state."""

    def __init__(self, search: Search, task: Task, window_ms: int) -> None:
        super().__init__(window_ms, frozen=True)
        self.name: Callable[[], str] = str
        self.depth = 0
        self.switches = 0
        self.path: list[int] = []
        self.asleep: Asleep = {}
        self._search = search
        self._task = task

    def first(self, waiting: Sequence[Wake]) -> int:
        prints = [footprint(wake) for wake in waiting]
        for index, each in enumerate(prints):
            if each.is_empty and waiting[index].label:
                return index
        options = _of_one_account(prints)
        chosen = options[self._choose([waiting[index] for index in options], [prints[index] for index in options])]
        if self.depth >= len(self._task.path):
            self.asleep = {label: each for label, each in self.asleep.items() if independent(each, prints[chosen])}
        return chosen

    def _choose(self, waiting: Sequence[Wake], prints: Sequence[Footprint]) -> int:
        """Which of the options; a single one that is asleep ends the run."""
        if len(waiting) == 1:
            if waiting[0].label in self.asleep:
                raise Known
            return 0
        if self.depth < len(self._task.path):
            index = self._task.path[self.depth]
            self.depth += 1
            if self.depth == len(self._task.path):
                self.asleep = dict(self._task.asleep)
        else:
            index = self._search.meet(self, [wake.label for wake in waiting], prints)
            self.depth += 1
        self.path.append(index)
        self.switches += index > 0
        return index


def _of_one_account(prints: Sequence[Footprint]) -> list[int]:
    """The steps of the first account alone, unless one of them may touch any: accounts do not meet, so theirs commute."""
    if any(not each.account for each in prints):
        return list(range(len(prints)))
    first = prints[0].account
    return [index for index, each in enumerate(prints) if each.account == first]


class Search:
    """A search of a story's orders. `switches` bounds how often something may go before what waits first; `reduce` leaves out what only swaps independent
    steps (not together with a bound, under which the two need not cost alike).
    """

    def __init__(self, stage: Stage, *, switches: int | None = None, reduce: bool = True, window_ms: int = WINDOW_MS, most_runs: int = MOST_RUNS) -> None:
        self.runs = 0
        self._stage = stage
        self._switches = switches
        self._reduce = reduce and switches is None
        self._window_ms = window_ms
        self._most_runs = most_runs
        self._nodes: dict[tuple[str, int], Node] = {}
        self._agenda = [Task((), {}, None)]
        self._from: tuple[Node, int] | None = None
        self._root: Node | End | None = None
        self._failing: Path | None = None

    def run(self, progress: Callable[[int, int], None] | None = None) -> Explored:
        """Search until nothing is left, or `most_runs` are spent."""
        while self._agenda and self.runs < self._most_runs:
            task = self._agenda.pop()
            self.runs += 1
            self._from = (task.node, task.path[-1]) if task.node is not None else None
            guide = Guide(self, task, self._window_ms)
            try:
                end = self._stage.play(guide)
            except Known:
                continue
            finally:
                if progress is not None:
                    progress(self.runs, len(self._nodes))
            self._lead_to(end)
            if end.signatures and (self._failing is None or len(guide.path) < len(self._failing)):
                self._failing = tuple(guide.path)
        ends = ways(self._root)
        failing = sum(times for end, times in ends.items() if end.signatures)
        return Explored(sum(ends.values()), failing, len(self._nodes), self.runs, self._switches, not self._agenda, ends, self._failing)

    def meet(self, guide: Guide, labels: Sequence[str], prints: Sequence[Footprint]) -> int:
        """A state with several options: what to do there. Raises Known where nothing new can come of it."""
        key = (guide.name(), guide.switches if self._switches is not None else 0)
        node = self._nodes.get(key)
        if node is not None:
            self._lead_to(node)
            self._revisit(guide, node, labels, prints)
            raise Known
        node = self._nodes[key] = Node(dict(guide.asleep))
        self._lead_to(node)
        awake = [index for index, label in enumerate(labels) if label not in guide.asleep]
        if self._switches is not None and guide.switches >= self._switches:
            awake = awake[:1]
        if not awake:
            raise Known
        before = dict(guide.asleep)
        tasks = []
        for index in awake:
            tasks.append(Task((*guide.path, index), self._sleeping(before, prints[index]), node))
            before[labels[index]] = prints[index]
        self._agenda.extend(reversed(tasks[1:]))
        self._from = (node, awake[0])
        return awake[0]

    def _revisit(self, guide: Guide, node: Node, labels: Sequence[str], prints: Sequence[Footprint]) -> None:
        """A state met again with less asleep than before: what was left out then is tried now."""
        missing = [index for index, label in enumerate(labels) if label in node.asleep and label not in guide.asleep]
        if missing:
            node.asleep = {label: each for label, each in node.asleep.items() if label in guide.asleep}
            self._agenda.extend(Task((*guide.path, index), self._sleeping(node.asleep, prints[index]), node) for index in missing)

    def _sleeping(self, before: Asleep, step: Footprint) -> Asleep:
        """What need not be tried right after `step`, since it was tried before it and the two commute."""
        return {label: each for label, each in before.items() if independent(each, step)} if self._reduce else {}

    def _lead_to(self, there: Node | End) -> None:
        if self._from is None:
            self._root = there
        else:
            node, index = self._from
            node.next[index] = there


def ways(root: Node | End | None) -> dict[End, int]:
    """How many ways lead from `root` to each end."""
    if root is None:
        return {}
    known: dict[Node, dict[End, int]] = {}
    stack: list[Node | End] = [root]
    while stack:
        there = stack[-1]
        if isinstance(there, End) or there in known:
            stack.pop()
            continue
        left = [each for each in there.next.values() if isinstance(each, Node) and each not in known]
        if left:
            stack.extend(left)
            continue
        stack.pop()
        total: dict[End, int] = {}
        for each in there.next.values():
            for end, times in ({each: 1} if isinstance(each, End) else known[each]).items():
                total[end] = total.get(end, 0) + times
        known[there] = total
    return {root: 1} if isinstance(root, End) else known[root]
