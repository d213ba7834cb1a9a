"""Every object as the API writes it: whole, of the types of the official SDK, and what it derives is what the account says."""

from __future__ import annotations

import json
from typing import Any, get_args, get_origin

import pytest
import stripe
from msgspec.structs import replace

from billsim.stripe.objects import Card, Charge, LineList, PaymentIntent
from billsim.stripe.wire import spec
from billsim.stripe.wire.conformance import misfits
from billsim.stripe.wire.render import INCLUDABLE, RENDERERS, Rendered, deleted, find, included, list_object, render, render_event
from billsim.stripe.wire.render.left_out import LEFT_OUT
from tests.stripe.bench import DAY_S, START_S, Bench, owing
from tests.stripe.wire.told import everything
from tests.stripe.wire.views import CoreView

KINDS = {
    "balance_transaction", "card", "charge", "credit_note", "customer", "dispute", "invoice", "invoice_payment", "invoiceitem", "line_item",
    "mandate", "payment_intent", "payment_method", "price", "product", "refund", "setup_intent", "source", "subscription", "subscription_item",
    "test_helpers.test_clock", "webhook_endpoint", "customer_balance_transaction",
}  # fmt: skip
# What the stories bring about, by kind.
STATES = {
    "charge": {"succeeded", "failed", "pending"},
    "dispute": {"needs_response", "under_review", "won", "lost", "warning_needs_response"},
    "invoice": {"draft", "open", "paid", "void", "uncollectible"},
    "mandate": {"active", "inactive"},
    "payment_intent": {
        "requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture", "succeeded", "canceled",
    },
    "setup_intent": {"requires_payment_method", "requires_confirmation", "requires_action", "succeeded", "canceled"},
    "subscription": {"active", "past_due", "canceled", "unpaid", "trialing", "incomplete", "paused"},
    "refund": {"succeeded", "pending"},
}  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> list[tuple[Any, Rendered]]:
    return [(thing, rendered) for thing, rendered, _ in everything()]


# -- every field, of the right type


def test_every_kind_has_a_renderer() -> None:
    assert set(RENDERERS) == KINDS


def test_the_stories_reach_every_kind_and_state(whole: list[tuple[Any, Rendered]]) -> None:
    assert {rendered["object"] for _, rendered in whole} >= KINDS | {"event"}
    for kind, states in STATES.items():
        assert {rendered["status"] for _, rendered in whole if rendered["object"] == kind} >= states, kind


def test_every_object_is_as_the_sdk_annotates_it(whole: list[tuple[Any, Rendered]]) -> None:
    assert [line for _, rendered in whole for line in misfits(rendered)] == []


def test_every_object_is_json(whole: list[tuple[Any, Rendered]]) -> None:
    for _, rendered in whole:
        assert json.loads(json.dumps(rendered)) == rendered


def test_what_is_left_out_is_a_field_and_is_never_null(whole: list[tuple[Any, Rendered]]) -> None:
    for kind, fields in LEFT_OUT.items():
        assert set(fields) <= set(spec.fields(kind)), kind
        assert all(fields.values())
    for _, rendered in whole:
        left_out = LEFT_OUT.get(rendered["object"], {})
        assert [name for name in left_out if name in rendered and rendered[name] is None] == [], rendered["object"]


def test_what_can_be_included_is_left_out_and_is_of_its_type() -> None:
    for thing, rendered, view in everything():
        for name in INCLUDABLE.get(rendered["object"], {}):
            assert name in LEFT_OUT[rendered["object"]]
            assert misfits({**rendered, name: included(thing, name, view)}) == []


def test_the_sdk_makes_its_own_objects_of_them(whole: list[tuple[Any, Rendered]]) -> None:
    for _, rendered in whole:
        typed = spec.resource(rendered["object"]).construct_from(rendered, "sk_test_x")
        assert type(typed) is spec.resource(rendered["object"])
        assert typed["id"] == rendered["id"]
        check_classes(typed)


def check_classes(typed: Any) -> None:
    """Where the SDK annotates a class of its own, the value is of that class; all the way down."""
    for name, field in spec.fields_of(type(typed)).items():
        if name in typed and typed[name] is not None:
            check_class(typed[name], field.annotation)


