"""A Stripe object of any API version (2017 to today) as today's object.

What moved between versions is moved back here, so that every engine meets one shape: `charge.invoice` and `invoice.payment_intent` become the
invoice's `payments`, a top-level `subscription` becomes the invoice's `parent`, a plan becomes a price, `billing` becomes `collection_method`
(https://docs.stripe.com/changelog, and the objects' fields under https://docs.stripe.com/api). Fields that a payload leaves out get today's defaults.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from billsim.stripe.objects import (
    Charge,
    Customer,
    Invoice,
    InvoiceParent,
    InvoicePayment,
    PaymentIntent,
    PaymentMethod,
    Price,
    StripeObject,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
)

LAST_INSTANT_S = 7_258_118_400
"""The year 2200: what is later is no time but a mistake."""

Json = dict[str, Any]
_S = TypeVar("_S", bound=StripeObject)


class UnreadableError(ValueError):
    """A payload that no API version could have sent: a required field is missing or of a wrong type."""


def normalise(payload: Json, seen_s: int) -> StripeObject:
    """A payload of any API version as today's object. `seen_s`: the event's `created`, for times that the payload leaves out.

    Raises UnreadableError; KeyError for a kind that is not in NORMALISERS.
    """
    if not isinstance(payload.get("id"), str):
        raise UnreadableError("id: missing")
    return NORMALISERS[payload["object"]](payload, seen_s)


def _customer(d: Json, seen_s: int) -> Customer:
    settings = d.get("invoice_settings")
    method = reference(settings.get("default_payment_method")) if isinstance(settings, dict) else None
    return _build(
        Customer,
        **_base(d, seen_s),
        **given(d, "name", "email", "currency", "delinquent"),
        balance=first(d, "balance", "account_balance", default=0),
        default_source=reference(first(d, "default_source", "default_card")),
        invoice_settings={"default_payment_method": method},
    )


def _payment_method(d: Json, seen_s: int) -> PaymentMethod:
    return _build(PaymentMethod, **_base(d, seen_s), **given(d, "type"), customer=reference(d.get("customer")), card=_card(d.get("card")))


def _source(d: Json, seen_s: int) -> PaymentMethod:
    """A card or source of the older API, as the payment method that it can be used as."""
    kind = "card" if d["object"] == "card" else first(d, "type", default="card")
    card = d if d["object"] == "card" else d.get("card")
    return _build(PaymentMethod, **_base(d, seen_s), type=kind, customer=reference(d.get("customer")), card=_card(card))


def _card(d: Any) -> Json | None:
    if not isinstance(d, dict):
        return None
    brand = d.get("brand")
    return {**given(d, "last4", "exp_month", "exp_year"), "brand": brand.lower().replace(" ", "_") if isinstance(brand, str) else "unknown"}


def _price(d: Json, seen_s: int) -> Price:
    """A price, or the plan that stood in its place until API version 2020-08-27."""
    recurring = d.get("recurring") or (d if "interval" in d else None)
    if recurring is not None and not isinstance(recurring, dict):
        raise UnreadableError("recurring: an object is required")
    return _build(
        Price,
        **_base(d, seen_s),
        **given(d, "active", "currency"),
        product=reference(d.get("product")) or "",
        type="recurring" if recurring else "one_time",
        unit_amount=first(d, "unit_amount", "amount", default=0),
        recurring=given(recurring, "interval", "interval_count") if recurring else None,
    )


def _subscription(d: Json, seen_s: int) -> Subscription:
    base = _base(d, seen_s)
    start = first(d, "start_date", "start", default=base["created"])
    anchor = d.get("billing_cycle_anchor")
    return _build(
        Subscription,
        **base,
        **given(d, "status", "currency", "days_until_due", "cancel_at_period_end", "canceled_at", "ended_at"),
        **given(d, "trial_start", "trial_end", "pending_update"),
        customer=reference(d.get("customer")),
        items={"data": [_item(item, d, seen_s) for item in _subscription_items(d)]},
        latest_invoice=reference(d.get("latest_invoice")),
        collection_method=first(d, "collection_method", "billing", default="charge_automatically"),
        default_payment_method=reference(first(d, "default_payment_method", "default_source")),
        billing_cycle_anchor=anchor if type(anchor) is int else start,
        start_date=start,
    )


def _subscription_items(d: Json) -> list[Json]:
    items = listed(d.get("items"))
    plan = first(d, "price", "plan")
    if items or not isinstance(plan, dict):
        return items
    return [{"id": "si_" + str(d["id"]).removeprefix("sub_"), "object": "subscription_item", "price": plan, "quantity": d.get("quantity")}]


def _item(d: Json, subscription: Json, seen_s: int) -> SubscriptionItem:
    price = first(d, "price", "plan")
    if not isinstance(price, dict) or not isinstance(price.get("id"), str):
        raise UnreadableError("items.data.price: missing")
    return _build(
        SubscriptionItem,
        **_base({**d, "id": d.get("id") or "si_" + str(subscription["id"])}, seen_s),
        price=_price(price, seen_s),
        quantity=first(d, "quantity", default=1),
        subscription=subscription["id"],
        current_period_start=first(d, "current_period_start", default=first(subscription, "current_period_start", default=0)),
        current_period_end=first(d, "current_period_end", default=first(subscription, "current_period_end", default=0)),
    )


def _invoice(d: Json, seen_s: int) -> Invoice:
    base, status, subscription = _base(d, seen_s), _invoice_status(d), invoice_subscription(d)
    due = _whole(d, "amount_due", "total", default=0)
    paid = _whole(d, "amount_paid", default=due if status == "paid" else 0)
    attempts = first(d, "attempt_count", default=1 if d.get("attempted") else 0)
    return _build(
        Invoice,
        **base,
        **given(d, "currency", "due_date", "next_payment_attempt", "number", "period_start", "period_end", "auto_advance"),
        customer=reference(d.get("customer")),
        status=status,
        billing_reason=first(d, "billing_reason", default="subscription_cycle" if subscription else "manual"),
        collection_method=first(d, "collection_method", "billing", default="charge_automatically"),
        subtotal=first(d, "subtotal", default=due),
        total=first(d, "total", default=due),
        amount_due=due,
        amount_paid=paid,
        amount_remaining=first(d, "amount_remaining", default=max(due - paid, 0)),
        attempt_count=attempts,
        attempted=first(d, "attempted", default=attempts != 0),
        default_payment_method=reference(first(d, "default_payment_method", "default_source")),
        lines={"data": [_line(line, d, base["created"], index) for index, line in enumerate(listed(d.get("lines")), 1)]},
        parent=InvoiceParent(SubscriptionDetails(subscription)) if subscription else None,
        payments=_payments(d, status),
        status_transitions=_transitions(d, status, base["created"], seen_s),
    )


def _invoice_status(d: Json) -> Any:
    """Until API version 2018-11-08 an invoice had no status but three flags."""
    if d.get("status") is not None:
        return d["status"]
    if d.get("paid"):
        return "paid"
    if d.get("forgiven"):
        return "uncollectible"
    if d.get("closed"):
        return "void"
    return "open" if d.get("attempted") or d.get("attempt_count") or d.get("finalized_at") else "draft"


def invoice_subscription(d: Json) -> str | None:
    """The id of the subscription that an invoice bills; it moved into `parent` with API version 2025-03-31."""
    parent = d.get("parent")
    details = parent.get("subscription_details") if isinstance(parent, dict) else None
    return reference(details.get("subscription") if isinstance(details, dict) else d.get("subscription"))


def _payments(d: Json, status: Any) -> tuple[InvoicePayment, ...]:
    """The payment intents, oldest first. A charge from before payment intents stands in as its own intent."""
    paid = "paid" if status == "paid" else "open"
    told = [(_payment_intent_of(payment), payment.get("status")) for payment in listed(d.get("payments"))]
    found = [InvoicePayment(intent, state if isinstance(state, str) else paid) for intent, state in told if intent]
    single = reference(d.get("payment_intent")) or intent_of_charge(reference(d.get("charge")))
    return tuple(found) if found or not single else (InvoicePayment(single, paid),)


def _payment_intent_of(payment: Json) -> str | None:
    inner = payment.get("payment")
    return reference(first(payment, "payment_intent", default=inner.get("payment_intent") if isinstance(inner, dict) else None))


def intent_of_charge(charge: str | None) -> str | None:
    """The id that stands for the payment intent of a charge that never had one."""
    return "pi_" + charge.split("_", 1)[-1] if charge else None


def _transitions(d: Json, status: Any, created: int, seen_s: int) -> Json:
    """When the invoice entered its status, where an old payload does not say: when the event was made."""
    sent = d.get("status_transitions")
    known: Json = {k: v for k, v in sent.items() if v is not None} if isinstance(sent, dict) else {}
    field = {"paid": "paid_at", "void": "voided_at", "uncollectible": "marked_uncollectible_at"}.get(status if isinstance(status, str) else "")
    if status != "draft":
        known.setdefault("finalized_at", first(d, "finalized_at", default=created))
    if field:
        known.setdefault(field, seen_s)
    return known


def _line(d: Json, invoice: Json, created: int, index: int) -> Json:
    return {
        **_base({**d, "id": d.get("id") or f"il_{invoice['id']}_{index}"}, created),
        "amount": first(d, "amount", default=0),
        "currency": first(d, "currency", default=first(invoice, "currency", default="usd")),
        "description": d.get("description"),
        "invoice": invoice["id"],
        "quantity": first(d, "quantity", default=1),
        "subscription": reference(d.get("subscription")),
    }


_INTENT_STATUSES = {
    "requires_source": "requires_payment_method",
    "requires_source_action": "requires_action",
    "requires_authorization": "requires_capture",
}


def _payment_intent(d: Json, seen_s: int) -> PaymentIntent:
    charges = listed(d.get("charges"))
    return _build(
        PaymentIntent,
        **_base(d, seen_s),
        **given(d, "amount", "amount_received", "currency", "canceled_at"),
        customer=reference(d.get("customer")),
        payment_method=reference(first(d, "payment_method", "source")),
        status=_INTENT_STATUSES.get(str(d.get("status")), d.get("status")),
        latest_charge=reference(first(d, "latest_charge", default=charges[0] if charges else None)),
        last_payment_error=_payment_error(d.get("last_payment_error")),
        next_action=first(d, "next_action", "next_source_action"),
    )


def _payment_error(d: Any) -> Json | None:
    return {**given(d, "decline_code", "message", "type"), "code": first(d, "code", default="")} if isinstance(d, dict) else None


def _charge(d: Json, seen_s: int) -> Charge:
    succeeded = d.get("status") in ("succeeded", "paid", None) and d.get("paid", True) is not False
    captured, amount = first(d, "captured", default=succeeded), d.get("amount")
    return _build(
        Charge,
        **_base(d, seen_s),
        **given(d, "amount", "amount_refunded", "currency", "failure_code", "failure_message", "refunded"),
        amount_captured=first(d, "amount_captured", default=amount if captured and succeeded else 0),
        customer=reference(d.get("customer")),
        payment_intent=reference(d.get("payment_intent")) or (intent_of_charge(d["id"]) if d.get("invoice") else None),
        payment_method=reference(first(d, "payment_method", "source", "card")),
        status=("succeeded" if succeeded else "failed") if d.get("status") in ("paid", None) else d["status"],
        paid=first(d, "paid", default=succeeded),
        captured=captured,
        disputed=first(d, "disputed", default=d.get("dispute") is not None),
    )


NORMALISERS: Mapping[str, Callable[[Json, int], StripeObject]] = {
    "customer": _customer,
    "payment_method": _payment_method,
    "card": _source,
    "source": _source,
    "price": _price,
    "plan": _price,
    "subscription": _subscription,
    "invoice": _invoice,
    "payment_intent": _payment_intent,
    "charge": _charge,
}
"""Kinds of object that can be seeded."""

DELIVERED = frozenset({"customer", "payment_method", "price", "subscription", "invoice", "payment_intent", "charge"})
"""Kinds of object that an event delivers in today's shape."""


