"""Renewals, first invoices, trials, expiry."""

from __future__ import annotations

from datetime import datetime

import pytest

from billsim.core.time import to_ms
from billsim.stripe.api import CardBehaviour
from billsim.stripe.objects import Invoice, Recurring, StripeError
from billsim.stripe.periods import period_end
from billsim.stripe.settings import StripeSettings
from tests.stripe.bench import BROKE, DAY_S, HOUR_S, START_S, Bench

CREATE = {"customer": "cus_ada", "items": [{"price": "price_pro_monthly"}]}
BILLED = ["customer.subscription.created", "invoice.created", "invoice.finalized", "payment_intent.created"]
PAID = ["charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded"]


def test_a_renewal_is_paid() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.at(DAY_S)
    draft = bench.invoice()
    assert (draft.status, draft.total, draft.billing_reason, draft.created) == ("draft", 2000, "subscription_cycle", START_S + DAY_S)
    assert (draft.period_start, draft.period_end) == (START_S - 27 * DAY_S, START_S + DAY_S)
    assert draft.lines.data[0].amount == 2000
    assert bench.subscription.latest_invoice == "in_ada_1"
    # 2 March + 1 month = 2 April, 31 days on.
    assert bench.subscription.items.data[0].current_period_end == START_S + 32 * DAY_S
    assert bench.types() == ["invoice.created", "customer.subscription.updated"]

    bench.at(DAY_S + HOUR_S - 1)
    assert bench.types() == []
    bench.at(DAY_S + HOUR_S)
    assert bench.types() == ["invoice.finalized", "payment_intent.created", *PAID]
    paid = bench.invoice()
    assert (paid.status, paid.amount_paid, paid.amount_remaining, paid.attempt_count, paid.attempted) == ("paid", 2000, 0, 1, True)
    assert paid.status_transitions.finalized_at == paid.status_transitions.paid_at == START_S + DAY_S + HOUR_S
    assert bench.book.payment_intents["pi_ada_1"].status == "succeeded"
    charge = bench.book.charges["ch_ada_1.1"]
    assert (charge.amount, charge.status, charge.payment_intent, charge.payment_method) == (2000, "succeeded", "pi_ada_1", "pm_ada")


def test_changes_are_told_in_order_and_before_their_events() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.at(DAY_S)
    bench.outbox.changes.clear()
    bench.at(DAY_S + HOUR_S)
    told = [(kind, id, new.status, task, cause) for _, kind, id, _, new, task, cause in bench.outbox.changes]
    finalize, attempt = ("w/stripe/in_ada_1/finalize", "billing cycle"), ("w/stripe/in_ada_1/attempt1", "retry schedule")
    assert told == [
        ("payment_intent", "pi_ada_1", "requires_payment_method", *finalize),
        ("invoice", "in_ada_1", "open", *finalize),
        ("charge", "ch_ada_1.1", "succeeded", *attempt),
        ("payment_intent", "pi_ada_1", "succeeded", *attempt),
        ("invoice", "in_ada_1", "paid", *attempt),
    ]


def test_renewals_go_on_and_every_event_has_its_own_name() -> None:
    bench = Bench()
    bench.stripe.behave("pm_ada", CardBehaviour("insufficient_funds", until_s=START_S + 4 * DAY_S))
    bench.stripe.resume()
    bench.days(100)
    # Renewals on 2 March, 2 April, 2 May, 2 June (day 93).
    assert [i.status for i in bench.book.invoices.values()] == ["paid"] * 4
    assert [i.attempt_count for i in bench.book.invoices.values()] == [3, 1, 1, 1]
    names = [e.name for e in bench.outbox.events]
    assert len(names) == len(set(names)) > 40
    assert all(e.origin == "w" and e.event.id == f"evt_{e.name}" for e in bench.outbox.events)
    assert "in_ada_1.payment_failed.2" in names and "sub_ada.updated.in_ada_1.1" in names


def test_without_an_answer_the_draft_waits_for_the_fallback() -> None:
    bench = Bench(acknowledges=False)
    bench.stripe.resume()
    bench.at(DAY_S + 72 * HOUR_S - 1)
    assert bench.invoice().status == "draft"
    bench.at(DAY_S + 72 * HOUR_S)
    assert bench.invoice().status == "paid"


