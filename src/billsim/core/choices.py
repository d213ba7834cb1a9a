"""The one source of everything that a world leaves open.

Every open question (a latency, a decline, which of two rows goes first) is put to one object under a label. The label names the
*thing* that is asked about, never the moment of asking, and the answer is a function of (seed, label) alone. So a change of engine does
not shift the world: the same customers, the same declines and the same delays meet `legacy`, `recompute` and tomorrow's fix.

A label begins with `w/` (the world's own) or with `e/` once an act of an engine, facade, cron or operator is in the path of its causes.
An *event* is asked once; a *fact* ("funds on this card on this day") may be asked by anyone, repeatedly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Protocol

from xxhash import xxh3_64_intdigest

MAX_SEED = 2**63 - 1
_RANK_BITS = (1 << 28) - 1
_AUDITED_EVENTS = 500_000


class Table(Protocol):
    """What a question can be answered with: `answer` maps 64 hash bits to an integer, by integer arithmetic alone."""

    def answer(self, bits: int) -> int:
        """The integer that these 64 bits stand for."""
        ...


class Quantiles:
    """An integer distribution, given by evenly spaced quantiles and interpolated between them: `(0 %, ..., 100 %)`."""

    __slots__ = ("name", "values", "_last", "_steps")

    def __init__(self, name: str, values: Iterable[int]) -> None:
        self.name = name
        self.values = tuple(values)
        if len(self.values) < 2 or list(self.values) != sorted(self.values):
            raise ValueError(f"{name}: quantiles must be two or more, rising")
        self._last = len(self.values) - 1
        self._steps = tuple([(low, high - low) for low, high in pairwise(self.values)])

    def answer(self, bits: int) -> int:
        """The value at the quantile that the high 32 bits name."""
        position = (bits >> 32) * self._last
        low, span = self._steps[position >> 32]
        return low + (span * (position & 0xFFFFFFFF) >> 32)

    def share(self, value: int) -> int:
        """How many of 2**32 answers are at or below `value`, before they are rounded down."""
        index = bisect_right(self.values, value)
        if index == 0:
            return 0
        if index > self._last:
            return 1 << 32
        low = self.values[index - 1]
        return ((index - 1 << 32) + (value - low << 32) // (self.values[index] - low)) // self._last


class Options:
    """A weighted choice among integers; the weights are integers too."""

    __slots__ = ("name", "values", "_bounds", "_total")

    def __init__(self, name: str, weights: Mapping[int, int]) -> None:
        self.name = name
        self.values = tuple(value for value, weight in weights.items() if weight)
        bounds, total = [], 0
        for value in self.values:
            total += weights[value]
            bounds.append(total)
        if not self.values or any(weight < 0 for weight in weights.values()):
            raise ValueError(f"{name}: weights must be integers of 0 or more, and one above 0")
        self._bounds, self._total = tuple(bounds), total

    def answer(self, bits: int) -> int:
        """The option in whose share the high 32 bits fall."""
        return self.values[bisect_right(self._bounds, (bits >> 32) * self._total >> 32)]


def chance(name: str, parts_per_million: int) -> Options:
    """1 with this probability, else 0."""
    return Options(name, {1: parts_per_million, 0: 1_000_000 - parts_per_million})


class ChoicesError(BaseException):
    """A question that must not be put.

    No `except Exception` of a component, or of what performs its effects, may take it for a failure of its own.
    """


class AskedTwiceError(ChoicesError):
    """An event was asked for twice: two things in the world carry one name."""


class NotOnTapeError(ChoicesError):
    """A strict replay met a question that its tape does not hold."""


class Choices(Protocol):
    """What a world may ask. The answerers differ only in who answers."""

    seed: int

    def ask(self, label: str, table: Table) -> int:
        """The answer to an event's question, put once.

        Raises AskedTwiceError for a label that was asked before.
        """
        ...

    def when(self, label: str, table: Table) -> tuple[int, int]:
        """(answer, rank): as `ask`, with spare bits that rank what falls on one instant."""
        ...

    def fact(self, label: str, table: Table) -> int:
        """The answer to a question about a subject and a time, which may be put any number of times."""
        ...

    def rank(self, label: str) -> int:
        """Rank among what ties at one instant, for a thing whose instant is not open. Not an event: it may be asked again."""
        ...


class Seeded:
    """Answers from a hash of (seed, label): keyed, not drawn from a stream, so that one question never shifts another.

    `overrides` answers some labels otherwise (an order to try, a fault to plant): the same table of deviations that exploration and shrinking use.
    `asked` receives every first (label, answer): the tape. `taped` False leaves it empty.
    """

    __slots__ = ("seed", "asked", "taped", "_direct", "_overrides", "_events", "_facts")

    def __init__(self, seed: int, *, overrides: Mapping[str, int] | None = None) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"seed {seed} is outside 0..{MAX_SEED}")
        self.seed = seed
        self.asked: list[tuple[str, int]] = []
        self.taped = True
        self._overrides = dict(overrides or {})
        self._direct = not self._overrides
        self._events: set[int] = set()
        self._facts: dict[str, int] = {}

    def ask(self, label: str, table: Table) -> int:
        return self.when(label, table)[0]

    def when(self, label: str, table: Table) -> tuple[int, int]:
        bits = xxh3_64_intdigest(label.encode(), self.seed)
        events = self._events
        if bits in events:
            raise AskedTwiceError(label)
        if len(events) < _AUDITED_EVENTS:
            events.add(bits)
        answer = table.answer(bits) if self._direct else self._answer(label, bits, table)
        if self.taped:
            self.asked.append((label, answer))
        return answer, bits & _RANK_BITS

    def fact(self, label: str, table: Table) -> int:
        if self._direct and not self.taped:
            return table.answer(xxh3_64_intdigest(label.encode(), self.seed))
        known = self._facts.get(label)
        if known is None:
            known = self._facts[label] = self._answer(label, xxh3_64_intdigest(label.encode(), self.seed), table)
            if self.taped:
                self.asked.append((label, known))
        return known

    def rank(self, label: str) -> int:
        return xxh3_64_intdigest(label.encode(), self.seed) & _RANK_BITS

    def _answer(self, label: str, bits: int, table: Table) -> int:
        known = self._overrides.get(label)
        return table.answer(bits) if known is None else known


class Recorded(Seeded):
    """Answers from a tape. Strict: a question that is not on it raises NotOnTapeError. Otherwise such a question is answered from the seed, and
    counted in `off_tape`.
    """

    __slots__ = ("strict", "off_tape", "_tape")

    def __init__(self, seed: int, tape: Mapping[str, int], *, strict: bool) -> None:
        super().__init__(seed)
        self.strict = strict
        self._direct = False
        self.off_tape = 0
        self._tape = tape

    def _answer(self, label: str, bits: int, table: Table) -> int:
        if label in self._tape:
            return self._tape[label]
        if self.strict:
            raise NotOnTapeError(label)
        self.off_tape += 1
        return table.answer(bits)


class Clock(Protocol):
    """Whoever knows the simulated instant."""

    now: int


class Reseeded(Seeded):
    """Answers from the seed up to and including the instant `until_ms`, and from the seed `then` after it. A fact that has been told stays as it is.

    `pinned` holds as long as the seed does, `overrides` always. `ahead`: events that are asked about early and happen after `until_ms`. Without a
    `clock` nothing has begun: it is still `start_ms`. `kept` counts the answers that came before `then`.
    """

    __slots__ = ("clock", "kept", "_then", "_until_ms", "_later", "_ahead", "_turned")

    def __init__(
        self,
        seed: int,
        then: int,
        until_ms: int,
        start_ms: int,
        *,
        pinned: Mapping[str, int],
        overrides: Mapping[str, int],
        ahead: Iterable[str] = (),
    ) -> None:
        super().__init__(seed, overrides={**pinned, **overrides})
        self.clock: Clock | None = None
        self.kept = 0
        self._direct = False
        self._then = Seeded(then, overrides=overrides)
        self._until_ms = until_ms
        self._later = dict(overrides)
        self._ahead = dict.fromkeys(ahead)
        self._turned = False
        if until_ms < start_ms:
            self._turn()

    def when(self, label: str, table: Table) -> tuple[int, int]:
        self._look()
        if self._turned or label not in self._ahead:
            return super().when(label, table)
        answer, rank = self._then.when(label, table)
        if self.taped:
            self.asked.append((label, answer))
        self.kept += 1
        return answer, rank

    def fact(self, label: str, table: Table) -> int:
        self._look()
        return super().fact(label, table)

    def rank(self, label: str) -> int:
        self._look()
        return super().rank(label)

    def _look(self) -> None:
        if not self._turned and self.clock is not None and self.clock.now > self._until_ms:
            self._turn()

    def _turn(self) -> None:
        self.seed, self._overrides, self._turned = self._then.seed, self._later, True
        # They are known by their bits, and two short labels may share theirs under two seeds.
        self._events = set()

    def _answer(self, label: str, bits: int, table: Table) -> int:
        if not self._turned:
            self.kept += 1
        return super()._answer(label, bits, table)
