"""Without races and faults `legacy` ends where truth is, also where subscriptions change or end, and whatever a debt was to be paid with."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.checks.cause import Provenance
from billsim.scenario.plan import GivenInvoice
from billsim.stripe.settings import StripeSettings
from tests.legacy.worlds import row, run

BUSINESS = {"plan": "business_monthly", "price": 20000}
LITE = {"plan": "lite_monthly", "price": 500}
ANNUAL = {"plan": "pro_annual", "price": 20000, "interval": "year"}
WORKERS = {"product": "workers", "plan": "workers_monthly", "price": 500}
NEW_INVOICE: dict[str, Any] = {"invoices": (GivenInvoice(invoice="ada_1"),)}
DECLINED = row(10, "stripe", "charge", invoice="ada_1", result="declined")
NEW_CARD = (row(24 * 9, "ada", "update_card"), row(24 * 9 + 1, "ada", "pay", invoice="ada_1", via="hosted"))
BY_CALL = {"by": "iapi", "do": "change", "account": "ada"}


def _settings(**settings: Any) -> dict[str, Any]:
    return {"settings": {"stripe": StripeSettings(**settings)}}


CHANGES = {
    "upgrade": [row(10, "ada", "change_plan", **BUSINESS)],
    "downgrade": [row(10, "ada", "change_plan", **LITE)],
    "year": [row(10, "ada", "change_plan", **ANNUAL)],
    "year_and_back": [row(10, "ada", "change_plan", **ANNUAL), row(20, "ada", "change_plan", plan="pro_monthly", price=2000)],
    "quantity": [row(10, **BY_CALL, op="quantity", quantity=4), row(11, **BY_CALL, op="quantity", quantity=2)],
    "cancel": [row(10, "ada", "cancel")],
    "sold": [row(10, "catalog", "sell", account="ada", **WORKERS)],
    "sold_by_the_year": [row(10, "catalog", "sell", account="ada", product="workers", plan="workers_annual", price=5000, interval="year")],
    "bought_on_its_page": [row(10, "ada", "checkout", **WORKERS)],
    "by_the_queue": [
        row(10, "product_team", "change", account="ada", op="create", **WORKERS),
        row(12, "product_team", "change", account="ada", op="upgrade", **BUSINESS),
        row(14, "product_team", "change", account="ada", op="cancel"),
    ],
}
PERIOD_END = {
    "downgrade": [row(10, "ada", "change_plan", **LITE, when="period_end")],
    "cancel": [row(10, "ada", "cancel", when="period_end")],
}
DEBTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "first_try_fails": ([DECLINED, row(20, "ada", "pay", invoice="ada_1", via="hosted")], {**NEW_INVOICE, "card": "good"}),
    "cancelled_while_retrying": ([DECLINED, row(20, "ada", "cancel")], {**NEW_INVOICE, "card": "declines", "days": 45}),
    "ends_with_the_last_try": ([DECLINED], {"failed_attempts": 7, "days": 45, **_settings(final_subscription="cancel")}),
    "unpaid_after_the_last_try": ([DECLINED], {"failed_attempts": 7, "days": 45, **_settings(final_subscription="mark_unpaid")}),
    "written_off_and_ended": (
        [DECLINED],
        {"failed_attempts": 7, "days": 45, **_settings(final_subscription="cancel", final_invoice="mark_uncollectible")},
    ),
    "paypal": ([DECLINED], {"failed_attempts": 7, "instrument": "paypal", "days": 20}),
    "paypal_paid_in_its_grace": ([DECLINED, *NEW_CARD], {"failed_attempts": 7, "instrument": "paypal", "days": 20}),
    "card_paid_after_its_grace": ([DECLINED, *NEW_CARD], {"failed_attempts": 7, "days": 20}),
}


def _assert_right(result: Any) -> None:
    assert result.verdict == "holds" and result.data["findings"] == []
    # What the clock moves, the nightly job finds out by night.
    waited = [drift for drift in result.drift if drift.opening.kind != "clock" and not _follows_the_clock(drift.opening)]
    assert waited == []


def _follows_the_clock(opening: Provenance) -> bool:
    """Truth moved once more while the nightly job was at work on what the clock had moved."""
    return opening.component == "nightly_cron"


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_about_changes(name: str, seed: int) -> None:
    _assert_right(run("legacy", *CHANGES[name], seed=seed))


@pytest.mark.parametrize("name", PERIOD_END)
def test_right_about_changes_that_wait_for_the_period_to_end(name: str) -> None:
    _assert_right(run("legacy", *PERIOD_END[name], days=35))


@pytest.mark.parametrize("name", DEBTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_about_debts(name: str, seed: int) -> None:
    rows, facts = DEBTS[name]
    _assert_right(run("legacy", *rows, seed=seed, **facts))
