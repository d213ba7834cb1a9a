"""Customers (https://docs.stripe.com/api/customers)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from billsim.stripe.objects import Deleted, StripeError
from tests.stripe.bench import Bench, whole


def refused(bench: Bench, method: str, id: str = "", params: dict[str, Any] | None = None) -> StripeError:
    with pytest.raises(StripeError) as told:
        bench.call(method, id, params)
    return told.value


def test_what_is_told_is_told_back() -> None:
    bench = whole()
    address = {"city": "Berlin", "country": "DE", "line1": "Weg 1"}
    params = {"name": "Bob", "email": "bob@example.com", "description": "of old", "phone": "1", "address": address, "balance": -500}
    made = bench.call("customers.create", "cus_bob", {**params, "shipping": {"name": "Bob", "address": address}, "preferred_locales": ["de"]})
    assert (made.name, made.email, made.balance) == ("Bob", "bob@example.com", -500)
    assert made.kept == {
        "description": "of old", "phone": "1", "address": address, "shipping": {"name": "Bob", "address": address}, "preferred_locales": ["de"],
    }  # fmt: skip
    settings = {"footer": "thanks", "custom_fields": [{"name": "PO", "value": "1"}]}
    bench.call("customers.update", "cus_bob", {"description": "", "phone": "1", "invoice_settings": settings})
    told = bench.event("customer.updated").data
    assert told.previous_attributes == {"description": "of old", "invoice_settings": None}
    assert told.object.says("invoice_settings") == settings and told.object.says("description", "gone") is None


def test_nothing_is_kept_where_nothing_is_told() -> None:
    bench = Bench()
    made = bench.call("customers.create", "cus_bob", {"name": "Bob"})
    assert made.kept is msgspec.UNSET and "kept" not in msgspec.to_builtins(made)
    changed = bench.call("customers.update", "cus_bob", {"metadata": {"a": "b"}})
    assert changed.kept is msgspec.UNSET


def test_a_customer_comes_with_what_it_pays_with() -> None:
    bench = whole()
    settings = {"default_payment_method": "pm_card_visa"}
    made = bench.call("customers.create", "cus_bob", {"payment_method": "pm_card_visa", "invoice_settings": settings})
    method = made.invoice_settings.default_payment_method
    assert bench.call("payment_methods.retrieve", method).customer == "cus_bob"
    assert bench.types() == ["customer.created", "payment_method.attached"]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"email": "bob"}, "email_invalid", "email"),
        ({"email": "b b@example.com"}, "email_invalid", "email"),
        ({"invoice_settings": {"default_payment_method": "pm_ada"}}, "parameter_invalid", "invoice_settings[default_payment_method]"),
        ({"invoice_settings": {"foot": "x"}}, "parameter_unknown", "invoice_settings[foot]"),
        ({"payment_method": "pm_ada"}, "", "payment_method"),
        ({"source": "tok_none"}, "resource_missing", "source"),
        ({"tax_exempt": "maybe"}, "parameter_invalid", "tax_exempt"),
        ({"metadata": {"k": "v" * 501}}, "metadata_value_too_long", "metadata[k]"),
        ({"metadata": {"k" * 41: "v"}}, "metadata_key_invalid", "metadata"),
        ({"metadata": {str(n): "v" for n in range(51)}}, "metadata_too_many_keys", "metadata"),
        ({"balance": "1"}, "parameter_invalid_integer", "balance"),
    ],
)
def test_a_customer_that_cannot_be(params: dict[str, Any], code: str, param: str) -> None:
    bench = whole()
    told = refused(bench, "customers.create", "cus_bob", params)
    assert (told.status, told.type, told.code, told.param) == (400, "invalid_request_error", code, param)
    assert bench.types() == [] and "cus_bob" not in bench.stripe.books


def test_a_missing_object_is_told_by_who_named_it() -> None:
    bench = whole()
    told = refused(bench, "customers.retrieve", "cus_none")
    assert (told.status, told.code, told.param, told.message) == (404, "resource_missing", "id", "No such customer: 'cus_none'")
    told = refused(bench, "customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": "pm_none"}})
    assert (told.status, told.param) == (400, "invoice_settings[default_payment_method]")
    assert told.message == "No such PaymentMethod: 'pm_none'"


def test_a_customer_is_deleted_for_good() -> None:
    bench = whole()
    assert bench.call("customers.delete", "cus_ada") == Deleted("cus_ada", "customer")
    assert bench.types() == ["customer.subscription.deleted", "customer.deleted"]
    assert bench.subscription.status == "canceled"
    assert bench.call("customers.retrieve", "cus_ada") == Deleted("cus_ada", "customer")
    assert (refused(bench, "customers.delete", "cus_ada").status, refused(bench, "customers.update", "cus_ada", {"name": "A"}).status) == (404, 404)
    assert bench.call("customers.list").data == ()
    assert bench.call("subscriptions.retrieve", "sub_ada").status == "canceled"
    bench.stripe.resume()
    bench.days(40)
    assert bench.types() == []


def test_customers_are_found_by_their_address() -> None:
    bench = whole()
    bench.call("customers.create", "cus_a", {"email": "a@example.com"}, task="e/a")
    bench.call("customers.create", "cus_b", {"email": "b@example.com"}, task="e/b")
    assert [each.id for each in bench.call("customers.list").data] == ["cus_b", "cus_a", "cus_ada"]
    assert [each.id for each in bench.call("customers.list", "", {"email": "a@example.com"}).data] == ["cus_a"]
    assert bench.call("customers.list", "", {"email": "A@example.com"}).data == ()
    first = bench.call("customers.list", "", {"limit": 2})
    assert first.has_more and [each.id for each in bench.call("customers.list", "", {"starting_after": first.data[-1].id}).data] == ["cus_ada"]
