"""What Stripe must have held for a list of events to be true.

Stripe is the authority, and events are news of its past: what is seeded of an object is the *newest* snapshot among the events, however late it was
delivered. Objects that payloads only mention are reconstructed from what the others say of them, and named, so that nobody takes them for evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from billsim.core.time import DAY_S
from billsim.scenario.api_versions import NORMALISERS, Json, UnreadableError, first, normalise, reference
from billsim.scenario.imported import ImportedEvent, Owners, objects_in
from billsim.stripe.objects import (
    Card,
    Charge,
    Customer,
    Invoice,
    InvoiceParent,
    InvoicePayment,
    ItemList,
    PaymentIntent,
    PaymentMethod,
    Price,
    StatusTransitions,
    StripeObject,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
)


class Remark(NamedTuple):
    """Something that a person should know of an event or object; `line` is the event's line in the events file (0: of none)."""

    line: int
    kind: str
    message: str


class Seed(NamedTuple):
    """What Stripe held: the objects in an order in which each comes after those it refers to, the ids of those that no event showed, and remarks."""

    objects: tuple[StripeObject, ...]
    reconstructed: tuple[str, ...]
    remarks: tuple[Remark, ...]


def reconstruct(events: Iterable[ImportedEvent]) -> Seed:
    """What Stripe held when the last of the events had happened.

    Of each object the newest snapshot counts: the one of the event made last; among events of one second the one furthest in its life.
    """
    work = _Reconstruction(list(events))
    for step in _STEPS:
        step(work)
    return work.seed()


class _Reconstruction:
    """The objects by kind and id, and what payloads say beside the fields that today's objects have."""

    KINDS: tuple[type[StripeObject], ...] = (Customer, PaymentMethod, Price, Subscription, Invoice, PaymentIntent, Charge)

    def __init__(self, events: list[ImportedEvent]) -> None:
        self.events = events
        self.owners = Owners(events)
        self.books: dict[type[StripeObject], dict[str, Any]] = {kind: {} for kind in self.KINDS}
        self.invoice_of: dict[str, str] = {}
        self.methods: dict[str, Json] = {}
        self.last_seen = max((event.created for event in events), default=0)
        self.reconstructed: list[str] = []
        self.remarks: list[Remark] = []

    @property
    def customers(self) -> dict[str, Customer]:
        return self.books[Customer]

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        return self.books[Subscription]

    @property
    def invoices(self) -> dict[str, Invoice]:
        return self.books[Invoice]

    @property
    def intents(self) -> dict[str, PaymentIntent]:
        return self.books[PaymentIntent]

    @property
    def charges(self) -> dict[str, Charge]:
        return self.books[Charge]

    def make(self, made: StripeObject, why: str) -> None:
        """Add an object that no event showed."""
        self.books[type(made)][made.id] = made
        self.reconstructed.append(made.id)
        self.remarks.append(Remark(0, f"reconstructed {type(made).__name__}", f"{made.id} was never shown, only mentioned: reconstructed from {why}"))

    def seed(self) -> Seed:
        """The objects, customers first, each kind by age."""
        found = [made for kind in self.KINDS for made in sorted(self.books[kind].values(), key=lambda o: (o.created, o.id))]
        return Seed(tuple(found), tuple(self.reconstructed), tuple(self.remarks))


def _take_newest(work: _Reconstruction) -> None:
    ranks: dict[str, tuple[int, int]] = {}
    for event in work.events:
        for payload in objects_in(event.payload):
            _take_hints(work, payload)
            if payload["object"] in NORMALISERS:
                _take(work, event, payload, ranks)
        if event.type == "customer.deleted":
            work.remarks.append(Remark(event.line, "deleted", f"customer {reference(event.payload)} was deleted; it is seeded as it stood before"))


def _take(work: _Reconstruction, event: ImportedEvent, payload: Json, ranks: dict[str, tuple[int, int]]) -> None:
    try:
        found = normalise(payload, event.created)
    except UnreadableError as error:
        if payload is event.payload:
            text = f"{payload['object']} {payload['id']} cannot be read ({error}): delivered as it is, not seeded"
            work.remarks.append(Remark(event.line, f"unreadable {payload['object']}", text))
        return
    rank = (event.created, _progress(found))
    if rank >= ranks.get(found.id, rank):
        ranks[found.id] = rank
        work.books[type(found)][found.id] = found


