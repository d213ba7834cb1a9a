"""The one clock that measures billsim itself (`_us`, progress): taken outside the world, and no part of any digest."""

from __future__ import annotations

from time import perf_counter_ns as clock_ns

__all__ = ["Histogram", "clock_ns"]


class Histogram:
    """Counts of integers in buckets one part in 64 wide (exact below 128): percentiles in bounded memory, whatever the number of values."""

    __slots__ = ("count", "most", "_buckets")

    def __init__(self) -> None:
        self.count = 0
        self.most = 0
        self._buckets: dict[int, int] = {}

    def add(self, value: int) -> None:
        """Count a value of 0 or more."""
        shift = max(0, value.bit_length() - 7)
        bucket = value >> shift << shift
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        if value > self.most:
            self.most = value

    def percentile(self, percent: int) -> int:
        """The value at this percentile by nearest rank, to one part in 64; 0 when nothing was counted."""
        rank = max(1, -(-self.count * percent // 100))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return bucket
        return 0
