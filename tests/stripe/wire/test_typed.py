"""Strings as the API's values, and the API's words for what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import StripeError
from billsim.stripe.wire import typed
from billsim.stripe.wire.forms import decode


def read(form: str, name: str = "SubscriptionCreateParams") -> dict[str, Any]:
    return typed.typed(decode(form), name)


def test_values_have_their_types() -> None:
    assert read(
        "customer=cus_1&items[0][price]=price_1&items[0][quantity]=2&cancel_at_period_end=true&trial_end=now&application_fee_percent=1.5"
        "&metadata[0]=zero&metadata[x]=1&default_tax_rates="
    ) == {
        "customer": "cus_1",
        "items": [{"price": "price_1", "quantity": 2}],
        "cancel_at_period_end": True,
        "trial_end": "now",
        "application_fee_percent": 1.5,
        "metadata": {"0": "zero", "x": "1"},
        "default_tax_rates": "",
    }
    assert read("trial_end=1767225600")["trial_end"] == 1767225600


def test_one_of_several_forms() -> None:
    assert read("created=5", "InvoiceListParams") == {"created": 5}
    assert read("created[gte]=5", "InvoiceListParams") == {"created": {"gte": 5}}


@pytest.mark.parametrize(
    ("form", "code", "param", "message"),
    [
        ("nam=x", "parameter_unknown", "nam", "Received unknown parameter: nam. Did you mean name?"),
        ("zzz=1&qqq=2", "parameter_unknown", "zzz", "Received unknown parameters: zzz, qqq"),
        ("address[citi]=x", "parameter_unknown", "address[citi]", "Received unknown parameter: address[citi]. Did you mean city?"),
        ("balance=ten", "parameter_invalid_integer", "balance", "Invalid integer: ten"),
        ("balance=1.5", "parameter_invalid_integer", "balance", "Invalid integer: 1.5"),
        (f"balance={2**63}", "parameter_invalid_integer", "balance", f"Invalid integer: {2**63}"),
        ("tax_exempt=maybe", "", "tax_exempt", "Invalid tax_exempt: must be one of exempt, none, or reverse"),
        ("metadata=x", "", "metadata", "Invalid object"),
        ("name[a]=x", "", "name", "Invalid string: {'a': 'x'}"),
        ("preferred_locales=x", "", "preferred_locales", "Invalid array"),
        ("preferred_locales[x]=y", "", "preferred_locales", "Invalid array"),
        ("name=" + "x" * 5001, "", "name", "Invalid string: " + "x" * 32 + "...; must be at most 5000 characters"),
    ],
)  # fmt: skip
def test_what_is_wrong_at_the_top(form: str, code: str, param: str, message: str) -> None:
    with pytest.raises(StripeError) as refused:
        read(form, "CustomerCreateParams")
    error = refused.value
    assert (error.status, error.type, error.code, error.param, error.message) == (400, "invalid_request_error", code, param, message)


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("items[0][quantity]=x", "parameter_invalid_integer", "items[0][quantity]"),
        ("items[0][prise]=x", "parameter_unknown", "items[0][prise]"),
        ("items[1][price_data][currency]=usd", "parameter_missing", "items[0][price_data][product]"),
        ("items=x", "", "items"),
        ("cancel_at_period_end=yes", "", "cancel_at_period_end"),
        ("cancel_at_period_end=", "parameter_invalid_empty", "cancel_at_period_end"),
        ("trial_end=soon", "parameter_invalid_integer", "trial_end"),
        ("payment_behavior=whatever", "", "payment_behavior"),
    ],
)
def test_what_is_wrong_within(form: str, code: str, param: str) -> None:
    with pytest.raises(StripeError) as refused:
        read(form)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_what_is_missing() -> None:
    with pytest.raises(StripeError) as refused:
        read("unit_amount=5", "PriceCreateParams")
    assert (refused.value.code, refused.value.param, refused.value.message) == ("parameter_missing", "currency", "Missing required param: currency.")


def test_what_changes_nothing_is_left_out() -> None:
    params = {"automatic_tax": {"enabled": False}, "items": [{"price": "p", "tax_rates": []}], "tax_exempt": "none", "customer": "c"}
    assert typed.without_no_ops(params, {"customer", "items"}) == {"items": [{"price": "p"}], "customer": "c"}
    assert typed.without_no_ops(params, params)["tax_exempt"] == "none"  # the core knows it, and judges
    assert typed.without_no_ops({"automatic_tax": {"enabled": True}}, ()) == {"automatic_tax": {"enabled": True}}


def test_what_the_core_does_not_know_is_not_simulated() -> None:
    unknown = StripeError(400, "invalid_request_error", "parameter_unknown", "Received unknown parameter: coupon.", param="coupon")
    refused = typed.not_simulated(unknown, {})
    assert (refused.code, refused.param) == ("not_simulated", "coupon")
    assert refused.message.startswith("billsim does not simulate `coupon`")
