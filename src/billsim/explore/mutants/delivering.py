"""Mutants of the road between Stripe and the engine: pipe, queues, and what is done with a delivery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from billsim.core.at_least_once import Done, Parcel, Topic
from billsim.core.policy import DunningPolicy
from billsim.core.time import HOUR_MS
from billsim.explore.mutants.base import PIPE, Mutated, Planted, replaced
from billsim.pipe.event_filter import EventFilter
from billsim.ports import Message
from billsim.runtime import Task
from billsim.stripe.objects import Event
from billsim.world import World

# The longest delay that Cloudflare Queues know (https://developers.cloudflare.com/queues/platform/limits/).
LONGEST_DELAY_MS = 12 * HOUR_MS


def altering(alter: Callable[[World], None]) -> Callable[[DunningPolicy], Mutated]:
    """`recompute`, in another world."""
    return lambda policy: Mutated(policy, alter=alter)


class ByObject(EventFilter):
    """Takes two events of one type about one object for one event."""

    def has_finished(self, event: Event) -> bool:
        return super().has_finished(_by_object(event))

    def finished(self, event: Event, now_ms: int) -> None:
        super().finished(_by_object(event), now_ms)


def _by_object(event: Event) -> Event:
    return replace(event, id=f"{event.type} {getattr(event.data.object, 'id', '')}")


class NewestOnly(EventFilter):
    """Drops what is older than something of the same customer that has been finished."""

    def __init__(self) -> None:
        super().__init__()
        self._newest: dict[str, int] = {}

    def has_finished(self, event: Event) -> bool:
        return super().has_finished(event) or event.created < self._newest.get(_customer(event), 0)

    def finished(self, event: Event, now_ms: int) -> None:
        super().finished(event, now_ms)
        customer = _customer(event)
        self._newest[customer] = max(event.created, self._newest.get(customer, 0))


def _customer(event: Event) -> str:
    thing: Any = event.data.object
    return str(getattr(thing, "customer", "") or thing.id)


def _filtered_by(make: Callable[[], EventFilter]) -> Callable[[World], None]:
    def alter(world: World) -> None:
        world.pipe.filter = make()

    return alter


def _remembered_on_arrival(world: World) -> None:
    """An event is known from its first delivery on, whatever becomes of that."""
    known: dict[str, bool] = {}

    def receive(parcel: Parcel, done: Done) -> None:
        name = parcel.item.event.id
        if name in known:
            done(None)
            return
        known[name] = True
        before(parcel, done)

    before = replaced(world.pipe.subscription, "_receive", receive)


def at_most_once(topic: Topic) -> None:
    """Whatever becomes of a delivery, it is the only one."""

    def receive(parcel: Parcel, done: Done) -> None:
        before(parcel, lambda _failure: done(None))

    before = replaced(topic, "_receive", receive)


def _none_redriven(world: World) -> None:
    for topic in (world.pipe.subscription, world.domain_events, world.async_processing):
        replaced(topic, "redrive", lambda: 0)


def _posted_once(world: World) -> None:
    """Stripe's POST that got no 2xx is the last."""

    def refused(post: Any) -> None:
        if not world.pipe.filter.ignores(post.emitted.event):
            world.on_the_way(post.emitted.customer, -1)

    replaced(world.pipe, "_refused", refused)


def _delays_cut(world: World) -> None:
    def publish(item: Any, name: str, origin: str, account: str, delay_ms: int = 0) -> None:
        before(item, name, origin, account, min(delay_ms, LONGEST_DELAY_MS))

    before = replaced(world.domain_events, "publish", publish)


def _one_success(world: World) -> None:
    """A message is done with when one of those that it wakes has ended well."""

    def forward(message: Message, attempt: int, done: Done) -> None:
        failures: list[Exception | None] = []
        woken = [world.components[name] for name in world.engine.wakes(message)]

        def ended(_task: Task, failure: Exception | None) -> None:
            failures.append(failure)
            if len(failures) == len(woken):
                done(None if None in failures else failures[0])

        if not woken:
            done(None)
        for component in woken:
            world.runtime.start(component, message, f"e/{message.name}/attempt{attempt}/{component.name}", ended)

    replaced(world, "forward", forward)


_DELIVERING: dict[str, tuple[str, Callable[[World], None]]] = {
    "filter_remembers_early": ("an event is remembered once it has been handled, and not before", _remembered_on_arrival),
    "filter_by_object": ("two events of one type about one object are two events", _filtered_by(ByObject)),
    "older_events_dropped": ("an event that is late is handled all the same", _filtered_by(NewestOnly)),
    "acknowledged_before_handled": ("an event is acknowledged once it has been handled", lambda world: at_most_once(world.pipe.subscription)),
    "dead_letters_not_redriven": ("what is in a dead letter is sent again", _none_redriven),
    "stripe_not_retried": ("what the ingress did not take is posted again", _posted_once),
    "one_success_is_enough": ("a message is handled when all have handled it that it wakes", _one_success),
    "domain_events_at_most_once": ("a domain event that was not handled comes again", lambda world: at_most_once(world.domain_events)),
    "async_at_most_once": ("work that was not done comes again", lambda world: at_most_once(world.async_processing)),
    "delay_cut_short": ("a wake-up that comes too early is ordered again", _delays_cut),
}  # fmt: skip

DELIVERING = tuple(Planted(name, safeguard, PIPE, altering(alter)) for name, (safeguard, alter) in _DELIVERING.items())
