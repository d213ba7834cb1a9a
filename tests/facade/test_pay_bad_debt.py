"""The isolated endpoint pays what is owed, once, and leaves the rest to recompute."""

from __future__ import annotations

import pytest

from billsim.engines import load_engine
from billsim.ports import CallStripe, CompareAndSet, Effect, Sleep, Start, Write
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis

OWED = {"id": "in_ada_1", "failed": [0, 1, 3, 5, 7, 9, 11, 14]}


def world(*invoices: dict[str, object], day: float = 22) -> Driver:
    return Driver(load_engine("recompute"), shard_of(now=day, invoices=list(invoices)), millis(day))


def pay(driver: Driver, invoice: str = "in_ada_1", **body: object) -> list[str]:
    """The Stripe requests that paying made."""
    driver.run("pay_bad_debt", message("request.pay", invoice=invoice, **body))
    return [call.method for call in driver.performed(CallStripe) if call.method.startswith("invoices.") and call.method != "invoices.update"]


def test_pays_and_lets_the_brain_look() -> None:
    driver = world(OWED)
    assert pay(driver) == ["invoices.retrieve", "invoices.pay"]
    assert driver.book.invoices["in_ada_1"].status == "paid"
    assert [(start.component, start.kind) for start in driver.performed(Start)][0] == ("dunning_brain", "request.recompute")
    assert driver.shard.one("subs_dunning").done == ("in_ada_1/recovered",)


def test_writes_no_store_itself() -> None:
    driver = world(OWED)
    started: list[Effect] = []

    def until_the_brain(effect: Effect) -> None:
        if isinstance(effect, Start):
            started.append(effect)
        assert started or not isinstance(effect, Write | CompareAndSet)

    driver.before = until_the_brain
    pay(driver)
    assert started


def test_one_request_delivered_twice_pays_once() -> None:
    driver = world(OWED)
    pay(driver)
    first = next(call.idempotency_key for call in driver.performed(CallStripe) if call.method == "invoices.pay")
    driver.book.invoices["in_ada_1"] = shard_of(invoices=[OWED]).stripe.invoices["in_ada_1"]
    pay(driver)
    keys = [call.idempotency_key for call in driver.performed(CallStripe) if call.method == "invoices.pay"]
    assert keys == [first, first]
    assert driver.book.invoices["in_ada_1"].status == "open"


@pytest.mark.parametrize(
    "invoice",
    [
        {"id": "in_ada_1", "paid": 20},
        {"id": "in_ada_1", "failed": [0], "void": 20},
        {"id": "in_ada_1", "status": "draft"},
        {"id": "in_ada_1"},
    ],
    ids=["paid", "void", "draft", "not yet tried"],
)
def test_refuses_what_is_not_owed(invoice: dict[str, object]) -> None:
    driver = world(invoice)
    assert pay(driver) == ["invoices.retrieve"] and driver.performed(Start) == []


def test_refuses_another_customers_invoice_and_one_that_is_not_there() -> None:
    driver = world(OWED)
    driver.stores.write("engine", "subs_customer", "ada", None, {"stripe_customer": "cus_bob"}, 0)
    assert pay(driver) == ["invoices.retrieve"]
    driver.effects.clear()
    assert pay(driver, "in_nobody_1") == ["invoices.retrieve"] and driver.changing() == []


def test_a_decline_is_an_answer() -> None:
    driver = world(OWED)
    driver.declines = True
    pay(driver)
    assert driver.book.invoices["in_ada_1"].status == "open"
    assert driver.performed(Start)[0].component == "dunning_brain"


def test_a_customer_who_must_confirm_comes_back_later() -> None:
    driver = world(OWED)
    driver._invoices_pay = driver._invoices_retrieve  # type: ignore[method-assign]
    assert pay(driver, returns_after_ms=90_000) == ["invoices.retrieve", "invoices.pay", "invoices.retrieve"]
    assert driver.performed(Sleep) == [Sleep(90_000)]
