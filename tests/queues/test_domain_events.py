"""domain-events: delivered at least once, and a delayed message not before it is due."""

from __future__ import annotations

from billsim.core.at_least_once import Done, Parcel, Retry
from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.queues import domain_events

START_MS = 1_700_000_000_000


def test_a_delayed_message_arrives_when_it_is_due_and_not_before() -> None:
    kernel, arrived = Kernel(START_MS), []

    def receive(parcel: Parcel, done: Done) -> None:
        arrived.append((parcel.item, kernel.now))
        done(None)

    queue = domain_events.queue(kernel, Seeded(1), receive, lambda what, parcel: None)
    queue.publish("later", "later", "e", "ada", 60_000)
    queue.publish("now", "now", "e", "ada")
    kernel.run(START_MS + 120_000, Unwatched(), 100)
    assert [item for item, _ in arrived] == ["now", "later"]
    assert arrived[0][1] < START_MS + 1_000 and START_MS + 60_000 <= arrived[1][1] < START_MS + 61_000


def test_back_off_doubles_up_to_its_longest() -> None:
    assert [Retry().backoff_ms(attempt) for attempt in (1, 2, 3, 7, 8)] == [10_000, 20_000, 40_000, 600_000, 600_000]


def test_redrive_gives_fresh_attempts_under_fresh_labels() -> None:
    kernel, choices, tries = Kernel(START_MS), Seeded(1), []

    def receive(parcel: Parcel, done: Done) -> None:
        tries.append(parcel.attempt)
        done(RuntimeError("no"))

    queue = domain_events.queue(kernel, choices, receive, lambda what, parcel: None)
    queue.publish("x", "x", "e", "ada")
    kernel.run(START_MS + 10**8, Unwatched(), 1_000)
    assert tries == [1, 2, 3, 4, 5] and queue.redrive() == 1
    kernel.run(START_MS + 2 * 10**8, Unwatched(), 1_000)
    assert tries[5:] == [101, 102, 103, 104, 105] and len(queue.dead) == 1
    labels = [label for label, _ in choices.asked]
    assert len(labels) == len(set(labels))
