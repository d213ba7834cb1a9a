"""One customer, whole; and how Stripe refuses."""

from __future__ import annotations

from copy import copy
from operator import attrgetter
from typing import Any

from billsim.stripe.objects.customers import Customer, LegacyCard, Mandate, PaymentMethod, Source, Subscription
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
        "sources",
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
        self.sources: dict[str, LegacyCard | Source] = {}

    def shelves(self) -> tuple[dict[str, Any], ...]:
        """All that it holds but the customer: the objects of each kind by id."""
        held: tuple[dict[str, Any], ...] = _shelves(self)
        return held


_shelves = attrgetter(*Book.__slots__[2:])


class StripeError(Exception):
    """Stripe's refusal of a request: HTTP `status`, `type` (`card_error`, `invalid_request_error`, `idempotency_error`, `api_error`), `code` and a
    message. Status 0, `api_connection_error`: no answer came, and whether the request was performed is not known.

    `should_retry` is the header Stripe-Should-Retry, None where there was none (https://docs.stripe.com/error-low-level). `param` is the parameter
    that it is about, as it stands in a form (`items[0][price]`). Of a payment that failed: the bank's `decline_code`, the id of the `charge`, and the
    `payment_intent`, `setup_intent` and `payment_method` as they stand now. `limited_by` is the header Stripe-Rate-Limited-Reason.
    """

    def __init__(
        self,
        status: int,
        type: str,
        code: str,
        message: str,
        should_retry: bool | None = None,
        *,
        param: str = "",
        decline_code: str = "",
        charge: str = "",
        payment_intent: PaymentIntent | None = None,
        setup_intent: SetupIntent | None = None,
        payment_method: PaymentMethod | None = None,
        limited_by: str = "",
    ) -> None:
        super().__init__(status, type, code, message, should_retry)
        self.status = status
        self.type = type
        self.code = code
        self.message = message
        self.should_retry = should_retry
        self.param = param
        self.decline_code = decline_code
        self.charge = charge
        self.payment_intent = payment_intent
        self.setup_intent = setup_intent
        self.payment_method = payment_method
        self.limited_by = limited_by

    def again(self) -> StripeError:
        """The same refusal, to be raised anew."""
        return copy(self)

    def says(self, *statuses: int) -> bool:
        """Whether it is an answer to what was asked, with one of these statuses. That the idempotency key is another request's is none: it tells
        nothing of the object, and what was asked for is still to be done.
        """
        return self.status in statuses and self.type != "idempotency_error"

    def __str__(self) -> str:
        return f"{self.status} {self.type} {self.code}: {self.message}"
