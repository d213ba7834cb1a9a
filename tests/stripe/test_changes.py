"""Changes of a subscription: what they are settled with, when that is billed, and what each payment behaviour makes of a payment that fails.

Ada's period lasts 28 days, from 2 February to 2 March 2026; she pays 20.00 USD a month for it.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe.objects import ItemList, Price, Recurring, StripeError, Subscription, SubscriptionItem
from billsim.stripe.prorations import prorated
from tests.stripe.bench import BROKE, DAY_S, HOUR_S, START_S, Bench

BEGAN_S, RENEWS_S = START_S - 27 * DAY_S, START_S + DAY_S
HALFWAY_S = BEGAN_S + 14 * DAY_S
TASK = "e/test/call"
UPDATE = f"in_ada_update.{short(TASK)}"
UP = [{"id": "si_ada", "price": "price_business_monthly"}]
DOWN = [{"id": "si_ada", "price": "price_basic_monthly"}]
YEARLY = [{"id": "si_ada", "price": "price_pro_yearly"}]
NOW: dict[str, Any] = {"proration_behavior": "always_invoice", "proration_date": HALFWAY_S}
SUBSCRIPTION = "customer.subscription.updated"
ITEMS = ["invoiceitem.created", "invoiceitem.created"]
BILLED = ["invoice.created", "invoice.finalized"]
FAILED = ["payment_intent.created", "charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed"]
PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded"]


def selling(**subscription: Any) -> Bench:
    """A bench with prices to change to: business (40.00), basic (5.00), free, pro by the year (200.00), an add-on (3.00) and one in euros."""
    bench = Bench(**subscription)
    bench.stripe.seed(
        Price(id="price_business_monthly", created=0, product="zone_plan", unit_amount=4000),
        Price(id="price_basic_monthly", created=0, product="zone_plan", unit_amount=500),
        Price(id="price_free_monthly", created=0, product="zone_plan", unit_amount=0),
        Price(id="price_pro_yearly", created=0, product="zone_plan", unit_amount=20000, recurring=Recurring("year")),
        Price(id="price_addon_monthly", created=0, product="addon", unit_amount=300),
        Price(id="price_euro_monthly", created=0, product="zone_plan", unit_amount=300, currency="eur"),
    )
    return bench


def change(bench: Bench, items: Any = UP, **params: Any) -> Subscription:
    found: Subscription = bench.call("subscriptions.update", "sub_ada", {"items": items, **params})
    return found


def balance(bench: Bench) -> int:
    assert bench.book.customer is not None
    return bench.book.customer.balance


def lines(invoice: Any) -> list[tuple[int, str]]:
    return [(line.amount, line.description.partition(" after ")[0]) for line in invoice.lines.data]


# -- by the second


@pytest.mark.parametrize(
    ("amount", "left", "whole", "share"),
    [
        # https://docs.stripe.com/billing/subscriptions/prorations: halfway from 10 USD to 20 USD gives back 5 USD and charges 10 USD.
        (1000, 1, 2, 500),
        (2000, 1, 2, 1000),
        # The example answer that page has had for years: a period of 31 days from 6 August 2020 21:28:08, changed on 1 September 17:42:28.
        (1000, 445_540, 2_678_400, 166),
        (3252, 445_540, 2_678_400, 541),
        (2000, 0, 2_419_200, 0),
        (2000, 2_419_200, 2_419_200, 2000),
        # An exact half goes away from zero (assumed).
        (1, 1, 2, 1),
        (5, 1, 2, 3),
        (1000, 0, 0, 0),
    ],
)
def test_a_share_is_rounded_to_the_nearest_minor_unit(amount: int, left: int, whole: int, share: int) -> None:
    assert prorated(amount, left, whole) == share


def test_the_documented_preview() -> None:
    """https://docs.stripe.com/billing/subscriptions/prorations: from 10.00 to 32.52, 36.27 are due with the next invoice."""
    silver = Price(id="price_silver", created=0, product="silver", unit_amount=1000)
    item = SubscriptionItem(
        id="si_ada", created=0, price=silver, subscription="sub_ada", current_period_start=1_596_749_288, current_period_end=1_599_427_688
    )
    bench = Bench(items=ItemList((item,)), billing_cycle_anchor=1_596_749_288)
    bench.stripe.seed(silver, Price(id="price_gold", created=0, product="gold", unit_amount=3252))
    details = {"items": [{"id": "si_ada", "price": "price_gold"}], "proration_date": 1_598_982_148}
    preview = bench.call("invoices.create_preview", params={"customer": "cus_ada", "subscription": "sub_ada", "subscription_details": details})
    assert sorted(line.amount for line in preview.lines.data) == [-166, 541, 3252]
    assert (preview.amount_due, preview.billing_reason, preview.status) == (3627, "upcoming", "draft")
    assert [line.period.start for line in preview.lines.data if line.amount != 3252] == [1_598_982_148] * 2
    assert not bench.outbox.changes and not bench.outbox.events


