"""Policy files: what a team's platform has otherwise than the one that ships, in TOML. `docs/own_engine.md` explains every key by an example."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

import msgspec

from billsim.core.platform import Names, Platform, ProgramLimits
from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING
from billsim.core.remediation import RemediationPolicy
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.scenario.documents import parse, read_text
from billsim.scenario.errors import nearest
from billsim.scenario.reading import Path, Reader
from billsim.stores import SCHEMAS
from billsim.stores.subs_account import EMAIL_VERIFIED, MARKETING_OPT_IN

_UNITS = {"d": DAY_MS, "h": HOUR_MS, "min": MINUTE_MS, "s": SECOND_MS, "ms": 1}
_SPAN = re.compile(r"(\d{1,9})\s*(d|h|min|s|ms)")
_HIGHEST_BIT = 52  # beyond it JSON numbers are no longer exact in many languages
_FACADES = {EMAIL_VERIFIED: "email_verified", MARKETING_OPT_IN: "marketing_opt_in"}
_STATUSES = (HEALTHY, RETRYING, DELINQUENT, BAD_DEBT)
_FLAGS = {"bad_debt": "bad_debt_flag", "has_no_successful_payment": "no_success_flag"}
_METADATA = {
    "bad_debt": "bad_debt_key",
    "bad_debt_since": "bad_debt_since_key",
    "bad_debt_amount": "bad_debt_amount_key",
    "has_no_successful_payment": "no_success_key",
    "account_type": "account_type_key",
}
_MOST_RESTARTS = 100


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a policy file, all of which may be left out. Lengths of time are text with a unit: `7d`, `36h`, `90min`, `60s`, `500ms`.

    `grace`: how long a debt that nobody collects any more stays delinquent before it is bad, by instrument; `default` is for the others.
    `ban_after`: how long it is bad before the account is banned. `max_attempts`: after how many the schedule gives up (default: the scenario's).
    `contract_types`: account types that are handled by hand. `lag_budget`: how long a disagreement may be lag.
    `flags`: the bit of each flag. `metadata`: the Stripe key of each governed value. `statuses`, `tables`, `columns`: the platform's names.
    `program`: what an engine that is a program may take: `start`, `answer` (real time), `line_bytes`, `restarts`.
    `remediation`: its restrictions, gates and valves.
    """

    grace: dict[str, Any] = {}
    ban_after: str | None = None
    max_attempts: int | None = None
    contract_types: tuple[str, ...] | None = None
    lag_budget: str | None = None
    flags: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    statuses: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    program: dict[str, Any] = {}
    remediation: RemediationPolicy | None = None


def load_policy(path: str | FilePath) -> Platform:
    """The platform that a policy file describes. Raises InputError for whatever is wrong with it."""
    return loads_policy(read_text(FilePath(path)), str(path))


def loads_policy(text: str, source: str = "") -> Platform:
    """The platform that a text describes; `source` is how errors name it."""
    document = parse(text, source)
    reader = _Reader(document.spot)
    told = PolicyFile(**reader.fields(PolicyFile, document.data, ()))
    return Platform(reader.policy(told), reader.names(told), reader.program(told.program), source, told.remediation)


