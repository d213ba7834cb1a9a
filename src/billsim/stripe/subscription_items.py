"""The items of a subscription by themselves (https://docs.stripe.com/api/subscription_items): each change is one of the subscription."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import changes, updates
from billsim.stripe.backend import Act, Backend
from billsim.stripe.lists import Page, page_of
from billsim.stripe.naming import stem
from billsim.stripe.objects import Deleted, StripeError, Subscription, SubscriptionItem
from billsim.stripe.params import Types, refusal

# Where an item stands in the change of its subscription that a request comes to.
_FIRST = "items[0]["
_HOW: Types = {
    "payment_behavior": updates.BEHAVIORS,
    "proration_behavior": changes.PRORATION_BEHAVIORS,
    "proration_date": int,
}
_WHAT: Types = {"price": str, "price_data": dict, "quantity": int, "metadata": dict}
CREATE: Types = {"subscription": str, **_WHAT, **_HOW}
UPDATE: Types = {**_WHAT, **_HOW, "off_session": bool}
DELETE: Types = {**_HOW, "clear_usage": bool}
LIST: Types = {"subscription": str}


def create(act: Act, id: str, params: dict[str, Any]) -> SubscriptionItem:
    """Add an item. Raises StripeError as `subscriptions.update` does."""
    subscription = act.backend.subscription(params["subscription"])
    before = {item.id for item in subscription.items.data}
    updated = _update(act, subscription, params, {name: params[name] for name in _WHAT if name in params})
    pending: tuple[SubscriptionItem, ...] = (updated.pending_update or {}).get("subscription_items") or ()
    return next(item for item in (*updated.items.data, *pending) if item.id not in before)


def retrieve(act: Act, id: str, params: dict[str, Any]) -> SubscriptionItem:
    """Raises StripeError (404)."""
    return found(act.backend, id)[1]


def update(act: Act, id: str, params: dict[str, Any]) -> SubscriptionItem:
    """Change an item. Raises StripeError as `subscriptions.update` does."""
    subscription, _ = found(act.backend, id)
    what = {name: params[name] for name in _WHAT if name in params}
    updated = _update(act, subscription, params, {"id": id, **what}) if what else subscription
    return next(item for item in updated.items.data if item.id == id)


def delete(act: Act, id: str, params: dict[str, Any]) -> Deleted:
    """Take an item away, not the last one. Raises StripeError as `subscriptions.update` does."""
    subscription, _ = found(act.backend, id)
    _update(act, subscription, params, {"id": id, "deleted": True})
    return Deleted(id, "subscription_item")


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """The items of `subscription`, newest first. Raises StripeError."""
    items = act.backend.subscription(params["subscription"]).items.data
    told = page_of(act.backend, [replace(item, created=place) for place, item in enumerate(items)], params, "/v1/subscription_items")
    by_id = {item.id: item for item in items}
    return Page(tuple([by_id[item.id] for item in told.data]), told.has_more, told.url)


def _update(act: Act, subscription: Subscription, params: dict[str, Any], item: dict[str, Any]) -> Subscription:
    how = {name: params[name] for name in (*_HOW, "off_session") if name in params}
    try:
        return updates.update(act, subscription.id, {"items": [item], **how})
    except StripeError as refused:
        if not refused.param.startswith(_FIRST):
            raise
        mine = refused.again()
        name, _, rest = refused.param.removeprefix(_FIRST).partition("]")
        mine.param = name + rest
        raise mine from None


def found(backend: Backend, id: str) -> tuple[Subscription, SubscriptionItem]:
    """The item of this id, and its subscription. Raises StripeError (404)."""
    # Items that Stripe named say whose they are; those of the past may have been given any name.
    named = f"sub_{stem(id).partition('.')[0]}"
    book = backend.home(named)
    likely = [book.subscriptions[named]] if book is not None and named in book.subscriptions else []
    for subscription in (*likely, *backend.every("subscription", None)):
        for item in subscription.items.data:
            if item.id == id:
                return subscription, item
    raise refusal("resource_missing", f"No such subscription_item: {id!r}", 404, param="id")
