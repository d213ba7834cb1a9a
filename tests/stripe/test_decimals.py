"""Prices of a fraction of a minor unit: an amount is rounded once it is known how many there are."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import StripeError
from tests.stripe.bench import DAY_S, Bench

MONTHLY = {"interval": "month"}


def selling(each: str) -> Bench:
    bench = Bench(whole=True)
    bench.call("products.create", "prod_calls", {"name": "Calls"}, task="e/test/product")
    price = {"currency": "usd", "product": "prod_calls", "unit_amount_decimal": each, "recurring": MONTHLY}
    bench.call("prices.create", "price_calls", price, task="e/test/price")
    return bench


def buy(bench: Bench, quantity: int) -> Any:
    items = [{"price": "price_calls", "quantity": quantity}]
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": items}, task="e/test/create")
    return bench.invoice("in_new_1")


COSTS = [("0.5", 3, 2), ("0.333", 1000, 333), ("12.345", 100, 1235), ("0.000000000001", 1, 0), ("7.0", 3, 21)]


@pytest.mark.parametrize(("each", "quantity", "amount"), COSTS)
def test_what_so_many_cost(each: str, quantity: int, amount: int) -> None:
    invoice = buy(selling(each), quantity)
    assert (invoice.total, invoice.status) == (amount, "paid")


def test_what_is_kept_of_it() -> None:
    bench = selling("0.50")
    assert bench.stripe.prices["price_calls"].says("unit_amount_decimal") == "0.5"
    assert buy(bench, 3).lines.data[0].says("pricing")["unit_amount_decimal"] == "0.5"
    assert selling("7").stripe.prices["price_calls"].unit_amount == 7


def test_a_change_gives_back_and_charges_whole_units() -> None:
    """A thousand at 0.333 are 333; 21 of 31 days are 225.58, and of twice as many, 666, 451.16."""
    bench = selling("0.333")
    buy(bench, 1000)
    bench.at(10 * DAY_S)
    bench.call("subscriptions.update", "sub_new", {"items": [{"id": "si_new", "quantity": 2000}]}, task="e/test/1")
    assert [item.amount for item in bench.book.invoice_items.values()] == [-226, 451]


def test_items_of_their_own() -> None:
    bench = Bench(whole=True)
    given = {"customer": "cus_ada", "currency": "usd", "unit_amount_decimal": "0.25", "quantity": 6}
    made = bench.call("invoice_items.create", "ii_calls", given, task="e/test/1")
    assert made.amount == 2 and made.says("pricing") == {"type": "price_details", "unit_amount_decimal": "0.25"}


@pytest.mark.parametrize("each", ["1.0000000000001", "x", "-1", "NaN", "1e40"])
def test_what_is_no_amount(each: str) -> None:
    with pytest.raises(StripeError) as refused:
        selling(each)
    assert refused.value.status == 400


def test_worlds_count_in_whole_units() -> None:
    with pytest.raises(StripeError) as refused:
        Bench().call("prices.create", "price_calls", {"currency": "usd", "product": "prod", "unit_amount_decimal": "0.5"})
    assert (refused.value.code, refused.value.param) == ("not_simulated", "unit_amount_decimal")