def _take_hints(work: _Reconstruction, d: Json) -> None:
    if d["object"] in ("charge", "payment_intent") and (invoice := reference(d.get("invoice"))):
        work.invoice_of[d["id"]] = invoice
    if d["object"] == "invoice":
        work.invoice_of.update({found: d["id"] for found in (reference(d.get("charge")), reference(d.get("payment_intent"))) if found})
    details = d.get("payment_method_details")
    if d["object"] == "charge" and isinstance(details, dict) and (method := reference(first(d, "payment_method", "source"))):
        work.methods[method] = details


_PROGRESS = {
    "draft": 0, "incomplete": 0, "trialing": 1, "requires_payment_method": 0, "pending": 0, "open": 2, "active": 2, "past_due": 2,
    "uncollectible": 3, "failed": 3, "unpaid": 3, "processing": 3, "void": 4, "paid": 4, "succeeded": 4, "canceled": 5, "incomplete_expired": 5,
}  # fmt: skip


def _progress(found: StripeObject) -> int:
    """How far in its life an object is, to order snapshots of one second: an open invoice cannot follow a paid one."""
    refunded = getattr(found, "amount_refunded", 0)
    return 2 * _PROGRESS.get(getattr(found, "status", ""), 1) + (1 if refunded else 0)


def _find_customers(work: _Reconstruction) -> None:
    for kind in (PaymentMethod, PaymentIntent, Charge):
        for id, found in list(work.books[kind].items()):
            owner = found.customer or work.owners.of_id(id)
            if owner:
                work.books[kind][id] = msgspec.structs.replace(found, customer=owner)
            else:
                del work.books[kind][id]
                work.remarks.append(Remark(0, f"no customer {kind.__name__}", f"{id} belongs to no customer that any event names: not seeded"))


def _mentioned_invoices(work: _Reconstruction) -> None:
    for charge in list(work.charges.values()):
        invoice = work.invoice_of.get(charge.id) or work.invoice_of.get(charge.payment_intent or "")
        if invoice and invoice not in work.invoices:
            work.make(_invoice_of_charge(work, invoice, charge), f"its charge {charge.id}")
    for subscription in list(work.subscriptions.values()):
        if subscription.latest_invoice and subscription.latest_invoice not in work.invoices:
            work.make(_invoice_of_subscription(work, subscription.latest_invoice, subscription), f"its subscription {subscription.id}")


def _invoice_of_charge(work: _Reconstruction, id: str, charge: Charge) -> Invoice:
    paid = charge.status == "succeeded"
    return Invoice(
        id=id,
        created=charge.created,
        customer=charge.customer or "",
        status="paid" if paid else "open",
        billing_reason="manual",
        attempt_count=1,
        attempted=True,
        next_payment_attempt=None if paid else work.last_seen + DAY_S,
        payments=(InvoicePayment(charge.payment_intent, "paid" if paid else "open"),) if charge.payment_intent else (),
        status_transitions=StatusTransitions(finalized_at=charge.created, paid_at=charge.created if paid else None),
        **_amounts(charge.amount, charge.currency, paid),
    )


def _amounts(amount: int, currency: str, settled: bool) -> Json:
    owed = 0 if settled else amount
    return {
        "currency": currency,
        "subtotal": amount,
        "total": amount,
        "amount_due": amount,
        "amount_paid": amount - owed,
        "amount_remaining": owed,
    }


