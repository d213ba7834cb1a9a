"""Payments by request (https://docs.stripe.com/payments/paymentintents/lifecycle): made, confirmed, captured, given up; and what the bank does then.

The intents of invoices are confirmed here too, and paid as `collection` pays; they cannot be captured or canceled by themselves.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.core.time import DAY_S
from billsim.stripe import attachments, charges, collection, mandates, payment_intents, payment_methods
from billsim.stripe.backend import Act, Backend
from billsim.stripe.cards import AUTHENTICATION_REQUIRED, NOT_AUTHENTICATED, Outcome
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import Charge, PaymentIntent, PaymentMethod, StripeError, with_kept
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal

# Uncaptured payments are let go after so long (https://docs.stripe.com/payments/place-a-hold-on-a-payment-method).
AUTHORIZED_FOR_S = 7 * DAY_S
_USAGE = ("", "off_session", "on_session")
_CAPTURES = ("automatic", "automatic_async", "manual")
_DETAILS: Types = {
    "description": str, "metadata": dict, "payment_method": str, "payment_method_data": dict, "payment_method_options": dict,
    "payment_method_types": list, "receipt_email": str, "setup_future_usage": _USAGE, "shipping": dict, "statement_descriptor": str,
    "statement_descriptor_suffix": str, "transfer_group": str, "capture_method": _CAPTURES,
}  # fmt: skip
_CONFIRMING: Types = {
    "off_session": bool | str, "return_url": str, "error_on_requires_action": bool, "mandate": str, "mandate_data": dict, "use_stripe_sdk": bool,
}  # fmt: skip
CREATE: Types = {
    **_DETAILS, **_CONFIRMING, "amount": int, "currency": str, "customer": str, "confirm": bool, "automatic_payment_methods": dict,
    "confirmation_method": ("automatic", "manual"),
}  # fmt: skip
UPDATE: Types = {**_DETAILS, "amount": int, "currency": str, "customer": str}
CONFIRM: Types = {
    **_CONFIRMING, "payment_method": str, "payment_method_data": dict, "payment_method_options": dict, "payment_method_types": list,
    "receipt_email": str, "setup_future_usage": _USAGE, "shipping": dict, "capture_method": _CAPTURES,
}  # fmt: skip
CAPTURE: Types = {
    "amount_to_capture": int, "final_capture": bool, "metadata": dict, "statement_descriptor": str, "statement_descriptor_suffix": str,
}  # fmt: skip
CAPTURE_CHARGE: Types = {"amount": int, "receipt_email": str, "statement_descriptor": str, "statement_descriptor_suffix": str, "transfer_group": str}
CANCEL: Types = {"cancellation_reason": ("", "duplicate", "fraudulent", "requested_by_customer", "abandoned")}
_KEPT = (
    "description", "payment_method_options", "payment_method_types", "receipt_email", "setup_future_usage", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "transfer_group", "capture_method", "confirmation_method", "automatic_payment_methods",
)  # fmt: skip
# What is settled once a payment has been confirmed.
_FIXED = (
    "amount", "currency", "customer", "payment_method", "payment_method_data", "payment_method_types", "capture_method", "setup_future_usage",
)  # fmt: skip
_UNCONFIRMED = ("requires_payment_method", "requires_confirmation", "requires_action")
# The least that can be paid, in minor units; in other currencies nothing is refused but nothing (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
_LEAST = {
    "usd": 50, "eur": 50, "gbp": 30, "cad": 50, "aud": 50, "chf": 50, "jpy": 50, "nzd": 50, "sgd": 50, "brl": 50, "sek": 300, "nok": 300, "dkk": 250,
}  # fmt: skip
_MOST = 99_999_999
# What the API says where nothing is left to be captured, and where less is than is asked for.
_CAPTURED = "This PaymentIntent could not be captured because it has already been captured."
_CAPTURED_IN_PART = (
    "The remaining amount on this PaymentIntent could not be captured because the remainder of the authorized amount has been released."
)
_TOO_MUCH = (
    "The payment could not be captured because the requested capture amount is greater than the amount you can capture for this charge. Contact us "
    "via https://support.stripe.com/contact/ for help."
)
# What debits can be made in.
_CURRENCY = {"sepa_debit": "eur", "us_bank_account": "usd"}
_NEED_LEAVE = ("sepa_debit", "us_bank_account")


# -- made


def create(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """A new payment, and with `confirm` its first try. Raises StripeError; where a try is declined (402) the payment is there nevertheless."""
    currency = currency_of(params["currency"])
    check_amount(params["amount"], currency)
    if not params.get("confirm"):
        for name in _CONFIRMING:
            if name in params and name != "use_stripe_sdk":
                message = f"The parameter `{name}` cannot be passed when creating a PaymentIntent unless `confirm` is set to true."
                raise refusal("", message, param=name)
    customer = act.backend.customer(params["customer"]).id if params.get("customer") else None
    kept = _settled(act, params, currency)
    method = _method(act, params, customer)
    intent: PaymentIntent = act.put(
        PaymentIntent(
            id=new_id(act.backend, "pi", id, act.task),
            created=act.now_s,
            amount=params["amount"],
            currency=currency,
            customer=customer,
            payment_method=method.id if method else None,
            status="requires_confirmation" if method else "requires_payment_method",
            metadata=merged_metadata({}, params.get("metadata")),
            kept=kept_of(kept, _KEPT),
        )
    )
    act.emit("payment_intent.created", intent)
    if not params.get("confirm"):
        return intent
    return confirm(act, intent.id, {name: params[name] for name in _CONFIRMING if name in params})


def currency_of(given: str) -> str:
    """A currency as objects have it. Raises StripeError for what is none."""
    if not (len(given) == 3 and given.isascii() and given.isalpha()):
        raise refusal("", f"Invalid currency: {given}.", param="currency")
    return given.lower()


def check_amount(amount: int, currency: str) -> None:
    """Raise StripeError for what is too little or too much to be paid at once."""
    if amount < 1:
        raise refusal("parameter_invalid_integer", "This value must be greater than or equal to 1.", param="amount")
    least = _LEAST.get(currency, 1)
    if amount < least:
        raise refusal("amount_too_small", f"Amount must be at least {least} in the smallest unit of {currency}.", param="amount")
    if amount > _MOST:
        raise refusal("amount_too_large", f"Amount must be no more than {_MOST} in the smallest unit of {currency}.", param="amount")


def _settled(act: Act, params: dict[str, Any], currency: str) -> dict[str, Any]:
    """What an intent keeps of its parameters. It takes the kinds of payment method that it names, else all that the account has switched on."""
    types = params.get("payment_method_types")
    if types and params.get("automatic_payment_methods"):
        message = "You may only specify one of these parameters: automatic_payment_methods, payment_method_types."
        raise refusal("parameters_exclusive", message, param="payment_method_types")
    _check_types(types or (), currency)
    kept = {name: params[name] for name in _KEPT if name in params}
    automatic = params.get("automatic_payment_methods")
    if not types and (automatic or act.backend.is_whole):
        kept["automatic_payment_methods"] = {"allow_redirects": "always", "enabled": True, **(automatic or {})}
    if act.backend.is_whole:
        kept.setdefault("capture_method", "automatic_async")
    return kept


def _check_types(types: Any, currency: str) -> None:
    for kind in types:
        if kind not in payment_methods.SIMULATED:
            raise refusal("not_simulated", f"billsim does not simulate payment methods of type `{kind}`.", param="payment_method_types")
    if types and all(_CURRENCY.get(kind, currency) != currency for kind in types):
        message = f"The currency provided ({currency}) is invalid for the payment method types {', '.join(types)}."
        raise refusal("", message, param="currency")


def _method(act: Act, params: dict[str, Any], customer: str | None, intent: PaymentIntent | None = None) -> PaymentMethod | None:
    if params.get("payment_method"):
        return payment_methods.usable(act, params["payment_method"], customer, intent=intent)
    if params.get("payment_method_data"):
        return payment_methods.from_data(act, params["payment_method_data"], customer)
    return None


# -- confirmed


def confirm(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """Try to pay, on session where `off_session` is not set. Raises StripeError: 402 where it is declined, 400 where there is nothing to confirm."""
    intent = act.backend.payment_intent(id)
    if act.backend.invoice_of(intent) is not None:
        given = _method(act, params, intent.customer, intent)
        if given is not None and given.customer is None and payment_methods.refused(act, given.id) is None:
            # What an invoice is paid with is kept for the next one.
            payment_methods.attached(act, given, intent.customer or "")
        if given is not None:
            params = {**params, "payment_method": given.id}
        return collection.confirm_by_request(act, id, {name: params[name] for name in collection.CONFIRM if name in params})
    _require_unconfirmed(intent)
    given = _method(act, params, intent.customer, intent)
    if given is None and intent.payment_method is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment "
            "method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken."
        )
        raise _unexpected(intent, message)
    method = given or payment_methods.usable(act, intent.payment_method or "", intent.customer, intent=intent)
    _check_method(act, intent, method, params)
    kept = kept_of(params, _KEPT, intent.kept)
    intent = replace(intent, payment_method=method.id, kept=kept, last_payment_error=None)
    return _try(act, intent, method, params)


def _require_unconfirmed(intent: PaymentIntent) -> None:
    if intent.status == "succeeded":
        raise _unexpected(intent, "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.")
    if intent.status not in _UNCONFIRMED:
        message = f"You cannot confirm this PaymentIntent because it has a status of {intent.status}."
        raise _unexpected(intent, f"{message} Only a PaymentIntent with one of the following statuses may be confirmed: {', '.join(_UNCONFIRMED)}.")


def _unexpected(intent: PaymentIntent, message: str, param: str = "") -> StripeError:
    return StripeError(400, "invalid_request_error", "payment_intent_unexpected_state", message, payment_intent=intent, param=param)


def _check_method(act: Act, intent: PaymentIntent, method: PaymentMethod, params: dict[str, Any]) -> None:
    """What has to be there before anything is tried."""
    types = params.get("payment_method_types") or intent.says("payment_method_types")
    if types and method.type not in types:
        allowed = ", ".join(types)
        message = f"The PaymentMethod provided ({method.type}) is not allowed for this PaymentIntent, which takes {allowed}."
        raise refusal("payment_intent_incompatible_payment_method", message, param="payment_method")
    if _CURRENCY.get(method.type, intent.currency) != intent.currency:
        message = f"The currency provided ({intent.currency}) is invalid for the payment method type `{method.type}`."
        raise refusal("payment_intent_incompatible_payment_method", message, param="payment_method")
    automatic = None if types else intent.says("automatic_payment_methods")
    if automatic and automatic.get("allow_redirects") != "never" and not params.get("return_url"):
        raise payment_methods.no_return_url("PaymentIntent")
    if method.type in _NEED_LEAVE and not params.get("mandate_data") and mandates.active_of(act, method.id, params.get("mandate")) is None:
        message = (
            "This PaymentIntent requires a mandate, but no existing mandate was found. Ensure that the supplied payment method was configured with a "
            "customer acceptance when it was set up with a SetupIntent or PaymentIntent and retry, or provide `mandate_data` now."
        )
        raise refusal("payment_intent_mandate_invalid", message, param="mandate")


def _try(act: Act, intent: PaymentIntent, method: PaymentMethod, params: dict[str, Any]) -> PaymentIntent:
    cards, off_session = act.backend.cards, params.get("off_session") not in (None, False, "")
    if cards.is_authenticated(intent.id):
        outcome = cards.confirmed(method.id)
    else:
        outcome = cards.pay_for(intent.customer or "", method.id, act.at_ms, on_session=not off_session)
    if outcome.status == "requires_action" and (off_session or params.get("error_on_requires_action")):
        outcome = Outcome("failed", AUTHENTICATION_REQUIRED)
    if outcome.status == "requires_action":
        url = params.get("return_url")
        payment_intents.require_action(act, intent, method.id, url)
        return act.backend.payment_intent(intent.id)
    _settle(act, intent, method, outcome, params.get("mandate_data"))
    if outcome.decline is not None:
        raise payment_intents.refusal_of(act, intent.id, outcome.decline, method.id)
    return act.backend.payment_intent(intent.id)


def _settle(act: Act, intent: PaymentIntent, method: PaymentMethod, outcome: Outcome, acceptance: dict[str, Any] | None = None) -> None:
    """What a try comes to, to charge, payment intent, payment method and mandate."""
    if outcome.decline is AUTHENTICATION_REQUIRED:  # nothing was charged
        payment_intents.fail(act, intent, intent.latest_charge, outcome.decline)
        return
    charge = _next_charge(act, intent)
    if outcome.decline is not None:
        charges.record_for(act, charge, intent, method.id, "failed", outcome.decline)
        payment_intents.fail(act, intent, charge, outcome.decline)
        return
    keeps = intent.says("setup_future_usage") and intent.customer is not None
    if keeps and method.customer is None:
        method = payment_methods.attached(act, method, intent.customer or "")
    elif method.customer is None:
        act.backend.cards.spend(method.id)
    if acceptance:
        mandates.accept(act, method, acceptance, reusable=bool(keeps))
    if outcome.status == "processing":
        charges.record_for(act, charge, intent, method.id, "pending")
        payment_intents.process(act, intent, method.id, charge)
        settles_s = act.backend.cards.number(method.id).settles_s
        if settles_s is not None:
            act.backend.later(intent.id, (act.now_s + settles_s) * 1000, "pay")
        return
    charges.record_for(act, charge, intent, method.id, "succeeded")
    _taken(act, intent, method.id, charge)


def _next_charge(act: Act, intent: PaymentIntent) -> str:
    """The id of the charge that a try makes: of all tries of an intent they are numbered."""
    prefix, count = f"ch_{stem(intent.id)}", 1
    while act.backend.home(f"{prefix}.{count}") is not None:
        count += 1
    return f"{prefix}.{count}"


def _taken(act: Act, intent: PaymentIntent, method: str, charge: str) -> None:
    if intent.says("capture_method") != "manual":
        payment_intents.succeed(act, intent, method, charge)
        attachments.credit(act, intent.id)
        return
    payment_intents.authorize(act, intent, method, charge)
    act.backend.later(intent.id, (act.now_s + AUTHORIZED_FOR_S) * 1000, "let_go")


# -- what the bank and the customer do


def answer(backend: Backend, id: str) -> None:
    """The bank answers for a debit that it has been processing."""
    intent = backend.payment_intent(id)
    if intent.status != "processing":
        return
    outcome = backend.cards.answer(intent.payment_method, backend.kernel.now)
    charge, method = intent.latest_charge or "", intent.payment_method or ""
    with Act(backend, backend.own_task(id, "answer"), "bank", f"{charge}.answer", f"{charge}.answer") as act:
        if outcome.decline is None:
            charges.record_for(act, charge, intent, method, "succeeded")
            payment_intents.succeed(act, intent, method, charge)
            attachments.credit(act, id)
        else:
            charges.record_for(act, charge, intent, method, "failed", outcome.decline)
            is_sepa = backend.payment_method(method).type == "sepa_debit"
            payment_intents.fail(act, intent, charge, outcome.decline, "payment_intent_payment_attempt_failed" if is_sepa else "")


def let_go(backend: Backend, id: str) -> None:
    """Nobody captured an authorized payment in time."""
    intent = backend.payment_intent(id)
    if intent.status != "requires_capture":
        return
    with Act(backend, backend.own_task(id, "let_go"), "authorization expired", f"{id}.expired", f"{id}.expired") as act:
        charges.release(act, backend.charge(intent.latest_charge or ""), "charge.expired")
        payment_intents.abandon(act, intent, "automatic")


def confirmed_by_bank(act: Act, intent: PaymentIntent, *, succeeds: bool) -> None:
    """The customer has confirmed at the bank, or (`succeeds` False) could not. What was overtaken meanwhile comes to nothing."""
    cards, method = act.backend.cards, intent.payment_method
    invoice = act.backend.invoice_of(intent)
    if intent.status == "requires_action" and not succeeds:
        payment_intents.fail(act, intent, intent.latest_charge, NOT_AUTHENTICATED)
        if invoice is not None:
            act.emit("invoice.payment_failed", invoice)
        return
    if not succeeds or method is None:
        return
    if invoice is not None or intent.says("setup_future_usage") == "off_session":
        cards.set_up(method)
    if invoice is not None:
        collection.confirmed_by_bank(act, intent, cards.confirmed(method))
    elif intent.status == "requires_action" and intent.says("confirmation_method") == "manual":
        cards.authenticate(intent.id)
        act.put(replace(intent, status="requires_confirmation", next_action=None))
    elif intent.status == "requires_action":
        _settle(act, intent, act.backend.payment_method(method), cards.confirmed(method))


# -- captured, changed, given up


def capture(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """Take an authorized payment, whole or in part; what is not taken is let go. Raises StripeError."""
    intent = act.backend.payment_intent(id)
    if intent.status == "succeeded":
        raise _unexpected(intent, _CAPTURED_IN_PART if intent.says("capture_method") == "manual" else _CAPTURED)
    if intent.status != "requires_capture":
        message = f"This PaymentIntent could not be captured because it has a status of {intent.status}."
        raise _unexpected(intent, f"{message} Only a PaymentIntent with one of the following statuses may be captured: requires_capture.")
    amount = intent.amount if params.get("amount_to_capture") in (None, "") else params["amount_to_capture"]
    check_capture(amount, intent.amount, "amount_to_capture", intent)
    return _captured(act, intent, amount, params)


def check_capture(amount: int, most: int, param: str, intent: PaymentIntent | None = None) -> None:
    """Raise StripeError for what cannot be captured of an authorized payment."""
    kind = "invalid_request_error"
    if amount < 0:
        raise StripeError(400, kind, "", "Invalid non-negative integer", param=param, payment_intent=intent)
    if amount == 0:
        at_least = "This value must be greater than or equal to 1."
        raise StripeError(400, kind, "parameter_invalid_integer", at_least, param="amount", payment_intent=intent)
    if amount > most:
        raise StripeError(400, kind, "amount_too_large", _TOO_MUCH, payment_intent=intent)


def _captured(act: Act, intent: PaymentIntent, amount: int, params: dict[str, Any]) -> PaymentIntent:
    told: dict[str, Any] = {name: params[name] for name in ("statement_descriptor", "statement_descriptor_suffix") if name in params}
    charge = charges.capture(act, act.backend.charge(intent.latest_charge or ""), amount, **told)
    metadata = merged_metadata(intent.metadata, params.get("metadata"))
    changed = replace(intent, kept=kept_of(told, _KEPT, intent.kept), metadata=metadata)
    payment_intents.succeed(act, changed, intent.payment_method, charge.id, amount)
    attachments.credit(act, intent.id)
    return act.backend.payment_intent(intent.id)


def capture_charge(act: Act, id: str, params: dict[str, Any]) -> Charge:
    """As `capture`, by the charge. Raises StripeError."""
    charge = act.backend.charge(id)
    require_capturable(charge)
    amount = charge.amount if params.get("amount") in (None, "") else params["amount"]
    intent = act.backend.payment_intent(charge.payment_intent or "")
    check_capture(amount, intent.amount, "amount", intent)
    _captured(act, intent, amount, params)
    return act.backend.charge(id)


def require_capturable(charge: Charge) -> None:
    """Raise StripeError for a charge of which nothing is left to be captured."""
    if charge.captured or charge.status != "succeeded" or charge.refunded:
        code = "charge_already_captured" if charge.captured else "charge_already_refunded" if charge.refunded else ""
        raise refusal(code, f"Charge {charge.id} has already been {'captured' if charge.captured else 'refunded'}.")


def update(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """Set what is given; another payment method is to be confirmed anew. No event. Raises StripeError."""
    intent = act.backend.payment_intent(id)
    fields: dict[str, Any] = {"metadata": merged_metadata(intent.metadata, params.get("metadata")), "kept": kept_of(params, _KEPT, intent.kept)}
    for name in _FIXED:
        if name in params and intent.status not in _UNCONFIRMED:
            message = f"This PaymentIntent's {name} could not be updated because it has a status of {intent.status}."
            listed = ", ".join(_UNCONFIRMED)
            only = f"You may only update the {name} of a PaymentIntent with one of the following statuses: {listed}."
            raise _unexpected(intent, f"{message} {only}", param=name)
        if name in ("amount", "currency", "customer") and name in params and act.backend.invoice_of(intent) is not None:
            raise _unexpected(intent, f"This PaymentIntent belongs to an invoice: its {name} cannot be updated.", param=name)
    if "currency" in params:
        fields["currency"] = currency_of(params["currency"])
    currency = fields.get("currency", intent.currency)
    if "amount" in params:
        check_amount(params["amount"], currency)
        fields["amount"] = params["amount"]
    _check_types(params.get("payment_method_types") or (), currency)
    if params.get("payment_method_types"):
        fields["kept"] = with_kept(fields["kept"], {"automatic_payment_methods": None})
    if params.get("customer"):
        fields["customer"] = act.backend.customer(params["customer"]).id
    method = _method(act, params, fields.get("customer", intent.customer), intent)
    if method is not None:
        fields |= {"payment_method": method.id, "status": "requires_confirmation", "next_action": None, "last_payment_error": None}
    new: PaymentIntent = act.put(replace(intent, **fields))
    return new


def cancel(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """Raises StripeError for the intent of an invoice (void the invoice instead) and for one that has ended."""
    intent = act.backend.payment_intent(id)
    invoice = act.backend.invoice_of(intent)
    if invoice is not None:
        raise _unexpected(intent, f"{id} belongs to invoice {invoice.id}: void that instead.")
    # A debit that the bank never answers is there to be given up.
    hangs = intent.status == "processing" and act.backend.cards.number(intent.payment_method).settles_s is None
    if intent.status not in (*_UNCONFIRMED, "requires_capture") and not hangs:
        listed = ", ".join(("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing"))
        message = f"You cannot cancel this PaymentIntent because it has a status of {intent.status}."
        raise _unexpected(intent, f"{message} Only a PaymentIntent with one of the following statuses may be canceled: {listed}.")
    if intent.status == "requires_capture":
        charges.release(act, act.backend.charge(intent.latest_charge or ""), "charge.refunded")
    payment_intents.abandon(act, intent, params.get("cancellation_reason") or None)
    return act.backend.payment_intent(id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Payment intents of a customer or of all, newest first."""
    return page(act.backend, "payment_intent", params, (), "/v1/payment_intents")
