"""What an invoice would be: of what is not there yet, of a customer, of what would be added. Nothing is made."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import StripeError
from tests.stripe.bench import DAY_S, START_S, Bench


def previewed(bench: Bench, **params: Any) -> Any:
    invoice = bench.call("invoices.create_preview", "", params)
    assert not bench.outbox.changes and not bench.outbox.events
    return invoice


def test_of_a_subscription_that_is_not_there_yet() -> None:
    """To 15 March it is 14 of the 28 days from 15 February."""
    anchor = {"type": "timestamp", "timestamp": START_S + 14 * DAY_S}
    details = {"items": [{"price": "price_pro_monthly", "quantity": 2}], "billing_cycle_anchor": anchor}
    invoice = previewed(Bench(), customer="cus_ada", subscription_details=details)
    assert (invoice.total, invoice.billing_reason, len(invoice.lines.data)) == (2000, "subscription_create", 1)
    free = {"items": [{"price": "price_pro_monthly"}], "trial_end": START_S + DAY_S}
    assert previewed(Bench(), customer="cus_ada", subscription_details=free).total == 0


def test_of_a_customer_it_is_the_next_renewal() -> None:
    invoice = previewed(Bench(), customer="cus_ada")
    assert (invoice.subscription, invoice.total, invoice.period_start) == ("sub_ada", 2000, START_S + DAY_S)


def test_with_what_would_be_added() -> None:
    invoice = previewed(Bench(), subscription="sub_ada", invoice_items=[{"amount": 150, "currency": "usd", "description": "Extra"}])
    assert [(line.amount, line.description) for line in invoice.lines.data][1:] == [(150, "Extra")] and invoice.total == 2150


def test_of_what_recurs_alone() -> None:
    """One of 28 days is left: two at 20.00 would be settled by -71 and +143."""
    details = {"items": [{"id": "si_ada", "quantity": 2}]}
    assert previewed(Bench(), subscription="sub_ada", subscription_details=details).total == 4000 - 71 + 143
    assert previewed(Bench(), subscription="sub_ada", subscription_details=details, preview_mode="recurring").total == 4000


def test_of_a_period_that_the_end_cuts_short() -> None:
    """15 of the 31 days from 2 March: 2000 * 15 / 31 = 967.74."""
    bench = Bench()
    bench.call("subscriptions.update", "sub_ada", {"cancel_at": START_S + 16 * DAY_S})
    bench.outbox.changes.clear()
    bench.types()
    assert previewed(bench, subscription="sub_ada").total == 968


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "400 .* subscription, customer"),
        ({"customer": "cus_ada", "subscription": "sub_ada", "preview_mode": "last"}, "400 .* must be one of next, recurring"),
        ({"subscription": "sub_ada", "invoice_items": [{"currency": "usd"}]}, "400 .* must specify one of"),
        ({"customer": "cus_ada", "subscription_details": {"items": [{"price": "price_none"}]}}, "400 .* No such price"),
    ],
)
def test_what_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(StripeError, match=message):
        previewed(Bench(), **params)


def test_there_may_be_nothing_to_come() -> None:
    bench = Bench()
    bench.call("subscriptions.cancel", "sub_ada")
    with pytest.raises(StripeError, match="404 .* invoice_upcoming_none"):
        bench.call("invoices.create_preview", "", {"customer": "cus_ada"})
