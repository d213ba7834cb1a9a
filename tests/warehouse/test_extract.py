"""What of stores and Stripe becomes a row of which raw table, and who is taken again."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from billsim.stores.base import Stores
from billsim.stripe.objects import Book, Price
from billsim.warehouse.extract import Delta, Extract
from billsim.warehouse.tables import STRIPE_CHARGES, STRIPE_INVOICES, SUBS_ACCOUNT, TABLES, WWW_ZONES
from tests.warehouse.hand import YEARLY, platform

SECOND = 1_000_000
# Every column of the hand-made account, instants in microseconds.
ADA: dict[str, list[tuple[Any, ...]]] = {
    "stripe_customers": [
        ("cus_ada", 90 * SECOND, "Ada", "ada@example.com", None, -5, False, "pm_ada", "paypal", '{"bad_debt":"true","account_type":"self_serve"}')
    ],
    "stripe_subscriptions": [
        (
            "sub_ada", 100 * SECOND, "cus_ada", "past_due", "usd", "charge_automatically", None, None, "in_ada_1", 100 * SECOND, 100 * SECOND,
            100 * SECOND, 200 * SECOND, False, 190 * SECOND, None, None, '{"expires_at":7}', "{}",
        )
    ],
    "stripe_subscription_items": [
        ("si_ada", 100 * SECOND, "sub_ada", "cus_ada", "price_pro_monthly", "zone_plan", 2000, "month", 2, "{}"),
    ],
    "stripe_prices": [("price_pro_monthly", 50 * SECOND, True, "usd", "zone_plan", 2000, "month", 1, "{}")],
    "stripe_invoices": [
        (
            "in_ada_1", 100 * SECOND, "cus_ada", "sub_ada", "open", "subscription_cycle", "charge_automatically", "usd", 4000, 4000, 500, 3500, 1,
            True, None, 150 * SECOND, 100 * SECOND, 200 * SECOND, 101 * SECOND, None, None, None, "pi_ada_1", "requires_payment_method",
            '{"bad_debt_amount":"3500"}',
        )
    ],
    "stripe_charges": [
        (
            "ch_ada_1.1", 102 * SECOND, "cus_ada", "in_ada_1", "pi_ada_1", "pm_ada", "paypal", 4000, 0, "usd", "failed", False, False, False,
            "card_declined", "{}",
        )
    ],
    "ope_subscriptions": [("ada", "ope_ada", "active", "month", "sub_ada", "req", 300 * SECOND, "year", False, True)],
    "ope_items": [
        ("ada", "ope_ada", "current", "zone_plan", "pro_monthly", 2000, 2),
        ("ada", "ope_ada", "scheduled", "zone_plan", "pro_yearly", 20000, 1),
    ],
    "www_zones": [("ada", "ada.example", "pro_monthly")],
    "subs_account": [("ada", "Ada", None, "US", "self_serve", 32768)],
    "subs_dunning": [("ada", "bad_debt", 8, 3, 400 * SECOND, "[]", '["in_ada_1/bad_debt"]', 500 * SECOND)],
    "subs_customer": [("ada", "cus_ada", "pro_monthly", False, None, None)],
    "cf_prod": [("ada", "zone_plan", "free")],
    "billing_prod": [("ada", "k", 1, "invoice", "in_ada_1", "open", "usd", 4000, 500, 3500)],
}  # fmt: skip

Held = tuple[Stores, dict[str, Book], dict[str, Price]]


@pytest.fixture
def held() -> Held:
    return platform("ada", "bob")


def changed(deltas: list[Delta]) -> dict[str, tuple[list[str] | None, int]]:
    """By table that has moved: whose rows, and how many there are now."""
    return {d.table.name: (None if d.owners is None else list(d.owners), len(d.rows)) for d in deltas if d.owners is None or d.owners}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_means(table: Any) -> None:
    (delta,) = Extract(*platform()).take([table])
    assert list(delta.rows) == ADA[table.name]
    kinds = {"STRING": str, "INT64": int, "BOOL": bool, "TIMESTAMP": int}
    for column, value in zip(table.columns, delta.rows[0], strict=True):
        assert value is None or type(value) is kinds[column.type], column
    if table.owner:
        assert delta.rows[0][table.column_names.index(table.owner_column)] == {"account": "ada", "customer": "cus_ada"}[table.owner]


def test_the_first_look_takes_everybody_and_the_next_nobody(held: Held) -> None:
    extract = Extract(*held)
    first = changed(extract.take())
    assert len(first) == len(TABLES) and first["subs_account"] == (["ada", "bob"], 2) and first["stripe_prices"] == (None, 1)
    assert changed(extract.take()) == {}


def test_a_write_makes_its_account_taken_again_and_no_customer(held: Held) -> None:
    extract = Extract(*held)
    extract.take()
    held[0].write("engine", "subs_account", "bob", None, {"flags": 0}, 1)
    deltas = extract.take()
    assert set(changed(deltas)) == {table.name for table in TABLES if table.owner == "account"}
    assert next(d for d in deltas if d.table is SUBS_ACCOUNT).rows == [("bob", "Ada", None, "US", "self_serve", 0)]


def test_each_shelf_of_a_customer_counts(held: Held) -> None:
    extract = Extract(*held)
    extract.take()
    for shelf in ("subscriptions", "invoices", "charges", "payment_intents", "payment_methods"):
        setattr(held[1]["cus_ada"], shelf, dict(getattr(held[1]["cus_ada"], shelf)))
        found = changed(extract.take())
        assert found["stripe_invoices"] == (["cus_ada"], 1) and "subs_account" not in found, shelf


def test_a_customer_who_is_deleted_has_no_row_and_keeps_the_invoices(held: Held) -> None:
    extract = Extract(*held)
    extract.take()
    held[1]["cus_ada"].customer = None
    found = changed(extract.take())
    assert found["stripe_customers"] == (["cus_ada"], 0) and found["stripe_invoices"] == (["cus_ada"], 1)


def test_who_has_left_is_taken_with_no_rows(held: Held) -> None:
    extract = Extract(*held)
    extract.take()
    held[0].forget("ada")
    del held[1]["cus_ada"]
    found = changed(extract.take())
    assert found["subs_account"] == (["ada"], 0) and found["stripe_charges"] == (["cus_ada"], 0)
    assert changed(extract.take()) == {}


def test_a_new_price_brings_all_prices(held: Held) -> None:
    extract = Extract(*held)
    extract.take()
    held[2][YEARLY.id] = YEARLY
    assert changed(extract.take()) == {"stripe_prices": (None, 2)}


def test_tables_that_are_taken_apart_each_take_what_came_since(held: Held) -> None:
    extract = Extract(*held)
    extract.take()
    held[0].write("engine", "subs_account", "ada", None, {"flags": 1}, 1)
    assert changed(extract.take([SUBS_ACCOUNT])) == {"subs_account": (["ada"], 1)}
    held[0].write("engine", "subs_account", "bob", None, {"flags": 2}, 2)
    assert changed(extract.take([WWW_ZONES])) == {"www_zones": (["ada", "bob"], 2)}
    assert changed(extract.take([SUBS_ACCOUNT])) == {"subs_account": (["bob"], 1)}


def test_a_charge_without_an_invoice_or_a_method_says_neither(held: Held) -> None:
    book = held[1]["cus_ada"]
    (charge,) = book.charges.values()
    book.charges = {charge.id: replace(charge, payment_intent=None, payment_method=None)}
    (delta,) = Extract(*held).take([STRIPE_CHARGES])
    assert dict(zip(STRIPE_CHARGES.column_names, delta.rows[0], strict=True)).items() >= {"invoice": None, "payment_method_type": None}.items()


def test_the_latest_payment_of_an_invoice_tells_how_it_stands(held: Held) -> None:
    book = held[1]["cus_ada"]
    (invoice,), (intent,) = book.invoices.values(), book.payment_intents.values()
    second = replace(invoice.payments[0], payment_intent="pi_2")
    book.invoices = {invoice.id: replace(invoice, payments=(*invoice.payments, second))}
    book.payment_intents = {**book.payment_intents, "pi_2": replace(intent, id="pi_2", status="processing")}
    (delta,) = Extract(*held).take([STRIPE_INVOICES])
    assert delta.rows[0][-3:-1] == ("pi_2", "processing")
