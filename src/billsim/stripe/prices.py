"""Prices (https://docs.stripe.com/api/prices): what a subscription's item costs, and how often. They belong to no customer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from billsim.stripe import pricing
from billsim.stripe.backend import Act
from billsim.stripe.lists import PAGES, Page, page_of
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Price, Product, Recurring, with_kept
from billsim.stripe.params import Types, check, kept_of, merged_metadata, refusal
from billsim.stripe.pricing import check_interval

INTERVALS = ("day", "week", "month", "year")
_KEPT = ("nickname", "lookup_key", "tax_behavior")
_TAX = ("exclusive", "inclusive", "unspecified")
CREATE: Types = {
    "currency": str, "product": str, "product_data": dict, "unit_amount": int, "unit_amount_decimal": str | Decimal | int, "recurring": dict,
    "metadata": dict, "active": bool, "nickname": str, "lookup_key": str, "transfer_lookup_key": bool, "tax_behavior": _TAX,
    "billing_scheme": ("per_unit", "tiered"), "tiers": list, "tiers_mode": str, "custom_unit_amount": dict, "transform_quantity": dict,
    "currency_options": dict,
}  # fmt: skip
UPDATE: Types = {
    "active": bool, "metadata": dict, "nickname": str, "lookup_key": str, "transfer_lookup_key": bool, "tax_behavior": _TAX,
}  # fmt: skip
LIST: Types = {
    **PAGES, "created": int | dict, "active": bool, "currency": str, "product": str, "type": ("one_time", "recurring"), "lookup_keys": list,
    "recurring": dict,
}  # fmt: skip
_RECURRING: Types = {
    "interval": INTERVALS, "interval_count": int, "usage_type": ("licensed", "metered"), "meter": str, "trial_period_days": int,
}  # fmt: skip
_FILTER: Types = {"interval": INTERVALS, "usage_type": ("licensed", "metered"), "meter": str}
_PRODUCT: Types = {
    "name": str, "id": str, "active": bool, "metadata": dict, "statement_descriptor": str, "tax_code": str, "unit_label": str,
}  # fmt: skip
# What a price may be besides so much for each, and is not here.
_NOT_SIMULATED = ("tiers", "tiers_mode", "custom_unit_amount", "transform_quantity", "currency_options")


def create(act: Act, id: str, params: dict[str, Any]) -> Price:
    """A price, recurring where `recurring` is given; where it is not said at all, as worlds do, monthly. Raises StripeError."""
    _refuse(params)
    price = Price(
        id=new_id(act.backend, "price", id, act.task),
        created=act.now_s,
        active=params.get("active", True),
        currency=params["currency"].lower(),
        product=_product(act, params),
        metadata=merged_metadata({}, params.get("metadata")),
        **_recurs(act, params),
        **pricing.unit_fields(act.backend, _amount(params), _kept(params), pricing.DECIMAL),
    )
    _take_key(act, price, params)
    act.backend.prices[price.id] = price
    act.tell("price.created", price)
    return price


def _refuse(params: dict[str, Any]) -> None:
    for name in _NOT_SIMULATED:
        if params.get(name):
            raise refusal("not_simulated", f"billsim does not simulate `{name}`.", param=name)
    if params.get("billing_scheme") == "tiered":
        raise refusal("not_simulated", "billsim does not simulate `billing_scheme=tiered`.", param="billing_scheme")


def _recurs(act: Act, params: dict[str, Any]) -> dict[str, Any]:
    recurring = params.get("recurring")
    if recurring is None and act.backend.is_whole:
        return {"type": "one_time", "recurring": None}
    recurring = dict(recurring or {})
    check(recurring, _RECURRING, ("interval",) if act.backend.is_whole else (), within="recurring")
    if recurring.pop("usage_type", "licensed") != "licensed" or recurring.pop("meter", None):
        raise refusal("not_simulated", "billsim does not simulate metered prices.", param="recurring[usage_type]")
    recurring.pop("trial_period_days", None)  # kept beside it: `_kept`
    check_interval(recurring, "recurring")
    return {"recurring": Recurring(**recurring)}


def _kept(params: dict[str, Any]) -> Any:
    days = (params.get("recurring") or {}).get("trial_period_days")
    if days is not None and not 0 <= days <= pricing.LONGEST_TRIAL_DAYS:
        message = f"Invalid trial_period_days: it must be between 0 and {pricing.LONGEST_TRIAL_DAYS}."
        raise refusal("parameter_invalid_integer", message, param="recurring[trial_period_days]")
    return with_kept(kept_of(params, _KEPT), {"trial_period_days": days} if days else {})


def _amount(params: dict[str, Any]) -> Decimal:
    if "unit_amount" in params:
        amount = Decimal(params["unit_amount"])
    elif params.get(pricing.DECIMAL) is not None:
        amount = pricing.decimal_of(params[pricing.DECIMAL], pricing.DECIMAL)
    else:
        raise refusal("parameter_missing", "Missing required param: unit_amount.", param="unit_amount")
    if amount < 0:
        raise refusal("parameter_invalid_integer", "This value must be greater than or equal to 0.", param="unit_amount")
    return amount


def _product(act: Act, params: dict[str, Any]) -> str:
    if params.get("product_data"):
        data = params["product_data"]
        if params.get("product"):
            raise refusal("parameters_exclusive", "You may only specify one of these parameters: product, product_data.", param="product_data")
        check(data, _PRODUCT, ("name",), within="product_data")
        made = Product(
            id=new_id(act.backend, "prod", data.get("id") or "", act.task),
            created=act.now_s,
            updated=act.now_s,
            name=data["name"],
            active=data.get("active", True),
            metadata=merged_metadata({}, data.get("metadata")),
            kept=kept_of(data, ("statement_descriptor", "tax_code", "unit_label")),
        )
        act.backend.products[made.id] = made
        act.tell("product.created", made)
        return made.id
    product = params.get("product") or ""
    if not product:
        raise refusal("parameter_missing", "Missing required param: product.", param="product")
    if act.backend.is_whole:
        act.backend.product(product)
    return str(product)


def _take_key(act: Act, price: Price, params: dict[str, Any]) -> None:
    """A lookup key belongs to one price; it is taken from another where that is asked for."""
    key = params.get("lookup_key")
    holder = next((each for each in act.backend.prices.values() if each.says("lookup_key") == key and each.id != price.id), None) if key else None
    if holder is None:
        return
    if not params.get("transfer_lookup_key"):
        raise refusal("", f"A price (`{holder.id}`) already uses that lookup key.", param="lookup_key")
    act.backend.prices[holder.id] = replace(holder, kept=kept_of({"lookup_key": None}, ("lookup_key",), holder.kept))


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Price:
    """Raises StripeError (404)."""
    return act.backend.price(id)


def update(act: Act, id: str, params: dict[str, Any]) -> Price:
    """Set what is given; what it costs cannot be changed. Raises StripeError (404)."""
    old = act.backend.price(id)
    _take_key(act, old, params)
    fields: dict[str, Any] = {"kept": kept_of(params, _KEPT, old.kept), "metadata": merged_metadata(old.metadata, params.get("metadata"))}
    if params.get("active") not in (None, ""):
        fields["active"] = params["active"]
    if all([getattr(old, name) == value for name, value in fields.items()]):
        return old
    new = act.backend.prices[id] = replace(old, **fields)
    act.tell("price.updated", new, old, fields)
    return new


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Prices, newest first."""
    if params.get("recurring"):
        check(params["recurring"], _FILTER, within="recurring")
    found = [each for each in act.backend.prices.values() if _fits(each, params)]
    return page_of(act.backend, found, params, "/v1/prices")


def _fits(price: Price, params: dict[str, Any]) -> bool:
    keys, interval = params.get("lookup_keys"), (params.get("recurring") or {}).get("interval")
    return (
        all([params.get(name) in (None, "", getattr(price, name)) for name in ("active", "currency", "product", "type")])
        and (not keys or price.says("lookup_key") in keys)
        and (interval is None or (price.recurring is not None and price.recurring.interval == interval))
    )
