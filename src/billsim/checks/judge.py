"""The judge: watches every account from outside, and tells lag from drift.

A disagreement between a derived field and truth is an interval of (account, code). While something is on its way for the account it is *lag*, for at
most the policy's budget; once nothing is on its way, or the budget is spent, it is *drift*. An interval is opened by a record or the clock, or given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from heapq import heappop, heappush
from typing import Any

import msgspec

from billsim.checks.always import CHECKED, ENDS, ENGINE, FACADE, WORLD, Finding, check_action, check_engine_write, ends
from billsim.checks.blame import Blame, Memory
from billsim.checks.cause import DATA, MANUAL_WRITE, Clock, Given, Opener, of_truth, permit_of, provenance, waking_kind
from billsim.checks.codes import CODES, DERIVED, MISSING, UNJUSTIFIED, Fields, Ledger, disagreements, unknown_whose
from billsim.checks.copies import Copies
from billsim.checks.fields import harms, mends
from billsim.checks.justified import falls_with_its_subscription, mirrors_stripe
from billsim.checks.openers import Records, Why, is_truths, opener_of
from billsim.checks.truth import NOTHING, Expected, Permit, truth
from billsim.checks.witness import NOBODY
from billsim.core.histogram import Histogram
from billsim.core.policy import DunningPolicy
from billsim.core.trace import ActionRecord, DriftRecord, LatencyRecord, Trace, WriteRecord
from billsim.stores.base import Shard, Stores

NEVER_MS = 1 << 62
_KEPT = 10_000
_FINDINGS_KEPT = 1_000
_NONE_MISSING: frozenset[str] = frozenset()
_FACADE = ("pay_bad_debt", "facade_pay")
_WORLD = ("stripe", "support", "bank", "customer", "catalog", "profile")
_WRITERS = {**dict.fromkeys(_FACADE, FACADE), **dict.fromkeys(_WORLD, WORLD)}
_ASKED_FOR = (
    "request.void", "request.mark_uncollectible", "request.cancel", "request.change", "request.confirmed",
    "domain.change_requested", "domain.change_due",
)  # fmt: skip
# What a person sets with their own hand, though it is a component that writes it.
_BY_HAND = "request.clear_flag"


class Report(msgspec.Struct, frozen=True):
    """What the judge saw. `by_code` is code -> {opened, open_at_end}; `drift` holds the open intervals, then the first 10,000 of the closed ones.

    `converge_ms`: how long an account took from its first disagreement, lag or drift, until it equalled truth again; `never`: accounts that did not.
    `lag_ms`: disagreements that were mended while something was on its way, within the budget.
    """

    opened: int
    closed: int
    open_at_end: int
    unhealable: int
    by_code: dict[str, dict[str, int]]
    drift: list[DriftRecord]
    converge_ms: dict[str, int]
    lag_ms: dict[str, int]
    findings: list[Finding]


class Interval:
    """A disagreement under one code. `drifted`: at some instant nothing was on its way. `tried`: the tasks that mended some of it and did not close
    it. `told`: what the writer that opened it went by. `cause`: '' where truth moved; what that came of is known when the interval ends.

    `about`: the keys of the consequences that were missing when it opened; once none of those is, what is missing then is another matter.
    """

    __slots__ = ("code", "opened_ms", "opener", "detail", "about", "drifted", "tried", "told", "cause")

    def __init__(self, code: str, opened_ms: int, opener: Opener, detail: str, about: frozenset[str] = frozenset()) -> None:
        self.code = code
        self.opened_ms = opened_ms
        self.opener = opener
        self.detail = detail
        self.about = about
        self.drifted = False
        self.tried: dict[str, None] = {}
        self.told = NOBODY
        self.cause = ""


class Watch:
    """What the judge keeps of one account: its truth and until when that holds, the open intervals, and what was permitted of late.

    `shared`: other accounts stand on its Stripe customer.
    """

    __slots__ = ("expected", "authority", "until_ms", "open", "past", "fields", "ledger", "copies", "shared", "parted_ms", "memory", "unjudged_ms")

    def __init__(self) -> None:
        self.expected: Expected = NOTHING
        self.authority = -1
        self.until_ms = NEVER_MS
        self.open: dict[str, Interval] = {}
        self.past: list[tuple[int, frozenset[Permit]]] = []
        self.fields = Fields()
        self.ledger = Ledger()
        self.copies = Copies()
        self.shared = False
        self.parted_ms: int | None = None
        self.memory = Memory()
        self.unjudged_ms: int | None = None

    def state(self) -> list[Any]:
        """What later steps are judged by, apart from truth: what stands open and since when, and until when which permits held."""
        held = {permit: until for until, permits in self.past for permit in sorted(permits)}
        standing = [(each.code, each.opened_ms, each.drifted, sorted(each.about)) for each in self.open.values()]
        return [sorted(standing), sorted(held.items()), self.unjudged_ms]


def writer_of(component: str) -> str:
    """Who writes: `engine`, `facade`, or `world` for Stripe and for people. Unknown names are an engine's."""
    return _WRITERS.get(component, ENGINE)


