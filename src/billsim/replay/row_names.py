"""Store rows without people in them: the same things under the same names as in the events beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from billsim.replay.columns import Told
from billsim.replay.naming import Names, Notes
from billsim.replay.pseudonyms import GOVERNED, Pseudonyms
from billsim.scenario.backstory import FIRST_PRODUCT
from billsim.scenario.errors import InputError
from billsim.scenario.rows import AUDIT, Fields
from billsim.stores.cf_prod import FREE, NONE

_KEPT_PLANS = ("", FREE, NONE)
_WORD = re.compile(r"[a-z][a-z_]{0,39}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_CURRENCY = re.compile(r"[a-z]{3}")


class Directory:
    """Who is who in the rows: the name of each account, and of each customer the account that it is mapped to first."""

    def __init__(self, told: Iterable[Told], pseudonyms: Pseudonyms) -> None:
        told = list(told)
        self._pseudonyms = pseudonyms
        self._taken: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.of_customer: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        for row in told:
            if row.fields.get("account"):
                self._enter(row)
        for row in told:
            if row.store == "subs_customer" and (customer := row.fields.get("stripe_customer")):
                self.of_customer.setdefault(customer, self.accounts[row.fields["account"]])
            elif row.store == "billing_prod":
                self.owner[row.fields["object_id"]] = self.accounts[row.fields["account"]]

    def _enter(self, row: Told) -> None:
        real = row.fields["account"]
        if real in self.accounts:
            return
        name = self._pseudonyms.account(real)
        if not _NAME.fullmatch(name) or self._taken.setdefault(name, real) != real:
            raise InputError(f"'{real[:40]}' makes no account name of its own: leave --keep-names out", row.file, row.line, "account")
        self.accounts[real] = name

    def bought(self, told: Iterable[Told]) -> list[tuple[str, str]]:
        """(subscription, customer) of the subscriptions of record."""
        customers = {account: customer for customer, account in reversed(list(self.of_customer.items()))}
        found = []
        for row in told:
            if row.store == "ope" and (subscription := row.fields.get("stripe_subscription")):
                name = self.accounts[row.fields["account"]]
                found.append((subscription, customers.get(name, f"cus_{name}")))
        return found

    def customers(self) -> dict[str, str]:
        """Account names by customer id, real ones and those that an account without a mapping is given."""
        return {**{f"cus_{name}": name for name in self.accounts.values()}, **self.of_customer}


class RowNames:
    """Makes the lines of a rows file of what tables told."""

    def __init__(self, directory: Directory, names: Names, pseudonyms: Pseudonyms, notes: Notes) -> None:
        self._directory = directory
        self._names = names
        self._pseudonyms = pseudonyms
        self._notes = notes
        self._ope: Counter[str] = Counter()
        self._ope_keys: dict[tuple[str, str], str] = {}

    def lines(self, told: Iterable[Told]) -> list[Fields]:
        """The rows under their names, but for those of nobody's. Raises InputError for a value that its field cannot have."""
        return [line for row in told if (line := self._line(row)) is not None]

    def _line(self, told: Told) -> Fields | None:
        account = self._account(told)
        if account is None:
            text = f"{told.store} row of an object that no other row ties to an account: left out"
            self._notes.add(f"nobody's {told.store}", told.file, told.line, text)
            return None
        fields = {key: value for key, value in told.fields.items() if key != "account"}
        return {"store": told.store, "account": account, **self._MAKERS[told.store](self, account, fields, told)}

    def _account(self, told: Told) -> str | None:
        if real := told.fields.get("account"):
            return self._directory.accounts[real]
        id = told.fields["object_id"]
        return self._directory.of_customer.get(id) or self._directory.owner.get(id)

    def _dunning(self, _account: str, fields: Fields, _told: Told) -> Fields:
        return fields

    def _profile(self, _account: str, fields: Fields, told: Told) -> Fields:
        made = dict(fields)
        for key in ("name", "email"):
            if fields.get(key):
                made[key] = self._pseudonyms.text(fields[key], key)
        if "country" in fields and not _COUNTRY.fullmatch(fields["country"]):
            raise InputError(f"'{fields['country'][:40]}' is no country: two capital letters, as in US", told.file, told.line, "country")
        if "account_type" in fields:
            made["account_type"] = self._word(fields["account_type"])
        return made

    def _mapping(self, _account: str, fields: Fields, _told: Told) -> Fields:
        made = dict(fields)
        if fields.get("stripe_customer"):
            made["stripe_customer"] = self._names.customer(fields["stripe_customer"])
        if "checkout_plan" in fields:
            made["checkout_plan"] = self._plan(fields["checkout_plan"])
        return made

    def _entry(self, _account: str, fields: Fields, told: Told) -> Fields:
        currency = fields.get("currency", "usd").lower()
        if not _CURRENCY.fullmatch(currency):
            raise InputError(f"'{currency[:40]}' is no currency: three letters, as in usd", told.file, told.line, "currency")
        kind = fields.get("kind") or ("invoice" if fields["object_id"].startswith("in_") else "charge")
        allowed = ("draft", "open", "paid", "void", "uncollectible") if kind == "invoice" else ("succeeded", "pending", "failed")
        if fields["status"] not in allowed:
            raise InputError(f"'{fields['status']}' is no status of {kind}s: {', '.join(allowed)}", told.file, told.line, "status")
        return {**fields, "object_id": self._names.object(fields["object_id"], kind), "kind": kind, "currency": currency}

    def _access(self, _account: str, fields: Fields, _told: Told) -> Fields:
        return {"product": self._product(fields["product"]), "plan": self._plan(fields["plan"])}

    def _metadata(self, _account: str, fields: Fields, _told: Told) -> Fields:
        held = {key: value for key, value in fields.items() if key != "object_id"}
        return {"object_id": self._names.object(fields["object_id"]), "metadata": {key: self._governed(key, held[key]) for key in held}}

    def _bought(self, account: str, fields: Fields, told: Told) -> Fields:
        made = dict(fields)
        made["key"] = self._ope_key(account, fields["key"])
        if fields.get("stripe_subscription"):
            made["stripe_subscription"] = self._names.object(fields["stripe_subscription"], "subscription")
        else:
            made["stripe_subscription"] = made["key"].replace("ope_", "sub_", 1)
        made["product"], made["plan"] = self._product(fields["product"]), self._plan(fields["plan"])
        return made

    def _ope_key(self, account: str, real: str) -> str:
        if (account, real) not in self._ope_keys:
            self._ope[account] += 1
            self._ope_keys[account, real] = f"ope_{account}" if self._ope[account] == 1 else f"ope_{account}-{self._ope[account]}"
        return self._ope_keys[account, real]

    def _zone(self, _account: str, fields: Fields, _told: Told) -> Fields:
        return {"zone": self._pseudonyms.zone(fields["zone"]), "plan": self._plan(fields["plan"])}

    def _attempt(self, _account: str, fields: Fields, _told: Told) -> Fields:
        made = {"at": fields["at"], "failed": fields["failed"]}
        return {**made, **{key: self._pseudonyms.told(fields[key]) for key in ("params", "result") if fields.get(key)}}

    def _plan(self, value: str) -> str:
        return value if value in _KEPT_PLANS else self._pseudonyms.plan(value)

    def _product(self, value: str) -> str:
        return value if value == FIRST_PRODUCT else self._pseudonyms.id(value, "product")

    def _word(self, value: str) -> str:
        return value if _WORD.fullmatch(value) else self._pseudonyms.text(value)

    def _governed(self, key: str, value: str) -> str:
        return value if key in GOVERNED and re.fullmatch(r"[a-z_]{0,40}|[0-9]{1,15}", value) else self._pseudonyms.text(value, key)

    _MAKERS: Mapping[str, Any] = {
        "subs_dunning": _dunning,
        "subs_account": _profile,
        "subs_customer": _mapping,
        "billing_prod": _entry,
        "cf_prod": _access,
        "stripe_metadata": _metadata,
        "ope": _bought,
        "www": _zone,
        AUDIT: _attempt,
    }