def test_the_instant_of_the_change_decides_to_the_second() -> None:
    bench = selling()
    bench.at(12_345)
    change(bench)
    left = DAY_S - 12_345  # of 2,419,200 s: 74,055 * 2000 / 2,419,200 = 61.22 and twice that is 122.45
    assert [item.amount for item in bench.book.invoice_items.values()] == [-61, 122]
    assert {item.period.end - item.period.start for item in bench.book.invoice_items.values()} == {left}


# -- with the next invoice, at once, or not at all


def test_prorations_wait_for_the_next_invoice() -> None:
    bench = selling()
    changed = change(bench, proration_date=HALFWAY_S)
    assert bench.types() == [SUBSCRIPTION, *ITEMS] and not bench.book.invoices
    assert changed.items.data[0].price.unit_amount == 4000 and changed.items.data[0].current_period_end == RENEWS_S
    waiting = list(bench.book.invoice_items.values())
    assert [(item.amount, item.proration, item.invoice, item.subscription) for item in waiting] == [
        (-1000, True, None, "sub_ada"),
        (2000, True, None, "sub_ada"),
    ]
    preview = bench.call("invoices.create_preview", params={"subscription": "sub_ada"})
    bench.stripe.resume()
    bench.days(2)
    invoice = bench.invoice()
    assert lines(invoice) == [(4000, "1 x zone_plan"), (-1000, "Unused time on 1 x zone_plan"), (2000, "Remaining time on 1 x zone_plan")]
    assert (invoice.total, invoice.status, preview.total) == (5000, "paid", 5000)
    assert bench.book.charges["ch_ada_1.1"].amount == 5000
    assert {item.invoice for item in bench.book.invoice_items.values()} == {"in_ada_1"}
    assert [line.parent.subscription_item_details.invoice_item for line in invoice.lines.data[1:]] == list(bench.book.invoice_items)
    bench.days(32)
    assert bench.invoice("in_ada_2").total == 4000


def test_always_invoice_bills_the_change_alone() -> None:
    bench = selling()
    changed = change(bench, **NOW)
    invoice = bench.invoice(UPDATE)
    assert bench.types() == [SUBSCRIPTION, *ITEMS, *BILLED, *PAID]
    assert lines(invoice) == [(-1000, "Unused time on 1 x zone_plan"), (2000, "Remaining time on 1 x zone_plan")]
    assert (invoice.status, invoice.billing_reason, invoice.amount_paid, changed.latest_invoice) == ("paid", "subscription_update", 1000, UPDATE)
    assert changed.items.data[0].current_period_end == RENEWS_S and changed.billing_cycle_anchor == RENEWS_S
    bench.stripe.resume()
    bench.days(2)
    assert (bench.invoice("in_ada_1").total, bench.invoice("in_ada_1").status) == (4000, "paid")


def test_quantity_is_settled_as_a_whole() -> None:
    """https://docs.stripe.com/billing/subscriptions/prorations: changing the quantity prorates; one line for what was, one for what is."""
    bench = selling()
    change(bench, [{"id": "si_ada", "quantity": 3}], **NOW)
    assert lines(bench.invoice(UPDATE)) == [(-1000, "Unused time on 1 x zone_plan"), (3000, "Remaining time on 3 x zone_plan")]


