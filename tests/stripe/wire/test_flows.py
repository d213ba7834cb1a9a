"""What teams do with Stripe, from the first request to the end, through the official SDK."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import stripe

from billsim.stripe.cards import CardBehaviour
from billsim.stripe.sandbox import Sandbox
from billsim.stripe.sdk import client
from billsim.stripe.settings import StripeSettings

DAY_S = 86_400
ACCEPTED = {"customer_acceptance": {"type": "online", "online": {"ip_address": "192.0.2.1", "user_agent": "x"}}}
NO_REDIRECTS = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


class Account(NamedTuple):
    """A sandbox and its client."""

    sandbox: Sandbox
    v1: Any

    def price(self, amount: int, currency: str = "usd", **recurring: Any) -> str:
        made = {"currency": currency, "unit_amount": amount, "recurring": {"interval": "month", **recurring}, "product_data": {"name": "Pro"}}
        found: str = self.v1.prices.create(made).id
        return found

    def customer(self, token: str = "pm_card_visa") -> Any:
        return self.v1.customers.create({"payment_method": token, "invoice_settings": {"default_payment_method": token}})

    def debited(self, iban: str) -> tuple[str, str]:
        """A customer whose bank account has been set up for debits."""
        ada = self.v1.customers.create({}).id
        owner = {"name": "Ada", "email": "ada@example.com"}
        method = self.v1.payment_methods.create({"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": owner}).id
        self.v1.setup_intents.create({"customer": ada, "payment_method": method, "confirm": True, "mandate_data": ACCEPTED, **NO_REDIRECTS})
        return ada, method

    def latest(self, subscription: str) -> Any:
        return self.v1.subscriptions.retrieve(subscription, {"expand": ["latest_invoice.payments"]}).latest_invoice


@pytest.fixture
def account() -> Account:
    sandbox = Sandbox(seed=4)
    return Account(sandbox, client(sandbox).v1)


def test_a_change_to_a_price_brings_its_trial(account: Account) -> None:
    plain, tried, v1 = account.price(2000), account.price(3000, trial_period_days=7), account.v1
    ada = v1.customers.create({"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}).id
    begun = v1.subscriptions.create({"customer": ada, "items": [{"price": plain}]})
    assert (begun.status, v1.subscriptions.update(begun.id, {"trial_from_plan": True}).status) == ("active", "active")
    with pytest.raises(stripe.InvalidRequestError, match="when `trial_from_plan=true`"):
        v1.subscriptions.update(begun.id, {"trial_from_plan": True, "trial_end": "now"})
    item = begun["items"].data[0].id
    changed = v1.subscriptions.update(begun.id, {"items": [{"id": item, "price": tried}], "trial_from_plan": True})
    assert (changed.status, changed.trial_end) == ("trialing", account.sandbox.now_s + 7 * DAY_S)


def test_a_trial_that_the_price_names_and_a_card_that_comes_later(account: Account) -> None:
    price, ada = account.price(2000, trial_period_days=14), account.v1.customers.create({}).id
    assert account.v1.prices.retrieve(price).recurring.trial_period_days == 14
    begun = account.v1.subscriptions.create({"customer": ada, "items": [{"price": price}], "trial_from_plan": True})
    assert (begun.status, begun.trial_end - begun.trial_start) == ("trialing", 14 * DAY_S)
    account.sandbox.advance(days=5)
    card = account.v1.payment_methods.attach("pm_card_mastercard", {"customer": ada}).id
    account.v1.subscriptions.update(begun.id, {"default_payment_method": card})
    account.sandbox.advance(days=9, hours=2)
    paid = account.latest(begun.id)
    assert (paid.status, paid.amount_paid, paid.billing_reason) == ("paid", 2000, "subscription_cycle")
    assert account.v1.subscriptions.retrieve(begun.id).status == "active"


def test_an_upgrade_within_a_month_is_paid_at_once(account: Account) -> None:
    ada, basic, pro = account.customer().id, account.price(1000), account.price(3000, interval_count=3)
    begun = account.v1.subscriptions.create({"customer": ada, "items": [{"price": basic, "quantity": 2}]})
    assert [line.description for line in account.latest(begun.id).lines.data] == ["2 × Pro (at $10.00 / month)"]
    account.sandbox.advance(days=15, hours=12)  # half of January
    more = [{"id": begun["items"].data[0].id, "quantity": 1, "price": account.price(3000)}]
    account.v1.subscriptions.update(begun.id, {"items": more, "proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"})
    paid = account.latest(begun.id)
    assert (paid.status, paid.amount_paid, paid.billing_reason) == ("paid", 500, "subscription_update")
    told = {line.description: line.amount for line in paid.lines.data}
    assert told == {"Unused time on 2 × Pro after 16 Jan 2026": -1000, "Remaining time on Pro after 16 Jan 2026": 1500}
    quarterly = account.v1.subscriptions.create({"customer": ada, "items": [{"price": pro}]})
    assert account.latest(quarterly.id).lines.data[0].description == "1 × Pro (at $30.00 / every 3 months)"


def test_a_card_that_fails_is_replaced_and_the_invoice_paid(account: Account) -> None:
    ada = account.customer()
    begun = account.v1.subscriptions.create({"customer": ada.id, "items": [{"price": account.price(2000)}]})
    account.sandbox.behave(ada.invoice_settings.default_payment_method, CardBehaviour("insufficient_funds"))
    account.sandbox.advance(days=31, minutes=30)
    draft = account.latest(begun.id)
    assert (draft.status, draft.next_payment_attempt - draft.created, draft.automatically_finalizes_at - draft.created) == ("draft", 3600, 3600)
    account.sandbox.advance(hours=1)
    failed = account.latest(begun.id)
    assert (account.v1.subscriptions.retrieve(begun.id).status, failed.status, failed.attempt_count) == ("past_due", "open", 1)
    card = account.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id}).id
    account.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": card}})
    paid = account.v1.invoices.pay(failed.id)
    assert (paid.status, paid.attempt_count, account.v1.subscriptions.retrieve(begun.id).status) == ("paid", 1, "active")


def test_a_cancellation_is_undone_in_time(account: Account) -> None:
    begun = account.v1.subscriptions.create({"customer": account.customer().id, "items": [{"price": account.price(2000)}]})
    leaving = account.v1.subscriptions.update(begun.id, {"cancel_at_period_end": True})
    assert (leaving.cancel_at, leaving.cancellation_details.reason) == (leaving["items"].data[0].current_period_end, "cancellation_requested")
    staying = account.v1.subscriptions.update(begun.id, {"cancel_at_period_end": False})
    assert (staying.cancel_at, staying.canceled_at, staying.cancellation_details.reason) == (None, None, None)
    account.sandbox.advance(days=40)
    assert account.v1.subscriptions.retrieve(begun.id).status == "active"


@pytest.mark.parametrize("behaviour", ["allow_incomplete", "error_if_incomplete", "default_incomplete"])
@pytest.mark.parametrize(("iban", "status", "invoice"), [("AT611904300234573201", "active", "paid"), ("AT861904300235473202", "past_due", "open")])
def test_a_first_debit_makes_it_active_before_the_bank_has_answered(account: Account, behaviour: str, iban: str, status: str, invoice: str) -> None:
    ada, method = account.debited(iban)
    asked = {"customer": ada, "items": [{"price": account.price(2000, "eur")}], "default_payment_method": method, "payment_behavior": behaviour}
    begun = account.v1.subscriptions.create(asked)
    intent = account.latest(begun.id).payments.data[0].payment.payment_intent
    if behaviour == "default_incomplete":
        assert begun.status == "incomplete"
        account.v1.payment_intents.confirm(intent, {"payment_method": method, "return_url": "https://example.com"})
    assert (account.v1.subscriptions.retrieve(begun.id).status, account.latest(begun.id).status) == ("active", "open")
    assert account.v1.payment_intents.retrieve(intent).status == "processing"
    account.sandbox.advance(minutes=5)
    assert (account.v1.subscriptions.retrieve(begun.id).status, account.latest(begun.id).status) == (status, invoice)
    account.sandbox.advance(days=1, hours=1)
    assert account.latest(begun.id).attempt_count == (1 if invoice == "paid" else 2)


def test_a_change_that_a_bank_processes_is_not_past_due_yet(account: Account) -> None:
    ada, method = account.debited("AT861904300235473202")
    asked = {"customer": ada, "items": [{"price": account.price(2000, "eur")}], "default_payment_method": method, "trial_period_days": 9}
    begun = account.v1.subscriptions.create(asked)
    assert account.v1.subscriptions.update(begun.id, {"trial_end": "now"}).status == "active"
    account.sandbox.advance(minutes=5)
    assert account.v1.subscriptions.retrieve(begun.id).status == "past_due"


def test_what_is_refunded_is_not_disputed_as_well(account: Account) -> None:
    paid = account.v1.payment_intents.create({"amount": 5000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **NO_REDIRECTS})
    account.v1.refunds.create({"payment_intent": paid.id, "amount": 2000})
    dispute = account.v1.disputes.retrieve(account.sandbox.dispute(paid.latest_charge))
    assert (dispute.amount, dispute.status, dispute.payment_intent) == (3000, "needs_response", paid.id)


def test_an_invoice_of_its_own(account: Account) -> None:
    ada = account.customer().id
    for amount in (2000, 1500):
        account.v1.invoice_items.create({"customer": ada, "amount": amount, "currency": "usd"})
    drawn = account.v1.invoices.create({"customer": ada, "pending_invoice_items_behavior": "include"})
    assert [line.amount for line in drawn.lines.data] == [1500, 2000]
    elsewhere = account.v1.invoices.pay(drawn.id, {"paid_out_of_band": True})
    assert (elsewhere.status, elsewhere.attempted, elsewhere.attempt_count, elsewhere.amount_paid) == ("paid", False, 0, 3500)


def test_the_invoices_of_an_unpaid_subscription_stay_drafts() -> None:
    sandbox = Sandbox(seed=4, settings=StripeSettings(final_subscription="mark_unpaid"))
    account = Account(sandbox, client(sandbox).v1)
    ada = account.customer()
    begun = account.v1.subscriptions.create({"customer": ada.id, "items": [{"price": account.price(2000)}]})
    sandbox.behave(ada.invoice_settings.default_payment_method, CardBehaviour("insufficient_funds"))
    sandbox.advance(days=63)
    draft = account.latest(begun.id)
    told = (account.v1.subscriptions.retrieve(begun.id).status, draft.status, draft.auto_advance, draft.next_payment_attempt)
    assert told == ("unpaid", "draft", False, None)
