"""Percentiles of many integers in bounded memory: a histogram, exact below 2048 and to one part in 1024 above."""

from __future__ import annotations

from collections import defaultdict

_EXACT_BITS = 11
_EXACT = 1 << _EXACT_BITS


class Histogram:
    """Counts integers of 0 or more. `largest` is exact."""

    __slots__ = ("largest", "_buckets")

    def __init__(self) -> None:
        self.largest = 0
        self._buckets: defaultdict[int, int] = defaultdict(int)

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._buckets.values())

    def add(self, value: int) -> None:
        """Count a value."""
        if value > self.largest:
            self.largest = value
        if value >= _EXACT:
            shift = value.bit_length() - _EXACT_BITS
            value = value >> shift << shift
        self._buckets[value] += 1

    def percentile(self, percent: int) -> int:
        """The nearest-rank percentile: the smallest counted value that `percent` of all are at or below; 0 when nothing was counted."""
        rank = max(1, -(-self.count * percent // 100))
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return bucket
        return 0
