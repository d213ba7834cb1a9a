"""Stripe as it stood at one moment of an incident, and how it went on from there, event by event.

What was made up to the moment is history: its newest snapshots are what Stripe held. Of an object that only a later event shows, the state before
that event is stepped back to: by its `previous_attributes`, or else by what an event of its type says must have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from billsim.core.time import SECOND_MS
from billsim.scenario.api_versions import NORMALISERS, Json
from billsim.scenario.imported import ImportedEvent, Owners
from billsim.scenario.reconstruct import Seed, reconstruct
from billsim.stripe.objects import StripeObject


class Turn(NamedTuple):
    """At this instant Stripe's side of a customer became this; the event of that line in the events file, `event`, is the news of it."""

    at_ms: int
    line: int
    customer: str
    event: str
    objects: tuple[StripeObject, ...]


class Past(NamedTuple):
    """What Stripe held at the moment, and its turns from then on, in the order of time."""

    opening: tuple[StripeObject, ...]
    turns: tuple[Turn, ...]


def past_of(events: list[ImportedEvent], moment_ms: int) -> Past:
    """Stripe at `moment_ms` and from then on, as far as the events tell."""
    owners = Owners(events)
    groups: dict[str, list[ImportedEvent]] = {}
    for event in sorted(events, key=lambda event: (event.created, event.line)):
        groups.setdefault(owners.of(event.payload) or "", []).append(event)
    opening: list[StripeObject] = []
    turns: list[Turn] = []
    for customer, group in sorted(groups.items()):
        objects, later = _of_customer(customer, group, moment_ms)
        opening += objects
        turns += later
    return Past(tuple(opening), tuple(sorted(turns, key=lambda turn: (turn.at_ms, turn.customer, turn.event))))


def _of_customer(customer: str, group: list[ImportedEvent], moment_ms: int) -> tuple[tuple[StripeObject, ...], list[Turn]]:
    known = [event for event in group if event.created * SECOND_MS <= moment_ms]
    later = [event for event in group if event.created * SECOND_MS > moment_ms]
    known += _stepped_back(known, later, moment_ms)
    seed = reconstruct(known)
    turns = []
    held, guessed = {found.id: found for found in seed.objects}, set(seed.reconstructed)
    for event in later:
        known.append(event)
        turned = reconstruct(known)
        changed = tuple(found for found in turned.objects if _is_news(found, held, guessed, turned))
        held, guessed = {found.id: found for found in turned.objects}, set(turned.reconstructed)
        if changed:
            turns.append(Turn(_turned_at(event), event.line, customer, f"{event.type} {event.envelope['id']}", changed))
    return seed.objects, turns


def _turned_at(event: ImportedEvent) -> int:
    """When Stripe made the event; or when it was delivered, where that was at once but for the order of one second's events."""
    made_ms = event.created * SECOND_MS
    return event.at_ms if event.at_ms - made_ms < SECOND_MS else made_ms


def _is_news(found: StripeObject, held: dict[str, StripeObject], guessed: set[str], turned: Seed) -> bool:
    """What is guessed once and again is no news: the guess only grows with the events that it is made from."""
    return held.get(found.id) != found and not (found.id in guessed and found.id in turned.reconstructed)


def _stepped_back(known: list[ImportedEvent], later: Iterable[ImportedEvent], moment_ms: int) -> list[ImportedEvent]:
    """Snapshots, as of the moment, of what was there by then and is shown only later."""
    shown = {event.payload.get("id") for event in known}
    found = []
    for event in later:
        id = event.payload.get("id")
        if id in shown or event.payload.get("object") not in NORMALISERS:
            continue
        shown.add(id)
        before = _before(event, moment_ms // SECOND_MS)
        if before is not None:
            envelope = {**event.envelope, "type": "snapshot", "created": moment_ms // SECOND_MS, "data": {"object": before}}
            found.append(ImportedEvent(event.line, moment_ms, envelope))
    return found


def _before(event: ImportedEvent, moment_s: int) -> Json | None:
    """The object before the event, or None where it was not there at the moment."""
    payload = event.payload
    made = payload.get("created", payload.get("date"))
    if event.type.endswith(".created") or (type(made) is int and made > moment_s):
        return None
    previous = event.envelope["data"].get("previous_attributes")
    stepped = _laid_over(payload, previous) if isinstance(previous, dict) else payload
    step = _STEPS.get(event.type)
    return step(dict(stepped), event.created) if step is not None and not previous else stepped


def _laid_over(value: Any, previous: Any) -> Any:
    """`previous_attributes` hold the former values of the keys that changed, at any depth; lists are whole."""
    if not isinstance(value, dict) or not isinstance(previous, dict):
        return previous
    return {**value, **{key: _laid_over(value.get(key), old) for key, old in previous.items()}}


def _before_failure(invoice: Json, at: int) -> Json:
    tried = _tried(invoice, 1)
    return {**invoice, "status": "open", "attempt_count": tried, "attempted": tried > 0, "next_payment_attempt": at}


def _before_payment(invoice: Json, at: int) -> Json:
    """Owed; the attempt that paid it is taken back, with its charge."""
    tried = _tried(invoice, 1)
    return {**_owed(invoice), "attempt_count": tried, "attempted": tried > 0, "next_payment_attempt": at, "charge": None, "latest_charge": None}


def _owed(invoice: Json, _at: int = 0) -> Json:
    kept = {key: value for key, value in invoice.items() if key not in ("status_transitions", "amount_remaining", "paid", "closed", "forgiven")}
    return {**kept, "status": "open", "amount_paid": 0}


def _draft(invoice: Json, _at: int) -> Json:
    return {**_owed(invoice), "status": "draft", "attempt_count": 0, "attempted": False}


def _tried(invoice: Json, less: int) -> int:
    count = invoice.get("attempt_count")
    return max(count - less, 0) if type(count) is int else 0


def _unpaid_intent(intent: Json, _at: int) -> Json:
    return {**intent, "status": "requires_payment_method", "latest_charge": None, "charges": None, "amount_received": 0}


def _not_refunded(charge: Json, _at: int) -> Json:
    return {**charge, "refunded": False, "amount_refunded": 0, "refunds": None}


def _active(subscription: Json, _at: int) -> Json:
    return {**subscription, "status": "active", "canceled_at": None, "ended_at": None}


_STEPS: dict[str, Callable[[Json, int], Json]] = {
    "invoice.payment_failed": _before_failure,
    "invoice.paid": _before_payment,
    "invoice.payment_succeeded": _before_payment,
    "invoice.voided": _owed,
    "invoice.marked_uncollectible": _owed,
    "invoice.finalized": _draft,
    "payment_intent.succeeded": _unpaid_intent,
    "payment_intent.payment_failed": _unpaid_intent,
    "payment_intent.processing": _unpaid_intent,
    "payment_intent.requires_action": _unpaid_intent,
    "charge.refunded": _not_refunded,
    "customer.subscription.deleted": _active,
}


def late_or_new(events: Iterable[ImportedEvent], moment_ms: int) -> Iterator[ImportedEvent]:
    """The events that are delivered after the moment, whenever they were made."""
    return (event for event in events if event.at_ms > moment_ms)
