"""Percentiles of many integers in bounded memory: a histogram, exact below 2048 and to one part in 1024 above."""

from __future__ import annotations

_EXACT_BITS = 11


class Histogram:
    """Counts integers of 0 or more. `largest` is exact."""

    __slots__ = ("count", "largest", "_buckets")

    def __init__(self) -> None:
        self.count = 0
        self.largest = 0
        self._buckets: dict[int, int] = {}

    def add(self, value: int) -> None:
        """Count a value."""
        shift = max(0, value.bit_length() - _EXACT_BITS)
        bucket = value >> shift << shift
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.largest = max(self.largest, value)

    def percentile(self, percent: int) -> int:
        """The nearest-rank percentile: the smallest counted value that `percent` of all are at or below; 0 when nothing was counted."""
        rank = max(1, -(-self.count * percent // 100))
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return bucket
        return 0