def test_an_item_is_added_and_deleted() -> None:
    bench = selling()
    changed = change(bench, [{"price": "price_addon_monthly", "quantity": 2}], **NOW)
    added = changed.items.data[1]
    assert (added.id, added.current_period_end) == (f"si_ada.{short(TASK)}", RENEWS_S)
    assert lines(bench.invoice(UPDATE)) == [(300, "Remaining time on 2 x addon")]
    changed = change(bench, [{"id": added.id, "deleted": True}], proration_date=HALFWAY_S)
    assert [item.id for item in changed.items.data] == ["si_ada"]
    assert [item.amount for item in bench.book.invoice_items.values() if item.invoice is None] == [-300]


@pytest.mark.parametrize("params", [{"proration_behavior": "none"}, {"proration_date": RENEWS_S}])
def test_without_prorations_a_change_costs_nothing_now(params: dict[str, Any]) -> None:
    bench = selling()
    change(bench, **params)
    assert bench.types() == [SUBSCRIPTION] and not bench.book.invoice_items and not bench.book.invoices


def test_a_downgrade_at_once_is_credit_for_the_next_invoice() -> None:
    """https://docs.stripe.com/billing/customer/balance: an invoice below zero is paid, and its amount goes to the customer's balance."""
    bench = selling()
    change(bench, DOWN, **NOW)
    invoice = bench.invoice(UPDATE)
    assert (invoice.total, invoice.amount_due, invoice.status, invoice.ending_balance, invoice.payments) == (-750, 0, "paid", -750, ())
    assert bench.book.customer is not None and bench.book.customer.balance == -750 and not bench.book.charges
    preview = bench.call("invoices.create_preview", params={"subscription": "sub_ada"})
    bench.stripe.resume()
    bench.days(2)
    renewed = bench.invoice("in_ada_1")
    assert (renewed.total, renewed.starting_balance, renewed.ending_balance, renewed.amount_due) == (500, -750, -250, 0)
    assert (preview.total, preview.amount_due) == (500, 0)
    bench.days(33)
    assert bench.invoice("in_ada_2").amount_due == 250 and bench.book.charges["ch_ada_2.1"].amount == 250
    assert bench.book.customer.balance == 0


def test_a_void_invoice_gives_its_credit_back() -> None:
    bench = selling()
    bench.stripe.behave("pm_ada", BROKE)
    customer = bench.book.customer
    assert customer is not None
    bench.stripe.seed(replace(customer, balance=-300))
    change(bench, **NOW)
    assert bench.invoice(UPDATE).amount_due == 700 and bench.book.customer is not None and bench.book.customer.balance == 0
    bench.call("invoices.void_invoice", UPDATE)
    assert bench.book.customer.balance == -300


def test_there_and_back_in_one_second_costs_nothing() -> None:
    bench = selling()
    bench.at(12_345)
    change(bench)
    change(bench, [{"id": "si_ada", "price": "price_pro_monthly"}])
    assert sum(item.amount for item in bench.book.invoice_items.values()) == 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["price_business_monthly", "price_basic_monthly", "price_pro_monthly", "price_free_monthly", "price_pro_yearly"]),
        st.integers(0, 3),
        st.sampled_from(["create_prorations", "always_invoice", "none"]),
        st.integers(0, 40 * DAY_S),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(STEPS)
def test_whatever_is_changed_money_is_kept_to_the_cent(steps: list[tuple[str, int, str, int]]) -> None:
    """What was charged is what was billed, and what was billed beyond that stands in the balance."""
    bench, now = selling(), 0
    bench.stripe.resume()
    for price, quantity, behaviour, wait in steps:
        now += wait
        bench.at(now)
        change(bench, [{"id": "si_ada", "price": price, "quantity": quantity}], proration_behavior=behaviour)
    bench.at(now + 40 * DAY_S)
    billed = [invoice for invoice in bench.book.invoices.values() if invoice.status == "paid"]
    charged = sum(charge.amount for charge in bench.book.charges.values())
    assert charged == sum(invoice.total for invoice in billed) - balance(bench) == sum(invoice.amount_paid for invoice in billed)
    numbers = [line.invoice for invoice in bench.book.invoices.values() for line in invoice.lines.data if line.parent]
    assert sorted(numbers) == sorted(item.invoice for item in bench.book.invoice_items.values() if item.invoice)


