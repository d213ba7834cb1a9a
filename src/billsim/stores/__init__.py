"""The stores that account state is spread over: one file a store, and `base` for what they share."""

from __future__ import annotations

from billsim.stores import billing_prod, cf_prod, cfbill_migrations_audit, facade_cache, ope, subs_account, subs_customer, subs_dunning, www
from billsim.stores.base import Schema, Stores

SCHEMAS: dict[str, Schema] = {
    module.SCHEMA.name: module.SCHEMA
    for module in (subs_dunning, subs_account, subs_customer, billing_prod, cf_prod, ope, www, facade_cache, cfbill_migrations_audit)
}


def empty() -> Stores:
    """Every store, without a row."""
    return Stores(SCHEMAS)
