"""The comparers find what they are there to find."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Charge, PaymentMethod, Product
from billsim.stripe.wire.conformance import Exempt, compared, misfits
from billsim.stripe.wire.render import Rendered, deleted, render
from tests.stripe.bench import Bench
from tests.stripe.wire.views import CoreView

OLDER = Exempt("charge.outcome.risk*", "older")


def product(**changes: Any) -> Rendered:
    return {**render(Product(id="prod_1", created=1, name="Bed"), CoreView(Bench().stripe)), **changes}


def charge() -> Rendered:
    return render(Charge(id="ch_1", created=1, amount=5), CoreView(Bench().stripe))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": None}, "product.name: None is no str"),
        ({"name": 5}, "product.name: 5 is no str"),
        ({"active": 1}, "product.active: 1 is no bool"),
        ({"created": True}, "product.created: True is no int"),
        ({"created": 1.5}, "product.created: 1.5 is no int"),
        ({"images": [1]}, "product.images[0]: 1 is no str"),
        ({"images": "a"}, "product.images: 'a' is no list"),
        ({"type": "ghost"}, "product.type: 'ghost' is none of 'good', 'service'"),
        ({"colour": "red"}, "product: an unknown field 'colour'"),
        ({"package_dimensions": {"height": 1, "length": 1, "weight": 1}}, "product.package_dimensions: no field 'width'"),
        ({"package_dimensions": {"height": "1", "length": 1, "weight": 1, "width": 1}}, "product.package_dimensions.height: '1' is no float"),
        ({"default_price": {"object": "charge"}}, "product.default_price: {'object': 'charge'} is no str"),
        ({"metadata": {"a": 1}}, "product.metadata.a: 1 is no str"),
        ({"metadata": []}, "product.metadata: [] is no hash"),
    ],
)
def test_a_misfit_is_found(changes: dict[str, Any], found: str) -> None:
    assert misfits(product()) == []
    assert misfits(product(**changes)) == [found]


def test_a_missing_field_is_found() -> None:
    told = product()
    del told["url"]
    assert misfits(told) == ["product: no field 'url'"]


def test_the_hash_that_type_names_has_to_be_there() -> None:
    method = render(PaymentMethod(id="pm_1", created=1), CoreView(Bench().stripe))
    assert misfits(method) == []
    del method["card"]
    assert misfits(method) == ["payment_method: no field 'card'"]


def test_an_object_within_is_looked_at() -> None:
    assert misfits(product(default_price={**product(), "object": "price"}))[0] == "product.default_price: no field 'billing_scheme'"


def test_a_deleted_object_is_a_stub() -> None:
    assert misfits(deleted("prod_1", "product")) == []
    assert misfits({**deleted("prod_1", "product"), "name": "Bed"}) == ["product: a deleted object has a field 'name'"]


def test_what_another_stripe_has_and_we_do_not_is_a_difference() -> None:
    ours = {"object": "charge", "amount": 1, "outcome": {"type": "authorized"}, "payment_method_details": {"card": {"brand": "visa"}}}
    theirs = {"object": "charge", "amount": 1, "paid": True, "outcome": {"type": "a", "risk_level": "b"}}
    found = compared(ours, theirs)
    assert [(each.path, each.what) for each in found.wrong] == [("charge.paid", "is not there"), ("charge.outcome.risk_level", "is not there")]
    assert found.fields == 6
    excused = compared(ours, theirs, (OLDER,))
    assert [each.path for each in excused.wrong] == ["charge.paid"]
    assert [each.reason for each in excused.differences] == ["", "older"]


def test_an_exception_holds_for_one_level_alone() -> None:
    ours, theirs = {"object": "charge", "a": {"b": {}}}, {"object": "charge", "a": {"b": {"c": 1}, "d": 1}}
    found = compared(ours, theirs, (Exempt("charge.a.*", "of another type"),))
    assert [(each.path, each.reason) for each in found.differences] == [("charge.a.b.c", ""), ("charge.a.d", "of another type")]


def test_another_type_is_a_difference_and_null_or_an_expanded_object_is_none() -> None:
    theirs = {"object": "charge", "amount": 1, "customer": "cus_1", "shipping": {"name": "x"}, "lines": [{"a": 1}]}
    ours = {"object": "charge", "amount": 1.5, "customer": {"id": "cus_1", "object": "customer"}, "shipping": None, "lines": []}
    assert compared(ours, theirs).wrong == ()
    wrong = compared({"object": "charge", "amount": "1", "customer": 5, "shipping": [], "lines": [{"a": True}]}, theirs).wrong
    assert [(each.path, each.what) for each in wrong] == [
        ("charge.amount", "is of type string, not number"),
        ("charge.customer", "is of type number, not string"),
        ("charge.shipping", "is of type list, not object"),
        ("charge.lines[].a", "is of type boolean, not number"),
    ]


def test_another_kind_is_a_difference() -> None:
    (other,) = compared({"object": "charge"}, {"object": "refund", "amount": 1}).wrong
    assert other.what == "is an object of kind charge, not refund"


def test_what_is_left_out_on_purpose_has_its_reason() -> None:
    (refunds,) = compared(charge(), {**charge(), "refunds": {"object": "list"}}).differences
    assert (refunds.path, refunds.reason) == ("charge.refunds", "only there when `expand` asks for it")
