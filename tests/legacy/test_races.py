"""Each old path's own fault, shown by hand."""

from __future__ import annotations

from msgspec.structs import replace

from billsim.ports import CallStripe, Effect, Sleep
from billsim.stores.subs_account import MARKETING_OPT_IN
from tests.driver import message
from tests.legacy.ladder import Ladder
from tests.truth_table import millis


def test_path_1_counts_deliveries() -> None:
    ada = Ladder()
    ada.fail(1)
    ada.tell("invoice.payment_failed", ada.book.invoices["in_ada_1"], name="m1/d2")
    assert ada.shard.one("subs_dunning").retry_count == 2 and ada.wrong() == ["retry_count"]
    assert len(ada.acts) == 1


def test_path_1_believes_a_failure_that_comes_after_the_payment() -> None:
    ada = Ladder(marks_uncollectible=True)
    for attempt in range(1, 8):
        ada.fail(attempt)
    late = replace(ada.book.invoices["in_ada_1"], attempt_count=8, next_payment_attempt=None)
    ada.paid(15)
    ada.tell("invoice.payment_failed", late)
    assert ada.shard.one("subs_dunning").status == "bad_debt" and ada.shard.one("subs_account").flags == 1 << 15
    assert ada.wrong() != []


def test_path_1_writes_back_the_flags_that_it_read_first() -> None:
    ada = Ladder(paid_before=False)

    def customer_opts_in(effect: Effect) -> None:
        if isinstance(effect, CallStripe):
            ada.before = lambda effect: None
            ada.stores.write("facade", "subs_account", "ada", None, {"flags": MARKETING_OPT_IN}, 0)

    ada.before = customer_opts_in
    ada.fail(1)
    assert ada.shard.one("subs_account").flags == 1 << 14


def test_path_2_calls_healthy_who_still_owes() -> None:
    ada = Ladder(invoices=[{"id": "in_ada_1", "created": 0}, {"id": "in_ada_2", "failed": [13], "next": 15}])
    ada.exhaust()
    ada.paid(15)
    assert ada.shard.one("subs_dunning").status == "healthy"
    assert set(ada.wrong()) >= {"status", "retry_count", "escalation_level"}


def test_path_2_forgets_an_invoice_that_is_not_the_newest() -> None:
    ada = Ladder()
    ada.exhaust()
    ada.night(21.5)
    ada.book.subscriptions["sub_ada"] = replace(ada.book.subscriptions["sub_ada"], latest_invoice="in_ada_2")
    ada.paid(22)
    assert ada.book.invoices["in_ada_1"].metadata == {"bad_debt": "true", "bad_debt_amount": "2000"}
    assert ada.wrong() == ["invoice/in_ada_1"]


def test_path_3_escalates_who_paid_while_it_was_walking() -> None:
    ada = Ladder()
    ada.exhaust()

    def customer_pays(effect: Effect) -> None:
        if isinstance(effect, Sleep):
            ada.before = lambda effect: None
            ada.paid(21.5)

    ada.before = customer_pays
    ada.night(21.5)
    assert ada.shard.one("subs_dunning").status == "bad_debt" and ada.shard.one("subs_account").flags == 1 << 15
    assert ("flag", "in_ada_1") in [(act.kind, act.debt) for act in ada.acts]


def test_path_4_clears_its_bit_and_leaves_the_rest_to_the_webhook() -> None:
    ada = Ladder()
    ada.exhaust()
    ada.night(21.5)
    ada.deliver(message("request.pay", invoice="in_ada_1"))
    assert ada.book.invoices["in_ada_1"].status == "paid" and ada.shard.one("subs_account").flags == 0
    assert ada.shard.one("subs_dunning").status == "bad_debt"
    ada.tell("charge.succeeded", ada.book.charges["ch_in_ada_1"])
    ada.tell("invoice.paid", ada.book.invoices["in_ada_1"])
    assert ada.wrong() == []


def test_path_4_writes_back_the_flags_of_the_page_that_it_had_loaded() -> None:
    ada = Ladder(paid_before=False)
    ada.exhaust()
    ada.night(21.5)

    def webhook_is_faster(effect: Effect) -> None:
        if isinstance(effect, Sleep):
            ada.before = lambda effect: None
            ada.paid(22)

    ada._invoices_pay = ada._invoices_retrieve  # type: ignore[method-assign]
    ada.before = webhook_is_faster
    ada.deliver(message("request.pay", invoice="in_ada_1", returns_after_ms=60_000))
    # The webhook had cleared bit 14; the page still had it.
    assert ada.shard.one("subs_account").flags == 1 << 14 and ada.wrong() == ["flags"]


def test_path_4_takes_a_decline_for_an_answer() -> None:
    ada = Ladder()
    ada.exhaust()
    ada.declines = True
    before = ada.held()
    ada.deliver(message("request.pay", invoice="in_ada_1"))
    assert ada.held() == before


def test_a_decline_on_session_is_no_step_of_dunning() -> None:
    ada = Ladder()
    ada.fail(1)
    ada.tell("invoice.payment_failed", ada.book.invoices["in_ada_1"], name="m2", by_call=True)
    assert ada.shard.one("subs_dunning").retry_count == 1


def test_the_ledger_misses_what_was_never_delivered() -> None:
    ada = Ladder()
    ada.now_ms = millis(1)
    ada.pay("in_ada_1")
    assert ada.wrong() == ["in_ada_1:paid:2000:0", "ch_in_ada_1:succeeded:2000:0"]