def test_the_first_answer_counts_and_a_second_one_does_not_delay() -> None:
    bench = Bench(acknowledges=False)
    bench.stripe.resume()
    bench.at(DAY_S)
    created = next(e for e in bench.outbox.events if e.event.type == "invoice.created")
    bench.at(DAY_S + HOUR_S)
    bench.stripe.acknowledged(created, bench.kernel.now)
    bench.at(DAY_S + HOUR_S + 600)
    bench.stripe.acknowledged(created, bench.kernel.now)
    bench.at(DAY_S + 2 * HOUR_S - 1)
    assert bench.invoice().status == "draft"
    bench.at(DAY_S + 2 * HOUR_S)
    assert bench.invoice().status == "paid"


def test_cancel_at_period_end() -> None:
    bench = Bench(cancel_at_period_end=True)
    bench.stripe.resume()
    bench.days(40)
    assert (bench.subscription.status, bench.subscription.ended_at) == ("canceled", START_S + DAY_S)
    assert bench.types() == ["customer.subscription.deleted"] and not bench.book.invoices


def test_quiet_starts_nothing() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.at(DAY_S)
    bench.types()
    bench.stripe.quiet()
    bench.days(60)
    assert bench.types() == [] and bench.invoice().status == "draft"
    assert bench.call("customers.update", "cus_ada", {"name": "Ada"}).name == "Ada"


def test_what_lay_before_the_story_is_not_caught_up() -> None:
    bench = Bench()
    owed = {"total": 5, "amount_remaining": 5, "next_payment_attempt": START_S - 1}
    bench.stripe.seed(Invoice(id="in_ada_7", created=START_S - 9, customer="cus_ada", status="open", **owed))
    bench.kernel.move_to(START_S * 1000 + 2 * DAY_S * 1000)
    bench.stripe.resume()
    bench.days(40)
    assert bench.types() == []


@pytest.mark.parametrize(
    ("recurring", "start", "anchor", "end"),
    [
        (Recurring("day", 1), "2026-03-01", "2026-03-01", "2026-03-02"),
        (Recurring("week", 2), "2026-03-01", "2026-03-01", "2026-03-15"),
        (Recurring("month", 1), "2026-02-28", "2026-01-31", "2026-03-31"),
        (Recurring("year", 1), "2028-02-29", "2028-02-29", "2029-02-28"),
    ],
)
def test_period_end(recurring: Recurring, start: str, anchor: str, end: str) -> None:
    seconds = [to_ms(datetime.fromisoformat(day)) // 1000 for day in (start, anchor, end)]
    assert period_end(recurring, seconds[0], seconds[1]) == seconds[2]


# -- the first invoice


def test_create_and_pay() -> None:
    bench = Bench()
    made = bench.call("subscriptions.create", "sub_ada-2", CREATE)
    assert (made.status, made.latest_invoice, made.items.data[0].id) == ("active", "in_ada-2_1", "si_ada-2")
    assert made.items.data[0].current_period_end == START_S + 31 * DAY_S
    invoice = bench.invoice("in_ada-2_1")
    assert (invoice.status, invoice.billing_reason, invoice.attempt_count) == ("paid", "subscription_create", 1)
    assert bench.types() == [*BILLED, *PAID, "customer.subscription.updated"]


def test_create_with_a_decline_is_incomplete_and_expires_after_23_hours() -> None:
    bench = Bench()
    bench.stripe.behave("pm_ada", BROKE)
    assert bench.call("subscriptions.create", "sub_ada-2", CREATE).status == "incomplete"
    assert bench.types() == [*BILLED, "charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed"]
    invoice = bench.invoice("in_ada-2_1")
    assert (invoice.status, invoice.attempt_count, invoice.next_payment_attempt) == ("open", 1, None)
    bench.at(23 * HOUR_S - 1)
    assert bench.types() == []
    bench.at(23 * HOUR_S)
    assert bench.types() == ["payment_intent.canceled", "invoice.voided", "customer.subscription.updated"]
    assert bench.book.subscriptions["sub_ada-2"].status == "incomplete_expired"
    bench.days(200)
    assert bench.types() == []


def test_an_incomplete_subscription_that_is_paid_in_time_becomes_active_and_renews() -> None:
    bench = Bench()
    assert bench.call("subscriptions.create", "sub_ada-2", {**CREATE, "payment_behavior": "default_incomplete"}).status == "incomplete"
    assert (bench.invoice("in_ada-2_1").attempt_count, bench.types()) == (0, BILLED)
    bench.call("payment_intents.confirm", "pi_ada-2_1")
    # Any first attempt counts.
    assert (bench.invoice("in_ada-2_1").status, bench.invoice("in_ada-2_1").attempt_count) == ("paid", 1)
    bench.days(31)
    assert bench.book.subscriptions["sub_ada-2"].status == "active"
    assert bench.invoice("in_ada-2_2").status == "draft"


def test_error_if_incomplete_makes_nothing() -> None:
    bench = Bench()
    bench.stripe.behave("pm_ada", BROKE)
    with pytest.raises(StripeError, match="402 card_error card_declined"):
        bench.call("subscriptions.create", "sub_ada-2", {**CREATE, "payment_behavior": "error_if_incomplete"})
    assert not bench.outbox.changes and "sub_ada-2" not in bench.book.subscriptions


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"payment_behavior": "pending_if_incomplete"}, "`pending_if_incomplete` has no effect"),
        ({"items": []}, "Missing required param: items"),
        ({"items": [{"price": "price_none"}]}, "400 .* No such price"),
        ({"items": [{"prize": "price_pro_monthly"}]}, "Did you mean price"),
        ({"customer": "cus_bob"}, "404 .* No such customer"),
        ({"trial_end": START_S - 1}, "`trial_end` expects a unix timestamp"),
        ({"default_payment_method": "pm_none"}, "400 .* No such PaymentMethod"),
    ],
)
def test_create_is_refused(change: dict[str, object], refusal: str) -> None:
    bench = Bench()
    with pytest.raises(StripeError, match=refusal):
        bench.call("subscriptions.create", "sub_ada-2", {**CREATE, **change})
    assert not bench.outbox.changes


