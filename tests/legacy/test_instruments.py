"""Path 6: the grace of what a debt was to be paid with, but for PayPal in the wrong vault, which has a card's."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.legacy.ladder import Ladder
from tests.truth_table import millis


class PayPal(Ladder):
    """`ada`, who pays with PayPal, through `vault`."""

    def __init__(self, vault: str = "") -> None:
        super().__init__()
        self.stores.write("facade", "subs_customer", "ada", None, {"vault": vault}, 0)
        for id, method in self.book.payment_methods.items():
            self.book.payment_methods[id] = replace(method, type="paypal", card=None)

    @property
    def status(self) -> str:
        """Her dunning status."""
        return str(self.shard.one("subs_dunning").status)


@pytest.mark.parametrize(("vault", "night", "status"), [("", 22, "delinquent"), ("", 24.5, "bad_debt"), ("braintree", 22, "bad_debt")])
def test_the_nightly_job_waits_for_the_grace_that_it_knows_of(vault: str, night: float, status: str) -> None:
    ada = PayPal(vault)
    ada.exhaust()
    ada.night(night)
    assert ada.status == status
    assert (ada.wrong() == []) is (not vault)


@pytest.mark.parametrize(("vault", "told"), [("", []), ("braintree", ["recovered"])])
def test_who_pays_within_the_grace_of_paypal_had_never_been_bad_debt(vault: str, told: list[str]) -> None:
    ada = PayPal(vault)
    ada.exhaust()
    ada.paid(22)
    assert [act.step for act in ada.acts if act.step == "recovered"] == told


def test_the_last_try_of_a_lost_paypal_account_is_still_within_its_grace() -> None:
    for vault, status in (("", "delinquent"), ("braintree", "bad_debt")):
        ada = PayPal(vault)
        ada.fail(1)
        for attempt in range(2, 5):
            ada.fail(attempt, charged=False)
        ada.now_ms = millis(8)
        ada.tell("invoice.payment_failed", replace(ada.book.invoices["in_ada_1"], next_payment_attempt=None))
        assert ada.status == status


def test_no_question_is_asked_about_the_wrong_vault() -> None:
    ada = PayPal("braintree")
    ada.exhaust()
    ada.night(22)
    assert "payment_methods.retrieve" not in [getattr(effect, "method", "") for effect in ada.effects]
