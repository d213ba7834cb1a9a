"""What a subscription may be told when it is created and when it is changed, and how both are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from billsim.stripe.cards import Outcome
from billsim.stripe.objects import StripeError, Subscription, SubscriptionItem
from billsim.stripe.params import Types, check, refusal

NO_METHOD = (
    "This customer has no attached payment source or default payment method. Please consider adding a default payment method. "
    "For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#setting-up-payment-methods."
)
# What is only told back.
KEPT: Types = {"description": str, "payment_settings": dict, "invoice_settings": dict}
_PERIOD_ENDS = ("min_period_end", "max_period_end", "max_billed_until")
_END_BEHAVIOR: Types = {"missing_payment_method": ("create_invoice", "cancel", "pause"), "billing_cycle_anchor": ("now", "unchanged")}
_FEEDBACK = ("customer_service", "low_quality", "missing_features", "other", "switched_service", "too_complex", "too_expensive", "unused", "")
_DETAILS: Types = {"comment": str, "feedback": _FEEDBACK, "feedback_option": str}


def collection_fields(params: Mapping[str, Any], old: Subscription | None, days: int) -> dict[str, Any]:
    """`collection_method` and `days_until_due`, as a request sets them; `days` where it does not say. Raises StripeError."""
    method = params.get("collection_method", old.collection_method if old is not None else "charge_automatically")
    given = params.get("days_until_due")
    if method == "charge_automatically":
        if given is not None:
            message = "`days_until_due` can only be set if `collection_method` is `send_invoice`."
            raise refusal("parameter_invalid", message, param="days_until_due")
        return {"collection_method": method, "days_until_due": None}
    before = old.days_until_due if old is not None else None
    return {"collection_method": method, "days_until_due": given if given is not None else days if before is None else before}


def trial_settings(given: Any) -> dict[str, Any]:
    """`trial_settings` as they are kept. Raises StripeError."""
    check(given, {"end_behavior": dict}, ("end_behavior",), within="trial_settings")
    ends = given["end_behavior"]
    check(ends, _END_BEHAVIOR, within="trial_settings[end_behavior]")
    if ends.get("billing_cycle_anchor") == "unchanged":
        message = "billsim does not simulate `trial_settings[end_behavior][billing_cycle_anchor]=unchanged`."
        raise refusal("not_simulated", message, param="trial_settings[end_behavior][billing_cycle_anchor]")
    method = ends.get("missing_payment_method", "create_invoice")
    return {"end_behavior": {"billing_cycle_anchor": ends.get("billing_cycle_anchor"), "missing_payment_method": method}}


def cancel_at(given: Any, period_end: int, now_s: int) -> int:
    """`cancel_at` in unix seconds. Raises StripeError."""
    if given in _PERIOD_ENDS:
        return period_end
    if not isinstance(given, int):
        raise refusal("parameter_invalid_integer", f"Invalid integer: {given}", param="cancel_at")
    if given <= now_s:
        raise refusal("parameter_invalid", "`cancel_at` must be in the future.", param="cancel_at")
    return given


def cancellation_details(old: Mapping[str, Any] | None, given: Any, **reason: str | None) -> dict[str, Any]:
    """`cancellation_details` as they are kept, with what is `given` set in the old ones. Raises StripeError."""
    check(given or {}, _DETAILS, within="cancellation_details")
    told = {name: value or None for name, value in (given or {}).items()}
    return {"comment": None, "feedback": None, "feedback_option": None, "reason": None, **(old or {}), **told, **reason}


def check_together(items: Sequence[SubscriptionItem], currency: str, subscription: str) -> None:
    """Raise StripeError where a subscription cannot have these items."""
    if not items:
        raise refusal("parameter_invalid", f"A subscription must have at least one item; cancel {subscription} instead.", param="items")
    first, prices = items[0].price, [item.price.id for item in items]
    for index, item in enumerate(items):
        if item.price.recurring != first.recurring:
            message = "All prices of a subscription must have the same interval and interval_count."
            raise refusal("parameter_invalid", message, param=f"items[{index}][price]")
        if item.price.currency != currency:
            message = f"The price {item.price.id} is in {item.price.currency}, the subscription in {currency}."
            raise refusal("parameter_invalid", message, param=f"items[{index}][price]")
        if prices.count(item.price.id) > 1:
            message = f"The price {item.price.id} already has an item in {subscription}: change its quantity."
            raise refusal("parameter_invalid", message, param=f"items[{index}][price]")


def payment_refused(outcome: Outcome) -> StripeError:
    """How `error_if_incomplete` refuses what could not be paid."""
    if outcome.decline is None:
        message = "The payment needs confirmation."
        return StripeError(402, "card_error", "subscription_payment_intent_requires_action", message)
    return StripeError(402, "card_error", outcome.decline.code, outcome.decline.message, decline_code=outcome.decline.decline_code)
