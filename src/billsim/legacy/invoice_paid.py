"""Path 2: the `invoice.paid` handler. Whoever pays one invoice is healthy, whatever else is owed."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, DunningPolicy
from billsim.legacy.instruments import grace_ms
from billsim.legacy.steps import Case, is_contract, occurred_ms, read_case, snapshot, write_dunning
from billsim.ports import Act, CallStripe, Effect, Message, Start, Steps, Write
from billsim.stripe.objects import Invoice, Subscription

NAME = "invoice_paid"
BANNED = 4


class InvoicePaid:
    """The component."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """Clear status, flags and metadata; restore the plans; tell the customer who was bad debt. All blind."""
        invoice = snapshot(message)
        if invoice is None:
            return
        case: Case = yield from read_case(message.account)
        if is_contract(case, self._policy):
            return
        was_bad = case.dunning.status == BAD_DEBT
        told = _told(case, invoice) if was_bad or (yield from self._is_overdue(case, invoice, message)) else ()
        if case.dunning.status != HEALTHY:
            healthy = {"status": HEALTHY, "retry_count": 0, "escalation_level": 0, "since_ms": occurred_ms(message)}
            yield from write_dunning(case, healthy, *(key for key, _ in told))
        yield from self._clear_flags(case, invoice, was_bad)
        if was_bad:
            yield from self._forget_on_invoice(invoice, message.account)
            yield Start("entitlements", message.account, "domain.dunning", {"plan": ""})
        for _, act in told:
            yield act

    def _is_overdue(self, case: Case, invoice: Invoice, message: Message) -> Generator[Effect, Any, bool]:
        """The grace was over, and only tonight's job would have called it bad debt."""
        if case.dunning.status != DELINQUENT:
            return False
        grace = yield from grace_ms(case, invoice, self._policy)
        return case.dunning.since_ms + grace <= occurred_ms(message)

    def _clear_flags(self, case: Case, invoice: Invoice, was_bad: bool) -> Steps:
        policy, flags = self._policy, case.profile.flags
        keys, cleared = [], 0
        if was_bad or flags & policy.bad_debt_flag:
            keys, cleared = [policy.bad_debt_key, policy.bad_debt_since_key], policy.bad_debt_flag
        if invoice.amount_paid > 0 and flags & policy.no_success_flag:
            keys, cleared = [*keys, policy.no_success_key], cleared | policy.no_success_flag
        if keys:
            yield CallStripe("customers.update", case.account, case.customer.stripe_customer, {"metadata": dict.fromkeys(keys, "")})
            yield Write("subs_account", case.account, {"flags": flags & ~cleared})

    def _forget_on_invoice(self, invoice: Invoice, account: str) -> Steps:
        """Only the subscription's newest invoice is ever cleaned."""
        if invoice.subscription is None:
            return
        subscription: Subscription = yield CallStripe("subscriptions.retrieve", account, invoice.subscription)
        if subscription.latest_invoice == invoice.id:
            keys = {self._policy.bad_debt_key: "", self._policy.bad_debt_amount_key: ""}
            yield CallStripe("invoices.update", account, invoice.id, {"metadata": keys})


def _told(case: Case, invoice: Invoice) -> tuple[tuple[str, Act], ...]:
    """Keys and acts: the good news, and the end of a ban under the debt that it was for."""
    told = [(f"{invoice.id}/recovered", Act("notify", case.account, invoice.id, "recovered"))]
    if case.dunning.escalation_level == BANNED:
        banned = [key.removesuffix("/ban") for key in case.dunning.done if key.endswith("/ban")]
        told += [(f"{debt}/unban", Act("unban", case.account, debt, BAD_DEBT)) for debt in banned if f"{debt}/unban" not in case.dunning.done]
    return tuple(told)