def _invoice_of_subscription(work: _Reconstruction, id: str, subscription: Subscription) -> Invoice:
    """Paid where the subscription's status says so; otherwise owed, and tried again on the day after the last event unless Stripe has given up."""
    settled = subscription.status in ("active", "trialing", "canceled", "paused", "incomplete_expired")
    gave_up = subscription.status in ("unpaid", "incomplete")
    created = max((item.current_period_start for item in subscription.items.data), default=0) or subscription.created
    amount = sum(item.price.unit_amount * item.quantity for item in subscription.items.data)
    return Invoice(
        id=id,
        created=created,
        customer=subscription.customer,
        status="paid" if settled else "open",
        billing_reason="subscription_create" if created <= subscription.start_date else "subscription_cycle",
        attempt_count=1,
        attempted=True,
        next_payment_attempt=None if settled or gave_up else work.last_seen + DAY_S,
        parent=InvoiceParent(SubscriptionDetails(subscription.id)),
        status_transitions=StatusTransitions(finalized_at=created, paid_at=created if settled else None),
        **_amounts(amount, subscription.currency, settled),
    )


def _mentioned_subscriptions(work: _Reconstruction) -> None:
    billed: dict[str, list[Invoice]] = {}
    for invoice in sorted(work.invoices.values(), key=lambda i: (i.created, i.id)):
        if invoice.subscription and invoice.subscription not in work.subscriptions:
            billed.setdefault(invoice.subscription, []).append(invoice)
    for invoices in billed.values():
        work.make(_subscription_of(invoices[0], invoices[-1]), f"its invoice {invoices[-1].id}")


def _subscription_of(oldest: Invoice, newest: Invoice) -> Subscription:
    id = newest.subscription or ""
    owed = newest.status == "open" and newest.attempted
    stem = id.removeprefix("sub_")
    item = SubscriptionItem(
        id=f"si_{stem}",
        created=oldest.created,
        price=Price(id=f"price_{stem}", created=oldest.created, currency=newest.currency, product="zone_plan", unit_amount=newest.total),
        subscription=id,
        current_period_start=newest.period_start,
        current_period_end=newest.period_end,
    )
    first_unpaid = owed and newest.billing_reason == "subscription_create"
    return Subscription(
        id=id,
        created=oldest.created,
        customer=newest.customer,
        status="incomplete" if first_unpaid else "past_due" if owed else "active",
        currency=newest.currency,
        items=ItemList((item,)),
        latest_invoice=newest.id,
        collection_method=newest.collection_method,
        billing_cycle_anchor=oldest.created,
        start_date=oldest.created,
    )


def _mentioned_charges(work: _Reconstruction) -> None:
    for intent in list(work.intents.values()):
        if intent.latest_charge and intent.latest_charge not in work.charges:
            paid = intent.status == "succeeded"
            work.make(_charge_of(intent, intent.latest_charge, paid), f"its payment intent {intent.id}")


def _charge_of(intent: PaymentIntent, id: str, paid: bool) -> Charge:
    return Charge(
        id=id,
        created=intent.created,
        amount=intent.amount,
        amount_captured=intent.amount if paid else 0,
        currency=intent.currency,
        customer=intent.customer,
        payment_intent=intent.id,
        payment_method=intent.payment_method,
        status="succeeded" if paid else "pending" if intent.status == "processing" else "failed",
        paid=paid,
        captured=paid,
        failure_code=intent.last_payment_error.code if intent.last_payment_error else None,
    )


def _mentioned_intents(work: _Reconstruction) -> None:
    newest = {c.payment_intent: c for c in sorted(work.charges.values(), key=lambda c: (c.created, c.id)) if c.payment_intent}
    for id, charge in newest.items():
        if id and id not in work.intents:
            work.make(_intent_of_charge(id, charge), f"its charge {charge.id}")
    for invoice in work.invoices.values():
        for payment in invoice.payments:
            if payment.payment_intent not in work.intents:
                work.make(_intent_of_invoice(payment.payment_intent, invoice), f"its invoice {invoice.id}")


def _intent_of_charge(id: str, charge: Charge) -> PaymentIntent:
    paid = charge.status == "succeeded"
    return PaymentIntent(
        id=id,
        created=charge.created,
        amount=charge.amount,
        amount_received=charge.amount if paid else 0,
        currency=charge.currency,
        customer=charge.customer,
        payment_method=charge.payment_method,
        status="succeeded" if paid else "processing" if charge.status == "pending" else "requires_payment_method",
        latest_charge=charge.id,
    )


