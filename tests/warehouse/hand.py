"""One account made by hand, with something in every raw table."""

from __future__ import annotations

from billsim import stores
from billsim.stores.base import Stores
from billsim.stores.billing_prod import LedgerRow
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeChange, OpeItem, OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stores.www import ZoneRow
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
    Recurring,
    StatusTransitions,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
)

PRO = Price(id="price_pro_monthly", created=50, product="zone_plan", unit_amount=2000)
YEARLY = Price(id="price_pro_yearly", created=50, product="zone_plan", unit_amount=20000, recurring=Recurring("year"))


def book_of(account: str = "ada") -> Book:
    """The customer: one invoice, open after one declined payment by PayPal."""
    id, book = f"cus_{account}", Book(f"cus_{account}")
    item = SubscriptionItem(id=f"si_{account}", created=100, price=PRO, quantity=2, current_period_start=100, current_period_end=200)
    book.customer = Customer(
        id=id, created=90, name="Ada", email="ada@example.com", balance=-5, invoice_settings=InvoiceSettings(f"pm_{account}"),
        metadata={"bad_debt": "true", "account_type": "self_serve"},
    )  # fmt: skip
    book.payment_methods = {f"pm_{account}": PaymentMethod(id=f"pm_{account}", created=90, type="paypal", customer=id)}
    book.subscriptions = {
        f"sub_{account}": Subscription(
            id=f"sub_{account}", created=100, customer=id, status="past_due", items=ItemList((item,)), latest_invoice=f"in_{account}_1",
            billing_cycle_anchor=100, start_date=100, canceled_at=190, pending_update={"expires_at": 7},
        )
    }  # fmt: skip
    book.invoices = {
        f"in_{account}_1": Invoice(
            id=f"in_{account}_1", created=100, customer=id, status="open", total=4000, amount_due=4000, amount_paid=500, amount_remaining=3500,
            attempt_count=1, attempted=True, next_payment_attempt=150, period_start=100, period_end=200,
            parent=InvoiceParent(SubscriptionDetails(f"sub_{account}")), payments=(InvoicePayment(f"pi_{account}_1"),),
            status_transitions=StatusTransitions(finalized_at=101), metadata={"bad_debt_amount": "3500"},
        )
    }  # fmt: skip
    book.payment_intents = {f"pi_{account}_1": PaymentIntent(id=f"pi_{account}_1", created=101, amount=4000, customer=id)}
    book.charges = {
        f"ch_{account}_1.1": Charge(
            id=f"ch_{account}_1.1", created=102, amount=4000, customer=id, payment_intent=f"pi_{account}_1", payment_method=f"pm_{account}",
            status="failed", paid=False, failure_code="card_declined",
        )
    }  # fmt: skip
    return book


def platform(*accounts: str) -> tuple[Stores, dict[str, Book], dict[str, Price]]:
    """Stores and books with these accounts in them, and the prices."""
    held, books = stores.empty(), {}
    for account in accounts or ("ada",):
        books[f"cus_{account}"] = book_of(account)
        shard = held.shard(account)
        change = OpeChange("req", (OpeItem("zone_plan", "pro_yearly", 20000),), "year", due_ms=300_000, asked=True)
        items = (OpeItem("zone_plan", "pro_monthly", 2000, 2),)
        shard.rows = {
            "subs_account": AccountRow(account, "Ada", "", flags=1 << 15, version=1),
            "subs_dunning": DunningRow(account, "bad_debt", 8, 3, 400_000, (), (f"in_{account}_1/bad_debt",), 500_000, version=1),
            "subs_customer": CustomerRow(account, f"cus_{account}", "pro_monthly", version=1),
        }
        shard.many = {
            "ope": {f"ope_{account}": OpeSubscription(account, f"ope_{account}", "active", f"sub_{account}", "month", items, change, version=1)},
            "www": {"ada.example": ZoneRow(account, "ada.example", "pro_monthly", version=1)},
            "cf_prod": {"zone_plan": EntitlementRow(account, "zone_plan", "free", version=1)},
            "billing_prod": {"k": LedgerRow(account, "k", "invoice", f"in_{account}_1", "open", "usd", 4000, 500, 3500, 1, version=1)},
        }
    return held, books, {PRO.id: PRO}
