"""What a request says of an invoice item or of a line of a draft: what it costs, for when, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from billsim.stripe import pricing
from billsim.stripe.backend import Act
from billsim.stripe.objects import InvoiceItem, Period, Price, with_kept
from billsim.stripe.params import Types, check, kept_of, merged_metadata, refusal

# What is only told back.
KEPT = ("discountable",)
CHANGED: Types = {
    "amount": int,
    "description": str,
    "quantity": int,
    "pricing": dict,
    "price_data": dict,
    "period": dict,
    "discountable": bool,
    "metadata": dict,
}
_PERIOD: Types = {"start": int, "end": int}
_AMOUNTS = ("amount", "pricing", "price_data", "unit_amount_decimal")


def amount_of(act: Act, params: Mapping[str, Any], currency: str | None, quantity: int, path: str = "") -> tuple[int, Price | None]:
    """What a request says that an item costs: an amount, or so many of a one-time price. Raises StripeError."""
    given = [name for name in _AMOUNTS if params.get(name) is not None]
    prefix = f"{path}[{given[-1]}]" if path and given else (given[-1] if given else "amount")
    if len(given) != 1:
        text = "You may only specify one of these parameters" if given else "You must specify one of these parameters"
        raise refusal("parameters_exclusive" if given else "parameter_missing", f"{text}: {', '.join(given or _AMOUNTS)}.", param=prefix)
    if quantity < 0:
        raise refusal("parameter_invalid_integer", "This value must be greater than or equal to 0.", param="quantity")
    if given == ["amount"]:
        return int(params["amount"]), None
    if given == ["unit_amount_decimal"]:
        return pricing.rounded(pricing.decimal_of(params["unit_amount_decimal"], prefix) * quantity), None
    named = {"price": params["pricing"].get("price")} if given == ["pricing"] else {"price_data": params["price_data"]}
    price = pricing.price_for(act.backend, named, path or "pricing", act.task, recurs=False)
    if currency and price.currency != currency:
        raise refusal("parameter_invalid", f"The price {price.id} is in {price.currency}, not in {currency}.", param=prefix)
    return pricing.cost(price, quantity), price


def priced(params: Mapping[str, Any], price: Price | None) -> dict[str, Any]:
    """What an item or a line keeps of what it is priced by, where the amount alone does not tell."""
    if price is not None:
        return {"pricing": pricing.details_of(price)}
    each = params.get("unit_amount_decimal")
    return {"pricing": {"type": "price_details", "unit_amount_decimal": str(each)}} if each is not None else {}


def period_of(params: Mapping[str, Any], now_s: int, old: Period | None = None) -> Period:
    """The period that a request gives. Raises StripeError."""
    given = params.get("period")
    if given is None:
        return old or Period(now_s, now_s)
    check(given, _PERIOD, ("start", "end"), within="period")
    if given["end"] < given["start"]:
        raise refusal("parameter_invalid", "The period's end must not be before its start.", param="period[end]")
    return Period(given["start"], given["end"])


def changed(act: Act, old: InvoiceItem, params: Mapping[str, Any]) -> InvoiceItem:
    """An item with what a request sets. Raises StripeError."""
    fields: dict[str, Any] = {"metadata": merged_metadata(old.metadata, params.get("metadata")), "kept": kept_of(params, KEPT, old.kept)}
    if old.proration and any(params.get(name) is not None for name in (*_AMOUNTS, "quantity")):
        raise refusal("parameter_invalid", "You cannot change the amount or the quantity of a proration.", param="amount")
    if any(params.get(name) is not None for name in _AMOUNTS):
        quantity = params.get("quantity", old.quantity)
        fields["amount"], price = amount_of(act, params, old.currency, quantity)
        fields["quantity"] = quantity
        fields["kept"] = with_kept(fields["kept"], {"pricing": None, **priced(params, price)})
        pricing.keep(act, [price] if price is not None else [])
    elif params.get("quantity") is not None:
        fields |= {"quantity": params["quantity"], "amount": old.amount // max(old.quantity, 1) * params["quantity"]}
    if "description" in params:
        fields["description"] = params["description"] or None
    return replace(old, period=period_of(params, act.now_s, old.period), **fields)
