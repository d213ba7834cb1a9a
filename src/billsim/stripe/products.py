"""Products (https://docs.stripe.com/api/products): what prices are prices of. They belong to no customer."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe import prices
from billsim.stripe.backend import Act
from billsim.stripe.lists import PAGES, Page, page_of
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Deleted, Product, with_kept
from billsim.stripe.params import Types, kept_of, merged_metadata, refusal

_KEPT = (
    "description", "images", "marketing_features", "package_dimensions", "shippable", "statement_descriptor", "tax_code", "unit_label", "url", "type",
)  # fmt: skip
_WHAT: Types = {
    "name": str, "active": bool, "metadata": dict, "description": str, "images": list, "marketing_features": list, "package_dimensions": dict,
    "shippable": bool, "statement_descriptor": str, "tax_code": str, "unit_label": str, "url": str,
}  # fmt: skip
CREATE: Types = {**_WHAT, "id": str, "default_price_data": dict, "type": ("good", "service")}
UPDATE: Types = {**_WHAT, "default_price": str}
LIST: Types = {**PAGES, "created": int | dict, "active": bool, "ids": list, "shippable": bool, "url": str, "type": str}


def create(act: Act, id: str, params: dict[str, Any]) -> Product:
    """A new product, and with `default_price_data` its price. Raises StripeError."""
    asked = params.get("id") or id
    product = Product(
        id=new_id(act.backend, "prod", asked, act.task),
        created=act.now_s,
        updated=act.now_s,
        name=params["name"],
        active=params.get("active", True),
        metadata=merged_metadata({}, params.get("metadata")),
        kept=kept_of(params, _KEPT),
    )
    act.backend.products[product.id] = product
    act.tell("product.created", product)
    if params.get("default_price_data"):
        price = prices.create(act, "", {**params["default_price_data"], "product": product.id})
        product = act.backend.products[product.id] = replace(product, kept=with_kept(product.kept, {"default_price": price.id}))
    return product


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Product:
    """Raises StripeError (404)."""
    return act.backend.product(id)


def update(act: Act, id: str, params: dict[str, Any]) -> Product:
    """Set what is given. Raises StripeError (404)."""
    old = act.backend.product(id)
    if params.get("default_price") and act.backend.price(params["default_price"]).product != id:
        raise refusal("", f"The price {params['default_price']} is no price of the product {id}.", param="default_price")
    fields: dict[str, Any] = {name: params[name] for name in ("name", "active") if params.get(name) not in (None, "")}
    fields["kept"] = kept_of(params, (*_KEPT, "default_price"), old.kept)
    fields["metadata"] = merged_metadata(old.metadata, params.get("metadata"))
    if all([getattr(old, name) == value for name, value in fields.items()]):
        return old
    fields["updated"] = act.now_s
    new = act.backend.products[id] = replace(old, **fields)
    act.tell("product.updated", new, old, fields)
    return new


def delete(act: Act, id: str, params: dict[str, Any]) -> Deleted:
    """Raises StripeError where it has prices."""
    old = act.backend.product(id)
    if any([price.product == id for price in act.backend.prices.values()]):
        raise refusal("", "This product cannot be deleted because it has one or more user-created prices.")
    del act.backend.products[id]
    act.tell("product.deleted", old)
    return Deleted(id, "product")


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Products, newest first."""
    found = [each for each in act.backend.products.values() if _fits(each, params)]
    return page_of(act.backend, found, params, "/v1/products")


def _fits(product: Product, params: dict[str, Any]) -> bool:
    ids, shippable, url = params.get("ids"), params.get("shippable"), params.get("url")
    return (
        params.get("active") in (None, "", product.active)
        and (not ids or product.id in ids)
        and (shippable in (None, "") or bool(product.says("shippable", False)) == shippable)
        and (url in (None, "") or product.says("url") == url)
    )
