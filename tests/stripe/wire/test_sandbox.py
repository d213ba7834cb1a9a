"""An account of its own: time, test clocks, events, endpoints, ids; and the same bytes in any process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from billsim.stripe.objects import StripeError
from billsim.stripe.sandbox import START_S, Sandbox
from billsim.stripe.sandbox.ids import PublicIds
from billsim.stripe.sdk import client
from tests.processes import SOURCE

DAY_S = 86_400
AN_ID = re.compile(r"[a-z]+_[A-Za-z0-9]{14,32}")


class Account:
    """A sandbox, its client, and a monthly price of 20 dollars."""

    def __init__(self, seed: int = 1) -> None:
        self.sandbox = Sandbox(seed=seed)
        self.client = client(self.sandbox)
        self.v1 = self.client.v1
        self.price: str = self.v1.prices.create(
            {"currency": "usd", "unit_amount": 2000, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}
        ).id

    def customer(self, method: str = "pm_card_visa", **more: Any) -> str:
        given: Any = {"payment_method": method, "invoice_settings": {"default_payment_method": method}, **more}
        return self.v1.customers.create(given).id

    def subscribe(self, customer: str, **more: Any) -> Any:
        given: Any = {"customer": customer, "items": [{"price": self.price}], **more}
        return self.v1.subscriptions.create(given)

    def invoices(self, customer: str) -> list[Any]:
        return self.v1.invoices.list({"customer": customer}).data

    def types(self) -> list[str]:
        return [event.type for event in reversed(list(self.v1.events.list({"limit": 100}).auto_paging_iter()))]


@pytest.fixture
def account() -> Account:
    return Account()


# -- time


def test_time_stands_still_until_it_is_moved(account: Account) -> None:
    assert account.sandbox.now_s == START_S == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    ada = account.customer()
    account.subscribe(ada)
    assert [invoice.status for invoice in account.invoices(ada)] == ["paid"]
    account.sandbox.advance(days=30)
    assert len(account.invoices(ada)) == 1
    account.sandbox.advance(days=1)
    assert [invoice.status for invoice in account.invoices(ada)] == ["draft", "paid"]
    account.sandbox.advance(hours=1)
    assert [invoice.status for invoice in account.invoices(ada)] == ["paid", "paid"]
    with pytest.raises(ValueError, match="forward"):
        account.sandbox.advance(days=-1)


def test_a_start_needs_a_time_zone() -> None:
    assert Sandbox(start=datetime(2027, 1, 1, tzinfo=UTC)).now_s == 1_798_761_600
    with pytest.raises(ValueError, match="time zone"):
        Sandbox(start=datetime(2027, 1, 1))  # noqa: DTZ001


# -- test clocks


def test_a_clock_moves_its_customers_alone(account: Account) -> None:
    clock = account.v1.test_helpers.test_clocks.create({"frozen_time": START_S, "name": "ours"})
    ada, bob = account.customer(test_clock=clock.id), account.customer()
    assert account.v1.customers.retrieve(ada).test_clock == clock.id
    account.subscribe(ada)
    account.subscribe(bob)
    moved = account.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": START_S + 32 * DAY_S})
    assert (moved.status, moved.status_details.advancing.target_frozen_time) == ("advancing", START_S + 32 * DAY_S)  # type: ignore[union-attr]
    ready = account.v1.test_helpers.test_clocks.retrieve(clock.id)
    assert (ready.status, ready.frozen_time) == ("ready", START_S + 32 * DAY_S)
    assert [len(account.invoices(each)) for each in (ada, bob)] == [2, 1]
    assert [invoice.created - START_S for invoice in account.invoices(ada)] == [31 * DAY_S, 0]
    account.sandbox.advance(days=32)
    assert [len(account.invoices(each)) for each in (ada, bob)] == [2, 2]


def test_a_clock_moves_forward_and_by_two_intervals_at_most(account: Account) -> None:
    clocks = account.v1.test_helpers.test_clocks
    clock = clocks.create({"frozen_time": START_S})
    ada = account.customer(test_clock=clock.id)
    for frozen in (START_S, START_S - 1):
        with pytest.raises(stripe.InvalidRequestError, match="must be after"):
            clocks.advance(clock.id, {"frozen_time": frozen})
    with pytest.raises(stripe.InvalidRequestError, match="two intervals"):
        clocks.advance(clock.id, {"frozen_time": START_S + 731 * DAY_S})  # two years of 365 days, and one
    account.subscribe(ada)
    with pytest.raises(stripe.InvalidRequestError, match="two intervals"):
        clocks.advance(clock.id, {"frozen_time": START_S + 59 * DAY_S + 1})  # January and February
    assert clocks.retrieve(clock.id).frozen_time == START_S
    clocks.advance(clock.id, {"frozen_time": START_S + 59 * DAY_S})
    assert [invoice.status for invoice in account.invoices(ada)] == ["draft", "paid", "paid"]


def test_lists_show_a_clocks_objects_where_they_name_it(account: Account) -> None:
    clock = account.v1.test_helpers.test_clocks.create({"frozen_time": START_S})
    ada, bob = account.customer(test_clock=clock.id), account.customer()
    account.subscribe(ada)
    assert [each.id for each in account.v1.customers.list({}).data] == [bob]
    assert [each.id for each in account.v1.customers.list({"test_clock": clock.id}).data] == [ada]
    assert [each.customer for each in account.v1.subscriptions.list({"test_clock": clock.id}).data] == [ada]
    assert account.v1.subscriptions.list({}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such test clock"):
        account.customer(test_clock="clock_nobody")


def test_a_payment_method_of_nobodys_goes_to_a_customer_of_a_clock(account: Account) -> None:
    clock = account.v1.test_helpers.test_clocks.create({"frozen_time": START_S})
    ada = account.v1.customers.create({"test_clock": clock.id}).id
    method = account.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    account.v1.payment_methods.attach(method.id, {"customer": ada})
    subscription = account.subscribe(ada, default_payment_method=method.id)
    assert (subscription.status, subscription.test_clock) == ("active", clock.id)
    item = subscription["items"].data[0].id
    account.v1.subscription_items.update(item, {"quantity": 3})
    assert account.v1.subscription_items.retrieve(item).quantity == 3


def test_with_a_clock_its_customers_go(account: Account) -> None:
    clock = account.v1.test_helpers.test_clocks.create({"frozen_time": START_S})
    ada = account.customer(test_clock=clock.id)
    account.subscribe(ada)
    gone = account.v1.test_helpers.test_clocks.delete(clock.id)
    assert (gone.id, gone.deleted) == (clock.id, True)
    for missing in (lambda: account.v1.customers.retrieve(ada), lambda: account.v1.test_helpers.test_clocks.retrieve(clock.id)):
        with pytest.raises(stripe.InvalidRequestError, match="No such"):
            missing()
    assert account.types()[-1] == "test_helpers.test_clock.deleted"


# -- events and endpoints


def test_events_are_kept_for_30_days(account: Account) -> None:
    ada = account.customer()
    (created,) = [event for event in account.v1.events.list({"type": "customer.created"}).data]
    assert created.data.object["id"] == ada
    assert created.request.idempotency_key == f"key-{created.request.id}"  # type: ignore[union-attr]
    assert created.data.object["email"] is None
    account.v1.customers.update(ada, {"email": "ada@example.com"})
    again = account.v1.events.retrieve(created.id)
    assert again.data.object["email"] is None  # as it was
    (updated,) = account.v1.events.list({"types": ["customer.updated"]}).data
    assert updated.data.to_dict()["previous_attributes"] == {"email": None}
    account.sandbox.advance(days=30)
    assert account.v1.events.retrieve(created.id).id == created.id
    account.sandbox.advance(seconds=1)
    account.v1.customers.update(ada, {"email": "ada@example.org"})
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        account.v1.events.retrieve(created.id)


def test_events_by_type_and_time(account: Account) -> None:
    ada = account.customer()
    account.sandbox.advance(days=1)
    account.subscribe(ada)
    assert {event.type for event in account.v1.events.list({"type": "invoice.*"}).data} >= {"invoice.created", "invoice.paid"}
    later = account.v1.events.list({"created": {"gte": START_S + DAY_S}, "limit": 100}).data
    assert "customer.created" not in {event.type for event in later} and "customer.subscription.created" in {event.type for event in later}


def test_endpoints_get_what_they_listen_to(account: Account) -> None:
    endpoints = account.v1.webhook_endpoints
    every = endpoints.create({"url": "https://example.com/a", "enabled_events": ["*"]})
    some = endpoints.create({"url": "https://example.com/b", "enabled_events": ["customer.created"], "metadata": {"a": "b"}})
    assert every.secret is not None and every.secret.startswith("whsec_") and every.secret != some.secret
    assert "secret" not in endpoints.retrieve(every.id)
    ada = account.customer()
    sent = account.sandbox.deliveries()
    assert [(each.url[-1], each.type) for each in sent] == [
        ("a", "customer.created"), ("b", "customer.created"), ("a", "payment_method.attached"),
    ]  # fmt: skip
    assert account.sandbox.deliveries() == []
    event = account.client.construct_event(sent[0].body, sent[0].signature(1_800_000_000), every.secret, tolerance=1 << 40)
    assert (event.id, event.type, event.data.object["id"], event.pending_webhooks) == (sent[0].event, "customer.created", ada, 2)
    with pytest.raises(stripe.SignatureVerificationError):
        account.client.construct_event(sent[0].body, sent[0].signature(1_800_000_000), some.secret, tolerance=1 << 40)
    assert account.v1.events.retrieve(event.id).to_dict() == event.to_dict()


def test_endpoints_are_changed_and_deleted(account: Account) -> None:
    endpoints = account.v1.webhook_endpoints
    made = endpoints.create({"url": "https://example.com/a", "enabled_events": ["*"]})
    changed = endpoints.update(made.id, {"disabled": True, "url": "https://example.com/c", "description": "ours"})
    assert (changed.status, changed.url, changed.description) == ("disabled", "https://example.com/c", "ours")
    account.customer()
    assert account.sandbox.deliveries() == []
    assert [each.id for each in endpoints.list({}).data] == [made.id]
    assert endpoints.delete(made.id).deleted
    assert endpoints.list({}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="Invalid URL"):
        endpoints.create({"url": "example.com", "enabled_events": ["*"]})
    with pytest.raises(stripe.InvalidRequestError, match="must be one of"):
        endpoints.create({"url": "https://example.com", "enabled_events": ["no.such"]})  # type: ignore[list-item]


# -- the bank


def test_a_customer_confirms_at_the_bank(account: Account) -> None:
    cards: Any = {"allowed_payment_method_types": ["card"], "payment_method": "pm_card_authenticationRequired"}
    intent = account.v1.payment_intents.create({"amount": 500, "currency": "usd", "confirm": True, **cards})
    assert intent.status == "requires_action"
    account.sandbox.confirm(intent.id)
    paid = account.v1.payment_intents.retrieve(intent.id)
    assert paid.status == "succeeded"
    dispute = account.sandbox.dispute(str(paid.latest_charge))
    assert account.v1.disputes.retrieve(dispute).status == "needs_response"
    account.sandbox.decide_dispute(dispute, won=True)
    assert account.v1.disputes.retrieve(dispute).status == "won"
    with pytest.raises(StripeError, match="No such"):
        account.sandbox.confirm("pi_nobody")


# -- ids, and being the same


def ids_in(value: Any) -> list[str]:
    """Every id that an answer holds."""
    if isinstance(value, dict):
        return [id for key, each in value.items() for id in (ids_in(each) + ([each] if key == "id" else []))]
    return [id for each in value for id in ids_in(each)] if isinstance(value, list) else []


def test_ids_look_like_stripes_and_find_what_they_name(account: Account) -> None:
    clock = account.v1.test_helpers.test_clocks.create({"frozen_time": START_S})
    for ada in (account.customer(), account.customer(test_clock=clock.id)):
        subscription = account.subscribe(ada)
        assert account.v1.subscriptions.retrieve(subscription.id).latest_invoice == subscription.latest_invoice
        (invoice,) = account.v1.invoices.list({"customer": ada, "expand": ["data.payments"]}).data
        payment = invoice.payments.data[0]
        assert account.v1.invoice_payments.retrieve(payment.id).invoice == invoice.id
        intent = account.v1.payment_intents.retrieve(str(payment.payment.payment_intent), {"expand": ["latest_charge.balance_transaction"]})
        assert intent.client_secret is not None and intent.client_secret.startswith(f"{intent.id}_secret_")
        assert account.v1.charges.retrieve(intent.latest_charge.id).payment_intent == intent.id  # type: ignore[union-attr]
        refund = account.v1.refunds.create({"charge": intent.latest_charge.id, "amount": 100})  # type: ignore[union-attr]
        found = [subscription, invoice, intent, refund, *account.v1.events.list({"limit": 100}).data]
        ids = [id for each in found for id in ids_in(each.to_dict(recursive=True))]
        assert len(set(ids)) > 12
        assert [id for id in ids if not AN_ID.fullmatch(id)] == []


def test_one_seed_is_one_account() -> None:
    first, same, other = Account(1), Account(1), Account(2)
    for account in (first, same, other):
        account.subscribe(account.customer())
        account.sandbox.advance(days=40)
    assert first.sandbox.digest() == same.sandbox.digest() != other.sandbox.digest()
    assert first.price == same.price != other.price


TOLD = """
import sys
from billsim.stripe.sandbox import Sandbox
from billsim.stripe.sdk import client

