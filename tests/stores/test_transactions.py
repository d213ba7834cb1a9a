"""Several rows of one store change together or not at all."""

from __future__ import annotations

import pytest

from billsim.stores import empty
from billsim.stores.base import AppendOnlyError, Change, OwnershipError, Stores


@pytest.fixture
def stores() -> Stores:
    made = empty()
    made.write("facade", "cf_prod", "ada", "zone_plan", {"plan": "pro"}, 0)
    return made


def plans(stores: Stores) -> dict[str, str]:
    return {key: row.plan for key, row in stores.read("cf_prod", "ada").items()}


def test_all_rows_change_at_one_instant(stores: Stores) -> None:
    changes = [Change("ada", {"plan": "free"}, "zone_plan", 1), Change("ada", {"plan": "pro"}, "addon", 0), Change("bob", {"plan": "pro"},
    "zone_plan")]
    written = stores.transact("entitlements", "cf_prod", changes, 5)
    assert written is not None and [outcome.new.version for outcome in written if outcome] == [2, 1, 1]
    assert plans(stores) == {"zone_plan": "free", "addon": "pro"} and stores.read("cf_prod", "bob", "zone_plan").plan == "pro"


def test_a_row_that_has_moved_stops_all_of_them(stores: Stores) -> None:
    changes = [Change("ada", {"plan": "free"}, "addon", 0), Change("ada", {"plan": "free"}, "zone_plan", 7)]
    assert stores.transact("entitlements", "cf_prod", changes, 5) is None
    assert plans(stores) == {"zone_plan": "pro"}


def test_a_change_that_changes_nothing_is_none(stores: Stores) -> None:
    assert stores.transact("entitlements", "cf_prod", [Change("ada", {"plan": "pro"}, "zone_plan", 1)], 5) == [None]
    assert stores.read("cf_prod", "ada", "zone_plan").version == 1


@pytest.mark.parametrize(
    ("writer", "bad", "error"),
    [
        ("engine", Change("ada", {"plan": "free"}, "zone_plan"), OwnershipError),
        ("entitlements", Change("ada", {"plam": "free"}, "zone_plan"), TypeError),
        ("entitlements", Change("ada", {"plan": "free"}), TypeError),
        ("entitlements", Change("ada", {"plan": "none"}, "addon"), ValueError),
    ],
    ids=["no writer", "no such field", "no key", "one row twice"],
)
def test_an_error_leaves_everything_as_it_was(stores: Stores, writer: str, bad: Change, error: type[Exception]) -> None:
    with pytest.raises(error):
        stores.transact(writer, "cf_prod", [Change("ada", {"plan": "free"}, "addon"), bad], 5)
    assert plans(stores) == {"zone_plan": "pro"}


def test_an_append_only_store_refuses_the_whole_of_a_transaction_that_repeats_an_entry() -> None:
    stores = empty()
    entry = {"kind": "charge", "object_id": "ch", "status": "succeeded", "currency": "usd", "amount_due": 1, "amount_paid": 1, "amount_remaining": 0}
    first, second = (Change("ada", {**entry, "sequence": n}, f"ch:{n}") for n in (1, 2))
    stores.transact("engine", "billing_prod", [first], 0)
    with pytest.raises(AppendOnlyError):
        stores.transact("engine", "billing_prod", [second, first], 0)
    assert list(stores.read("billing_prod", "ada")) == ["ch:1"]
