"""The clock and the queue of what happens next: SimPy, in integer milliseconds. The only file that imports simpy.

What ties at one instant is ordered by `rank`, spare bits of a keyed answer, and never by the order of scheduling, which an engine could shift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

from simpy import Environment
from simpy.core import Infinity


class Wake:
    """Something that happens at an instant: the kernel calls `fire`. One object may be scheduled again and again, but waits once at a time.

    Under an order it knows when it is `due_ms`, and of the question that left that open its `label`, and the answer (`open_ms` of the delay): '' and
    0 where the instant is fixed. One that is `cancelled` waits to no end.
    """

    __slots__ = ("label", "due_ms", "open_ms")

    cancelled = False

    label: str
    due_ms: int
    open_ms: int

    def fire(self) -> None:
        """What happens. Runs with the kernel's clock at the scheduled instant."""
        raise NotImplementedError


class Call(Wake):
    """A wake that calls a function with one argument."""

    __slots__ = ("cancelled", "_function", "_argument")

    def __init__(self, function: Callable[[Any], None], argument: Any = None) -> None:
        self.cancelled = False
        self._function = function
        self._argument = argument

    @property
    def what(self) -> str:
        """What it calls, and with what."""
        return f"{self._function.__qualname__} {self._argument!r}"

    def fire(self) -> None:
        if not self.cancelled:
            self._function(self._argument)


class Clock(Protocol):
    """Whoever knows when a watcher wants to look: `next_clock_ms` is the next instant at which it does, though nothing happens then."""

    @property
    def next_clock_ms(self) -> int:
        """That instant."""
        ...


class Watcher(Protocol):
    """Looks on while the kernel runs, from outside: nothing that it does is an event of the world. `clock` is one and the same throughout a run."""

    @property
    def clock(self) -> Clock:
        """Who knows when it wants to look next."""
        ...

    def after_step(self) -> None:
        """Something has happened."""
        ...

    def strike(self, instant_ms: int) -> None:
        """An instant that the watcher waits for has passed, and nothing later has happened yet. It must move its clock's `next_clock_ms` on."""
        ...


class Order(Protocol):
    """Which of the things that wait goes first, and when: see `core.schedule`."""

    window_ms: int

    def choose(self, waiting: Sequence[Wake]) -> int:
        """The index of what goes first, of two or more things in the order in which they are due."""
        ...

    def instant(self, now_ms: int, wake: Wake, earliest: Wake) -> int:
        """When the chosen thing happens; `earliest` is the one that was due first."""
        ...


class Unwatched:
    """A watcher that does not look."""

    next_clock_ms = 1 << 62

    @property
    def clock(self) -> Unwatched:
        """Itself."""
        return self

    def after_step(self) -> None:
        """Nothing."""

    def strike(self, instant_ms: int) -> None:
        """Never called."""