sandbox = Sandbox(seed=5)
handle, heard = sandbox.handle, []
def hear(request):
    answer = handle(request)
    heard.append(repr((request, answer)))
    return answer
sandbox.handle = hear
v1 = client(sandbox).v1
price = v1.prices.create({"currency": "usd", "unit_amount": 900, "recurring": {"interval": "week"}, "product_data": {"name": "Pro"}})
clock = v1.test_helpers.test_clocks.create({"frozen_time": 1767225600})
for method in ("pm_card_visa", "pm_card_chargeCustomerFail"):
    given = {"payment_method": method, "invoice_settings": {"default_payment_method": method}, "test_clock": clock.id}
    v1.subscriptions.create({"customer": v1.customers.create(given).id, "items": [{"price": price.id}], "expand": ["customer"]})
for step in range(1, 4):
    v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1767225600 + step * 10 * 86400})
sandbox.advance(days=3)
list(v1.events.list({"limit": 20}).auto_paging_iter())
print("\\n".join(heard), sandbox.digest())
"""


def test_two_fresh_processes_give_the_same_bytes() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", TOLD], env={**os.environ, "PYTHONPATH": SOURCE, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count(b"Response(") > 8 and b"invoice.payment_failed" in told[0]


def test_a_text_is_told_with_outside_names() -> None:
    ids = PublicIds(1)
    sub, other = ids.made("sub", 1), PublicIds(1).made("sub", 2)
    stem = sub.removeprefix("sub_")
    inside = f"in_{stem}_1"
    (invoice, charge) = told = ids.outward(f"{inside} ch_{stem}_1.1".encode()).decode().split()
    assert [re.fullmatch(r"(in|ch)_[13][A-Za-z0-9]{23}", each) is not None for each in told] == [True, True]
    kept = f'{{"a":"{sub}","b":"{other}_1","c":"{sub}_secret_x"}} No such customer: {sub}. payment_method_configuration_details'
    assert ids.outward(kept.encode()).decode() == kept
    text = "https://x/{0}?s={0}_secret_abc, {0}."
    assert ids.outward(text.format(inside).encode()).decode() == text.format(invoice)
    assert ids.inward({"invoice": [invoice, sub, 1], "charge": charge}) == {"invoice": [inside, sub, 1], "charge": f"ch_{stem}_1.1"}
