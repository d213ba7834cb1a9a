"""Every order in which the steps of a story may happen, each state once.

A choice is which of the waiting effects is performed next; that something else goes before what waits first is a *switch*. The search goes from
state to state: it takes the world back to a moment, performs one of the steps that are open there, goes on with what waits first, and stops where it
meets a state that is known. It goes by switches, so that each state is met with the fewest, and what fails is told with the fewest. Steps that
commute with everything are no choices at all, nor is which of two accounts goes first; with `reduce`, of two orders that only swap independent steps
one is tried (sleep sets: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996; with states remembered, as there in
chapter 5). What states lead to is counted, not run: the number of orders is the number of ways through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from billsim.explore.footprint import Footprint, independent

MOST_RUNS = 1_000_000
# Moments are kept for what is still to be tried, at some 20 KB each; where there are so many, a branch is tried from the beginning instead.
MOST_MOMENTS = 10_000
# The index of the option that was taken at each state where there were several.
Path = tuple[int, ...]
Way = tuple[Any, int] | None
Asleep = dict[str, Footprint]


class End(NamedTuple):
    """Where a complete order leads: a digest of all that is stored, one of the authorities in it and one of what is derived from them; and the
    signatures of what was wrong.
    """

    digest: str
    authorities: str
    derived: str
    signatures: tuple[str, ...]


class Option(NamedTuple):
    """A step that may be next: the place of what waits, in the order in which it is due; its name; what it touches; and how many switches it takes.

    `tears`: branches that a gather reads early, each with how many of the writes to it since the gather began it still saw.
    """

    nth: int
    name: str
    print: Footprint
    switches: int
    tears: tuple[tuple[str, int], ...] = ()


class Place(Protocol):
    """Where a run stands: the guide's side of a moment."""

    switches: int
    asleep: Asleep
    way: Way


class Stage(Protocol):
    """Plays a story, from the beginning or from a moment, as a search and a path say."""

    def begin(self, search: Search, path: Path, asleep: Asleep) -> End:
        """Play from the beginning, along a path first. Raises Known where the search has seen enough."""
        ...

    def resume(self, search: Search, moment: Any, option: int, asleep: Asleep) -> End:
        """Go on from a moment with one of its options. Raises Known."""
        ...

    def save(self) -> Any:
        """The moment that is now; None where it cannot be taken up again, so that its branches are tried from the beginning."""
        ...

    def name(self) -> str:
        """A digest of the state that is now."""
        ...


class Known(BaseException):
    """What follows from here has been seen: the run need not go on. No component may take it for a failure."""


class Node:
    """A state in which several steps could be next: where each that was tried leads, what each costs, and what was left out there."""

    __slots__ = ("next", "costs", "asleep")

    def __init__(self, costs: list[int], asleep: Asleep) -> None:
        self.next: dict[int, Node | End] = {}
        self.costs = costs
        self.asleep = asleep


class Held:
    """A moment, for as many branches as are still to be tried from it."""

    __slots__ = ("moment", "left")

    def __init__(self, moment: Any, left: int) -> None:
        self.moment = moment
        self.left = left


class Branch(NamedTuple):
    """An option that is to be tried at `node`, the state that `way` leads to; `asleep` is what need not be tried after it."""

    node: Node | None
    option: int
    held: Held | None
    way: Way
    asleep: Asleep


class Explored(NamedTuple):
    """What a search came to. `orders` counts the ways through the states that were met, of which `failing` lead to something wrong; `runs` is how
    many branches were tried, of which `pruned` ended at a known state; `ends` holds each distinct end and by how many orders it is reached.

    `within`: no order of at most so many switches was left out (None: of any number); -1: not even those of no switch are through. `complete`:
    nothing was left out of what was to be searched.
    """

    orders: int
    failing: int
    states: int
    runs: int
    pruned: int
    within: int | None
    complete: bool
    ends: dict[End, int]
    first_failing: Path | None


