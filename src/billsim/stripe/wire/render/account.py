"""What belongs to the account and to no customer: webhook endpoints and test clocks. And events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from billsim.stripe.objects import BalanceTransaction, Event, LineItem, SubscriptionItem
from billsim.stripe.objects.account import TestClock, WebhookEndpoint
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.charges import balance_transaction
from billsim.stripe.wire.render.invoice_lines import line_item
from billsim.stripe.wire.render.subscriptions import pending_update, subscription_item


def webhook_endpoint(thing: WebhookEndpoint, view: View) -> Rendered:
    """https://docs.stripe.com/api/webhook_endpoints/object. Its secret is told once, by whoever answers its creation."""
    return {
        "id": thing.id,
        "object": "webhook_endpoint",
        "api_version": thing.api_version,
        "application": None,
        "created": thing.created,
        "description": thing.description,
        "enabled_events": list(thing.enabled_events),
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "status": thing.status,
        "url": thing.url,
    }


def test_clock(thing: TestClock, view: View) -> Rendered:
    """https://docs.stripe.com/api/test_clocks/object"""
    return {
        "id": thing.id,
        "object": "test_helpers.test_clock",
        "created": thing.created,
        "deletes_after": thing.deletes_after,
        "frozen_time": thing.frozen_time,
        "livemode": False,
        "name": thing.name,
        "status": thing.status,
        "status_details": {} if thing.advances_to is None else {"advancing": {"target_frozen_time": thing.advances_to}},
    }


def event(thing: Event, render: Callable[[Any, View], Rendered], view: View) -> Rendered:
    """https://docs.stripe.com/api/events/object, its object rendered by `render`."""
    rendered = render(thing.data.object, view)
    if thing.type == "invoice.upcoming":
        # It is not made yet.
        del rendered["id"]
    data: Rendered = {"object": rendered}
    if thing.data.previous_attributes is not None:
        data["previous_attributes"] = previous(rendered, thing.data.previous_attributes, view)
    request = thing.request
    return {
        "id": thing.id,
        "object": "event",
        "api_version": thing.api_version,
        "created": thing.created,
        "data": data,
        "livemode": view.livemode,
        "pending_webhooks": thing.pending_webhooks,
        "request": {"id": request.id, "idempotency_key": request.idempotency_key} if request is not None else None,
        "type": thing.type,
    }


def previous(rendered: Rendered, told: Mapping[str, Any], view: View) -> Rendered:
    """What was before, as the API writes it; not what the simulation keeps under a name that the API does not have."""
    return {name: _WHOLE[name](value, view) if value is not None and name in _WHOLE else value for name, value in told.items() if name in rendered}


def _items(value: Mapping[str, Any], view: View) -> Any:
    return {**value, "data": [subscription_item(msgspec.convert(item, SubscriptionItem), view) for item in value.get("data", ())]}


def _lines(value: Mapping[str, Any], view: View) -> Any:
    return {**value, "data": [line_item(msgspec.convert(line, LineItem), view) for line in value.get("data", ())]}


def _pending(value: Mapping[str, Any], view: View) -> Any:
    if "expires_at" not in value:
        return dict(value)
    items = value.get("subscription_items")
    return pending_update({**value, "subscription_items": msgspec.convert(items, list[SubscriptionItem]) if items else None}, view)


def _transactions(value: Any, view: View) -> Any:
    return [balance_transaction(each, view) for each in msgspec.convert(value, list[BalanceTransaction])]


# Attributes whose earlier value is an object of its own: it was whole, too.
_WHOLE: Mapping[str, Callable[[Any, View], Any]] = {
    "balance_transactions": _transactions,
    "items": _items,
    "lines": _lines,
    "pending_update": _pending,
}
