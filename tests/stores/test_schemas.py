"""Who owns what, as the platform says (platform: each store's writers), and what a row holds before anyone wrote it."""

from __future__ import annotations

import pytest

from billsim.stores import SCHEMAS, billing_prod, cf_prod, empty, ope, stripe_metadata, subs_account, subs_customer, subs_dunning, www
from billsim.stores.base import OwnershipError

COMPONENTS = ("engine", "facade", "entitlements", "pipe", "www_sync", "auto_resync_www", "warehouse", "")
WRITERS = {
    "subs_dunning": {"engine"},
    "subs_account": {"engine", "facade"},
    "subs_customer": {"engine", "facade"},
    "billing_prod": {"engine"},
    "cf_prod": {"facade", "entitlements"},
    "ope": {"engine"},
    "www": {"www_sync", "auto_resync_www"},
    "facade_cache": {"facade"},
    "cfbill_migrations_audit": {"engine", "auto_resync_www"},
}
FIELDS = {
    "cfbill_migrations_audit": {"at_ms": 0, "params": "{}", "result": "{}", "failed": False},
    "billing_prod": {
        "kind": "charge",
        "object_id": "ch_ada_1.1",
        "status": "failed",
        "currency": "usd",
        "amount_due": 2000,
        "amount_paid": 0,
        "amount_remaining": 0,
        "sequence": 1,
    },
}


def test_the_stores() -> None:
    assert set(SCHEMAS) == set(WRITERS)
    assert {name for name, schema in SCHEMAS.items() if schema.append_only} == {"billing_prod", "cfbill_migrations_audit"}
    many = {"billing_prod", "cf_prod", "ope", "www", "facade_cache", "cfbill_migrations_audit"}
    assert {name for name, schema in SCHEMAS.items() if schema.many} == many


@pytest.mark.parametrize("store", SCHEMAS)
@pytest.mark.parametrize("writer", COMPONENTS)
def test_writers(store: str, writer: str) -> None:
    stores = empty()
    key = "key" if SCHEMAS[store].many else None
    if writer in WRITERS[store]:
        assert stores.write(writer, store, "ada", key, FIELDS.get(store, {}), at=0) is not None
    else:
        with pytest.raises(OwnershipError):
            stores.write(writer, store, "ada", key, FIELDS.get(store, {}), at=0)


@pytest.mark.parametrize("writer", COMPONENTS)
def test_writers_of_stripe_metadata(writer: str) -> None:
    if writer in ("engine", "pipe"):
        stripe_metadata.check_writer(writer)
    else:
        with pytest.raises(OwnershipError, match="is not among the writers of stripe_metadata"):
            stripe_metadata.check_writer(writer)


def test_a_new_account_owes_nothing() -> None:
    row = subs_dunning.DunningRow("ada")
    assert (row.status, row.retry_count, row.escalation_level, row.intent, row.done, row.next_boundary_ms) == ("healthy", 0, 0, (), (), None)
    assert subs_account.AccountRow("ada").flags == 0
    assert subs_customer.CustomerRow("ada").stripe_customer == ""
    assert cf_prod.EntitlementRow("ada", "zone").plan == "free"
    assert www.ZoneRow("ada", "example.com").plan == "free"
    assert ope.OpeSubscription("ada", "ope_ada").status == "active"


def test_the_facades_flags_keep_clear_of_the_engines() -> None:
    assert (subs_account.EMAIL_VERIFIED | subs_account.MARKETING_OPT_IN) & (1 << 15 | 1 << 14) == 0


def test_a_ledger_entry_is_named_by_its_object_and_state() -> None:
    assert billing_prod.entry_key("in_ada_1", "open", 0, 2000) == "in_ada_1:open:0:2000"
    states = [("open", 0, 2000), ("paid", 2000, 0), ("uncollectible", 0, 2000)]
    assert len({billing_prod.entry_key("in_ada_1", *state) for state in states}) == 3