# -- a new period


def test_another_interval_begins_a_new_period() -> None:
    """https://docs.stripe.com/billing/subscriptions/billing-mode/compare (classic): the anchor is reset to now; the first full period is charged,
    less what was not used (https://support.stripe.com/questions/handling-subscription-changes).
    """
    bench = selling()
    bench.stripe.resume()
    changed = change(bench, YEARLY, proration_date=HALFWAY_S)
    invoice = bench.invoice(UPDATE)
    assert lines(invoice) == [(20000, "1 x zone_plan"), (-1000, "Unused time on 1 x zone_plan")]
    assert (invoice.status, invoice.amount_paid) == ("paid", 19000)
    item = changed.items.data[0]
    assert (item.current_period_start, changed.billing_cycle_anchor) == (START_S, START_S)
    assert item.current_period_end == START_S + 365 * DAY_S
    bench.days(364)
    assert list(bench.book.invoices) == [UPDATE]
    bench.days(366)
    tasks = {task for *_, task, _ in bench.outbox.changes}
    assert "e/stripe/sub_ada/cycle1" in tasks and bench.invoice("in_ada_1").total == 20000


@pytest.mark.parametrize(("behaviour", "due"), [("create_prorations", 19000), ("always_invoice", 19000), ("none", 20000)])
def test_a_new_period_is_billed_whatever_becomes_of_prorations(behaviour: str, due: int) -> None:
    bench = selling()
    change(bench, YEARLY, proration_behavior=behaviour, proration_date=HALFWAY_S)
    assert bench.invoice(UPDATE).total == due


def test_the_anchor_may_be_reset_by_itself() -> None:
    bench = selling()
    changed: Subscription = bench.call("subscriptions.update", "sub_ada", {"billing_cycle_anchor": "now", "proration_date": HALFWAY_S})
    assert lines(bench.invoice(UPDATE)) == [(2000, "1 x zone_plan"), (-1000, "Unused time on 1 x zone_plan")]
    assert changed.items.data[0].current_period_end == START_S + 31 * DAY_S


def test_the_first_price_above_zero_begins_a_new_period() -> None:
    """https://docs.stripe.com/billing/subscriptions/billing-mode/compare (classic)."""
    bench = selling()
    change(bench, [{"id": "si_ada", "price": "price_free_monthly"}], proration_behavior="none")
    assert not bench.book.invoices
    changed = change(bench)
    assert changed.items.data[0].current_period_start == START_S and bench.invoice(UPDATE).total == 4000


def test_what_had_been_waiting_goes_along_with_a_new_period() -> None:
    bench = selling()
    bench.call("invoice_items.create", params={"customer": "cus_ada", "amount": 150, "currency": "usd", "description": "Setup"})
    change(bench, **NOW)
    assert bench.invoice(UPDATE).total == 1000
    change(bench, [{"id": "si_ada", "price": "price_pro_yearly"}], proration_behavior="none")
    assert lines(bench.invoice(f"{UPDATE}#2")) == [(20000, "1 x zone_plan"), (150, "Setup")]


def test_prices_of_one_subscription_share_interval_and_currency() -> None:
    bench = selling()
    for price, refusal in (("price_pro_yearly", "same interval"), ("price_euro_monthly", "in eur")):
        with pytest.raises(StripeError, match=refusal):
            change(bench, [{"price": price}])
    assert not bench.outbox.changes


# -- payments that fail


def test_allow_incomplete_lets_the_change_stand_past_due() -> None:
    """https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior"""
    bench = selling()
    bench.stripe.behave("pm_ada", BROKE)
    changed = change(bench, **NOW)
    assert bench.types() == [SUBSCRIPTION, *ITEMS, *BILLED, *FAILED, SUBSCRIPTION]
    assert (changed.status, changed.items.data[0].price.unit_amount, bench.invoice(UPDATE).status) == ("past_due", 4000, "open")
    assert bench.invoice(UPDATE).next_payment_attempt == START_S + DAY_S
    bench.days(1)
    assert bench.invoice(UPDATE).attempt_count == 2
    assert any(task == f"e/stripe/{UPDATE}/attempt2" for *_, task, _ in bench.outbox.changes)


