"""Store rows that a scenario starts from: what the stores of a real platform held at one moment, one JSON object a line.

A line has `store`, `account` and the store's fields; the lines of the audit are attempts to mend an account. A store of which no line tells is
reconstructed from truth; a store that has lines holds exactly those.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from billsim.core.time import to_ms
from billsim.scenario.documents import numbered_lines
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.plan import Scenario
from billsim.scenario.reading import words

AUDIT = "cfbill_migrations_audit"
STORES = ("subs_dunning", "subs_account", "subs_customer", "billing_prod", "cf_prod", "stripe_metadata", "ope", "www")
Fields = dict[str, Any]

_SHAPES: dict[str, tuple[dict[str, type], dict[str, type]]] = {
    "subs_dunning": ({"status": str}, {"retry_count": int, "escalation_level": int, "since_ms": int}),
    "subs_account": ({}, {"name": str, "email": str, "country": str, "account_type": str, "flags": int}),
    "subs_customer": ({}, {"stripe_customer": str, "checkout_plan": str, "braintree_paid": bool}),
    "billing_prod": (
        {"object_id": str, "kind": str, "status": str, "currency": str, "amount_due": int},
        {"amount_paid": int, "amount_remaining": int, "sequence": int},
    ),
    "cf_prod": ({"product": str, "plan": str}, {}),
    "stripe_metadata": ({"object_id": str, "metadata": dict}, {}),
    "ope": ({"key": str, "product": str, "plan": str, "price": int, "stripe_subscription": str}, {"status": str, "interval": str, "quantity": int}),
    "www": ({"zone": str, "plan": str}, {}),
    AUDIT: ({"at": int, "failed": bool}, {"params": str, "result": str}),
}
"""What a line must have, and what it may have, beside `store` and `account`."""


class Attempt(NamedTuple):
    """A line of the audit: an attempt to mend an account, when, and whether it failed; `params` and `result` as they were written down."""

    at_ms: int
    account: str
    params: str
    result: str
    failed: bool


class Rows(NamedTuple):
    """What was given: the rows by account and store, the stores that have any, and the audit in the order of time."""

    accounts: dict[str, dict[str, list[Fields]]]
    stores: frozenset[str]
    audit: tuple[Attempt, ...]

    def of(self, account: str, store: str) -> list[Fields]:
        """The rows of an account in a store."""
        return self.accounts.get(account, {}).get(store, [])

    def tells(self, account: str, store: str) -> bool:
        """Whether the store is known as far as this account goes: it has rows, and the account is not one that only events name."""
        return store in self.stores and account in self.accounts


def rows_of(scenario: Scenario) -> Rows:
    """The rows of a scenario that has some, from the file beside its own. Raises InputError, also for rows of an account that is not given."""
    path = Path(scenario.source).parent / (scenario.rows or "")
    rows = read_rows(path)
    given = [account.account for account in scenario.given]
    unknown = next(iter(sorted({*rows.accounts, *(attempt.account for attempt in rows.audit)} - set(given))), None)
    if unknown is not None:
        raise InputError(f"holds rows of '{unknown}', an account that the scenario does not give", file=str(path), hint=nearest(unknown, given))
    return rows


def read_rows(path: Path) -> Rows:
    """The rows of a rows file. Raises InputError."""
    accounts: dict[str, dict[str, list[Fields]]] = {}
    stores: set[str] = set()
    audit: list[Attempt] = []
    for number, text in numbered_lines(path):
        row = _row(path, number, text)
        store, account = row.pop("store"), row.pop("account")
        if store == AUDIT:
            audit.append(Attempt(row["at"], account, row.get("params", ""), row.get("result", ""), row["failed"]))
        else:
            stores.add(store)
            accounts.setdefault(account, {}).setdefault(store, []).append(row)
    return Rows(accounts, frozenset(stores), tuple(sorted(audit, key=lambda attempt: attempt.at_ms)))


def _row(path: Path, line: int, text: str) -> Fields:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("this line is not JSON", file=str(path), line=line) from None
    if not isinstance(row, dict) or row.get("store") not in (*STORES, AUDIT):
        raise InputError("this line is no row of a store", file=str(path), line=line, key="store")
    if not isinstance(row.get("account"), str):
        raise InputError("a text is required here", file=str(path), line=line, key="account")
    found: Fields = row
    required, optional = _SHAPES[row["store"]]
    for key in required:
        if key not in row:
            raise InputError("this key is missing", file=str(path), line=line, key=key)
    for key, value in row.items():
        kind = {"store": str, "account": str, **required, **optional}.get(key)
        if kind is None:
            raise InputError(f"{row['store']} has no such field", file=str(path), line=line, key=key, hint=nearest(key, (*required, *optional)))
        if type(value) is not kind:
            raise InputError(f"must be {words(kind())}", file=str(path), line=line, key=key)
    return found


def instant_of(text: str) -> int:
    """Milliseconds since the epoch of a date and time, in UTC where it names no zone. Raises ValueError."""
    text = text.strip()
    zoned = text.removesuffix(" UTC") + "Z" if text.endswith(" UTC") else text
    try:
        moment = datetime.fromisoformat(zoned)
    except ValueError:
        raise ValueError(f"must be a time such as 2026-03-14T01:00:00Z, not '{text[:40]}'") from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
