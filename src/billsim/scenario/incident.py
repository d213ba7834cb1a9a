"""An incident: real Stripe events as they were delivered, one envelope a line, in the order of delivery.

An envelope may be of any API version; its object is delivered in today's shape where it is of a kind that the simulated Stripe has, and as it was
sent otherwise. The newest snapshots are what Stripe is seeded with, so that an event is news of a past that Stripe itself has left behind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from billsim.core.time import SECOND_MS
from billsim.scenario.api_versions import DELIVERED, LAST_INSTANT_S, Json, UnreadableError, normalise, reference
from billsim.scenario.documents import numbered_lines
from billsim.scenario.errors import InputError
from billsim.scenario.imported import ImportedEvent, Owners
from billsim.scenario.plan import Scenario
from billsim.scenario.reconstruct import reconstruct
from billsim.stripe.objects import Emitted, Event, EventData, EventRequest, StripeObject


def events_of(scenario: Scenario) -> list[ImportedEvent]:
    """The events of a scenario that has some, from the file beside its own. Raises InputError."""
    return read_events(Path(scenario.source).parent / (scenario.events or ""))


def deliveries(scenario: Scenario) -> Iterator[Emitted]:
    """The events of a scenario as the pipe takes them: see `emit`. Raises InputError."""
    return emit(events_of(scenario))


def read_events(path: Path) -> list[ImportedEvent]:
    """The events of an incident's events file, in the order of delivery, which is the order of its lines.

    An event is delivered at its `created`, or a millisecond after the line before where that would be out of order. Raises InputError.
    """
    found: list[ImportedEvent] = []
    seen: Counter[str] = Counter()
    at_ms = 0
    for number, text in numbered_lines(path):
        envelope = _envelope(path, number, text)
        at_ms = max(envelope["created"] * SECOND_MS, at_ms + 1)
        found.append(ImportedEvent(number, at_ms, envelope, seen[envelope["id"]]))
        seen[envelope["id"]] += 1
    return found


def _envelope(path: Path, line: int, text: str) -> Json:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("this line is not JSON", file=str(path), line=line) from None
    problem = envelope_problem(value)
    if problem:
        raise InputError(problem[1], file=str(path), line=line, key=problem[0])
    envelope: Json = value
    return envelope


def envelope_problem(value: Any) -> tuple[str, str] | None:
    """What makes a JSON value unfit as an event, as (key, message), or None."""
    if not isinstance(value, dict) or value.get("object") != "event":
        return "object", "this is not a Stripe event (its object is not 'event')"
    for key in ("id", "type"):
        if not isinstance(value.get(key), str) or not value[key]:
            return key, "a text is required here" if key in value else "this key is missing"
    created = value.get("created")
    if type(created) is not int or not 0 <= created <= LAST_INSTANT_S:
        return "created", "a time in unix seconds (a whole number from 0) is required here" if "created" in value else "this key is missing"
    data = value.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("object"), dict):
        return "data.object", "the event's object is missing, or is not an object"
    if not isinstance(data.get("previous_attributes"), dict | None):
        return "data.previous_attributes", "an object is required here"
    if not isinstance(value.get("livemode", True), bool):
        return "livemode", "true or false is required here"
    return None


def seed_objects(events: Iterable[ImportedEvent]) -> list[StripeObject]:
    """What Stripe held when the last of the events had happened: see `reconstruct`, which also says what it had to guess."""
    return list(reconstruct(events).objects)


def emit(events: Iterable[ImportedEvent]) -> Iterator[Emitted]:
    """The events as the pipe takes them, each with a name of its own: `<object>.<kind>.<n>`, and `/d<n>` for a repeated delivery.

    The mode (live or test) of most events is the world's own; events of the other mode stay foreign.
    """
    events = list(events)
    modes = Counter(bool(event.envelope.get("livemode", True)) for event in events)
    home = modes[True] >= modes[False]
    owners = Owners(events)
    ordinals: Counter[str] = Counter()
    names: dict[str, str] = {}
    for event in events:
        known = names.get(event.envelope["id"])
        if known is None:
            stem = f"{_subject(event)}.{event.type.rsplit('.', 1)[-1]}"
            ordinals[stem] += 1
            known = names[event.envelope["id"]] = f"{stem}.{ordinals[stem]}"
        name = f"{known}/d{event.copy + 1}" if event.copy else known
        yield Emitted(_event(event, home), name, "w", owners.of(event.payload) or "", event.at_ms)


def _subject(event: ImportedEvent) -> str:
    found = event.payload.get("id")
    return found if isinstance(found, str) and found else str(event.envelope["id"])


def _event(event: ImportedEvent, home: bool) -> Event:
    envelope, version = event.envelope, event.envelope.get("api_version")
    previous = envelope["data"].get("previous_attributes")
    waiting = envelope.get("pending_webhooks")
    return Event(
        id=envelope["id"],
        api_version=version if isinstance(version, str) else None,
        created=event.created,
        data=EventData(delivered_object(event), previous),
        livemode=bool(envelope.get("livemode", True)) is home,
        pending_webhooks=waiting if type(waiting) is int else 1,
        request=_request(envelope.get("request")),
        type=event.type,
    )


def _request(value: Any) -> EventRequest | None:
    """Before API version 2017-05-25 `request` was the bare id."""
    if isinstance(value, dict):
        return EventRequest(reference(value.get("id")), reference(value.get("idempotency_key")))
    return EventRequest(value) if isinstance(value, str) else None


def delivered_object(event: ImportedEvent) -> Any:
    """The event's object in today's shape, or as it was sent where its kind is not modelled or nobody can read it."""
    try:
        return normalise(event.payload, event.created) if event.payload.get("object") in DELIVERED else event.payload
    except UnreadableError:
        return event.payload
