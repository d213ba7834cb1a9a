"""Invoices and their items by request: made, filled, changed, sent, paid elsewhere, deleted; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.stripe.objects import Deleted, Price, StripeError
from tests.stripe.bench import DAY_S, HOUR_S, START_S, Bench, owing


def item(bench: Bench, amount: int, **more: Any) -> Any:
    return bench.call("invoice_items.create", "", {"customer": "cus_ada", "amount": amount, "currency": "usd", **more}, task=f"e/test/item{amount}")


def draft(bench: Bench, **params: Any) -> Any:
    return bench.call("invoices.create", "in_new", {"customer": "cus_ada", **params}, task="e/test/draft")


def new(bench: Bench) -> Any:
    return bench.book.invoices["in_new"]


def test_a_draft_excludes_what_waits_and_stays_a_draft() -> None:
    bench = Bench()
    item(bench, 500)
    bench.types()
    made = draft(bench, description="Extra")
    assert (made.status, made.total, made.lines.data, made.billing_reason, made.auto_advance) == ("draft", 0, (), "manual", False)
    assert (made.says("description"), made.parent, made.currency, bench.types()) == ("Extra", None, "usd", ["invoice.created"])
    bench.stripe.resume()
    bench.at(5 * HOUR_S)
    assert new(bench).status == "draft"


def test_a_draft_may_include_what_waits_and_advance_by_itself() -> None:
    bench = Bench()
    item(bench, 500)
    item(bench, 250)
    made = draft(bench, pending_invoice_items_behavior="include", auto_advance=True)
    assert ([line.amount for line in made.lines.data], made.total) == ([500, 250], 750)
    bench.types()
    bench.at(HOUR_S - 1)
    assert new(bench).status == "draft"
    bench.at(HOUR_S)
    assert (new(bench).status, new(bench).amount_paid, new(bench).attempt_count) == ("paid", 750, 1)
    assert bench.types()[:2] == ["invoice.finalized", "payment_intent.created"]
    assert bench.subscription.status == "active"


def test_a_draft_of_what_waits_for_a_subscription() -> None:
    bench = Bench()
    item(bench, 500, subscription="sub_ada")
    item(bench, 250)
    made = draft(bench, subscription="sub_ada")
    assert (made.total, made.subscription, bench.subscription.latest_invoice) == (500, "sub_ada", None)
    with pytest.raises(StripeError) as refused:
        bench.call("invoices.create", "", {"subscription": "sub_ada"}, task="e/test/again")
    assert refused.value.code == "invoice_no_subscription_line_items"


def test_it_is_finalised_when_it_is_told_to() -> None:
    bench = Bench()
    item(bench, 500)
    draft(bench, pending_invoice_items_behavior="include", auto_advance=True, automatically_finalizes_at=START_S + 5 * HOUR_S)
    bench.at(5 * HOUR_S - 1)
    assert new(bench).status == "draft"
    bench.at(5 * HOUR_S)
    assert new(bench).status == "paid"


def test_it_may_be_told_late_to_advance() -> None:
    bench = filled()
    bench.at(5 * HOUR_S)
    bench.call("invoices.update", "in_new", {"auto_advance": True}, task="e/test/1")
    bench.at(6 * HOUR_S - 1)
    assert new(bench).status == "draft"
    bench.at(6 * HOUR_S)
    assert new(bench).status == "paid"


def test_a_sent_invoice() -> None:
    bench = Bench()
    item(bench, 500)
    made = draft(bench, pending_invoice_items_behavior="include", collection_method="send_invoice", days_until_due=3)
    assert made.due_date == START_S + 3 * DAY_S
    bench.types()
    sent = bench.call("invoices.send_invoice", "in_new", task="e/test/send")
    assert (sent.status, sent.due_date) == ("open", START_S + 3 * DAY_S)
    assert bench.types() == ["invoice.finalized", "payment_intent.created", "invoice.sent"]
    bench.at(3 * DAY_S)
    assert "invoice.overdue" in bench.types()


def test_paid_elsewhere() -> None:
    bench = owing()
    paid = bench.call("invoices.pay", "in_ada_1", {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid, paid.amount_remaining, paid.says("amount_paid_off_stripe")) == ("paid", 2000, 0, 2000)
    assert (paid.payments[-1].status, bench.book.payment_intents["pi_ada_1"].status, len(bench.book.charges)) == ("canceled", "canceled", 1)
    assert bench.subscription.status == "active" and bench.book.customer is not None and not bench.book.customer.delinquent
    assert bench.types()[:3] == ["payment_intent.canceled", "invoice.updated", "invoice.paid"]


def test_what_is_uncollectible_may_be_paid_or_voided() -> None:
    for request, params, status in (("pay", {"paid_out_of_band": True}, "paid"), ("void_invoice", {}, "void")):
        bench = owing()
        bench.call("invoices.mark_uncollectible", "in_ada_1", task="e/test/1")
        assert bench.call(f"invoices.{request}", "in_ada_1", params, task="e/test/2").status == status


def test_a_draft_is_deleted_with_its_items() -> None:
    bench = Bench()
    item(bench, 500)
    item(bench, 250)
    draft(bench)
    bench.call("invoices.add_lines", "in_new", {"lines": [{"invoice_item": next(iter(bench.book.invoice_items))}]}, task="e/test/add")
    bench.types()
    assert bench.call("invoices.delete", "in_new", task="e/test/delete") == Deleted("in_new", "invoice")
    assert not bench.book.invoices and [each.amount for each in bench.book.invoice_items.values()] == [250]
    assert bench.types() == ["invoice.deleted"]
    with pytest.raises(StripeError, match="No such invoice"):
        bench.call("invoices.retrieve", "in_new")


# -- lines


def filled() -> Bench:
    bench = Bench()
    item(bench, 500)
    draft(bench, pending_invoice_items_behavior="include")
    bench.types()
    return bench


def test_lines_are_added() -> None:
    bench = filled()
    waiting = item(bench, 70)
    bench.stripe.seed(Price(id="price_seat", created=0, product="seat", unit_amount=300, type="one_time", recurring=None))
    lines = [
        {"amount": -100, "description": "Rebate", "period": {"start": START_S, "end": START_S + DAY_S}},
        {"pricing": {"price": "price_seat"}, "quantity": 2, "metadata": {"a": "b"}},
        {"invoice_item": waiting.id},
    ]
    told = bench.call("invoices.add_lines", "in_new", {"lines": lines, "invoice_metadata": {"k": "v"}}, task="e/test/add")
    # Items that waited come first, then those that are made for it.
    assert [line.amount for line in told.lines.data] == [500, 70, -100, 600]
    assert [line.id for line in told.lines.data] == ["il_new", "il_new.2", "il_new.3", "il_new.4"]
    assert (told.total, told.amount_due, told.metadata) == (1070, 1070, {"k": "v"})
    assert (told.lines.data[3].quantity, told.lines.data[3].metadata, told.lines.data[2].description) == (2, {"a": "b"}, "Rebate")
    assert [each.invoice for each in bench.book.invoice_items.values()] == ["in_new"] * 4


def test_lines_are_changed_and_taken_away() -> None:
    bench = filled()
    bench.call("invoices.add_lines", "in_new", {"lines": [{"amount": 40}, {"amount": 60}]}, task="e/test/add")
    changes = [{"id": "il_new", "amount": 700}, {"id": "il_new.2", "description": "Forty"}]
    told = bench.call("invoices.update_lines", "in_new", {"lines": changes}, task="e/test/change")
    assert ([line.amount for line in told.lines.data], told.lines.data[1].description, told.total) == ([700, 40, 60], "Forty", 800)
    line = bench.call("invoices.line_items.update", "il_new.3", {"invoice": "in_new", "amount": 61}, task="e/test/line")
    assert (line.amount, new(bench).total) == (61, 801)
    removed = [{"id": "il_new", "behavior": "unassign"}, {"id": "il_new.2", "behavior": "delete"}]
    told = bench.call("invoices.remove_lines", "in_new", {"lines": removed}, task="e/test/remove")
    assert ([each.id for each in told.lines.data], told.total) == (["il_new.3"], 61)
    assert [(each.amount, each.invoice) for each in bench.book.invoice_items.values()] == [(700, None), (61, "in_new")]


def test_lines_are_listed_in_their_order() -> None:
    bench = filled()
    bench.call("invoices.add_lines", "in_new", {"lines": [{"amount": 40}, {"amount": 60}]}, task="e/test/add")
    page = bench.call("invoices.line_items.list", "", {"invoice": "in_new", "limit": 2})
    assert ([line.amount for line in page.data], page.has_more, page.url) == ([500, 40], True, "/v1/invoices/in_new/lines")
    rest = bench.call("invoices.line_items.list", "", {"invoice": "in_new", "starting_after": page.data[-1].id})
    assert ([line.amount for line in rest.data], rest.has_more) == ([60], False)


def test_an_item_of_a_draft_is_changed_there_too() -> None:
    bench = filled()
    (id,) = bench.book.invoice_items
    assert bench.call("invoice_items.update", id, {"amount": 90, "description": "Less"}, task="e/test/1").amount == 90
    assert (new(bench).total, new(bench).lines.data[0].description) == (90, "Less")
    assert bench.call("invoice_items.delete", id, task="e/test/2") == Deleted(id, "invoiceitem")
    assert (new(bench).lines.data, new(bench).total, bench.book.invoice_items) == ((), 0, {})


def test_an_item_may_be_made_for_a_draft() -> None:
    bench = filled()
    made = item(bench, 30, invoice="in_new")
    assert (made.invoice, new(bench).total, new(bench).lines.data[-1].id) == ("in_new", 530, "il_new.2")


def test_items_are_listed_by_whether_they_wait() -> None:
    bench = filled()
    item(bench, 30)
    amounts = {pending: [each.amount for each in bench.call("invoice_items.list", "", {"pending": pending}).data] for pending in (True, False)}
    assert amounts == {True: [30], False: [500]}


# -- payments


def test_the_payments_of_an_invoice() -> None:
    bench = owing()
    (open_,) = bench.call("invoice_payments.list", "", {"invoice": "in_ada_1"}).data
    assert (open_.id, open_.status, open_.amount_requested, open_.amount_paid, open_.is_default) == ("inpay_ada_1", "open", 2000, None, True)
    bench.call("payment_methods.create", "pm_new", {"type": "card"}, task="e/test/1")
    bench.call("payment_methods.attach", "pm_new", {"customer": "cus_ada"}, task="e/test/2")
    bench.call("invoices.pay", "in_ada_1", {"payment_method": "pm_new"}, task="e/test/3")
    paid = bench.call("invoice_payments.retrieve", "inpay_ada_1")
    assert (paid.status, paid.amount_paid, paid.paid_at, paid.payment_intent) == ("paid", 2000, START_S + DAY_S + HOUR_S, "pi_ada_1")
    by_intent = {"payment": {"type": "payment_intent", "payment_intent": "pi_ada_1"}, "status": "paid"}
    assert [each.id for each in bench.call("invoice_payments.list", "", by_intent).data] == ["inpay_ada_1"]
    assert not bench.call("invoice_payments.list", "", {"status": "open"}).data
    with pytest.raises(StripeError, match="404 .* No such invoice_payment: 'inpay_none'"):
        bench.call("invoice_payments.retrieve", "inpay_none")


# -- what may be set, and when


def test_a_draft_may_be_changed_in_everything() -> None:
    bench = filled()
    changed = bench.call(
        "invoices.update",
        "in_new",
        {"collection_method": "send_invoice", "days_until_due": 5, "number": "A-1", "footer": "Thanks", "default_payment_method": "pm_ada"},
        task="e/test/1",
    )
    assert (changed.collection_method, changed.due_date) == ("send_invoice", START_S + 5 * DAY_S)
    assert (changed.number, changed.says("footer"), changed.default_payment_method) == ("A-1", "Thanks", "pm_ada")
    opened = bench.call("invoices.finalize_invoice", "in_new", task="e/test/2")
    assert (opened.number, opened.due_date) == ("A-1", START_S + 5 * DAY_S)


@pytest.mark.parametrize(
    ("request_", "params", "code", "param"),
    [
        ("invoices.update", {"collection_method": "send_invoice"}, "invoice_not_editable", "collection_method"),
        ("invoices.update", {"due_date": START_S + DAY_S}, "invoice_not_editable", "due_date"),
        ("invoices.add_lines", {"lines": [{"amount": 1}]}, "invoice_not_editable", "invoice"),
        ("invoices.delete", {}, "invoice_not_editable", ""),
        ("invoices.finalize_invoice", {}, "invoice_not_draft", ""),
        ("invoices.send_invoice", {}, "parameter_invalid", ""),
    ],
)
def test_what_an_open_invoice_refuses(request_: str, params: dict[str, Any], code: str, param: str) -> None:
    bench = owing()
    bench.outbox.changes.clear()
    with pytest.raises(StripeError) as refused:
        bench.call(request_, "in_ada_1", params)
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, code, param)
    assert not bench.outbox.changes


def test_of_a_paid_invoice_only_metadata_may_be_changed() -> None:
    bench = owing()
    bench.call("invoices.pay", "in_ada_1", {"paid_out_of_band": True}, task="e/test/1")
    assert bench.call("invoices.update", "in_ada_1", {"metadata": {"a": "b"}}, task="e/test/2").metadata == {"a": "b"}
    for params in ({"description": "x"}, {"auto_advance": True}):
        with pytest.raises(StripeError, match="can't be updated in this way"):
            bench.call("invoices.update", "in_ada_1", params, task="e/test/3")


def test_a_subscriptions_own_draft_is_not_deleted_and_its_lines_stay() -> None:
    bench = Bench(acknowledges=False)
    bench.stripe.resume()
    bench.at(DAY_S)
    with pytest.raises(StripeError, match="created by subscriptions"):
        bench.call("invoices.delete", "in_ada_1")
    with pytest.raises(StripeError, match="only lines of invoice items"):
        bench.call("invoices.remove_lines", "in_ada_1", {"lines": [{"id": "il_ada_1", "behavior": "delete"}]})
    with pytest.raises(StripeError, match="its quantity is the subscription's"):
        bench.call("invoices.update_lines", "in_ada_1", {"lines": [{"id": "il_ada_1", "quantity": 3}]})
    told = bench.call("invoices.update_lines", "in_ada_1", {"lines": [{"id": "il_ada_1", "amount": 1500}]})
    assert told.total == 1500


@pytest.mark.parametrize(
    ("request_", "params", "param"),
    [
        ("invoices.create", {}, "customer"),
        ("invoices.create", {"customer": "cus_ada", "collection_method": "send_invoice"}, "due_date"),
        ("invoices.create", {"customer": "cus_ada", "days_until_due": 3}, "days_until_due"),
        ("invoices.create", {"customer": "cus_ada", "collection_method": "send_invoice", "days_until_due": 3, "due_date": START_S + 1}, "due_date"),
        ("invoices.create", {"customer": "cus_ada", "automatically_finalizes_at": START_S}, "automatically_finalizes_at"),
        ("invoice_items.create", {"customer": "cus_ada"}, "amount"),
        ("invoice_items.create", {"customer": "cus_ada", "amount": 1, "pricing": {"price": "price_x"}}, "pricing"),
        ("invoice_items.create", {"customer": "cus_ada", "amount": 1, "currency": "usd", "period": {"start": 2, "end": 1}}, "period[end]"),
        ("invoice_items.create", {"customer": "cus_ada", "pricing": {"price": "price_pro_monthly"}}, "pricing[price]"),
        ("invoice_items.create", {"customer": "cus_ada", "unit_amount_decimal": "1.0000000000001", "currency": "usd"}, "unit_amount_decimal"),
    ],
)
def test_what_is_refused(request_: str, params: dict[str, Any], param: str) -> None:
    bench = Bench()
    with pytest.raises(StripeError) as refused:
        bench.call(request_, "", params)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert not bench.outbox.changes and not bench.outbox.events
