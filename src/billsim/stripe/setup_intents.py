"""Setup intents (https://docs.stripe.com/api/setup_intents): a payment method is made ready for later payments, with a mandate if it needs one."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import mandates, payment_intents, payment_methods
from billsim.stripe.backend import Act
from billsim.stripe.cards import NOT_AUTHENTICATED, Decline
from billsim.stripe.lists import PAGE_PARAMS, Page, page
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import PaymentError, PaymentMethod, SetupIntent, StripeError, Subscription, with_kept
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal

_USAGE = ("on_session", "off_session")
_DETAILS: Types = {
    "customer": str, "payment_method": str, "payment_method_data": dict, "payment_method_options": dict, "payment_method_types": list,
    "description": str, "metadata": dict,
}  # fmt: skip
_CONFIRMING: Types = {"return_url": str, "mandate_data": dict, "use_stripe_sdk": bool}
CREATE: Types = {**_DETAILS, **_CONFIRMING, "usage": _USAGE, "confirm": bool, "automatic_payment_methods": dict}
UPDATE: Types = _DETAILS
CONFIRM: Types = {**_CONFIRMING, "payment_method": str, "payment_method_data": dict, "payment_method_options": dict}
CANCEL: Types = {"cancellation_reason": ("", "abandoned", "requested_by_customer", "duplicate")}
LIST: Types = {**PAGE_PARAMS, "payment_method": str}
_KEPT = ("description", "payment_method_options", "payment_method_types", "automatic_payment_methods")
# Under which name a subscription keeps the one that waits for its customer.
OF_SUBSCRIPTION = "pending_setup_intent"
LATEST = "latest_attempt"
WAITING = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(act: Act, id: str, params: dict[str, Any]) -> SetupIntent:
    """A new one, and with `confirm` its end at once. Raises StripeError as `confirm` does."""
    customer = act.backend.customer(params["customer"]).id if params.get("customer") else None
    for name in ("return_url", "mandate_data"):
        if name in params and not params.get("confirm"):
            message = f"The parameter `{name}` cannot be passed when creating a SetupIntent unless `confirm` is set to true."
            raise refusal("", message, param=name)
    kept = {name: params[name] for name in _KEPT if name in params}
    automatic = params.get("automatic_payment_methods")
    if not params.get("payment_method_types") and (automatic or act.backend.is_whole):
        kept["automatic_payment_methods"] = {"allow_redirects": "always", "enabled": True, **(automatic or {})}
    method = _method(act, params, customer)
    intent: SetupIntent = act.put(
        SetupIntent(
            id=new_id(act.backend, "seti", id, act.task),
            created=act.now_s,
            customer=customer,
            payment_method=method.id if method else None,
            status="requires_confirmation" if method else "requires_payment_method",
            usage=params.get("usage", "off_session"),
            metadata=merged_metadata({}, params.get("metadata")),
            kept=kept_of(kept, _KEPT),
        )
    )
    act.emit("setup_intent.created", intent)
    return confirm(act, intent.id, {name: params[name] for name in _CONFIRMING if name in params}) if params.get("confirm") else intent


def _method(act: Act, params: dict[str, Any], customer: str | None, intent: SetupIntent | None = None) -> PaymentMethod | None:
    if params.get("payment_method"):
        return payment_methods.usable(act, params["payment_method"], customer, "SetupIntent", intent)
    if params.get("payment_method_data"):
        return payment_methods.from_data(act, params["payment_method_data"], customer)
    return None


def confirm(act: Act, id: str, params: dict[str, Any]) -> SetupIntent:
    """Set the payment method up, with the customer at hand. Where the bank wants a confirmation it waits for that.

    Raises StripeError: 402 where the bank declines, which is recorded; 400 where there is nothing to set up.
    """
    intent: SetupIntent = act.backend.found("setup_intent", id)
    if intent.status not in WAITING:
        done = "it has already succeeded" if intent.status == "succeeded" else "it has been canceled"
        raise _unexpected(intent, f"You cannot confirm this SetupIntent because {done}.")
    method = _method(act, params, intent.customer, intent)
    if method is None and intent.payment_method is None:
        message = (
            "You cannot confirm this SetupIntent because it's missing a payment method. You can either update the SetupIntent with a payment method "
            "and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken."
        )
        raise _unexpected(intent, message)
    method = method or payment_methods.usable(act, intent.payment_method or "", intent.customer, "SetupIntent", intent)
    _check(intent, method, params)
    intent = replace(intent, payment_method=method.id, kept=with_kept(kept_of(params, _KEPT, intent.kept), _attempt(act, intent)))
    outcome = act.backend.cards.set_up_for(intent.customer or "", method.id, act.at_ms)
    if outcome.status == "requires_action":
        action = payment_intents.next_action(params.get("return_url"))
        asked: SetupIntent = act.put(replace(intent, status="requires_action", next_action=action))
        act.emit("setup_intent.requires_action", asked)
        return asked
    if outcome.decline is not None:
        _fail(act, intent, outcome.decline)
        why, failed = outcome.decline, act.backend.found("setup_intent", id)
        raise StripeError(402, "card_error", why.code, why.message, decline_code=why.decline_code, setup_intent=failed, payment_method=method)
    return succeed(act, intent, (params.get("mandate_data") or {}).get("customer_acceptance"))


def _attempt(act: Act, intent: SetupIntent) -> dict[str, str]:
    """The name of a try. Nothing else is kept of it, and that only where anybody reads it."""
    tries = int(str(intent.says(LATEST, ".0")).rpartition(".")[2])
    return {LATEST: f"setatt_{stem(intent.id)}.{tries + 1}"} if act.backend.is_whole else {}


def _unexpected(intent: SetupIntent, message: str) -> StripeError:
    return StripeError(400, "invalid_request_error", "setup_intent_unexpected_state", message, setup_intent=intent)


def _check(intent: SetupIntent, method: PaymentMethod, params: dict[str, Any]) -> None:
    types, automatic = intent.says("payment_method_types"), intent.says("automatic_payment_methods")
    if types and method.type not in types:
        message = f"The PaymentMethod provided ({method.type}) is not allowed for this SetupIntent, which takes {', '.join(types)}."
        raise refusal("setup_intent_invalid_parameter", message, param="payment_method")
    if not types and automatic and automatic.get("allow_redirects") != "never" and not params.get("return_url"):
        raise payment_methods.no_return_url("SetupIntent")


def refused_by_bank(act: Act, intent: SetupIntent) -> None:
    """The customer could not confirm at the bank."""
    _fail(act, intent, NOT_AUTHENTICATED)


def _fail(act: Act, intent: SetupIntent, decline: Decline) -> None:
    code = "setup_intent_authentication_failure" if decline is NOT_AUTHENTICATED else decline.code
    kind = "invalid_request_error" if decline is NOT_AUTHENTICATED else "card_error"
    error = PaymentError(code, decline.decline_code, decline.message, kind)
    failed = replace(intent, status="requires_payment_method", payment_method=None, last_setup_error=error, next_action=None)
    act.emit("setup_intent.setup_failed", act.put(failed))


def succeed(act: Act, intent: SetupIntent, acceptance: dict[str, Any] | None = None) -> SetupIntent:
    """It is set up: attached to its customer, with a mandate where the kind of payment method needs one."""
    method = act.backend.payment_method(intent.payment_method or "")
    if method.customer is None and intent.customer is not None:
        method = payment_methods.attached(act, method, intent.customer)
    if intent.usage == "off_session":
        act.backend.cards.set_up(method.id)
    mandate = mandates.give(act, method, acceptance)
    fields = {"mandate": mandate.id if mandate else None, "next_action": None, "last_setup_error": None}
    done: SetupIntent = act.put(replace(intent, status="succeeded", **fields))
    act.emit("setup_intent.succeeded", done)
    if act.backend.is_whole and intent.customer is not None:
        _tell_subscriptions(act, intent.customer, done)
    return done


def _tell_subscriptions(act: Act, customer: str, done: SetupIntent) -> None:
    """The subscription that had waited for it waits no longer."""
    for each in list(act.backend.books[customer].subscriptions.values()):
        if each.says(OF_SUBSCRIPTION) == done.id:
            fields = remembered(act, each, done.payment_method)
            act.update("customer.subscription.updated", each, kept=with_kept(each.kept, {OF_SUBSCRIPTION: None}), **fields)


def remembered(act: Act, subscription: Subscription, method: str | None) -> dict[str, Any]:
    """What a subscription keeps of the payment method that it was paid or set up with: with `save_default_payment_method=on_subscription` its own."""
    settings = subscription.says("payment_settings") or {}
    is_new = method is not None and method != subscription.default_payment_method
    if not is_new or settings.get("save_default_payment_method") != "on_subscription" or act.backend.source(method or "") is not None:
        return {}
    return {"default_payment_method": method}


def cancel(act: Act, id: str, params: dict[str, Any]) -> SetupIntent:
    """Raises StripeError for one that has ended."""
    intent: SetupIntent = act.backend.found("setup_intent", id)
    if intent.status not in WAITING:
        if intent.status == "canceled":
            raise _unexpected(intent, "You cannot cancel this SetupIntent because it is already canceled.")
        message = f"You cannot cancel this SetupIntent because it has a status of {intent.status}."
        listed = "`requires_payment_method`, `requires_confirmation`, or `requires_action`"
        raise _unexpected(intent, f"{message} Only a SetupIntent with one of the following statuses may be canceled: {listed}.")
    reason = params.get("cancellation_reason") or ("requested_by_customer" if not act.backend.is_whole else None)
    canceled: SetupIntent = act.put(replace(intent, status="canceled", cancellation_reason=reason, next_action=None))
    act.emit("setup_intent.canceled", canceled)
    return canceled


def update(act: Act, id: str, params: dict[str, Any]) -> SetupIntent:
    """Set what is given; another payment method is to be confirmed anew. No event. Raises StripeError."""
    intent: SetupIntent = act.backend.found("setup_intent", id)
    fields: dict[str, Any] = {"metadata": merged_metadata(intent.metadata, params.get("metadata")), "kept": kept_of(params, _KEPT, intent.kept)}
    if intent.status not in WAITING and any([name in params for name in ("customer", "payment_method", "payment_method_data")]):
        raise _unexpected(intent, f"You cannot update this SetupIntent because it has a status of {intent.status}.")
    if params.get("customer"):
        fields["customer"] = act.backend.customer(params["customer"]).id
    method = _method(act, params, fields.get("customer", intent.customer), intent)
    if method is not None:
        fields |= {"payment_method": method.id, "status": "requires_confirmation", "next_action": None, "last_setup_error": None}
    new: SetupIntent = act.put(replace(intent, **fields))
    return new


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Setup intents of a customer or a payment method, newest first."""
    return page(act.backend, "setup_intent", params, ("payment_method",), "/v1/setup_intents")


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("setup_intent", id)
