"""Products and prices, and what older integrations read instead of a price: its plan."""

from __future__ import annotations

from typing import Any

from billsim.stripe.objects import Price, Product
from billsim.stripe.pricing import DECIMAL
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.parts import decimal


def product(thing: Product, view: View) -> Rendered:
    """https://docs.stripe.com/api/products/object"""
    says = thing.says
    return {
        "id": thing.id,
        "object": "product",
        "active": thing.active,
        "created": thing.created,
        "default_price": says("default_price"),
        "description": says("description"),
        "images": list(says("images") or ()),
        "livemode": view.livemode,
        "marketing_features": list(says("marketing_features") or ()),
        "metadata": thing.metadata,
        "name": thing.name,
        "package_dimensions": says("package_dimensions"),
        "shippable": says("shippable"),
        "statement_descriptor": says("statement_descriptor"),
        "tax_code": says("tax_code"),
        "type": says("type") or "service",
        "unit_label": says("unit_label"),
        "updated": thing.updated or thing.created,
        "url": says("url"),
    }


def price(thing: Price, view: View) -> Rendered:
    """https://docs.stripe.com/api/prices/object"""
    says, recurring = thing.says, thing.recurring
    return {
        "id": thing.id,
        "object": "price",
        "active": thing.active,
        "billing_scheme": "per_unit",
        "created": thing.created,
        "currency": thing.currency,
        "custom_unit_amount": None,
        "livemode": view.livemode,
        "lookup_key": says("lookup_key"),
        "metadata": thing.metadata,
        "nickname": says("nickname"),
        "product": thing.product,
        "recurring": None
        if recurring is None
        else {
            "interval": recurring.interval,
            "interval_count": recurring.interval_count,
            "meter": None,
            "trial_period_days": says("trial_period_days"),
            "usage_type": "licensed",
        },
        "tax_behavior": says("tax_behavior") or "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": thing.type,
        **_unit(thing),
    }


def _unit(thing: Price) -> Rendered:
    exact = thing.says(DECIMAL)
    return {"unit_amount": thing.unit_amount if exact is None else None, "unit_amount_decimal": exact or decimal(thing.unit_amount)}


def plan(thing: Price, view: View) -> Rendered:
    """A recurring price as the plan that it once was: https://docs.stripe.com/api/plans/object"""
    recurring, exact = thing.recurring, thing.says(DECIMAL)
    return {
        "id": thing.id,
        "object": "plan",
        "active": thing.active,
        "amount": thing.unit_amount if exact is None else None,
        "amount_decimal": exact or decimal(thing.unit_amount),
        "billing_scheme": "per_unit",
        "created": thing.created,
        "currency": thing.currency,
        "interval": recurring.interval if recurring else "month",
        "interval_count": recurring.interval_count if recurring else 1,
        "livemode": view.livemode,
        "metadata": thing.metadata,
        "meter": None,
        "nickname": thing.says("nickname"),
        "product": thing.product,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": thing.says("trial_period_days"),
        "usage_type": "licensed",
    }


def currency_options(thing: Price, view: View) -> Any:
    """The price in each of its currencies, of which it has one."""
    option = {
        "custom_unit_amount": None,
        "tax_behavior": thing.says("tax_behavior") or "unspecified",
        **_unit(thing),
    }
    return {thing.currency: option}
