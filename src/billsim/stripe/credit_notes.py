"""Credit notes (https://docs.stripe.com/api/credit_notes/create): they take off what remains of an invoice, and give back what is beyond that."""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import customer_balances, customers, invoices, payment_intents, refunds, subscriptions
from billsim.stripe.backend import Act
from billsim.stripe.lists import Page, page
from billsim.stripe.naming import new_id, stem
from billsim.stripe.objects import CreditNote, CreditNoteRefund, Invoice, Refund
from billsim.stripe.params import Types, merged_metadata, refusal

CREATE: Types = {
    "invoice": str,
    "amount": int,
    "credit_amount": int,
    "refund_amount": int,
    "out_of_band_amount": int,
    "memo": str,
    "reason": ("duplicate", "fraudulent", "order_change", "product_unsatisfactory"),
    "metadata": dict,
}
UPDATE: Types = {"memo": str, "metadata": dict}
LIST: Types = {"invoice": str}
_GIVEN_BACK = ("refund_amount", "credit_amount", "out_of_band_amount")


def create(act: Act, id: str, params: dict[str, Any]) -> CreditNote:
    """Credit `amount` of an open or paid invoice. What remained is reduced first, and an invoice with nothing left is paid, without a charge.

    What is beyond that has to be given back in full: refunded, credited to the customer's balance, or outside of Stripe. Raises StripeError.
    """
    invoice = act.backend.invoice(params["invoice"])
    if invoice.status not in ("open", "paid"):
        raise refusal("invoice_not_open", f"Invoice {invoice.id} is {invoice.status}; a credit note takes one that is open or paid.")
    invoices.refuse_processing(act.backend.last_intent(invoice))
    back = sum([params.get(name) or 0 for name in _GIVEN_BACK])
    amount = params.get("amount") or back
    before = min(amount, invoice.amount_remaining)
    _require_in_bounds(act, invoice, amount, amount - before, back, params)
    name = new_id(act.backend, "cn", id or act.backend.free(f"cn_{stem(invoice.id)}.{short(act.task)}"), act.task)
    refund = _refund(act, invoice, params.get("refund_amount") or 0)
    note = CreditNote(
        id=name,
        created=act.now_s,
        livemode=invoice.livemode,
        amount=amount,
        currency=invoice.currency,
        customer=invoice.customer,
        invoice=invoice.id,
        number=f"{invoice.number}-CN-{_nth(act, invoice):02d}",
        memo=params.get("memo") or None,
        out_of_band_amount=params.get("out_of_band_amount") or None,
        pre_payment_amount=before,
        post_payment_amount=amount - before,
        reason=params.get("reason") or None,
        refunds=(CreditNoteRefund(refund.id, refund.amount),) if refund else (),
        total=amount,
        type=_type_of(before, amount - before),
        metadata=merged_metadata({}, params.get("metadata")),
    )
    act.put(note)
    act.emit("credit_note.created", note)
    _credit_balance(act, note, params.get("credit_amount") or 0)
    _reduce(act, invoice, before)
    return note


def _require_in_bounds(act: Act, invoice: Invoice, amount: int, after: int, back: int, params: dict[str, Any]) -> None:
    if amount < 1 or min([params.get(name) or 0 for name in _GIVEN_BACK]) < 0:
        raise refusal("parameter_invalid_integer", "Invalid amount: a credit note is over 1 or more, and no part of it below 0.")
    left = invoice.amount_paid - sum([note.post_payment_amount for note in _notes(act, invoice)])
    if after > left:
        raise refusal("amount_too_large", f"The credit note's amount must not exceed what {invoice.id} has left: {invoice.amount_remaining + left}.")
    if after != back:
        parts = ", ".join(_GIVEN_BACK)
        raise refusal("parameter_invalid", f"{after} of it is beyond what remained to be paid: {parts} must add up to that, not to {back}.")


def _type_of(before: int, after: int) -> Literal["pre_payment", "post_payment", "mixed"]:
    return "mixed" if before and after else "post_payment" if after else "pre_payment"


def _nth(act: Act, invoice: Invoice) -> int:
    return 1 + len(_notes(act, invoice))


def _notes(act: Act, invoice: Invoice) -> list[CreditNote]:
    return [note for note in act.backend.books[invoice.customer].credit_notes.values() if note.invoice == invoice.id]


def _refund(act: Act, invoice: Invoice, amount: int) -> Refund | None:
    if not amount:
        return None
    intent = act.backend.last_intent(invoice)
    if intent is None or intent.latest_charge is None:
        # It may have been paid by payments of their own: the latest that was attached, first.
        paid = [act.backend.payment_intent(each.payment_intent) for each in invoice.payments if each.status == "paid"]
        intent = paid[0] if paid else None
    if intent is None or intent.latest_charge is None:
        raise refusal("charge_not_refundable", f"{invoice.id} has no charge to refund.")
    return refunds.give_back(act, act.backend.charge(intent.latest_charge), amount, "", None, {})


def _credit_balance(act: Act, note: CreditNote, amount: int) -> None:
    if amount:
        found = act.backend.customer(note.customer)
        act.update("customer.updated", found, balance=found.balance - amount)
        customer_balances.noted(act, found.id, -amount, "credit_note", stem(note.id), note.currency, credit_note=note.id, invoice=note.invoice)


def _reduce(act: Act, invoice: Invoice, amount: int) -> None:
    """Take a credit off an invoice, and off the payment that is being asked for."""
    remaining = invoice.amount_remaining - amount
    reduced: Invoice = act.update("invoice.updated", invoice, amount_due=invoice.amount_due - amount, amount_remaining=remaining)
    intent = act.backend.last_intent(invoice)
    if invoice.status != "open" or intent is None:
        return
    if remaining:
        act.put(replace(intent, amount=remaining))
        return
    payment_intents.abandon(act, intent)
    subscriptions.invoice_paid(act, invoices.set_paid(act, reduced, counts=False))
    customers.set_delinquent(act, invoice.customer, False)


def void(act: Act, id: str, params: dict[str, Any]) -> CreditNote:
    """Take a credit note back, while its invoice is open. Raises StripeError."""
    note: CreditNote = act.backend.found("credit_note", id)
    invoice = act.backend.invoice(note.invoice)
    if note.status == "void":
        raise refusal("parameter_invalid", f"Credit note {id} is already void.")
    if invoice.status != "open":
        raise refusal("parameter_invalid", f"Invoice {invoice.id} is {invoice.status}: its credit notes can be voided only while it is open.")
    voided: CreditNote = act.put(replace(note, status="void", voided_at=act.now_s))
    act.emit("credit_note.voided", voided)
    _reduce(act, invoice, -note.pre_payment_amount)
    return voided


def update(act: Act, id: str, params: dict[str, Any]) -> CreditNote:
    """Set what is told of a credit note. Raises StripeError (404)."""
    old: CreditNote = act.backend.found("credit_note", id)
    memo = params["memo"] or None if "memo" in params else old.memo
    updated: CreditNote = act.update("credit_note.updated", old, memo=memo, metadata=merged_metadata(old.metadata, params.get("metadata")))
    return updated


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("credit_note", id)


def list_(act: Act, id: str, params: dict[str, Any]) -> Page:
    """Credit notes of a customer or an invoice, newest first."""
    return page(act.backend, "credit_note", params, tuple(LIST), "/v1/credit_notes")
