"""Pseudonyms: nothing real is left, what an incident is about is left alone, and one value has one pseudonym."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsim.replay.pseudonyms import Pseudonyms

P = Pseudonyms(0)


def scrub(value: Any, seed: int = 0) -> Any:
    names = Pseudonyms(seed)
    return names.scrub(value, lambda id, kind, created: names.id(id, kind))


def test_one_value_has_one_pseudonym_under_a_seed_and_another_under_another() -> None:
    assert P.text("Jane Roe", "name") == Pseudonyms(0).text("Jane Roe", "name")
    assert P.text("jane@corp.example", "email") == P.text("Jane@Corp.example", "note")
    assert P.text("jane@corp.example") != Pseudonyms(1).text("jane@corp.example")
    assert P.token("a") != P.token("b")


@pytest.mark.parametrize(
    ("field", "real", "shape"),
    [
        ("email", "jane@corp.test", r"[0-9a-z]{12}@example\.com"),
        ("note", "jane@corp.test", r"[0-9a-z]{12}@example\.com"),
        ("customer_phone", "+44 20 7946 0958", r"\+1555\d{7}"),
        ("last4", "4242", r"\d{4}"),
        ("postal_code", "94103", r"\d{5}"),
        ("hosted_invoice_url", "https://invoice.stripe.com/i/acct_1/x", r"https://example\.com/[0-9a-z]{12}"),
        ("url", "/v1/invoices/in_1/lines", r"https://example\.com/[0-9a-z]{12}"),
        ("client_secret", "pi_1a_secret_2b", r"text_[0-9a-z]{12}"),
        ("ip_address", "157.131.133.10", r"203\.0\.113\.\d{1,3}"),
        ("description", "Refund for jane@corp.test of ch_1", r"text_[0-9a-z]{12}"),
        ("number", "7C43E171-0001", r"INV-[0-9a-z]{12}"),
        ("fingerprint", "R0zFsMh6EQNC0f1H", r"text_[0-9a-z]{12}"),
        ("status", "Jane Roe", r"[A-Za-z_0-9]+"),
        ("code", "JANE25", r"text_[0-9a-z]{12}"),
    ],
)
def test_each_sort_of_text_gets_a_pseudonym_of_its_sort(field: str, real: str, shape: str) -> None:
    got = scrub({field: real})[field]
    assert got != real
    assert re.fullmatch(shape, got), got


def test_invented_names_and_places_are_never_the_real_ones() -> None:
    for pool, field in (("name", "customer_name"), ("city", "city"), ("state", "state"), ("street", "line1")):
        for real in P._pools[pool]:
            assert P.text(real, field) != real


def test_what_an_incident_is_about_stays() -> None:
    kept = {
        "object": "invoice",
        "status": "open",
        "currency": "usd",
        "amount_due": 2000,
        "created": 1648320009,
        "attempted": True,
        "due_date": None,
        "billing_reason": "subscription_cycle",
        "unit_amount_decimal": "2000",
        "country": "US",
        "brand": "Visa",
        "payment_method_types": ["card", "sepa_debit"],
    }
    assert scrub(kept) == kept


def test_governed_metadata_stays_and_all_other_metadata_goes() -> None:
    got = scrub(
        {"metadata": {"bad_debt": "true", "bad_debt_amount": "2000", "account_type": "self_serve", "owner": "jane", "bad_debt_since": "call Jane"}}
    )
    metadata = got["metadata"]
    assert (metadata["bad_debt"], metadata["bad_debt_amount"], metadata["account_type"]) == ("true", "2000", "self_serve")
    assert metadata["owner"].startswith("text_")
    assert metadata["bad_debt_since"].startswith("text_")


def test_a_metadata_key_can_be_personal_too() -> None:
    assert "jane" not in json.dumps(scrub({"metadata": {"jane@corp.test": "x", "0049301234567": "y"}}))
    assert "301234567" not in json.dumps(scrub({"metadata": {"0049301234567": "y"}}))


def test_numbers_go_where_the_field_describes_a_person() -> None:
    got = scrub({"phone": 4155550123, "dob": {"day": 3, "month": 7, "year": 1981}, "tax_id": 123456789, "amount": 4155550123})
    assert got == {"phone": 0, "dob": {"day": 0, "month": 0, "year": 0}, "tax_id": 0, "amount": 4155550123}


def test_ids_keep_their_prefix_wherever_they_stand() -> None:
    got = scrub({"id": "in_1Real", "object": "invoice", "charge": "ch_9Real", "lines": [{"invoice": "in_1Real"}], "plan": "gold"})
    assert got["id"] == got["lines"][0]["invoice"] == P.id("in_1Real")
    assert got["id"].startswith("in_") and got["charge"].startswith("ch_") and got["plan"].startswith("price_")
    assert "Real" not in json.dumps(got)


def test_a_plan_and_the_price_that_replaced_it_are_one_thing() -> None:
    assert P.id("plan_1") == P.id("plan_1", "plan") == P.id("plan_1", "price")
    assert P.id("gold", "plan") == P.id("gold", "price")


SECRET = "qzx"
json_values = st.recursive(
    st.none() | st.integers() | st.text(alphabet="ab @.:/-_1", max_size=12).map(lambda s: SECRET + s),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "note", "id", "metadata", "address", SECRET + "@k"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_text_survives_that_is_not_known_to_be_harmless(value: Any) -> None:
    assert SECRET not in json.dumps(scrub({"anything": value}))


def test_a_lone_surrogate_is_a_text_like_any_other() -> None:
    assert scrub({"name": "\ud800"})["name"] != "\ud800"
