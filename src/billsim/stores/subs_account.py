"""subs_account: billing profile, flags and account type. Written by engine and facade: the primary vector of drift."""

from __future__ import annotations

from billsim.stores.base import Row, Schema

EMAIL_VERIFIED = 1 << 0
MARKETING_OPT_IN = 1 << 3


class AccountRow(Row, frozen=True, gc=False):
    """The billing profile. `flags` is a bit field: bit 15 is bad_debt, bit 14 has_no_successful_payment, the others belong to the facade."""

    name: str = ""
    email: str = ""
    country: str = "US"
    account_type: str = "self_serve"
    flags: int = 0


SCHEMA = Schema("subs_account", AccountRow, frozenset({"engine", "facade"}))
