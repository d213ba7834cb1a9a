"""Each request of the table, asked through the SDK and answered with the object that the SDK expects."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from billsim.stripe.sandbox import START_S, Sandbox
from billsim.stripe.sdk import client
from billsim.stripe.wire.message import Request, Response
from billsim.stripe.wire.routes import ROUTES, find

DAY_S = 86_400
MONTHLY = {"currency": "usd", "unit_amount": 2000, "recurring": {"interval": "month"}}
CARD = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}


class Heard:
    """A sandbox that remembers which routes were asked and answered."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(seed=9)
        self.answered: set[str] = set()

    def handle(self, request: Request) -> Response:
        answer = self.sandbox.handle(request)
        found = find(request.method, request.path)
        assert found is not None
        assert answer.status == 200, (request.method, request.path, request.body, answer.body)
        self.answered.add(found.route.name)
        return answer


def whom(v1: Any) -> str:
    """A customer with a card that pays."""
    given = {"email": "ada@example.com", "payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    id: str = v1.customers.create(given).id
    return id


def customers(v1: Any, _: Sandbox) -> None:
    ada = whom(v1)
    assert v1.customers.retrieve(ada).object == "customer"
    v1.customers.update(ada, {"name": "Ada", "address": {"city": "Berlin"}})
    assert len(v1.customers.list().data) == 1
    (method,) = v1.customers.payment_methods.list(ada).data
    assert v1.customers.payment_methods.retrieve(ada, method.id).card.last4 == "4242"
    card = v1.customers.payment_sources.create(ada, {"source": "tok_mastercard"})
    assert (card.object, card.brand, card.customer) == ("card", "MasterCard", ada)
    assert v1.customers.payment_sources.retrieve(ada, card.id).id == card.id
    assert v1.customers.payment_sources.update(ada, card.id, {"name": "Ada L"}).name == "Ada L"
    assert [each.id for each in v1.customers.payment_sources.list(ada).data] == [card.id]
    assert v1.customers.payment_sources.delete(ada, card.id).deleted is True
    assert v1.customers.delete(ada).deleted is True


def balances(v1: Any, _: Sandbox) -> None:
    ada, of = v1.customers.create({"balance": -200}).id, v1.customers.balance_transactions
    given = of.create(ada, {"amount": -300, "currency": "usd", "description": "sorry"})
    assert (given.id[:6], given.ending_balance, given.type, given.description) == ("cbtxn_", -500, "adjustment", "sorry")
    assert of.update(ada, given.id, {"metadata": {"a": "b"}}).metadata["a"] == of.retrieve(ada, given.id).metadata["a"] == "b"
    v1.invoice_items.create({"customer": ada, "amount": 400, "currency": "usd"})
    invoice = v1.invoices.create({"customer": ada, "pending_invoice_items_behavior": "include"})
    assert v1.invoices.finalize_invoice(invoice.id).status == "paid"
    told = of.list(ada, {"expand": ["data.invoice"]}).data
    assert [(each.type, each.amount, each.ending_balance) for each in told] == [
        ("applied_to_invoice", 400, -100), ("adjustment", -300, -500), ("initial", -200, -200),
    ]  # fmt: skip
    assert told[0].invoice.id == invoice.id
    assert of.retrieve(ada, told[0].id).id == told[0].id


def sources_and_methods(v1: Any, _: Sandbox) -> None:
    ada = v1.customers.create({}).id
    source = v1.sources.create({"type": "card", "token": "tok_visa"})
    assert v1.sources.retrieve(source.id).status == "chargeable"
    assert v1.sources.update(source.id, {"metadata": {"a": "b"}}).metadata["a"] == "b"
    v1.customers.payment_sources.create(ada, {"source": source.id})
    assert v1.sources.detach(ada, source.id).id == source.id
    method = v1.payment_methods.create(CARD)
    v1.payment_methods.attach(method.id, {"customer": ada})
    v1.payment_methods.update(method.id, {"billing_details": {"name": "Ada"}})
    assert v1.payment_methods.retrieve(method.id).billing_details.name == "Ada"
    assert [each.id for each in v1.payment_methods.list({"customer": ada, "type": "card"}).data] == [method.id]
    assert v1.payment_methods.detach(method.id).customer is None


def catalogue(v1: Any, _: Sandbox) -> None:
    product = v1.products.create({"name": "Pro"})
    assert v1.products.update(product.id, {"name": "Pro+"}).name == v1.products.retrieve(product.id).name == "Pro+"
    assert v1.products.list({"active": True}).data[0].id == product.id
    assert v1.products.delete(product.id).deleted is True
    price = v1.prices.create({**MONTHLY, "product_data": {"name": "Basic"}})
    assert v1.prices.update(price.id, {"nickname": "monthly"}).nickname == v1.prices.retrieve(price.id).nickname == "monthly"
    assert [each.id for each in v1.prices.list({"active": True}).data] == [price.id]


def subscriptions(v1: Any, sandbox: Sandbox) -> None:
    ada, price = whom(v1), v1.prices.create({**MONTHLY, "product_data": {"name": "Pro"}}).id
    more = v1.prices.create({**MONTHLY, "product_data": {"name": "Addon"}}).id
    subscription = v1.subscriptions.create({"customer": ada, "items": [{"price": price}], "billing_mode": {"type": "classic"}})
    assert v1.subscriptions.migrate(subscription.id, {"billing_mode": {"type": "flexible"}}).billing_mode.type == "flexible"
    assert v1.subscriptions.update(subscription.id, {"metadata": {"a": "b"}}).metadata["a"] == "b"
    item = v1.subscription_items.create({"subscription": subscription.id, "price": more})
    assert v1.subscription_items.update(item.id, {"quantity": 2}).quantity == v1.subscription_items.retrieve(item.id).quantity == 2
    assert len(v1.subscription_items.list({"subscription": subscription.id}).data) == 2
    assert v1.subscription_items.delete(item.id).deleted is True
    assert v1.subscriptions.list({"customer": ada}).data[0].id == v1.subscriptions.retrieve(subscription.id).id
    stopped = v1.subscriptions.pause(subscription.id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    assert (stopped.status, stopped.status_details.paused.subscription.type) == ("paused", "pause_requested")
    assert v1.subscriptions.cancel(subscription.id).status == "canceled"
    bob = v1.customers.create({}).id
    trial = {"trial_period_days": 1, "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}}
    paused = v1.subscriptions.create({"customer": bob, "items": [{"price": price}], **trial})
    sandbox.advance(days=1, hours=1)
    assert v1.subscriptions.retrieve(paused.id).status == "paused"
    method = v1.payment_methods.attach("pm_card_visa", {"customer": bob})
    v1.customers.update(bob, {"invoice_settings": {"default_payment_method": method.id}})
    v1.subscriptions.resume(paused.id, {"billing_cycle_anchor": {"type": "now"}})
    assert v1.subscriptions.retrieve(paused.id).status == "active"


def invoices(v1: Any, _: Sandbox) -> None:
    ada = whom(v1)
    item = v1.invoice_items.create({"customer": ada, "amount": 700, "currency": "usd", "description": "hours"})
    assert v1.invoice_items.update(item.id, {"amount": 800}).amount == v1.invoice_items.retrieve(item.id).amount == 800
    assert [each.id for each in v1.invoice_items.list({"customer": ada}).data] == [item.id]
    gone = v1.invoice_items.create({"customer": ada, "amount": 100, "currency": "usd"})
    assert v1.invoice_items.delete(gone.id).deleted is True
    draft = v1.invoices.create({"customer": ada, "pending_invoice_items_behavior": "include", "auto_advance": False})
    assert (draft.status, draft.total) == ("draft", 800)
    added = v1.invoices.add_lines(draft.id, {"lines": [{"amount": 50, "description": "tip"}]})
    tip = next(line for line in added.lines.data if line.description == "tip")
    assert v1.invoices.update_lines(draft.id, {"lines": [{"id": tip.id, "amount": 60}]}).total == 860
    assert v1.invoices.line_items.update(draft.id, tip.id, {"amount": 70}).amount == 70
    assert len(v1.invoices.line_items.list(draft.id).data) == 2
    assert v1.invoices.remove_lines(draft.id, {"lines": [{"id": tip.id, "behavior": "delete"}]}).total == 800
    assert v1.invoices.update(draft.id, {"description": "ours"}).description == "ours"
    assert v1.invoices.finalize_invoice(draft.id).status == "open"
    assert v1.invoices.pay(draft.id).status == v1.invoices.retrieve(draft.id).status == "paid"
    (payment,) = v1.invoice_payments.list({"invoice": draft.id}).data
    assert v1.invoice_payments.retrieve(payment.id).status == "paid"
    assert v1.invoices.delete(v1.invoices.create({"customer": ada}).id).deleted is True
    v1.invoice_items.create({"customer": ada, "amount": 700, "currency": "usd"})
    due = {"collection_method": "send_invoice", "days_until_due": 7, "pending_invoice_items_behavior": "include"}
    sent = v1.invoices.finalize_invoice(v1.invoices.create({"customer": ada, **due}).id)
    part = {"amount": 300, "currency": "usd", "customer": ada, "payment_method": "pm_card_visa", "confirm": True, "return_url": "https://x.com"}
    partly = v1.invoices.attach_payment(sent.id, {"payment_intent": v1.payment_intents.create(part).id, "expand": ["payments"]})
    assert (partly.amount_paid, partly.amount_remaining) == (300, 400)
    assert sorted((each.is_default, each.status) for each in partly.payments.data) == [(False, "paid"), (True, "open")]
    note = v1.credit_notes.create({"invoice": sent.id, "amount": 100})
    assert v1.credit_notes.update(note.id, {"memo": "sorry"}).memo == v1.credit_notes.retrieve(note.id).memo == "sorry"
    assert [each.id for each in v1.credit_notes.list({"invoice": sent.id}).data] == [note.id]
    assert v1.credit_notes.void_credit_note(note.id).status == "void"
    assert len(v1.invoices.list({"customer": ada}).data) == 2


def owed(v1: Any, _: Sandbox) -> None:
    ada, price = whom(v1), v1.prices.create({**MONTHLY, "product_data": {"name": "Pro"}}).id
    for close in (v1.invoices.void_invoice, v1.invoices.mark_uncollectible):
        v1.invoice_items.create({"customer": ada, "amount": 700, "currency": "usd"})
        due = {"collection_method": "send_invoice", "days_until_due": 7, "pending_invoice_items_behavior": "include"}
        sent = v1.invoices.send_invoice(v1.invoices.create({"customer": ada, **due}).id)
        assert (sent.status, close(sent.id).status in ("void", "uncollectible")) == ("open", True)
    preview = v1.invoices.create_preview({"customer": ada, "subscription_details": {"items": [{"price": price}]}})
    assert preview.total == 2000


def payments(v1: Any, sandbox: Sandbox) -> None:
    ada = whom(v1)
    intent = v1.payment_intents.create({"amount": 500, "currency": "usd", "customer": ada, "capture_method": "manual"})
    assert v1.payment_intents.update(intent.id, {"amount": 600}).amount == v1.payment_intents.retrieve(intent.id).amount == 600
    held = v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa", "return_url": "https://example.com"})
    assert held.status == "requires_capture"
    assert v1.payment_intents.capture(intent.id, {"amount_to_capture": 400}).amount_received == 400
    assert v1.payment_intents.cancel(v1.payment_intents.create({"amount": 500, "currency": "usd"}).id).status == "canceled"
    assert len(v1.payment_intents.list({"customer": ada}).data) == 1
    charge = v1.charges.retrieve(held.latest_charge)
    assert v1.charges.update(charge.id, {"description": "ours"}).description == "ours"
    assert v1.charges.list({"customer": ada}).data[0].id == charge.id
    refund = v1.refunds.create({"charge": charge.id, "amount": 100})
    assert v1.refunds.update(refund.id, {"metadata": {"a": "b"}}).metadata["a"] == v1.refunds.retrieve(refund.id).metadata["a"] == "b"
    assert [each.id for each in v1.refunds.list({"charge": charge.id}).data] == [refund.id]
    dispute = sandbox.dispute(charge.id)
    assert v1.disputes.update(dispute, {"evidence": {"uncategorized_text": "no"}, "submit": False}).id == v1.disputes.retrieve(dispute).id == dispute
    assert v1.disputes.close(dispute).status == v1.disputes.list({"charge": charge.id}).data[0].status == "lost"


def taken_back(v1: Any, _: Sandbox) -> None:
    paid = v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "payment_method": "pm_card_pendingRefund", "confirm": True, "return_url": "https://x.com"}
    )
    refund = v1.refunds.create({"charge": paid.latest_charge})
    assert (refund.status, v1.refunds.cancel(refund.id).status) == ("pending", "canceled")
    assert v1.charges.retrieve(paid.latest_charge).amount_refunded == 0


def held_back(v1: Any, _: Sandbox) -> None:
    held = v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "capture_method": "manual", "payment_method": "pm_card_visa", "confirm": True, "return_url": "https://x.com"}
    )
    assert v1.charges.capture(held.latest_charge).captured is True


