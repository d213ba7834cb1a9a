"""Customers (https://docs.stripe.com/api/customers)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from billsim.stripe import customer_balances, payment_methods, sources
from billsim.stripe.backend import Act
from billsim.stripe.lists import PAGES, Page, page_of
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Customer, Deleted, InvoiceSettings, PaymentMethod, with_kept
from billsim.stripe.params import Types, check, kept_of, merged_metadata, refusal

_KEPT = (
    "address", "business_name", "description", "individual_name", "invoice_prefix", "phone", "preferred_locales", "shipping", "tax_exempt",
)  # fmt: skip
PARAMS: Types = {
    "name": str, "email": str, "metadata": dict, "invoice_settings": dict, "address": dict, "balance": int, "business_name": str,
    "description": str, "individual_name": str, "invoice_prefix": str, "next_invoice_sequence": int, "phone": str, "preferred_locales": list,
    "shipping": dict, "source": str | dict, "tax_exempt": ("", "exempt", "none", "reverse"), "validate": bool,
}  # fmt: skip
CREATE: Types = {**PARAMS, "payment_method": str, "test_clock": str}
UPDATE: Types = {**PARAMS, "default_source": str}
LIST: Types = {**PAGES, "created": int | dict, "email": str, "test_clock": str}
_SETTINGS: Types = {"default_payment_method": str, "custom_fields": list | str, "footer": str, "rendering_options": dict | str}
_SETTINGS_KEPT = ("custom_fields", "footer", "rendering_options")
_DEFAULT = "invoice_settings[default_payment_method]"


def create(act: Act, id: str, params: dict[str, Any]) -> Customer:
    """A new customer, with what it pays with where that is given. Raises StripeError; 402, and nothing is made, where a bank declines that."""
    settings, metadata = _settings(params), merged_metadata({}, params.get("metadata"))
    _check_email(params)
    method = payment_methods.usable(act, params["payment_method"], None, "Customer") if params.get("payment_method") else None
    decline = payment_methods.refused(act, method.id) if method is not None else None
    if decline is not None:
        raise payment_methods.declined(decline)
    asked = settings.get("default_payment_method")
    if asked and (method is None or asked not in (method.id, params["payment_method"])):
        raise refusal("parameter_invalid", "Invalid invoice_settings: a new customer has no payment method yet.", param=_DEFAULT)
    customer = Customer(
        id=new_id(act.backend, "cus", id, act.task),
        created=act.now_s,
        name=params.get("name"),
        email=params.get("email") or None,
        balance=params.get("balance") or 0,
        invoice_settings=InvoiceSettings(method.id) if asked and method is not None else InvoiceSettings(),
        metadata=metadata,
        kept=_kept({**params, "tax_exempt": params.get("tax_exempt") or "none"} if "tax_exempt" in params else params, settings, UNSET),
    )
    return _made(act, customer, params, method)


def _made(act: Act, customer: Customer, params: dict[str, Any], method: PaymentMethod | None) -> Customer:
    if params.get("source"):
        # Refused before the customer is there: nothing is made then.
        sources.require_good(act, params["source"])
    act.put(customer)
    act.emit("customer.created", customer)
    customer_balances.noted(act, customer.id, customer.balance, "initial")
    if method is not None:
        payment_methods.attached(act, method, customer.id)
    if params.get("source"):
        source = sources.add(act, customer, params["source"])
        act.update("customer.updated", customer, default_source=source.id)
    return act.backend.customer(customer.id)


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Customer | Deleted:
    """A deleted one is told to be so. Raises StripeError (404)."""
    return Deleted(id, "customer") if id in act.backend.deleted else act.backend.customer(id)


def update(act: Act, id: str, params: dict[str, Any]) -> Customer:
    """Set what is given. Raises StripeError where the default payment method or source is not the customer's."""
    old, settings = act.backend.customer(id), _settings(params)
    _check_email(params)
    fields: dict[str, Any] = {name: params[name] or None for name in ("name", "email") if name in params}
    if params.get("balance") not in (None, ""):
        fields["balance"] = params["balance"]
    if "default_payment_method" in settings:
        method = settings["default_payment_method"] or None
        fields["invoice_settings"] = InvoiceSettings(act.backend.owned_method(id, method) if method else None)
    fields["metadata"] = merged_metadata(old.metadata, params.get("metadata"))
    fields["kept"] = _kept(params, settings, old.kept)
    if params.get("source"):
        fields["default_source"] = _new_source(act, old, params["source"])
        old = act.backend.customer(id)
    elif params.get("default_source"):
        fields["default_source"] = _known_source(act, old, params["default_source"])
    updated: Customer = act.update("customer.updated", old, **fields)
    customer_balances.noted(act, id, updated.balance - old.balance, "adjustment", currency=updated.currency or "usd")
    return updated


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    settings = params.get("invoice_settings") or {}
    check(settings, _SETTINGS, within="invoice_settings")
    return dict(settings)


def _kept(params: dict[str, Any], settings: dict[str, Any], old: Any) -> Any:
    kept = kept_of(params, _KEPT, old)
    told = {name: settings[name] or None for name in _SETTINGS_KEPT if name in settings}
    if not told:
        return kept
    before = (kept or {}).get("invoice_settings") or {} if isinstance(kept, dict) else {}
    return with_kept(kept, {"invoice_settings": {**before, **told}})


def _check_email(params: dict[str, Any]) -> None:
    email = params.get("email")
    if email and ("@" not in email[1:-1] or any([sign.isspace() for sign in email])):
        raise refusal("email_invalid", f"Invalid email address: {email}", param="email")


def _new_source(act: Act, customer: Customer, given: Any) -> str:
    """A new source takes the place of the default one."""
    added = sources.add(act, customer, given)
    replaced = act.backend.source(customer.default_source or "")
    if replaced is not None and replaced.id != added.id:
        act.remove(replaced)
        act.emit("customer.source.deleted", replaced)
    return added.id


def _known_source(act: Act, customer: Customer, given: str) -> str:
    source = act.backend.source(given)
    if source is None or source.customer != customer.id:
        raise refusal("resource_missing", f"No such source: {given!r}", param="default_source")
    return source.id


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Customers, newest first; with `email` those of that address, in that case."""
    act.backend.wake("")
    found = [act.backend.books[each].customer for each in sorted(act.backend.books)]
    email = params.get("email")
    return page_of(act.backend, [each for each in found if each is not None and email in (None, "", each.email)], params, "/v1/customers")


def set_delinquent(act: Act, id: str, delinquent: bool) -> None:
    """`delinquent` follows the latest change of any invoice: an automatic failure or a due date sets it, a payment or a write-off clears it."""
    customer = act.backend.books[id].customer
    if customer is not None and customer.delinquent != delinquent:
        act.update("customer.updated", customer, delinquent=delinquent)
