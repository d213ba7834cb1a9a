"""Invoices, what they are made of, and credit notes."""

from __future__ import annotations

from typing import Literal

import msgspec

from billsim.stripe.objects.base import Period, StripeObject

InvoiceStatus = Literal["draft", "open", "paid", "void", "uncollectible"]


class StatusTransitions(msgspec.Struct, frozen=True, gc=False):
    """When an invoice entered each status."""

    finalized_at: int | None = None
    marked_uncollectible_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None


class ItemDetails(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Where an invoice line came from: a subscription's item, or an invoice item of its own. `proration`: it settles a change within a period."""

    subscription: str | None = None
    subscription_item: str | None = None
    invoice_item: str | None = None
    proration: bool = False


class LineParent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What made an invoice line: one of the two, as `type` says."""

    type: Literal["subscription_item_details", "invoice_item_details"]
    subscription_item_details: ItemDetails | None = None
    invoice_item_details: ItemDetails | None = None


class LineItem(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/invoice-line-item/object. `parent` stands where the line came from an invoice item; of the period itself it is
    None.
    """

    object: Literal["line_item"] = "line_item"
    amount: int
    currency: str
    description: str | None = None
    invoice: str | None = None
    quantity: int | None = 1
    subscription: str | None = None
    period: Period | None = None
    parent: LineParent | None = None


class LineList(msgspec.Struct, frozen=True, gc=False):
    """Stripe's list object of invoice lines."""

    data: tuple[LineItem, ...] = ()
    object: Literal["list"] = "list"
    has_more: bool = False


class SubscriptionDetails(msgspec.Struct, frozen=True, gc=False):
    """Which subscription an invoice belongs to."""

    subscription: str
    metadata: dict[str, str] = {}


class InvoiceParent(msgspec.Struct, frozen=True, gc=False):
    """What an invoice came from."""

    subscription_details: SubscriptionDetails | None = None
    type: str = "subscription_details"


class InvoicePayment(msgspec.Struct, frozen=True, gc=False):
    """One of an invoice's payments: https://docs.stripe.com/api/invoice-payment/object, as far as it names the payment intent."""

    payment_intent: str
    status: str = "open"


class PaymentOfInvoice(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/invoice-payment/object, whole: `paid_at` and `canceled_at` are its `status_transitions`."""

    object: Literal["invoice_payment"] = "invoice_payment"
    customer: str
    invoice: str
    payment_intent: str
    status: str
    currency: str
    amount_requested: int
    amount_paid: int | None = None
    is_default: bool = True
    paid_at: int | None = None
    canceled_at: int | None = None


class Invoice(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/invoices/object. `payments` lists the payment intents, oldest first.

    `starting_balance` is the customer's balance when it was finalised, and `ending_balance` what was left of it.
    """

    object: Literal["invoice"] = "invoice"
    customer: str
    status: InvoiceStatus
    billing_reason: str = "subscription_cycle"
    collection_method: Literal["charge_automatically", "send_invoice"] = "charge_automatically"
    currency: str = "usd"
    subtotal: int = 0
    total: int = 0
    amount_due: int = 0
    amount_paid: int = 0
    amount_remaining: int = 0
    starting_balance: int = 0
    ending_balance: int | None = None
    attempt_count: int = 0
    attempted: bool = False
    auto_advance: bool = True
    due_date: int | None = None
    next_payment_attempt: int | None = None
    number: str | None = None
    period_start: int = 0
    period_end: int = 0
    default_payment_method: str | None = None
    lines: LineList = LineList()
    parent: InvoiceParent | None = None
    payments: tuple[InvoicePayment, ...] = ()
    status_transitions: StatusTransitions = StatusTransitions()

    @property
    def subscription(self) -> str | None:
        """The id of the subscription that the invoice bills, or None."""
        parent = self.parent
        return parent.subscription_details.subscription if parent and parent.subscription_details else None


class ItemOwner(msgspec.Struct, frozen=True, gc=False):
    """The subscription, and its item where it is of one, that an invoice item belongs to."""

    subscription: str
    subscription_item: str | None = None


class InvoiceItemParent(msgspec.Struct, frozen=True, gc=False):
    """What an invoice item came from."""

    subscription_details: ItemOwner | None = None
    type: str = "subscription_details"


class InvoiceItem(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/invoiceitems/object. `invoice` is None while it waits for the next one."""

    object: Literal["invoiceitem"] = "invoiceitem"
    customer: str
    amount: int
    currency: str
    date: int
    period: Period
    description: str | None = None
    invoice: str | None = None
    quantity: int = 1
    proration: bool = False
    parent: InvoiceItemParent | None = None

    @property
    def subscription(self) -> str | None:
        """The subscription whose next invoice it waits for, or None."""
        parent = self.parent
        return parent.subscription_details.subscription if parent and parent.subscription_details else None


class CreditNoteRefund(msgspec.Struct, frozen=True, gc=False):
    """A refund that belongs to a credit note."""

    refund: str
    amount_refunded: int


class CreditNote(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/credit_notes/object. `pre_payment_amount` was taken off what remained to be paid, `post_payment_amount` was given
    back.
    """

    object: Literal["credit_note"] = "credit_note"
    amount: int
    currency: str
    customer: str
    invoice: str
    number: str
    memo: str | None = None
    out_of_band_amount: int | None = None
    pre_payment_amount: int = 0
    post_payment_amount: int = 0
    reason: str | None = None
    refunds: tuple[CreditNoteRefund, ...] = ()
    status: Literal["issued", "void"] = "issued"
    total: int = 0
    type: Literal["pre_payment", "post_payment", "mixed"] = "pre_payment"
    voided_at: int | None = None
