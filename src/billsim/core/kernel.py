"""The clock and the queue of what happens next: SimPy, in integer milliseconds. The only file that imports simpy.

What ties at one instant is ordered by `rank`, spare bits of a keyed answer, and never by the order of scheduling, which an engine could shift.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from simpy import Environment, Event
from simpy.core import Infinity


class Wake(Event):
    """Something that happens at an instant: the kernel calls `fire`. One object may be scheduled again and again, but waits once at a time."""

    def __init__(self, kernel: Kernel) -> None:
        self.env = kernel._env
        self.callbacks = None  # type: ignore[assignment]
        self._ok = True
        self._value = None

    def fire(self, _event: Any) -> None:
        """What happens. Runs with the kernel's clock at the scheduled instant."""
        raise NotImplementedError


class Call(Wake):
    """A wake that calls a function with one argument."""

    def __init__(self, kernel: Kernel, function: Callable[[Any], None], argument: Any = None) -> None:
        super().__init__(kernel)
        self._function = function
        self._argument = argument
        self.cancelled = False

    def fire(self, _event: Any) -> None:
        if not self.cancelled:
            self._function(self._argument)


class Watcher(Protocol):
    """Looks on while the kernel runs, from outside: nothing that it does is an event of the world."""

    @property
    def next_clock_ms(self) -> int:
        """The next instant at which it wants to look, though nothing happens then."""
        ...

    def after_step(self) -> None:
        """Something has happened."""
        ...

    def strike(self, instant_ms: int) -> None:
        """An instant that the watcher waits for (`next_clock_ms`) has passed, and nothing later has happened yet. It must move `next_clock_ms` on."""
        ...


class Unwatched:
    """A watcher that does not look."""

    next_clock_ms = 1 << 62

    def after_step(self) -> None:
        """Nothing."""

    def strike(self, instant_ms: int) -> None:
        """Never called."""


class Kernel:
    """Time in milliseconds since the epoch; `events` counts what has fired."""

    def __init__(self, start_ms: int) -> None:
        self._env = Environment(start_ms)
        self.events = 0

    @property
    def now(self) -> int:
        """The simulated instant, in milliseconds."""
        return self._env._now  # type: ignore[return-value]

    def after(self, delay_ms: int, rank: int, wake: Wake) -> None:
        """Fire `wake` `delay_ms` from now."""
        wake.callbacks = [wake.fire]
        self._env.schedule(wake, rank, delay_ms)  # type: ignore[arg-type]

    def at(self, instant_ms: int, rank: int, wake: Wake) -> None:
        """Fire `wake` at an instant; one that has passed means now."""
        self.after(max(0, instant_ms - self.now), rank, wake)

    def call_at(self, instant_ms: int, rank: int, function: Callable[[Any], None], argument: Any = None) -> Call:
        """Call `function(argument)` at an instant; the returned wake can be cancelled."""
        call = Call(self, function, argument)
        self.at(instant_ms, rank, call)
        return call

    def run(self, until_ms: int, watcher: Watcher, most: int) -> bool:
        """Fire what is due up to and including `until_ms`, at most `most` of it, with `watcher` looking on.

        Returns True when nothing that is due is left, and then the clock may still stand before `until_ms`: see `move_to`.
        """
        peek, step, after_step = self._env.peek, self._env.step, watcher.after_step
        fired = 0
        try:
            while fired < most:
                instant = peek()
                if watcher.next_clock_ms < instant and watcher.next_clock_ms <= until_ms:
                    watcher.strike(watcher.next_clock_ms)
                    continue
                if instant > until_ms:
                    return True
                step()
                fired += 1
                after_step()
        finally:
            self.events += fired
        return False

    def move_to(self, instant_ms: int) -> None:
        """Move the clock on to an instant before which nothing is due."""
        if self._env.peek() < instant_ms:
            raise RuntimeError("something is still due before that instant")
        if instant_ms > self.now:
            self._env._now = instant_ms

    def clear(self) -> None:
        """Forget everything that was still to happen."""
        self._env._queue.clear()

    def next_at(self) -> int | None:
        """When the next thing is due, or None when nothing is."""
        instant = self._env.peek()
        return None if instant == Infinity else int(instant)
