"""Stripe's objects, with Stripe's field names and status machines (API 2026-10-28.endive, as the official SDK's typed parameters give them).

Frozen: an event's `data.object` is the object itself, as it stood. Times are whole seconds since the epoch, amounts are minor units, metadata
values are strings.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

API_VERSION = "2026-10-28.endive"

InvoiceStatus = Literal["draft", "open", "paid", "void", "uncollectible"]
SubscriptionStatus = Literal["incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled", "unpaid", "paused"]
PaymentIntentStatus = Literal[
    "requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture", "canceled", "succeeded"
]
ChargeStatus = Literal["succeeded", "pending", "failed"]


class StripeObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What every Stripe object has."""

    id: str
    created: int
    livemode: bool = True
    metadata: dict[str, str] = {}


class InvoiceSettings(msgspec.Struct, frozen=True, gc=False):
    """A customer's defaults for invoices."""

    default_payment_method: str | None = None


class Customer(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/customers/object"""

    object: Literal["customer"] = "customer"
    name: str | None = None
    email: str | None = None
    currency: str | None = None
    balance: int = 0
    delinquent: bool = False
    default_source: str | None = None
    invoice_settings: InvoiceSettings = InvoiceSettings()


class Card(msgspec.Struct, frozen=True, gc=False):
    """The card of a payment method."""

    brand: str = "visa"
    last4: str = "4242"
    exp_month: int = 12
    exp_year: int = 2034


class PaymentMethod(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/payment_methods/object"""

    object: Literal["payment_method"] = "payment_method"
    type: str = "card"
    customer: str | None = None
    card: Card | None = None


class Recurring(msgspec.Struct, frozen=True, gc=False):
    """How often a price recurs."""

    interval: str = "month"
    interval_count: int = 1


class Price(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/prices/object"""

    object: Literal["price"] = "price"
    active: bool = True
    currency: str = "usd"
    product: str = ""
    type: str = "recurring"
    unit_amount: int = 0
    recurring: Recurring | None = Recurring()


class SubscriptionItem(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/subscription_items/object"""

    object: Literal["subscription_item"] = "subscription_item"
    price: Price
    quantity: int = 1
    subscription: str = ""
    current_period_start: int = 0
    current_period_end: int = 0


class ItemList(msgspec.Struct, frozen=True, gc=False):
    """Stripe's list object of subscription items."""

    data: tuple[SubscriptionItem, ...] = ()
    object: Literal["list"] = "list"
    has_more: bool = False


class Subscription(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/subscriptions/object"""

    object: Literal["subscription"] = "subscription"
    customer: str
    status: SubscriptionStatus
    currency: str = "usd"
    items: ItemList = ItemList()
    latest_invoice: str | None = None
    collection_method: Literal["charge_automatically", "send_invoice"] = "charge_automatically"
    days_until_due: int | None = None
    default_payment_method: str | None = None
    billing_cycle_anchor: int = 0
    start_date: int = 0
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    ended_at: int | None = None
    trial_start: int | None = None
    trial_end: int | None = None
    pending_update: dict[str, Any] | None = None


class StatusTransitions(msgspec.Struct, frozen=True, gc=False):
    """When an invoice entered each status."""

    finalized_at: int | None = None
    marked_uncollectible_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None


class LineItem(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/invoice-line-item/object"""

    object: Literal["line_item"] = "line_item"
    amount: int
    currency: str
    description: str | None = None
    invoice: str | None = None
    quantity: int | None = 1
    subscription: str | None = None


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


class Invoice(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/invoices/object. `payments` lists the payment intents, oldest first."""

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


class PaymentError(msgspec.Struct, frozen=True, gc=False):
    """`last_payment_error` of a payment intent."""

    code: str
    decline_code: str | None = None
    message: str = ""
    type: str = "card_error"


class PaymentIntent(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/payment_intents/object"""

    object: Literal["payment_intent"] = "payment_intent"
    amount: int
    amount_received: int = 0
    currency: str = "usd"
    customer: str | None = None
    payment_method: str | None = None
    status: PaymentIntentStatus = "requires_payment_method"
    latest_charge: str | None = None
    last_payment_error: PaymentError | None = None
    next_action: dict[str, Any] | None = None
    canceled_at: int | None = None


class Charge(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/charges/object"""

    object: Literal["charge"] = "charge"
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    currency: str = "usd"
    customer: str | None = None
    payment_intent: str | None = None
    payment_method: str | None = None
    status: ChargeStatus = "succeeded"
    paid: bool = True
    captured: bool = True
    refunded: bool = False
    disputed: bool = False
    failure_code: str | None = None
    failure_message: str | None = None


class EventRequest(msgspec.Struct, frozen=True, gc=False):
    """The API request that caused an event; both null for what Stripe does by itself."""

    id: str | None = None
    idempotency_key: str | None = None


class EventData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """`object` is a snapshot as of the event's creation; `previous_attributes` only stands in `*.updated`."""

    object: Any
    previous_attributes: dict[str, Any] | None = None


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/events/object"""

    id: str
    object: Literal["event"] = "event"
    api_version: str | None = API_VERSION
    created: int
    data: EventData
    livemode: bool = True
    pending_webhooks: int = 1
    request: EventRequest | None = EventRequest()
    type: str


class Emitted(msgspec.Struct, frozen=True, gc=False):
    """An event beside what the simulation knows of it: its name (the path of its causes), `w` or `e`, its customer ('' for none), and when it was
    emitted.
    """

    event: Event
    name: str
    origin: str
    customer: str
    at_ms: int


class Book:
    """One customer's objects at Stripe, each kind by id in order of creation. Deleted customers keep their book with `customer` None."""

    __slots__ = ("id", "customer", "payment_methods", "subscriptions", "invoices", "payment_intents", "charges")

    def __init__(self, id: str) -> None:
        self.id = id
        self.customer: Customer | None = None
        self.payment_methods: dict[str, PaymentMethod] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.invoices: dict[str, Invoice] = {}
        self.payment_intents: dict[str, PaymentIntent] = {}
        self.charges: dict[str, Charge] = {}


class StripeError(Exception):
    """Stripe's refusal of a request: HTTP `status`, `type` (`card_error`, `invalid_request_error`, `idempotency_error`, `api_error`), `code` and a
    message.
    """

    def __init__(self, status: int, type: str, code: str, message: str) -> None:
        super().__init__(status, type, code, message)
        self.status = status
        self.type = type
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.status} {self.type} {self.code}: {self.message}"
