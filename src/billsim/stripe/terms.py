"""What a subscription may be told when it is created and when it is changed, and how both are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from billsim.stripe import intervals
from billsim.stripe.objects import Subscription, SubscriptionItem
from billsim.stripe.params import Types, check, refusal

NO_METHOD = (
    "This customer has no attached payment source or default payment method. Please consider adding a default payment method. "
    "For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority."
)
TRIAL_FROM_PLAN_ALONE = "You cannot set `trial_end` or `trial_period_days` when `trial_from_plan=true`."
# What is only told back.
KEPT: Types = {"description": str, "payment_settings": dict, "invoice_settings": dict}
_PERIOD_ENDS = ("min_period_end", "max_period_end", "max_billed_until")
_END_BEHAVIOR: Types = {"missing_payment_method": ("create_invoice", "cancel", "pause"), "billing_cycle_anchor": ("now", "unchanged")}
_FEEDBACK = ("customer_service", "low_quality", "missing_features", "other", "switched_service", "too_complex", "too_expensive", "unused", "")
_DETAILS: Types = {"comment": str, "feedback": _FEEDBACK, "feedback_option": str}


def collection_fields(params: Mapping[str, Any], old: Subscription | None, days: int | None) -> dict[str, Any]:
    """`collection_method` and `days_until_due`, as a request sets them; `days` where it does not say, None where it has to. Raises StripeError."""
    method = params.get("collection_method", old.collection_method if old is not None else "charge_automatically")
    given = params.get("days_until_due")
    if method == "charge_automatically":
        if given is not None:
            message = "You can only specify 'days_until_due' if invoice collection method is 'send_invoice'."
            raise refusal("parameter_invalid", message, param="days_until_due")
        return {"collection_method": method, "days_until_due": None}
    before = old.days_until_due if old is not None else None
    until = given if given is not None else days if before is None else before
    if until is None:
        message = "If invoice collection method is 'send_invoice', you must specify 'days_until_due'."
        raise refusal("parameter_invalid", message, param="days_until_due")
    return {"collection_method": method, "days_until_due": until}



def trial_settings(given: Any) -> dict[str, Any]:
    """`trial_settings` as they are kept. Raises StripeError."""
    check(given, {"end_behavior": dict}, ("end_behavior",), within="trial_settings")
    ends = given["end_behavior"]
    check(ends, _END_BEHAVIOR, within="trial_settings[end_behavior]")
    method = ends.get("missing_payment_method", "create_invoice")
    return {"end_behavior": {"billing_cycle_anchor": ends.get("billing_cycle_anchor"), "missing_payment_method": method}}


def keeps_anchor(settings: Mapping[str, Any] | None) -> bool:
    """Whether the end of a trial leaves the billing cycle anchor where it is, as `trial_settings` have it; else that moves there."""
    return ((settings or {}).get("end_behavior") or {}).get("billing_cycle_anchor") == "unchanged"


def cancel_at(given: Any, period_ends: Sequence[int], now_s: int) -> int:
    """`cancel_at` in unix seconds, where the periods of the items end at these instants. Raises StripeError."""
    if given in _PERIOD_ENDS:
        return min(period_ends) if given == "min_period_end" else max(period_ends)
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


def check_together(items: Sequence[SubscriptionItem], currency: str, subscription: str, *, mixed: bool = False, added_to: Sequence[str] = ()) -> None:
    """Raise StripeError where a subscription cannot have these items; their intervals may be `mixed` as far as they are multiples of each other.

    `added_to`: the ids of those that it has.
    """
    if not items:
        raise refusal("parameter_invalid", f"A subscription must have at least one item; cancel {subscription} instead.", param="items")
    first, prices = items[0].price, [item.price.id for item in items]
    for index, item in enumerate(items):
        if not mixed and item.price.recurring != first.recurring:
            message = "All prices of a subscription must have the same interval and interval_count."
            raise refusal("parameter_invalid", message, param=f"items[{index}][price]")
        if item.price.currency != currency:
            message = f"The price {item.price.id} is in {item.price.currency}, the subscription in {currency}."
            raise refusal("parameter_invalid", message, param=f"items[{index}][price]")
        if prices.count(item.price.id) > 1:
            raise refusal("parameter_invalid", _said_of_twice(item.price.id, added_to, items), param="plan")
    place = intervals.misfit(items) if mixed else None
    if place is not None:
        message = "The interval of each price of a subscription must be a multiple of its shortest one."
        raise refusal("parameter_invalid", message, param=f"items[{place}][price]")


def _said_of_twice(price: str, added_to: Sequence[str], items: Sequence[SubscriptionItem]) -> str:
    """What is told of a price that two items would have."""
    existing = next((item.id for item in items if item.price.id == price and item.id in added_to), None)
    if existing is None:
        return f"Cannot create a Subscription with multiple Subscription Items with the same Price: {price}"
    return (
        f"A new item with Price {price} can't be added to this Subscription because an existing Subscription Item {existing} is already using that "
        "Price. If you want to update the existing item (e.g., to adjust the quantity), pass the existing Subscription Item's `id` in your update "
        "request: https://stripe.com/docs/api/subscriptions/update#update_subscription-items-id"
    )
