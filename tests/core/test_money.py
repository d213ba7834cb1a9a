"""Money is shown with its currency's own minor units."""

from __future__ import annotations

import pytest

from billsim.core.money import show, symbolic


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (2000, "usd", "20.00 USD"),
        (5, "eur", "0.05 EUR"),
        (0, "usd", "0.00 USD"),
        (-150, "usd", "-1.50 USD"),
        (-5, "usd", "-0.05 USD"),
        (2000, "jpy", "2000 JPY"),
        (-2000, "krw", "-2000 KRW"),
    ],
)
def test_show(amount: int, currency: str, shown: str) -> None:
    assert show(amount, currency) == shown


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(4000, "usd", "$40.00"), (5, "eur", "€0.05"), (123456, "gbp", "£1234.56"), (700, "jpy", "¥700"), (1050, "sek", "SEK 10.50")],
)
def test_symbolic(amount: int, currency: str, shown: str) -> None:
    assert symbolic(amount, currency) == shown
