"""Stripe's side of an account whose store rows were given, as far as no event shows it: from the audit trail and the subscriptions of record.

Rows say little of Stripe, so this is the benefit of the doubt: an object that only billing_prod names stood as its last entry says, and an owed
invoice was tried as often as charges of its amount have failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_S, HOUR_MS
from billsim.scenario.backstory import FIRST_PRODUCT, Deal, price_of, subscription_of
from billsim.scenario.rows import Fields
from billsim.stores.billing_prod import LedgerRow, entry_key
from billsim.stores.ope import OpeItem, OpeSubscription
from billsim.stripe.objects import (
    Book,
    Charge,
    Invoice,
    InvoiceParent,
    InvoicePayment,
    ItemList,
    PaymentIntent,
    StatusTransitions,
    StripeObject,
    SubscriptionDetails,
)

_HOUR_S = HOUR_MS // 1000


def ledger_rows(account: str, told: Sequence[Fields]) -> dict[str, LedgerRow]:
    """billing_prod as the rows have it, in the order of their sequence, or of the file."""
    rows: dict[str, LedgerRow] = {}
    for nth, entry in enumerate(sorted(told, key=lambda entry: entry.get("sequence", 0)), 1):
        id: str = entry["object_id"]
        due: int = entry["amount_due"]
        kind = entry.get("kind") or ("invoice" if id.startswith("in_") else "charge")
        paid: int = entry.get("amount_paid", due if entry["status"] in ("paid", "succeeded") else 0)
        left: int = entry.get("amount_remaining", max(due - paid, 0) if kind == "invoice" and entry["status"] != "void" else 0)
        key = entry_key(id, entry["status"], paid, left)
        rows[key] = LedgerRow(account, key, kind, id, entry["status"], entry.get("currency", "usd"), due, paid, left, nth, version=1)
    return rows


def objects_of_ledger(book: Book, ledger: Mapping[str, LedgerRow], moment_s: int, policy: DunningPolicy) -> list[StripeObject]:
    """The invoices and charges that only the audit trail names, as its last entry of each has them."""
    last = {row.object_id: row for row in ledger.values()}
    charges = [row for row in last.values() if row.kind == "charge" and row.object_id not in book.charges]
    invoices = [row for row in last.values() if row.kind == "invoice" and row.object_id not in book.invoices]
    taken: set[str] = set()
    made: list[StripeObject] = []
    for nth, invoice in enumerate(invoices):
        mine = [charge for charge in charges if charge.amount_due == invoice.amount_due and charge.object_id not in taken]
        paying = [charge for charge in mine if charge.status == "succeeded"][:1] if invoice.status == "paid" else []
        owed = invoice.status in ("open", "uncollectible")
        tries = [charge for charge in mine if charge.status == "failed"] if owed else paying
        taken.update(charge.object_id for charge in tries)
        made += _billed(book, invoice, tries, moment_s - (len(invoices) - nth) * _HOUR_S, moment_s, policy)
    made += [_charge(book.id, charge, None, moment_s - _HOUR_S) for charge in charges if charge.object_id not in taken]
    return made


def _billed(
    book: Book, row: LedgerRow, tries: Sequence[LedgerRow], created: int, moment_s: int, policy: DunningPolicy
) -> list[StripeObject]:
    """An invoice, the charges that were tried, and the payment intent between them."""
    intent = f"pi_{row.object_id.removeprefix('in_')}"
    failed, paid = sum(charge.status == "failed" for charge in tries), row.status == "paid"
    collecting = row.status == "open" and failed < policy.max_attempts
    subscription = next((found.id for found in book.subscriptions.values()), None)
    invoice = Invoice(
        id=row.object_id,
        created=created,
        customer=book.id,
        status=row.status,  # type: ignore[arg-type]
        currency=row.currency,
        subtotal=row.amount_due,
        total=row.amount_due,
        amount_due=row.amount_due,
        amount_paid=row.amount_paid,
        amount_remaining=row.amount_remaining,
        attempt_count=failed or int(paid and row.amount_due > 0),
        attempted=bool(tries) or paid,
        auto_advance=collecting,
        next_payment_attempt=moment_s + DAY_S if collecting else None,
        parent=InvoiceParent(SubscriptionDetails(subscription)) if subscription else None,
        payments=(InvoicePayment(intent, "paid" if paid else "open"),) if tries else (),
        status_transitions=StatusTransitions(
            finalized_at=created,
            marked_uncollectible_at=created if row.status == "uncollectible" else None,
            paid_at=created if paid else None,
            voided_at=created if row.status == "void" else None,
        ),
    )
    if not tries:
        return [invoice]
    return [_intent(book, intent, row, tries, created), invoice, *(_charge(book.id, charge, intent, created) for charge in tries)]


def _intent(book: Book, id: str, row: LedgerRow, tries: Sequence[LedgerRow], created: int) -> PaymentIntent:
    paid = row.status == "paid"
    return PaymentIntent(
        id=id,
        created=created,
        amount=row.amount_due,
        amount_received=row.amount_due if paid else 0,
        currency=row.currency,
        customer=book.id,
        payment_method=next(iter(book.payment_methods), None),
        status="succeeded" if paid else "requires_payment_method",
        latest_charge=tries[-1].object_id,
    )


def _charge(customer: str, row: LedgerRow, intent: str | None, created: int) -> Charge:
    paid = row.status == "succeeded"
    return Charge(
        id=row.object_id,
        created=created,
        amount=row.amount_due,
        amount_captured=row.amount_due if paid else 0,
        currency=row.currency,
        customer=customer,
        payment_intent=intent,
        status=row.status,  # type: ignore[arg-type]
        paid=paid,
        captured=paid,
    )


def ope_rows(account: str, told: Sequence[Fields]) -> dict[str, OpeSubscription]:
    """The subscriptions of record; rows of one key are its items."""
    found: dict[str, OpeSubscription] = {}
    for row in told:
        item = OpeItem(row["product"], row["plan"], row["price"], row.get("quantity", 1))
        known = found.get(row["key"])
        if known is not None:
            found[row["key"]] = replace(known, items=(*known.items, item))
            continue
        found[row["key"]] = OpeSubscription(
            account, row["key"], row.get("status", "active"), row.get("stripe_subscription", ""), row.get("interval", "month"), (item,), version=1
        )
    return found


def subscription_objects(
    account: str, bought: OpeSubscription, moment_s: int, currency: str, latest: str | None
) -> list[StripeObject]:
    """The Stripe subscription that a subscription of record names and no event shows, with its prices."""
    prices = [price_of(item.plan, item.price, currency, item.product or FIRST_PRODUCT, 0, bought.interval) for item in bought.items]
    stem = bought.stripe_subscription.removeprefix("sub_")
    started = moment_s - 40 * DAY_S
    ended = moment_s - _HOUR_S if bought.status == "canceled" else None
    period = (moment_s - 10 * DAY_S, moment_s + 20 * DAY_S)
    deal = Deal(account, stem, bought.items[0].product, bought.items[0].plan, prices[0])
    made = subscription_of(deal, "canceled" if ended else "active", started, started, period, latest, ended)
    first = made.items.data[0]
    pairs = zip(bought.items, prices, strict=True)
    items = [replace(first, id=f"{first.id}.{n}" if n > 1 else first.id, price=p, quantity=item.quantity) for n, (item, p) in enumerate(pairs, 1)]
    return [*prices, replace(made, customer=f"cus_{account}", items=ItemList(tuple(items)))]
