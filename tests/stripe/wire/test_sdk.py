"""The official SDK over a sandbox, as a user's code drives it."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import stripe

from billsim.stripe.sandbox import Sandbox
from billsim.stripe.sdk import client, transport
from billsim.stripe.settings import StripeSettings
from tests.processes import SOURCE


@pytest.fixture
def v1() -> Any:
    return client(Sandbox(seed=2)).v1


def price_of(v1: Any) -> str:
    found: str = v1.prices.create(
        {"currency": "usd", "unit_amount": 2000, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}
    ).id
    return found


# -- a customer's life


def test_from_customer_to_refund(v1: Any) -> None:
    ada = v1.customers.create({"email": "ada@example.com", "name": "Ada", "address": {"city": "Berlin"}})
    method = v1.payment_methods.create({"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}})
    v1.payment_methods.attach(method.id, {"customer": ada.id})
    v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": method.id}})
    subscription = v1.subscriptions.create(
        {"customer": ada.id, "items": [{"price": price_of(v1)}], "expand": ["latest_invoice.payments", "customer"]}
    )
    assert (subscription.status, subscription.customer.address.city) == ("active", "Berlin")
    invoice = subscription.latest_invoice
    assert (invoice.status, invoice.amount_paid, invoice.lines.data[0].amount) == ("paid", 2000, 2000)
    payment = v1.invoices.retrieve(invoice.id, {"expand": ["payments.data.payment.payment_intent"]}).payments.data[0].payment
    refund = v1.refunds.create({"charge": payment.payment_intent.latest_charge})
    assert (refund.status, refund.amount) == ("succeeded", 2000)
    ended = v1.subscriptions.cancel(subscription.id)
    assert ended.status == "canceled"
    assert v1.customers.delete(ada.id).deleted is True
    assert v1.customers.retrieve(ada.id).deleted is True


def test_an_incomplete_subscription_is_paid_for(v1: Any) -> None:
    ada = v1.customers.create({"email": "ada@example.com"})
    subscription = v1.subscriptions.create(
        {
            "customer": ada.id,
            "items": [{"price": price_of(v1)}],
            "payment_behavior": "default_incomplete",
            "expand": ["latest_invoice.confirmation_secret", "latest_invoice.payments"],
        }
    )
    assert subscription.status == "incomplete"
    intent = subscription.latest_invoice.payments.data[0].payment.payment_intent
    assert subscription.latest_invoice.confirmation_secret.client_secret.startswith(f"{intent}_secret_")
    v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    assert v1.subscriptions.retrieve(subscription.id).status == "active"


def test_lists_are_iterated_page_by_page(v1: Any) -> None:
    made = [v1.customers.create({"email": f"{number}@example.com"}).id for number in range(25)]
    assert [each.id for each in v1.customers.list({"limit": 10}).auto_paging_iter()] == made[::-1]
    last = v1.customers.list({"limit": 10, "ending_before": made[0]})
    assert [each.id for each in last.auto_paging_iter()] == made[1:]
    assert [each.id for each in v1.customers.list({"email": "7@example.com"}).data] == [made[7]]


def test_what_is_answered_is_refreshed_and_updated_as_an_object(v1: Any) -> None:
    ada = v1.customers.create({"metadata": {"a": "1"}})
    v1.customers.update(ada.id, {"name": "Ada"})
    assert ada.refresh().name == "Ada"


def test_metadata(v1: Any) -> None:
    ada = v1.customers.create({"metadata": {"a": "1", "b": "2"}})
    changed = v1.customers.update(ada.id, {"metadata": {"b": "", "c": "3"}})
    assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
    assert v1.customers.update(ada.id, {"metadata": ""}).metadata.to_dict() == {}
    full = {f"k{number}": "v" for number in range(50)}
    assert v1.customers.update(ada.id, {"metadata": full}).metadata.to_dict() == full
    for wrong in ({"one": "more"}, {"k" * 41: "v"}, {"k1": "v" * 501}, {"a[b]": "v"}):
        with pytest.raises(stripe.InvalidRequestError):
            v1.customers.update(ada.id, {"metadata": wrong})
    assert v1.customers.retrieve(ada.id).metadata.to_dict() == full


# -- errors


def test_a_declined_card_is_a_card_error(v1: Any) -> None:
    with pytest.raises(stripe.CardError) as declined:
        broke = {"allowed_payment_method_types": ["card"], "payment_method": "pm_card_chargeDeclinedInsufficientFunds"}
        v1.payment_intents.create({"amount": 500, "currency": "usd", "confirm": True, **broke})
    error = declined.value
    assert (error.http_status, error.code, error.error.decline_code) == (402, "card_declined", "insufficient_funds")
    intent = error.error.payment_intent
    assert (intent.status, intent.last_payment_error.decline_code) == ("requires_payment_method", "insufficient_funds")
    assert v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
    assert error.error.charge == intent.latest_charge


@pytest.mark.parametrize(
    ("ask", "status", "code", "param"),
    [
        (lambda v1: v1.customers.create({"nam": "x"}), 400, "parameter_unknown", "nam"),
        (lambda v1: v1.prices.create({"unit_amount": 5}), 400, "parameter_missing", "currency"),
        (lambda v1: v1.customers.retrieve("cus_nobody"), 404, "resource_missing", "id"),
        (lambda v1: v1.subscriptions.create({"customer": "cus_nobody", "items": [{"price": "price_1"}]}), 404, "resource_missing", "customer"),
        (lambda v1: v1.subscriptions.create({"customer": "c", "items": [{"quantity": "x"}]}), 400, "parameter_invalid_integer", "items[0][quantity]"),
        (lambda v1: v1.customers.create({"expand": ["metadata"]}), 400, None, None),
        (lambda v1: v1.customers.create({"tax_id_data": [{"type": "eu_vat", "value": "x"}]}), 400, "not_simulated", "tax_id_data"),
    ],
)
def test_what_is_wrong_is_an_invalid_request(v1: Any, ask: Callable[[Any], Any], status: int, code: str | None, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        ask(v1)
    error = refused.value
    assert (error.http_status, error.code, error.param) == (status, code, param)
    assert error.request_id is not None and error.request_id.startswith("req_")


def test_nothing_recurs_less_often_than_every_three_years(v1: Any) -> None:
    rarely = {"currency": "usd", "unit_amount": 5, "recurring": {"interval": "year", "interval_count": 4}}
    product, ada = v1.products.create({"name": "Pro"}).id, v1.customers.create({}).id
    for ask, param in (
        (lambda: v1.prices.create({**rarely, "product": product}), "recurring[interval_count]"),
        (
            lambda: v1.subscriptions.create({"customer": ada, "items": [{"price_data": {**rarely, "product": product}}]}),
            "items[0][price_data][recurring][interval_count]",
        ),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="more than 3 years") as refused:
            ask()
        assert refused.value.param == param


def test_a_key_with_another_request_is_an_idempotency_error(v1: Any) -> None:
    first = v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    again = v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert again.id == first.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        v1.customers.create({"name": "Bob"}, {"idempotency_key": "k"})


def test_requests_without_a_key_are_all_performed() -> None:
    sandbox = Sandbox()
    made = [client(sandbox).v1.customers.create({"name": "Ada"}) for _ in range(3)]
    assert len({each.id for each in made}) == 3


def test_a_live_key_is_an_authentication_error() -> None:
    for key in ("sk_live_1234567890123456", "nonsense"):
        with pytest.raises(stripe.AuthenticationError):
            client(Sandbox(), api_key=key).v1.customers.list()


def test_too_many_requests_are_a_rate_limit_error() -> None:
    v1 = client(Sandbox(settings=StripeSettings(requests_per_second=1))).v1
    v1.customers.list()
    with pytest.raises(stripe.RateLimitError) as refused:
        v1.customers.list()
    assert refused.value.headers is not None and refused.value.headers["Stripe-Rate-Limited-Reason"] == "global-rate"


# -- as other code uses it


def test_async() -> None:
    async def asked() -> list[str]:
        v1 = client(Sandbox(seed=2)).v1
        made = [(await v1.customers.create_async({"name": name})).id for name in ("Ada", "Bob")]
        assert [each.id async for each in (await v1.customers.list_async({"limit": 1})).auto_paging_iter()] == made[::-1]
        return made

    v1 = client(Sandbox(seed=2)).v1
    assert asyncio.run(asked()) == [v1.customers.create({"name": name}).id for name in ("Ada", "Bob")]


def test_the_global_style(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "default_http_client", transport(Sandbox()))
    monkeypatch.setattr(stripe, "api_key", "sk_test_1")
    ada = stripe.Customer.create(name="Ada")
    assert stripe.Customer.retrieve(ada.id).name == "Ada"


def test_raw_requests(v1: Any) -> None:
    answer = client(Sandbox()).raw_request("get", "/v1/customers", limit=3)
    assert answer.data["object"] == "list"


def _never(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("asked for what is not the same twice")


def test_nothing_sleeps_is_random_or_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = dict(vars(stripe))
    for module, name in ((os, "urandom"), (time, "sleep"), (random, "uniform")):
        monkeypatch.setattr(module, name, _never)
    monkeypatch.setenv("HOME", str(tmp_path))
    v1 = client(Sandbox()).v1
    v1.customers.create({"name": "Ada"})
    with pytest.raises(stripe.InvalidRequestError):
        v1.customers.create({"nam": "Ada"})
    assert list(tmp_path.iterdir()) == []
    assert {name: value for name, value in vars(stripe).items() if name in before} == before


def test_without_the_sdk_one_line_says_what_to_install() -> None:
    for module in ("sandbox", "sdk", "wire.door"):
        told = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.modules['stripe'] = None; import billsim.stripe.{module}"],
            env={**os.environ, "PYTHONPATH": SOURCE}, capture_output=True, text=True,
        ).stderr  # fmt: skip
        assert told.splitlines()[-1] == "ImportError: the API of the simulated Stripe needs the official SDK: pip install 'billsim[stripe]'"
