"""Products and prices (https://docs.stripe.com/api/products, https://docs.stripe.com/api/prices)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Deleted, Recurring, StripeError
from tests.stripe.bench import START_S, Bench, whole

TEA = {"currency": "usd", "unit_amount": 500, "product": "prod_tea"}


def shop() -> Bench:
    bench = whole()
    bench.call("products.create", "prod_tea", {"name": "Tea", "description": "Green", "metadata": {"a": "b"}})
    bench.types()
    return bench


def refused(bench: Bench, method: str, id: str = "", params: dict[str, Any] | None = None) -> StripeError:
    with pytest.raises(StripeError) as told:
        bench.call(method, id, params)
    return told.value


def test_a_product_is_made_changed_and_deleted() -> None:
    bench = whole()
    made = bench.call("products.create", "", {"name": "Tea", "id": "prod_tea"})
    assert (made.id, made.name, made.active, made.created, made.updated) == ("prod_tea", "Tea", True, START_S, START_S)
    bench.at(60)
    changed = bench.call("products.update", "prod_tea", {"description": "Green", "active": False})
    assert (changed.says("description"), changed.active, changed.updated) == ("Green", False, START_S + 60)
    assert bench.event("product.updated").data.previous_attributes == {"active": True, "description": None, "updated": START_S}
    assert bench.call("products.delete", "prod_tea") == Deleted("prod_tea", "product")
    assert bench.types() == ["product.created", "product.updated", "product.deleted"]
    assert (refused(bench, "products.retrieve", "prod_tea").status, refused(bench, "products.delete", "prod_tea").param) == (404, "id")


def test_a_change_that_changes_nothing_is_no_event() -> None:
    bench = shop()
    bench.call("products.update", "prod_tea", {"name": "Tea", "metadata": {"a": "b"}})
    assert bench.types() == []
    assert bench.call("products.update", "prod_tea", {"description": "", "metadata": {"a": ""}}).says("description", "gone") is None


def test_a_product_with_prices_stays() -> None:
    bench = shop()
    bench.call("prices.create", "price_tea", TEA)
    assert "one or more user-created prices" in refused(bench, "products.delete", "prod_tea").message
    told = refused(bench, "products.create", "", {"name": "Tea", "id": "prod_tea"})
    assert told.code == "resource_already_exists"


def test_a_product_comes_with_its_price() -> None:
    bench = whole()
    params = {"name": "Tea", "default_price_data": {"currency": "eur", "unit_amount": 900, "recurring": {"interval": "week"}}}
    made = bench.call("products.create", "prod_tea", params)
    price = bench.call("prices.retrieve", made.says("default_price"))
    assert (price.product, price.currency, price.unit_amount, price.recurring) == ("prod_tea", "eur", 900, Recurring("week", 1))
    assert bench.types() == ["product.created", "price.created"]
    bench.call("prices.create", "price_other", {**TEA, "product_data": {"name": "Cake"}, "product": ""}, task="e/cake")
    assert refused(bench, "products.update", "prod_tea", {"default_price": "price_other"}).param == "default_price"


def test_a_price_is_for_once_or_recurs() -> None:
    bench = shop()
    once = bench.call("prices.create", "price_once", TEA)
    assert (once.type, once.recurring, once.product) == ("one_time", None, "prod_tea")
    often = bench.call("prices.create", "price_often", {**TEA, "recurring": {"interval": "month", "interval_count": 3}, "nickname": "quarterly"})
    assert (often.type, often.recurring, often.says("nickname")) == ("recurring", Recurring("month", 3), "quarterly")
    exact = bench.call("prices.create", "price_exact", {"currency": "usd", "product": "prod_tea", "unit_amount_decimal": "1250"})
    assert exact.unit_amount == 1250
    changed = bench.call("prices.update", "price_often", {"active": False, "nickname": "", "metadata": {"a": "b"}})
    assert (changed.active, changed.says("nickname", "gone"), changed.metadata) == (False, None, {"a": "b"})
    assert bench.types() == ["price.created", "price.created", "price.created", "price.updated"]


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"unit_amount": -1}, "parameter_invalid_integer", "unit_amount"),
        ({"product": ""}, "parameter_missing", "product"),
        ({"product": "prod_none"}, "resource_missing", "product"),
        ({"product_data": {"name": "Cake"}}, "parameters_exclusive", "product_data"),
        ({"recurring": {"interval": "fortnight"}}, "parameter_invalid", "recurring[interval]"),
        ({"recurring": {"interval_count": 2}}, "parameter_missing", "recurring[interval]"),
        ({"recurring": {"interval": "month", "interval_count": 0}}, "parameter_invalid_integer", "recurring[interval_count]"),
        ({"recurring": {"interval": "year", "interval_count": 4}}, "", "recurring[interval_count]"),
        ({"recurring": {"interval": "month", "usage_type": "metered"}}, "not_simulated", "recurring[usage_type]"),
        ({"tiers": [{"up_to": 1}]}, "not_simulated", "tiers"),
        ({"billing_scheme": "tiered"}, "not_simulated", "billing_scheme"),
        ({"currency": None}, "parameter_invalid", "currency"),
    ],
)
def test_a_price_that_cannot_be(changes: dict[str, Any], code: str, param: str) -> None:
    bench = shop()
    told = refused(bench, "prices.create", "", {**TEA, **changes})
    assert (told.status, told.code, told.param) == (400, code, param) and bench.types() == []


def test_a_lookup_key_is_one_prices() -> None:
    bench = shop()
    bench.call("prices.create", "price_1", {**TEA, "lookup_key": "tea"})
    assert refused(bench, "prices.create", "price_2", {**TEA, "lookup_key": "tea"}).param == "lookup_key"
    bench.call("prices.create", "price_2", {**TEA, "lookup_key": "tea", "transfer_lookup_key": True})
    assert [each.id for each in bench.call("prices.list", "", {"lookup_keys": ["tea"]}).data] == ["price_2"]
    assert bench.call("prices.retrieve", "price_1").says("lookup_key") is None


def test_lists_are_read_by_what_they_are_of() -> None:
    bench = shop()
    bench.call("products.create", "prod_cake", {"name": "Cake", "active": False, "url": "https://example.com"})
    bench.call("prices.create", "price_cake", {"currency": "eur", "unit_amount": 1, "product": "prod_cake", "recurring": {"interval": "day"}})
    bench.call("prices.create", "price_tea", TEA)

    def ids(method: str, **params: Any) -> list[str]:
        return [each.id for each in bench.call(method, "", params).data]

    assert ids("products.list") == ["prod_cake", "prod_tea"]
    assert ids("products.list", active=True) == ["prod_tea"] and ids("products.list", ids=["prod_cake"]) == ["prod_cake"]
    assert ids("products.list", url="https://example.com") == ["prod_cake"]
    assert ids("prices.list", product="prod_tea") == ["price_tea"] and ids("prices.list", type="one_time") == ["price_tea"]
    assert ids("prices.list", recurring={"interval": "day"}) == ["price_cake"] and ids("prices.list", currency="eur") == ["price_cake"]
    assert "price_pro_monthly" in ids("prices.list", active=True)


def test_in_a_world_nobody_hears_of_prices() -> None:
    bench = Bench()
    assert bench.call("prices.create", "price_x", {**TEA, "product": "zone_plan"}).recurring == Recurring("month", 1)
    bench.call("products.create", "prod_x", {"name": "X"})
    assert bench.types() == []
