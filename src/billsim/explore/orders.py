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
# To take the world back costs less than to keep a moment: from one that is kept, up to so many steps are taken once more.
LONGEST_TRAIL = 2
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
    """Where a run stands: the guide's side of a moment. `waiting` is what could happen, by name, and when it is due; `since` counts the steps that
    were no free ones since a state was met last. `held` is the latest moment on the way, and `trail` what was picked since.
    """

    switches: int
    waiting: Sequence[tuple[str, int]]
    since: int
    held: Held | None
    trail: list[Option]
    asleep: Asleep
    way: Way


class Stage(Protocol):
    """Plays a story, from the beginning or from a moment, as a search and a path say."""

    def begin(self, search: Search, path: Path, asleep: Asleep) -> End:
        """Play from the beginning, along a path first. Raises Known where the search has seen enough."""
        ...

    def resume(self, search: Search, held: Held, branch: Branch) -> End:
        """Go on from a moment, along the branch's trail, and with its option. Raises Known."""
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
    """A state in which several steps could be next: its options, where each that was tried leads, and what was left out there.

    `waiting` is all that waited there, by name, and when it was due; `direct` holds those of `next` that a single step leads to,
    and `blocks` what was found out of those that were not tried.
    """

    __slots__ = ("next", "options", "asleep", "waiting", "direct", "blocks")

    def __init__(self, options: Sequence[Option], asleep: Asleep, waiting: Sequence[tuple[str, int]]) -> None:
        self.next: dict[int, Node | End] = {}
        self.direct: dict[int, Node] = {}
        self.blocks: dict[int, Block] = {}
        self.options = options
        self.asleep = asleep
        self.waiting = waiting


class Block(NamedTuple):
    """What an option brings about before anything that had waited: the footprint of each step, the option's first, and when it was due; and when the
    first of what it has brought about besides is due.
    """

    steps: list[tuple[Footprint, int]]
    rest_due_ms: int


class Held:
    """A moment, for as many branches as are still to be tried from it."""

    __slots__ = ("moment", "left")

    def __init__(self, moment: Any, left: int) -> None:
        self.moment = moment
        self.left = left


class Branch(NamedTuple):
    """An option that is to be tried at `node`, the state that `way` leads to, and `trail` from the moment; `asleep` is what need not be tried after
    it.
    """

    node: Node | None
    option: int
    held: Held | None
    way: Way
    asleep: Asleep
    trail: tuple[Option, ...] = ()


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

    `spare`: where an option that spends the last switch leads to what another is known to lead to, it is not tried (see `leads_there`); `spared`
    counts those. `enough` is asked after each branch, whether to stop.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        switches: int | None = None,
        reduce: bool = True,
        merge: bool = True,
        apart: bool = True,
        spare: bool = True,
        most_runs: int = MOST_RUNS,
        enough: Callable[[], bool] = bool,
    ) -> None:
        self.switches = switches
        self.reduce = reduce and switches is None
        self.apart = apart
        self.runs = self.pruned = self.spared = 0
        self._spare = spare and merge and switches is not None
        self._stage = stage
        self._merge = merge
        self._most_runs = most_runs
        self._enough = enough
        self._nodes: dict[str, Node] = {}
        self._agenda: list[list[Branch]] = [[Branch(None, 0, None, None, {})]]
        self.level = 0
        self._moments = 0
        self._untried: dict[tuple[Node, int], Branch] = {}
        self._from: tuple[Node, int] | None = None
        self._root: Node | End | None = None
        self._failing: tuple[int, Path] | None = None
        self.paths: dict[End, Path] = {}

    def run(self, progress: Callable[[Search], None] | None = None) -> Explored:
        """Search until nothing is left, or enough is done. After an interruption `explored` tells how far it went."""
        while (branch := self._next()) is not None and self.runs < self._most_runs and not self._enough():
            if self._spare and self.level == self.switches and self._is_spared(branch):
                continue
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

    def _is_spared(self, branch: Branch) -> bool:
        """Whether the latest branch need not be tried now: it is known where it leads, or another that tells is to be tried before it."""
        node, option, agenda = branch.node, branch.option, self._agenda[self.level]
        if node is None or option in node.next:
            return node is not None and bool(agenda.pop())
        same = other_way(node, option)
        if same is None:
            return False
        there, index = same
        if index not in there.next:
            before = self._untried.get(same)
            if before is not None:
                agenda.append(before)
            return before is not None
        block = leads_there(node, option, there, index)
        if block is None:
            return False
        self._give_up(agenda.pop())
        self.spared += 1
        node.blocks[option], node.next[option] = block, there.next[index]
        return True

    def _give_up(self, branch: Branch) -> None:
        """The branch is no more to be tried, or is being tried."""
        if branch.node is not None:
            self._untried.pop((branch.node, branch.option), None)
        if branch.held is not None:
            branch.held.left -= 1
            self._moments -= not branch.held.left

    def _try(self, branch: Branch) -> None:
        stage = self._stage
        self._from = (branch.node, branch.option) if branch.node is not None else None
        self._give_up(branch)
        try:
            if branch.held is not None:
                end = stage.resume(self, branch.held, branch)
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
            self._lead_to(node, direct=place.since == 1)
            self._revisit(place, node, options)
            raise Known
        node = self._nodes[name] = Node(options, dict(place.asleep), place.waiting)
        self._lead_to(node, direct=place.since == 1)
        place.since = 0
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
        held = self._hold(place, len(awake) - 1)
        before, trail = dict(place.asleep), tuple(place.trail)
        branches = []
        for index in awake:
            branches.append((Branch(node, index, held, place.way, self._sleeping(before, options[index]), trail), options[index].switches))
            if self.reduce:
                before[options[index].name] = options[index].print
        for branch, switches in reversed(branches[1:]):
            self._agenda_of(place.switches + switches).append(branch)
            if self._spare and place.switches + switches == self.switches:
                self._untried[node, branch.option] = branch

    def _hold(self, place: Place, branches: int) -> Held | None:
        """A moment for so many branches: the latest, where it is not far off, or else this one."""
        if not branches:
            return None
        if place.held is None or len(place.trail) >= LONGEST_TRAIL:
            moment = self._stage.save() if self._moments < MOST_MOMENTS else None
            if moment is not None:
                place.held, place.trail = Held(moment, 0), []
        if place.held is not None:
            self._moments += not place.held.left
            place.held.left += branches
        return place.held

    def _revisit(self, place: Place, node: Node, options: Sequence[Option]) -> None:
        """A state met again with less asleep than before: what was left out then is tried now."""
        missing = [index for index, option in enumerate(options) if option.name in node.asleep and option.name not in place.asleep]
        if not missing:
            return
        node.asleep = {name: each for name, each in node.asleep.items() if name in place.asleep}
        held = self._hold(place, len(missing))
        for index in missing:
            branch = Branch(node, index, held, place.way, self._sleeping(node.asleep, options[index]), tuple(place.trail))
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

    def _lead_to(self, there: Node | End, *, direct: bool = False) -> None:
        if self._from is None:
            self._root = there
        else:
            node, index = self._from
            node.next[index] = there
            if direct and isinstance(there, Node):
                node.direct[index] = there


