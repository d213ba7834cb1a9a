"""Each degenerate engine does its one wrong thing, and comes to rest with it."""

from __future__ import annotations

import pytest

from billsim.engines import load_engine
from tests.driver import Driver, message, shard_of
from tests.truth_table import millis

OWED = [{"id": "in_ada_1", "failed": [0, 1, 3, 5, 7, 9, 11, 14]}]


def ran(name: str, **facts: object) -> Driver:
    driver = Driver(load_engine(name), shard_of(now=22, **facts), millis(22))
    driver.deliver(message("request.recompute"))
    held = driver.held()
    driver.deliver(message("request.recompute", name="m2"))
    assert driver.held() == held
    return driver


def test_noop_does_nothing() -> None:
    assert ran("noop", invoices=OWED).effects == []


def test_all_healthy_chases_nobody() -> None:
    driver = ran("all_healthy", invoices=OWED)
    assert driver.shard.one("subs_dunning").status == "healthy" and driver.acts == []
    assert driver.shard.all("cf_prod")["zone_plan"].plan == "pro_monthly"


def test_all_bad_flags_who_owes_nothing() -> None:
    driver = ran("all_bad")
    assert driver.shard.one("subs_dunning").status == "bad_debt" and driver.shard.one("subs_account").flags == 1 << 15
    assert driver.shard.all("cf_prod")["zone_plan"].plan == "free"
    assert [(act.kind, act.debt) for act in driver.acts] == [("flag", "in_ada_0")]


def test_cancel_all_cancels_who_owes_nothing() -> None:
    driver = ran("cancel_all")
    assert driver.book.subscriptions["sub_ada"].status == "canceled" and driver.shard.all("ope")["ope_ada"].status == "canceled"


def test_void_all_voids_what_is_owed() -> None:
    driver = ran("void_all", invoices=OWED)
    assert driver.book.invoices["in_ada_1"].status == "void" and driver.shard.one("subs_dunning").status == "healthy"
    assert driver.book.invoices["in_ada_0"].status == "paid" and driver.acts == []


@pytest.mark.parametrize("name", ["noop", "all_healthy", "all_bad", "cancel_all", "void_all"])
def test_contract_accounts_are_left_alone_even_so(name: str) -> None:
    driver = ran(name, invoices=OWED, account_type="ibm")
    assert driver.changing() == []
