"""What is said to a program and heard from it: JSON objects, with the platform's own names of tables and columns.

Rows, Stripe objects and decisions have the fields of their types in `billsim.stores`, `billsim.stripe.objects` and `billsim.ports`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from billsim.core.choices import Options, Quantiles
from billsim.core.platform import Names, reversed_names
from billsim.external.misbehaviour import Misbehaviour
from billsim.ports import (
    AccountState,
    Act,
    Ask,
    CallStripe,
    CompareAndSet,
    Decision,
    Effect,
    GatherAll,
    Message,
    Now,
    Read,
    Scan,
    Send,
    Sleep,
    Start,
    Transact,
    Write,
)
from billsim.stores import SCHEMAS
from billsim.stores.base import Change, Row
from billsim.stripe.objects import StripeError

# What a program may ask for: the name on the line, and the effect. `ask` alone is spelt otherwise than its effect, because of its table.
EFFECTS: dict[str, type[Effect]] = {
    "read": Read,
    "write": Write,
    "compare_and_set": CompareAndSet,
    "transact": Transact,
    "gather": GatherAll,
    "scan": Scan,
    "call_stripe": CallStripe,
    "send": Send,
    "start": Start,
    "act": Act,
    "sleep": Sleep,
    "ask": Ask,
    "now": Now,
}
_PARTS = (*SCHEMAS, "stripe.customer", "stripe.subscription", "stripe.invoice")
_STATE = {
    "subs_dunning": "dunning",
    "subs_account": "profile",
    "subs_customer": "customer",
    "billing_prod": "ledger",
    "cf_prod": "entitlements",
    "ope": "ope",
    "www": "zones",
}
_OF_EVERY_ROW = ("account", "key", "version")
_TYPES = {
    store: {field.name: field.type for field in msgspec.structs.fields(schema.row) if field.name not in _OF_EVERY_ROW}
    for store, schema in SCHEMAS.items()
}


class Wire:
    """Both directions, under one set of names."""

    def __init__(self, names: Names) -> None:
        self._tables = names.tables
        self._columns = names.columns
        self._ours = reversed_names(names.tables)
        self._our_columns = {store: reversed_names(columns) for store, columns in names.columns.items()}

    # -- said --------------------------------------------------------------------------------------------------------------------------

    def message(self, message: Message) -> dict[str, Any]:
        """What wakes a program."""
        about = {"name": message.name, "kind": message.kind, "account": message.account, "at_ms": message.at_ms}
        return {**about, "event": message.event, "body": message.body}

    def state(self, state: AccountState) -> dict[str, Any]:
        """An account: the rows of each store, by the store's name, and its side of Stripe."""
        stores = {self._tables.get(store, store): self._rows(store, getattr(state, field)) for store, field in _STATE.items()}
        return {"account": state.account, "stores": stores, "stripe": state.stripe, "shared_with": state.shared_with}

    def result(self, effect: Effect, value: Any) -> Any:
        """The answer to an effect."""
        if isinstance(value, AccountState):
            return self.state(value)
        if isinstance(effect, Read | Write | CompareAndSet | Scan):
            return self._rows(effect.store, value)
        return value

    def refusal(self, failure: Exception) -> dict[str, Any]:
        """What an effect raised instead of an answer."""
        if isinstance(failure, StripeError):
            about = {"status": failure.status, "code": failure.code, "stripe_type": failure.type, "message": failure.message}
            return {"type": "StripeError", **about}
        return {"type": type(failure).__name__, "message": str(failure)}

    def _rows(self, store: str, value: Any) -> Any:
        columns = self._columns.get(store)
        if not columns:
            return value
        if isinstance(value, Row):
            row: dict[str, Any] = msgspec.to_builtins(value)
            return {columns.get(field, field): each for field, each in row.items()}
        if isinstance(value, Mapping):
            return {key: self._rows(store, row) for key, row in value.items()}
        return [self._rows(store, row) for row in value] if isinstance(value, tuple) else value

    # -- heard -------------------------------------------------------------------------------------------------------------------------

    def effect(self, asked: Any, account: str) -> Effect:
        """The effect that a program asks for while it handles a message of `account` ('' for a job that walks over accounts).

        Raises Misbehaviour: no_effect or wrong_account.
        """
        if not isinstance(asked, dict) or not isinstance(asked.get("do"), str):
            raise _no_effect("it has no 'do'")
        told = {key: value for key, value in asked.items() if key != "do"}
        kind = EFFECTS.get(asked["do"])
        if kind is None:
            raise _no_effect(f"there is no {asked['do']!r}{_perhaps(asked['do'], EFFECTS)}")
        effect = _ask(told) if kind is Ask else self._built(kind, told, asked["do"], account)
        for named in (getattr(effect, "account", account or None), *(change.account for change in getattr(effect, "changes", ()))):
            if named == "":
                raise _no_effect(f"{asked['do']} names no account")
            if account and named != account:
                raise Misbehaviour("wrong_account", f"it was asked about {account!r}, and its {asked['do']} is for {named!r}")
        return effect

    def decision(self, answer: Mapping[str, Any], account: str) -> Decision:
        """What a program decided of `account`. Raises Misbehaviour: no_decision or wrong_account."""
        if answer.get("account") != account:
            raise Misbehaviour("wrong_account", f"it was asked about {account!r}, and decided about {answer.get('account')!r}")
        told = answer.get("decision")
        decision = _converted(told, Decision, lambda why: Misbehaviour("no_decision", why))
        assert isinstance(decision, Decision)
        return decision

    def _built(self, kind: type[Effect], told: dict[str, Any], do: str, account: str) -> Effect:
        names = {field.name for field in msgspec.structs.fields(kind)}
        if "account" in names:
            told.setdefault("account", account)
        store = self._store(told["store"]) if "store" in names and "store" in told else ""
        if store:
            told["store"] = store
        for part in told.get("parts", ()) if kind is GatherAll else ():
            if self._ours.get(part, part) not in _PARTS:
                raise _no_effect(f"{part!r} is no part of a gather{_perhaps(str(part), _PARTS)}")
        if kind is GatherAll and "parts" in told:
            told["parts"] = [self._ours.get(part, part) for part in told["parts"]]
        if kind is Transact:
            changes = [self._change(store, change, account) for change in told.get("changes", ())]
            effect: Effect = Transact(store, told["account"], tuple(changes))
            return effect
        effect = _converted(told, kind, lambda why: _no_effect(f"{do}: {why}"))
        if isinstance(effect, Write | CompareAndSet):
            return msgspec.structs.replace(effect, fields=self._fields(store, effect.fields))
        return msgspec.structs.replace(effect, where=self._where(store, effect.where)) if isinstance(effect, Scan) else effect

    def _store(self, name: Any) -> str:
        store = self._ours.get(name, name) if isinstance(name, str) else ""
        if store not in SCHEMAS:
            known = [self._tables.get(each, each) for each in SCHEMAS]
            raise _no_effect(f"there is no store {name!r}{_perhaps(str(name), known)}")
        return store

    def _change(self, store: str, told: Any, account: str) -> Change:
        change = _converted({"account": account, **told} if isinstance(told, dict) else told, Change, lambda why: _no_effect(f"transact: {why}"))
        assert isinstance(change, Change)
        return msgspec.structs.replace(change, fields=self._fields(store, change.fields))

    def _fields(self, store: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Columns as fields of the row, each of the field's own type: a store takes what it is given."""
        return {field: _valued(value, _TYPES[store][field], f"{store}.{field}") for field, value in self._named(store, told)}

    def _where(self, store: str, told: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        found = {}
        for field, values in self._named(store, told):
            found[field] = tuple(_valued(value, _TYPES[store][field], f"{store}.{field}") for value in values)
        return found

    def _named(self, store: str, told: Mapping[str, Any]) -> list[tuple[str, Any]]:
        ours, types = self._our_columns.get(store, {}), _TYPES[store]
        fields = [(ours.get(column, column), value) for column, value in told.items()]
        for (field, _), column in zip(fields, told, strict=True):
            if field not in types:
                known = [self._columns.get(store, {}).get(each, each) for each in types]
                raise _no_effect(f"{store} has no column {column!r} to be written{_perhaps(column, known)}")
        return fields


def _ask(told: dict[str, Any]) -> Ask:
    """An open question: `quantiles` (a rising list) or `weights` (whole numbers, by answer)."""
    try:
        kind = str(told["kind"])
        if "quantiles" in told:
            return Ask(kind, Quantiles(kind, (int(value) for value in told["quantiles"])))
        return Ask(kind, Options(kind, {int(value): int(weight) for value, weight in told["weights"].items()}))
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise _no_effect(f"ask: {type(wrong).__name__} {wrong}: it takes a kind, and quantiles or weights") from wrong


def _converted(told: Any, kind: type[Any], failure: Callable[[str], Misbehaviour]) -> Any:
    """`told` as a struct, every field of which is known and of its type."""
    if not isinstance(told, dict):
        raise failure(f"it is {type(told).__name__}, and no object")
    fields = [field.name for field in msgspec.structs.fields(kind)]
    for key in told:
        if key not in fields:
            raise failure(f"it has no field {key!r}{_perhaps(key, fields)}")
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as wrong:
        raise failure(str(wrong)) from None


def _valued(value: Any, kind: Any, what: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        raise _no_effect(f"{what}: {wrong}") from None


def _no_effect(detail: str) -> Misbehaviour:
    return Misbehaviour("no_effect", detail)


def _perhaps(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
