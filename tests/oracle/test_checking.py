"""Every request that either engine makes in any scenario that ships is one that stripe-mock takes, and every answer has its fields and types."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from billsim.oracle import ENGINES, Mock, Seen, check
from billsim.stripe.wire.message import Response

# What engines ask in what ships. A name that is missing has been overlooked by the recorder, or is no longer asked.
ASKED = {
    "charges.list", "charges.retrieve", "credit_notes.create", "customers.create", "customers.payment_methods.list", "customers.retrieve",
    "customers.update", "disputes.close", "invoices.list", "invoices.pay", "invoices.retrieve", "invoices.update", "payment_intents.confirm",
    "payment_intents.list", "payment_intents.retrieve", "payment_methods.detach", "payment_methods.retrieve", "prices.create", "prices.retrieve",
    "refunds.create", "setup_intents.create", "setup_intents.retrieve", "subscriptions.cancel", "subscriptions.create", "subscriptions.list",
    "subscriptions.retrieve", "subscriptions.update",
}  # fmt: skip


def test_all_that_engines_ask_is_taken_and_answered_as_stripe_does(seen: list[Seen], mock: Mock) -> None:
    found = check(seen, mock)
    assert [wrong for row in found.rows for wrong in row.wrong] == [] and found.ok
    assert sum(row.requests for row in found.rows) == len({each.shape for each in seen})
    assert all(row.fields > 0 for row in found.rows)
    assert all(reason for row in found.rows for reason in row.exceptions.values())


def test_nothing_was_overlooked(seen: list[Seen]) -> None:
    assert {each.exchange.name for each in seen} >= ASKED
    assert {each.engine for each in seen} == set(ENGINES)
    assert {each.exchange.response.status for each in seen} >= {200, 400, 402, 404, 500}
    assert len({each.shape for each in seen}) >= 50 and len(seen) >= 150


@pytest.fixture
def one(seen: list[Seen]) -> Seen:
    return next(each for each in seen if each.exchange.name == "invoices.update" and each.exchange.response.status == 200)


def told(one: Seen, **fields: object) -> Seen:
    """The same exchange with another answer: these fields in place of its own, None takes one away."""
    body = {**msgspec.json.decode(one.exchange.response.body), **fields}
    answer = msgspec.json.encode({name: value for name, value in body.items() if value is not None or name not in fields})
    return replace(one, exchange=one.exchange._replace(response=Response(200, {}, answer)))


def test_a_field_that_is_missing_or_of_another_type_is_found(one: Seen, mock: Mock) -> None:
    assert check([one], mock).ok
    for wrong, what in ((told(one, amount_due=None), "invoice.amount_due is not there"), (told(one, amount_due="20.00"), "invoice.amount_due is of")):
        found = check([wrong], mock)
        assert not found.ok and found.rows[0].wrong[0].what.startswith(what)
        assert (found.rows[0].wrong[0].scenario, found.rows[0].wrong[0].engine) == (one.scenario, one.engine)
        assert found.data["ok"] is False and found.data["kinds"][0]["kind"] == "invoice"


def test_a_request_that_stripe_does_not_take_is_found(one: Seen, mock: Mock) -> None:
    asked = replace(one.exchange.request, body=one.exchange.request.body + b"&autoadvance=true")
    found = check([replace(one, exchange=one.exchange._replace(request=asked))], mock)
    assert not found.ok and found.rows[0].wrong[0].what.startswith("refused: ")
