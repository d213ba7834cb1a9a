"""Which drift codes an account shows: the derived fields that it holds, beside those that truth expects.

Each function judges one group of codes and adds `code -> what is wrong` to `found`; an account that is right adds nothing, at little cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from billsim.checks.copies import ALIKE, Copies, mapping_wrong, rows_without_account
from billsim.checks.truth import Expected, is_contract
from billsim.core.policy import BAD_DEBT, DunningPolicy
from billsim.stores.base import Shard
from billsim.stores.billing_prod import LedgerRow
from billsim.stores.cf_prod import FREE, NONE
from billsim.stores.subs_dunning import DunningRow
from billsim.stripe.objects import Book, Charge, Invoice

BAD_DEBT_STUCK, BAD_DEBT_MISSED = "bad_debt_stuck", "bad_debt_missed"
DUNNING_WRONG, FLAGS_INCONSISTENT = "dunning_wrong", "debt_flags_inconsistent"
NO_SUCCESS_STUCK, NO_SUCCESS_MISSED = "no_successful_payment_stuck", "no_successful_payment_missed"
ENTITLEMENT_DRIFT, LEDGER_DRIFT = "entitlement_drift", "ledger_drift"
UNJUSTIFIED, MISSING = "consequence_unjustified", "consequence_missing"
STRIPE_DRIFT, WWW_DRIFT, PROFILE_DRIFT = "stripe_drift", "www_drift", "profile_drift"
ACCOUNT_TYPE_DRIFT, MAPPING_DRIFT, ORPHANED_STATE = "account_type_drift", "mapping_drift", "orphaned_state"

CODES = (
    BAD_DEBT_STUCK,
    BAD_DEBT_MISSED,
    DUNNING_WRONG,
    FLAGS_INCONSISTENT,
    NO_SUCCESS_STUCK,
    NO_SUCCESS_MISSED,
    ENTITLEMENT_DRIFT,
    LEDGER_DRIFT,
    UNJUSTIFIED,
    MISSING,
    STRIPE_DRIFT,
    WWW_DRIFT,
    PROFILE_DRIFT,
    ACCOUNT_TYPE_DRIFT,
    MAPPING_DRIFT,
    ORPHANED_STATE,
)

_AT_STRIPE = (
    "customer", "payment_method", "subscription", "invoice", "payment_intent", "charge",
    "invoice_item", "refund", "credit_note", "dispute", "setup_intent", "mandate",
)  # fmt: skip
AUTHORITIES = frozenset({"ope", "subs_customer", *(f"stripe.{kind}" for kind in _AT_STRIPE)})
_DEBT_STORES = frozenset({"subs_dunning", "subs_account", "stripe.customer", "stripe.invoice"})
DERIVED: dict[str, frozenset[str]] = {
    BAD_DEBT_STUCK: _DEBT_STORES,
    BAD_DEBT_MISSED: _DEBT_STORES,
    DUNNING_WRONG: frozenset({"subs_dunning"}),
    FLAGS_INCONSISTENT: _DEBT_STORES,
    NO_SUCCESS_STUCK: frozenset({"subs_account", "stripe.customer"}),
    NO_SUCCESS_MISSED: frozenset({"subs_account", "stripe.customer"}),
    ENTITLEMENT_DRIFT: frozenset({"cf_prod"}),
    LEDGER_DRIFT: frozenset({"billing_prod"}),
    UNJUSTIFIED: frozenset(),
    MISSING: frozenset({"subs_dunning"}),
    STRIPE_DRIFT: frozenset({"stripe.subscription"}),
    WWW_DRIFT: frozenset({"www"}),
    PROFILE_DRIFT: frozenset({"subs_account", "subs_customer"}),
    ACCOUNT_TYPE_DRIFT: frozenset({"stripe.customer"}),
    MAPPING_DRIFT: frozenset({"subs_customer"}),
    ORPHANED_STATE: frozenset({"subs_dunning", "ope"}),
}
# Codes of copies whose other side, which is right by definition, is a store of its own.
BESIDE = {STRIPE_DRIFT: "ope", PROFILE_DRIFT: "stripe.customer", ACCOUNT_TYPE_DRIFT: "subs_account", MAPPING_DRIFT: "stripe.customer"}
_OF_COPIES = (STRIPE_DRIFT, WWW_DRIFT, PROFILE_DRIFT, ACCOUNT_TYPE_DRIFT, ORPHANED_STATE)
_NO_ROW = DunningRow("")
_NO_ROWS: Mapping[str, Any] = {}
_NONE_UNHEALABLE: frozenset[str] = frozenset()


def disagreements(
    shard: Shard, expected: Expected, policy: DunningPolicy, fields: Fields, ledger: Ledger, copies: Copies, shared: bool = False
) -> dict[str, str]:
    """The codes under which the account disagrees with truth, each with what is wrong. Where truth does not apply, only whose the account is at
    Stripe is asked, and of contract accounts nothing. `shared`: others stand on its customer.
    """
    if not expected.applies:
        return {} if is_contract(shard, policy) else unknown_whose(shard, copies, shared)
    many = shard.many
    seen = (expected, shard.rows, shard.stripe.customer, many.get("cf_prod"), many.get("ope"), many.get("www"))
    have_moved = seen != fields.seen
    if have_moved or fields.moved:
        fields.judge(shard, expected, policy, seen)
    if have_moved or copies.moved:
        copies.differ(shard, expected.metadata, expected.entitlements, policy)
    found = fields.found.copy()
    wrong = ledger.wrong(shard)
    if wrong:
        found[LEDGER_DRIFT] = wrong
    if expected.consequences:
        found[MISSING] = "not executed: " + ", ".join([due.key for due in expected.consequences])
    if copies.found != ALIKE:
        found.update({code: what for code, what in zip(_OF_COPIES, copies.found, strict=True) if what})
    return found


class Fields:
    """What the dunning state, flags, governed metadata and entitlements of an account are that they should not be, by code (`found`).

    `seen` is what this was judged by, and what copies were compared by. Rows and objects are never changed in place, so that it need not be judged
    again while that is the same; who changes an invoice's metadata says so by `moved`.
    """

    __slots__ = ("found", "moved", "seen")

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.moved = False
        self.seen: tuple[Any, ...] = ()

    def judge(self, shard: Shard, expected: Expected, policy: DunningPolicy, seen: tuple[Any, ...]) -> None:
        """Hold all of these fields against truth."""
        self.found, self.moved, self.seen = {}, False, seen
        profile, metadata = shard.rows["subs_account"], shard.stripe.customer.metadata
        flags, found = profile.flags, self.found
        judge_debt(shard, expected, policy, shard.rows.get("subs_dunning") or _NO_ROW, flags, metadata, found)
        if flags & policy.no_success_flag or expected.no_successful_payment or metadata != expected.metadata:
            judge_success(expected, policy, flags, metadata, found)
        judge_entitlements(shard.many.get("cf_prod") or _NO_ROWS, expected.entitlements, found)


def unknown_whose(shard: Shard, copies: Copies, shared: bool) -> dict[str, str]:
    """mapping_drift, or orphaned_state where there is no account any more; without what was accepted at the beginning."""
    wrong = ((ORPHANED_STATE, rows_without_account(shard)), (MAPPING_DRIFT, mapping_wrong(shard, shared)))
    return {code: what for code, what in wrong if what and copies.accepted.get(code) != what}


def judge_debt(
    shard: Shard, expected: Expected, policy: DunningPolicy, dunning: DunningRow, flags: int, metadata: Mapping[str, str], found: dict[str, str]
) -> None:
    """bad_debt_stuck, bad_debt_missed, dunning_wrong and debt_flags_inconsistent."""
    flag, in_status = flags & policy.bad_debt_flag != 0, dunning.status == BAD_DEBT
    key = metadata.get(policy.bad_debt_key, "")
    if not in_status == flag == (key != ""):
        found[FLAGS_INCONSISTENT] = f"status {dunning.status}, flag {'on' if flag else 'off'}, customer {policy.bad_debt_key}={key or 'absent'}"
    wrong = _debt_fields(shard, expected, policy, in_status, flag, metadata)
    if wrong:
        found[BAD_DEBT_MISSED if expected.bad_debt else BAD_DEBT_STUCK] = f"truth {expected.status}; " + ", ".join(wrong)
    if in_status == expected.bad_debt:
        judge_dunning(dunning, expected, found)


def judge_dunning(dunning: DunningRow, expected: Expected, found: dict[str, str]) -> None:
    """dunning_wrong: status, retry count and escalation level, where both or neither say bad debt."""
    held = dunning.status, dunning.retry_count, dunning.escalation_level
    true = expected.status, expected.retry_count, expected.escalation_level
    if held != true:
        names = ("status", "retry_count", "escalation_level")
        found[DUNNING_WRONG] = ", ".join(f"{n} {h}, truth {t}" for n, h, t in zip(names, held, true, strict=True) if h != t)


def _debt_fields(shard: Shard, expected: Expected, policy: DunningPolicy, in_status: bool, flag: bool, metadata: Mapping[str, str]) -> list[str]:
    """What of the bad-debt state (status, flag, keys of customer and invoices) is not as truth has it."""
    wrong = []
    if in_status != expected.bad_debt:
        wrong.append(f"status {'' if in_status else 'not '}bad_debt")
    if flag != expected.bad_debt:
        wrong.append(f"flag {'on' if flag else 'off'}")
    if metadata != expected.metadata:
        wrong += _keys("customer", metadata, expected.metadata, (policy.bad_debt_key, policy.bad_debt_since_key))
    for id, invoice in shard.stripe.invoices.items():
        if invoice.metadata or id in expected.invoice_metadata:
            wrong += _keys(id, invoice.metadata, expected.invoice_metadata.get(id, {}), (policy.bad_debt_key, policy.bad_debt_amount_key))
    return wrong


def _keys(where: str, held: Mapping[str, str], true: Mapping[str, str], keys: tuple[str, ...]) -> list[str]:
    """Keys whose value differs; an empty value is an absent key, as at Stripe."""
    return [
        f"{where} {key}={held.get(key) or 'absent'}, truth {true.get(key) or 'absent'}" for key in keys if held.get(key, "") != true.get(key, "")
    ]


def judge_success(expected: Expected, policy: DunningPolicy, flags: int, metadata: Mapping[str, str], found: dict[str, str]) -> None:
    """no_successful_payment_stuck and no_successful_payment_missed."""
    flag = flags & policy.no_success_flag != 0
    key = metadata.get(policy.no_success_key, "")
    if flag == expected.no_successful_payment and key == expected.metadata.get(policy.no_success_key, ""):
        return
    code = NO_SUCCESS_MISSED if expected.no_successful_payment else NO_SUCCESS_STUCK
    found[code] = f"flag {'on' if flag else 'off'}, customer {policy.no_success_key}={key or 'absent'}"


def judge_entitlements(held: Mapping[str, Any], true: Mapping[str, str], found: dict[str, str]) -> None:
    """entitlement_drift: a missing row is the free plan, and a product that was never bought may have no other."""
    wrong = []
    for product, plan in true.items():
        row = held.get(product)
        has = FREE if row is None else row.plan
        if has != plan:
            wrong.append(f"{product} {has}, truth {plan}")
    if held.keys() != true.keys():
        wrong += [f"{product} {row.plan}, never bought" for product, row in held.items() if product not in true and row.plan not in (FREE, NONE)]
    if wrong:
        found[ENTITLEMENT_DRIFT] = ", ".join(wrong)


class Ledger:
    """What an account's ledger says last of each object. Reads each entry once, for the store is append only, and compares an object only when it
    or its last entry has moved: who changes an object says so by `moved`.

    `unhealable` holds the objects that nothing at Stripe answers to from the very beginning: no engine can take an entry back.
    """

    __slots__ = ("unhealable", "moved", "_last", "_read", "_book", "_wrong")

    def __init__(self) -> None:
        self.unhealable = _NONE_UNHEALABLE
        self.moved: dict[str, None] = {}
        self._last: dict[str, LedgerRow] = {}
        self._read = 0
        self._book: Book | None = None
        self._wrong: dict[str, str] = {}

    def forget(self) -> None:
        """Compare everything anew: the account may stand on another customer now."""
        self._book = None

    def wrong(self, shard: Shard) -> str:
        """What differs between the last entries and Stripe's invoices and charges; '' for nothing."""
        moved, book, rows = self.moved, shard.stripe, shard.many.get("billing_prod") or {}
        if len(rows) != self._read:
            self._read_on(rows)
        if book is not self._book:
            self._book = book
            self._wrong.clear()
            for id in (*book.invoices, *book.charges, *self._last):
                moved[id] = None
        if moved:
            self._compare(book)
        return ", ".join(self._wrong.values()) if self._wrong else ""

    def give_up_on_the_unknown(self, shard: Shard) -> bool:
        """Set apart the entries that nothing at Stripe answers to; True if there are any."""
        if not self.wrong(shard):
            return False
        book: Book = shard.stripe
        unknown = [id for id in self._last if id not in book.invoices and id not in book.charges]
        if unknown:
            self.unhealable = frozenset(unknown)
            self.forget()
        return bool(unknown)

    def _read_on(self, rows: Mapping[str, LedgerRow]) -> None:
        for row in islice(rows.values(), self._read, None):
            last = self._last.get(row.object_id)
            if last is None or row.sequence >= last.sequence:
                self._last[row.object_id] = row
                self.moved[row.object_id] = None
        self._read = len(rows)

    def _compare(self, book: Book) -> None:
        """Hold what has moved against its last entry."""
        wrong = self._wrong
        for id in self.moved:
            row, what = self._last.get(id), ""
            if (invoice := book.invoices.get(id)) is not None:
                if invoice.status != "draft" and (row is None or not _tells_invoice(row, invoice)):
                    what = _difference(id, row, invoice_entry(invoice))
            elif (charge := book.charges.get(id)) is not None:
                if charge.status != "pending" and (row is None or not _tells_charge(row, charge)):
                    what = _difference(id, row, charge_entry(charge))
            elif row is not None and id not in self.unhealable:
                what = f"{id} is unknown at Stripe"
            if what:
                wrong[id] = what
            elif wrong:
                wrong.pop(id, None)
        self.moved.clear()


