"""How the past of a subscription is written down at Stripe and in the stores: objects and rows as they stand at the start, without events or trace.

Told accounts and populations are both built from these parts, so that they name and date things alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from msgspec.structs import replace

from billsim.core.time import DAY_S, HOUR_MS, add_months, day_of_month
from billsim.stores.billing_prod import LedgerRow, entry_key
from billsim.stores.ope import OpeItem, OpeSubscription
from billsim.stores.subs_account import EMAIL_VERIFIED, AccountRow
from billsim.stores.www import LEVEL_OF
from billsim.stripe.cards import INSUFFICIENT_FUNDS, LOST_CARD, Decline
from billsim.stripe.objects import (
    Card,
    Charge,
    Customer,
    Invoice,
    InvoiceParent,
    InvoicePayment,
    InvoiceSettings,
    ItemList,
    LineItem,
    LineList,
    PaymentError,
    PaymentIntent,
    PaymentMethod,
    Price,
    Recurring,
    StatusTransitions,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
)

HOUR_S = HOUR_MS // 1000
FIRST_PRODUCT = LEVEL_OF
CARD = Card()
# Frozen objects share what they have in common: of a hundred thousand objects most have no metadata of their own.
_NO_METADATA: dict[str, str] = {}


class Deal:
    """One subscription of an account. `stem` is what its objects are named by: `ada`, for a second one `ada-2`.

    `customer`, `payment_method` (the one that everything was tried with) and `subscription` are ids at Stripe, each made once.
    """

    __slots__ = ("account", "stem", "product", "plan", "price", "instrument", "customer", "payment_method", "subscription")

    def __init__(self, account: str, stem: str, product: str, plan: str, price: Price, instrument: str = "card") -> None:
        self.account = account
        self.stem = stem
        self.product = product
        self.plan = plan
        self.price = price
        self.instrument = instrument
        self.customer = f"cus_{account}"
        self.payment_method = f"pm_{account}"
        self.subscription = f"sub_{stem}"


class PastInvoice(msgspec.Struct, frozen=True, gc=False):
    """An invoice of the past; all instants are unix seconds.

    `failed` are the instants of failed attempts, `settled` when it was paid, voided or marked uncollectible.
    """

    n: int
    status: str
    amount: int
    created: int
    finalized: int
    failed: tuple[int, ...] = ()
    settled: int | None = None
    next_attempt: int | None = None
    reason: str = "subscription_cycle"
    lost_card: bool = False

    @property
    def failed_charges(self) -> tuple[int, ...]:
        """When a charge failed: a hard decline is charged once, and not again with the same payment method."""
        return self.failed[:1] if self.lost_card else self.failed


class Billed(msgspec.Struct, frozen=True, gc=False):
    """What Stripe holds of one invoice."""

    invoice: Invoice
    intent: PaymentIntent | None
    charges: tuple[Charge, ...]


def price_of(plan: str, amount: int, currency: str, product: str, created: int, interval: str = "month") -> Price:
    """The price of a plan."""
    return Price(id=f"price_{plan}", created=created, currency=currency, product=product, unit_amount=amount, recurring=Recurring(interval))


def customer_of(deal: Deal, profile: AccountRow, created: int, *, delinquent: bool = False, metadata: dict[str, str] = _NO_METADATA) -> Customer:
    """The Stripe customer of a profile, whose default is the account's one payment method."""
    return Customer(
        id=deal.customer,
        created=created,
        metadata=metadata,
        name=profile.name,
        email=profile.email,
        currency=deal.price.currency,
        delinquent=delinquent,
        invoice_settings=InvoiceSettings(deal.payment_method),
    )


def payment_method_of(deal: Deal, created: int, card: Card = CARD) -> PaymentMethod:
    """The account's payment method; `card` is what a card says of itself."""
    return PaymentMethod(
        id=deal.payment_method,
        created=created,
        metadata=_NO_METADATA,
        type=deal.instrument,
        customer=deal.customer,
        card=card if deal.instrument == "card" else None,
    )