def _base(d: Json, seen_s: int) -> Json:
    metadata = d.get("metadata")
    if isinstance(metadata, dict):
        metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items() if value is not None}
    created, livemode = first(d, "created", "date", default=seen_s), first(d, "livemode", default=True)
    return {"id": d["id"], "created": created, "livemode": livemode, "metadata": metadata or {}}


def _build(kind: type[_S], **fields: Any) -> _S:
    """The struct, with every field's type checked. Raises UnreadableError naming the field."""
    for key, value in fields.items():
        if key.endswith(("_at", "_start", "_end", "_date", "_attempt", "created")) and type(value) is int and not 0 <= value <= LAST_INSTANT_S:
            raise UnreadableError(f"{key}: {value} is no time in unix seconds")
    try:
        return msgspec.convert(_plain(fields), kind)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).replace("`", "").partition(" - at $.")
        raise UnreadableError(f"{where}: {reason[:1].lower()}{reason[1:]}") from None


def _plain(value: Any) -> Any:
    """`value` without structs, which `convert` takes only where they are already of the right type."""
    return msgspec.to_builtins(value)


def first(d: Json, *keys: str, default: Any = None) -> Any:
    """The first of these fields that is there and not null."""
    for key in keys:
        if d.get(key) is not None:
            return d[key]
    return default


def given(d: Json, *keys: str) -> Json:
    """Those of these fields that are there; a null field and a missing one are the same to a reader of any version."""
    return {key: d[key] for key in keys if d.get(key) is not None}


def _whole(d: Json, *keys: str, default: int) -> int:
    """The first of these amounts, for others to be derived from."""
    value = first(d, *keys, default=default)
    if type(value) is not int:
        raise UnreadableError(f"{keys[0]}: a whole number is required")
    return value


def reference(value: Any) -> str | None:
    """The id in a reference, expanded or not."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def listed(value: Any) -> list[Json]:
    """The objects of a list object, or of a plain list."""
    items = value.get("data") if isinstance(value, dict) else value
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list | tuple) else []
