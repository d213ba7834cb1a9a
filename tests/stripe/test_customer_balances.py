"""What moves a customer's credit balance, one by one (https://docs.stripe.com/billing/customer/balance)."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import StripeError
from tests.stripe.bench import Bench, whole


def moves(bench: Bench, **params: Any) -> list[tuple[str, int, int]]:
    """The type, amount and ending balance of each, oldest first."""
    found = bench.call("customers.balance_transactions.list", "", {"customer": "cus_ada", **params}).data
    return [(each.type, each.amount, each.ending_balance) for each in found][::-1]


def given(bench: Bench, amount: int, id: str = "cbtxn_1", **params: Any) -> Any:
    told = {"customer": "cus_ada", "amount": amount, "currency": "usd", **params}
    return bench.call("customers.balance_transactions.create", id, told, task=f"e/give/{id}")


def billed(bench: Bench, amount: int) -> None:
    """Ada is to pay so much by `in_1`."""
    bench.call("invoices.create", "in_1", {"customer": "cus_ada", "pending_invoice_items_behavior": "exclude"}, task="e/1")
    bench.call("invoice_items.create", "ii_1", {"customer": "cus_ada", "invoice": "in_1", "amount": amount, "currency": "usd"}, task="e/2")
    bench.call("invoices.finalize_invoice", "in_1", {}, task="e/3")


def test_the_balance_moves_with_it() -> None:
    bench = whole()
    made = given(bench, -500, description="sorry", metadata={"why": "late"})
    assert (made.amount, made.ending_balance, made.type) == (-500, -500, "adjustment")
    assert (made.says("description"), made.metadata) == ("sorry", {"why": "late"})
    customer = bench.call("customers.retrieve", "cus_ada")
    assert (customer.balance, customer.currency) == (-500, "usd")
    assert bench.types() == ["customer.updated"]
    given(bench, 200, "cbtxn_2")
    assert moves(bench) == [("adjustment", -500, -500), ("adjustment", 200, -300)]


def test_an_invoice_takes_of_it_and_gives_it_back_when_void() -> None:
    bench = whole()
    given(bench, -500)
    billed(bench, 800)
    assert bench.invoice("in_1").amount_due == 300
    bench.call("invoices.void_invoice", "in_1", {}, task="e/void")
    of_it = [("applied_to_invoice", 500, 0), ("unapplied_from_invoice", -500, -500)]
    assert moves(bench) == [("adjustment", -500, -500), *of_it]
    assert moves(bench, invoice="in_1") == of_it


def test_an_update_and_a_credit_note_are_told_too() -> None:
    bench = whole()
    bench.call("customers.update", "cus_ada", {"balance": -100}, task="e/set")
    bench.call("customers.update", "cus_ada", {"name": "Ada"}, task="e/name")
    billed(bench, 800)
    bench.call("invoices.pay", "in_1", {}, task="e/pay")
    note = bench.call("credit_notes.create", "", {"invoice": "in_1", "amount": 300, "credit_amount": 300}, task="e/note")
    assert moves(bench) == [("adjustment", -100, -100), ("applied_to_invoice", 100, 0), ("credit_note", -300, -300)]
    assert bench.call("customers.balance_transactions.list", "", {"customer": "cus_ada", "limit": 1}).data[0].credit_note == note.id


def test_a_customer_may_begin_with_one() -> None:
    bench = whole()
    bench.call("customers.create", "cus_bob", {"balance": -100})
    found = bench.call("customers.balance_transactions.list", "", {"customer": "cus_bob"}).data
    assert [(each.type, each.amount, each.ending_balance) for each in found] == [("initial", -100, -100)]
    bench.call("customers.create", "cus_eve", {}, task="e/eve")
    assert bench.call("customers.balance_transactions.list", "", {"customer": "cus_eve"}).data == ()


def test_only_what_is_told_of_it_can_be_changed() -> None:
    bench = whole()
    given(bench, -500)
    told = {"customer": "cus_ada", "description": "sorry", "metadata": {"a": "b"}}
    changed = bench.call("customers.balance_transactions.update", "cbtxn_1", told)
    assert (changed.says("description"), changed.metadata, changed.amount) == ("sorry", {"a": "b"}, -500)
    assert bench.call("customers.balance_transactions.retrieve", "cbtxn_1", {"customer": "cus_ada"}) == changed


@pytest.mark.parametrize(
    ("verb", "params", "status", "code", "param"),
    [
        ("create", {"customer": "cus_ada", "amount": 1}, 400, "parameter_missing", "currency"),
        ("create", {"customer": "cus_ada", "amount": 1, "currency": "eur"}, 400, "", "currency"),
        ("create", {"customer": "cus_none", "amount": 1, "currency": "usd"}, 400, "resource_missing", "customer"),
        ("retrieve", {"customer": "cus_ada"}, 404, "resource_missing", "id"),
        ("update", {"customer": "cus_ada", "amount": 1}, 400, "parameter_unknown", "amount"),
        ("list", {"customer": "cus_ada", "starting_after": "cbtxn_none"}, 400, "resource_missing", "starting_after"),
    ],
)
def test_what_is_refused(verb: str, params: dict[str, Any], status: int, code: str, param: str) -> None:
    bench = whole()
    given(bench, -500)
    id = "" if verb in ("create", "list") else "cbtxn_none"
    with pytest.raises(StripeError) as refused:
        bench.call(f"customers.balance_transactions.{verb}", id, params, task="e/refused")
    assert (refused.value.status, refused.value.code, refused.value.param) == (status, code, param)
    assert moves(bench) == [("adjustment", -500, -500)]
