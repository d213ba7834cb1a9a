"""Ownership, versions, append-only stores, and what a shard remembers while it is gathered."""

from __future__ import annotations

import msgspec
import pytest

from billsim.stores import empty
from billsim.stores.base import AppendOnlyError, OwnershipError, Schema, Stores, Undo, Written
from billsim.stores.subs_dunning import DunningRow

LEDGER_ENTRY = {
    "kind": "invoice",
    "object_id": "in_ada_1",
    "status": "open",
    "currency": "usd",
    "amount_due": 2000,
    "amount_paid": 0,
    "amount_remaining": 2000,
    "sequence": 1,
}


@pytest.fixture
def stores() -> Stores:
    return empty()


def dunning(stores: Stores, account: str, **fields: object) -> Written | None:
    return stores.write("engine", "subs_dunning", account, None, fields, at=0)


class TestWriting:
    def test_a_missing_row_is_made_with_version_1(self, stores: Stores) -> None:
        made = dunning(stores, "ada", status="retrying")
        row = DunningRow("ada", status="retrying", version=1)
        assert made == Written(None, row)
        assert stores.read("subs_dunning", "ada") == row

    def test_each_change_raises_the_version_and_keeps_the_other_fields(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying", retry_count=3)
        changed = dunning(stores, "ada", retry_count=4)
        assert changed is not None and changed.old.version == 1
        assert changed.new == DunningRow("ada", status="retrying", retry_count=4, version=2)
        assert stores.version("subs_dunning", "ada") == 2

    def test_what_changes_nothing_is_no_write(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying")
        assert dunning(stores, "ada", status="retrying") is None
        assert dunning(stores, "ada") is None
        assert stores.version("subs_dunning", "ada") == 1

    def test_a_committed_row_never_changes(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying")
        held = stores.read("subs_dunning", "ada")
        dunning(stores, "ada", status="healthy")
        assert held.status == "retrying"
        with pytest.raises(AttributeError):
            held.status = "healthy"

    def test_a_field_that_the_row_does_not_have(self, stores: Stores) -> None:
        with pytest.raises(TypeError):
            dunning(stores, "ada", colour="red")
        dunning(stores, "ada", status="retrying")
        with pytest.raises(TypeError):
            dunning(stores, "ada", colour="red")

    def test_rows_of_a_store_of_many_have_versions_of_their_own(self, stores: Stores) -> None:
        for key, plan in [("zone", "pro"), ("addon", "plus"), ("zone", "free")]:
            stores.write("facade", "cf_prod", "ada", key, {"plan": plan}, at=0)
        assert stores.version("cf_prod", "ada", "zone") == 2
        assert stores.version("cf_prod", "ada", "addon") == 1


class TestOwnership:
    def test_a_stranger_is_refused_by_name(self, stores: Stores) -> None:
        with pytest.raises(OwnershipError) as caught:
            stores.write("facade", "subs_dunning", "ada", None, {"status": "healthy"}, at=0)
        assert (caught.value.store, caught.value.writer) == ("subs_dunning", "facade")
        assert str(caught.value) == "facade is not among the writers of subs_dunning"

    def test_and_nothing_was_written(self, stores: Stores) -> None:
        with pytest.raises(OwnershipError):
            stores.write("pipe", "subs_account", "ada", None, {"flags": 1}, at=0)
        assert stores.read("subs_account", "ada") is None and stores.version("subs_account", "ada") == 0


class TestAppendOnly:
    def test_a_key_is_written_once(self, stores: Stores) -> None:
        stores.write("engine", "billing_prod", "ada", "k", LEDGER_ENTRY, at=0)
        with pytest.raises(AppendOnlyError) as caught:
            stores.write("engine", "billing_prod", "ada", "k", LEDGER_ENTRY | {"status": "paid"}, at=0)
        assert str(caught.value) == "billing_prod is append only and already holds k"
        assert stores.read("billing_prod", "ada", "k").status == "open"

    def test_even_with_the_same_entry(self, stores: Stores) -> None:
        stores.write("engine", "billing_prod", "ada", "k", LEDGER_ENTRY, at=0)
        with pytest.raises(AppendOnlyError):
            stores.write("engine", "billing_prod", "ada", "k", LEDGER_ENTRY, at=0)


def test_errors_survive_being_rebuilt_from_their_arguments() -> None:
    for error in (OwnershipError("subs_dunning", "facade"), AppendOnlyError("billing_prod", "k")):
        assert str(type(error)(*error.args)) == str(error)


class TestReading:
    def test_nothing_there(self, stores: Stores) -> None:
        assert stores.read("subs_dunning", "ada") is None
        assert stores.read("cf_prod", "ada") == {}
        assert stores.read("cf_prod", "ada", "zone") is None
        assert stores.shards == {}  # asking makes no account
        stores.shard("ada")
        assert stores.read("subs_dunning", "ada") is None and stores.read("cf_prod", "ada") == {}

    def test_all_rows_of_an_account_are_the_readers_own(self, stores: Stores) -> None:
        stores.write("facade", "cf_prod", "ada", "zone", {"plan": "pro"}, at=0)
        rows = stores.read("cf_prod", "ada")
        stores.write("facade", "cf_prod", "ada", "addon", {"plan": "plus"}, at=0)
        assert list(rows) == ["zone"]
        assert list(stores.read("cf_prod", "ada")) == ["zone", "addon"]

    def test_accounts_do_not_see_each_other(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying")
        assert stores.read("subs_dunning", "bob") is None

    def test_a_shard_shows_the_same_rows(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying")
        stores.write("facade", "cf_prod", "ada", "zone", {"plan": "pro"}, at=0)
        shard = stores.shard("ada")
        assert shard.one("subs_dunning") is stores.read("subs_dunning", "ada")
        assert dict(shard.all("cf_prod")) == stores.read("cf_prod", "ada")
        assert shard.one("subs_account") is None and dict(shard.all("ope")) == {}


class TestSleeping:
    def test_one_who_sleeps_is_made_when_asked_for_and_greeted_when_made(self, stores: Stores) -> None:
        seen: list[str] = []
        dunning(stores, "zoe", status="retrying")
        stores.sleep(["zoe", "bob", "ada"], lambda shard: dunning(stores, shard.account, status="healthy"), seen.append, {})
        stores.greet = lambda shard: seen.append(f"{shard.account} {shard.one('subs_dunning').status}")
        assert (list(stores.names), [shard.account for shard in stores.awake()], stores.sleeps("bob")) == (["zoe", "bob", "ada"], ["zoe"], True)
        assert stores.read("subs_dunning", "ada").status == "healthy" and stores.get("ada") is stores.shard("ada")
        assert (seen, stores.sleeps("ada"), stores.sleeps("zoe"), stores.sleeps("nobody")) == (["ada healthy"], False, False, False)
        assert list(stores.shards) == ["zoe", "bob", "ada"] and seen == ["ada healthy", "bob healthy"]

    def test_a_scan_wakes_where_what_is_alike_may_match(self, stores: Stores) -> None:
        alike = {"subs_dunning": {"status": "healthy"}}
        stores.sleep(["bob", "ada"], lambda shard: dunning(stores, shard.account, status="healthy"), lambda _: None, alike)
        assert list(stores.scan("subs_dunning", {"status": ("retrying",)})) == [] and stores.sleeps("ada")
        assert [row.account for row in stores.scan("subs_dunning", {"status": ("retrying", "healthy")})] == ["bob", "ada"]

    def test_a_customer_that_another_account_takes_is_looked_for(self, stores: Stores) -> None:
        asked: list[str] = []
        stores.sleep(["bob"], lambda shard: None, asked.append, {})
        stores.write("facade", "subs_customer", "ada", None, {"stripe_customer": "cus_bob"}, at=0)
        assert asked == ["cus_bob"]


class TestScanning:
    def test_in_the_order_of_the_accounts_and_by_values(self, stores: Stores) -> None:
        for account, status in [("bob", "delinquent"), ("ada", "bad_debt"), ("cyd", "healthy")]:
            dunning(stores, account, status=status)
        stores.shard("dan")
        found = stores.scan("subs_dunning", {"status": ("bad_debt", "delinquent")})
        assert [row.account for row in found] == ["bob", "ada"]

    def test_every_condition_holds(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying", retry_count=1)
        dunning(stores, "bob", status="retrying", retry_count=2)
        assert [row.account for row in stores.scan("subs_dunning", {"status": ("retrying",), "retry_count": (2,)})] == ["bob"]

    def test_no_condition_is_every_row_of_many(self, stores: Stores) -> None:
        for key in ("zone", "addon"):
            stores.write("facade", "cf_prod", "ada", key, {"plan": "pro"}, at=0)
        stores.write("facade", "cf_prod", "bob", "zone", {"plan": "free"}, at=0)
        assert [(row.account, row.key) for row in stores.scan("cf_prod", {})] == [("ada", "zone"), ("ada", "addon"), ("bob", "zone")]


class TestLostUpdate:
    def test_a_blind_write_of_a_stale_read_loses_what_came_between(self, stores: Stores) -> None:
        stores.write("engine", "subs_account", "ada", None, {"flags": 0b1000}, at=0)
        page = stores.read("subs_account", "ada")
        stores.write("engine", "subs_account", "ada", None, {"flags": page.flags | 1 << 15}, at=1)
        stores.write("facade", "subs_account", "ada", None, {"flags": page.flags | 0b1}, at=2)
        assert stores.read("subs_account", "ada").flags == 0b1001  # bit 15 is gone


class TestCustomerIndex:
    def map_to(self, stores: Stores, account: str, customer: str) -> None:
        stores.write("facade", "subs_customer", account, None, {"stripe_customer": customer}, at=0)

    def test_follows_the_mapping(self, stores: Stores) -> None:
        self.map_to(stores, "ada", "cus_1")
        self.map_to(stores, "ada", "cus_2")
        assert stores.by_customer.get("cus_1", ()) == ()
        assert stores.by_customer["cus_2"] == ("ada",)

    def test_a_merged_customer_has_its_accounts_in_order(self, stores: Stores) -> None:
        self.map_to(stores, "bob", "cus_1")
        self.map_to(stores, "ada", "cus_1")
        assert stores.by_customer["cus_1"] == ("bob", "ada")

    def test_another_field_changes_nothing(self, stores: Stores) -> None:
        self.map_to(stores, "ada", "cus_1")
        stores.write("facade", "subs_customer", "ada", None, {"braintree_paid": True}, at=0)
        assert stores.by_customer == {"cus_1": ("ada",)}

    def test_an_account_that_stripe_does_not_know(self, stores: Stores) -> None:
        self.map_to(stores, "ada", "")
        assert stores.by_customer.get("", ()) == ()


class TestUndo:
    def test_kept_only_while_a_gather_is_under_way(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying")
        shard = stores.shard("ada")
        assert shard.undo == []
        shard.gathers = 1
        before = shard.one("subs_dunning")
        stores.write("engine", "subs_dunning", "ada", None, {"status": "healthy"}, at=70)
        stores.write("facade", "cf_prod", "ada", "zone", {"plan": "pro"}, at=71)
        assert shard.undo == [Undo(70, "subs_dunning", "subs_dunning", before), Undo(71, "cf_prod", "zone", None)]

    def test_what_changes_nothing_is_not_kept(self, stores: Stores) -> None:
        dunning(stores, "ada", status="retrying")
        stores.shard("ada").gathers = 1
        dunning(stores, "ada", status="retrying")
        assert stores.shard("ada").undo == []


def test_a_snapshot_stands_still(stores: Stores) -> None:
    dunning(stores, "ada", status="retrying")
    stores.write("facade", "cf_prod", "ada", "zone", {"plan": "pro"}, at=0)
    before = stores.snapshot()
    dunning(stores, "ada", status="healthy")
    stores.write("facade", "cf_prod", "ada", "addon", {"plan": "plus"}, at=0)
    dunning(stores, "bob", status="healthy")
    rows, many = before["ada"]
    assert list(before) == ["ada"]
    assert rows["subs_dunning"].status == "retrying" and list(many["cf_prod"]) == ["zone"]
    assert stores.snapshot() != before


def test_a_store_is_its_schema() -> None:
    class Note(DunningRow, frozen=True, gc=False):
        """A row of a store of one's own."""

    stores = Stores({"notes": Schema("notes", Note, frozenset({"team"}))})
    written = stores.write("team", "notes", "ada", None, {"status": "retrying"}, at=0)
    assert written is not None and type(written.new) is Note
    assert msgspec.structs.asdict(written.new)["version"] == 1
