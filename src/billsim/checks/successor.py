"""The judge of a platform that is handed over: what stood open before is inherited, and everything else is judged from the handover on."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify
from typing import NamedTuple

from billsim.checks.cause import Clock, Given, Opener, of_truth
from billsim.checks.codes import CODES, UNJUSTIFIED
from billsim.checks.judge import NEVER_MS, Interval, Judge, Watch
from billsim.checks.openers import Why, opener_of
from billsim.core.histogram import Histogram
from billsim.core.policy import BAD_DEBT, HEALTHY, DunningPolicy
from billsim.core.trace import ActionRecord, Record, Trace, WriteRecord
from billsim.stores.base import Shard, Stores

# How an inherited drift ended without anybody's being woken: truth came to what was held.
TRUTH = "truth"


class Heirloom(NamedTuple):
    """A drift that was inherited: when it opened and why."""

    account: str
    code: str
    opened_ms: int
    cause: str


class Mended(NamedTuple):
    """The end of an inherited drift: when, and what kind of message woke who mended it (`truth` where truth came round to what was held)."""

    account: str
    code: str
    at_ms: int
    by: str


class Unheard(Trace):
    """Keeps nothing: what drifted before the handover is no part of what a run leaves."""

    def add(self, record: Record) -> None:
        """Let it go."""


class Successor(Judge):
    """Looks on from the beginning, so that what drifts has its opening write, and begins to count when it is told to (`take_over`).

    `inherited` is what stood open then, and `mended` how it ended. `harmed`: accounts that truth called healthy, that had inherited nothing, and
    that came to drift since. `debtors`: those truly in bad debt at the handover.
    """

    def __init__(self, stores: Stores, policy: DunningPolicy, trace: Trace) -> None:
        super().__init__(stores, policy, Unheard())
        self._heard = trace
        self._has_taken_over = False
        self._heirs: dict[str, dict[str, Interval]] = {}
        self._of_healthy: dict[tuple[str, str], None] = {}
        self._woken_by: dict[str, str] = {}
        self.inherited: list[Heirloom] = []
        self.mended: list[Mended] = []
        self.harmed: dict[str, None] = {}
        self.debtors: list[str] = []

    def standing(self) -> dict[str, tuple[str, ...]]:
        """The codes that stand open, of every account of which any does; what was unjustified cannot be taken back and is not among them."""
        found = {account: tuple(code for code in shard.judged.open if code != UNJUSTIFIED) for account, shard in self._parted.items()}
        return {account: codes for account, codes in found.items() if codes}

    def truly_bad(self) -> list[str]:
        """The accounts that truth calls bad debt now, by name."""
        return sorted(shard.account for shard in self._stores.awake() if _is_bad(shard))

    def unheld(self) -> list[str]:
        """Of `debtors`, those whom truth still calls bad debt and the platform does not, by status, flag or metadata."""
        held = [self._stores.shard(account) for account in self.debtors]
        return [shard.account for shard in held if _is_bad(shard) and "bad_debt_missed" in shard.judged.open]

    def without_wake_up(self, account: str, now_ms: int) -> bool:
        """Whether the clock will move an account in dunning, and no wake-up is ordered for it."""
        shard = self._stores.shard(account)
        watch: Watch | None = shard.judged
        row = shard.one("subs_dunning")
        in_dunning = row is not None and row.status != HEALTHY
        return in_dunning and watch is not None and watch.expected.applies and now_ms < watch.until_ms < NEVER_MS and not shard.timers

    def forget(self, accounts: Iterable[str]) -> None:
        """These accounts are about to leave."""
        leaving = dict.fromkeys(accounts)
        for account in leaving:
            self._parted.pop(account, None)
        self._clock = [entry for entry in self._clock if entry[1] not in leaving]
        heapify(self._clock)
        self.next_clock_ms = self._clock[0][0] if self._clock else NEVER_MS

    def take_over(self, now_ms: int) -> None:
        """Begin to count. What stands open is inherited, and no lag; what cannot be undone was the predecessor's."""
        for shard in self._parted.values():
            watch: Watch = shard.judged
            watch.open.pop(UNJUSTIFIED, None)
            for interval in watch.open.values():
                interval.drifted = True
                self.inherited.append(Heirloom(shard.account, interval.code, interval.opened_ms, interval.cause or of_truth(bool(interval.tried))))
            self._heirs[shard.account] = dict(watch.open)
            watch.parted_ms = now_ms if watch.open else None
        self._heirs = {account: codes for account, codes in self._heirs.items() if codes}
        self._parted = {account: shard for account, shard in self._parted.items() if shard.judged.open}
        self._opened, self._standing = dict.fromkeys(CODES, 0), dict.fromkeys(CODES, 0)
        self._kept, self._findings = [], []
        self._converge, self._lag = Histogram(), Histogram()
        self.debtors = self.truly_bad()
        self._trace, self._has_taken_over = self._heard, True

    def _open(self, shard: Shard, watch: Watch, interval: Interval) -> None:
        super()._open(shard, watch, interval)
        if self._has_taken_over and shard.account not in self._heirs and watch.expected.status == HEALTHY:
            self._of_healthy[shard.account, interval.code] = None

    def _close(self, shard: Shard, interval: Interval, now_ms: int, why: Why) -> None:
        codes = self._heirs.get(shard.account)
        if codes is not None and codes.get(interval.code) is interval:
            self.mended.append(Mended(shard.account, interval.code, now_ms, self._waker(opener_of(why, interval.code, now_ms))))
        super()._close(shard, interval, now_ms, why)
        self._of_healthy.pop((shard.account, interval.code), None)

    def _record(self, shard: Shard, interval: Interval, closed_ms: int | None, closer: Opener | None) -> None:
        super()._record(shard, interval, closed_ms, closer)
        if (shard.account, interval.code) in self._of_healthy:
            self.harmed[shard.account] = None

    def _inspect(self, shard: Shard, watch: Watch, record: WriteRecord | ActionRecord) -> None:
        super()._inspect(shard, watch, record)
        if shard.account in self._heirs:
            self._note_wake(record)

    def _note_wake(self, record: WriteRecord | ActionRecord) -> None:
        """Remember what woke the engine for an account last; work that it sends to itself goes on with what it was woken for."""
        line = self.blame.line_of(record.task)
        if line and not line[-1].message.kind.startswith("async."):
            self._woken_by[record.account] = line[-1].message.kind

    def _waker(self, closer: Opener) -> str:
        """What woke whoever mended it: the message behind the first of its line of tasks."""
        if isinstance(closer, (Clock, Given)) or not self.blame.line_of(closer.task):
            return TRUTH
        self._note_wake(closer)
        return self._woken_by.get(closer.account, TRUTH)


def _is_bad(shard: Shard) -> bool:
    return shard.judged is not None and shard.judged.expected.applies and shard.judged.expected.status == BAD_DEBT
