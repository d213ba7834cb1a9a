"""The runtime: effects are performed when due, race where real code races, and are recorded with their provenance."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from billsim import stores as all_stores
from billsim.checks import marks
from billsim.core.choices import NotOnTapeError, Options, Recorded, Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.core.latency import STORE
from billsim.core.trace import ActionRecord, Trace, WriteRecord
from billsim.ports import Act, Ask, CallStripe, CompareAndSet, Component, GatherAll, Message, Now, Read, Scan, Send, Sleep, Start, Transact, Write
from billsim.runtime import Runtime, Task
from billsim.runtime.gather import GATHERED
from billsim.stores.base import Change, OwnershipError, Shard
from billsim.stripe.objects import Book, Customer, StripeError

START_MS = 1_700_000_000_000
Script = Callable[[Message], Generator[Any, Any, None]]


class Platform:
    """A runtime with nothing around it; keeps what the host is told."""

    def __init__(self, seed: int = 1, choices: Seeded | None = None) -> None:
        self.kernel = Kernel(START_MS)
        self.choices = choices or Seeded(seed)
        self.stores = all_stores.empty()
        self.trace = Trace()
        self.records: list[Any] = []
        self.trace.sinks.append(self.records.extend)
        self.components: dict[str, Component] = {}
        self.marks: dict[str, int] = {}
        self.failures: list[Exception] = []
        self.sent: list[Send] = []
        self.calls: list[tuple[str, str]] = []
        self.pending = 0
        self.runtime = Runtime(self.kernel, self.choices, self.stores, self, self.trace, self)

    def touched(self, shard: Shard, record: WriteRecord | ActionRecord) -> None:
        assert shard.fresh[-1] is record

    def occupied(self, shard: Shard | None, by: int) -> None:
        self.pending += by

    def send(self, task: Task, effect: Send, label: str) -> None:
        self.sent.append(effect)

    def failed(self, task: Task, failure: Exception) -> None:
        self.failures.append(failure)

    def call(self, method: str, id: str, params: dict[str, Any], *, key: str | None, task: str) -> Any:
        self.calls.append((method, id))
        if id == "in_gone":
            raise StripeError(404, "invalid_request_error", "resource_missing", "no such invoice")
        return id

    def start(self, script: Script, *, name: str = "e/test", writer: str = "engine", account: str = "ada") -> None:
        component = Component("tester", writer, script)
        self.runtime.start(component, Message("m", "w", "test", account, self.kernel.now), name, lambda task, failure: None)

    def run(self) -> None:
        assert self.kernel.run(START_MS + 10**9, Unwatched(), 10_000)
        self.trace.flush()

    def writes(self) -> list[WriteRecord]:
        return [record for record in self.records if record[0] == "writes"]


def test_a_read_then_write_across_a_wait_loses_the_update_in_between() -> None:
    platform = Platform()

    def slow(message: Message) -> Generator[Any, Any, None]:
        row = yield Read("subs_account", "ada")
        yield Sleep(60_000)
        yield Write("subs_account", "ada", {"flags": row.flags | 1})

    def quick(message: Message) -> Generator[Any, Any, None]:
        yield Sleep(30_000)
        row = yield Read("subs_account", "ada")
        yield Write("subs_account", "ada", {"flags": row.flags | 8})

    platform.stores.write("engine", "subs_account", "ada", None, {"flags": 0}, START_MS)
    platform.start(slow, name="e/slow")
    platform.start(quick, name="e/quick")
    platform.run()
    assert platform.stores.read("subs_account", "ada").flags == 1
    assert marks.of_write(platform.writes()[-1]) == "lost_update_happened"
    assert [(record.task, record.read_version, record.old.version) for record in platform.writes()] == [("e/quick", 1, 1), ("e/slow", 1, 2)]


def test_compare_and_set_refuses_a_row_that_has_moved() -> None:
    platform = Platform()
    answers: list[Any] = []

    def contender(message: Message) -> Generator[Any, Any, None]:
        row = yield Read("subs_dunning", "ada")
        yield Sleep(60_000)
        answers.append((yield CompareAndSet("subs_dunning", "ada", row.version if row else 0, {"retry_count": 5})))

    def other(message: Message) -> Generator[Any, Any, None]:
        yield Sleep(30_000)
        answers.append((yield CompareAndSet("subs_dunning", "ada", 0, {"retry_count": 3})))

    platform.start(contender, name="e/a")
    platform.start(other, name="e/b")
    platform.run()
    assert answers[0].retry_count == 3 and answers[1] is None
    assert platform.stores.read("subs_dunning", "ada").retry_count == 3
    assert platform.marks == {"compare_and_set_lost": 1}


def gathering(platform: Platform, change: Callable[[int], None], after_ms: int, parts: tuple[str, ...] = ()) -> list[Any]:
    """What a gather is given that takes 100 ms, its stores 10 ms and Stripe 50 ms, when `change` happens that long after it began."""
    seen: list[Any] = []

    def gatherer(message: Message) -> Generator[Any, Any, None]:
        seen.append((yield GatherAll("ada", parts)))

    platform.start(gatherer)
    platform.kernel.call_at(START_MS + after_ms, 0, lambda _: change(START_MS + after_ms))
    platform.run()
    return seen


def measured_gather() -> Platform:
    instants = {f"e/test/gather/{store}": 10 if table is STORE else 50 for store, table in GATHERED.items()}
    return Platform(choices=Seeded(1, overrides={"e/test/gather": 100, **instants}))


@pytest.mark.parametrize(("after_ms", "flags", "customer"), [(0, 2, "after"), (9, 2, "after"), (11, 1, "after"), (50, 1, "after"), (51, 1, "before")])
def test_each_row_of_a_gather_is_read_at_its_own_instant(after_ms: int, flags: int, customer: str) -> None:
    """A write in the middle of a gather is seen by the reads after it and not by those before it, though the gather is one kernel event."""
    platform = measured_gather()
    platform.stores.write("engine", "subs_account", "ada", None, {"flags": 1}, START_MS)
    book = Book("cus_ada")
    book.customer = Customer(id="cus_ada", created=1, name="before")
    shard = platform.stores.shard("ada")
    shard.stripe = book

    def change(at_ms: int) -> None:
        platform.stores.write("engine", "subs_account", "ada", None, {"flags": 2}, at_ms)
        shard.remember(at_ms, "stripe.customer", "cus_ada", book.customer)
        book.customer = Customer(id="cus_ada", created=1, name="after")

    state = gathering(platform, change, after_ms)[0]
    assert (state.profile.flags, state.stripe.customer.name) == (flags, customer)
    assert shard.gathers == 0 and not shard.undo


def test_only_the_branches_that_moved_during_a_gather_are_asked_for() -> None:
    platform = measured_gather()
    platform.stores.write("entitlements", "cf_prod", "ada", "zone", {"plan": "free"}, START_MS)

    def change(at_ms: int) -> None:
        platform.stores.write("entitlements", "cf_prod", "ada", "zone", {"plan": "pro"}, at_ms)
        platform.stores.write("entitlements", "cf_prod", "ada", "addon", {"plan": "pro"}, at_ms)
        platform.stores.write("www_sync", "www", "ada", "zone", {"plan": "pro"}, at_ms)

    state = gathering(platform, change, 20, ("cf_prod", "stripe.customer"))[0]
    assert [label for label, _ in platform.choices.asked] == ["e/test/gather", "e/test/gather/cf_prod"]
    assert {key: row.plan for key, row in state.entitlements.items()} == {"zone": "free"} and state.zones == {}
    assert set(platform.stores.read("cf_prod", "ada")) == {"zone", "addon"}, "what was gathered is a copy"


def test_no_branch_of_a_gather_takes_longer_than_the_gather() -> None:
    platform = Platform(choices=Seeded(1, overrides={"e/test/gather": 5, "e/test/gather/subs_account": 60}))
    platform.stores.write("engine", "subs_account", "ada", None, {"flags": 1}, START_MS)
    state = gathering(platform, lambda at_ms: platform.stores.write("engine", "subs_account", "ada", None, {"flags": 2}, at_ms), 5)[0]
    assert state.profile.flags == 2


def test_a_gather_of_some_parts_asks_for_those_and_leaves_the_rest_empty() -> None:
    platform = Platform()
    platform.stores.write("engine", "subs_account", "ada", None, {"flags": 1}, START_MS)
    platform.stores.write("engine", "subs_dunning", "ada", None, {"retry_count": 1}, START_MS)
    seen: list[Any] = []

    def gatherer(message: Message) -> Generator[Any, Any, None]:
        seen.append((yield GatherAll("ada", ("subs_account", "stripe.invoice"))))

    platform.start(gatherer)
    platform.run()
    assert seen[0].profile.flags == 1 and seen[0].dunning is None
    assert [label for label, _ in platform.choices.asked] == ["e/test/gather"]
    assert (platform.runtime.store_trips, platform.runtime.stripe_trips) == (1, 1)


@pytest.mark.parametrize(
    ("looks", "version"),
    [
        ((), -1),
        ((Read("cf_prod", "ada", "zone"),), 1),
        ((Read("cf_prod", "ada"),), 1),
        ((Read("cf_prod", "ada", "addon"), Read("ope", "ada"), Read("cf_prod", "bob"), Scan("ope", {})), -1),
        ((Scan("cf_prod", {"plan": ("pro", "free")}),), 1),
        ((GatherAll("ada"),), 1),
        ((GatherAll("ada", ("ope",)),), -1),
        ((Read("cf_prod", "ada", "zone"), GatherAll("ada", ("ope",))), 1),
        ((Read("cf_prod", "ada", "zone"), Write("cf_prod", "ada", {"plan": "free"}, "zone")), 2),
        ((Write("cf_prod", "ada", {"plan": "free"}, "zone"), Read("cf_prod", "ada", "zone")), 2),
    ],
)
def test_a_blind_write_records_the_version_that_its_writer_knew(looks: tuple[Any, ...], version: int) -> None:
    platform = Platform()
    platform.stores.write("entitlements", "cf_prod", "ada", "zone", {"plan": "pro"}, START_MS)
    answers: list[Any] = []

    def writer(message: Message) -> Generator[Any, Any, None]:
        for look in looks:
            answers.append((yield look))
        yield Write("cf_prod", "ada", {"plan": "none"}, "zone")

    platform.start(writer, writer="entitlements")
    platform.run()
    assert platform.writes()[-1].read_version == version


@pytest.mark.parametrize("look", [Read("subs_dunning", "ada"), GatherAll("ada")])
def test_a_row_that_was_read_and_not_there_has_version_0(look: Any) -> None:
    platform = Platform()

    def writer(message: Message) -> Generator[Any, Any, None]:
        yield look
        yield Write("subs_dunning", "ada", {"status": "healthy"})

    platform.start(writer)
    platform.run()
    assert platform.writes()[-1].read_version == 0


def test_a_transaction_changes_all_rows_or_none() -> None:
    platform = Platform()
    answers: list[bool] = []

    def writer(message: Message) -> Generator[Any, Any, None]:
        plans = {"zone_plan": "pro", "addon": "free"}
        changes = tuple(Change("ada", {"plan": plan}, product, 0) for product, plan in plans.items())
        answers.append((yield Transact("cf_prod", "ada", changes)))
        answers.append((yield Transact("cf_prod", "ada", (Change("ada", {"plan": "free"}, "zone_plan", 1), *changes[1:]))))

    platform.start(writer, writer="entitlements")
    platform.run()
    assert answers == [True, False]
    assert {key: row.plan for key, row in platform.stores.read("cf_prod", "ada").items()} == {"zone_plan": "pro", "addon": "free"}
    assert [(record.key, record.read_version) for record in platform.writes()] == [("zone_plan", 0), ("addon", 0)]
    assert platform.marks == {"compare_and_set_lost": 1}


def test_a_write_by_a_non_writer_raises_inside_the_component_and_is_reported() -> None:
    platform = Platform()

    def intruder(message: Message) -> Generator[Any, Any, None]:
        yield Write("subs_dunning", "ada", {"status": "healthy"})

    platform.start(intruder, writer="facade")
    platform.run()
    assert [type(failure) for failure in platform.failures] == [OwnershipError]
    assert platform.stores.read("subs_dunning", "ada") is None
    assert platform.pending == 0


def test_metadata_may_only_be_written_by_its_writers() -> None:
    platform = Platform()

    def intruder(message: Message) -> Generator[Any, Any, None]:
        yield CallStripe("customers.update", "ada", "cus_ada", {"metadata": {"bad_debt": "true"}})

    platform.start(intruder, writer="facade")
    platform.run()
    assert isinstance(platform.failures[0], OwnershipError) and platform.calls == []


def test_a_refusal_by_stripe_is_thrown_into_the_component() -> None:
    platform = Platform()
    caught: list[str] = []

    def caller(message: Message) -> Generator[Any, Any, None]:
        try:
            yield CallStripe("invoices.pay", "ada", "in_gone")
        except StripeError as refusal:
            caught.append(refusal.code)
        answer = yield CallStripe("invoices.retrieve", "ada", "in_ada_1")
        caught.append(answer)

    platform.start(caller)
    platform.run()
    assert caught == ["resource_missing", "in_ada_1"] and not platform.failures


def test_start_waits_for_the_child_and_throws_its_failure_into_the_parent() -> None:
    platform = Platform()
    story: list[str] = []

    def child(message: Message) -> Generator[Any, Any, None]:
        yield Sleep(1_000)
        story.append(message.name)
        raise ValueError("child")

    def parent(message: Message) -> Generator[Any, Any, None]:
        try:
            yield Start("child", "ada", "test")
        except ValueError:
            story.append("caught")

    platform.components["child"] = Component("child", "engine", child)
    platform.start(parent)
    platform.run()
    assert story == ["test/child", "caught"]
    assert platform.pending == 0 and not platform.runtime.running


def test_a_child_that_ends_at_once_does_not_leave_its_parent_waiting() -> None:
    platform = Platform()
    story: list[str] = []

    def child(message: Message) -> Generator[Any, Any, None]:
        story.append("child")
        yield Now()

    def parent(message: Message) -> Generator[Any, Any, None]:
        yield Start("child", "ada", "test")
        yield Start("child", "ada", "test", wait=False)
        story.append("parent")

    platform.components["child"] = Component("child", "engine", child)
    platform.start(parent)
    assert story == ["child", "child", "parent"] and platform.pending == 0


def test_a_consequence_with_a_key_is_executed_once() -> None:
    platform = Platform()
    answers: list[bool] = []

    def actor(message: Message) -> Generator[Any, Any, None]:
        for key in ("k", "k", None, None):
            answers.append((yield Act("notify", "ada", "in_ada_1", "retrying", key)))

    platform.start(actor)
    platform.run()
    assert answers == [True, False, True, True]
    assert platform.stores.shard("ada").actions["notify|in_ada_1|retrying"] == 3
    assert [record.executed for record in platform.records if record[0] == "actions"] == answers


def test_what_is_no_effect_is_thrown_back() -> None:
    platform = Platform()

    def confused(message: Message) -> Generator[Any, Any, None]:
        yield "please"

    platform.start(confused)
    assert [type(failure) for failure in platform.failures] == [TypeError]


@pytest.mark.parametrize("missing", ["e/test/subs_account/ada", "e/test/invoices.pay/in_ada_1", "e/test/invoices.pay/in_ada_1/answer"])
def test_a_question_that_is_not_on_a_strict_tape_is_no_failure_of_the_component(missing: str) -> None:
    """Wherever it is put, when an effect begins or when it is performed, nobody in the world may catch it."""

    def careless(message: Message) -> Generator[Any, Any, None]:
        try:
            yield Read("subs_account", "ada")
            yield CallStripe("invoices.pay", "ada", "in_ada_1")
        except Exception:
            yield Now()

    recorded = Platform()
    recorded.start(careless)
    recorded.run()
    tape = {label: answer for label, answer in recorded.choices.asked if label != missing}
    replayed = Platform(choices=Recorded(1, tape, strict=True))
    with pytest.raises(NotOnTapeError, match=missing):
        replayed.start(careless)
        replayed.run()
    assert not replayed.failures


def test_a_part_of_a_gather_that_there_is_not_is_told_to_the_component() -> None:
    platform = Platform()
    caught: list[str] = []

    def gatherer(message: Message) -> Generator[Any, Any, None]:
        try:
            yield GatherAll("ada", ("subs_acount",))
        except ValueError as error:
            caught.append(str(error))

    platform.start(gatherer)
    assert caught and caught[0].startswith("'subs_acount' is no part of a gather") and not platform.failures


def test_a_component_that_does_not_exist_is_a_failure_and_not_a_crash() -> None:
    platform = Platform()

    def parent(message: Message) -> Generator[Any, Any, None]:
        yield Start("nobody", "ada", "test")

    platform.start(parent)
    assert [type(failure) for failure in platform.failures] == [LookupError]


def test_scan_now_ask_and_send() -> None:
    platform = Platform()
    platform.stores.write("engine", "subs_dunning", "ada", None, {"status": "delinquent"}, START_MS)
    platform.stores.write("engine", "subs_dunning", "bob", None, {"status": "healthy"}, START_MS)
    seen: list[Any] = []

    def job(message: Message) -> Generator[Any, Any, None]:
        rows = yield Scan("subs_dunning", {"status": ("delinquent", "bad_debt")})
        seen.append([row.account for row in rows])
        seen.append((yield Now()) > START_MS)
        seen.append((yield Ask("coin", Options("coin", {7: 1}))))
        yield Send("account_type_changed", "ada")

    platform.start(job, account="")
    platform.run()
    assert seen == [["ada"], True, 7]
    assert [effect.kind for effect in platform.sent] == ["account_type_changed"]


def test_labels_name_what_is_touched_and_number_only_repetition() -> None:
    platform = Platform()

    def reader(message: Message) -> Generator[Any, Any, None]:
        yield Read("subs_account", "ada")
        yield Read("subs_account", "bob")
        yield Read("subs_account", "ada")

    platform.start(reader)
    platform.run()
    assert [label for label, _ in platform.choices.asked] == ["e/test/subs_account/ada", "e/test/subs_account/bob", "e/test/subs_account/ada#2"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_digest_is_a_function_of_the_seed(seed: int) -> None:
    digests = []
    for _ in range(2):
        platform = Platform(seed)

        def writer(message: Message) -> Generator[Any, Any, None]:
            for count in range(5):
                yield Write("subs_dunning", "ada", {"retry_count": count + 1})

        platform.start(writer)
        platform.run()
        digests.append(platform.trace.digest)
    assert digests[0] == digests[1]
    other = Platform(seed + 100)
    other.start(writer)
    other.run()
    assert other.trace.digest != digests[0]
