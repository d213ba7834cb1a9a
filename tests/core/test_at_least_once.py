"""Delivery at least once: backed off, then dead, then redriven by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from billsim.core.at_least_once import Done, Parcel, Retry, Topic
from billsim.core.choices import Quantiles, Seeded
from billsim.core.kernel import Kernel, Unwatched

FIXED = Quantiles("fixed", (50, 50))
FAILURE = RuntimeError("the handler fell")


class Road:
    """A topic whose receiver fails the first `failures` times, and what was seen of it."""

    def __init__(self, failures: int = 0) -> None:
        self.kernel = Kernel(0)
        self.choices = Seeded(1)
        self.seen: list[tuple[str, int, int]] = []
        self.failures = failures
        self.topic = Topic(self.kernel, self.choices, "topic", FIXED, self.receive, self.log)

    def receive(self, parcel: Parcel, done: Done) -> None:
        self.failures -= 1
        done(FAILURE if self.failures >= 0 else None)

    def log(self, what: str, parcel: Parcel) -> None:
        self.seen.append((what, parcel.attempt, self.kernel.now))

    def run(self, until_ms: int = 10**9) -> list[str]:
        self.kernel.run(until_ms, Unwatched(), 10**6)
        return [what for what, *_ in self.seen]


def test_delivered_after_the_latency() -> None:
    road = Road()
    road.topic.publish("item", "n", "w", "ada")
    assert road.run() == ["delivered", "finished"]
    assert road.seen[0] == ("delivered", 1, 50)


def test_delayed_before_the_latency() -> None:
    road = Road()
    road.topic.publish("item", "n", "w", "ada", delay_ms=9_000)
    road.run()
    assert road.seen[0][2] == 9_050


@pytest.mark.parametrize(("attempt", "waits_ms"), [(1, 10_000), (2, 20_000), (3, 40_000), (6, 320_000), (7, 600_000), (99, 600_000)])
def test_backs_off_twice_as_long_up_to_the_longest(attempt: int, waits_ms: int) -> None:
    assert Retry().backoff_ms(attempt) == waits_ms


def test_tried_again_after_a_failure() -> None:
    road = Road(failures=2)
    road.topic.publish("item", "n", "w", "ada")
    assert road.run() == ["delivered", "retried", "delivered", "retried", "delivered", "finished"]
    second = road.seen[2][2]
    assert 50 + 10_000 + 50 <= second <= 50 + 11_000 + 50  # back-off of 10 s, jitter of up to 1 s, latency


def test_dead_after_the_last_attempt() -> None:
    road = Road(failures=5)
    road.topic.publish("item", "n", "w", "ada")
    assert road.run() == ["delivered", "retried"] * 4 + ["delivered", "dead_letter"]
    assert [parcel.name for parcel in road.topic.dead] == ["n"]


def test_redriven_once_with_fresh_attempts() -> None:
    road = Road(failures=7)
    road.topic.publish("item", "n", "w", "ada")
    road.run()
    road.seen.clear()
    assert road.topic.redrive() == 1
    assert road.topic.dead == [] and road.topic.redrive() == 0
    assert road.run() == ["redriven", "delivered", "retried", "delivered", "retried", "delivered", "finished"]


def test_a_receiver_may_answer_later() -> None:
    road = Road()
    waiting: list[Callable[[Exception | None], None]] = []
    road.topic = Topic(road.kernel, road.choices, "topic", FIXED, lambda parcel, done: waiting.append(done), road.log)
    road.topic.publish("item", "n", "w", "ada")
    assert road.run() == ["delivered"]
    waiting[0](FAILURE)
    assert road.run() == ["delivered", "retried", "delivered"]
    waiting[1](None)
    assert road.run()[-1] == "finished"


def test_questions_are_named_by_topic_parcel_and_attempt() -> None:
    road = Road(failures=1)
    road.topic.publish("item", "n", "w", "ada")
    road.run()
    assert [label for label, _ in road.choices.asked] == ["w/topic/n/attempt1", "w/topic/n/backoff1", "w/topic/n/attempt2"]
