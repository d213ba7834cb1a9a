"""Rows of a platform written by hand: accounts on which everything agrees, of which a test then changes what it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from billsim.warehouse.tables import TABLES

NOW_S = 1773450000  # 2026-03-14T01:00:00Z
NOW_MS = NOW_S * 1000
DAY_S = 86_400
BAD_DEBT, NO_SUCCESS = 1 << 15, 1 << 14
_COLUMNS = {table.name: table.columns for table in TABLES}
PRICES = [
    {"id": f"price_{plan}", "product": "zone_plan", "unit_amount": amount, "billing_interval": "month"}
    for plan, amount in (("pro", 2000), ("biz", 20000))
]


class Account:
    """An account that pays 20.00 a month and has paid its one invoice. `name` is in all its ids.

    Rows are dicts by table, instants in unix seconds; columns that are not told are NULL.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.customer, self.invoice, self.subscription = f"cus_{name}", f"in_{name}_1", f"sub_{name}"
        self.ope, self.charge, self.zone = f"ope_{name}", f"ch_{name}_1", f"{name}.example"
        paid_s = NOW_S - 20 * DAY_S
        of = {"account": name}
        self.rows: dict[str, list[dict[str, Any]]] = {
            "subs_account": [{**of, "name": name, "email": f"{name}@a.example", "account_type": "self_serve", "flags": 1}],
            "subs_dunning": [{**of, "status": "healthy", "retry_count": 0, "escalation_level": 0, "intent": "[]", "done": "[]"}],
            "subs_customer": [{**of, "stripe_customer": self.customer, "braintree_paid": False, "payment_method": f"pm_{name}"}],
            "cf_prod": [{**of, "product": "zone_plan", "plan": "pro"}],
            "www_zones": [{**of, "zone": self.zone, "plan": "pro"}],
            "ope_subscriptions": [{**of, "id": self.ope, "status": "active", "billing_interval": "month", "stripe_subscription": self.subscription}],
            "ope_items": [{**of, "subscription": self.ope, "stage": "current", "product": "zone_plan", "plan": "pro", "price": 2000, "quantity": 1}],
            "stripe_customers": [
                {
                    "id": self.customer,
                    "name": name,
                    "email": f"{name}@a.example",
                    "default_payment_method": f"pm_{name}",
                    "default_payment_method_type": "card",
                    "metadata": '{"account_type":"self_serve"}',
                }
            ],
            "stripe_subscriptions": [{"id": self.subscription, "customer": self.customer, "status": "active", "latest_invoice": self.invoice}],
            "stripe_subscription_items": [self._item()],
            "stripe_invoices": [
                {
                    "id": self.invoice,
                    "created": paid_s,
                    "customer": self.customer,
                    "subscription": self.subscription,
                    "status": "paid",
                    "billing_reason": "subscription_cycle",
                    "collection_method": "charge_automatically",
                    "total": 2000,
                    "amount_due": 2000,
                    "amount_paid": 2000,
                    "amount_remaining": 0,
                    "attempt_count": 1,
                    "attempted": True,
                    "finalized_at": paid_s,
                    "paid_at": paid_s,
                    "payment_intent_status": "succeeded",
                    "metadata": "{}",
                }
            ],
            "stripe_charges": [self._charged("succeeded", paid_s)],
            "billing_prod": [],
        }
        self.book()

    def set(self, table: str, **values: Any) -> Account:
        """Change the first row of a table."""
        row = self.rows[table][0]
        assert set(values) <= {column.name for column in _COLUMNS[table]}
        row.update(values)
        return self

    def add(self, table: str, **values: Any) -> Account:
        """One more row."""
        assert set(values) <= {column.name for column in _COLUMNS[table]}
        self.rows[table].append(values)
        return self

    def drop(self, *tables: str) -> Account:
        """No rows in these tables."""
        for table in tables:
            self.rows[table] = []
        return self

    def book(self) -> Account:
        """The ledger says what Stripe has."""
        told = [
            *[
                (each["id"], "invoice", each["status"], each["amount_due"], each["amount_paid"], each["amount_remaining"])
                for each in self._of("invoices")
            ],
            *[
                (each["id"], "charge", each["status"], each["amount"], each["amount"] if each["status"] == "succeeded" else 0, 0)
                for each in self._of("charges")
            ],
        ]
        names = ("object_id", "kind", "status", "amount_due", "amount_paid", "amount_remaining")
        self.rows["billing_prod"] = [
            {"account": self.name, "sequence": number, **dict(zip(names, entry, strict=True))} for number, entry in enumerate(told, 1)
        ]
        return self

    def owe(self, failed_s: int, **invoice: Any) -> Account:
        """The invoice was not paid: its eighth and last attempt, by card, failed at `failed_s`."""
        self.rows["stripe_charges"] = [self._charged("failed", failed_s)]
        owed = {"status": "open", "amount_paid": 0, "amount_remaining": 2000, "attempt_count": 8, "paid_at": None, "payment_intent_status": None}
        self.set("stripe_invoices", **{**owed, **invoice}).book()
        # A success of old, so that only the one thing is wrong with the account.
        return self.add(
            "stripe_charges", **{**self._charged("succeeded", 0), "id": f"ch_{self.name}_0", "invoice": None, "status": "succeeded"}
        ).book()

    def dun(self, status: str, retries: int, level: int, done: str = "[]") -> Account:
        """subs_dunning says so."""
        return self.set("subs_dunning", status=status, retry_count=retries, escalation_level=level, done=done)

    def end(self) -> Account:
        """What was bought has ended, in OPE and at Stripe, and gives the free plan."""
        self.set("ope_subscriptions", status="canceled").set("stripe_subscriptions", status="canceled", canceled_at=NOW_S - DAY_S)
        return self.set("cf_prod", plan="free").set("www_zones", plan="free")

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return self.rows[f"stripe_{kind}"]

    def _item(self) -> dict[str, Any]:
        return {
            "id": f"si_{self.name}",
            "subscription": self.subscription,
            "customer": self.customer,
            "price": "price_pro",
            "product": "zone_plan",
            "unit_amount": 2000,
            "billing_interval": "month",
            "quantity": 1,
        }

    def _charged(self, status: str, at_s: int) -> dict[str, Any]:
        return {
            "id": self.charge,
            "created": at_s,
            "customer": self.customer,
            "invoice": self.invoice,
            "payment_method_type": "card",
            "amount": 2000,
            "status": status,
        }


def bad(account: Account, since_s: int) -> Account:
    """Everything says, rightly, that the account has been bad debt since `since_s`: seven days after its last attempt."""
    account.owe(since_s - 7 * DAY_S, metadata='{"bad_debt":"true","bad_debt_amount":"2000"}').end()
    # Retries are over, so that a later cancel changes nothing.
    account.set("subs_account", flags=1 | BAD_DEBT).dun("bad_debt", 8, 3, f'["{account.invoice}/bad_debt"]')
    return account.set("stripe_customers", metadata=f'{{"account_type":"self_serve","bad_debt":"true","bad_debt_since":"{since_s}"}}')


def mirrored(accounts: Iterable[Account]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of all tables, as a mirror takes them."""
    told: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in TABLES}
    told["stripe_prices"] = [_values("stripe_prices", row) for row in PRICES]
    for account in accounts:
        for table, rows in account.rows.items():
            told[table] += [_values(table, row) for row in rows]
    return told


def _values(table: str, row: dict[str, Any]) -> tuple[Any, ...]:
    """In the order of the columns, instants in microseconds."""
    return tuple([row[c.name] * 1_000_000 if c.type == "TIMESTAMP" and row.get(c.name) is not None else row.get(c.name) for c in _COLUMNS[table]])