def check_class(value: Any, annotation: Any) -> None:
    classes = [arg for arg in (get_args(annotation) or (annotation,)) if isinstance(arg, type) and issubclass(arg, stripe.StripeObject)]
    if isinstance(value, stripe.ListObject):
        for each in value.data:
            check_classes(each)
    elif isinstance(value, stripe.StripeObject) and classes and get_origin(annotation) is not stripe._stripe_object.UntypedStripeObject:
        assert isinstance(value, tuple(classes)), (value, annotation)
        check_classes(value)


# -- what is derived


def paid() -> tuple[Bench, CoreView]:
    """Ada has paid `in_ada_1`, 20.00 USD, with `ch_ada_1.1`."""
    bench = Bench()
    bench.stripe.resume()
    bench.days(2)
    return bench, CoreView(bench.stripe)


def test_a_line_says_what_it_bills_and_by_which_price() -> None:
    bench, view = paid()
    rendered = render(bench.invoice(), view)
    assert rendered["lines"]["url"] == "/v1/invoices/in_ada_1/lines"
    (line,) = rendered["lines"]["data"]
    assert line["parent"]["type"] == "subscription_item_details"
    assert line["parent"]["subscription_item_details"]["subscription_item"] == "si_ada"
    assert line["parent"]["invoice_item_details"] is None
    assert line["pricing"] == {
        "price_details": {"price": "price_pro_monthly", "product": "zone_plan"}, "type": "price_details", "unit_amount_decimal": "2000",
    }  # fmt: skip
    assert line["period"] == {"start": START_S + DAY_S, "end": START_S + 32 * DAY_S}
    assert render(bench.invoice().lines.data[0], view) == line


def test_an_invoice_tells_ten_of_its_lines() -> None:
    bench, view = paid()
    invoice = bench.invoice()
    lines = tuple(replace(invoice.lines.data[0], id=f"il_{nth}") for nth in range(11))
    rendered = render(replace(invoice, lines=LineList(lines)), view)["lines"]
    assert ([line["id"] for line in rendered["data"]], rendered["has_more"]) == ([f"il_{nth}" for nth in range(10)], True)
    assert not render(replace(invoice, lines=LineList(lines[:10])), view)["lines"]["has_more"]


def test_an_invoice_repeats_its_customer_and_its_credit_notes() -> None:
    bench, view = paid()
    bench.call("customers.update", "cus_ada", {"name": "Ada", "email": "ada@example.com"})
    bench.call("credit_notes.create", params={"invoice": "in_ada_1", "credit_amount": 300})
    rendered = render(bench.invoice(), view)
    assert (rendered["customer_name"], rendered["customer_email"], rendered["customer_tax_exempt"]) == ("Ada", "ada@example.com", "none")
    assert (rendered["pre_payment_credit_notes_amount"], rendered["post_payment_credit_notes_amount"]) == (0, 300)


def test_the_payments_of_an_invoice() -> None:
    bench, view = paid()
    (payment,) = included(bench.invoice(), "payments", view)["data"]
    assert payment["payment"] == {"payment_intent": "pi_ada_1", "type": "payment_intent"}
    assert (payment["status"], payment["amount_paid"], payment["amount_requested"], payment["is_default"]) == ("paid", 2000, 2000, True)
    assert payment["status_transitions"] == {"canceled_at": None, "paid_at": bench.invoice().status_transitions.paid_at}
    owed = owing()
    (payment,) = included(owed.invoice(), "payments", CoreView(owed.stripe))["data"]
    assert (payment["status"], payment["amount_paid"]) == ("open", None)


def test_the_confirmation_secret_is_that_of_the_payment_intent_while_it_is_owed() -> None:
    bench = owing()
    view = CoreView(bench.stripe)
    intent = render(bench.book.payment_intents["pi_ada_1"], view)
    assert included(bench.invoice(), "confirmation_secret", view) == {"client_secret": intent["client_secret"], "type": "payment_intent"}
    assert intent["client_secret"].startswith("pi_ada_1_secret_")
    settled, view = paid()
    assert included(settled.invoice(), "confirmation_secret", view) is None


