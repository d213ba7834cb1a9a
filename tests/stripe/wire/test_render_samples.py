"""Published sample events: every field of their objects exists here too, or is one that the API has renamed or removed since."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billsim.stripe.wire.render import RENDERERS
from billsim.stripe.wire.render.left_out import LEFT_OUT
from tests.stripe.wire.told import everything

_DATA = Path(os.environ.get("BILLSIM_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
FILES = sorted((_DATA / "stripe-events").glob("*.json"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"no sample events in {_DATA}/stripe-events; BILLSIM_DATA names another folder")

_TO_PARENT = "moved into `parent` with 2025-03-31"
_TO_PRICING = "moved into `pricing` with 2025-03-31"
_TO_PAYMENTS = "moved into the invoice's `payments` with 2025-03-31"
_TO_ITEMS = "moved to the subscription's items with 2025-03-31, or stands there only"
_TO_TAXES = "moved into `taxes` and `total_taxes` with 2025-03-31"
_TO_DISCOUNTS = "became the list `discounts`"
_CONNECT = "of connected accounts; gone, or only there for them"
# Fields of older versions (https://docs.stripe.com/changelog), by kind of object.
GONE: dict[str, dict[str, str]] = {
    "card": {"type": "became `brand` in 2014"},
    "charge": {
        "destination": _CONNECT, "dispute": "disputes are listed by charge", "invoice": _TO_PAYMENTS, "order": "orders are gone",
    },
    "dispute": {"balance_transaction": "became the list `balance_transactions` in 2014"},
    "invoice": {
        "application_fee_amount": _CONNECT, "charge": _TO_PAYMENTS, "discount": _TO_DISCOUNTS, "paid": "`status` says it, since 2025-03-31",
        "paid_out_of_band": "`amount_paid_off_stripe` says it", "payment_intent": _TO_PAYMENTS, "quote": _TO_PARENT, "subscription": _TO_PARENT,
        "tax": _TO_TAXES, "total_tax_amounts": _TO_TAXES, "transfer_data": _CONNECT,
    },
    "invoiceitem": {
        "plan": _TO_PRICING, "price": _TO_PRICING, "subscription": _TO_PARENT, "subscription_item": _TO_PARENT, "unit_amount": _TO_PRICING,
        "unit_amount_decimal": _TO_PRICING,
    },
    "line_item": {
        "invoice_item": _TO_PARENT, "plan": _TO_PRICING, "price": _TO_PRICING, "proration": _TO_PARENT, "proration_details": _TO_PARENT,
        "subscription_item": _TO_PARENT, "tax_amounts": _TO_TAXES, "tax_rates": _TO_TAXES, "type": _TO_PARENT,
    },
    "payment_intent": {
        "allowed_source_types": "became `payment_method_types` in 2019", "charges": "became `latest_charge` with 2022-11-15",
        "invoice": _TO_PAYMENTS, "next_source_action": "became `next_action` in 2019",
    },
    "plan": {"aggregate_usage": "gone with usage records, 2025-03-31"},
    "product": {"attributes": "gone with SKUs"},
    "subscription": {
        "current_period_end": _TO_ITEMS, "current_period_start": _TO_ITEMS, "discount": _TO_DISCOUNTS, "plan": _TO_ITEMS, "quantity": _TO_ITEMS,
        "start": "became `start_date` in 2019",
    },
}  # fmt: skip
KINDS = {*RENDERERS, "plan"}


def fields_of(thing: Any) -> Iterator[tuple[str, str]]:
    """The kinds and the names of all fields of an object and of those within it."""
    if isinstance(thing, dict):
        if isinstance(thing.get("object"), str) and thing["object"] in KINDS and "id" in thing:
            yield from ((thing["object"], name) for name in thing)
        for inner in thing.values():
            yield from fields_of(inner)
    elif isinstance(thing, list):
        for inner in thing:
            yield from fields_of(inner)


@pytest.fixture(scope="module")
def sampled() -> set[tuple[str, str]]:
    assert len(FILES) == 88
    return {field for file in FILES for field in fields_of(json.loads(file.read_text(encoding="utf-8"))["data"]["object"])}


def test_every_field_of_the_samples_exists_here_too(sampled: set[tuple[str, str]]) -> None:
    ours = {field for _, rendered, _ in everything() for field in fields_of(rendered)}
    known = ours | {(kind, name) for kind, fields in LEFT_OUT.items() for name in fields}
    gone = {(kind, name) for kind, fields in GONE.items() for name in fields}
    assert sorted(sampled - known - gone) == []
    assert sorted(gone & ours) == []


def test_what_is_gone_is_in_a_sample(sampled: set[tuple[str, str]]) -> None:
    assert sorted({(kind, name) for kind, fields in GONE.items() for name in fields} - sampled) == []


def test_the_samples_are_of_most_kinds(sampled: set[tuple[str, str]]) -> None:
    none = {"credit_note", "customer_balance_transaction", "invoice_payment", "source", "test_helpers.test_clock", "webhook_endpoint"}
    assert {kind for kind, _ in sampled} == KINDS - none