class _Reader(Reader):
    def policy(self, told: PolicyFile) -> dict[str, Any]:
        """The fields of `DunningPolicy` that are told."""
        fields: dict[str, Any] = {}
        if told.grace:
            grace = {instrument: self.span(value, ("grace", instrument)) for instrument, value in told.grace.items()}
            fields["grace_ms"] = {"default": 7 * DAY_MS, **grace}
        for key, field in (("ban_after", "ban_after_ms"), ("lag_budget", "lag_budget_ms")):
            if (value := getattr(told, key)) is not None:
                fields[field] = self.span(value, (key,))
        if told.max_attempts is not None:
            if not told.max_attempts:
                raise self.fail(("max_attempts",), "must be 1 or more")
            fields["max_attempts"] = told.max_attempts
        if told.contract_types is not None:
            fields["contract_types"] = told.contract_types
        return {**fields, **self.flags(told.flags), **self.metadata(told.metadata)}

    def flags(self, told: dict[str, Any]) -> dict[str, int]:
        """Bit masks, no two of them alike and none the facade's."""
        masks = {"bad_debt": 1 << 15, "has_no_successful_payment": 1 << 14}
        for flag, bit in told.items():
            path: Path = ("flags", flag)
            self.known(flag, _FLAGS, path, "flag")
            if self.plain(int, bit, path) > _HIGHEST_BIT:
                raise self.fail(path, f"is the number of a bit, 0 to {_HIGHEST_BIT}, not {bit}")
            masks[flag] = 1 << bit
            if masks[flag] in _FACADES:
                raise self.fail(path, f"bit {bit} is the facade's {_FACADES[masks[flag]]}")
        if len(set(masks.values())) < len(masks):
            raise self.fail(("flags", next(iter(told))), "two flags are the same bit")
        return {_FLAGS[flag]: masks[flag] for flag in told}

    def metadata(self, told: dict[str, Any]) -> dict[str, str]:
        """Keys that Stripe takes, no two of them alike on one object."""
        for key, name in told.items():
            self.known(key, _METADATA, ("metadata", key), "governed value")
            text = self.plain(str, name, ("metadata", key))
            if not 0 < len(text) <= 40 or "[" in text or "]" in text:
                raise self.fail(("metadata", key), "must be 1 to 40 characters without square brackets, as Stripe's keys are")
        self.distinct({**{key: key for key in _METADATA}, **told}, ("metadata",), told)
        return {_METADATA[key]: name for key, name in told.items()}

    def names(self, told: PolicyFile) -> Names:
        """What the platform calls its statuses, tables and columns."""
        statuses, tables = self.renamed(told.statuses, _STATUSES, ("statuses",)), self.renamed(told.tables, SCHEMAS, ("tables",))
        columns = {}
        for store, names in told.columns.items():
            self.known(store, SCHEMAS, ("columns", store), "store")
            fields = SCHEMAS[store].row.__struct_fields__
            columns[store] = self.renamed(self.table(names, ("columns", store)), fields, ("columns", store))
        return Names(statuses, tables, columns)

    def renamed(self, told: Any, known: Iterable[str], path: Path) -> dict[str, str]:
        """billsim's name -> the platform's, such that it can be undone."""
        known = tuple(known)
        for ours, theirs in told.items():
            self.known(ours, known, (*path, ours), "name of billsim's")
            if not self.plain(str, theirs, (*path, ours)):
                raise self.fail((*path, ours), "must not be empty")
        self.distinct({**{ours: ours for ours in known}, **told}, path, told)
        return dict(told)

    def program(self, told: dict[str, Any]) -> ProgramLimits:
        """How long a program may take."""
        fields = {}
        for key, value in told.items():
            path: Path = ("program", key)
            self.known(key, ("start", "answer", "line_bytes", "restarts"), path, "limit")
            if key in ("start", "answer"):
                fields[f"{key}_ms"] = self.span(value, path)
            else:
                fields[key] = self.plain(int, value, path)
            if key == "restarts" and fields[key] > _MOST_RESTARTS:
                raise self.fail(path, f"must be at most {_MOST_RESTARTS}")
            if key != "restarts" and not list(fields.values())[-1]:
                raise self.fail(path, "must be more than nothing")
        return ProgramLimits(**fields)

    def span(self, value: Any, path: Path) -> int:
        """A length of time, in milliseconds."""
        found = _SPAN.fullmatch(self.plain(str, value, path).strip())
        if found is None:
            raise self.fail(path, f"must be a whole number with a unit ({', '.join(_UNITS)}), as in 7d, not '{value}'")
        return int(found[1]) * _UNITS[found[2]]

    def known(self, name: str, names: Iterable[str], path: Path, what: str) -> None:
        """The name must be one of some."""
        known = tuple(names)
        if name not in known:
            raise self.fail(path, f"unknown {what} '{name}': {', '.join(known)}", nearest(name, known))

    def distinct(self, names: dict[str, str], path: Path, told: dict[str, Any]) -> None:
        """No two things may have one name, or it could not be told which is meant."""
        for ours, theirs in told.items():
            other = next((each for each, name in names.items() if name == theirs and each != ours), None)
            if other is not None:
                raise self.fail((*path, ours), f"'{theirs}' is the name of '{other}' already")
