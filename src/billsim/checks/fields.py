"""Which derived fields a drift code is about, and whether a row holds them as truth has them.

It tells a write that mends from one that harms: both touch the store in which a drift shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from billsim.checks.codes import (
    ACCOUNT_TYPE_DRIFT,
    BAD_DEBT_MISSED,
    BAD_DEBT_STUCK,
    DUNNING_WRONG,
    ENTITLEMENT_DRIFT,
    FLAGS_INCONSISTENT,
    MAPPING_DRIFT,
    NO_SUCCESS_MISSED,
    NO_SUCCESS_STUCK,
    ORPHANED_STATE,
    PROFILE_DRIFT,
    STRIPE_DRIFT,
    WWW_DRIFT,
)
from billsim.checks.truth import Expected
from billsim.core.policy import BAD_DEBT, HEALTHY, DunningPolicy
from billsim.core.trace import WriteRecord
from billsim.stores.cf_prod import FREE
from billsim.stores.www import LEVEL_OF

_DEBT = (BAD_DEBT_STUCK, BAD_DEBT_MISSED, FLAGS_INCONSISTENT)
_SUCCESS = (NO_SUCCESS_STUCK, NO_SUCCESS_MISSED)
# Of a copy that is right or wrong beside another row, not by truth: whoever changed one of these fields has to answer for it.
_COMPARED = {
    (STRIPE_DRIFT, "stripe.subscription"): ("status", "items"),
    (PROFILE_DRIFT, "subs_account"): ("name", "email"),
    (PROFILE_DRIFT, "subs_customer"): ("payment_method",),
    (MAPPING_DRIFT, "subs_customer"): ("stripe_customer",),
    (ORPHANED_STATE, "subs_dunning"): ("done",),
    (ORPHANED_STATE, "ope"): ("stripe_subscription",),
}


def harms(record: WriteRecord, code: str, expected: Expected, policy: DunningPolicy) -> bool:
    """The write changed a field that the code is about, and the new value is not truth's."""
    compared = _COMPARED.get((code, record.store))
    if compared is not None:
        return any(getattr(record.old, field, None) != getattr(record.new, field, None) for field in compared)
    return any(now != true for was, now, true in _touched(record, code, expected, policy) if was != now)


def mends(record: WriteRecord, code: str, expected: Expected, policy: DunningPolicy) -> bool:
    """The write brought a field that the code is about to what truth has."""
    return any(now == true for was, now, true in _touched(record, code, expected, policy) if was != now)


def _touched(record: WriteRecord, code: str, expected: Expected, policy: DunningPolicy) -> Iterator[tuple[Any, Any, Any]]:
    """(before, after, truth) of each field of the written row that the code is about."""
    truths = _truths(record, code, expected, policy)
    if truths:
        held = [_values(record, row, code, policy) for row in (record.old, record.new)]
        yield from zip(*held, truths, strict=True)


def _truths(record: WriteRecord, code: str, expected: Expected, policy: DunningPolicy) -> tuple[Any, ...]:
    store = record.store
    if store == "subs_dunning":
        if code == DUNNING_WRONG:
            return (expected.status, expected.retry_count, expected.escalation_level)
        return (expected.bad_debt,) if code in _DEBT else ()
    if store == "subs_account":
        return (expected.bad_debt,) if code in _DEBT else (expected.no_successful_payment,) if code in _SUCCESS else ()
    if store == "cf_prod":
        return (expected.entitlements.get(record.key, FREE),) if code == ENTITLEMENT_DRIFT else ()
    if store == "www":
        return (expected.entitlements.get(LEVEL_OF, FREE),) if code == WWW_DRIFT else ()
    if store == "stripe.customer":
        return tuple(expected.metadata.get(key, "") for key in _customer_keys(code, policy))
    if store == "stripe.invoice" and code in _DEBT:
        true = expected.invoice_metadata.get(record.key, {})
        return tuple(true.get(key, "") for key in (policy.bad_debt_key, policy.bad_debt_amount_key))
    return ()


def _values(record: WriteRecord, row: Any, code: str, policy: DunningPolicy) -> tuple[Any, ...]:
    """What a row holds of the fields of `_truths`, in their order; a row that is not there holds what a new one would."""
    store = record.store
    if store == "subs_dunning":
        if code == DUNNING_WRONG:
            return (getattr(row, "status", HEALTHY), getattr(row, "retry_count", 0), getattr(row, "escalation_level", 0))
        return (getattr(row, "status", "") == BAD_DEBT,)
    if store == "subs_account":
        bit = policy.bad_debt_flag if code in _DEBT else policy.no_success_flag
        return (bool(getattr(row, "flags", 0) & bit),)
    if store == "cf_prod" or store == "www":
        return (getattr(row, "plan", FREE),)
    metadata = row.metadata if row is not None else {}
    keys = _customer_keys(code, policy) if store == "stripe.customer" else (policy.bad_debt_key, policy.bad_debt_amount_key)
    return tuple(metadata.get(key, "") for key in keys)


def _customer_keys(code: str, policy: DunningPolicy) -> tuple[str, ...]:
    if code in _DEBT:
        return (policy.bad_debt_key, policy.bad_debt_since_key)
    if code == ACCOUNT_TYPE_DRIFT:
        return (policy.account_type_key,)
    return (policy.no_success_key,) if code in _SUCCESS else ()
