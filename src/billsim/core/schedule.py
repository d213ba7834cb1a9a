"""Which of the things that wait goes first, where that is left open.

Without a schedule the kernel fires what is due, by its instant. With one, whatever is due within a window races: the schedule says which goes first,
and the others are late. An order is nothing but latencies, so what a schedule did is told by `answers`: given as overrides, they make the same order
without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from billsim.core.kernel import Wake

WINDOW_MS = 2_000
_NEVER_MS = 1 << 62


class Pick(NamedTuple):
    """A deviation from first in, first out: at the `step`-th choice, `label` went before `before`."""

    step: int
    label: str
    before: str


class Schedule:
    """First in, first out; the strategies override `first`.

    `window_ms`: what is due this much after the earliest may go before it. `frozen`: the clock stands while things race, as if latencies were nothing
    but an order; else the instants are such that `answers` repeats the order, and so what has no latency is never late. `steps` counts the choices.
    """

    def __init__(self, window_ms: int = WINDOW_MS, *, frozen: bool = False) -> None:
        self.window_ms = window_ms
        self.frozen = frozen
        self.steps = 0
        self.picks: list[Pick] = []
        self.answers: dict[str, int] = {}
        self._moved_ms = -1
        self._fired_ms = -1
        self._fixed_ms = _NEVER_MS

    def first(self, waiting: Sequence[Wake]) -> int:
        """The index of what goes first, of two or more things in the order in which they are due."""
        return 0

    def choose(self, waiting: Sequence[Wake]) -> int:
        """As `first`, among what may go first, and noted down."""
        fixed = [index for index, wake in enumerate(waiting) if not wake.label]
        # They stand in the order in which they are due.
        self._fixed_ms = waiting[fixed[0]].due_ms if fixed else _NEVER_MS
        if self.frozen or not fixed:
            return self._noted(waiting, 0, self.first(waiting))
        allowed = self._allowed(waiting, fixed[0])
        if len(allowed) == 1:
            return allowed[0]
        return self._noted(waiting, allowed[0], allowed[self.first([waiting[index] for index in allowed])])

    def _noted(self, waiting: Sequence[Wake], due: int, index: int) -> int:
        """The chosen index, where what was due would have gone first."""
        if index != due:
            self.picks.append(Pick(self.steps, waiting[index].label, waiting[due].label))
        self.steps += 1
        return index

    def _allowed(self, waiting: Sequence[Wake], first: int) -> Sequence[int]:
        """What can go first without making late what has no latency, of which `first` is due before others: that happens at its instant."""
        limit_ms = waiting[first].due_ms
        is_in_time = waiting[0].due_ms > self._fired_ms or waiting[0].due_ms == self._fired_ms > self._moved_ms
        return [
            index
            for index, wake in enumerate(waiting)
            if index == first
            or (wake.label and (max(self._fired_ms + 1, wake.due_ms - wake.open_ms) < limit_ms or (index == 0 and is_in_time)))
        ]

    def instant(self, now_ms: int, wake: Wake, earliest: Wake) -> int:
        """When the chosen thing happens; `earliest` is the one that was due first."""
        if not wake.label:
            target = max(now_ms, wake.due_ms)
        elif self.frozen:
            target = now_ms if wake.due_ms - now_ms <= self.window_ms else wake.due_ms
        else:
            target = max(now_ms, earliest.due_ms if wake is not earliest else wake.due_ms, wake.due_ms - wake.open_ms)
            if target >= self._fixed_ms and (target != wake.due_ms or wake is not earliest):
                target = self._fixed_ms - 1
        if self.frozen:
            return target
        # What is early, late or out of its turn must not tie with what comes after it: a tie would be broken otherwise when the order is repeated.
        if wake.label and (target != wake.due_ms or self._fired_ms == self._moved_ms) and target <= self._fired_ms:
            target = self._fired_ms + 1
        self._fired_ms, self._fixed_ms = target, _NEVER_MS
        if target != wake.due_ms or wake is not earliest:
            self._moved_ms = target
        if target != wake.due_ms and wake.label:
            self.answers[wake.label] = wake.open_ms + target - wake.due_ms
        return target
