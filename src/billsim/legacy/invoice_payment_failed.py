"""Path 1: the `invoice.payment_failed` handler. It counts deliveries, not attempts, and believes the event's snapshot."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.policy import DELINQUENT, RETRYING, DunningPolicy
from billsim.legacy.instruments import grace_ms
from billsim.legacy.steps import Case, call_bad_debt, is_contract, occurred_ms, read_case, snapshot, write_dunning
from billsim.ports import Act, CallStripe, Effect, Message, Read, Steps, Write
from billsim.stripe.objects import Charge, Invoice, PaymentIntent

NAME = "invoice_payment_failed"


class InvoicePaymentFailed:
    """The component. `marks_uncollectible`: the Stripe account marks an invoice uncollectible after its last try, so that it is bad at once."""

    def __init__(self, policy: DunningPolicy, *, marks_uncollectible: bool) -> None:
        self._policy = policy
        self._marks_uncollectible = marks_uncollectible

    def handle(self, message: Message) -> Steps:
        """One step up the ladder for each delivery; at the limit, or when the snapshot names no next attempt, the top of it."""
        invoice = snapshot(message)
        if invoice is None:
            return
        case: Case = yield from read_case(message.account)
        if is_contract(case, self._policy):
            return
        case = yield from self._flag_never_paid(case)
        if _is_dunning(message, invoice):
            yield from self._count(case, message, invoice)

    def _count(self, case: Case, message: Message, invoice: Invoice) -> Steps:
        count = case.dunning.retry_count + 1
        if count < self._policy.max_attempts and invoice.next_payment_attempt is not None:
            yield from _retrying(case, message, invoice, count)
            return
        now_ms = occurred_ms(message)
        failed_ms = yield from _last_failure(message, invoice)
        bad_ms = failed_ms + (yield from grace_ms(case, invoice, self._policy))
        if self._marks_uncollectible:
            bad_ms = min(bad_ms, now_ms)
        if bad_ms <= now_ms:
            yield from call_bad_debt(case, self._policy, [invoice], invoice.id, bad_ms, count)
        else:
            yield from _delinquent(case, invoice, count, failed_ms)

    def _flag_never_paid(self, case: Case) -> Generator[Effect, Any, Case]:
        """Without a successful charge in the ledger the account has never paid. Answer: the case with the flags as they then are."""
        ledger = yield Read("billing_prod", case.account)
        paid = case.customer.braintree_paid or any(row.kind == "charge" and row.amount_paid > 0 for row in ledger.values())
        if paid or case.profile.flags & self._policy.no_success_flag:
            return case
        keys = {self._policy.no_success_key: "true"}
        yield CallStripe("customers.update", case.account, case.customer.stripe_customer, {"metadata": keys})
        profile = yield Write("subs_account", case.account, {"flags": case.profile.flags | self._policy.no_success_flag})
        return Case(case.account, case.dunning, profile or case.profile, case.customer)


def _is_dunning(message: Message, invoice: Invoice) -> bool:
    """A customer who is declined on session was told so on the page. A first invoice is taken for debt like any other, which it never is."""
    request = message.event.request
    on_session = request is not None and request.id is not None
    return not on_session or invoice.billing_reason == "subscription_create"


def _retrying(case: Case, message: Message, invoice: Invoice, count: int) -> Steps:
    fields = {"status": RETRYING, "retry_count": count, "escalation_level": 1}
    if count > 1:
        yield from write_dunning(case, fields)
        return
    yield from write_dunning(case, {**fields, "since_ms": occurred_ms(message)}, f"{invoice.id}/{RETRYING}")
    yield Act("notify", case.account, invoice.id, RETRYING)


def _delinquent(case: Case, invoice: Invoice, count: int, failed_ms: int) -> Steps:
    fields = {"status": DELINQUENT, "retry_count": count, "escalation_level": 2, "since_ms": failed_ms}
    yield from write_dunning(case, fields, f"{invoice.id}/{DELINQUENT}")
    yield Act("notify", case.account, invoice.id, DELINQUENT)


def _last_failure(message: Message, invoice: Invoice) -> Generator[Effect, Any, int]:
    """Answer: when the invoice's last charge failed, in milliseconds. A lost card is tried without a charge, so the event may be later."""
    if not invoice.payments:
        return occurred_ms(message)
    intent: PaymentIntent = yield CallStripe("payment_intents.retrieve", message.account, invoice.payments[-1].payment_intent)
    if intent.latest_charge is None:
        return occurred_ms(message)
    charge: Charge = yield CallStripe("charges.retrieve", message.account, intent.latest_charge)
    return charge.created * 1000
