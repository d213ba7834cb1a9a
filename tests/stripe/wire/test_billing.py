"""Billing as the official SDK sees it: modes and what they credit, what is told ahead, what waits to be set up, and what a refusal brings along."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import stripe

from billsim.stripe.sandbox import Sandbox
from billsim.stripe.sdk import client

MONTHLY = {"currency": "usd", "recurring": {"interval": "month"}}


class Account(NamedTuple):
    """A sandbox and its client, a customer with a card that pays, and a price of 20.00 a month."""

    sandbox: Sandbox
    v1: Any
    customer: str
    price: str

    def begin(self, **params: Any) -> Any:
        return self.v1.subscriptions.create({"customer": self.customer, "items": [{"price": self.price}], **params})

    def told(self, type: str) -> list[Any]:
        return list(self.v1.events.list({"type": type}).data)


@pytest.fixture
def account() -> Account:
    sandbox = Sandbox(seed=5)
    v1 = client(sandbox).v1
    given = {"email": "ada@example.com", "payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    price = v1.prices.create({**MONTHLY, "unit_amount": 2000, "product_data": {"name": "Pro"}}).id
    return Account(sandbox, v1, v1.customers.create(given).id, price)


def test_the_mode_is_told(account: Account) -> None:
    made = account.begin()
    mode = made.billing_mode
    assert (mode.type, mode.flexible.proration_discounts, mode.updated_at) == ("flexible", "included", made.created)
    classic = account.begin(billing_mode={"type": "classic"})
    assert (classic.billing_mode.type, classic.billing_mode.flexible) == ("classic", None)
    moved = account.v1.subscriptions.migrate(classic.id, {"billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}})
    assert moved.billing_mode.flexible.proration_discounts == "itemized"


def test_a_credit_names_what_was_billed(account: Account) -> None:
    made = account.begin(expand=["latest_invoice"])
    first, item = made.latest_invoice, made["items"].data[0].id
    account.sandbox.advance(days=10)
    account.v1.subscriptions.update(made.id, {"items": [{"id": item, "quantity": 2}]})
    credit, charge = account.v1.invoice_items.list({"customer": account.customer, "pending": True}).data[::-1]
    credited = credit.proration_details.credited_items
    assert (credited.type, credited.invoice_line_item_details.invoice) == ("invoice_line_items", first.id)
    assert credited.invoice_line_item_details.invoice_line_items == [first.lines.data[0].id]
    assert "proration_details" not in charge
    account.sandbox.advance(days=10)
    update = {"items": [{"id": item, "quantity": 1}], "proration_behavior": "always_invoice", "expand": ["latest_invoice"]}
    billed = account.v1.subscriptions.update(made.id, update).latest_invoice
    # What had been waiting came along, and of its own debit the last credit is.
    details = [line.parent.subscription_item_details for line in billed.lines.data]
    named = [each.proration_details.credited_items for each in details]
    waited = next(line for line, each in zip(billed.lines.data, details, strict=True) if each.invoice_item == charge.id)
    assert [each.invoice_line_items if each else None for each in named].count([waited.id]) == 1
    assert sum([each is not None for each in named]) == 2


def test_a_renewal_that_is_told_of_has_no_id_yet(account: Account) -> None:
    made = account.begin()
    account.sandbox.advance(days=25)
    (event,) = account.told("invoice.upcoming")
    invoice = event.data.object
    assert "id" not in invoice and (invoice.billing_reason, invoice.amount_due) == ("upcoming", 2000)
    assert invoice.parent.subscription_details.subscription == made.id


def test_what_waits_to_be_set_up(account: Account) -> None:
    account.v1.customers.update(account.customer, {"invoice_settings": {"default_payment_method": ""}})
    saves = {"payment_settings": {"save_default_payment_method": "on_subscription"}}
    made = account.begin(trial_period_days=7, payment_behavior="default_incomplete", expand=["pending_setup_intent"], **saves)
    intent = made.pending_setup_intent
    assert (made.status, intent.status, intent.object) == ("trialing", "requires_payment_method", "setup_intent") and intent.client_secret
    done = account.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    found = account.v1.subscriptions.retrieve(made.id)
    assert (found.pending_setup_intent, found.default_payment_method) == (None, done.payment_method)
    account.sandbox.advance(days=8)
    assert account.v1.invoices.list({"subscription": made.id}).data[0].status == "paid"


def test_a_price_of_a_fraction(account: Account) -> None:
    price = account.v1.prices.create({**MONTHLY, "unit_amount_decimal": "0.125", "product_data": {"name": "Calls"}})
    assert (price.unit_amount, str(price.unit_amount_decimal)) == (None, "0.125")
    made = account.begin(items=[{"price": price.id, "quantity": 100}], expand=["latest_invoice"])
    line = made.latest_invoice.lines.data[0]
    assert (line.amount, str(line.pricing.unit_amount_decimal), made["items"].data[0].plan.amount) == (13, "0.125", None)


def test_the_last_invoice_of_a_subscription_is_one_of_its_changes(account: Account) -> None:
    made = account.begin()
    account.sandbox.advance(days=10)
    ended = account.v1.subscriptions.cancel(made.id, {"prorate": True, "invoice_now": True})
    assert account.v1.invoices.retrieve(ended.latest_invoice).billing_reason == "subscription_update"


@pytest.mark.parametrize("request_", ["invoices.pay", "payment_intents.confirm", "subscriptions.create", "subscriptions.update"])
def test_a_refused_payment_brings_along_what_is_known_of_it(account: Account, request_: str) -> None:
    made = account.begin()
    bad = account.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": account.customer}).id
    account.v1.customers.update(account.customer, {"invoice_settings": {"default_payment_method": bad}})
    failing = {"payment_behavior": "error_if_incomplete"}
    incomplete = account.begin(expand=["latest_invoice.payments"]).latest_invoice
    with pytest.raises(stripe.CardError) as refused:
        if request_ == "invoices.pay":
            account.v1.invoices.pay(incomplete.id)
        elif request_ == "payment_intents.confirm":
            account.v1.payment_intents.confirm(incomplete.payments.data[0].payment.payment_intent, {"payment_method": bad})
        elif request_ == "subscriptions.create":
            account.begin(**failing)
        else:
            more = {"id": made["items"].data[0].id, "quantity": 9}
            account.v1.subscriptions.update(made.id, {"items": [more], "proration_behavior": "always_invoice", **failing})
    error = refused.value.error
    assert (refused.value.http_status, error.code, error.decline_code) == (402, "card_declined", "generic_decline")
    charge = account.v1.charges.retrieve(error.charge)
    assert (charge.status, charge.payment_intent) == ("failed", error.payment_intent.id)
    assert error.payment_method.id == bad and error.payment_intent.last_payment_error.decline_code == "generic_decline"
