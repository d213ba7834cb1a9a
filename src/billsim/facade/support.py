"""What NinjaPanel asks of the facade beside what the Dashboard does: a flag cleared by hand, credits, refunds, and answers to disputes.

Support moves money at Stripe and bits of a profile. What follows for the account is not decided here.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.facade import cache
from billsim.facade.desk import TRIES, Refusal, RowsMovedError, Serving, answered, key_of, served
from billsim.facade.identity import PROFILE, known_customer
from billsim.ports import CallStripe, CompareAndSet, Component, Effect, Message, Read, Send, Steps
from billsim.stores.subs_account import AccountRow
from billsim.stripe.objects import Invoice, StripeError

# Not `support`, which is the name of the people who ask: what they do by themselves is told apart from what is done here.
NAME = "support_desk"


class Support:
    """The component: knows which bits a flag by its name is."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._bits = {"bad_debt": policy.bad_debt_flag, "no_successful_payment": policy.no_success_flag}
        self._serves = {
            "request.clear_flag": self.clear_flag,
            "request.credit": credit,
            "request.refund": refund,
            "request.answer_dispute": answer_dispute,
        }

    def handle(self, message: Message) -> Steps:
        """Serve `request.{clear_flag,credit,refund,answer_dispute}`."""
        yield from served(message, self._serves[message.kind])

    def clear_flag(self, message: Message) -> Serving:
        """Clear `flag` (`bad_debt`, `no_successful_payment`) and nothing else, whatever it stood for; say that flags have changed."""
        bit = self._bits.get(str(message.body.get("flag")))
        if bit is None:
            raise Refusal("unknown_flag")
        for _ in range(TRIES):
            row: AccountRow = yield Read("subs_account", message.account)
            # One that is clear may have been cleared by a try at this that has died since, and nobody was told.
            cleared = {"flags": row.flags & ~bit}
            if not row.flags & bit or (yield CompareAndSet("subs_account", message.account, row.version, cleared)) is not None:
                yield from cache.forget(message.account, PROFILE)
                yield Send("flags_changed", message.account)
                return answered()
        raise RowsMovedError(message.account, "subs_account")


def component(policy: DunningPolicy) -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", Support(policy).handle)


def credit(message: Message) -> Serving:
    """Take `amount` off `invoice`; what is beyond what it still asks for is credited to the customer's balance."""
    invoice, amount = (yield from _own_invoice(message)), _amount(message)
    beyond = max(0, amount - (invoice.amount_remaining if invoice.status == "open" else 0))
    params = {"invoice": invoice.id, "amount": amount, **({"credit_amount": beyond} if beyond else {})}
    yield from _asked(message, "credit_notes.create", "", params)
    return answered()


def refund(message: Message) -> Serving:
    """Give `amount` of what was charged for `invoice` back."""
    invoice, amount = (yield from _own_invoice(message)), _amount(message)
    if not invoice.payments:
        raise Refusal("nothing_charged")
    yield from _asked(message, "refunds.create", "", {"payment_intent": invoice.payments[-1].payment_intent, "amount": amount})
    return answered()


def answer_dispute(message: Message) -> Serving:
    """Answer `dispute`: give in (`accept`), or contest it with what we have. The bank decides."""
    dispute = str(message.body.get("dispute") or "")
    if message.body.get("accept"):
        yield from _asked(message, "disputes.close", dispute, {})
    else:
        yield from _asked(message, "disputes.update", dispute, {"evidence": {"uncategorized_text": "The service was used."}, "submit": True})
    return answered()


def _own_invoice(message: Message) -> Generator[Effect, Any, Invoice]:
    customer = yield from known_customer(message.account)
    invoice: Invoice = yield from _asked(message, "invoices.retrieve", str(message.body.get("invoice") or ""), {})
    if not customer or invoice.customer != customer:
        raise Refusal("not_yours")
    return invoice


def _amount(message: Message) -> int:
    amount = message.body.get("amount")
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 1:
        raise Refusal("invalid_amount")
    return amount


def _asked(message: Message, method: str, id: str, params: dict[str, Any]) -> Generator[Effect, Any, Any]:
    """Ask Stripe, whose refusal is an answer to support. A request about nothing would be another request of its API, and is not made."""
    if not id and not method.endswith(".create"):
        raise Refusal("resource_missing")
    try:
        return (yield CallStripe(method, message.account, id, params, key_of(message, method)))
    except StripeError as refusal:
        if not refusal.says(400, 402, 404):
            raise
        raise Refusal(refusal.code) from refusal
