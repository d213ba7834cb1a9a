"""Invoice lists: what an account was billed, in pages, between two dates, each with one word for how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from billsim.facade import cache
from billsim.facade.cache import Loading
from billsim.facade.desk import Refusal, Serving, answered, looked_up, shown
from billsim.facade.identity import known_customer
from billsim.ports import AccountState, Component, GatherAll, Message, Steps
from billsim.stripe.objects import Charge, Invoice

NAME = "invoice_lists"
PAGE, MOST_A_PAGE = 20, 100
PARTS = ("subs_customer", "stripe.invoice")
INVOICES = "invoices"
_WORDS = {"paid": "Paid", "void": "Void", "uncollectible": "Past due", "open": "Unpaid"}

Line = dict[str, Any]


def handle(message: Message) -> Steps:
    """Serve `request.list_invoices`."""
    yield from shown(message, list_invoices)


def component() -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", handle)


def list_invoices(message: Message) -> Serving:
    """Page `page` (from 1) of `limit` invoices made from `from_s` until before `until_s` (unix seconds; 0: no bound), newest first.

    A draft is no invoice yet, and is not shown. The list may be a minute old.
    """
    page, limit = _whole(message.body, "page", 1, 1), _whole(message.body, "limit", PAGE, 1)
    from_s, until_s = _whole(message.body, "from_s", 0, 0), _whole(message.body, "until_s", 0, 0)
    if limit > MOST_A_PAGE:
        raise Refusal("invalid_limit")
    if until_s and until_s <= from_s:
        raise Refusal("invalid_until_s")
    lines: list[Line] = yield from cache.cached(message.account, INVOICES, looked_up(message, _lines))
    chosen = [line for line in lines if from_s <= line["created"] and (not until_s or line["created"] < until_s)]
    start = (page - 1) * limit
    return answered(invoices=chosen[start : start + limit], page=page, pages=-(-len(chosen) // limit), invoices_in_all=len(chosen))


def status_of(invoice: Invoice, charges: Sequence[Charge] = ()) -> str:
    """How an invoice stands, in one word or two: what was done with its payment is said only where that differs. `charges`: those made for it.

    A void invoice is void, whatever was charged for it before.
    """
    word = _WORDS.get(invoice.status, invoice.status)
    if invoice.status == "paid":
        back = sum(charge.amount_refunded for charge in charges)
        return word if not back else "Refunded" if back >= invoice.amount_paid else "Partly refunded"
    if invoice.status == "open" and charges and charges[-1].status in ("failed", "pending"):
        return "Payment failed" if charges[-1].status == "failed" else "Processing"
    return word


def _whole(body: Mapping[str, Any], name: str, default: int, least: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Refusal(f"invalid_{name}")
    return value


def _lines(account: str) -> Loading:
    """Every invoice, newest first. Raises Refusal for a merged account: nobody is shown what somebody else was billed."""
    if not (yield from known_customer(account)):
        return []
    state: AccountState = yield GatherAll(account, PARTS)
    invoices = sorted(state.stripe.invoices.values(), key=lambda invoice: invoice.created, reverse=True)
    charges = _by_invoice(state)
    return [_line(invoice, charges[invoice.id]) for invoice in invoices if invoice.status != "draft"]


def _by_invoice(state: AccountState) -> dict[str, list[Charge]]:
    """The charges of each invoice, by its payment intents, oldest first."""
    of_intent: dict[str, list[Charge]] = {}
    for charge in state.stripe.charges.values():
        of_intent.setdefault(charge.payment_intent or "", []).append(charge)
    return {
        invoice.id: [charge for payment in invoice.payments for charge in of_intent.get(payment.payment_intent, [])]
        for invoice in state.stripe.invoices.values()
    }


def _line(invoice: Invoice, charges: Sequence[Charge]) -> Line:
    return {
        "id": invoice.id,
        "number": invoice.number or "",
        "created": invoice.created,
        "currency": invoice.currency,
        "total": invoice.total,
        "owed": invoice.amount_remaining if invoice.status in ("open", "uncollectible") else 0,
        "status": status_of(invoice, charges),
    }