def other_way(here: Node, option: int) -> tuple[Node, int] | None:
    """The state after what waits first in `here`, and the same option there; None where there is none, or the two do not commute. What other accounts
    do before its turn comes again is all one to it.
    """
    there, wanted = here.direct.get(0), here.options[option]
    if _is_open(here) or not independent(here.options[0].print, wanted.print):
        return None
    while there is not None:
        index = next((index for index, each in enumerate(there.options) if each.name == wanted.name), None)
        if index is not None:
            return there, index
        if _is_open(there) or not _is_others(there, wanted.print.account):
            return None
        there = there.direct.get(0)
    return None


def _is_open(state: Node) -> bool:
    """Whether rows race there, of which any may be next without a switch."""
    return any([not option.switches for option in state.options[1:]])


def _is_others(state: Node, account: str) -> bool:
    """Whether what waits first is of another account, and of that alone; and no row, whose place among other rows is a matter of its own."""
    first = state.options[0].print
    return first.account != account and bool(first.account) and bool(account) and "*" not in first.writes


def leads_there(here: Node, option: int, there: Node, index: int) -> Block | None:
    """Whether an option that takes the last switch in `here` leads to where it leads from `there`, one step of what waits first later.

    All that follows is first in, first out. If what waits first commutes with all that the option brings about before it has its turn, then the same
    steps happen from both, and only steps that commute have changed places. Answer: what the option brings about from `here`.
    """
    block = _block(there, index)
    if block is None:
        return None
    first, due_ms = here.options[0].print, here.waiting[0][1]
    for place, (step, step_due_ms) in enumerate(block.steps):
        if place and step_due_ms >= due_ms:
            # From `here` what waits first has its turn before this.
            return Block(block.steps[:place], step_due_ms) if step_due_ms > due_ms else None
        if not independent(first, step):
            return None
    return block if block.rest_due_ms > due_ms else None


def _block(at: Node, option: int) -> Block | None:
    """None where the states on the way were not all met."""
    if option in at.blocks:
        return at.blocks[option]
    known = {name for name, _ in at.waiting}
    own = at.options[option].print
    steps = [(own, 0)]
    state = at.direct.get(option)
    while state is not None and not _is_open(state):
        name, due_ms = state.waiting[0]
        if _is_others(state, own.account):
            state = state.direct.get(0)
            continue
        if name in known:
            block = Block(steps, min([due for each, due in state.waiting if each not in known], default=_NEVER_MS))
            at.blocks[option] = block
            return block
        steps.append((state.options[0].print, due_ms))
        state = state.direct.get(0)
    return None


_NEVER_MS = 1 << 62


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
    options = node.options
    return [(there, switches - options[option].switches) for option, there in node.next.items() if options[option].switches <= switches]

