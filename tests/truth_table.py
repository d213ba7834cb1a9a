"""The table of hand-computed truths (`checks/truth_table.toml`), built as a shard for the checks and as an account state for an engine.

    @pytest.mark.parametrize("row", ROWS, ids=str)
    def test_row(row):
        assert differences(row, decide(row.state(), row.now_ms, row.policy)) == []

`differences` takes anything with the attributes of `ports.Decision` (or of `checks.truth.Expected`) and names what is not as the row says.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, DAY_S
from billsim.ports import AccountState, StripeState
from billsim.stores.base import Shard
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeItem, OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stripe.objects import (
    Book,
    Charge,
    Customer,
    Invoice,
    InvoiceParent,
    InvoicePayment,
    InvoiceSettings,
    ItemList,
    PaymentIntent,
    PaymentMethod,
    Price,
    StatusTransitions,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
)

TABLE = Path(__file__).parent / "checks" / "truth_table.toml"
DAY_ZERO_S = 1_800_000_000
PRICES = {"pro_monthly": 2000, "business_monthly": 20000, "addon_monthly": 500}


def seconds(day: float) -> int:
    """The instant of a day number, in seconds."""
    return DAY_ZERO_S + int(day * DAY_S)


def millis(day: float) -> int:
    """The instant of a day number, in milliseconds."""
    return seconds(day) * 1000


def _maybe(day: float | None) -> int | None:
    return None if day is None else seconds(day)


@dataclass(frozen=True)
class Expectation:
    """What the row says must come out; `consequences` are the sorted keys of what is called for and not done."""

    status: str
    retry_count: int
    escalation_level: int
    bad_debt: bool
    no_successful_payment: bool
    metadata: dict[str, str]
    invoice_metadata: dict[str, dict[str, str]]
    entitlements: dict[str, str]
    consequences: tuple[str, ...]
    next_boundary_ms: int | None
    applies: bool


@dataclass(frozen=True)
class TruthRow:
    """One row of the table. `shard` and `state` build it anew each time."""

    id: str
    source: str
    facts: dict[str, Any] = field(repr=False)
    expected: Expectation = field(repr=False)

    def __str__(self) -> str:
        return self.id

    @property
    def now_ms(self) -> int:
        """The instant of looking."""
        return millis(self.facts["now"]) + int(self.facts.get("now_ms", 0))

    @property
    def policy(self) -> DunningPolicy:
        """The default policy, with the row's grace."""
        grace = self.facts.get("policy", {}).get("grace_days")
        return DunningPolicy(grace_ms={k: v * DAY_MS for k, v in grace.items()}) if grace else DunningPolicy()

    @property
    def shared_with(self) -> tuple[str, ...]:
        """Other accounts on the same Stripe customer."""
        return tuple(self.facts.get("shared_with", ()))

    def shard(self) -> Shard:
        """The account as the stores hold it: authorities as the facts say, derived rows untouched (healthy, no flags, free plan, an empty ledger)."""
        return _shard(self.facts)

    def state(self) -> AccountState:
        """The account as a gather hands it to an engine."""
        shard, book = self.shard(), self.shard().stripe
        stripe = StripeState()
        if book is not None:
            stripe = StripeState(book.customer, book.payment_methods, book.subscriptions, book.invoices, book.payment_intents, book.charges)
        return AccountState(
            account=shard.account,
            dunning=shard.one("subs_dunning"),
            profile=shard.one("subs_account"),
            customer=shard.one("subs_customer"),
            ledger={},
            entitlements=dict(shard.all("cf_prod")),
            ope=dict(shard.all("ope")),
            zones={},
            stripe=stripe,
            shared_with=self.shared_with,
        )


def action_of(key: str) -> str:
    """The world's name (`kind|debt|step`) of an executed consequence, from its key (`in_ada_1/retrying`, `in_ada_1/cancel/ope_ada`)."""
    debt, step = key.split("/")[:2]
    if step in ("cancel", "ban", "unban"):
        return f"{step}|{debt}|bad_debt"
    return f"{'flag' if step == 'bad_debt' else 'notify'}|{debt}|{step}"


def differences(row: TruthRow, found: Any) -> list[str]:
    """Each field of `found` that is not as the row says, as `field: expected X, found Y`. Where truth does not apply, only that is compared."""
    expected = row.expected
    out = []
    for name in ("applies",) if not expected.applies else Expectation.__dataclass_fields__:
        want, got = getattr(expected, name), _plain(name, getattr(found, name))
        if want != got:
            out.append(f"{name}: expected {want!r}, found {got!r}")
    return out