def test_a_draft_has_no_pages_and_a_finalised_invoice_has() -> None:
    bench = Bench(acknowledges=False)
    bench.stripe.resume()
    bench.at(DAY_S)
    draft = render(bench.invoice(), view := CoreView(bench.stripe))
    assert (draft["status"], draft["hosted_invoice_url"], draft["invoice_pdf"], draft["webhooks_delivered_at"]) == ("draft", None, None, None)
    assert draft["automatically_finalizes_at"] == START_S + DAY_S + 3600
    bench.days(5)
    final = render(bench.invoice(), view)
    assert final["hosted_invoice_url"].startswith("https://invoice.stripe.com/i/acct_")
    assert final["automatically_finalizes_at"] is None


def test_a_decline_is_told_on_the_charge_and_on_the_intent() -> None:
    bench = owing()
    view = CoreView(bench.stripe)
    charge = render(bench.book.charges["ch_ada_1.1"], view)
    assert (charge["status"], charge["failure_code"], charge["balance_transaction"], charge["receipt_url"]) == ("failed", "card_declined", None, None)
    outcome = charge["outcome"]
    assert (outcome["type"], outcome["network_status"], outcome["reason"]) == ("issuer_declined", "declined_by_network", "insufficient_funds")
    error = render(bench.book.payment_intents["pi_ada_1"], view)["last_payment_error"]
    assert (error["code"], error["decline_code"], error["charge"]) == ("card_declined", "insufficient_funds", "ch_ada_1.1")
    assert error["payment_method"]["id"] == "pm_ada"
    assert error["doc_url"] == "https://stripe.com/docs/error-codes/card-declined"


def test_a_charge_says_what_was_charged() -> None:
    bench, view = paid()
    charge = render(bench.book.charges["ch_ada_1.1"], view)
    card = charge["payment_method_details"]["card"]
    assert (card["brand"], card["last4"], card["network"]) == ("visa", "4242", "visa")
    assert card["fingerprint"] == render(bench.book.payment_methods["pm_ada"], view)["card"]["fingerprint"]
    assert charge["outcome"]["type"] == "authorized"