def test_default_incomplete_waits_for_a_confirmation() -> None:
    bench = selling()
    changed = change(bench, payment_behavior="default_incomplete", **NOW)
    assert (changed.status, bench.invoice(UPDATE).attempt_count, len(bench.book.charges)) == ("past_due", 0, 0)
    bench.call("payment_intents.confirm", f"pi_ada_update.{short(TASK)}")
    assert (bench.subscription.status, bench.invoice(UPDATE).status) == ("active", "paid")


def test_error_if_incomplete_changes_nothing() -> None:
    bench = selling()
    bench.stripe.behave("pm_ada", BROKE)
    with pytest.raises(StripeError, match="402 card_error card_declined"):
        change(bench, payment_behavior="error_if_incomplete", **NOW)
    assert not bench.outbox.changes and not bench.outbox.events


def test_without_a_payment_method_nothing_is_changed() -> None:
    bench = selling()
    bench.call("payment_methods.detach", "pm_ada")
    bench.outbox.changes.clear()
    with pytest.raises(StripeError, match="no attached payment source"):
        change(bench, **NOW)
    assert not bench.outbox.changes
    # Where nothing is to be paid, none is needed.
    change(bench, DOWN, **NOW)
    assert bench.invoice(UPDATE).status == "paid"


# -- pending updates: https://docs.stripe.com/billing/subscriptions/pending-updates


def pending(bench: Bench, items: Any = UP, task: str = TASK) -> Subscription:
    params = {"items": items, "payment_behavior": "pending_if_incomplete", **NOW}
    found: Subscription = bench.call("subscriptions.update", "sub_ada", params, task=task)
    return found


def waiting() -> Bench:
    """Ada's upgrade waits for its payment."""
    bench = selling()
    bench.stripe.resume()
    bench.stripe.behave("pm_ada", BROKE)
    pending(bench)
    return bench


def test_a_pending_update_that_is_paid_applies_at_once() -> None:
    bench = selling()
    changed = pending(bench)
    assert (changed.pending_update, changed.items.data[0].price.unit_amount, bench.invoice(UPDATE).status) == (None, 4000, "paid")
    assert bench.types() == [SUBSCRIPTION, *ITEMS, *BILLED, *PAID]


def test_a_pending_update_that_is_not_paid_leaves_the_subscription_as_it_was() -> None:
    bench = waiting()
    held = bench.subscription.pending_update
    assert bench.types() == [SUBSCRIPTION, *ITEMS, *BILLED, *FAILED]
    assert held is not None and held["expires_at"] == START_S + 23 * HOUR_S
    assert (bench.subscription.status, bench.subscription.items.data[0].price.unit_amount) == ("active", 2000)
    assert (bench.subscription.latest_invoice, bench.invoice(UPDATE).status, bench.invoice(UPDATE).next_payment_attempt) == (UPDATE, "open", None)


def test_paying_its_invoice_applies_it() -> None:
    bench = waiting()
    bench.types()
    bench.stripe.seed(replace(bench.book.payment_methods["pm_ada"], id="pm_ada.2"))
    bench.call("invoices.pay", UPDATE, {"payment_method": "pm_ada.2"})
    assert bench.types() == [*PAID[1:], SUBSCRIPTION, "customer.subscription.pending_update_applied"]
    assert (bench.subscription.pending_update, bench.subscription.items.data[0].price.unit_amount) == (None, 4000)
    bench.days(2)
    assert bench.invoice("in_ada_1").total == 4000


def test_it_expires_after_23_hours() -> None:
    bench = waiting()
    bench.types()
    bench.at(23 * HOUR_S - 1)
    assert bench.types() == []
    bench.at(23 * HOUR_S)
    assert bench.types() == ["payment_intent.canceled", "invoice.voided", SUBSCRIPTION, "customer.subscription.pending_update_expired"]
    assert (bench.subscription.pending_update, bench.invoice(UPDATE).status, bench.subscription.status) == (None, "void", "active")
    assert bench.outbox.changes[-1][5] == f"e/stripe/{UPDATE}/lapse"
    bench.days(1)
    assert bench.invoice("in_ada_1").total == 2000