def charged(v1: Any, _: Sandbox) -> None:
    ada = v1.customers.create({"source": "tok_visa"}).id
    charge = v1.charges.create({"amount": 500, "currency": "usd", "customer": ada, "capture": False})
    assert (charge.source.object, charge.source.customer, charge.payment_intent) == ("card", ada, None)
    assert v1.charges.capture(charge.id).balance_transaction is not None
    alone = v1.charges.create({"amount": 500, "currency": "usd", "source": "tok_visa"})
    assert (alone.source.brand, alone.payment_method, alone.customer) == ("Visa", alone.source.id, None)


def set_ups(v1: Any, _: Sandbox) -> None:
    ada = whom(v1)
    intent = v1.setup_intents.create({"customer": ada})
    assert v1.setup_intents.update(intent.id, {"description": "ours"}).description == v1.setup_intents.retrieve(intent.id).description == "ours"
    assert v1.setup_intents.list({"customer": ada}).data[0].id == intent.id
    assert v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa", "return_url": "https://example.com"}).status == "succeeded"
    assert v1.setup_intents.cancel(v1.setup_intents.create({}).id).status == "canceled"
    debit = {"type": "sepa_debit", "sepa_debit": {"iban": "AT611904300234573201"}, "billing_details": {"name": "Ada", "email": "ada@example.com"}}
    accepted = {"customer_acceptance": {"type": "offline"}}
    done = v1.setup_intents.create(
        {
            "customer": ada,
            "payment_method": v1.payment_methods.create(debit).id,
            "confirm": True,
            "mandate_data": accepted,
            "allowed_payment_method_types": ["sepa_debit"],
        }
    )
    assert v1.mandates.retrieve(done.mandate).status == "active"


