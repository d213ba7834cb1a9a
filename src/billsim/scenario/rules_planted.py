"""What a story may plant in the stores, whatever truth says of it."""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.core.policy import BAD_DEBT, HEALTHY
from billsim.scenario.errors import nearest
from billsim.scenario.locate import Spot
from billsim.scenario.plan import GivenAccount
from billsim.scenario.reading import Path, Reader
from billsim.scenario.vocabulary import INTERVALS
from billsim.stores import SCHEMAS, stripe_metadata

PLANTABLE = ("subs_dunning", "subs_account", "subs_customer", "cf_prod", "ope", "www", stripe_metadata.NAME)
# What a subscription of record may hold otherwise than Stripe bills it.
BOUGHT: dict[str, type] = {"plan": str, "price": int, "quantity": int, "interval": str}
_LEDGER = "billing_prod is an audit trail: what it says follows from the invoices"


def planted(rules: Any) -> None:
    """What a story plants is of a store that holds it, and of something that the account has."""
    for index, account in enumerate(rules.scenario.given):
        for store, fields in account.rows.items():
            path: Path = ("given", index, "rows", store)
            if store == "billing_prod":
                raise rules.fail(path, _LEDGER)
            rules.one_of(store, PLANTABLE, path, "store")
            for field, value in fields.items():
                _plant(rules, store, field, value, (*path, field))
                _planted_at(rules, account, store, field, (*path, field))


def _planted_at(rules: Any, account: GivenAccount, store: str, field: str, path: Path) -> None:
    """Keys that name something of the account's must name something that it has."""
    bought = field.partition("/")[0]
    if store == "ope" and bought != f"ope_{account.account}":
        raise rules.fail(path, f"there is no subscription of record '{bought}'", f"ope_{account.account}")
    if store != stripe_metadata.NAME:
        return
    if not account.stripe_customer:
        raise rules.fail(path, f"'{account.account}' has no Stripe customer that could hold it")
    invoice = field.rpartition("/")[0]
    names = [f"{account.account}_0", *(given.invoice for given in account.invoices)]
    names += [f"{account.account}_1"] if account.failed_attempts or account.subscription in ("incomplete", "incomplete_expired") else []
    if invoice and invoice not in names:
        raise rules.fail(path, f"there is no invoice '{invoice}'", nearest(invoice, names))


def _plant(rules: Any, store: str, field: str, value: Any, path: Path) -> None:
    """In a store of one row an account, a field of the row; in the others a key and what it holds."""
    reader = Reader(Spot(rules.scenario.source, 0))
    reader.fail = rules.fail  # type: ignore[method-assign]
    if store in SCHEMAS and not SCHEMAS[store].many:
        known = {info.name: info for info in msgspec.structs.fields(SCHEMAS[store].row) if info.name not in ("account", "version")}
        rules.one_of(field, known, path, "field")
        reader.value(known[field].type, value, path)
        if (store, field) == ("subs_dunning", "status"):
            rules.one_of(value, (HEALTHY, "retrying", "delinquent", BAD_DEBT), path, "status")
    else:
        what = field.partition("/")[2] if store == "ope" else ""
        rules.one_of(what, ("", *BOUGHT), path, "term of what was bought")
        reader.plain(BOUGHT.get(what, str), value, path)
        if store == "ope" and what in ("", "interval"):
            rules.one_of(value, INTERVALS if what else ("active", "canceled"), path, what or "status")
