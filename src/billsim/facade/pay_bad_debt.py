"""`/pay-bad-debt`, the isolated endpoint: a customer pays one owed invoice on session. It moves money only; what follows is recompute's."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.ids import short
from billsim.ports import CallStripe, Component, Effect, Message, Read, Sleep, Start, Steps
from billsim.stores.subs_customer import CustomerRow
from billsim.stripe.objects import Invoice, StripeError

NAME = "pay_bad_debt"


def handle(message: Message) -> Steps:
    """Pay the invoice `body["invoice"]` (its Stripe id). `body["returns_after_ms"]`: how long the customer is away at a bank that asks to confirm.

    Guards: the invoice belongs to the account and is owed after a failed attempt or past its due date, so that this is never a second road for
    regular collection. A decline is an answer to the customer, not an error of ours.
    """
    account, id = message.account, str(message.body.get("invoice", ""))
    if not id:
        return
    customer: CustomerRow | None = yield Read("subs_customer", account)
    if customer is None or not customer.stripe_customer or not (yield from _may_be_paid(account, id, customer.stripe_customer)):
        return
    yield from _pay(message, id)
    yield Start("dunning_brain", account, "request.recompute")


def component() -> Component:
    """The endpoint as a component, writing (nothing, as it happens) as the facade."""
    return Component(NAME, "facade", handle, primary=True)


def _may_be_paid(account: str, id: str, customer: str) -> Generator[Effect, Any, bool]:
    try:
        invoice: Invoice = yield CallStripe("invoices.retrieve", account, id)
    except StripeError as refusal:
        if refusal.status != 404:
            raise
        return False
    owed = invoice.status in ("open", "uncollectible") and invoice.amount_remaining > 0
    chased = invoice.attempted or invoice.attempt_count > 0 or invoice.collection_method == "send_invoice"
    return owed and chased and invoice.customer == customer


def _pay(message: Message, id: str) -> Steps:
    """One payment for one request, however often it is delivered: the key is made of account, invoice and request."""
    key = f"pay-{short(f'{message.account}/{id}/{message.name}')}"
    try:
        invoice: Invoice = yield CallStripe("invoices.pay", message.account, id, {"off_session": False}, key)
    except StripeError as refusal:
        # 402: the card was declined. 400: someone else's payment was faster.
        if not refusal.says(400, 402):
            raise
        return
    if invoice.status in ("open", "uncollectible"):
        yield Sleep(int(message.body.get("returns_after_ms", 0)))
        yield CallStripe("invoices.retrieve", message.account, id)
