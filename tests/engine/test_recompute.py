"""What wakes the brain and the ledger."""

from __future__ import annotations

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engine.recompute import WAKES, Recompute
from billsim.facade import doors
from tests.driver import message

ENGINE = Recompute(DunningPolicy(), doors=doors.today(DunningPolicy()))

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
    "domain.mapping_changed",
    "domain.flags",
]
LEDGER = ["finalized", "paid", "payment_failed", "voided", "marked_uncollectible", "updated"]


@pytest.mark.parametrize("kind", BRAIN)
def test_wakes_the_brain(kind: str) -> None:
    assert ENGINE.wakes(message(kind))[0] == "dunning_brain"


@pytest.mark.parametrize("kind", [*(f"stripe.invoice.{each}" for each in LEDGER), "stripe.charge.succeeded", "stripe.charge.failed"])
def test_wakes_the_ledger(kind: str) -> None:
    assert ENGINE.wakes(message(kind))[-1] == "invoicing"


def test_who_leaves_a_contract_has_the_ledger_and_the_notices_made_up_for() -> None:
    assert ENGINE.wakes(message("domain.account_type_changed"))[1:] == ("invoicing", "email")


def test_who_stands_on_another_customer_has_everything_made_up_for() -> None:
    """What was heard of a customer on whom nobody stood, or two, was not acted upon."""
    assert ENGINE.wakes(message("domain.mapping_changed"))[1:] == ("invoicing", "email", "identity")
    assert Recompute(DunningPolicy()).wakes(message("domain.mapping_changed"))[1:] == ("invoicing", "email")


def test_a_payment_request_wakes_the_isolated_endpoint_where_there_is_one() -> None:
    assert ENGINE.wakes(message("request.pay")) == ("pay_bad_debt",)
    assert Recompute(DunningPolicy()).wakes(message("request.pay")) == ()


def test_what_changes_of_a_customer_is_the_facades_to_copy() -> None:
    assert ENGINE.wakes(message("stripe.customer.updated")) == ("identity",)
    assert Recompute(DunningPolicy()).wakes(message("stripe.customer.updated")) == ()


@pytest.mark.parametrize("kind", ["cron.nightly", "stripe.customer.created", "stripe.payment_intent.created"])
def test_ignores(kind: str) -> None:
    assert not ENGINE.wakes(message(kind))


def test_every_name_in_the_table_is_a_component() -> None:
    assert {name for names in (*WAKES.values(), *doors.TODAY.values()) for name in names} <= set(ENGINE.components)