def _plain(name: str, value: Any) -> Any:
    if name == "consequences":
        return tuple(sorted(getattr(item, "key", item) for item in value))
    if name == "invoice_metadata":
        held = {invoice: {k: v for k, v in keys.items() if v} for invoice, keys in value.items()}
        return {invoice: keys for invoice, keys in held.items() if keys}
    return {k: v for k, v in value.items() if v} if name == "metadata" else value


def _expectation(facts: dict[str, Any]) -> Expectation:
    told = facts.get("expect", {})
    metadata = {"account_type": told.get("account_type", "self_serve")}
    if "since" in told:
        metadata |= {"bad_debt": "true", "bad_debt_since": str(seconds(told["since"]))}
    if told.get("no_successful_payment"):
        metadata["has_no_successful_payment"] = "true"
    return Expectation(
        status=told.get("status", "healthy"),
        retry_count=told.get("retry_count", 0),
        escalation_level=told.get("escalation_level", 0),
        bad_debt=told.get("status") == "bad_debt",
        no_successful_payment=told.get("no_successful_payment", False),
        metadata=metadata,
        invoice_metadata={i: {"bad_debt": "true", "bad_debt_amount": str(amount)} for i, amount in told.get("bad", {}).items()},
        entitlements=told.get("entitlements", {"zone_plan": "pro_monthly"}),
        consequences=tuple(sorted(told.get("consequences", ()))),
        next_boundary_ms=millis(told["boundary"]) if "boundary" in told else None,
        applies=told.get("applies", True),
    )


def _shard(facts: dict[str, Any]) -> Shard:
    account = "ada"
    shard = Shard(account)
    known = facts.get("customer", True)
    done = tuple(facts.get("done", ()))
    shard.rows["subs_dunning"] = DunningRow(account, done=done, version=1)
    shard.rows["subs_account"] = AccountRow(account, account_type=facts.get("account_type", "self_serve"), version=1)
    shard.rows["subs_customer"] = CustomerRow(account, "cus_ada" if known else "", braintree_paid=facts.get("braintree_paid", False), version=1)
    subs = [_sub(told, n) for n, told in enumerate(facts.get("subs", [{}]))]
    shard.many["ope"] = {sub["ope_key"]: _ope(account, sub) for sub in subs}
    given = [sub["product"] for sub in subs if sub["ope"] != "pending"]
    shard.many["cf_prod"] = {product: EntitlementRow(account, product, version=1) for product in given}
    shard.actions = dict.fromkeys(map(action_of, done), 1)
    if known:
        shard.stripe = _book(facts, subs)
    return shard


def _sub(told: dict[str, Any], n: int) -> dict[str, Any]:
    id = told.get("id", "sub_ada")
    defaults = {"id": id, "ope_key": id.replace("sub_", "ope_"), "status": "active", "ope": "active"}
    bought = {"product": "addon-2", "plan": "addon_monthly"} if n else {"product": "zone_plan", "plan": "pro_monthly"}
    if n and told.get("product") == "zone_plan":
        bought["plan"] = "pro_monthly"
    return {**defaults, **bought, **told}


def _ope(account: str, sub: dict[str, Any]) -> OpeSubscription:
    item = OpeItem(sub["product"], sub["plan"], PRICES[sub["plan"]])
    return OpeSubscription(account, sub["ope_key"], sub["ope"], sub["id"], items=(item,), version=1)


def _book(facts: dict[str, Any], subs: list[dict[str, Any]]) -> Book:
    book = Book("cus_ada")
    default = facts.get("customer_pm", "pm_ada")
    book.customer = Customer(id="cus_ada", created=seconds(-60), invoice_settings=InvoiceSettings(default or None))
    for id, kind in {"pm_ada": facts.get("instrument", "card"), **facts.get("methods", {})}.items():
        book.payment_methods[id] = PaymentMethod(id=id, created=seconds(-60), type=kind, customer="cus_ada")
    invoices = list(facts.get("invoices", ()))
    if facts.get("paid_before", True):
        invoices.insert(0, {"id": "in_ada_0", "paid": -30, "created": -30})
    for told in invoices:
        _invoice(book, told)
    for told in facts.get("charges", ()):
        book.charges[told["id"]] = _charge(told["id"], 0, told["amount"], told["status"], "", "pm_ada")
    for sub in subs:
        book.subscriptions[sub["id"]] = _subscription(book, sub)
    return book


