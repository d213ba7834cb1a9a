"""How lines of invoices and the items behind them describe themselves to a customer, as Stripe words it. In worlds, which have no products, by the
product's id.
"""

from __future__ import annotations

from decimal import Decimal

from billsim.core.money import ZERO_DECIMAL
from billsim.core.time import iso, to_datetime
from billsim.stripe import billing_mode, pricing
from billsim.stripe.backend import Backend
from billsim.stripe.objects import Price, Recurring, Subscription, SubscriptionItem

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def of_product(backend: Backend, price: Price) -> str:
    """What is sold."""
    product = backend.products.get(price.product) if backend.is_whole else None
    return price.product if product is None else product.name


def of_period(backend: Backend, price: Price, quantity: int) -> str:
    """So many of a recurring price, for a period: `1 × Pro (at $20.00 / month)`."""
    if not backend.is_whole:
        return f"{quantity} x {price.product}"
    return f"{quantity} × {of_product(backend, price)} (at {_money(price)} / {_interval(price.recurring or Recurring())})"


def of_trial(backend: Backend, subscription: Subscription, item: SubscriptionItem) -> str:
    """A trial, over nothing."""
    product = of_product(backend, item.price)
    return f"Free trial for {item.quantity} × {product}" if billing_mode.is_flexible(subscription) else f"Trial period for {product}"


def of_proration(backend: Backend, item: SubscriptionItem, amount: int, start_s: int) -> str:
    """What is given back of an item's period, or charged for it, from an instant on."""
    kind = "Unused" if amount < 0 else "Remaining"
    if not backend.is_whole:
        return f"{kind} time on {item.quantity} x {item.price.product} after {iso(start_s * 1000)[:10]}"
    many = f"{item.quantity} × " if item.quantity != 1 else ""
    day = to_datetime(start_s * 1000)
    return f"{kind} time on {many}{of_product(backend, item.price)} after {day.day:02d} {_MONTHS[day.month - 1]} {day.year}"


def _interval(recurring: Recurring) -> str:
    return recurring.interval if recurring.interval_count == 1 else f"every {recurring.interval_count} {recurring.interval}s"


def _money(price: Price) -> str:
    exact = Decimal(price.says(pricing.DECIMAL, price.unit_amount))
    shown = f"{exact}" if price.currency in ZERO_DECIMAL else f"{exact / 100:.2f}" if exact == int(exact) else f"{exact / 100:f}"
    sign = _SIGNS.get(price.currency)
    return f"{sign}{shown}" if sign is not None else f"{shown} {price.currency.upper()}"
