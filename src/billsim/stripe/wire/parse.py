"""Objects as the API writes them -> the lean objects that engines read. The way back of `render`: what it has derived is left out again.

Where a lean object has a field of the API's name and form, that is taken; what has another form stands in `_FORMS`. What the API does not tell at all
is not there afterwards either: of a line when it was made, and of everything what is only kept and told back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from billsim.stripe.lists import Page
from billsim.stripe.objects import (
    Charge,
    CreditNote,
    Customer,
    Dispute,
    Invoice,
    InvoiceItem,
    LineItem,
    Mandate,
    PaymentIntent,
    PaymentMethod,
    Price,
    Refund,
    SetupIntent,
    Subscription,
    SubscriptionItem,
)

Wire = Mapping[str, Any]

KINDS: Mapping[str, type[Any]] = {
    "charge": Charge,
    "credit_note": CreditNote,
    "customer": Customer,
    "dispute": Dispute,
    "invoice": Invoice,
    "invoiceitem": InvoiceItem,
    "line_item": LineItem,
    "mandate": Mandate,
    "payment_intent": PaymentIntent,
    "payment_method": PaymentMethod,
    "price": Price,
    "refund": Refund,
    "setup_intent": SetupIntent,
    "subscription": Subscription,
    "subscription_item": SubscriptionItem,
}
"""The kinds that there are lean objects of, by what `object` says."""

INCLUDED: Mapping[str, tuple[str, ...]] = {"invoice": ("payments",)}
"""By kind, the fields that a lean object has and the API only tells where `expand` asks for them."""


class Gone(Exception):
    """The API answers that an object of this id and kind has been deleted."""

    def __init__(self, id: str, kind: str) -> None:
        super().__init__(f"No such {kind}: '{id}'")
        self.id = id
        self.kind = kind


def parse(wire: Wire) -> Any:
    """The lean object, or the `Page` of them. Raises Gone for one that has been deleted, KeyError for a kind that has no lean object, and
    msgspec.ValidationError for a field that is not what the API has there.
    """
    kind = wire["object"]
    if kind == "list":
        return Page(tuple([parse(each) for each in wire["data"]]), wire["has_more"], wire["url"])
    if wire.get("deleted"):
        raise Gone(wire["id"], kind)
    return msgspec.convert(_formed(wire), KINDS[kind])


def _formed(wire: Wire) -> dict[str, Any]:
    """The fields in the form that a lean object has them."""
    formed = {"created": 0, **{name: _plain(value) for name, value in wire.items()}}
    form = _FORMS.get(formed["object"])
    return form(formed) if form is not None else formed


def _plain(value: Any) -> Any:
    """An object that was expanded, where lean objects name it by its id."""
    return value["id"] if isinstance(value, Mapping) and "id" in value and value.get("object") not in _WHOLE else value


# Objects that lean objects have whole.
_WHOLE = frozenset({"price"})


def _subscription(wire: dict[str, Any]) -> dict[str, Any]:
    wire["items"] = {**wire["items"], "data": [_item({"livemode": wire["livemode"], **item}) for item in wire["items"]["data"]]}
    if (pending := wire.get("pending_update")) is not None:
        wire["pending_update"] = _pending(pending, wire["livemode"])
    return wire


def _item(wire: dict[str, Any]) -> dict[str, Any]:
    return _formed({**wire, "price": _formed(wire["price"])})


def _pending(wire: Wire, livemode: bool) -> dict[str, Any]:
    """An update that waits. Its items are lean objects already: what holds them is no struct."""
    told = {name: wire[name] for name in ("expires_at", "billing_cycle_anchor", "metadata") if wire.get(name) is not None}
    items = [msgspec.convert(_item({"livemode": livemode, **item}), SubscriptionItem) for item in wire.get("subscription_items") or ()]
    return {**told, "subscription_items": tuple(items)}


def _invoice(wire: dict[str, Any]) -> dict[str, Any]:
    made = {"created": wire["created"]}
    wire["lines"] = {**wire["lines"], "data": [_formed({**made, **line}) for line in wire["lines"]["data"]]}
    if wire["status"] == "draft":
        wire["next_payment_attempt"] = None  # which is told of it from when it is finalised
    paid = (wire.get("payments") or {"data": []})["data"]
    wire["payments"] = [{"payment_intent": _plain(each["payment"]["payment_intent"]), "status": each["status"]} for each in paid]
    return wire


def _line(wire: dict[str, Any]) -> dict[str, Any]:
    parent = wire.get("parent") or {}
    details = parent.get(parent.get("type", "")) or {}
    wire["subscription"] = details.get("subscription") or wire.get("subscription")
    if not details.get("invoice_item"):
        # The period itself, which needs no further word.
        wire["parent"] = None
    return wire



def _mandate(wire: dict[str, Any]) -> dict[str, Any]:
    accepted = (wire.get("customer_acceptance") or {}).get("accepted_at")
    return {**wire, "created": accepted or 0}


def _dispute(wire: dict[str, Any]) -> dict[str, Any]:
    return {**wire, "evidence": {name: text for name, text in wire["evidence"].items() if isinstance(text, str)}}


def _credit_note(wire: dict[str, Any]) -> dict[str, Any]:
    refunds = [{**each, "refund": _plain(each["refund"])} for each in wire["refunds"]]
    return {**wire, "refunds": refunds}


_FORMS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "subscription": _subscription,
    "subscription_item": lambda wire: {**wire, "price": _formed(wire["price"])},
    "invoice": _invoice,
    "invoiceitem": lambda wire: {**wire, "created": wire["date"]},
    "line_item": _line,
    "mandate": _mandate,
    "dispute": _dispute,
    "credit_note": _credit_note,
}
