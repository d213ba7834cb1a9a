"""Why an account still drifts at the end of a run in which remediation ran: of each code, what kept remediation from mending it.

An attempt since it began to drift says so itself. Where there was none, the nights say it: no view told of it, or it was never a candidate, as it or
other drift of its account had been detected the night before. What remediation mends of no account is told first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from billsim.checks import codes
from billsim.core.policy import DunningPolicy
from billsim.core.remediation import RemediationPolicy
from billsim.core.trace import DriftRecord
from billsim.rehearsal.attempts import Attempt, attempts_of
from billsim.rehearsal.nights import Handed, handed, instants
from billsim.remediation import restrictions, valves
from billsim.remediation.audit import WOULD, Refusal
from billsim.remediation.plan import ACCOUNT_TYPE, BAD_DEBT, ENTITLEMENTS, LEDGER, METHOD, NO_SUCCESS, PROFILE
from billsim.stores.base import Shard
from billsim.world import World

PERSISTENT, UNDETECTED, NO_NIGHT, NOT_ATTEMPTED = "persistent", "undetected", "no_night_since", "not_attempted"
NOT_MENDED, FOR_GOOD, DRY = "not_mended", "cannot_be_undone", "dry_run"
VALVE, GATE, RESTRICTION, REFUSED, FAILED, LEFT, ATTEMPTED = "valve", "gate", "restriction", "refused", "failed", "left", "attempted"
# What an account is told by that stays for several reasons: the first of these.
ORDER = (
    VALVE, GATE, RESTRICTION, REFUSED, FAILED, LEFT, ATTEMPTED, DRY, PERSISTENT, NOT_ATTEMPTED, UNDETECTED, NO_NIGHT, NOT_MENDED, FOR_GOOD,
)  # fmt: skip

_INVOICE, _METADATA = "invoice", "metadata"
_DERIVED_STEPS = (BAD_DEBT, NO_SUCCESS, ACCOUNT_TYPE, PROFILE, METHOD, ENTITLEMENTS, LEDGER, _INVOICE, _METADATA)
# The steps of an attempt by which drift is mended, by the first part of their names. What is none of these is about subscriptions.
STEPS_OF = {
    codes.BAD_DEBT_STUCK: (BAD_DEBT, _INVOICE, _METADATA),
    codes.BAD_DEBT_MISSED: (BAD_DEBT, _INVOICE, _METADATA),
    codes.DUNNING_WRONG: (BAD_DEBT,),
    codes.FLAGS_INCONSISTENT: (BAD_DEBT, _METADATA),
    codes.NO_SUCCESS_STUCK: (NO_SUCCESS, _METADATA),
    codes.NO_SUCCESS_MISSED: (NO_SUCCESS, _METADATA),
    codes.ENTITLEMENT_DRIFT: (ENTITLEMENTS, BAD_DEBT),
    codes.LEDGER_DRIFT: (LEDGER,),
    codes.PROFILE_DRIFT: (PROFILE, METHOD),
    codes.ACCOUNT_TYPE_DRIFT: (ACCOUNT_TYPE, _METADATA),
    codes.STRIPE_DRIFT: (),
    codes.WWW_DRIFT: (),
}
_WITHOUT_REMEDY = {codes.UNJUSTIFIED: FOR_GOOD, codes.MISSING: NOT_MENDED, codes.MAPPING_DRIFT: NOT_MENDED, codes.ORPHANED_STATE: NOT_MENDED}


class Standing(NamedTuple):
    """Drift that stands open: since when, on how many nights views told of it, and why it stays. `refusal`: what an attempt was refused by."""

    code: str
    since_ms: int
    nights: int
    reason: str
    refusal: str = ""


class Stays(NamedTuple):
    """An account that still drifts, and the one of its reasons that it is told by. `holds`: whether what it is said to be refused for is so at the
    end of the run; None where that cannot be told, or nothing was refused.
    """

    account: str
    reason: str
    holds: bool | None
    drift: tuple[Standing, ...]

    @property
    def since_ms(self) -> int:
        """Since when it drifts."""
        return min(each.since_ms for each in self.drift)


class Sightings:
    """What remediation was told of drift that still stands open: by (account, code) how often views `told` of it, and on the first of these nights
    `behind` which older drift it stood ('' for none); and until when each account was a candidate of each detector.
    """

    def __init__(self, drift: Sequence[DriftRecord], nights: Iterable[Handed]) -> None:
        since = {(each.account, each.code): each.opened_ms for each in drift}
        self.told: dict[tuple[str, str], int] = {}
        self.behind: dict[tuple[str, str], str] = {}
        self._candidate_until_ms: dict[tuple[str, bool], int] = {}
        for night in nights:
            self._candidate_until_ms.update(dict.fromkeys(night.candidates, night.at_ms))
            for which in night.detected:
                if which in since and night.at_ms >= since[which]:
                    self.told[which] = self.told.get(which, 0) + 1
                    older = night.older.get((which[0], which[1] == codes.WWW_DRIFT), ())
                    self.behind.setdefault(which, "" if which[1] in older or not older else older[0])

    def was_candidate(self, drift: DriftRecord) -> bool:
        """Whether its account was a candidate since it opened, of the detector that it belongs to."""
        return self._candidate_until_ms.get((drift.account, drift.code == codes.WWW_DRIFT), 0) >= drift.opened_ms


def remaining(world: World, drift: Iterable[DriftRecord], began_ms: int) -> list[Stays]:
    """Every account of which drift stands open, by name. Each of them is told by one reason, so that the counts of reasons are those of accounts."""
    still_open = [each for each in drift if each.closed_ms is None]
    sightings, told_ms = Sightings(still_open, handed(world, began_ms)), [instant for instant in instants(world) if instant >= began_ms]
    of_account: dict[str, list[DriftRecord]] = {}
    for each in still_open:
        of_account.setdefault(each.account, []).append(each)
    return [_stays(world, account, of_account[account], sightings, told_ms) for account in sorted(of_account)]


def reasons(stays: Iterable[Stays]) -> dict[str, dict[str, Any]]:
    """For each reason how many accounts it is told of, how many of their drifts stand open, by code, and the first of these accounts."""
    found: dict[str, dict[str, Any]] = {}
    for each in sorted(stays, key=lambda each: (_rank(each.reason), each.reason, each.account)):
        told = found.setdefault(each.reason, {"accounts": 0, "codes": {}, "example": each.account})
        told["accounts"] += 1
        for standing in each.drift:
            told["codes"][standing.code] = told["codes"].get(standing.code, 0) + 1
    return {reason: {**told, "codes": dict(sorted(told["codes"].items()))} for reason, told in found.items()}


def _stays(world: World, account: str, drift: Sequence[DriftRecord], sightings: Sightings, told_ms: Sequence[int]) -> Stays:
    shard = world.stores.shard(account)
    attempts = attempts_of(shard)
    standing = tuple(sorted([why(each, _since(each, attempts, told_ms), sightings, told_ms) for each in drift]))
    first = min(standing, key=lambda each: (_rank(each.reason), each.since_ms, each.code))
    told = world.scenario.remediation
    holds = None if told is None or not first.refusal else is_so(first.refusal, shard, world, told.rules, world.policy)
    return Stays(account, first.reason, holds, standing)


def _rank(reason: str) -> int:
    return ORDER.index(reason.partition(":")[0])


# -- of one drift ----------------------------------------------------------------------------------------------------------------------


def why(drift: DriftRecord, attempts: Sequence[Attempt], sightings: Sightings, told_ms: Sequence[int]) -> Standing:
    """Why a drift stands open. `attempts`: those of the last night on which its account was attempted since it opened; `told_ms`: when there were
    candidates at all.
    """
    which = (drift.account, drift.code)
    nights = sightings.told.get(which, 0)
    reason, refusal = _WITHOUT_REMEDY.get(drift.code, ""), ""
    if not reason and attempts:
        reason, refusal = min([_of_attempt(each, drift.code) for each in attempts], key=lambda told: _rank(told[0]))
    elif not reason and sightings.was_candidate(drift):
        reason = NOT_ATTEMPTED
    elif not reason and nights:
        reason = f"{PERSISTENT}:{sightings.behind[which]}" if sightings.behind[which] else PERSISTENT
    elif not reason:
        reason = UNDETECTED if any(instant >= drift.opened_ms for instant in told_ms) else NO_NIGHT
    return Standing(drift.code, drift.opened_ms, nights, reason, refusal)


def _since(drift: DriftRecord, attempts: Iterable[Attempt], told_ms: Sequence[int]) -> list[Attempt]:
    """The attempts of the last night on which the account was attempted since it began to drift, by whoever mends such drift. One that was under way
    when it began counts only for what it was refused by.
    """
    nights: dict[int, list[Attempt]] = {}
    for each in attempts:
        if each.at_ms < drift.opened_ms or each.is_of_www != (drift.code == codes.WWW_DRIFT):
            continue
        started_ms = max([instant for instant in told_ms if instant <= each.at_ms], default=each.at_ms)
        if drift.opened_ms <= started_ms or each.result.refused:
            nights.setdefault(started_ms, []).append(each)
    return nights[max(nights)] if nights else []


def _of_attempt(attempt: Attempt, code: str) -> tuple[str, str]:
    """Why drift of a code outlived an attempt, and by what it was refused ('': it was not)."""
    result = attempt.result
    refused, left = _about(result.refused, code), _about(result.left, code)
    wrong = [why for step, why in result.wrong.items() if _concerns(step, code)]
    if refused:
        return _refusal(refused[0]), refused[0]
    if wrong:
        return f"{FAILED}:{wrong[0]}", ""
    if left:
        return f"{LEFT}:{left[0]}", ""
    return (DRY if result.outcome == WOULD else f"{ATTEMPTED}:{result.outcome or 'other words'}"), ""


def _about(refusals: Iterable[Refusal], code: str) -> list[str]:
    return [refusal.why for refusal in refusals if _concerns(refusal.step, code)]


def _concerns(step: str, code: str) -> bool:
    """Whether a step of an attempt is one by which drift of a code is mended; '' is all of it."""
    kind = step.partition("/")[0]
    return not step or kind in STEPS_OF[code] or (code == codes.STRIPE_DRIFT and kind not in _DERIVED_STEPS)


def _refusal(name: str) -> str:
    """The reason by the name of what refuses; a name that is none of ours is a team's own."""
    if name in valves.VALVES:
        return name
    if name in (restrictions.BAD_DEBT_GATE, restrictions.INVOICE_METADATA_GATE):
        return f"{GATE}:{name}"
    return f"{RESTRICTION if name in restrictions.RESTRICTIONS else REFUSED}:{name}"