def test_it_expires_with_the_period_where_that_is_sooner() -> None:
    bench = selling()
    bench.stripe.resume()
    bench.stripe.behave("pm_ada", BROKE)
    bench.at(2 * HOUR_S)
    assert pending(bench).pending_update["expires_at"] == RENEWS_S  # type: ignore[index]
    bench.days(1)
    assert (bench.subscription.pending_update, bench.invoice(UPDATE).status, bench.invoice("in_ada_1").status) == (None, "void", "draft")


def test_voiding_its_invoice_cancels_it() -> None:
    bench = waiting()
    bench.types()
    bench.call("invoices.void_invoice", UPDATE)
    assert bench.types() == ["payment_intent.canceled", "invoice.voided", SUBSCRIPTION]
    assert (bench.subscription.pending_update, bench.subscription.status) == (None, "active")


def test_another_update_takes_its_place() -> None:
    bench = waiting()
    pending(bench, [{"id": "si_ada", "quantity": 2}], task="e/second")
    second = f"in_ada_update.{short('e/second')}"
    assert (bench.invoice(UPDATE).status, bench.invoice(second).status, bench.subscription.latest_invoice) == ("void", "open", second)
    assert [item.quantity for item in bench.subscription.pending_update["subscription_items"]] == [2]  # type: ignore[index]


def test_cancelling_drops_it() -> None:
    bench = waiting()
    bench.call("subscriptions.cancel", "sub_ada")
    assert (bench.subscription.status, bench.subscription.pending_update, bench.invoice(UPDATE).status) == ("canceled", None, "void")


def test_the_renewal_decides_of_the_status_while_an_update_waits_and_after_it_came_to_nothing() -> None:
    bench = Bench()
    bench.stripe.seed(Price(id="price_business_monthly", created=0, product="zone_plan", unit_amount=4000))
    bench.stripe.behave("pm_ada", BROKE)
    bench.stripe.resume()
    bench.days(2)
    assert bench.subscription.status == "past_due"
    change(bench, payment_behavior="pending_if_incomplete", proration_behavior="always_invoice")
    bench.stripe.seed(replace(bench.book.payment_methods["pm_ada"], id="pm_ada.2"))
    bench.call("invoices.pay", "in_ada_1", {"payment_method": "pm_ada.2"})
    assert bench.subscription.status == "active" and bench.subscription.pending_update is not None


def test_it_applies_when_the_bank_has_confirmed() -> None:
    bench = selling()
    bench.stripe.challenge("cus_ada")
    pending(bench)
    assert bench.subscription.pending_update is not None and bench.types()[-2:] == ["invoice.updated", "invoice.payment_action_required"]
    bench.stripe.confirm(f"pi_ada_update.{short(TASK)}", "w/ada/confirms")
    assert (bench.subscription.pending_update, bench.subscription.items.data[0].price.unit_amount) == (None, 4000)


def test_an_update_that_is_paid_while_its_subscription_is_past_due_is_one_change() -> None:
    """Paid, it is active and has what was wanted: one event says both."""
    bench = selling(status="past_due")
    bench.stripe.challenge("cus_ada")
    pending(bench)
    assert (bench.subscription.status, bench.subscription.pending_update is None) == ("past_due", False)
    bench.outbox.events.clear()
    bench.stripe.confirm(f"pi_ada_update.{short(TASK)}", "w/ada/confirms")
    assert (bench.subscription.status, bench.subscription.items.data[0].price.unit_amount) == ("active", 4000)
    names = [emitted.name for emitted in bench.outbox.events]
    assert len(set(names)) == len(names) and bench.types().count(SUBSCRIPTION) == 1


def test_metadata_waits_with_it() -> None:
    """https://docs.stripe.com/changelog/dahlia/2026-05-27/pending-subscription-update-metadata"""
    bench = selling(metadata={"kept": "1"})
    bench.stripe.behave("pm_ada", BROKE)
    change(bench, payment_behavior="pending_if_incomplete", metadata={"plan": "business"}, **NOW)
    assert bench.subscription.metadata == {"kept": "1"}
    bench.stripe.seed(replace(bench.book.payment_methods["pm_ada"], id="pm_ada.2"))
    bench.call("invoices.pay", UPDATE, {"payment_method": "pm_ada.2"})
    assert bench.subscription.metadata == {"kept": "1", "plan": "business"}


