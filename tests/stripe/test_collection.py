"""The retry schedule, its final actions, payments by request, told results, the bank's answers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe.api import CardBehaviour
from billsim.stripe.objects import StripeError
from billsim.stripe.settings import StripeSettings
from tests.stripe.bench import BROKE, DAY_S, HOUR_S, LOST, START_S, Bench, owing

FIRST_S = START_S + DAY_S + HOUR_S  # first attempt
LAST_S = DAY_S + HOUR_S + 14 * DAY_S  # the eighth and last, after the start
FAILED = ["charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed"]
PAID = ["charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded"]


def statuses(bench: Bench) -> tuple[str, str, bool]:
    assert bench.book.customer is not None
    return bench.invoice().status, bench.subscription.status, bench.book.customer.delinquent


def test_the_first_attempt_fails() -> None:
    bench = Bench()
    bench.stripe.behave("pm_ada", BROKE)
    bench.stripe.resume()
    bench.at(DAY_S)
    bench.types()
    bench.at(DAY_S + HOUR_S)
    assert bench.types() == ["invoice.finalized", "payment_intent.created", *FAILED, "customer.subscription.updated", "customer.updated"]
    assert statuses(bench) == ("open", "past_due", True)
    intent = bench.book.payment_intents["pi_ada_1"]
    assert intent.last_payment_error is not None
    assert (intent.status, intent.latest_charge) == ("requires_payment_method", "ch_ada_1.1")
    assert (intent.payment_method, intent.last_payment_error.decline_code) == (None, "insufficient_funds")
    charge = bench.book.charges["ch_ada_1.1"]
    assert (charge.status, charge.paid, charge.captured, charge.amount_captured, charge.failure_code) == ("failed", False, False, 0, "card_declined")
    assert bench.invoice().next_payment_attempt == FIRST_S + DAY_S


def test_retries_come_at_the_schedules_instants_until_it_is_used_up() -> None:
    bench = owing()
    bench.at(LAST_S - 1)
    assert bench.invoice().next_payment_attempt == START_S + LAST_S
    bench.at(LAST_S)
    days = [(charge.created - FIRST_S) // DAY_S for charge in bench.book.charges.values()]
    assert days == [0, 1, 3, 5, 7, 9, 11, 14]
    assert list(bench.book.charges) == [f"ch_ada_1.{n}" for n in range(1, 9)]
    assert (bench.invoice().attempt_count, bench.invoice().next_payment_attempt) == (8, None)
    # Past due already and left so: the last failure tells nothing more than its own.
    assert bench.types() == FAILED * 7
    assert statuses(bench) == ("open", "past_due", True)
    bench.days(30)
    assert bench.types() == []


@pytest.mark.parametrize(
    ("settings", "after", "events"),
    [
        (StripeSettings(final_subscription="mark_unpaid"), ("open", "unpaid", True), ["customer.subscription.updated"]),
        (StripeSettings(final_subscription="cancel"), ("open", "canceled", True), ["customer.subscription.deleted", "invoice.updated"]),
        (StripeSettings(final_invoice="mark_uncollectible"), ("uncollectible", "past_due", True), ["invoice.marked_uncollectible"]),
        (
            StripeSettings(final_invoice="mark_uncollectible", final_subscription="cancel"),
            ("uncollectible", "canceled", True),
            ["invoice.marked_uncollectible", "customer.subscription.deleted"],
        ),
    ],
)
def test_final_actions(settings: StripeSettings, after: tuple[str, str, bool], events: list[str]) -> None:
    bench = owing(settings)
    bench.at(LAST_S - 1)
    bench.types()
    bench.at(LAST_S)
    assert statuses(bench) == after
    assert bench.types() == [*FAILED, *events]
    assert not bench.invoice().auto_advance or after[0:2] == ("open", "unpaid")


def test_one_attempt_may_be_first_and_last() -> None:
    bench = Bench(StripeSettings(retry_days=(), final_subscription="mark_unpaid"))
    bench.stripe.behave("pm_ada", BROKE)
    bench.stripe.resume()
    bench.days(2)
    assert statuses(bench) == ("open", "unpaid", True)
    assert [e.event.type for e in bench.outbox.events].count("customer.subscription.updated") == 2  # the period, the status


def test_the_final_action_is_skipped_where_the_latest_invoice_is_paid() -> None:
    bench = owing(StripeSettings(final_subscription="cancel", retry_days=(40,)))
    bench.days(33)  # renewed on day 32: in_ada_2 fails as well
    assert bench.subscription.latest_invoice == "in_ada_2"
    bench.stripe.seed(replace(bench.book.payment_methods["pm_ada"], id="pm_ada.2"))
    bench.call("invoices.pay", "in_ada_2", {"payment_method": "pm_ada.2"})
    assert bench.subscription.status == "active"
    bench.days(42)
    assert (bench.invoice().attempt_count, bench.invoice().next_payment_attempt) == (2, None)
    assert statuses(bench) == ("open", "active", True)


def test_a_retry_that_succeeds() -> None:
    bench = owing(behaviour=CardBehaviour("insufficient_funds", until_s=FIRST_S + 2 * DAY_S))
    bench.at(DAY_S + HOUR_S + 3 * DAY_S)
    assert bench.types() == [*FAILED, *PAID, "customer.subscription.updated", "customer.updated"]
    assert statuses(bench) == ("paid", "active", False)
    assert (bench.invoice().attempt_count, bench.invoice().next_payment_attempt) == (3, None)


def test_a_lost_card_is_charged_once_and_a_new_one_at_the_next_retry() -> None:
    bench = owing(behaviour=LOST)
    bench.at(DAY_S + HOUR_S + 3 * DAY_S)
    assert bench.invoice().attempt_count == 3 and list(bench.book.charges) == ["ch_ada_1.1"]
    assert bench.types() == ["invoice.updated", "invoice.payment_failed"] * 2
    bench.call("payment_methods.create", "pm_ada.2", {"type": "card", "card": {"token": "tok_visa"}})
    bench.call("payment_methods.attach", "pm_ada.2", {"customer": "cus_ada"})
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": "pm_ada.2"}})
    bench.at(DAY_S + HOUR_S + 5 * DAY_S)
    assert statuses(bench) == ("paid", "active", False)
    assert bench.book.charges["ch_ada_1.4"].payment_method == "pm_ada.2"


def test_funds_are_a_fact_of_the_day() -> None:
    declined = set()
    for seed in range(40):
        bench = Bench(seed=seed)
        bench.stripe.behave("pm_ada", CardBehaviour("good", daily_decline_ppm=500_000))
        bench.stripe.resume()
        bench.at(DAY_S + HOUR_S)
        first = bench.invoice().status
        if first == "open":
            with pytest.raises(StripeError, match="insufficient funds"):
                bench.call("invoices.pay", "in_ada_1")
        declined.add(first)
    assert declined == {"open", "paid"}


# -- by request


def test_pay_by_request() -> None:
    bench = owing()
    bench.stripe.behave("pm_ada", CardBehaviour("good"))
    paid = bench.call("invoices.pay", "in_ada_1", {"off_session": False}, task="e/pay")
    assert (paid.status, paid.attempt_count, statuses(bench)) == ("paid", 1, ("paid", "active", False))
    assert f"ch_ada_1.{short('e/pay')}" in bench.book.charges
    assert [p.status for p in paid.payments] == ["paid"]
    assert [e.name for e in bench.outbox.events][3] == f"in_ada_1.paid.{short('e/pay')}"
    assert bench.types() == [*PAID, "customer.subscription.updated", "customer.updated"]
    bench.days(20)
    assert bench.types() == []


def test_a_declined_payment_by_request_is_recorded_and_not_counted() -> None:
    bench = owing()
    before = bench.invoice()
    with pytest.raises(StripeError) as refused:
        bench.call("invoices.pay", "in_ada_1")
    assert (refused.value.status, refused.value.type, refused.value.code) == (402, "card_error", "card_declined")
    assert bench.invoice() == before and len(bench.book.charges) == 2
    assert bench.types() == ["charge.failed", "payment_intent.payment_failed", "invoice.payment_failed"]


def test_a_challenge_waits_for_the_bank_and_only_on_session() -> None:
    bench = owing()
    bench.stripe.behave("pm_ada", CardBehaviour("good"))
    bench.stripe.challenge("cus_ada")
    waiting = bench.call("invoices.pay", "in_ada_1", {"off_session": False})
    assert waiting.status == "open" and bench.book.payment_intents["pi_ada_1"].status == "requires_action"
    assert bench.types() == ["payment_intent.requires_action", "invoice.payment_action_required"]
    bench.stripe.confirm("pi_ada_1", "w/bank")
    assert statuses(bench) == ("paid", "active", False)
    assert bench.types() == [*PAID, "customer.subscription.updated", "customer.updated"]
    bench.stripe.confirm("pi_ada_1", "w/bank/again")
    assert bench.types() == []


def test_a_challenge_is_put_once_and_never_off_session() -> None:
    bench = owing()
    bench.stripe.challenge("cus_ada")
    with pytest.raises(StripeError, match="card_declined"):
        bench.call("invoices.pay", "in_ada_1")
    assert bench.call("invoices.pay", "in_ada_1", {"off_session": False}).status == "open"
    with pytest.raises(StripeError, match="card_declined"):
        bench.call("invoices.pay", "in_ada_1", {"off_session": False})


def test_a_second_lost_card_is_charged_once_as_well() -> None:
    bench = owing(behaviour=LOST)
    bench.call("payment_methods.create", "pm_ada.2", {"type": "card"})
    bench.stripe.behave("pm_ada.2", LOST)
    bench.call("payment_methods.attach", "pm_ada.2", {"customer": "cus_ada"})
    bench.call("subscriptions.update", "sub_ada", {"default_payment_method": "pm_ada.2"})
    bench.at(LAST_S)
    assert [(c.id, c.payment_method) for c in bench.book.charges.values()] == [("ch_ada_1.1", "pm_ada"), ("ch_ada_1.2", "pm_ada.2")]


def test_which_payment_method_is_charged() -> None:
    bench = owing()
    for ordinal in ("2", "3", "4"):
        bench.call("payment_methods.create", f"pm_ada.{ordinal}", {"type": "card"})
        bench.call("payment_methods.attach", f"pm_ada.{ordinal}", {"customer": "cus_ada"})
        bench.stripe.behave(f"pm_ada.{ordinal}", BROKE)
    used = []
    for method, id, params in (
        ("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": "pm_ada.2"}}),
        ("subscriptions.update", "sub_ada", {"default_payment_method": "pm_ada.3"}),
        ("invoices.update", "in_ada_1", {"default_payment_method": "pm_ada.4"}),
    ):
        bench.call(method, id, params)
        bench.stripe.attempt_now("in_ada_1", "declined", f"w/story/{id}")
        used.append(bench.book.charges[f"ch_ada_1.{bench.invoice().attempt_count}"].payment_method)
    assert used == ["pm_ada.2", "pm_ada.3", "pm_ada.4"]


def test_a_confirmation_that_was_overtaken_comes_to_nothing() -> None:
    bench = owing()
    bench.stripe.challenge("cus_ada")
    bench.call("invoices.pay", "in_ada_1", {"off_session": False})
    bench.call("invoices.void_invoice", "in_ada_1")
    bench.types()
    bench.stripe.confirm("pi_ada_1", "w/bank")
    assert bench.types() == [] and bench.invoice().status == "void"


def test_void() -> None:
    bench = owing()
    bench.call("invoices.void_invoice", "in_ada_1")
    assert bench.types() == ["payment_intent.canceled", "invoice.voided", "customer.subscription.updated"]
    # Nothing else is owed; delinquent follows payments and write-offs alone.
    assert statuses(bench) == ("void", "active", True)
    bench.days(20)
    assert bench.types() == []


def test_voiding_the_latest_leaves_the_status_to_the_one_before() -> None:
    bench = owing(StripeSettings(retry_days=(40,)))
    bench.days(33)
    bench.call("invoices.void_invoice", "in_ada_2")
    assert bench.subscription.status == "past_due"


def test_uncollectible_then_paid() -> None:
    bench = owing()
    bad = bench.call("invoices.mark_uncollectible", "in_ada_1", task="w/support/1")
    assert (bad.status_transitions.marked_uncollectible_at, bad.next_payment_attempt) == (FIRST_S, None)
    assert statuses(bench) == ("uncollectible", "active", False)
    assert bench.types() == ["invoice.marked_uncollectible", "customer.subscription.updated", "customer.updated"]
    bench.stripe.behave("pm_ada", CardBehaviour("good"))
    assert bench.call("invoices.pay", "in_ada_1", task="w/support/2").status == "paid"


def test_paying_the_older_of_two_leaves_the_subscription_past_due() -> None:
    bench = owing(StripeSettings(retry_days=(40,)))
    bench.days(33)
    bench.stripe.behave("pm_ada", CardBehaviour("good"))
    bench.call("invoices.pay", "in_ada_1")
    assert bench.subscription.status == "past_due" and bench.invoice("in_ada_2").status == "open"


def test_a_cancelled_subscriptions_debt_stays_and_is_no_longer_collected() -> None:
    bench = owing()
    bench.call("subscriptions.cancel", "sub_ada")
    assert bench.types() == ["customer.subscription.deleted", "invoice.updated"]
    owed = bench.invoice()
    assert (owed.status, owed.auto_advance, owed.next_payment_attempt, owed.amount_remaining) == ("open", False, None, 2000)
    assert bench.subscription.canceled_at == FIRST_S
    assert not bench.stripe.attempt_now("in_ada_1", "paid", "w/story")
    bench.days(60)
    assert bench.types() == []
    bench.stripe.behave("pm_ada", CardBehaviour("good"))
    bench.call("invoices.pay", "in_ada_1")
    assert statuses(bench) == ("paid", "canceled", False)


@pytest.mark.parametrize(
    ("first", "method", "code"),
    [
        ("invoices.pay", "invoices.pay", "invoice_already_paid"),
        ("invoices.pay", "invoices.void_invoice", "invoice_already_paid"),
        ("invoices.void_invoice", "invoices.pay", "invoice_not_open"),
        ("invoices.void_invoice", "invoices.mark_uncollectible", "invoice_not_open"),
        ("invoices.mark_uncollectible", "invoices.mark_uncollectible", "invoice_not_open"),
        ("invoices.void_invoice", "invoices.finalize_invoice", "invoice_not_draft"),
    ],
)
def test_what_an_invoices_status_does_not_allow_is_refused(first: str, method: str, code: str) -> None:
    bench = owing()
    bench.stripe.behave("pm_ada", CardBehaviour("good"))
    bench.call(first, "in_ada_1")
    bench.outbox.changes.clear()
    with pytest.raises(StripeError) as refused:
        bench.call(method, "in_ada_1")
    assert (refused.value.status, refused.value.code, bench.outbox.changes) == (400, code, [])


def test_finalise_by_hand_is_attempted_an_hour_later() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.at(DAY_S)
    opened = bench.call("invoices.finalize_invoice", "in_ada_1")
    assert (opened.status, opened.next_payment_attempt) == ("open", START_S + DAY_S + HOUR_S)
    bench.at(DAY_S + HOUR_S)
    assert bench.invoice().status == "paid"


def test_paying_a_draft_finalises_it() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.at(DAY_S)
    assert bench.call("invoices.pay", "in_ada_1").status == "paid"
    bench.days(3)
    assert list(bench.book.charges) == [f"ch_ada_1.{short('e/test/call')}"]


def test_without_a_payment_method_the_schedule_fails_without_a_charge() -> None:
    bench = Bench()
    bench.call("payment_methods.detach", "pm_ada")
    bench.stripe.resume()
    bench.at(DAY_S + HOUR_S)
    assert statuses(bench) == ("open", "past_due", True) and not bench.book.charges
    with pytest.raises(StripeError, match="no payment method to charge"):
        bench.call("invoices.pay", "in_ada_1")


# -- told results


def test_a_told_decline_takes_the_place_of_the_planned_retry() -> None:
    bench = owing()
    bench.at(DAY_S + HOUR_S + HOUR_S)
    assert bench.stripe.attempt_now("in_ada_1", "declined", "w/story/row1")
    # The second attempt was planned a day after the first; the third comes three days after it.
    assert (bench.invoice().attempt_count, bench.invoice().next_payment_attempt) == (2, FIRST_S + 3 * DAY_S)
    assert [e.name for e in bench.outbox.events][:2] == ["ch_ada_1.2.failed.2", "pi_ada_1.payment_failed.2"]
    bench.types()
    bench.at(DAY_S + HOUR_S + 3 * DAY_S)
    assert bench.types() == FAILED


def test_a_told_attempt_later_than_planned_keeps_the_schedules_distance() -> None:
    bench = owing(StripeSettings(retry_days=(1, 3)))
    bench.stripe.quiet()
    bench.days(20)
    bench.stripe.attempt_now("in_ada_1", "declined", "w/story/row1")
    assert bench.invoice().next_payment_attempt == START_S + 20 * DAY_S + 2 * DAY_S


def test_the_last_told_decline_uses_the_schedule_up() -> None:
    bench = owing()
    for row in range(7):
        assert bench.stripe.attempt_now("in_ada_1", "declined", f"w/story/row{row}")
    assert (bench.invoice().attempt_count, bench.invoice().next_payment_attempt) == (8, None)
    assert not bench.stripe.attempt_now("in_ada_1", "declined", "w/story/row8")
    assert len(bench.book.charges) == 8


def test_told_results() -> None:
    bench = owing()
    bench.stripe.attempt_now("in_ada_1", "lost_card", "w/story/1")
    error = bench.book.payment_intents["pi_ada_1"].last_payment_error
    assert error is not None and error.decline_code == "lost_card"
    bench.types()
    bench.stripe.attempt_now("in_ada_1", "requires_action", "w/story/2")
    assert bench.types() == ["payment_intent.requires_action", "invoice.updated", "invoice.payment_action_required", "invoice.payment_failed"]
    bench.stripe.attempt_now("in_ada_1", "paid", "w/story/3")
    assert bench.types() == [*PAID, "customer.subscription.updated", "customer.updated"]
    assert not bench.stripe.attempt_now("in_ada_1", "declined", "w/story/4") and bench.types() == []
    with pytest.raises(ValueError, match="'bounced' is no result"):
        bench.stripe.attempt_now("in_ada_1", "bounced", "w/story/5")


def test_a_told_charge_of_a_draft_finalises_it_first() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.at(DAY_S)
    assert bench.stripe.attempt_now("in_ada_1", "declined", "w/story/1")
    assert (bench.invoice().status, bench.invoice().attempt_count) == ("open", 1)


def test_a_payment_in_processing_is_settled_by_the_next_told_result() -> None:
    bench = owing()
    bench.stripe.attempt_now("in_ada_1", "processing", "w/story/1")
    assert bench.types() == ["charge.pending", "payment_intent.processing", "invoice.updated"]
    assert (bench.invoice().attempt_count, bench.book.charges["ch_ada_1.2"].status) == (2, "pending")
    for method in ("invoices.pay", "invoices.void_invoice"):
        with pytest.raises(StripeError, match="pi_ada_1 is processing"):
            bench.call(method, "in_ada_1")
    assert not bench.stripe.attempt_now("in_ada_1", "processing", "w/story/2")
    bench.stripe.attempt_now("in_ada_1", "declined", "w/story/3")
    assert bench.types() == FAILED[:2] + ["invoice.payment_failed"]
    assert (bench.invoice().attempt_count, bench.book.charges["ch_ada_1.2"].status) == (2, "failed")


def test_a_payment_in_processing_is_settled_by_the_schedules_next_instant() -> None:
    bench = owing()
    bench.stripe.attempt_now("in_ada_1", "processing", "w/story/1")
    bench.stripe.behave("pm_ada", CardBehaviour("good"))
    bench.at(DAY_S + HOUR_S + 3 * DAY_S - 1)
    assert bench.invoice().status == "open"
    bench.at(DAY_S + HOUR_S + 3 * DAY_S)
    assert statuses(bench) == ("paid", "active", False) and bench.book.charges["ch_ada_1.2"].status == "succeeded"


def test_the_last_payment_in_processing_is_settled_within_five_days_and_may_be_the_end() -> None:
    bench = owing(StripeSettings(retry_days=(1,), final_subscription="cancel"))
    bench.stripe.attempt_now("in_ada_1", "processing", "w/story/1")
    assert statuses(bench) == ("open", "past_due", True)
    bench.at(DAY_S + HOUR_S + 5 * DAY_S)
    assert statuses(bench) == ("open", "canceled", True)
    assert bench.book.charges["ch_ada_1.2"].status == "failed"
