"""Customers, what they pay with, prices and subscriptions."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from billsim.stripe.objects.base import StripeObject

SubscriptionStatus = Literal["incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled", "unpaid", "paused"]

MandateStatus = Literal["active", "inactive", "pending"]
SourceStatus = Literal["canceled", "chargeable", "consumed", "failed", "pending"]


class InvoiceSettings(msgspec.Struct, frozen=True, gc=False):
    """A customer's defaults for invoices."""

    default_payment_method: str | None = None


class Customer(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/customers/object. A `balance` below 0 is credit for the next invoice."""

    object: Literal["customer"] = "customer"
    name: str | None = None
    email: str | None = None
    currency: str | None = None
    balance: int = 0
    delinquent: bool = False
    default_source: str | None = None
    invoice_settings: InvoiceSettings = InvoiceSettings()


class CustomerBalanceTransaction(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/customer_balance_transactions/object: an `amount` below 0 is credit; `ending_balance` is the balance after it."""

    object: Literal["customer_balance_transaction"] = "customer_balance_transaction"
    amount: int
    currency: str
    customer: str
    ending_balance: int
    type: str = "adjustment"
    invoice: str | None = None
    credit_note: str | None = None


class Card(msgspec.Struct, frozen=True, gc=False):
    """The card of a payment method. `details` holds what else the API tells of it, where that is known: `country`, `funding`, `checks`."""

    brand: str = "visa"
    last4: str = "4242"
    exp_month: int = 12
    exp_year: int = 2034
    details: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class PaymentMethod(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/payment_methods/object"""

    object: Literal["payment_method"] = "payment_method"
    type: str = "card"
    customer: str | None = None
    card: Card | None = None


class LegacyCard(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/cards/object: a card of before payment methods, `card_...`. It pays as a payment method of that id does."""

    object: Literal["card"] = "card"
    customer: str | None = None
    card: Card = Card()


class Source(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/sources/object: what came before payment methods, `src_...`. It pays as a payment method of that id does."""

    object: Literal["source"] = "source"
    type: str = "card"
    customer: str | None = None
    status: SourceStatus = "chargeable"
    usage: Literal["reusable", "single_use"] = "reusable"
    amount: int | None = None
    currency: str | None = None
    card: Card | None = None


class Product(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/products/object"""

    object: Literal["product"] = "product"
    name: str
    active: bool = True
    updated: int = 0


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
    """https://docs.stripe.com/api/subscriptions/object. `pending_update` holds what becomes of it once its latest invoice is paid: `expires_at`,
    `subscription_items` and, where they change too, `billing_cycle_anchor` and `metadata`.
    """

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


class Mandate(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/mandates/object: the customer's leave to debit. It has no customer of its own: its payment method has."""

    object: Literal["mandate"] = "mandate"
    payment_method: str
    status: MandateStatus = "active"
    type: Literal["multi_use", "single_use"] = "multi_use"