def profile_of(account: str, country: str = "US", account_type: str = "self_serve") -> AccountRow:
    """An account holder's profile, with an address in a domain that nobody has (RFC 2606)."""
    return AccountRow(account, account.replace("_", " ").title(), f"{account}@example.com", country, account_type, EMAIL_VERIFIED, version=1)


def period_at(anchor: int, now: int) -> tuple[int, int]:
    """The monthly period, counted from `anchor`, in which `now` lies: start and end, unix seconds."""
    day = day_of_month(anchor)
    months = max(0, (now - anchor) // (31 * DAY_S))
    while (end := add_months(anchor, months + 1, day)) <= now:
        months += 1
    return add_months(anchor, months, day), end


def subscription_of(
    deal: Deal, status: str, started: int, anchor: int, period: tuple[int, int], latest: str | None, ended: int | None = None
) -> Subscription:
    """The Stripe subscription, in the given billing period."""
    item = SubscriptionItem(
        id=f"si_{deal.stem}",
        created=started,
        metadata=_NO_METADATA,
        price=deal.price,
        subscription=deal.subscription,
        current_period_start=period[0],
        current_period_end=period[1],
    )
    return Subscription(
        id=deal.subscription,
        created=started,
        metadata=_NO_METADATA,
        customer=deal.customer,
        status=status,  # type: ignore[arg-type]
        currency=deal.price.currency,
        items=ItemList((item,)),
        latest_invoice=latest,
        billing_cycle_anchor=anchor,
        start_date=started,
        canceled_at=ended,
        ended_at=ended,
    )


def billed(deal: Deal, past: PastInvoice) -> Billed:
    """An invoice with its payment intent and charges, as the attempts left them. An invoice of nothing is paid without either."""
    stem = f"{deal.stem}_{past.n}"
    if not past.amount and not past.failed:
        return Billed(_invoice(deal, past, stem, None), None, ())
    intent_id = f"pi_{stem}"
    charges = _charges(deal, past, stem, intent_id)
    intent = _intent(deal, past, intent_id, charges) if past.amount else None
    return Billed(_invoice(deal, past, stem, intent), intent, charges)


def _charges(deal: Deal, past: PastInvoice, stem: str, intent: str) -> tuple[Charge, ...]:
    if past.status == "paid" and past.amount and past.settled is not None:
        paid = _charge(deal, past, f"ch_{stem}.{len(past.failed) + 1}", past.settled, intent, None)
        return (*_failed_charges(deal, past, stem, intent), paid) if past.failed else (paid,)
    return _failed_charges(deal, past, stem, intent)


def _failed_charges(deal: Deal, past: PastInvoice, stem: str, intent: str) -> tuple[Charge, ...]:
    decline = LOST_CARD if past.lost_card else INSUFFICIENT_FUNDS
    return tuple([_charge(deal, past, f"ch_{stem}.{nth}", at, intent, decline) for nth, at in enumerate(past.failed_charges, 1)])


def _charge(deal: Deal, past: PastInvoice, id: str, at: int, intent: str, decline: Decline | None) -> Charge:
    return Charge(
        id=id,
        created=at,
        metadata=_NO_METADATA,
        amount=past.amount,
        amount_captured=0 if decline else past.amount,
        currency=deal.price.currency,
        customer=deal.customer,
        payment_intent=intent,
        payment_method=deal.payment_method,
        status="failed" if decline else "succeeded",
        paid=not decline,
        captured=not decline,
        failure_code=decline.code if decline else None,
        failure_message=decline.message if decline else None,
    )


def _intent(deal: Deal, past: PastInvoice, id: str, charges: tuple[Charge, ...]) -> PaymentIntent:
    decline = (LOST_CARD if past.lost_card else INSUFFICIENT_FUNDS) if past.failed and past.status != "paid" else None
    return PaymentIntent(
        id=id,
        created=past.finalized,
        metadata=_NO_METADATA,
        amount=past.amount,
        amount_received=past.amount if past.status == "paid" else 0,
        currency=deal.price.currency,
        customer=deal.customer,
        payment_method=None if decline else deal.payment_method,
        status="succeeded" if past.status == "paid" else "canceled" if past.status == "void" else "requires_payment_method",
        latest_charge=charges[-1].id if charges else None,
        last_payment_error=PaymentError(decline.code, decline.decline_code, decline.message) if decline else None,
        canceled_at=past.settled if past.status == "void" else None,
    )


def _invoice(deal: Deal, past: PastInvoice, stem: str, intent: PaymentIntent | None) -> Invoice:
    status, amount, created, settled, reason = past.status, past.amount, past.created, past.settled, past.reason
    id, currency, paid = f"in_{stem}", deal.price.currency, status == "paid"
    subscription = deal.subscription if reason != "manual" else None
    attempts = len(past.failed) or int(paid and amount > 0)
    line = LineItem(
        id=f"il_{stem}", created=created, metadata=_NO_METADATA, amount=amount, currency=currency, invoice=id, subscription=subscription
    )
    made = Invoice(
        id=id,
        created=created,
        metadata=_NO_METADATA,
        customer=deal.customer,
        status=status,  # type: ignore[arg-type]
        billing_reason=reason,
        currency=currency,
        number=f"{deal.stem.upper()}-{past.n:04d}",
        period_start=created,
        period_end=created,
        lines=LineList((line,)),
        parent=InvoiceParent(SubscriptionDetails(subscription, _NO_METADATA)) if subscription else None,
        payments=(InvoicePayment(intent.id, "paid" if paid else "canceled" if status == "void" else "open"),) if intent else (),
        status_transitions=StatusTransitions(
            past.finalized,
            settled if status == "uncollectible" else None,
            settled if paid else None,
            settled if status == "void" else None,
        ),
    )
    # In two steps: beyond 15 named arguments Python gathers them in a dict, which takes longer than all the rest.
    return replace(
        made,
        subtotal=amount,
        total=amount,
        amount_due=amount,
        amount_paid=amount if paid else 0,
        amount_remaining=0 if paid else amount,
        attempt_count=attempts,
        attempted=paid or attempts > 0,
        auto_advance=past.next_attempt is not None,
        next_payment_attempt=past.next_attempt,
    )


def ope_of(deal: Deal, status: str, *, in_stripe: bool = True, interval: str = "month") -> OpeSubscription:
    """The subscription of record."""
    item = OpeItem(deal.product, deal.plan, deal.price.unit_amount)
    stripe = deal.subscription if in_stripe else ""
    return OpeSubscription(deal.account, f"ope_{deal.stem}", status, stripe, interval, items=(item,), version=1)


def ledger_of(account: str, invoices: Iterable[Invoice], charges: Collection[Charge]) -> dict[str, LedgerRow]:
    """The audit trail that says what Stripe's invoices and charges say, in the order in which they were made."""
    rows: dict[str, LedgerRow] = {}
    for charge in sorted(charges, key=_age) if len(charges) > 1 else charges:
        id, status, paid = charge.id, charge.status, charge.amount if charge.status == "succeeded" else 0
        key = entry_key(id, status, paid, 0)
        rows[key] = LedgerRow(account, key, "charge", id, status, charge.currency, charge.amount, paid, 0, len(rows) + 1, version=1)
    for invoice in invoices:
        id, paid, left = invoice.id, invoice.amount_paid, invoice.amount_remaining
        key = entry_key(id, invoice.status, paid, left)
        rows[key] = LedgerRow(
            account, key, "invoice", id, invoice.status, invoice.currency, invoice.amount_due, paid, left, len(rows) + 1, version=1
        )
    return rows


def _age(charge: Charge) -> tuple[int, str]:
    return charge.created, charge.id