def the_accounts_own(v1: Any, _: Sandbox) -> None:
    whom(v1)
    assert v1.events.retrieve(v1.events.list().data[0].id).object == "event"
    endpoint = v1.webhook_endpoints.create({"url": "https://example.com", "enabled_events": ["*"]})
    assert v1.webhook_endpoints.update(endpoint.id, {"disabled": True}).status == v1.webhook_endpoints.retrieve(endpoint.id).status == "disabled"
    assert len(v1.webhook_endpoints.list().data) == 1
    assert v1.webhook_endpoints.delete(endpoint.id).deleted is True
    clocks = v1.test_helpers.test_clocks
    clock = clocks.create({"frozen_time": START_S})
    assert clocks.advance(clock.id, {"frozen_time": START_S + DAY_S}).status == "advancing"
    assert clocks.retrieve(clock.id).frozen_time == clocks.list().data[0].frozen_time == START_S + DAY_S
    assert clocks.delete(clock.id).deleted is True


STORIES: tuple[Callable[[Any, Sandbox], None], ...] = (
    customers, balances, sources_and_methods, catalogue, subscriptions, invoices, owed, payments, taken_back, held_back, charged, set_ups,
    the_accounts_own,
)  # fmt: skip


@cache
def answered(story: Callable[[Any, Sandbox], None]) -> frozenset[str]:
    """The routes that a story asks."""
    heard = Heard()
    story(client(heard).v1, heard.sandbox)
    return frozenset(heard.answered)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_story(story: Callable[[Any, Sandbox], None]) -> None:
    assert answered(story)


def test_the_stories_ask_everything() -> None:
    asked = {name for story in STORIES for name in answered(story)}
    # The SDK has two names for the request that takes a source from its customer.
    assert {route.name for route in ROUTES} - asked == {"sources.detach"}
