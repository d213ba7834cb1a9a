"""Path 4: the Dashboard's "retry failed payment", the old `/pay-bad-debt`: it pays, and clears the flag from the page that it had loaded."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.ports import CallStripe, Effect, Message, Read, Sleep, Steps, Write
from billsim.stores.subs_account import AccountRow
from billsim.stripe.objects import Invoice, StripeError

NAME = "facade_pay"


class FacadePay:
    """The component, writing as the facade."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """Pay `body["invoice"]` on session and write the flags back without bad_debt; the rest is left to the webhook of the same payment."""
        page: AccountRow | None = yield Read("subs_account", message.account)
        invoice: Invoice | None = yield from _pay(message)
        if page is not None and invoice is not None and invoice.status == "paid":
            yield Write("subs_account", message.account, {"flags": page.flags & ~self._policy.bad_debt_flag})


def _pay(message: Message) -> Generator[Effect, Any, Invoice | None]:
    """Answer: the invoice as the browser comes back to it, or None if the card was declined or there was nothing to pay."""
    id = str(message.body.get("invoice", ""))
    if not id:
        return None
    try:
        invoice: Invoice = yield CallStripe("invoices.pay", message.account, id, {"off_session": False})
    except StripeError as refusal:
        if refusal.status not in (400, 402, 404):
            raise
        return None
    if invoice.status == "paid":
        return invoice
    yield Sleep(int(message.body.get("returns_after_ms", 0)))
    returned: Invoice = yield CallStripe("invoices.retrieve", message.account, id)
    return returned
