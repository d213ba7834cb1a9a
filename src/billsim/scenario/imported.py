"""Events as they were delivered, and the objects inside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from billsim.scenario.api_versions import NORMALISERS, Json, reference


class ImportedEvent(NamedTuple):
    """One delivery of an event.

    `line` is where it stands in its file, `at_ms` when it was delivered, `copy` how often the same event had been delivered before.
    """

    line: int
    at_ms: int
    envelope: Json
    copy: int = 0

    @property
    def type(self) -> str:
        """Stripe's event type."""
        return str(self.envelope["type"])

    @property
    def payload(self) -> Json:
        """The object that the event is about, as it was sent."""
        found: Json = self.envelope["data"]["object"]
        return found

    @property
    def created(self) -> int:
        """When Stripe made the event, in unix seconds."""
        return int(self.envelope["created"])


def objects_in(value: Any) -> list[Json]:
    """Every object with an id inside a payload, the innermost first."""
    found: list[Json] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Json]) -> None:
    shown = isinstance(value, dict)
    for inner in value.values() if shown else value:
        if inner and isinstance(inner, dict | list):
            _collect(inner, found)
    if shown and isinstance(value.get("id"), str) and isinstance(value.get("object"), str):
        found.append(value)


class Owners:
    """Which customer an object belongs to, by itself or through what it refers to."""

    _LINKS = ("payment_intent", "invoice", "charge", "latest_charge", "subscription", "payment_method")

    def __init__(self, events: Iterable[ImportedEvent]) -> None:
        self._customer: dict[str, str] = {}
        self._links: dict[str, set[str]] = {}
        for event in events:
            for found in objects_in(event.payload):
                self._see(found)

    def _see(self, d: Json) -> None:
        if d["object"] == "customer":
            self._customer[d["id"]] = d["id"]
        elif customer := reference(d.get("customer")):
            self._customer[d["id"]] = customer
        for target in self._targets(d):
            self._links.setdefault(d["id"], set()).add(target)
            self._links.setdefault(target, set()).add(d["id"])

    def _targets(self, d: Json) -> list[str]:
        if d["object"] not in (*NORMALISERS, "dispute", "refund", "setup_intent", "mandate"):
            return []
        return [target for link in self._LINKS if (target := reference(d.get(link)))]

    def of(self, payload: Json) -> str | None:
        """The customer's id, or None where nothing tells."""
        direct = reference(payload.get("customer"))
        if direct or payload.get("object") == "customer":
            return direct or reference(payload)
        own = reference(payload)
        return self.of_id(own) if own else next((found for t in self._targets({"object": "", **payload}) if (found := self.of_id(t))), None)

    def customers(self) -> list[str]:
        """Every customer that is shown or mentioned, sorted."""
        return sorted(set(self._customer.values()))

    def of_id(self, id: str) -> str | None:
        """The customer of the object with this id."""
        waiting, seen = [id], {id}
        while waiting:
            here = waiting.pop(0)
            if here in self._customer:
                return self._customer[here]
            fresh = sorted(self._links.get(here, set()) - seen)
            seen.update(fresh)
            waiting.extend(fresh)
        return None