def _tells_invoice(row: LedgerRow, invoice: Invoice) -> bool:
    """The row is what `invoice_entry` says; asked of every invoice whenever Stripe has moved, hence field by field."""
    return (
        row.status == invoice.status
        and row.amount_paid == invoice.amount_paid
        and row.amount_remaining == invoice.amount_remaining
        and row.amount_due == invoice.amount_due
        and row.kind == "invoice"
    )


def _tells_charge(row: LedgerRow, charge: Charge) -> bool:
    """The row is what `charge_entry` says."""
    return (
        row.status == charge.status
        and row.amount_paid == (charge.amount if charge.status == "succeeded" else 0)
        and row.amount_due == charge.amount
        and row.amount_remaining == 0
        and row.kind == "charge"
    )


def _difference(id: str, row: LedgerRow | None, true: tuple[str, str, int, int, int]) -> str:
    if row is None:
        return f"{id} has no entry"
    return f"{id} {_entry((row.kind, row.status, row.amount_due, row.amount_paid, row.amount_remaining))}, truth {_entry(true)}"


def _entry(entry: tuple[str, str, int, int, int]) -> str:
    return f"{entry[0]} {entry[1]} due {entry[2]} paid {entry[3]} remaining {entry[4]}"


def invoice_entry(invoice: Invoice) -> tuple[str, str, int, int, int]:
    """(kind, status, amount_due, amount_paid, amount_remaining) that the ledger should say last of an invoice."""
    return ("invoice", invoice.status, invoice.amount_due, invoice.amount_paid, invoice.amount_remaining)


def charge_entry(charge: Charge) -> tuple[str, str, int, int, int]:
    """(kind, status, amount_due, amount_paid, amount_remaining) that the ledger should say last of a charge."""
    return ("charge", charge.status, charge.amount, charge.amount if charge.status == "succeeded" else 0, 0)