def test_a_sent_invoice_does_not_wait() -> None:
    bench = selling(collection_method="send_invoice")
    with pytest.raises(StripeError, match="not allowed for collection_method=send_invoice"):
        pending(bench)
    change(bench, **NOW)
    assert bench.invoice(UPDATE).status == "draft" and bench.subscription.status == "active"


# -- trials: https://docs.stripe.com/billing/subscriptions/trials


def on_trial(days: int) -> Bench:
    bench = selling()
    bench.call("subscriptions.cancel", "sub_ada")
    bench.stripe.resume()
    bench.call("subscriptions.create", "sub_new", {"customer": "cus_ada", "items": [{"price": "price_pro_monthly"}], "trial_period_days": days})
    return bench


def test_the_end_of_a_trial_is_announced_three_days_before() -> None:
    bench = on_trial(14)
    assert "customer.subscription.trial_will_end" not in bench.types()
    bench.at(11 * DAY_S - 1)
    assert bench.types() == []
    bench.days(11)
    assert bench.types() == ["customer.subscription.trial_will_end"]
    bench.days(15)
    assert bench.types().count("customer.subscription.trial_will_end") == 0
    assert bench.invoice("in_new_2").status == "paid" and bench.book.subscriptions["sub_new"].status == "active"


def test_the_end_of_a_short_trial_is_announced_at_once() -> None:
    assert on_trial(3).types().count("customer.subscription.trial_will_end") == 1


def test_a_change_during_a_trial_costs_nothing_yet() -> None:
    bench = on_trial(14)
    bench.types()
    bench.call("subscriptions.update", "sub_new", {"items": [{"id": "si_new", "price": "price_pro_yearly"}], "proration_behavior": "always_invoice"})
    assert bench.types() == [SUBSCRIPTION] and not bench.book.invoice_items
    bench.days(15)
    assert bench.invoice("in_new_2").total == 20000


def test_a_trial_may_be_moved_and_ended() -> None:
    bench = on_trial(14)
    bench.call("subscriptions.update", "sub_new", {"trial_end": START_S + 20 * DAY_S})
    assert bench.book.subscriptions["sub_new"].items.data[0].current_period_end == START_S + 20 * DAY_S
    bench.days(15)
    assert bench.book.subscriptions["sub_new"].status == "trialing"
    bench.call("subscriptions.update", "sub_new", {"trial_end": "now"}, task="e/end")
    invoice = bench.invoice(f"in_new_update.{short('e/end')}")
    assert (invoice.total, invoice.status, bench.book.subscriptions["sub_new"].status) == (2000, "paid", "active")


# -- cancelling, limits


def test_cancelling_gives_the_unused_time_back_where_it_is_asked_for() -> None:
    """https://docs.stripe.com/api/subscriptions/cancel: with `invoice_now` a final invoice, whose amount below zero is credit."""
    bench = selling()
    bench.call("subscriptions.cancel", "sub_ada", {"prorate": True, "invoice_now": True})
    invoice = bench.invoice(f"in_ada_end.{short(TASK)}")
    assert (invoice.total, invoice.status, invoice.ending_balance) == (-71, "paid", -71)  # a day of 28: 71.43
    assert bench.book.customer is not None and bench.book.customer.balance == -71
    bench = selling()
    bench.call("subscriptions.cancel", "sub_ada", {"prorate": True})
    assert [item.amount for item in bench.book.invoice_items.values()] == [-71] and not bench.book.invoices


def test_a_subscription_has_ten_new_invoices_a_minute() -> None:
    """https://docs.stripe.com/rate-limits"""
    bench = selling()
    for number in range(10):
        change(bench, [{"id": "si_ada", "quantity": number + 2}], **NOW)
    with pytest.raises(StripeError, match="429 invalid_request_error rate_limit: .* within a minute"):
        change(bench, [{"id": "si_ada", "quantity": 20}], **NOW)
    bench.at(60)
    change(bench, [{"id": "si_ada", "quantity": 20}], **NOW)