def _subscription(book: Book, sub: dict[str, Any]) -> Subscription:
    own = [invoice.id for invoice in book.invoices.values() if invoice.subscription == sub["id"]]
    price = Price(id=f"price_{sub['plan']}", created=seconds(-60), product=sub["product"], unit_amount=PRICES[sub["plan"]])
    item = SubscriptionItem(id=sub["id"].replace("sub_", "si_"), created=seconds(-60), price=price, subscription=sub["id"])
    return Subscription(
        id=sub["id"],
        created=seconds(-60),
        customer="cus_ada",
        status=sub["status"],
        items=ItemList((item,)),
        latest_invoice=sub.get("latest", own[-1] if own else None),
        default_payment_method=sub.get("pm"),
        canceled_at=_maybe(sub.get("canceled")),
        pending_update={"expires_at": seconds(60)} if sub.get("pending_update") else None,
    )


def _invoice(book: Book, told: dict[str, Any]) -> None:
    failed, paid, void, marked = told.get("failed", []), told.get("paid"), told.get("void"), told.get("uncollectible")
    total = told.get("total", 2000)
    created = seconds(told.get("created", failed[0] if failed else 0))
    status = told.get("status", "paid" if paid is not None else "void" if void is not None else "uncollectible" if marked is not None else "open")
    remaining = told.get("remaining", 0 if status == "paid" else total)
    attempts = told.get("attempts", len(failed))
    name = told["id"].removeprefix("in_")
    book.invoices[told["id"]] = Invoice(
        id=told["id"],
        created=created,
        customer="cus_ada",
        status=status,
        billing_reason=told.get("reason", "subscription_cycle"),
        collection_method=told.get("method", "charge_automatically"),
        subtotal=total,
        total=total,
        amount_due=total,
        amount_paid=total - remaining,
        amount_remaining=remaining,
        attempt_count=attempts,
        attempted=told.get("attempted", attempts > 0 or paid is not None),
        due_date=_maybe(told.get("due")),
        next_payment_attempt=_maybe(told.get("next")),
        parent=InvoiceParent(SubscriptionDetails("sub_" + name.rsplit("_", 1)[0])),
        payments=(InvoicePayment(f"pi_{name}", "paid" if paid is not None else "open"),),
        status_transitions=StatusTransitions(created if told.get("finalized", True) else None, _maybe(marked), _maybe(paid), _maybe(void)),
    )
    _payments(book, told, name, total, failed, paid)


def _payments(book: Book, told: dict[str, Any], name: str, total: int, failed: list[float], paid: float | None) -> None:
    method = told.get("pm", "pm_ada")
    charges = [(day, "failed", method) for day in failed] + [(day, "pending", method) for day in told.get("pending", [])]
    if paid is not None and told.get("charged", True):
        charges.append((paid, "succeeded", told.get("paid_with", "pm_ada")))
    for n, (day, status, pm) in enumerate(charges, 1):
        refunded = told.get("refunded", 0) if status == "succeeded" else 0
        book.charges[f"ch_{name}.{n}"] = _charge(f"ch_{name}.{n}", day, total, status, f"pi_{name}", pm, refunded)
    book.payment_intents[f"pi_{name}"] = PaymentIntent(
        id=f"pi_{name}",
        created=seconds(told.get("created", 0)),
        amount=total,
        customer="cus_ada",
        status=told.get("pi", "succeeded" if paid is not None else "requires_payment_method"),
        latest_charge=f"ch_{name}.{len(charges)}" if charges else None,
    )


def _charge(id: str, day: float, amount: int, status: Any, intent: str, pm: str, refunded: int = 0) -> Charge:
    return Charge(
        id=id,
        created=seconds(day),
        amount=amount,
        amount_refunded=refunded,
        refunded=refunded == amount > 0,
        customer="cus_ada",
        payment_intent=intent or None,
        payment_method=pm,
        status=status,
        paid=status == "succeeded",
        failure_code="card_declined" if status == "failed" else None,
    )


def _load() -> tuple[TruthRow, ...]:
    told = tomllib.loads(TABLE.read_text(encoding="utf-8"))["row"]
    return tuple(TruthRow(facts["id"], facts["source"], facts, _expectation(facts)) for facts in told)


ROWS = _load()