def test_an_inquiry_is_no_chargeback_yet() -> None:
    bench, view = paid()
    dispute = bench.stripe.dispute("ch_ada_1.1", "w/test/dispute", reason="fraudulent")
    card = render(dispute, view)["payment_method_details"]["card"]
    assert card == {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"}
    assert render(replace(dispute, status="warning_needs_response"), view)["payment_method_details"]["card"]["case_type"] == "inquiry"


def test_the_same_card_has_the_same_fingerprint_whoever_has_it() -> None:
    bench, view = paid()
    ada = bench.book.payment_methods["pm_ada"]
    assert render(replace(ada, id="pm_bob"), view)["card"]["fingerprint"] == render(ada, view)["card"]["fingerprint"]
    assert render(replace(ada, card=Card("visa", "1881")), view)["card"]["fingerprint"] != render(ada, view)["card"]["fingerprint"]


def test_the_balance_transaction_of_a_charge_and_of_a_refund() -> None:
    bench, view = paid()
    refund = bench.call("refunds.create", params={"charge": "ch_ada_1.1", "amount": 500})
    charged = render(bench.book.charges["ch_ada_1.1"], view)["balance_transaction"]
    # 2.9% of 20.00 and 0.30
    transaction = render(find(charged, view), view)
    assert (transaction["amount"], transaction["fee"], transaction["net"], transaction["source"]) == (2000, 88, 1912, "ch_ada_1.1")
    assert (transaction["type"], transaction["fee_details"][0]["amount"]) == ("charge", 88)
    back = render(find(render(refund, view)["balance_transaction"], view), view)
    assert (back["amount"], back["fee"], back["type"], back["source"]) == (-500, 0, "refund", refund.id)
    assert find("txn_nothing", view) is None


def test_the_refunds_of_a_charge() -> None:
    bench, view = paid()
    bench.call("refunds.create", params={"charge": "ch_ada_1.1", "amount": 500})
    listed = included(bench.book.charges["ch_ada_1.1"], "refunds", view)
    assert (listed["url"], [refund["amount"] for refund in listed["data"]]) == ("/v1/charges/ch_ada_1.1/refunds", [500])
    assert listed["data"][0]["payment_method"] == "pm_ada"


def test_the_subscriptions_of_a_customer_are_those_that_have_not_ended() -> None:
    bench, view = paid()
    assert [each["id"] for each in included(bench.book.customer, "subscriptions", view)["data"]] == ["sub_ada"]
    bench.call("subscriptions.cancel", "sub_ada")
    assert included(bench.book.customer, "subscriptions", view)["data"] == []


def test_a_plan_is_its_price() -> None:
    bench, view = paid()
    item = render(bench.subscription.items.data[0], view)
    assert (item["plan"]["id"], item["plan"]["amount"], item["plan"]["interval"]) == ("price_pro_monthly", 2000, "month")
    assert (item["price"]["unit_amount_decimal"], item["plan"]["amount_decimal"]) == ("2000", "2000")


def test_a_subscription_that_ends_with_its_period_says_when() -> None:
    bench, view = paid()
    bench.call("subscriptions.update", "sub_ada", {"cancel_at_period_end": True})
    assert render(bench.subscription, view)["cancel_at"] == START_S + 32 * DAY_S


def test_the_test_clock_of_a_customer_stands_on_what_it_has() -> None:
    bench, _ = paid()
    view = CoreView(bench.stripe, clock="clock_1")
    for thing in (bench.book.customer, bench.subscription, bench.invoice()):
        assert render(thing, view)["test_clock"] == "clock_1"


def test_livemode_is_the_accounts_whatever_the_object_keeps() -> None:
    bench, view = paid()
    assert bench.invoice().livemode
    assert not render(bench.invoice(), view)["livemode"]
    view.livemode = True
    assert render(bench.invoice(), view)["livemode"]


def test_what_is_kept_is_told_back() -> None:
    bench, view = paid()
    address = {"city": "Utrecht", "country": "NL", "line1": "Oudegracht 1"}
    sent: dict[str, Any] = {"name": "Ada", "address": address}
    kept = {"description": "the first", "phone": "+31", "address": address, "shipping": sent, "tax_exempt": "reverse"}
    assert bench.book.customer is not None
    rendered = render(replace(bench.book.customer, kept=kept), view)
    assert misfits(rendered) == []
    assert (rendered["description"], rendered["phone"], rendered["tax_exempt"]) == ("the first", "+31", "reverse")
    assert rendered["address"] == {**address, "line2": None, "postal_code": None, "state": None}
    assert rendered["shipping"]["address"] == rendered["address"]


def test_secrets_are_of_the_object_alone() -> None:
    _, view = paid()
    intents = [PaymentIntent(id=f"pi_{nth}", created=0, amount=1) for nth in range(100)]
    secrets = {render(intent, view)["client_secret"] for intent in intents}
    assert len(secrets) == 100
    assert secrets == {render(intent, view)["client_secret"] for intent in intents}


def test_a_charge_of_nobody_known_is_rendered_all_the_same() -> None:
    _, view = paid()
    assert misfits(render(Charge(id="ch_x", created=0, amount=1, customer="cus_gone", payment_method="pm_gone"), view)) == []


# -- events, lists, what is gone


def test_an_event_tells_what_was_before_in_the_form_of_the_api() -> None:
    bench, view = paid()
    bench.outbox.events.clear()
    bench.call("subscriptions.update", "sub_ada", {"items": [{"id": "si_ada", "quantity": 3}]}, key="k")
    event = next(e for e in bench.outbox.events if e.event.type == "customer.subscription.updated")
    rendered = render_event(event, view)
    (before,) = rendered["data"]["previous_attributes"]["items"]["data"]
    assert (before["quantity"], before["price"]["object"], before["plan"]["amount"]) == (1, "price", 2000)
    assert rendered["data"]["object"] == render(bench.subscription, view)
    assert rendered["request"]["idempotency_key"] == "k"


def test_an_event_does_not_tell_of_what_the_api_has_no_name_for() -> None:
    bench, view = paid()
    for emitted in bench.outbox.events:
        data = render_event(emitted, view)["data"]
        assert set(data.get("previous_attributes", {})) <= set(data["object"])


def test_a_list_and_what_is_gone() -> None:
    assert list_object([{"id": "a"}], "/v1/customers", has_more=True) == {
        "object": "list", "data": [{"id": "a"}], "has_more": True, "url": "/v1/customers",
    }  # fmt: skip
    assert deleted("cus_1", "customer") == {"id": "cus_1", "object": "customer", "deleted": True}
    assert misfits(deleted("cus_1", "customer")) == []
