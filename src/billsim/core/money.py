"""Money: integers in minor units, beside their currency."""

from __future__ import annotations

# Currencies without minor units, from https://docs.stripe.com/currencies#zero-decimal
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())


def show(amount: int, currency: str) -> str:
    """`20.00 USD`, for people."""
    if currency in ZERO_DECIMAL:
        return f"{amount} {currency.upper()}"
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 100}.{amount % 100:02d} {currency.upper()}"


_SYMBOLS = {"usd": "$", "cad": "$", "aud": "$", "nzd": "$", "hkd": "$", "sgd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹"}


def symbolic(amount: int, currency: str) -> str:
    """`$20.00`, as Stripe writes amounts in what it tells; with a code before it in currencies that have no symbol here."""
    number = str(amount) if currency in ZERO_DECIMAL else f"{amount // 100}.{amount % 100:02d}"
    return f"{_SYMBOLS.get(currency, currency.upper() + ' ')}{number}"