def test_a_trial_begins_with_a_paid_invoice_over_nothing() -> None:
    bench = Bench()
    made = bench.call("subscriptions.create", "sub_ada-2", {**CREATE, "trial_period_days": 14})
    invoice = bench.invoice("in_ada-2_1")
    assert (made.status, made.trial_end, invoice.status, invoice.total, invoice.attempt_count) == ("trialing", START_S + 14 * DAY_S, "paid", 0, 0)
    assert not bench.book.charges and not invoice.payments
    bench.days(14)
    assert bench.book.subscriptions["sub_ada-2"].status == "active"
    assert bench.invoice("in_ada-2_2").total == 2000


def test_a_sent_invoice_is_never_attempted_and_becomes_overdue() -> None:
    bench = Bench()
    bench.call("subscriptions.create", "sub_ada-2", {**CREATE, "collection_method": "send_invoice", "days_until_due": 10})
    bench.at(HOUR_S)
    invoice = bench.invoice("in_ada-2_1")
    assert (invoice.status, invoice.due_date, invoice.attempt_count, invoice.next_payment_attempt) == ("open", START_S + HOUR_S + 10 * DAY_S, 0, None)
    bench.types()
    bench.at(HOUR_S + 10 * DAY_S)
    assert bench.types() == ["invoice.overdue", "customer.subscription.updated", "customer.updated"]
    assert bench.book.subscriptions["sub_ada-2"].status == "past_due" and bench.book.customer is not None and bench.book.customer.delinquent
    assert not bench.book.charges
    bench.call("invoices.update", "in_ada-2_1", {"metadata": {"a": "b"}})
    bench.days(20)
    assert bench.types() == ["invoice.updated"]


def test_what_an_engine_brought_about_is_named_so() -> None:
    bench = Bench()
    for task, id in (("e/engine", "sub_e"), ("w/customer", "sub_w")):
        bench.call("subscriptions.create", id, CREATE, task=task)
    bench.days(31.1)
    tasks = {task for _, _, _, _, _, task, _ in bench.outbox.changes if task.startswith(("e/stripe/", "w/stripe/"))}
    assert {"e/stripe/sub_e/cycle2", "e/stripe/in_e_2/attempt1", "w/stripe/sub_w/cycle2", "w/stripe/in_w_2/attempt1"} <= tasks
    origins = {e.origin for e in bench.outbox.events if e.event.data.object.id == "in_e_2"}
    assert origins == {"e"}


def test_the_subscription_of_an_unpaid_customer_makes_drafts_only() -> None:
    bench = Bench(StripeSettings(), status="unpaid")
    bench.stripe.resume()
    bench.days(30)
    assert (bench.invoice().status, bench.invoice().auto_advance) == ("draft", False)