class Search:
    """A search of a story's orders. `switches` bounds how many an order takes (None: any number); `reduce` leaves out what only swaps independent
    steps (not together with a bound, under which the two need not cost alike); `merge` False tries every order by itself, and `apart` False also
    those that only differ in which account goes first.

    `enough` is asked after each branch, whether to stop.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        switches: int | None = None,
        reduce: bool = True,
        merge: bool = True,
        apart: bool = True,
        most_runs: int = MOST_RUNS,
        enough: Callable[[], bool] = bool,
    ) -> None:
        self.switches = switches
        self.reduce = reduce and switches is None
        self.apart = apart
        self.runs = self.pruned = 0
        self._stage = stage
        self._merge = merge
        self._most_runs = most_runs
        self._enough = enough
        self._nodes: dict[str, Node] = {}
        self._agenda: list[list[Branch]] = [[Branch(None, 0, None, None, {})]]
        self.level = 0
        self._moments = 0
        self._from: tuple[Node, int] | None = None
        self._root: Node | End | None = None
        self._failing: tuple[int, Path] | None = None
        self.paths: dict[End, Path] = {}

    def run(self, progress: Callable[[Search], None] | None = None) -> Explored:
        """Search until nothing is left, or enough is done. After an interruption `explored` tells how far it went."""
        while (branch := self._next()) is not None and self.runs < self._most_runs and not self._enough():
            self._agenda[self.level].pop()
            self.runs += 1
            self._try(branch)
            if progress is not None:
                progress(self)
        return self.explored()

    @property
    def states(self) -> int:
        """How many states have been met."""
        return len(self._nodes)

    def explored(self) -> Explored:
        """What it has come to so far."""
        ends = ways(self._root, self.switches)
        failing = sum(times for end, times in ends.items() if end.signatures)
        left = next((level for level, branches in enumerate(self._agenda) if branches), None)
        complete = left is None and self.runs > 0
        within = self.switches if complete else -1 if self.switches is None or left is None else left - 1
        path = self._failing[1] if self._failing is not None else None
        return Explored(sum(ends.values()), failing, len(self._nodes), self.runs, self.pruned, within, complete, ends, path)

    def _next(self) -> Branch | None:
        """The latest branch of those with the fewest switches."""
        while self.level < len(self._agenda):
            if self._agenda[self.level]:
                return self._agenda[self.level][-1]
            self.level += 1
        return None

    def _try(self, branch: Branch) -> None:
        stage = self._stage
        self._from = (branch.node, branch.option) if branch.node is not None else None
        try:
            held = branch.held
            if held is not None:
                held.left -= 1
                self._moments -= not held.left
                end = stage.resume(self, held.moment, branch.option, branch.asleep)
            else:
                path = (*path_of(branch.way), branch.option) if branch.node is not None else ()
                end = stage.begin(self, path, branch.asleep)
        except Known:
            self.pruned += 1
            return
        self._lead_to(end)

    def ended(self, end: End, place: Place) -> None:
        """A run has come to its end; `paths` keeps the first way to each."""
        if end not in self.paths:
            self.paths[end] = path_of(place.way)
        if end.signatures and (self._failing is None or place.switches < self._failing[0]):
            self._failing = place.switches, path_of(place.way)

    def meet(self, place: Place, options: Sequence[Option]) -> int:
        """A state with several options: which to take there. Raises Known where nothing new can come of it."""
        name = self._stage.name() if self._merge else str(len(self._nodes))
        node = self._nodes.get(name)
        if node is not None:
            self._lead_to(node)
            self._revisit(place, node, options)
            raise Known
        node = self._nodes[name] = Node([option.switches for option in options], dict(place.asleep))
        self._lead_to(node)
        awake = [index for index, option in enumerate(options) if option.name not in place.asleep]
        if self.switches is not None:
            awake = [index for index in awake if place.switches + options[index].switches <= self.switches]
        if not awake:
            raise Known
        self._put_off(place, node, options, awake)
        self._from = (node, awake[0])
        place.asleep = self._sleeping(place.asleep, options[awake[0]])
        return awake[0]

    def _put_off(self, place: Place, node: Node, options: Sequence[Option], awake: Sequence[int]) -> None:
        """All but the first of what is awake are tried later; what has been tried before them need not be tried right after them."""
        held = self._hold(len(awake) - 1)
        before = dict(place.asleep)
        branches = []
        for index in awake:
            branches.append((Branch(node, index, held, place.way, self._sleeping(before, options[index])), options[index].switches))
            if self.reduce:
                before[options[index].name] = options[index].print
        for branch, switches in reversed(branches[1:]):
            self._agenda_of(place.switches + switches).append(branch)

    def _hold(self, branches: int) -> Held | None:
        if not branches or self._moments >= MOST_MOMENTS:
            return None
        moment = self._stage.save()
        self._moments += moment is not None
        return Held(moment, branches) if moment is not None else None

    def _revisit(self, place: Place, node: Node, options: Sequence[Option]) -> None:
        """A state met again with less asleep than before: what was left out then is tried now."""
        missing = [index for index, option in enumerate(options) if option.name in node.asleep and option.name not in place.asleep]
        if not missing:
            return
        node.asleep = {name: each for name, each in node.asleep.items() if name in place.asleep}
        held = self._hold(len(missing))
        for index in missing:
            branch = Branch(node, index, held, place.way, self._sleeping(node.asleep, options[index]))
            self._agenda_of(place.switches + options[index].switches).append(branch)

    def _agenda_of(self, switches: int) -> list[Branch]:
        """Without a bound the search goes deep first, for then fewer moments are kept."""
        level = switches if self.switches is not None else 0
        while len(self._agenda) <= level:
            self._agenda.append([])
        return self._agenda[level]

    def _sleeping(self, before: Asleep, step: Option) -> Asleep:
        """What need not be tried right after `step`, since it was tried before it and the two commute."""
        return {name: each for name, each in before.items() if independent(each, step.print)} if self.reduce else {}

    def _lead_to(self, there: Node | End) -> None:
        if self._from is None:
            self._root = there
        else:
            node, index = self._from
            node.next[index] = there


def path_of(way: Way) -> Path:
    """The options that were taken, first to last."""
    path = []
    while way is not None:
        way, option = way
        path.append(option)
    return tuple(reversed(path))


def ways(root: Node | End | None, switches: int | None) -> dict[End, int]:
    """How many ways of at most so many switches (None: any number) lead from `root` to each end."""
    if root is None or isinstance(root, End):
        return {} if root is None else {root: 1}
    known: dict[tuple[Node, int | None], dict[End, int]] = {}
    todo: list[tuple[Node, int | None]] = [(root, switches)]
    while todo:
        at = todo[-1]
        if at in known:
            todo.pop()
            continue
        following = _following(*at)
        left = [each for each in following if isinstance(each[0], Node) and each not in known]
        if left:
            todo.extend(left)  # type: ignore[arg-type]
            continue
        todo.pop()
        total: dict[End, int] = {}
        for there, rest in following:
            for end, times in ({there: 1} if isinstance(there, End) else known[there, rest]).items():
                total[end] = total.get(end, 0) + times
        known[at] = total
    return known[root, switches]


def _following(node: Node, switches: int | None) -> list[tuple[Node | End, int | None]]:
    """Where a state leads with so many switches left, and how many are left there."""
    if switches is None:
        return [(there, None) for there in node.next.values()]
    costs = node.costs
    return [(there, switches - costs[option]) for option, there in node.next.items() if costs[option] <= switches]

