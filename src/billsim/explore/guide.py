"""Leads one run at a time through a story, as a search or a path says: the schedule of an explored world.

The clock stands while things race, so that latency is nothing but order: what is labelled may happen now, whatever its latency, and only what has an
instant of its own takes the clock along. A gather reads each branch at some instant between its begin and its end; with the clock standing all are
read at its end, so a branch that was read before what others wrote meanwhile is a further option of the gather's step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise, product
from types import MappingProxyType
from typing import Any, NamedTuple

from billsim.core.kernel import Kernel, Wake
from billsim.core.schedule import Schedule
from billsim.explore.footprint import EVERYTHING, Footprint, footprint, gather, independent, is_free, may_be_now
from billsim.explore.orders import Asleep, Branch, Held, Known, Option, Path, Search, Way
from billsim.explore.states import Gathers
from billsim.ports import GatherAll
from billsim.runtime.gather import BROUGHT_BY, branches
from billsim.runtime.task import Task
from billsim.scenario.orders import offset_label
from billsim.stores.base import Shard, Undo

WINDOW_MS = 10_000
# Where nothing bounds the switches, no more ways than this are tried to tear a gather; if there are more, the search is not complete.
MOST_TEARS = 256
# No story takes so many steps; one that does goes round in a circle.
MOST_STEPS = 10_000
# How the labels of the rows of a timeline begin.
ROW = offset_label(0).partition("0")[0]
Tears = tuple[tuple[str, int], ...]


class Endless(BaseException):
    """The run does not come to an end. No component may take it for a failure."""


class Fired(NamedTuple):
    """A step that was performed: what it was, and for a gather what its branches missed."""

    what: str
    tears: Tears


class Guide(Schedule):
    """`what` names a thing that waits; `group` names those that an account's steps meet with: accounts of one customer are one; `rows` says of
    rows of the timeline, by their labels, which account alone they are about. `torn_short`: some gather could have been torn in more ways than were
    tried.

    Its world is to set `kernel` and `idle`, which says that nothing is under way. `resolves`: whose a customer is may move in this story.
    `steps` counts what was performed; `record`, where it is set, receives it.
    """

    kernel: Kernel
    idle: Callable[[], bool]

    def __init__(
        self, window_ms: int, what: Callable[[Wake], str], group: Callable[[str], str], rows: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(window_ms, frozen=True)
        self.switches = 0
        self.way: Way = None
        self.waiting: Sequence[tuple[str, int]] = ()
        self.since = 0
        self.asleep: Asleep = {}
        self.gathers: Gathers = {}
        self.torn_short = False
        self.resolves = False
        self.record: list[Fired] | None = None
        self._what = what
        self._group = group
        self._rows = {label: EVERYTHING._replace(account=account) for label, account in rows.items()}
        self._search: Search | None = None
        self._path: Path = ()
        self._walked = 0
        self._sleeping: Asleep = {}
        self._branch: Branch | None = None
        self.held: Held | None = None
        self.trail: list[Option] = []
        self._chosen: Option | None = None
        self._performed: Footprint | None = None
        self._read: tuple[Shard, list[Undo]] | None = None

    def start(self, search: Search | None, path: Path, asleep: Asleep) -> None:
        """Lead from the beginning: along a path, after which this much is asleep, and then as the search says, or by taking what waits first."""
        self.switches, self.way, self.asleep, self.gathers, self.steps, self.since = 0, None, {}, {}, 0, 0
        self._search, self._path, self._walked, self._sleeping, self._branch = search, path, 0, asleep, None
        self.held, self.trail = None, []
        self._chosen = self._performed = self._read = None

    def go_on(self, search: Search, bookmark: Bookmark, held: Held, branch: Branch) -> None:
        """Lead on from where a moment was saved, along a branch."""
        self.start(search, (), branch.asleep)
        self.switches, self.way, gathers, self.steps = bookmark
        self.gathers = dict(gathers)
        self.held, self._branch = held, branch

    def bookmark(self) -> Bookmark:
        """Where it stands."""
        return Bookmark(self.switches, self.way, dict(self.gathers), self.steps)

    # -- the schedule ----------------------------------------------------------------------------------------------------------------

    def choose(self, waiting: Sequence[Wake]) -> int:
        """What goes first."""
        self._settle(waiting)
        now_ms = self._racing_at(self.kernel.now, waiting[0])
        for index, wake in enumerate(waiting):
            if is_free(wake, now_ms, resolves=self.resolves):
                self._chosen = _FREE
                return index
        self._chosen = self._take(waiting, now_ms)
        return self._chosen.nth

    def instant(self, now_ms: int, wake: Wake, earliest: Wake) -> int:
        """When the chosen thing happens: now, unless it has an instant of its own."""
        racing_ms = self._racing_at(now_ms, earliest)
        if self._chosen is None:  # nothing else waits, and nobody was asked
            self._settle((wake,))
            if self._search is not None and not self.asleep and not self._is_led() and self.idle():
                # Nothing is under way, and the way to here tells no more: most that differed has come to one by now.
                self._meet(self._search, (wake,), (_FREE,))
            self._chosen = _FREE if is_free(wake, racing_ms, resolves=self.resolves) else self._take((wake,), racing_ms)
        self.since += self._chosen is not _FREE
        tears, self._performed, self._chosen = self._chosen.tears, self._chosen.print, None
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Endless
        if self.record is not None:
            self.record.append(Fired(self._what(wake), tears))
        if isinstance(wake, Task) and wake.label in self.gathers:
            self._tear(wake, tears, racing_ms)
        if not wake.label:
            return max(now_ms, wake.due_ms)
        return racing_ms if may_be_now(wake, racing_ms) else max(racing_ms, wake.due_ms - wake.open_ms)

    def _racing_at(self, now_ms: int, earliest: Wake) -> int:
        """The instant at which things race: the clock stands until nothing is due within the window."""
        return now_ms if earliest.due_ms <= now_ms + self.window_ms else earliest.due_ms

    def _settle(self, waiting: Sequence[Wake]) -> None:
        """The step before has been performed: what it and the gathers that it began may have met is awake again."""
        performed, self._performed = self._performed, None
        if self._read is not None:
            (shard, undone), self._read = self._read, None
            shard.undo = undone if shard.gathers else []
        for label, (shard, steps) in self.gathers.items():
            if len(shard.undo) > steps[-1]:
                self.gathers[label] = shard, (*steps, len(shard.undo))
        for wake in waiting:
            if isinstance(wake, Task) and wake.label not in self.gathers and isinstance(wake.effect, GatherAll):
                shard = wake.begun[2]
                self.gathers[wake.label] = shard, (len(shard.undo),)
                self._wake(gather(self._group(shard.account), wake.effect.parts))
        if performed is not None:
            self._wake(performed)

    def _wake(self, step: Footprint) -> None:
        if self.asleep:
            self.asleep = {name: each for name, each in self.asleep.items() if independent(each, step)}

    # -- options ---------------------------------------------------------------------------------------------------------------------

    def _take(self, waiting: Sequence[Wake], now_ms: int) -> Option:
        option = self._again(self._branch) if self._branch is not None else self._pick(waiting, now_ms)
        if self.held is not None:
            self.trail.append(option)
        return option

    def _again(self, branch: Branch) -> Option:
        """What was picked at this place before, and then what is to be tried."""
        if len(self.trail) < len(branch.trail):
            option = branch.trail[len(self.trail)]
        else:
            assert branch.node is not None
            option = branch.node.options[branch.option]
            self.way, self.asleep, self.since, self._branch = (branch.way, branch.option), self._sleeping, 0, None
        self.switches += option.switches
        return option

    def _pick(self, waiting: Sequence[Wake], now_ms: int) -> Option:
        if self._is_spent() and not self._is_row(waiting[0], now_ms):
            # What waits first is next; all that is asked is whether this has been seen.
            only = Option(0, self._what(waiting[0]), self._print(waiting[0], now_ms), 0)
            if len(waiting) > 1 and self._search is not None:
                self._meet(self._search, waiting, (only,))
            return only
        options = self._options(waiting, now_ms)
        if len(options) == 1:
            if options[0].name in self.asleep:
                raise Known
            return options[0]
        if self._walked < len(self._path):
            index = self._path[self._walked]
            self._walked += 1
            if self._walked == len(self._path):
                self.asleep = self._sleeping
        elif self._search is not None:
            index = self._meet(self._search, waiting, options)
        else:
            index = 0
        self.way = self.way, index
        self.switches += options[index].switches
        return options[index]

    def _meet(self, search: Search, waiting: Sequence[Wake], options: Sequence[Option]) -> int:
        self.waiting = [(self._what(wake), wake.due_ms) for wake in waiting]
        return search.meet(self, options)

    def _is_spent(self) -> bool:
        """No switch is left, and none has been taken already."""
        return self._search is not None and self._search.switches == self.switches and not self._is_led()

    def _is_led(self) -> bool:
        """Whether what is next has been picked before."""
        return self._branch is not None or self._walked < len(self._path)

    def _options(self, waiting: Sequence[Wake], now_ms: int) -> list[Option]:
        prints = [self._print(wake, now_ms) for wake in waiting]
        search = self._search
        if search is not None and not search.apart:
            indexes: Sequence[int] = range(len(waiting))
        else:
            is_last = search is not None and search.switches == self.switches + 1 and not self._is_row(waiting[0], now_ms)
            indexes = _of_one_account(prints, last=is_last)
        options = [Option(index, self._what(waiting[index]), prints[index], int(place > 0)) for place, index in enumerate(indexes)]
        if self._is_row(waiting[0], now_ms):
            options = [option._replace(switches=0) if self._is_row(waiting[option.nth], now_ms) else option for option in options]
        for option in options[:]:
            began = self.gathers.get(waiting[option.nth].label)
            if began is not None and len(began[1]) > 1:
                options += self._torn(option, waiting[option.nth], *began)
        return options

    def _is_row(self, wake: Wake, now_ms: int) -> bool:
        """A row of the timeline that races: which of those is next is the story's order, and no switch."""
        return wake.label.startswith(ROW) and wake.due_ms - wake.open_ms <= now_ms

    def _print(self, wake: Wake, now_ms: int) -> Footprint:
        row = self._rows.get(wake.label) if self._rows else None
        step = row if row is not None and may_be_now(wake, now_ms) else footprint(wake, now_ms)
        group = self._group(step.account)
        return step if group is step.account else step._replace(account=group)

    def _torn(self, option: Option, task: Any, shard: Shard, steps: tuple[int, ...]) -> Iterator[Option]:
        """The other ways in which a gather can have read: some branches before some of the steps that wrote since it began."""
        sights = _sights(shard.undo, steps, task.effect.parts)
        bound = self._search.switches if self._search is not None else None
        left = len(sights) if bound is None else min(len(sights), bound - self.switches - option.switches)
        for count, tears in enumerate(_tears(sights, left)):
            if count == MOST_TEARS and bound is None:
                self.torn_short = True
                return
            yield option._replace(name=f"{option.name} {tears}", switches=option.switches + len(tears), tears=tears)

    def _tear(self, task: Task, tears: Tears, now_ms: int) -> None:
        """Let the gather find that what it missed was written after it had read, and all else before it began."""
        shard, (began, *_) = self.gathers.pop(task.label)
        if not shard.undo:
            return
        missed, counts, undone = dict(tears), dict[str, int](), list[Undo]()
        for index, undo in enumerate(shard.undo):
            branch = branch_of(undo)
            saw = counts[branch] = counts.get(branch, 0) + (index >= began)
            late = index >= began and saw > missed.get(branch, saw)
            undone.append(undo._replace(at=now_ms + 1 if late else task.begun[1]))
        self._read = shard, shard.undo
        shard.undo = undone


