"""A subscription of record says whether a change of it is to be carried on with, and what Stripe is to hold meanwhile."""

from __future__ import annotations

import pytest

from billsim.stores.ope import OpeChange, OpeItem, OpeSubscription

PRO, BASIC = OpeItem("zone_plan", "pro_monthly", 2000), OpeItem("zone_plan", "basic_monthly", 500)


def row(change: OpeChange | None) -> OpeSubscription:
    return OpeSubscription("ada", "ope_ada", items=(PRO,), scheduled=change)


@pytest.mark.parametrize(
    ("change", "unfinished"),
    [
        (None, False),
        # Under way, or waiting to be paid.
        (OpeChange("m1", (BASIC,)), True),
        (OpeChange("m1", (BASIC,), asked=True), True),
        # For a day to come: Stripe is to be told, has been told, or is not to be told before.
        (OpeChange("m1", (BASIC,), due_ms=1_000), True),
        (OpeChange("m1", (BASIC,), due_ms=1_000, asked=True), False),
        (OpeChange("m1", (BASIC,), due_ms=1_000, resets=True), False),
        # The day has come.
        (OpeChange("m1", (BASIC,), due_ms=500, asked=True), True),
        (OpeChange("m1", (BASIC,), due_ms=500, resets=True), True),
    ],
)
def test_what_is_unfinished(change: OpeChange | None, unfinished: bool) -> None:
    assert row(change).is_unfinished(500) == unfinished


@pytest.mark.parametrize(
    ("change", "items"),
    [
        (None, (PRO,)),
        (OpeChange("m1", (BASIC,)), (PRO,)),
        (OpeChange("m1", (BASIC,), due_ms=1_000), (PRO,)),
        (OpeChange("m1", (BASIC,), due_ms=1_000, asked=True), (BASIC,)),
        (OpeChange("m1", due_ms=1_000, asked=True), (PRO,)),
        (OpeChange("m1", (BASIC,), due_ms=1_000, resets=True), (PRO,)),
    ],
)
def test_what_stripe_is_to_hold(change: OpeChange | None, items: tuple[OpeItem, ...]) -> None:
    assert row(change).billed_items == items
