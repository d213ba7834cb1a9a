"""Explain: each drift of a recorded run as a short story, read from what the run left.

The write that opened it, what its writer had gone by and how old that was, who else wrote on the account in between, why (see `checks.cause`), and
the write that closed it, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from billsim.rundir import read_rows, read_run
from billsim.scenario.errors import InputError, nearest

_CHUNK = 500
_AT_ONCE = 20

MEANINGS = {
    "lost_update": "the row had moved since its writer had read it",
    "stale_read": "what its writer had read elsewhere, or on a list, had moved",
    "stale_event": "its writer believed an event's snapshot that had moved",
    "blind_overwrite": "nothing that its writer knew was old: it did not look at what mattered",
    "partial_apply": "some of it was put right, and the rest was not",
    "missing_handler": "truth moved, and no handler did anything about it",
    "duplicate": "its writer had acted upon the same message before",
    "wrong_path": "it would be right for an account that pays by another instrument",
    "manual_write": "a person wrote it by hand",
    "data": "it was there when the run began",
}


class Raced(NamedTuple):
    """A task that wrote on the account between what the opening writer had gone by and its write. `writes`: {at_ms, store, key, fields} each.

    `decisive`: it wrote what the opening writer had gone by, and its writes begin with that one.
    """

    task: str
    component: str
    cause: str
    at_ms: int
    decisive: bool
    writes: list[dict[str, Any]]


class Story(NamedTuple):
    """One drift. `opening` and `closing` are what is known of the two writes (None: none); `raced` in the order in which they wrote.

    `ticket`: the first ticket that a customer filed about it while it stood, or None.
    """

    account: str
    code: str
    opened_ms: int
    closed_ms: int | None
    cause: str
    detail: str
    opening: dict[str, Any]
    closing: dict[str, Any] | None
    raced: list[Raced]
    ticket: str | None

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of one drift."""
        return {
            "account": self.account,
            "code": self.code,
            "opened_at": self.opened_ms,
            "closed_at": self.closed_ms,
            "opening_write": self.opening,
            "closing_write": self.closing,
            "raced_with": [raced._asdict() for raced in self.raced],
            "read_version": self.opening.get("read_version"),
            "read_age_ms": read_age_ms(self.opening),
            "cause": self.cause,
            "meaning": MEANINGS.get(self.cause, ""),
            "detail": self.detail,
            "ticket": self.ticket,
        }


class Explained(NamedTuple):
    """A run and its drift: what stands open first, then in the order of opening. `complete` False: the run was stopped, more may have followed."""

    run: dict[str, Any]
    stories: list[Story]
    complete: bool

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of `explain`."""
        about = {key: self.run.get(key) for key in ("scenario", "seed", "engine")}
        return {**about, "complete": self.complete, "drift": [story.data for story in self.stories]}


def explain(path: Path, *, account: str | None = None, code: str | None = None) -> Explained:
    """The drift that a run directory holds, or that of one account or code. Raises InputError for a folder that is none, or an unknown name."""
    about = read_run(path)
    rows = read_rows(path, "drift")
    for key, wanted in (("account", account), ("code", code)):
        found = dict.fromkeys(row[key] for row in rows)
        if wanted is not None and wanted not in found:
            raise InputError(f"no drift of '{wanted}' in this run", str(path), key=f"--{key}", hint=nearest(wanted, found))
        rows = [row for row in rows if wanted is None or row[key] == wanted]
    rows.sort(key=lambda row: (row["closed_ms"] is not None, row["opened_ms"], row["n"]))
    tickets = read_rows(path, "tickets") if rows else []
    return Explained(about, list(_stories(path, rows, tickets)), about.get("complete") is True)


def read_age_ms(opening: Mapping[str, Any]) -> int | None:
    """How old the oldest was of what the writer had gone by and had moved; else how long ago it had read the row (None: never)."""
    seen = [moved["seen_ms"] for moved in opening.get("moved", ())] or [opening.get("read_ms")]
    return None if seen[0] is None else int(opening["at_ms"]) - min(seen)


# --- from the tables --------------------------------------------------------------------------------------------------------------------------


def _stories(path: Path, rows: Sequence[Mapping[str, Any]], tickets: Sequence[Mapping[str, Any]]) -> Iterator[Story]:
    """In slices of accounts, so that only the writes of some of them are in memory at a time."""
    accounts = list(dict.fromkeys(str(row["account"]) for row in rows))
    told: dict[int, Story] = {}
    for first in range(0, len(accounts), _CHUNK):
        some = accounts[first : first + _CHUNK]
        writes: dict[str, list[dict[str, Any]]] = {account: [] for account in some}
        for write in read_rows(path, "writes", some):
            writes[write["account"]].append(write)
        told.update((row["n"], _story(row, writes[row["account"]], tickets)) for row in rows if row["account"] in writes)
    return (told[row["n"]] for row in rows)


def _story(row: Mapping[str, Any], writes: Sequence[dict[str, Any]], tickets: Sequence[Mapping[str, Any]]) -> Story:
    opening = msgspec.json.decode(row["opening"])
    closing = msgspec.json.decode(row["closing"]) if row["closing"] else None
    raced = list(_raced(opening, writes))
    ticket = next((str(ticket["text"]) for ticket in tickets if _is_about(ticket, row)), None)
    times = (row["opened_ms"], row["closed_ms"])
    return Story(row["account"], row["code"], *times, row["cause"], row["detail"], opening, closing, raced, ticket)


def _is_about(ticket: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return bool((ticket["account"], ticket["code"]) == (row["account"], row["code"]) and ticket["at_ms"] >= row["opened_ms"])


def _raced(opening: Mapping[str, Any], writes: Sequence[dict[str, Any]]) -> Iterator[Raced]:
    """Who else wrote on the account after what the writer had gone by was so, and before it wrote."""
    age_ms, task = read_age_ms(opening), opening.get("task", "")
    if age_ms is None or not task:
        return
    since_ms = opening["at_ms"] - age_ms
    by_task: dict[str, list[dict[str, Any]]] = {}
    for write in writes:
        if since_ms <= write["at_ms"] <= opening["at_ms"] and not _is_of_one_line(task, write["task"]):
            by_task.setdefault(write["task"], []).append(write)
    gone_by = {(moved["store"], moved["key"]) for moved in opening.get("moved", ())}
    for other, found in list(by_task.items())[:_AT_ONCE]:
        told = sorted(_as_told(found), key=lambda write: (write["store"], write["key"]) not in gone_by)
        decisive = (told[0]["store"], told[0]["key"]) in gone_by
        yield Raced(other, found[0]["component"], found[0]["cause"], told[0]["at_ms"], decisive, told)


def _is_of_one_line(one: str, other: str) -> bool:
    """One of the two tasks is the other, or was started by it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _as_told(writes: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows that a task wrote, each with its changed fields: [field, old, new]."""
    by_record: dict[int, list[Mapping[str, Any]]] = {}
    for write in writes:
        by_record.setdefault(write["n"], []).append(write)
    for fields in by_record.values():
        first = fields[0]
        changed = [[each["field"], _value(each["old"]), _value(each["new"])] for each in fields if each["field"]]
        yield {"at_ms": first["at_ms"], "store": first["store"], "key": first["key"], "fields": changed}


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
