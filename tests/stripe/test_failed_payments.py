"""What the refusal of a payment tells: why the bank declined, and the payment as it stands."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import StripeError
from tests.stripe.bench import BROKE, Bench

PRO = [{"price": "price_pro_monthly"}]
ERROR = {"payment_behavior": "error_if_incomplete"}


def refused(bench: Bench, method: str, id: str, params: dict[str, Any]) -> StripeError:
    with pytest.raises(StripeError) as raised:
        bench.call(method, id, params, task="e/test/refused")
    assert (raised.value.status, raised.value.type) == (402, "card_error")
    return raised.value


def told(bench: Bench, error: StripeError, amount: int) -> None:
    intent, charge = error.payment_intent, bench.book.charges[error.charge]
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    assert intent is not None and (intent.status, intent.amount, intent.latest_charge) == ("requires_payment_method", amount, charge.id)
    assert (charge.status, charge.amount) == ("failed", amount)
    assert error.payment_method is not None and error.payment_method.id == "pm_ada"


def broke() -> Bench:
    bench = Bench(whole=True)
    bench.stripe.behave("pm_ada", BROKE)
    return bench


def test_an_invoice_that_is_paid_by_request() -> None:
    bench = broke()
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO}, task="e/test/create")
    told(bench, refused(bench, "invoices.pay", "in_new_1", {}), 2000)


def test_a_payment_that_is_confirmed() -> None:
    bench = broke()
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO}, task="e/test/create")
    told(bench, refused(bench, "payment_intents.confirm", "pi_new_1", {"payment_method": "pm_ada"}), 2000)


def test_a_payment_of_no_invoice() -> None:
    bench = broke()
    given = {"amount": 900, "currency": "usd", "customer": "cus_ada", "payment_method": "pm_ada", "confirm": True, "return_url": "https://example.com"}
    told(bench, refused(bench, "payment_intents.create", "pi_own", given), 900)


def test_a_subscription_that_does_not_begin_without() -> None:
    bench = broke()
    error = refused(bench, "subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **ERROR})
    told(bench, error, 2000)
    assert list(bench.book.subscriptions) == ["sub_ada"] and not bench.book.invoices
    assert error.payment_intent is not None and bench.book.payment_intents[error.payment_intent.id].status == "canceled"
    assert bench.types() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed", "payment_intent.canceled"]


def test_a_change_that_is_not_made_without() -> None:
    """Five instead of one: 8000 for the day that is left of 28, and the like back: 285.71 - 71.43."""
    bench = broke()
    items = {"items": [{"id": "si_ada", "quantity": 5}], "proration_behavior": "always_invoice", **ERROR}
    error = refused(bench, "subscriptions.update", "sub_ada", items)
    told(bench, error, 357 - 71)
    assert bench.subscription.items.data[0].quantity == 1 and not bench.book.invoice_items


def test_one_that_would_have_to_be_confirmed() -> None:
    bench = Bench(whole=True)
    bench.stripe.challenge("cus_ada")
    error = refused(bench, "subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **ERROR})
    assert (error.code, error.charge) == ("subscription_payment_intent_requires_action", "")
    assert error.payment_intent is not None and error.payment_intent.status == "requires_action"


def test_in_worlds_nothing_of_it_is_there() -> None:
    bench = Bench()
    bench.stripe.behave("pm_ada", BROKE)
    error = refused(bench, "subscriptions.create", "sub_new", {"customer": "cus_ada", "items": PRO, **ERROR})
    assert error.decline_code == "insufficient_funds" and not bench.book.payment_intents and not bench.types()
