"""Subscriptions and their items."""

from __future__ import annotations

from typing import Any

from billsim.stripe.objects import Subscription, SubscriptionItem
from billsim.stripe.wire.render import catalogue
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.parts import ISSUER

_NO_TAX: Rendered = {"disabled_reason": None, "enabled": False, "liability": None}
_CLASSIC: Rendered = {"flexible": None, "type": "classic"}
_NOT_CANCELED: Rendered = {"comment": None, "feedback": None, "feedback_option": None, "reason": None}
_INVOICE_SETTINGS: Rendered = {"account_tax_ids": None, "custom_fields": None, "description": None, "footer": None, "issuer": ISSUER}
_PAYMENT_SETTINGS: Rendered = {"payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off"}
_TRIAL_SETTINGS: Rendered = {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}}


def subscription(thing: Subscription, view: View) -> Rendered:
    """https://docs.stripe.com/api/subscriptions/object"""
    id, says, items = thing.id, thing.says, thing.items
    return {
        "id": id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": _NO_TAX,
        "billing_cycle_anchor": thing.billing_cycle_anchor,
        "billing_cycle_anchor_config": says("billing_cycle_anchor_config"),
        "billing_mode": says("billing_mode") or _CLASSIC,
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": _cancel_at(thing),
        "cancel_at_period_end": thing.cancel_at_period_end,
        "canceled_at": thing.canceled_at,
        "cancellation_details": _cancellation(says("cancellation_details")),
        "collection_method": thing.collection_method,
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "customer_account": None,
        "days_until_due": thing.days_until_due,
        "default_payment_method": thing.default_payment_method,
        "default_source": says("default_source"),
        "default_tax_rates": [],
        "description": says("description"),
        "discounts": [],
        "ended_at": thing.ended_at,
        "invoice_settings": _invoice_settings(says("invoice_settings")),
        "items": {
            "object": "list",
            "data": [subscription_item(item, view) for item in items.data],
            "has_more": items.has_more,
            "url": f"/v1/subscription_items?subscription={id}",
        },
        "latest_invoice": thing.latest_invoice,
        "livemode": view.livemode,
        "managed_payments": None,
        "metadata": thing.metadata,
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": _pause(says("pause_collection")),
        "payment_settings": _payment_settings(says("payment_settings")),
        "pending_invoice_item_interval": None,
        "pending_setup_intent": says("pending_setup_intent"),
        "pending_update": None if thing.pending_update is None else pending_update(thing.pending_update, view),
        "schedule": None,
        "start_date": thing.start_date,
        "status": thing.status,
        "status_details": says("status_details"),
        "test_clock": view.test_clock(thing.customer),
        "transfer_data": None,
        "trial_end": thing.trial_end,
        "trial_settings": _trial_settings(says("trial_settings")),
        "trial_start": thing.trial_start,
    }


def subscription_item(thing: SubscriptionItem, view: View) -> Rendered:
    """https://docs.stripe.com/api/subscription_items/object"""
    return {
        "id": thing.id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": thing.created,
        "current_period_end": thing.current_period_end,
        "current_period_start": thing.current_period_start,
        "current_trial": None,
        "discounts": [],
        "metadata": thing.metadata,
        "plan": catalogue.plan(thing.price, view),
        "price": catalogue.price(thing.price, view),
        "quantity": thing.quantity,
        "subscription": thing.subscription,
        "tax_rates": [],
    }


def pending_update(given: Rendered, view: View) -> Rendered:
    """What becomes of a subscription once its latest invoice is paid, with the items as they will be."""
    items = given.get("subscription_items")
    return {
        "billing_cycle_anchor": given.get("billing_cycle_anchor"),
        "cancel_at_period_end": None,
        "discount": None,
        "discounts": None,
        "expires_at": given["expires_at"],
        "metadata": given.get("metadata"),
        "subscription_items": [subscription_item(item, view) for item in items] if items else None,
        "trial_end": given.get("trial_end"),
        "trial_from_plan": given.get("trial_from_plan"),
    }


def _cancel_at(thing: Subscription) -> int | None:
    if thing.cancel_at_period_end:
        return min([item.current_period_end for item in thing.items.data], default=None)
    told: int | None = thing.says("cancel_at")
    return told


def _invoice_settings(given: Any) -> Rendered:
    return {**_INVOICE_SETTINGS, **given} if given else _INVOICE_SETTINGS


def _cancellation(given: Any) -> Rendered:
    return {**_NOT_CANCELED, **given} if given else _NOT_CANCELED


def _pause(given: Any) -> Rendered | None:
    return {"behavior": given["behavior"], "resumes_at": given.get("resumes_at")} if given else None


def _payment_settings(given: Any) -> Rendered:
    return {**_PAYMENT_SETTINGS, **given} if given else _PAYMENT_SETTINGS


def _trial_settings(given: Any) -> Rendered:
    if not given:
        return _TRIAL_SETTINGS
    return {"end_behavior": {**_TRIAL_SETTINGS["end_behavior"], **given.get("end_behavior", {})}}