# -- whether a refusal is true ---------------------------------------------------------------------------------------------------------


def is_so(refusal: str, shard: Shard, world: World, rules: RemediationPolicy, policy: DunningPolicy) -> bool | None:
    """Whether what an attempt was refused by is so of the account now; None for what the moment decides (dates, valves that count)."""
    profile, mapping = shard.one("subs_account"), shard.one("subs_customer")
    kind = profile.account_type if profile is not None else ""
    if refusal == restrictions.UNSUPPORTED_ACCOUNT_TYPE:
        return kind in rules.unsupported_types
    if refusal == restrictions.ENTERPRISE_EXCLUDED:
        return kind in (*rules.enterprise_types, *policy.contract_types)
    if refusal == restrictions.NO_STRIPE_CUSTOMER:
        return mapping is None or not mapping.stripe_customer or shard.stripe is None or shard.stripe.customer is None
    if refusal == restrictions.MERGED_ACCOUNT:
        return mapping is not None and len(world.accounts_of(mapping.stripe_customer)) > 1
    if refusal == restrictions.BAD_DEBT_GATE:
        return not rules.bad_debt_gate.lets(shard.account)
    if refusal == restrictions.INVOICE_METADATA_GATE:
        return not rules.invoice_metadata_gate.lets(shard.account)
    return rules.kill_switch if refusal == valves.KILL_SWITCH else None
