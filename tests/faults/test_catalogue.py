"""Each fault by itself: what it does to an event or a message, under which label, within which scope, and that it stops."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from billsim.core.at_least_once import Done, Parcel, Topic
from billsim.core.choices import Quantiles, Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.core.time import HOUR_MS, MINUTE_MS
from billsim.core.trace import MessageRecord
from billsim.faults.base import Dial, Fault
from billsim.faults.catalogue import CATALOGUE, FAULTS, Weather, described, weather_of
from billsim.pipe.forwarding import Pipe
from billsim.ports import Message
from billsim.stripe.objects import Emitted, Event, EventData, Invoice

START_MS = 1_700_000_000_000 // HOUR_MS * HOUR_MS
ALWAYS = 1_000_000
ACCOUNTS = {"cus_ada": ("ada",), "cus_bob": ("bob",)}


def accounts_of(customer: str) -> tuple[str, ...]:
    return ACCOUNTS.get(customer, ())


class Town:
    """A pipe under one fault that always strikes, and what came out of it."""

    def __init__(self, fault: str = "", *, ppm: int = ALWAYS, **dial: object) -> None:
        self.kernel = Kernel(START_MS)
        self.choices = Seeded(1)
        dials = {fault: Dial(ppm=ppm, **dial)} if fault else {}  # type: ignore[arg-type]
        self.weather = weather_of(dials, self.choices, accounts_of)
        self.arrived: list[tuple[str, int]] = []
        self.messages: list[Message] = []
        self.whats: list[tuple[str, str]] = []
        self.pending = 0
        self.pipe = Pipe(self.kernel, self.choices, self, secret="whsec_fake", weather=self.weather)

    def accounts_of(self, customer: str) -> tuple[str, ...]:
        return accounts_of(customer)

    def forward(self, message: Message, attempt: int, done: Done) -> None:
        self.arrived.append((message.name, self.kernel.now))
        self.messages.append(message)
        # A handler takes longer than two deliveries of one event lie apart.
        self.kernel.call_at(self.kernel.now + 2_000, 0, lambda _: done(None))

    def on_the_way(self, customer: str, by: int) -> None:
        self.pending += by

    def acknowledged(self, emitted: Emitted, at_ms: int) -> None:
        pass

    def record(self, record: MessageRecord) -> None:
        self.whats.append((record.what, record.name))

    passed = record

    def took(self, account: str, ms: int) -> None:
        pass

    def emit(self, name: str, type: str = "invoice.paid", customer: str = "cus_ada", status: str = "open", origin: str = "w") -> None:
        account = customer.removeprefix("cus_")
        invoice = Invoice(id=f"in_{account}_1", created=1, customer=customer, status=status)  # type: ignore[arg-type]
        event = Event(id=f"evt_{name}", created=self.kernel.now // 1000, type=type, data=EventData(invoice))
        self.pipe.emit(Emitted(event, name, origin, customer, self.kernel.now))

    def run(self, ms: int = 10**9) -> None:
        until_ms = self.kernel.now + ms
        assert self.kernel.run(until_ms, Unwatched(), 100_000)
        self.kernel.move_to(until_ms)

    def names(self) -> list[str]:
        return [name for name, _ in self.arrived]

    def labels(self) -> list[str]:
        return [label for label, _ in self.choices.asked if "/fault/" in label]


# --- the pipe's ---


def test_late_is_late_by_no_more_than_its_minutes() -> None:
    town = Town("late", minutes=100)
    for n in range(50):
        town.emit(f"x{n}")
    town.run()
    waits = [at - START_MS for _, at in town.arrived]
    assert min(waits) >= 60_000 and 20 * MINUTE_MS < max(waits) <= 100 * MINUTE_MS + 6_000
    assert town.labels()[:2] == ["w/fault/late/x0", "w/fault/late/x0/by"]


def test_what_becomes_of_a_late_post_is_decided_when_it_sets_out() -> None:
    """And not when its event is emitted, which may be in a storm that is over when it leaves."""
    town = Town("late", minutes=100)
    assert town.weather is not None
    refused = town.weather.refuses = Refusing()  # type: ignore[method-assign]
    town.emit("x")
    assert refused.posts == []
    town.run()
    assert [post for post, _ in refused.posts] == [1, 2] and town.names() == ["x"]
    assert refused.posts[0][1] >= START_MS + MINUTE_MS and refused.posts[1][1] >= refused.posts[0][1] + 5 * MINUTE_MS


class Refusing:
    """An ingress that refuses the first POST."""

    def __init__(self) -> None:
        self.posts: list[tuple[int, int]] = []

    def __call__(self, emitted: Emitted, post: int, now_ms: int) -> bool:
        self.posts.append((post, now_ms))
        return len(self.posts) == 1


def test_a_twin_is_another_event_object_of_the_same_change() -> None:
    town = Town("twin")
    town.emit("x")
    town.run()
    assert town.names() == ["x", "x/d2"]
    first, second = (message.event for message in town.messages)
    assert first.id != second.id and first.data.object == second.data.object
    assert town.pending == 0


def test_a_story_that_doubles_an_event_has_doubled_it_enough() -> None:
    town = Town("twin")
    town.pipe.duplicate("invoice.paid", "", 3)
    town.emit("x")
    town.run()
    assert sorted(town.names()) == ["x", "x/d2", "x/d3"]


def test_same_second_takes_the_stamp_of_the_customers_event_before() -> None:
    town = Town("same_second")
    town.emit("x")
    town.run(30_000)
    town.emit("y")
    town.emit("z", customer="cus_bob")
    town.run(60_000)
    town.emit("later")
    town.run()
    stamps = {message.name: message.event.created - START_MS // 1000 for message in town.messages}
    assert stamps["x"] == stamps["y"] == 0 and stamps["z"] >= 30, "only the same customer's"
    assert stamps["later"] >= 60, "more than the minute after the last of its own stamp"


def test_out_of_order_lets_the_customers_next_event_go_first() -> None:
    town = Town("out_of_order", events=("invoice.payment_failed",))
    town.emit("failed", "invoice.payment_failed")
    town.run(10_000)
    town.emit("other", customer="cus_bob")
    town.run(10_000)
    assert town.names() == ["other"] and town.pending == 1, "another customer's event overtakes nothing"
    town.emit("paid")
    town.run()
    assert town.names() == ["other", "paid", "failed"] and town.pending == 0
    assert [what for what, name in town.whats if name == "failed"] == ["emitted", "held", "released", "delivered", "finished"]


def test_out_of_order_goes_by_itself_when_nothing_overtakes_it() -> None:
    town = Town("out_of_order", minutes=5)
    town.emit("alone")
    town.run()
    waited = town.arrived[0][1] - START_MS
    assert 5 * MINUTE_MS < waited < 5 * MINUTE_MS + 6_000


def test_an_engines_echo_does_not_overtake_what_the_world_sent() -> None:
    town = Town("out_of_order", events=("invoice.payment_failed",), minutes=5)
    town.emit("failed", "invoice.payment_failed")
    town.emit("echo", "customer.updated", origin="e")
    town.run()
    assert town.names() == ["echo", "failed"] and town.arrived[1][1] > START_MS + 5 * MINUTE_MS


def test_stale_snapshot_waits_until_its_object_is_another() -> None:
    town = Town("stale_snapshot", events=("invoice.payment_failed",))
    town.emit("failed", "invoice.payment_failed")
    town.emit("same", "invoice.updated")
    town.run(10_000)
    assert town.names() == [], "no handler for the one, no change for the other"
    town.emit("paid", status="paid")
    town.run()
    assert town.names() == ["paid", "failed"]
    assert town.messages[1].event.data.object.status == "open"


def test_what_is_lost_is_posted_again_and_each_try_is_asked_about() -> None:
    town = Town("lost", ppm=500_000)
    for n in range(20):
        town.emit(f"x{n}")
    town.run()
    assert sorted(town.names()) == sorted(f"x{n}" for n in range(20)) and town.pending == 0
    refused = [name for what, name in town.whats if what == "refused"]
    assert 5 < len(refused) < 60
    assert "w/fault/lost/x0/post1" in town.labels()


def test_an_outage_begins_with_an_hour_lasts_its_minutes_and_is_one_fact() -> None:
    town = Town("ingress_outage", minutes=10)
    for n in range(3):
        town.emit(f"x{n}")
    town.run(5 * MINUTE_MS)
    assert town.names() == []
    town.run(50 * MINUTE_MS)
    assert sorted(town.names()) == ["x0", "x1", "x2"] and min(at for _, at in town.arrived) >= START_MS + 10 * MINUTE_MS
    assert town.labels() == [f"w/fault/ingress_outage/{START_MS // HOUR_MS}"]


@pytest.mark.parametrize(("minutes", "down"), [(20, [0, 19]), (60, [0, 59]), (90, [0, 59, 60, 89])])
def test_an_outage_is_on_from_its_hour_for_as_long_as_it_lasts(minutes: int, down: list[int]) -> None:
    fault = CATALOGUE["ingress_outage"](Dial(ppm=ALWAYS, minutes=minutes), Seeded(1, overrides=only(START_MS // HOUR_MS)), accounts_of)
    event = Emitted(Event(id="e", created=1, type="invoice.paid", data=EventData(None)), "e", "w", "", 0)
    minutes_down = [m for m in range(-90, 180) if fault.refuses(event, 1, START_MS + m * MINUTE_MS)]
    assert minutes_down == list(range(minutes)) and set(down) <= set(minutes_down)


def only(hour: int) -> dict[str, int]:
    """Of many hours, an outage begins in one."""
    return {f"w/fault/ingress_outage/{other}": int(other == hour) for other in range(hour - 200, hour + 200)}


def test_a_duplicate_is_the_same_event_under_way_twice() -> None:
    town = Town("duplicate")
    town.emit("x")
    town.run()
    assert sorted(town.names()) == ["x", "x/d1"], "the second arrived before the first was finished"
    assert {message.event.id for message in town.messages} == {"evt_x"}
    assert town.pipe.counts.duplicates == 1 and town.pending == 0


def test_the_second_delivery_of_what_is_finished_is_dropped_and_counted_once() -> None:
    town = Town("duplicate")
    town.pipe.filter.finished(Event(id="evt_x", created=1, type="invoice.paid", data=EventData(None)), START_MS)
    town.emit("x")
    town.run()
    assert town.names() == [] and town.pending == 0
    assert town.pipe.counts.duplicates == 2, "the event had been finished before, and its copy is one more"


def test_a_dead_letter_never_reaches_the_engine_until_it_is_redriven() -> None:
    town = Town("dead_letter")
    town.emit("x")
    town.run()
    assert town.names() == [] and town.pipe.counts.dead_letter == 1 and town.pending == 0
    assert [what for what, _ in town.whats].count("delivered") == 5
    town.pipe.redrive()
    town.run()
    assert town.names() == ["x"] and town.pending == 0 and town.labels() == ["w/fault/dead_letter/x"]


# --- the queues' ---


class Queue:
    """A queue under one fault, as a world consumes it."""

    def __init__(self, fault: str, **dial: object) -> None:
        self.kernel = Kernel(START_MS)
        self.choices = Seeded(1)
        weather = weather_of({fault: Dial(ppm=ALWAYS, **dial)}, self.choices, accounts_of)  # type: ignore[arg-type]
        assert weather is not None
        self.weather = weather
        self.consumed: list[tuple[str, int]] = []
        self.whats: list[str] = []
        latency = Quantiles("fixed", (50, 50))
        self.topic = Topic(self.kernel, self.choices, "q", latency, self.consume, self.log, loses_ack=weather.loses_ack)

    def log(self, what: str, parcel: Parcel) -> None:
        self.whats.append(what)

    def consume(self, parcel: Parcel, done: Done) -> None:
        if self.weather.fails_message(parcel):
            done(RuntimeError("poison"))
            return
        self.consumed.append((parcel.name, parcel.attempt))
        done(None)

    def send(self, name: str, account: str = "ada") -> None:
        self.topic.publish(name, name, "e", account)
        self.kernel.run(self.kernel.now + 10**8, Unwatched(), 10_000)


def test_redelivery_brings_a_handled_message_once_more() -> None:
    queue = Queue("redelivery")
    queue.send("x")
    assert queue.consumed == [("x", 1), ("x", 2)]
    assert queue.whats == ["delivered", "retried", "delivered", "finished"]


def test_a_poison_message_is_put_aside_and_goes_through_after_the_redrive() -> None:
    queue = Queue("poison")
    queue.send("x")
    assert queue.consumed == [] and queue.whats[-1] == "dead_letter"
    assert queue.topic.redrive() == 1
    queue.kernel.run(queue.kernel.now + 10**8, Unwatched(), 10_000)
    assert queue.consumed == [("x", 101)]


@pytest.mark.parametrize("fault", ["redelivery", "poison"])
def test_a_queues_fault_keeps_to_its_accounts(fault: str) -> None:
    queue = Queue(fault, accounts=("bob",))
    queue.send("x")
    assert queue.whats == ["delivered", "finished"]
    queue.send("y", "bob")
    assert "retried" in queue.whats


# --- all of them ---


OF_THE_PIPE = [fault for fault in FAULTS if fault.area == "pipe"]
SCOPED = [fault.name for fault in OF_THE_PIPE if fault.scoped]


@pytest.mark.parametrize("scope", [{"accounts": ("bob",)}, {"events": ("invoice.voided",)}], ids=["accounts", "events"])
@pytest.mark.parametrize("name", SCOPED)
def test_outside_its_scope_a_fault_neither_strikes_nor_asks(name: str, scope: dict[str, tuple[str, ...]]) -> None:
    town, calm = Town(name, **scope), Town()
    for each in (town, calm):
        each.emit("x")
        each.emit("y", "invoice.payment_failed", status="paid")
        each.run()
    assert town.labels() == [] and town.whats == calm.whats and town.arrived == calm.arrived


@pytest.mark.parametrize("name", SCOPED)
def test_within_its_scope_it_strikes(name: str) -> None:
    town = Town(name, accounts=("ada",), events=("invoice.paid",))
    town.emit("x")
    town.emit("y")
    town.run()
    assert town.labels()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_once_the_storm_is_over_nothing_fails(fault: type[Fault]) -> None:
    town = Town(fault.name)
    assert town.weather is not None
    town.weather.stopped = True
    parcel = Parcel(town.pipe.subscription, None, "m", "e", "ada")
    parcel.attempt = 1
    assert not town.weather.fails_message(parcel) and not town.weather.loses_ack(parcel)
    town.emit("x")
    town.emit("y")
    town.run()
    assert sorted(town.names()) == ["x", "y"] and town.labels() == []


def test_what_waits_to_be_overtaken_goes_when_the_storm_is_over() -> None:
    town = Town("out_of_order")
    town.emit("x")
    town.pipe.release_all()
    town.run(10_000)
    assert town.names() == ["x"]
    town.run()
    assert town.names() == ["x"], "its timer sends it no second time"


def test_no_fault_no_question() -> None:
    assert weather_of({}, Seeded(1), accounts_of) is None
    assert weather_of({"late": Dial(ppm=0)}, Seeded(1), accounts_of) is None


def test_a_rate_is_parts_per_million() -> None:
    town = Town("duplicate", ppm=100_000)
    for n in range(2_000):
        town.emit(f"x{n}")
    town.run()
    assert 150 < sum("/d1" in name for name in town.names()) < 250, "a tenth of 2000"


HOOKS: dict[str, Callable[[Weather], list[Fault]]] = {
    "late": lambda weather: weather._leaving,
    "lost": lambda weather: weather._posting,
    "duplicate": lambda weather: weather._copying,
    "dead_letter": lambda weather: weather._handling,
    "poison": lambda weather: weather._consuming,
    "redelivery": lambda weather: weather._acknowledging,
    "crash": lambda weather: weather._befalling,
}


@pytest.mark.parametrize("name", HOOKS)
def test_a_fault_is_asked_only_where_it_can_strike(name: str) -> None:
    weather = weather_of({fault.name: Dial(ppm=1) for fault in FAULTS}, Seeded(1), accounts_of)
    assert weather is not None
    here = HOOKS[name](weather)
    assert name in {fault.name for fault in here} and len(here) < len(FAULTS)


def test_the_catalogue_says_of_each_what_it_does_and_how_it_heals() -> None:
    listed = described()
    assert [fault["name"] for fault in listed] == [fault.name for fault in FAULTS] and len(listed) == 30
    for fault in listed:
        assert fault["what"] and fault["heals"] and fault["of_each"]
        assert fault["area"] in ("pipe", "queues", "engine", "stripe", "stores", "crons", "data", "mirror")
        assert 0 <= fault["minutes"] <= fault["most_minutes"]
    assert msgspec.json.encode(listed)
