"""How a subscription is billed: `classic`, or `flexible`, which is the API's default since 2025-09-30
(https://docs.stripe.com/billing/subscriptions/billing-mode/compare).

Worlds are classic, and a classic subscription keeps nothing of it. What is flexible keeps `billing_mode`: its credits are reckoned from what was
billed (`debits`), its anchor never moves by itself, its items may have intervals of their own, and its invoices take along all that waits.
"""

from __future__ import annotations

from typing import Any

from billsim.stripe.backend import Act
from billsim.stripe.objects import Subscription, with_kept
from billsim.stripe.params import Types, check, refusal

PARAM = "billing_mode"
MIGRATE: Types = {PARAM: dict}
_MODE: Types = {"type": ("classic", "flexible"), "flexible": dict}
_FLEXIBLE: Types = {"proration_discounts": ("included", "itemized")}


def is_flexible(subscription: Subscription) -> bool:
    """Whether it is billed in flexible mode."""
    return subscription.says(PARAM) is not None


def asked_for(given: Any, now_s: int, *, is_whole: bool) -> dict[str, Any] | None:
    """The mode that a new subscription keeps, None for classic. Raises StripeError."""
    if given is None:
        return _flexible({}, now_s) if is_whole else None
    check(given, _MODE, ("type",), within=PARAM)
    if given["type"] == "classic":
        if given.get("flexible"):
            message = "`billing_mode[flexible]` can only be set if `billing_mode[type]` is `flexible`."
            raise refusal("parameter_invalid", message, param=f"{PARAM}[flexible]")
        return None
    if not is_whole:
        message = "billsim does not simulate `billing_mode[type]=flexible` in worlds: their subscriptions are classic."
        raise refusal("not_simulated", message, param=f"{PARAM}[type]")
    return _flexible(given.get("flexible") or {}, now_s)


def _flexible(given: Any, now_s: int) -> dict[str, Any]:
    check(given, _FLEXIBLE, within=f"{PARAM}[flexible]")
    told = {"proration_discounts": given.get("proration_discounts", "included")}
    return {"flexible": told, "type": "flexible", "updated_at": now_s}


def migrate(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """From classic to flexible, for good; what was billed and what waits already stay as they are
    (https://docs.stripe.com/api/subscriptions/migrate). Raises StripeError.
    """
    old = act.backend.subscription(id)
    if params[PARAM].get("type") != "flexible":
        message = "You can only migrate a subscription to `billing_mode[type]=flexible`."
        raise refusal("parameter_invalid", message, param=f"{PARAM}[type]")
    if old.status in ("canceled", "incomplete_expired"):
        raise refusal("subscription_canceled", f"Subscription {id} is {old.status}: it cannot be migrated.")
    before = old.says(PARAM)
    wanted = asked_for(params[PARAM], act.now_s, is_whole=act.backend.is_whole)
    if before is not None and wanted is not None and before["flexible"] == wanted["flexible"]:
        return old
    migrated: Subscription = act.update("customer.subscription.updated", old, kept=with_kept(old.kept, {PARAM: wanted}))
    return migrated
