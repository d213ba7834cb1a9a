"""Where objects are kept: a customer's book, whose contents somebody may have gathered."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.stripe.objects import Customer, Invoice, PaymentMethod, StripeError
from tests.stripe.bench import START_S, Bench, owing


def test_what_somebody_has_gathered_stays_as_it_was_seen() -> None:
    bench = owing()
    seen = bench.book.invoices
    open_then = seen["in_ada_1"]
    bench.call("invoices.void_invoice", "in_ada_1")
    bench.stripe.seed(Invoice(id="in_ada_0", created=1, customer="cus_ada", status="paid"))
    assert seen == {"in_ada_1": open_then} and open_then.status == "open"
    assert [(invoice.id, invoice.status) for invoice in bench.book.invoices.values()] == [("in_ada_1", "void"), ("in_ada_0", "paid")]


def test_a_payment_method_is_one_customers_at_a_time_and_known_to_those_before() -> None:
    bench = Bench()
    bench.stripe.seed(Customer(id="cus_bob", created=START_S), PaymentMethod(id="pm_bob", created=START_S, customer="cus_bob"))
    bench.call("payment_methods.detach", "pm_ada")
    assert bench.book.payment_methods["pm_ada"].customer is None and bench.call("payment_methods.retrieve", "pm_ada").customer is None
    with pytest.raises(StripeError, match="may not be used again"):
        bench.call("payment_methods.attach", "pm_ada", {"customer": "cus_bob"})
    bench.call("payment_methods.create", "pm_new", {"type": "card"})
    bench.call("payment_methods.attach", "pm_new", {"customer": "cus_bob"})
    assert list(bench.stripe.books["cus_bob"].payment_methods) == ["pm_bob", "pm_new"]
    changes = [(customer, old and old.customer, new.customer) for customer, kind, _, old, new, *_ in bench.outbox.changes if kind == "payment_method"]
    assert changes == [("cus_ada", "cus_ada", None), ("", None, None), ("cus_bob", None, "cus_bob")]


def test_a_seed_may_bring_a_customer_what_was_anothers() -> None:
    bench = Bench()
    held = bench.book.payment_methods
    bench.stripe.seed(Customer(id="cus_bob", created=START_S), replace(held["pm_ada"], customer="cus_bob"))
    assert list(held) == ["pm_ada"] and not bench.book.payment_methods
    assert list(bench.stripe.books["cus_bob"].payment_methods) == ["pm_ada"]


def test_a_seed_may_tell_of_a_customer_in_any_order_and_twice() -> None:
    bench = Bench()
    method = PaymentMethod(id="pm_bob", created=START_S, customer="cus_bob")
    bench.stripe.seed(method, Customer(id="cus_bob", created=START_S), replace(method, type="sepa_debit"))
    book = bench.stripe.books["cus_bob"]
    assert book.customer is not None and [method.type for method in book.payment_methods.values()] == ["sepa_debit"]