def _intent_of_invoice(id: str, invoice: Invoice) -> PaymentIntent:
    paid = invoice.status == "paid"
    return PaymentIntent(
        id=id,
        created=invoice.created,
        amount=invoice.amount_due,
        amount_received=invoice.amount_due if paid else 0,
        currency=invoice.currency,
        customer=invoice.customer,
        payment_method=invoice.default_payment_method,
        status="succeeded" if paid else "requires_payment_method",
    )


def _charges_of_invoices(work: _Reconstruction) -> None:
    """The charge that an older invoice names, where only the invoice was seen."""
    for id, invoice_id in work.invoice_of.items():
        invoice = work.invoices.get(invoice_id)
        if not id.startswith(("ch_", "py_")) or id in work.charges or invoice is None:
            continue
        intent = work.intents[invoice.payments[-1].payment_intent] if invoice.payments else None
        if intent is not None:
            paid = invoice.status == "paid"
            work.make(_charge_of(msgspec.structs.replace(intent, amount=invoice.amount_due), id, paid), f"its invoice {invoice.id}")
            work.intents[intent.id] = msgspec.structs.replace(intent, latest_charge=id)


def _link_payments(work: _Reconstruction) -> None:
    """Every payment intent that a charge or intent says is an invoice's stands among that invoice's payments, oldest first."""
    for id, invoice_id in work.invoice_of.items():
        charge = work.charges.get(id)
        intent = charge.payment_intent if charge else id if id in work.intents else None
        invoice = work.invoices.get(invoice_id)
        if invoice is None or intent is None or intent in [payment.payment_intent for payment in invoice.payments]:
            continue
        paid = work.intents[intent].status == "succeeded"
        payments = (*invoice.payments, InvoicePayment(intent, "paid" if paid else "open"))
        ordered = tuple(sorted(payments, key=lambda p: (work.intents[p.payment_intent].created, p.payment_intent)))
        work.invoices[invoice_id] = msgspec.structs.replace(invoice, payments=ordered)


def _mentioned_methods(work: _Reconstruction) -> None:
    users: list[tuple[str | None, str | None, int, str]] = []
    users += [(c.payment_method, c.customer, c.created, c.id) for c in work.charges.values()]
    users += [(i.payment_method, i.customer, i.created, i.id) for i in work.intents.values()]
    users += [(s.default_payment_method, s.customer, s.created, s.id) for s in work.subscriptions.values()]
    users += [(i.default_payment_method, i.customer, i.created, i.id) for i in work.invoices.values()]
    users += [(m, c.id, c.created, c.id) for c in work.customers.values() for m in (c.invoice_settings.default_payment_method, c.default_source)]
    for method, customer, created, user in users:
        if method and customer and method not in work.books[PaymentMethod]:
            work.make(_method(method, customer, created, work.methods.get(method, {})), f"its use by {user}")


def _method(id: str, customer: str, created: int, details: Json) -> PaymentMethod:
    kind = details.get("type")
    if not isinstance(kind, str):
        kind = "card"
    try:
        shown = normalise({"id": id, "object": "payment_method", "card": details.get("card")}, created)
        card = getattr(shown, "card", None)
    except UnreadableError:
        card = None
    return PaymentMethod(id=id, created=created, customer=customer, type=kind, card=card or Card() if kind == "card" else None)


def _mentioned_prices(work: _Reconstruction) -> None:
    for subscription in work.subscriptions.values():
        for item in subscription.items.data:
            work.books[Price].setdefault(item.price.id, item.price)


def _mentioned_customers(work: _Reconstruction) -> None:
    owned = [found for kind in (PaymentMethod, Subscription, Invoice, PaymentIntent, Charge) for found in work.books[kind].values()]
    for found in sorted(owned, key=lambda o: (o.created, o.id)):
        if found.customer not in work.customers:
            work.make(Customer(id=found.customer, created=found.created), f"what is its own: {found.id}")


_STEPS = (
    _take_newest,
    _find_customers,
    _mentioned_invoices,
    _mentioned_subscriptions,
    _mentioned_charges,
    _mentioned_intents,
    _charges_of_invoices,
    _link_payments,
    _mentioned_methods,
    _mentioned_prices,
    _mentioned_customers,
)
