"""Payment methods (https://docs.stripe.com/api/payment_methods): made, attached to a customer, detached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.core.time import to_datetime
from billsim.stripe.backend import Act
from billsim.stripe.card_numbers import (
    GOOD,
    IBAN_NAMES,
    IBANS,
    METHOD_TOKEN,
    REFUSED_IBANS,
    ROUTING_NUMBER,
    US_ACCOUNTS,
    US_NAMES,
    Behaviour,
    Decline,
    behaviour_of_card,
    card_of,
    is_iban,
    is_valid,
    number_of,
    wrong_part,
)
from billsim.stripe.kinds import as_method
from billsim.stripe.lists import PAGES, Page, page_of
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Card, InvoiceSettings, PaymentIntent, PaymentMethod, SetupIntent, StripeError, with_kept
from billsim.stripe.params import Types, check, kept_of, merged_metadata, refusal

SIMULATED = ("card", "paypal", "sepa_debit", "us_bank_account", "link")
CREATE: Types = {
    "type": str, "card": dict, "metadata": dict, "billing_details": dict, "allow_redisplay": ("always", "limited", "unspecified"),
    "sepa_debit": dict, "us_bank_account": dict, "paypal": dict, "link": dict,
}  # fmt: skip
UPDATE: Types = {"metadata": dict, "billing_details": dict, "allow_redisplay": ("always", "limited", "unspecified"), "card": dict}
ATTACH: Types = {"customer": str}
LIST: Types = {**PAGES, "customer": str, "type": str, "allow_redisplay": str}
OF_CUSTOMER: Types = {"customer": str}
KEPT = ("billing_details", "allow_redisplay")
_CARD: Types = {
    "token": str, "brand": str, "last4": str, "exp_month": int, "exp_year": int, "number": str, "cvc": str, "networks": dict,
}  # fmt: skip
_SEPA: Types = {"iban": str}
_BANK: Types = {
    "account_number": str, "routing_number": str, "account_holder_type": ("individual", "company"), "account_type": ("checking", "savings"),
    "financial_connections_account": str,
}  # fmt: skip
_EXPIRES: Types = {"exp_month": int, "exp_year": int, "networks": dict}
_FURTHEST_YEARS = 50


def create(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """A payment method of nobody's yet; a test number, token or account says how it will behave. No event. Raises StripeError."""
    kind = params["type"]
    if kind not in SIMULATED:
        raise refusal("not_simulated", f"billsim does not simulate payment methods of type `{kind}`.", param="type")
    for other in SIMULATED:
        if other != kind and other in params:
            raise refusal("parameter_unknown", f"Received unknown parameter: {other}. It is no {kind}.", param=other)
    card: Card | None = None
    details: dict[str, Any] = {}
    behaviour = GOOD
    if kind == "card":
        card, behaviour = card_of_request(act, params.get("card") or {}, "card")
    elif kind == "sepa_debit":
        details, behaviour = account_of_iban(params.get(kind) or {})
    elif kind == "us_bank_account":
        details, behaviour = _bank(params.get(kind) or {})
    kept = with_kept(kept_of(params, KEPT), {kind: details} if details else {})
    metadata = merged_metadata({}, params.get("metadata"))
    method = PaymentMethod(id=new_id(act.backend, "pm", id, act.task), created=act.now_s, type=kind, card=card, metadata=metadata, kept=kept)
    return _made(act, method, behaviour)


def _made(act: Act, method: PaymentMethod, behaviour: Behaviour) -> PaymentMethod:
    act.backend.cards.made_with(method.id, behaviour)
    made: PaymentMethod = act.put(method)
    return made


def card_of_request(act: Act, given: dict[str, Any], within: str) -> tuple[Card, Behaviour]:
    """A card by token or by number, and how it behaves; one that says no more than its brand and how it ends behaves well. Raises StripeError."""
    check(given, _CARD, within=within)
    token, number = given.get("token"), given.get("number")
    told: dict[str, Any] = {name: given[name] for name in ("brand", "last4", "exp_month", "exp_year") if name in given}
    if token:
        return card_by_token(act, token, f"{within}[token]", told)
    if not number:
        return Card(**told), GOOD
    check_card(act, given)
    return _told(card_of(number), given.get("exp_month", 12), given.get("exp_year", 2034)), behaviour_of_card(number)