class Judge:
    """Looks at the accounts that a step touched and at those whose truth the clock moves.

    The world may replace `blame.line_of`, `writer_of` (component -> `engine`, `facade` or `world`) and `has_price` (of a plan, at Stripe); whoever
    watches, `lagged`, which hears of each lag that is over: account, code, from when to when. The world calls `begin` once, `tick` before it performs
    anything later than `next_clock_ms`, `look` after each step for each touched account, `finish` once.
    """

    def __init__(self, stores: Stores, policy: DunningPolicy, trace: Trace) -> None:
        self.blame = Blame(policy)
        self.writer_of: Callable[[str], str] = writer_of
        self.has_price: Callable[[str], bool] = bool
        self.lagged: Callable[[str, str, int, int], None] | None = None
        self.next_clock_ms = NEVER_MS
        self._stores = stores
        self._policy = policy
        self._trace = trace
        self._clock: list[tuple[int, str]] = []
        self._parted: dict[str, Shard] = {}
        self._opened = dict.fromkeys(CODES, 0)
        self._standing = dict.fromkeys(CODES, 0)
        self._kept: list[DriftRecord] = []
        self._still_open: list[DriftRecord] = []
        self._converge, self._lag = Histogram(), Histogram()
        self._findings: list[Finding] = []
        self._unhealable = 0
        self._remapped: list[WriteRecord] = []

    # --- what the world calls ---

    def begin(self, now_ms: int) -> None:
        """Look at every account for the first time: what disagrees now was given, and what no engine can heal is counted and set apart.

        An account that sleeps is looked at when it wakes, as of now.
        """
        for shard in self._stores.awake():
            self._meet(shard, now_ms)
        self._stores.greet = partial(self._meet, now_ms=now_ms)

    def _meet(self, shard: Shard, now_ms: int) -> None:
        watch = self._watch(shard)
        self._renew(shard, watch, now_ms)
        self._unhealable += self._is_unhealable(shard, watch)
        shard.fresh.clear()
        if not watch.expected.applies:
            # Also of a contract account: should the contract end, it was given like this.
            watch.copies.accepted = unknown_whose(shard, watch.copies, watch.shared)
            watch.copies.give_up_on_the_unknown(shard)
        held = self._disagreements(shard, watch)
        if held:
            self._settle(shard, watch, now_ms, Given(now_ms), held)
            for interval in watch.open.values():
                interval.drifted = True

    def look(self, shard: Shard, now_ms: int) -> None:
        """Judge what the running step did to an account. Takes `shard.fresh` and clears it."""
        watch = shard.judged or self._watch(shard)
        moved = shard.authority != watch.authority or now_ms >= watch.until_ms
        records = shard.fresh
        if not records and not moved:
            if watch.open:
                self._weigh(shard, watch, now_ms)
            return
        shard.fresh = []
        if moved:
            self._renew(shard, watch, now_ms)
        for record in records:
            self._inspect(shard, watch, record)
        self._settle(shard, watch, now_ms, records, self._disagreements(shard, watch))
        if self._remapped:
            self._look_at_neighbours(shard, now_ms)

    def tick(self, now_ms: int) -> None:
        """Judge the accounts whose truth the clock has moved up to and including `now_ms`, each as of its own boundary."""
        clock = self._clock
        while clock and clock[0][0] <= now_ms:
            instant, account = heappop(clock)
            shard = self._stores.shard(account)
            if shard.judged.until_ms == instant:
                self._renew(shard, shard.judged, instant)
                self._settle(shard, shard.judged, instant, Clock(instant), self._disagreements(shard, shard.judged))
        self.next_clock_ms = clock[0][0] if clock else NEVER_MS

    def finish(self, now_ms: int) -> Report:
        """Close the books: what still stands open and is not lag is open drift."""
        self.tick(now_ms)
        never = 0
        for shard in self._parted.values():
            self._weigh(shard, shard.judged, now_ms)
            standing = [interval for interval in shard.judged.open.values() if self._is_drift(interval, now_ms)]
            for interval in standing:
                self._standing[interval.code] += 1
                self._record(shard, interval, None, None)
            never += any(interval.code != UNJUSTIFIED for interval in standing)
        return self._report(never)

    def find(self, check: str, account: str, at_ms: int, summary: str, signature: str) -> None:
        """Add a finding that the runtime met by itself, such as a write by a non-writer."""
        self._find(Finding(signature, check, account, at_ms, summary))

    def memory(self) -> list[str]:
        """The signatures of what was found so far."""
        return sorted({finding.signature for finding in self._findings})

    # --- truth and its boundaries ---

    def _watch(self, shard: Shard) -> Watch:
        watch = shard.judged = Watch()
        return watch

    def _renew(self, shard: Shard, watch: Watch, now_ms: int) -> None:
        """Ask truth again, keep what it permitted until now, and wait for its next boundary."""
        mapping = shard.rows.get("subs_customer")
        watch.shared = mapping is not None and len(self._stores.by_customer.get(mapping.stripe_customer, ())) > 1
        before, expected = watch.expected, truth(shard, self._policy, now_ms, watch.shared)
        if watch.authority >= 0 and expected == before:
            # Truth has not moved; that it is the same object tells whoever compares with it.
            watch.authority = shard.authority
            return
        if before.permits and before.permits != expected.permits:
            oldest = now_ms - self._policy.lag_budget_ms
            watch.past = [(until, permits) for until, permits in watch.past if until >= oldest]
            watch.past.append((now_ms, before.permits))
        if expected.applies:
            watch.unjudged_ms = None
        elif watch.unjudged_ms is None:
            watch.unjudged_ms = now_ms if watch.authority >= 0 else now_ms - self._policy.lag_budget_ms - 1
        watch.expected, watch.authority = expected, shard.authority
        until_ms = NEVER_MS if expected.until_ms is None else expected.until_ms
        if until_ms != watch.until_ms and until_ms != NEVER_MS:
            heappush(self._clock, (until_ms, shard.account))
            self.next_clock_ms = self._clock[0][0]
        watch.until_ms = until_ms

    def _disagreements(self, shard: Shard, watch: Watch) -> dict[str, str]:
        return disagreements(shard, watch.expected, self._policy, watch.fields, watch.ledger, watch.copies, watch.shared)

    def _look_at_neighbours(self, shard: Shard, now_ms: int) -> None:
        """An account stands on another customer: whoever stands, or stood, there with it is merged, or no more."""
        records, self._remapped = self._remapped, []
        for record in records:
            customers = dict.fromkeys([row.stripe_customer for row in (record.old, record.new) if row is not None])
            for account in [account for customer in customers for account in self._stores.by_customer.get(customer, ())]:
                other = self._stores.shard(account)
                if other is not shard:
                    watch = other.judged or self._watch(other)
                    self._renew(other, watch, now_ms)
                    self._settle(other, watch, now_ms, [record], self._disagreements(other, watch))

    def _is_unhealable(self, shard: Shard, watch: Watch) -> bool:
        """No engine could heal it: Stripe does not know the account, or not it alone; or its ledger holds what Stripe never had; or what it bought
        has no price there.
        """
        if watch.expected.applies:
            return watch.ledger.give_up_on_the_unknown(shard) | watch.copies.give_up_on_the_unpriced(shard, self.has_price)
        profile = shard.one("subs_account")
        return profile is None or profile.account_type not in self._policy.contract_types

    # --- intervals ---

    def _settle(self, shard: Shard, watch: Watch, now_ms: int, why: Why, held: Mapping[str, str]) -> None:
        """Open what disagrees newly, close what agrees again, and tell lag from drift. `held`: what disagrees now."""
        if held or watch.open:
            missing = frozenset([due.key for due in watch.expected.consequences]) if watch.expected.consequences else _NONE_MISSING
            for interval in list(watch.open.values()):
                if _is_over(interval, held, missing):
                    del watch.open[interval.code]
                    self._close(shard, interval, now_ms, why)
            for code, detail in held.items():
                standing = watch.open.get(code)
                if standing is None:
                    about = missing if code == MISSING else _NONE_MISSING
                    self._open(shard, watch, Interval(code, now_ms, opener_of(why, code, now_ms), detail, about))
                elif not isinstance(why, (Clock, Given)):
                    self._follow(shard, watch, standing, why)
            if shard.pending <= 0:
                self._weigh(shard, watch, now_ms)
        if watch.parted_ms is not None and (not watch.open or (len(watch.open) == 1 and UNJUSTIFIED in watch.open)):
            self._converged(shard, watch, watch.parted_ms, now_ms)

    def _open(self, shard: Shard, watch: Watch, interval: Interval) -> None:
        watch.open[interval.code] = interval
        self._ask_for_cause(shard, watch, interval)
        self._parted[shard.account] = shard
        if watch.parted_ms is None and interval.code != UNJUSTIFIED:
            watch.parted_ms = interval.opened_ms

    def _close(self, shard: Shard, interval: Interval, now_ms: int, why: Why) -> None:
        """The disagreement is over: an interval without length is nothing, one within what lag may be is lag, any other is drift."""
        length_ms = now_ms - interval.opened_ms
        if length_ms <= 0:
            return
        if self._is_drift(interval, now_ms):
            closer = opener_of(why, interval.code, now_ms)
            if isinstance(closer, (WriteRecord, ActionRecord)):
                # Its last write has mended it: it was never left half done.
                interval.tried.pop(closer.task, None)
            self._record(shard, interval, now_ms, closer)
        else:
            self._lag.add(length_ms)
            self._trace.add(LatencyRecord("latency", now_ms, "lag", shard.account, length_ms))
            if self.lagged is not None:
                self.lagged(shard.account, interval.code, interval.opened_ms, now_ms)

    def _weigh(self, shard: Shard, watch: Watch, now_ms: int) -> None:
        """With nothing on its way for the account, what is open is drift."""
        if shard.pending > 0:
            return
        if shard.timers:
            latest_ms = now_ms + self._policy.lag_budget_ms
            if any([now_ms <= due_ms <= latest_ms for due_ms in shard.timers]):
                return
        for interval in watch.open.values():
            interval.drifted = True

    def _is_drift(self, interval: Interval, now_ms: int) -> bool:
        return interval.drifted or now_ms - interval.opened_ms > self._policy.lag_budget_ms

    def _converged(self, shard: Shard, watch: Watch, parted_ms: int, now_ms: int) -> None:
        """The account equals truth again: note how long it took."""
        length_ms, watch.parted_ms = now_ms - parted_ms, None
        if not watch.open:
            del self._parted[shard.account]
        if length_ms > 0:
            self._converge.add(length_ms)
            self._trace.add(LatencyRecord("latency", now_ms, "converge", shard.account, length_ms))

    def _record(self, shard: Shard, interval: Interval, closed_ms: int | None, closer: Opener | None) -> None:
        """Write a drift into the trace, and count it."""
        self._opened[interval.code] += 1
        cause = interval.cause or of_truth(bool(interval.tried))
        closing = provenance(closer) if closer is not None else None
        opening = provenance(interval.opener, interval.told)
        drift = DriftRecord("drift", shard.account, interval.code, interval.opened_ms, closed_ms, cause, opening, closing, interval.detail)
        self._trace.add(drift)
        if closed_ms is None:
            self._still_open.append(drift)
        elif len(self._kept) < _KEPT:
            self._kept.append(drift)

    # --- single records ---

    def _inspect(self, shard: Shard, watch: Watch, record: WriteRecord | ActionRecord) -> None:
        """Put one record to the checks that always hold, and to the justification that acts need; and keep what later questions need of it."""
        if isinstance(record, ActionRecord):
            self._find_all(check_action(shard, record, self._policy))
            if record.executed and not self._is_permitted(watch, permit_of(record), record.at_ms):
                self._unjustified(shard, watch, record, f"{record.kind} {record.step} for {record.debt}, while truth said {watch.expected.status}")
            return
        store = record.store
        if store in CHECKED:
            found = CHECKED[store](shard.stripe, record)
            if found:
                self._find_all(found)
        elif store in ENDS:
            what = ends(record)
            if what is not None and self._writer(record) == ENGINE:
                self._check_end(shard, watch, record, what)
        if store == "subs_account" or watch.unjudged_ms is not None:
            judged = watch.unjudged_ms is None or record.at_ms - watch.unjudged_ms <= self._policy.lag_budget_ms
            if self._writer(record) == ENGINE:
                # What a person has asked for is carried through, though a contract has begun since.
                self._find_all(check_engine_write(record, self._policy, judged or waking_kind(record.cause) in _ASKED_FOR))
        if store == "stripe.invoice":
            watch.ledger.moved[record.key] = None
            if getattr(record.old, "metadata", None) or getattr(record.new, "metadata", None):
                watch.fields.moved = True
        elif store == "stripe.charge":
            watch.ledger.moved[record.key] = None
        elif store == "stripe.subscription":
            watch.copies.moved = True
        elif store == "subs_customer":
            watch.ledger.forget()
            self._remapped.append(record)
        if record.cause.startswith("stripe."):
            self.blame.remember(watch.memory, record)

    def _check_end(self, shard: Shard, watch: Watch, record: WriteRecord, what: str) -> None:
        """An engine's write to an authority needs its justification: policy's, or a person's request."""
        if waking_kind(record.cause) in _ASKED_FOR:
            return
        if what == "cancel" and (self._is_permitted(watch, ("end", record.key), record.at_ms) or mirrors_stripe(shard, record)):
            return
        if what == "void" and falls_with_its_subscription(shard, record):
            return
        self._unjustified(shard, watch, record, f"{what} of {record.key}, while truth said {watch.expected.status}")

    def _is_permitted(self, watch: Watch, permit: Permit, at_ms: int) -> bool:
        """Truth permits it, or did within the budget."""
        oldest = at_ms - self._policy.lag_budget_ms
        return permit in watch.expected.permits or any(permit in permits for until, permits in watch.past if until >= oldest)

    def _unjustified(self, shard: Shard, watch: Watch, record: WriteRecord | ActionRecord, detail: str) -> None:
        """It cannot be taken back, so this drift never closes; the account's first one stands for all of them."""
        if UNJUSTIFIED not in watch.open:
            interval = Interval(UNJUSTIFIED, record.at_ms, record, detail)
            interval.drifted = True
            self._open(shard, watch, interval)

    # --- causes ---

    def broke_off(self, shard: Shard, task: str) -> None:
        """A handler that had written something failed: whatever disagrees now was left half done."""
        if shard.judged is not None:
            for interval in shard.judged.open.values():
                interval.tried[task] = None

    def _follow(self, shard: Shard, watch: Watch, interval: Interval, records: Records) -> None:
        """Note who mends some of what stands open; a handler that makes right fields wrong is what the drift comes from, not the lag before it."""
        stores = DERIVED[interval.code]
        for record in records:
            if (isinstance(record, WriteRecord) and record.store not in stores) or self._writer(record) == WORLD:
                continue
            if _mends(record, interval, watch.expected, self._policy):
                if self.blame.looked(record):
                    interval.tried[record.task] = None
            elif is_truths(interval.opener, interval.code) and not interval.drifted and _harms(record, interval.code, watch.expected, self._policy):
                interval.opener = record
                self._ask_for_cause(shard, watch, interval)

    def _ask_for_cause(self, shard: Shard, watch: Watch, interval: Interval) -> None:
        """The cause as far as it is known now; where truth moved, whether a handler mended some of it is asked when the books are closed."""
        opener, interval.cause = interval.opener, ""
        if isinstance(opener, Given):
            interval.cause = DATA
        elif isinstance(opener, Clock) or (interval.code != UNJUSTIFIED and is_truths(opener, interval.code)):
            return
        elif self._writer(opener) == WORLD or (isinstance(opener, WriteRecord) and waking_kind(opener.cause) == _BY_HAND):
            interval.cause = MANUAL_WRITE
        else:
            interval.cause, interval.told = self.blame.of_handler(watch.memory, shard, interval.code, opener, watch.expected)

    def _writer(self, record: WriteRecord | ActionRecord) -> str:
        return WORLD if record.component == record.account else self.writer_of(record.component)

    def _find_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._find(finding)

    def _find(self, finding: Finding) -> None:
        if len(self._findings) < _FINDINGS_KEPT:
            self._findings.append(finding)

    # --- figures ---

    def _report(self, never: int) -> Report:
        opened, standing = sum(self._opened.values()), sum(self._standing.values())
        by_code = {code: {"opened": self._opened[code], "open_at_end": self._standing[code]} for code in CODES if self._opened[code]}
        return Report(
            opened=opened,
            closed=opened - standing,
            open_at_end=standing,
            unhealable=self._unhealable,
            by_code=by_code,
            drift=self._still_open + self._kept,
            converge_ms={**_figures(self._converge), "never": never},
            lag_ms=_figures(self._lag),
            findings=self._findings,
        )


def _figures(histogram: Histogram) -> dict[str, int]:
    return {"p50": histogram.percentile(50), "p99": histogram.percentile(99), "max": histogram.largest}


def _is_over(interval: Interval, held: Mapping[str, str], missing: frozenset[str]) -> bool:
    """The disagreement is gone, or it is about other consequences by now."""
    if interval.code == MISSING:
        return not interval.about & missing
    return interval.code not in held and interval.code != UNJUSTIFIED


def _harms(record: WriteRecord | ActionRecord, code: str, expected: Expected, policy: DunningPolicy) -> bool:
    return isinstance(record, WriteRecord) and harms(record, code, expected, policy)


def _mends(record: WriteRecord | ActionRecord, interval: Interval, expected: Expected, policy: DunningPolicy) -> bool:
    """The record brought some of what the interval is about to where it belongs; of missing consequences: executed one of them."""
    if isinstance(record, ActionRecord):
        step = record.step if record.kind in ("notify", "flag") else record.kind
        return interval.code == MISSING and record.executed and any(f"{key}/".startswith(f"{record.debt}/{step}/") for key in interval.about)
    return mends(record, interval.code, expected, policy)
