"""One customer, whole; and how Stripe refuses."""

from __future__ import annotations

from billsim.stripe.objects.customers import Customer, Mandate, PaymentMethod, Subscription
from billsim.stripe.objects.invoices import CreditNote, Invoice, InvoiceItem
from billsim.stripe.objects.payments import Charge, Dispute, PaymentIntent, Refund, SetupIntent


class Book:
    """One customer's objects at Stripe, each kind by id in order of creation. Deleted customers keep their book with `customer` None."""

    __slots__ = (
        "id",
        "customer",
        "payment_methods",
        "subscriptions",
        "invoices",
        "payment_intents",
        "charges",
        "invoice_items",
        "refunds",
        "credit_notes",
        "disputes",
        "setup_intents",
        "mandates",
    )

    def __init__(self, id: str) -> None:
        self.id = id
        self.customer: Customer | None = None
        self.payment_methods: dict[str, PaymentMethod] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.invoices: dict[str, Invoice] = {}
        self.payment_intents: dict[str, PaymentIntent] = {}
        self.charges: dict[str, Charge] = {}
        self.invoice_items: dict[str, InvoiceItem] = {}
        self.refunds: dict[str, Refund] = {}
        self.credit_notes: dict[str, CreditNote] = {}
        self.disputes: dict[str, Dispute] = {}
        self.setup_intents: dict[str, SetupIntent] = {}
        self.mandates: dict[str, Mandate] = {}


class StripeError(Exception):
    """Stripe's refusal of a request: HTTP `status`, `type` (`card_error`, `invalid_request_error`, `idempotency_error`, `api_error`), `code` and a
    message. Status 0, `api_connection_error`: no answer came, and whether the request was performed is not known.

    `should_retry` is the header Stripe-Should-Retry, None where there was none (https://docs.stripe.com/error-low-level).
    """

    def __init__(self, status: int, type: str, code: str, message: str, should_retry: bool | None = None) -> None:
        super().__init__(status, type, code, message, should_retry)
        self.status = status
        self.type = type
        self.code = code
        self.message = message
        self.should_retry = should_retry

    def says(self, *statuses: int) -> bool:
        """Whether it is an answer to what was asked, with one of these statuses. That the idempotency key is another request's is none: it tells
        nothing of the object, and what was asked for is still to be done.
        """
        return self.status in statuses and self.type != "idempotency_error"

    def __str__(self) -> str:
        return f"{self.status} {self.type} {self.code}: {self.message}"