class Kernel:
    """Time in milliseconds since the epoch: `now` is the simulated instant, which the kernel alone sets. `events` counts what has fired.

    The queue is SimPy's, and so is the order in it: an entry is (instant, rank, number, wake), as SimPy's own `schedule` makes it, and no two have
    one number. What is taken out of it is fired here: SimPy's own step would look for callbacks and for failures that nobody heard of, and a wake has
    neither. With an `order` whatever is due within its window races, and goes as the order says.
    """

    def __init__(self, start_ms: int, order: Order | None = None) -> None:
        self.order = order
        self._env = Environment(start_ms)
        self._queue: list[Any] = self._env._queue
        self._numbers = self._env._eid
        self.now = start_ms
        self.events = 0

    def after(self, delay_ms: int, rank: int, wake: Wake, label: str = "", open_ms: int | None = None) -> None:
        """Fire `wake` `delay_ms` from now. `label` is the question that was answered with the delay, or with `open_ms` of it."""
        if self.order is not None:
            wake.label, wake.due_ms = label, self.now + delay_ms
            wake.open_ms = (delay_ms if open_ms is None else open_ms) if label else 0
        heappush(self._queue, (self.now + delay_ms, rank, next(self._numbers), wake))

    def at(self, instant_ms: int, rank: int, wake: Wake) -> None:
        """Fire `wake` at an instant; one that has passed means now."""
        now = self.now
        self.after(instant_ms - now if instant_ms > now else 0, rank, wake)

    def call_at(
        self, instant_ms: int, rank: int, function: Callable[[Any], None], argument: Any = None, *, label: str = "", open_ms: int | None = None
    ) -> Call:
        """Call `function(argument)` at an instant; the returned wake can be cancelled. `label` and `open_ms` as for `after`."""
        call = Call(function, argument)
        now = self.now
        self.after(instant_ms - now if instant_ms > now else 0, rank, call, label, open_ms)
        return call

    def run(self, until_ms: int, watcher: Watcher, most: int) -> bool:
        """Fire what is due up to and including `until_ms`, at most `most` of it, with `watcher` looking on.

        Returns True when nothing that is due is left, and then the clock may still stand before `until_ms`: see `move_to`.
        """
        if self.order is not None:
            return self._run_ordered(self.order, until_ms, watcher, most)
        env, queue, after_step, clock, fired = self._env, self._queue, watcher.after_step, watcher.clock, 0
        try:
            while fired < most:
                instant = queue[0][0] if queue else Infinity
                struck = clock.next_clock_ms
                if struck < instant and struck <= until_ms:
                    watcher.strike(struck)
                    continue
                if instant > until_ms:
                    return True
                self.now = env._now = instant  # type: ignore[assignment]
                heappop(queue)[3].fire()
                fired += 1
                after_step()
        finally:
            self.events += fired
        return False

    def _run_ordered(self, order: Order, until_ms: int, watcher: Watcher, most: int) -> bool:
        """As `run`, with what is due within the order's window racing."""
        queue, clock = self._queue, watcher.clock
        for _ in range(most):
            waiting = self._racing(order, until_ms)
            if not waiting:
                if clock.next_clock_ms > until_ms:
                    return True
                watcher.strike(clock.next_clock_ms)
                continue
            chosen = waiting[order.choose([entry[3] for entry in waiting])] if len(waiting) > 1 else waiting[0]
            wake: Any = chosen[3]
            instant = order.instant(self.now, wake, waiting[0][3])
            while clock.next_clock_ms < instant:
                watcher.strike(clock.next_clock_ms)
            if chosen is queue[0]:
                heappop(queue)
            else:
                queue.remove(chosen)
                heapify(queue)
            self.now = self._env._now = instant
            wake.fire()
            self.events += 1
            watcher.after_step()
        return False

    def _racing(self, order: Order, until_ms: int) -> list[Any]:
        """What is due within the window of the earliest, in the order in which it is due; nothing that is due after `until_ms`."""
        queue = self._queue
        while queue and queue[0][3].cancelled:
            heappop(queue)
        if not queue or queue[0][0] > until_ms:
            return []
        edge = min(until_ms, max(self.now, queue[0][0]) + order.window_ms)
        # The second of a heap is one of the two below its first.
        if all([entry[0] > edge for entry in queue[1:3]]):
            return queue[:1]
        return sorted([entry for entry in queue if entry[0] <= edge and not entry[3].cancelled])

    def waiting(self) -> list[Wake]:
        """What is still to happen, in the order in which it is due."""
        queue = self._queue
        return [entry[3] for entry in sorted(queue) if not entry[3].cancelled]

    def move_to(self, instant_ms: int) -> None:
        """Move the clock on to an instant before which nothing is due."""
        if self._env.peek() < instant_ms:
            raise RuntimeError("something is still due before that instant")
        if instant_ms > self.now:
            self.now = self._env._now = instant_ms

    def clear(self) -> None:
        """Forget everything that was still to happen."""
        self._queue.clear()

    def next_at(self) -> int | None:
        """When the next thing is due, or None when nothing is."""
        instant = self._env.peek()
        return None if instant == Infinity else int(instant)