class Bookmark(NamedTuple):
    """Where a guide stands at a moment."""

    switches: int
    way: Way
    gathers: Gathers
    steps: int


_FREE = Option(0, "", Footprint("", frozenset(), frozenset()), 0)


def branch_of(undo: Undo) -> str:
    """The branch of a gather that reads what was written."""
    return BROUGHT_BY.get(undo.store, undo.store)


def _sights(undone: Sequence[Undo], steps: tuple[int, ...], parts: tuple[str, ...]) -> dict[str, list[int]]:
    """Of each branch that a gather reads and that was written since: how many of the writes it can have seen, all of them first.

    `steps` says how many writes had been remembered when the gather began, and after each step that wrote: what one step writes is seen whole.
    """
    reads, seen = branches(parts).reads, dict[str, list[int]]()
    for begin, end in pairwise(steps):
        for branch in {branch_of(undo): None for undo in undone[begin:end]}:
            if branch in reads:
                written = sum([branch_of(undo) == branch for undo in undone[begin:end]])
                sights = seen.setdefault(branch, [0])
                sights.insert(0, sights[0] + written)
    return seen


def _tears(sights: dict[str, list[int]], most: int) -> Iterator[Tears]:
    """Every way in which up to so many branches can have seen less than all, those in which few have first."""
    for torn in range(1, most + 1):
        for branches_torn in combinations(sights, torn):
            for seen in product(*[sights[branch][1:] for branch in branches_torn]):
                yield tuple(zip(branches_torn, seen, strict=True))


def _of_one_account(prints: Sequence[Footprint], *, last: bool) -> Sequence[int]:
    """The steps of the first account alone: accounts do not meet, so theirs commute.

    Where there are steps that may touch any account, the last switch alone can be left to the first account, or to one of those: all after it is
    first in, first out, and what another account could use it for is as good when that account's turn, or that of such a step, has come.
    """
    first = prints[0].account
    if first and (last or all([each.account for each in prints])):
        return [index for index, each in enumerate(prints) if each.account == first or not each.account]
    return range(len(prints))