def _told(told: dict[str, Any], month: int, year: int) -> Card:
    details = {name: told[name] for name in ("country", "funding", "checks")}
    return Card(told["brand"], told["last4"], month, year, details)


def check_card(act: Act, given: dict[str, Any]) -> None:
    """Raise StripeError for a card that cannot be (https://docs.stripe.com/testing#invalid-data). Its `param` is the field of a card form that is
    wrong, wherever in the request the card stands.
    """
    if not is_valid(given["number"]):
        code = "incorrect_number" if given["number"].isdigit() else "invalid_number"
        raise _card_error(code, "Your card number is incorrect.", "number")
    if not 1 <= given.get("exp_month", 1) <= 12:
        raise _card_error("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
    today = to_datetime(act.at_ms)
    told = given.get("exp_year", today.year)
    year = told + 2000 if told < 100 else told
    if not today.year <= year <= today.year + _FURTHEST_YEARS:
        raise _card_error("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year")
    if "exp_year" in given and (year, given.get("exp_month", 12)) < (today.year, today.month):
        raise _card_error("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
    cvc = given.get("cvc", "123")
    if not (cvc.isdigit() and 3 <= len(cvc) <= 4):
        raise _card_error("invalid_cvc", "Your card's security code is invalid.", "cvc")


def _card_error(code: str, message: str, param: str) -> StripeError:
    return StripeError(402, "card_error", code, message, param=param)


def card_by_token(act: Act, token: str, param: str, given: dict[str, Any] | None = None) -> tuple[Card, Behaviour]:
    """The card of a test token, and how it behaves. Raises StripeError for a token that is none."""
    number = number_of(token)
    if number is None and (part := wrong_part(token)) is not None:
        raise refusal("", f"There is a part of the token that is not valid: '{part}'.", param=param)
    if number is None or token.startswith(METHOD_TOKEN):
        raise refusal("resource_missing", f"No such token: {token!r}", param=param)
    card = _told(card_of(number), 12, 2034)
    return replace(card, **given) if given else card, behaviour_of_card(number)


def account_of_iban(given: dict[str, Any]) -> tuple[dict[str, Any], Behaviour]:
    """What is told of the account of an IBAN, and how debits of it go. Raises StripeError for one that is none, or cannot be debited."""
    check(given, _SEPA, within="sepa_debit")
    if "iban" not in given:
        return {}, GOOD
    iban = given["iban"].replace(" ", "").upper()
    if not is_iban(iban):
        raise refusal("invalid_bank_account_iban", "The IBAN you provided is invalid.", param="sepa_debit[iban]")
    if iban in REFUSED_IBANS:
        raise refusal(REFUSED_IBANS[iban], "The account behind this IBAN cannot be debited by SEPA.", param="sepa_debit[iban]")
    told = {"bank_code": iban[4:12], "branch_code": "", "country": iban[:2], "last4": iban[-4:]}
    # Any other account pays as the one does that succeeds.
    return told, IBANS.get(iban, IBANS[IBAN_NAMES["pm_sepaDebit_success_de"]])


def _bank(given: dict[str, Any]) -> tuple[dict[str, Any], Behaviour]:
    check(given, _BANK, within="us_bank_account")
    if "account_number" not in given:
        return {}, GOOD
    number, routing = given["account_number"], given.get("routing_number", ROUTING_NUMBER)
    if not (routing.isdigit() and len(routing) == 9):
        raise refusal("routing_number_invalid", f"Invalid routing number for US: {routing}", param="us_bank_account[routing_number]")
    if not (number.isdigit() and 4 <= len(number) <= 17):
        raise refusal("account_number_invalid", f"Invalid account number: {number}", param="us_bank_account[account_number]")
    told = {
        "account_holder_type": given.get("account_holder_type", "individual"), "account_type": given.get("account_type", "checking"),
        "last4": number[-4:], "routing_number": routing,
    }  # fmt: skip
    return told, US_ACCOUNTS.get(number, US_ACCOUNTS["000123456789"])


# -- tokens, and whose a payment method is


def usable(
    act: Act, id: str, customer: str | None, kind: str = "PaymentIntent", intent: PaymentIntent | SetupIntent | None = None
) -> PaymentMethod:
    """The payment method of this id, or a new one where a test token stands for one, that a request may use for a customer: for something of this
    kind, the `intent` where there is one already. Raises StripeError.
    """
    method = of_token(act, id) or act.backend.payment_method(id)
    if method.customer is not None and method.customer != customer:
        raise _of_another(method, customer, kind, intent)
    refuse_spent(act, method)
    return method


def _of_another(method: PaymentMethod, customer: str | None, kind: str, intent: PaymentIntent | SetupIntent | None) -> StripeError:
    message = f"The PaymentMethod {method.id} does not belong to the Customer you supplied {customer}."
    message = f"{message} Please use this PaymentMethod with the Customer that it belongs to instead."
    code, param = "", "payment_method"
    if customer is None:
        told = f"The payment method supplied ({method.id})"
        if kind == "PaymentIntent":
            # What the API says of it is older than payment methods are.
            told, code, param = f"The `payment_method` parameter supplied {method.id}", "parameter_missing", "source"
        message = f"{told} belongs to the Customer {method.customer}. Please include the Customer in the `customer` parameter on the {kind}."
    error = refusal(code, message, param=param)
    error.payment_intent = intent if isinstance(intent, PaymentIntent) else None
    error.setup_intent = intent if isinstance(intent, SetupIntent) else None
    return error


def of_token(act: Act, id: str) -> PaymentMethod | None:
    """A new payment method, where a test token asks for one: `pm_card_visa`, `pm_sepaDebit_success_de`, `pm_usBankAccount_success`."""
    params: dict[str, Any]
    if id.startswith(METHOD_TOKEN) and number_of(id):
        params = {"type": "card", "card": {"number": number_of(id), "exp_month": 12, "exp_year": 2034}}
    elif id in IBAN_NAMES:
        params = {"type": "sepa_debit", "sepa_debit": {"iban": IBAN_NAMES[id]}}
    elif id in US_NAMES:
        params = {"type": "us_bank_account", "us_bank_account": {"account_number": US_NAMES[id]}}
    else:
        return None
    return create(act, "", params)


def refuse_spent(act: Act, method: PaymentMethod) -> None:
    """Raise StripeError for a payment method that was detached, or used without a customer: it may not be used again."""
    if method.customer is None and act.backend.cards.is_spent(method.id):
        message = (
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account "
            "without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must "
            "attach it to a Customer first."
        )
        raise refusal("", message)


def no_return_url(intent: str) -> StripeError:
    """The refusal to confirm an intent that takes whatever the account has switched on, where nobody says where the customer is to return to."""
    return refusal(
        "",
        f"This {intent} is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your "
        "customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set "
        "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
        "Payment Intents.",
    )


def declined(decline: Decline) -> StripeError:
    """The refusal of a payment method by its bank."""
    return StripeError(402, "card_error", decline.code, decline.message, decline_code=decline.decline_code)


# -- by request


def retrieve(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """Raises StripeError (404)."""
    return of_token(act, id) or act.backend.payment_method(id)


def retrieve_of_customer(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """As `retrieve`, of a customer. Raises StripeError (404) where it is not attached to that one."""
    act.backend.customer(params["customer"])
    method = act.backend.payment_method(id)
    if method.customer != params["customer"]:
        raise refusal("resource_missing", f"No such PaymentMethod: {id!r}", 404, param="payment_method")
    return method


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """What is attached to a customer, newest first. Nothing where no customer is named: Stripe lists those of Treasury then."""
    customer = params.get("customer")
    if customer:
        act.backend.customer(customer)
    known: Iterable[PaymentMethod] = act.backend.every("payment_method", customer) if customer else ()
    kind, redisplay = params.get("type"), params.get("allow_redisplay")
    found = [each for each in known if kind in (None, "", each.type) and redisplay in (None, "", each.says("allow_redisplay", "unspecified"))]
    return page_of(act.backend, found, params, "/v1/payment_methods")


def list_of_customer(act: Act, id: str, params: dict[str, Any]) -> Page:
    """As `list_`, cards and sources of the older kind as payment methods among them."""
    customer = params["customer"]
    act.backend.customer(customer)
    known = [*act.backend.every("payment_method", customer), *[as_method(each) for each in act.backend.every("source", customer)]]
    found = [each for each in known if params.get("type") in (None, "", each.type)]
    return page_of(act.backend, found, params, f"/v1/customers/{customer}/payment_methods")


def update(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """Set what is given. Raises StripeError for one that is attached to nobody, and for a card or source of the older kind."""
    old = act.backend.payment_method(id)
    if act.backend.source(id) is not None:
        raise refusal("", f"{id} is a source: update it as one of its customer's sources.")
    if old.customer is None:
        message = "You must save this PaymentMethod to a customer before you can update it."
        raise refusal("payment_method_unexpected_state", message)
    fields: dict[str, Any] = {"kept": kept_of(params, KEPT, old.kept), "metadata": merged_metadata(old.metadata, params.get("metadata"))}
    if "card" in params:
        check(params["card"], _EXPIRES, within="card")
        if old.card is None:
            raise refusal("parameter_unknown", f"Received unknown parameter: card. It is no {old.type}.", param="card")
        given = {name: params["card"][name] for name in ("exp_month", "exp_year") if name in params["card"]}
        if given:
            check_card(act, {"number": "4242424242424242", "exp_month": old.card.exp_month, "exp_year": old.card.exp_year, **given})
        fields["card"] = replace(old.card, **given)
    updated: PaymentMethod = act.update("payment_method.updated", old, **fields)
    return updated


def attach(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """Attach to a customer. Raises StripeError where it is another's, where it may not be used again, and where its bank declines it (402)."""
    customer = act.backend.customer(params["customer"])
    old = of_token(act, id) or act.backend.payment_method(id)
    if old.customer == customer.id:
        return old
    if old.customer is not None:
        raise refusal("payment_method_unexpected_state", "The payment method you provided has already been attached to a customer.")
    refuse_spent(act, old)
    decline = refused(act, old.id)
    if decline is not None:
        raise declined(decline)
    return attached(act, old, customer.id)


def refused(act: Act, method: str) -> Decline | None:
    """Why the bank lets nobody keep a payment method, None where it does."""
    behaviour = act.backend.cards.number(method)
    return None if behaviour.attaches else behaviour.decline


def attached(act: Act, method: PaymentMethod, customer: str) -> PaymentMethod:
    """Attach what may be attached."""
    new: PaymentMethod = act.put(replace(method, customer=customer))
    act.emit("payment_method.attached", new)
    return new


def detach(act: Act, id: str, params: dict[str, Any]) -> PaymentMethod:
    """Take it from its customer for good, whose default it then no longer is. Raises StripeError where it has no customer."""
    old = act.backend.payment_method(id)
    if old.customer is None:
        raise refusal("payment_method_unexpected_state", "The payment method you provided is not attached to a customer so detachment is impossible.")
    owner = act.backend.customer(old.customer)
    new = replace(old, customer=None)
    if (source := act.backend.source(id)) is not None:
        act.remove(source)
    else:
        act.put(new)
    act.backend.cards.spend(id)
    act.emit("payment_method.detached", new, {"customer": owner.id})
    if owner.invoice_settings.default_payment_method == id:
        act.update("customer.updated", owner, invoice_settings=InvoiceSettings())
    return new


def from_data(act: Act, given: dict[str, Any], customer: str | None) -> PaymentMethod:
    """The payment method that a request describes in `payment_method_data`. Raises StripeError."""
    check(given, CREATE, ("type",), within="payment_method_data")
    return create(act, "", {name: value for name, value in given.items() if value is not msgspec.UNSET})
