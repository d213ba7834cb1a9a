"""What an invoice would be, without making it (https://docs.stripe.com/api/invoices/create_preview)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from billsim.stripe import beginnings, billing_mode, changes, invoice_items, invoices, terms, updates
from billsim.stripe.backend import Act
from billsim.stripe.changes import Change
from billsim.stripe.item_terms import CHANGED, amount_of, period_of
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, InvoiceItem, InvoiceItemParent, ItemList, ItemOwner, LineItem, Subscription, SubscriptionItem
from billsim.stripe.params import Types, check, nested, refusal
from billsim.stripe.periods import next_of_each, next_periods
from billsim.stripe.subscriptions import ENDED, ENDING, unused

PREVIEW: Types = {
    "customer": str,
    "subscription": str,
    "subscription_details": dict,
    "invoice_items": list,
    "preview_mode": ("next", "recurring"),
    "currency": str,
}
_DETAILS: Types = {**changes.PARAMS, "cancel_now": bool, "cancel_at_period_end": bool, "metadata": dict}
_ITEM: Types = {"invoiceitem": str, "currency": str, **CHANGED}


def create_preview(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """The next invoice of a subscription; with `subscription_details` as it would be after such a change: the change's own invoice where it has one.
    Without a `subscription` the first invoice of one with these items, or, where there are none, the next that the customer gets.

    Raises StripeError as the change would, and 404 `invoice_upcoming_none` where nothing is to be billed.
    """
    details = params.get("subscription_details") or {}
    if not params.get("subscription") and not params.get("customer"):
        raise refusal("parameter_missing", "You must specify one of these parameters: subscription, customer.", param="customer")
    if not params.get("subscription") and details.get("items"):
        return _of_the_beginning(act, params, details)
    check(details, _DETAILS, within="subscription_details")
    subscription = act.backend.subscription(params["subscription"]) if params.get("subscription") else _next_of(act, params["customer"])
    if subscription.status in ENDED or (subscription.cancel_at_period_end and not details):
        raise refusal("invoice_upcoming_none", f"No upcoming invoices for subscription {subscription.id}.", 404)
    if params.get("customer", subscription.customer) != subscription.customer:
        raise refusal("resource_missing", f"Customer {params['customer']} has no subscription {subscription.id}.", param="subscription")
    added = _added(act, subscription, params)
    if details.get("cancel_now"):
        return _of_the_end(act, subscription, details, added)
    change = changes.change_of(act.backend, subscription, details, act.task)
    if params.get("preview_mode") == "recurring":
        held = change.items if change is not None else subscription.items.data
        lines = invoices.lines_of(act, held, _id(subscription))
        return _upcoming(act, subscription, lines, [], "upcoming", held[0].current_period_end)
    if change is not None and change.bills:
        return _of_the_change(act, subscription, change, added)
    return _of_the_next_period(act, subscription, change, added)


def _next_of(act: Act, customer: str) -> Subscription:
    act.backend.customer(customer)
    held: list[Subscription] = [each for each in act.backend.every("subscription", customer) if each.status not in (*ENDED, "incomplete", "paused")]
    if not held:
        raise refusal("invoice_upcoming_none", f"No upcoming invoices for customer: {customer}", 404)
    return min(held, key=lambda each: min([item.current_period_end for item in each.items.data]))


def next_invoice(act: Act, subscription: Subscription) -> Invoice:
    """The invoice that a subscription renews with, as things stand."""
    return _of_the_next_period(act, subscription, None, ())


def _id(subscription: Subscription) -> str:
    return f"upcoming_in_{stem(subscription.id)}"


def _added(act: Act, subscription: Subscription, params: dict[str, Any]) -> list[InvoiceItem]:
    items = []
    for index, wanted in enumerate(params.get("invoice_items") or ()):
        path = f"invoice_items[{index}]"
        check(wanted, _ITEM, within=path)
        if wanted.get("invoiceitem"):
            raise refusal("not_simulated", "billsim does not simulate changed invoice items in previews.", param=nested(path, "invoiceitem"))
        quantity = wanted.get("quantity", 1)
        amount, _ = amount_of(act, wanted, subscription.currency, quantity, path)
        item = InvoiceItem(
            id=f"ii_added_{index}",
            created=act.now_s,
            customer=subscription.customer,
            amount=amount,
            currency=subscription.currency,
            date=act.now_s,
            period=period_of(wanted, act.now_s),
            description=wanted.get("description") or None,
            quantity=quantity,
            parent=InvoiceItemParent(ItemOwner(subscription.id)),
        )
        items.append(item)
    return items


def _of_the_beginning(act: Act, params: dict[str, Any], details: dict[str, Any]) -> Invoice:
    known = {name: value for name, value in details.items() if name in beginnings.CREATE and name != "customer"}
    anchor = known.pop("billing_cycle_anchor", None)
    if isinstance(anchor, dict) and anchor.get("timestamp"):
        known["billing_cycle_anchor"] = anchor["timestamp"]
    subscription, begins = beginnings.drawn_up(act, "", {**known, "customer": params["customer"]})
    items = [*invoice_items.waiting(act.backend.books[subscription.customer], subscription.id), *_added(act, subscription, params)]
    lines = beginnings.first_lines(act, subscription, begins, _id(subscription)) if begins.bills else []
    return _upcoming(act, subscription, lines, items, "subscription_create", act.now_s)


def _of_the_change(act: Act, subscription: Subscription, change: Change, added: Sequence[InvoiceItem]) -> Invoice:
    items = [*invoice_items.drawn_up(act.backend, subscription, change.prorations, act.now_s), *updates.swept(act, subscription, change), *added]
    lines = updates.lines_of(act, subscription, change, _id(subscription))
    return _upcoming(act, subscription, lines, items, "subscription_update", act.now_s)


def _of_the_next_period(act: Act, subscription: Subscription, change: Change | None, added: Sequence[InvoiceItem]) -> Invoice:
    now = act.now_s
    held, settled = (change.items, change.prorations) if change is not None else (subscription.items.data, ())
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    anchor = change.anchor if change is not None else subscription.billing_cycle_anchor
    items = [*invoice_items.drawn_up(act.backend, subscription, settled, now), *waiting, *added]
    if billing_mode.is_flexible(subscription) or terms.keeps_anchor(subscription.says("trial_settings")):
        begun = next_of_each(replace(subscription, items=ItemList(held), billing_cycle_anchor=anchor), held, anchor)
        spans = [(item, begun.wholes.get(item.id, 0)) for item in begun.due]
        return _upcoming(act, subscription, invoices.lines_of_spans(act, spans, _id(subscription)), items, "upcoming", _first_end(held))
    periods, whole_s = next_periods(subscription, held, anchor)
    lines = invoices.lines_of(act, periods, _id(subscription), whole_s=whole_s)
    return _upcoming(act, subscription, lines, items, "upcoming", _first_end(held))


def _first_end(items: Sequence[SubscriptionItem]) -> int:
    return min([item.current_period_end for item in items])


def _of_the_end(act: Act, subscription: Subscription, details: dict[str, Any], added: Sequence[InvoiceItem]) -> Invoice:
    settled = unused(act, subscription) if details.get("proration_behavior") != "none" else ()
    waiting = invoice_items.waiting(act.backend.books[subscription.customer], subscription.id)
    items = [*invoice_items.drawn_up(act.backend, subscription, settled, act.now_s), *waiting, *added]
    return _upcoming(act, subscription, [], items, ENDING, act.now_s)


def _upcoming(
    act: Act, subscription: Subscription, lines: list[LineItem], items: Sequence[InvoiceItem], reason: str, at_s: int
) -> Invoice:
    id = _id(subscription)
    lines = [*lines, *invoices.lines_of_items(items, id, len(lines))]
    return invoices.less_balance(act, invoices.drawn_up(subscription, id, reason, lines, act.now_s, start=at_s, end=at_s))
