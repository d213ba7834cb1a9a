"""What wakes the brain and the ledger."""

from __future__ import annotations

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engine.recompute import WAKES, Recompute
from billsim.facade import pay_bad_debt
from tests.driver import message

ENGINE = Recompute(DunningPolicy(), doors=(pay_bad_debt.component(),))

BRAIN = [
    "stripe.customer.subscription.updated",
    "stripe.customer.subscription.deleted",
    "stripe.invoice.paid",
    "stripe.invoice.payment_failed",
    "stripe.invoice.finalized",
    "stripe.invoice.voided",
    "stripe.invoice.marked_uncollectible",
    "stripe.credit_note.created",
    "stripe.charge.refunded",
    "stripe.charge.dispute.closed",
    "boundary",
    "request.recompute",
    "domain.account_type_changed",
    "domain.mapping",
    "domain.flags",
]
LEDGER = ["finalized", "paid", "payment_failed", "voided", "marked_uncollectible", "updated"]


@pytest.mark.parametrize("kind", BRAIN)
def test_wakes_the_brain(kind: str) -> None:
    assert ENGINE.wakes(message(kind))[0] == "dunning_brain"


@pytest.mark.parametrize("kind", [*(f"stripe.invoice.{each}" for each in LEDGER), "stripe.charge.succeeded", "stripe.charge.failed"])
def test_wakes_the_ledger(kind: str) -> None:
    assert ENGINE.wakes(message(kind))[-1] == "invoicing"


def test_who_leaves_a_contract_has_the_ledger_written() -> None:
    assert ENGINE.wakes(message("domain.account_type_changed"))[-1] == "invoicing"


def test_a_payment_request_wakes_the_isolated_endpoint_where_there_is_one() -> None:
    assert ENGINE.wakes(message("request.pay")) == ("pay_bad_debt",)
    assert Recompute(DunningPolicy()).wakes(message("request.pay")) == ()


@pytest.mark.parametrize("kind", ["cron.nightly", "stripe.customer.updated", "stripe.payment_intent.created"])
def test_ignores(kind: str) -> None:
    assert not ENGINE.wakes(message(kind))


def test_every_name_in_the_table_is_a_component() -> None:
    assert {name for names in WAKES.values() for name in names} <= set(ENGINE.components)
