"""async-processing: batches by size and by time, one failure repeats its batch, and an engine's own work goes through it."""

from __future__ import annotations

import pytest

from billsim.core.at_least_once import Done, Parcel
from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.ports import Component, Message, Send, Steps
from billsim.queues import async_processing
from billsim.queues.async_processing import LONGEST_MS, MOST
from billsim.run import run_scenario
from billsim.scenario.toml_file import loads

START_MS = 1_700_000_000_000


class Office:
    """A consumer that fails on the messages named, as often as told."""

    def __init__(self, failing: dict[str, int] | None = None) -> None:
        self.kernel = Kernel(START_MS)
        self.failing = failing or {}
        self.seen: list[tuple[int, str, int]] = []
        self.steps: list[tuple[str, str]] = []
        self.queue = async_processing.queue(self.kernel, Seeded(1), self.consume, lambda what, parcel: self.steps.append((what, parcel.name)))

    def consume(self, parcel: Parcel, done: Done) -> None:
        self.seen.append((self.kernel.now, parcel.name, parcel.attempt))
        left = self.failing.get(parcel.name, 0)
        self.failing[parcel.name] = left - 1
        done(RuntimeError("no") if left > 0 else None)

    def send(self, *names: str) -> None:
        for name in names:
            self.queue.publish(name, name, "e", "ada")

    def run(self) -> None:
        assert self.kernel.run(self.kernel.now + 10**8, Unwatched(), 10_000)

    def ended(self, what: str) -> set[str]:
        return {name for step, name in self.steps if step == what}


def test_a_batch_waits_five_seconds_for_company_and_is_delivered_together() -> None:
    office = Office()
    office.send("a", "b", "c")
    office.run()
    instants = {at for at, _, _ in office.seen}
    assert len(office.seen) == 3 and len(instants) == 1
    assert START_MS + LONGEST_MS < instants.pop() <= START_MS + LONGEST_MS + 800, "from the first one's arrival"
    assert office.ended("finished") == {"a", "b", "c"}


def test_a_full_batch_does_not_wait() -> None:
    office = Office()
    office.send(*(f"m{n}" for n in range(MOST + 1)))
    office.run()
    first, last = office.seen[0][0], office.seen[-1][0]
    assert [at for at, _, _ in office.seen].count(first) == MOST
    assert first < START_MS + 1_000 and LONGEST_MS <= last - first <= LONGEST_MS + 800


def test_one_failure_repeats_its_whole_batch_and_no_other() -> None:
    office = Office({"b": 1})
    office.send("a", "b")
    office.run()
    office.send("z")
    office.run()
    attempts = [(name, attempt) for _, name, attempt in office.seen]
    assert sorted(attempts) == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("z", 1)]
    assert office.ended("retried") == {"a", "b"} and office.ended("finished") == {"a", "b", "z"}


def test_a_poison_message_ends_in_the_dead_letter_and_comes_back_by_redrive() -> None:
    office = Office({"b": 4})
    office.send("b")
    office.run()
    assert [attempt for _, _, attempt in office.seen] == [1, 2, 3, 4], "three retries"
    assert office.ended("dead_letter") == {"b"} and office.queue.redrive() == 1
    office.run()
    assert office.seen[-1][2] == 101 and office.ended("finished") == {"b"}


class Receipts:
    """An engine that, when an invoice is paid, sends itself the work of writing a receipt."""

    name = "receipts"

    def __init__(self) -> None:
        self.written: list[tuple[str, str, int]] = []
        self.components = {c.name: c for c in (Component("payer", "engine", self.order), Component("clerk", "engine", self.write))}

    def wakes(self, message: Message) -> tuple[str, ...]:
        return {"stripe.invoice.paid": ("payer",), "async.receipt": ("clerk",)}.get(message.kind, ())

    def order(self, message: Message) -> Steps:
        yield Send("async.receipt", message.account, {"invoice": message.event.data.object.id})

    def write(self, message: Message) -> Steps:
        self.written.append((message.kind, message.body["invoice"], message.at_ms))
        yield from ()


def test_an_engine_sends_itself_work_and_gets_it_back_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Receipts()
    monkeypatch.setattr("billsim.run.load_engine", lambda *_arguments, **_named: engine)
    story = loads(
        """
        id = "queues/receipts"
        start = 2026-03-14T00:00:00Z
        given = [ { account = "ada", failed_attempts = 1 }, { account = "bob", failed_attempts = 1 } ]
        timeline = [
          { at = 2026-03-14T01:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "paid" },
          { at = 2026-03-14T01:00:00Z, by = "stripe", do = "charge", invoice = "bob_1", result = "paid" },
        ]
        """
    )
    records = run_scenario(story, engine="recompute", keep_records=True).records
    assert sorted((kind, invoice) for kind, invoice, _ in engine.written) == [("async.receipt", "in_ada_1"), ("async.receipt", "in_bob_1")]
    steps = [r for r in records if r[0] == "messages" and r.kind == "async.receipt"]
    assert [r.what for r in steps].count("finished") == 2
    arrived = max(r.at_ms for r in steps if r.what == "delivered")
    finished = {r.at_ms for r in steps if r.what == "finished"}
    assert len(finished) == 1 and finished.pop() >= arrived, "both of one batch"
