"""Envelopes without people in them: ids that are unique, customers named by account, and everything else by its pseudonym."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from billsim.replay.documents import Found
from billsim.replay.pseudonyms import Pseudonyms
from billsim.scenario.api_versions import Json, invoice_subscription, reference
from billsim.scenario.imported import objects_in
from billsim.scenario.vocabulary import EVENT_TYPES


class Note(NamedTuple):
    """Something that the importer met and went on from: where it met it first, and one line about it."""

    file: str
    line: int
    message: str


class Notes:
    """Notes, one of a kind: the first is kept in full, the others are counted."""

    def __init__(self) -> None:
        self._first: dict[str, Note] = {}
        self._count: Counter[str] = Counter()

    def add(self, kind: str, file: str, line: int, message: str) -> None:
        """Note something of this kind."""
        self._first.setdefault(kind, Note(file, line, message))
        self._count[kind] += 1

    def all(self) -> list[Note]:
        """One note a kind, in the order in which the kinds were met."""
        return [
            note._replace(message=f"{note.message} (and {self._count[kind] - 1} more like it)") if self._count[kind] > 1 else note
            for kind, note in self._first.items()
        ]


class Names:
    """The names that an incident's things have in its scenario.

    A customer's id is made of the name of its account, and the first subscription's too, so that what the account is given in the other stores is
    about the same subscription. An id that is all zeros stands for many objects in published samples: there an object is told by its `created`, and a
    mere mention by the object of that id in the same event, or in an event of the same API request.
    """

    def __init__(
        self, envelopes: list[Json], pseudonyms: Pseudonyms, accounts: Mapping[str, str] | None = None, bought: Sequence[tuple[str, str]] = ()
    ) -> None:
        """`accounts`: the account's name of a customer, where one is known; `bought`: (subscription, customer) of what the records say was bought."""
        self._accounts = accounts or {}
        self._bought = bought
        self._pseudonyms = pseudonyms
        self._envelopes = envelopes
        self._shown: dict[tuple[str, str], str] = {}
        self._groups = [self._group(index, envelope) for index, envelope in enumerate(envelopes)]
        for group, envelope in zip(self._groups, envelopes, strict=True):
            for found in objects_in(envelope["data"]["object"]):
                if _is_blank(found["id"]) and (created := _created(found)) is not None:
                    self._shown.setdefault((group, found["id"]), f"{found['id']}@{created}")
        self._subscriptions = self._name_subscriptions()
        self._contents: dict[str, str] = {}

    def envelope(self, index: int, notes: Notes, event: Found) -> Json:
        """The pseudonymised envelope, with only the fields that an event has."""
        real = self._envelopes[index]
        data = self._pseudonyms.scrub(real["data"], lambda id, kind, created: self._name(index, id, kind, created))
        kept: Json = {
            "id": self._event_id(real, notes, event),
            "object": "event",
            "api_version": self._version(real, notes, event),
            "created": real["created"],
            "data": {key: data[key] for key in ("object", "previous_attributes") if data.get(key) is not None},
            "livemode": real.get("livemode", True),
            "pending_webhooks": waiting if type(waiting := real.get("pending_webhooks")) is int else 0,
            "request": self._request(real.get("request")),
            "type": self._type(real["type"], notes, event),
        }
        return kept

    def _event_id(self, real: Json, notes: Notes, event: Found) -> str:
        """Equal ids are one event delivered twice only if all else is equal."""
        id, content = real["id"], _content(real)
        if _is_blank(id):
            notes.add("blank id", event.file, event.line, f"{id} names nothing: the event's id is made from its content")
            return self._pseudonyms.id(id, "event", f"{id}/{content}")
        if self._contents.setdefault(id, content) == content:
            return self._pseudonyms.id(id, "event")
        notes.add("id twice", event.file, event.line, f"{id} is the id of two different events: the later one gets an id of its own")
        return self._pseudonyms.id(id, "event", f"{id}/{content}")

    def _version(self, real: Json, notes: Notes, event: Found) -> str | None:
        version = real.get("api_version")
        if isinstance(version, str) and self._pseudonyms.harmless("api_version", version):
            return version
        notes.add("version", event.file, event.line, "has no API version: its object is read by its shape")
        return None

    def _type(self, real: str, notes: Notes, event: Found) -> str:
        if real in EVENT_TYPES:
            return real
        kept = real if self._pseudonyms.harmless("type", real) else self._pseudonyms.text(real)
        notes.add(f"type {kept}", event.file, event.line, f"'{kept}' is no type that a billing platform handles: delivered as it is")
        return kept

    def _request(self, real: Any) -> Json | None:
        if isinstance(real, str):
            real = {"id": real}
        if not isinstance(real, dict):
            return None
        id, key = reference(real.get("id")), reference(real.get("idempotency_key"))
        token = self._pseudonyms.token
        return {"id": f"req_{token(id)}" if id else None, "idempotency_key": f"key_{token(key)}" if key else None}

    def _name(self, index: int, id: str, kind: str, created: Any) -> str:
        group = self._groups[index]
        if kind == "customer" or id.startswith("cus_"):
            return f"cus_{self._account(id)}"
        whole = self._whole(group, id, created)
        return self._subscriptions.get(whole) or self._pseudonyms.id(id, kind, whole)

    def _whole(self, group: str, id: str, created: Any) -> str:
        """What tells this object from all others: its id, where that is one."""
        if not _is_blank(id):
            return id
        return f"{id}@{created}" if type(created) is int else self._shown.get((group, id), f"{id}@{group}")

    def _account(self, customer: str) -> str:
        return self._accounts.get(customer) or f"acct_{self._pseudonyms.token(customer)}"

    def customer(self, id: str) -> str:
        """The name of a customer's id."""
        return f"cus_{self._account(id)}"

    def object(self, id: str, kind: str = "") -> str:
        """The name of any other object's id, as in an event that shows it."""
        return self.customer(id) if id.startswith("cus_") else self._subscriptions.get(id) or self._pseudonyms.id(id, kind)

    def _group(self, index: int, envelope: Json) -> str:
        request = envelope.get("request")
        key = request.get("idempotency_key") if isinstance(request, dict) else None
        return f"request {key}" if isinstance(key, str) and key else f"event {index}"

    def _name_subscriptions(self) -> dict[str, str]:
        """`sub_<account>` for the first subscription of a customer that is met, `sub_<account>-2` for the next."""
        named: dict[str, str] = {}
        many: Counter[str] = Counter()
        for whole, customer in self._all_subscribed():
            if whole not in named:
                account = self._account(customer)
                many[account] += 1
                named[whole] = f"sub_{account}" if many[account] == 1 else f"sub_{account}-{many[account]}"
        return named

    def _all_subscribed(self) -> Iterator[tuple[str, str]]:
        yield from self._bought
        for group, envelope in zip(self._groups, self._envelopes, strict=True):
            yield from self._subscribed(group, envelope["data"]["object"])

    def _subscribed(self, group: str, payload: Json) -> Iterator[tuple[str, str]]:
        """(subscription, customer) of every subscription that is shown, and of every invoice's."""
        for found in objects_in(payload):
            customer = reference(found.get("customer"))
            if customer and found["object"] == "subscription":
                yield self._whole(group, found["id"], _created(found)), customer
            elif customer and found["object"] == "invoice" and (subscription := invoice_subscription(found)):
                yield self._whole(group, subscription, None), customer


def _created(found: Json) -> int | None:
    value = found.get("created", found.get("date"))
    return value if type(value) is int else None


def _is_blank(id: str) -> bool:
    """Whether an id is a sample's: nothing but zeros behind its prefix."""
    body = id.rsplit("_", 1)[-1]
    return len(body) >= 8 and not body.strip("0")


def _content(envelope: Json) -> str:
    told = [envelope["type"], envelope["created"], envelope["data"]]
    return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()
