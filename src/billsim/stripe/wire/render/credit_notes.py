"""Credit notes and their lines."""

from __future__ import annotations

from billsim.stripe.objects import CreditNote
from billsim.stripe.wire.render.base import Rendered, View
from billsim.stripe.wire.render.parts import ACCOUNT, letters, sublist


def credit_note(thing: CreditNote, view: View) -> Rendered:
    """https://docs.stripe.com/api/credit_notes/object"""
    return {
        "id": thing.id,
        "object": "credit_note",
        "amount": thing.amount,
        "amount_shipping": 0,
        "created": thing.created,
        "currency": thing.currency,
        "customer": thing.customer,
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": thing.created,
        "invoice": thing.invoice,
        "lines": sublist([_line(thing, view)], f"/v1/credit_notes/{thing.id}/lines"),
        "livemode": view.livemode,
        "memo": thing.memo,
        "metadata": thing.metadata,
        "number": thing.number,
        "out_of_band_amount": thing.out_of_band_amount,
        "pdf": f"https://pay.stripe.com/credit_notes/{ACCOUNT}/test_{letters(thing.id, 48)}/pdf?s=ap",
        "post_payment_amount": thing.post_payment_amount,
        "pre_payment_amount": thing.pre_payment_amount,
        "pretax_credit_amounts": [],
        "reason": thing.reason,
        "refunds": [
            {"amount_refunded": each.amount_refunded, "payment_record_refund": None, "refund": each.refund, "type": "refund"}
            for each in thing.refunds
        ],
        "shipping_cost": None,
        "status": thing.status,
        "subtotal": thing.total,
        "subtotal_excluding_tax": thing.total,
        "total": thing.total,
        "total_excluding_tax": thing.total,
        "total_taxes": [],
        "type": thing.type,
        "voided_at": thing.voided_at,
    }


def _line(thing: CreditNote, view: View) -> Rendered:
    """The one line of a note that was made over an amount: https://docs.stripe.com/api/credit_notes/line_item"""
    return {
        "id": f"cnli_{thing.id.partition('_')[2]}",
        "object": "credit_note_line_item",
        "amount": thing.total,
        "description": thing.memo or "Credit",
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": view.livemode,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "taxes": [],
        "type": "custom_line_item",
        "unit_amount": thing.total,
        "unit_amount_decimal": str(thing.total),
    }
