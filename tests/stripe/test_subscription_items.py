"""The items of a subscription by themselves: the day that Ada's period has left is 1 of 28."""

from __future__ import annotations

import pytest

from billsim.stripe.objects import Deleted, Price, StripeError
from tests.stripe.bench import BROKE, Bench


def two_prices() -> Bench:
    bench = Bench()
    bench.stripe.seed(Price(id="price_seats", created=0, product="seat", unit_amount=2800))
    return bench


def test_an_item_is_added_changed_and_taken_away() -> None:
    bench = two_prices()
    added = bench.call("subscription_items.create", "", {"subscription": "sub_ada", "price": "price_seats", "metadata": {"a": "b"}}, task="e/test/1")
    assert (added.object, added.quantity, added.metadata, added.subscription) == ("subscription_item", 1, {"a": "b"}, "sub_ada")
    assert added.current_period_end == bench.subscription.items.data[0].current_period_end
    changed = bench.call("subscription_items.update", added.id, {"quantity": 3}, task="e/test/2")
    assert (changed.id, changed.quantity, changed.price.id) == (added.id, 3, "price_seats")
    assert bench.call("subscription_items.retrieve", added.id) == changed
    assert bench.call("subscription_items.delete", added.id, task="e/test/3") == Deleted(added.id, "subscription_item")
    assert [item.id for item in bench.subscription.items.data] == ["si_ada"]
    # 2800 / 28 a seat and day: one added; one given back for three; three given back.
    assert [item.amount for item in bench.book.invoice_items.values()] == [100, -100, 300, -300]
    assert bench.types().count("customer.subscription.updated") == 3


def test_an_item_is_billed_at_once_where_that_is_asked_for() -> None:
    bench = two_prices()
    params = {"subscription": "sub_ada", "price": "price_seats", "quantity": 2, "proration_behavior": "always_invoice"}
    bench.call("subscription_items.create", "", params)
    invoice = bench.book.invoices[bench.subscription.latest_invoice or ""]
    assert (invoice.total, invoice.status, invoice.billing_reason) == (200, "paid", "subscription_update")


def test_an_item_may_wait_for_its_payment() -> None:
    bench = two_prices()
    bench.stripe.behave("pm_ada", BROKE)
    how = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    added = bench.call("subscription_items.create", "", {"subscription": "sub_ada", "price": "price_seats", **how})
    assert len(bench.subscription.items.data) == 1 and bench.subscription.pending_update is not None
    assert added in bench.subscription.pending_update["subscription_items"]


def test_items_are_listed_newest_first() -> None:
    bench = two_prices()
    added = bench.call("subscription_items.create", "", {"subscription": "sub_ada", "price": "price_seats"})
    page = bench.call("subscription_items.list", "", {"subscription": "sub_ada", "limit": 1})
    assert ([item.id for item in page.data], page.has_more) == ([added.id], True)
    rest = bench.call("subscription_items.list", "", {"subscription": "sub_ada", "starting_after": added.id})
    assert [item.id for item in rest.data] == ["si_ada"]


@pytest.mark.parametrize(
    ("request_", "id", "params", "message"),
    [
        ("subscription_items.retrieve", "si_none", {}, "404 .* No such subscription_item: 'si_none'"),
        ("subscription_items.delete", "si_ada", {}, "400 .* at least one item"),
        ("subscription_items.create", "", {"price": "price_seats"}, "400 .* Missing required param: subscription"),
        ("subscription_items.create", "", {"subscription": "sub_ada"}, "400 .* Missing required param: .*price"),
        ("subscription_items.create", "", {"subscription": "sub_ada", "price": "price_pro_monthly"}, "400 .* is already using that Price"),
        ("subscription_items.update", "si_ada", {"quantity": -1}, "400 .* greater than or equal to 0"),
        ("subscription_items.list", "", {}, "400 .* Missing required param: subscription"),
    ],
)
def test_what_is_refused(request_: str, id: str, params: dict[str, object], message: str) -> None:
    bench = two_prices()
    with pytest.raises(StripeError, match=message):
        bench.call(request_, id, params)
    assert not bench.outbox.changes and not bench.outbox.events
