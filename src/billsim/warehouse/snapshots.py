"""The nightly mirrors of a run, kept: what each night took of which table, so that any project of views can look at them once the run is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from billsim.warehouse.extract import Delta
from billsim.warehouse.nightly import Mirrored


class Snapshot(NamedTuple):
    """One night's mirror, as what has changed since the one before. Its first table was taken at `first_ms`, its last at `last_ms`."""

    first_ms: int
    last_ms: int
    seen_ms: int
    """When views looked at it: a late mirror is looked at later than it was taken."""
    deltas: tuple[Delta, ...]


class Clock(Protocol):
    """Who knows the simulated time."""

    @property
    def now(self) -> int: ...


class Recorder:
    """Takes up what a mirror takes up, and hands it on to the mirror behind it, if there is one. It keeps references: nothing is copied."""

    def __init__(self, clock: Clock, behind: Mirrored | None = None) -> None:
        self.snapshots: list[Snapshot] = []
        self._clock = clock
        self._behind = behind
        self._taken: list[tuple[int, Delta]] = []

    def roll_forward(self, deltas: Sequence[Delta]) -> None:
        """Take what has changed of some tables."""
        now = self._clock.now
        self._taken += [(now, delta) for delta in deltas]
        if self._behind is not None:
            self._behind.roll_forward(deltas)

    def may_picture(self, opened_ms: int, closed_ms: int) -> bool:
        """Whether the last mirror, or the one that is being taken, may show what has just ended and was so for at most minutes."""
        last = self.snapshots[-1] if self.snapshots else None
        if last is not None and opened_ms <= last.last_ms and closed_ms > last.first_ms:
            return True
        return bool(self._taken) and closed_ms > self._taken[0][0]

    def remember(self, detected: Sequence[tuple[str, str, str, str]]) -> None:
        """The night is over: what it took is one snapshot."""
        taken, self._taken = self._taken, []
        self.snapshots.append(Snapshot(taken[0][0], taken[-1][0], self._clock.now, tuple([delta for _, delta in taken])))
        if self._behind is not None:
            self._behind.remember(detected)
