"""The accounts that a story begins with: dates, objects and rows of their past, and that every store agrees with truth."""

from __future__ import annotations

import msgspec
import pytest

from billsim.core.kernel import Unwatched
from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING
from billsim.core.time import DAY_MS, DAY_S
from billsim.scenario.toml_file import loads
from billsim.stores.base import Shard
from billsim.stores.billing_prod import LedgerRow
from billsim.stores.subs_account import EMAIL_VERIFIED
from billsim.stripe.objects import Book

from .worlds import POLICY, World, expected

START_S = 20_526 * DAY_S  # 2026-03-14T00:00:00Z
HOUR_S = 3_600


def world(accounts: str, extra: str = "") -> World:
    return World(loads(f'id = "x"\nstart = 2026-03-14T00:00:00Z\ngiven = [{accounts}]\n{extra}'))


def disagreements(shard: Shard, now_s: int = START_S) -> list[str]:
    """Every derived field of every store that is not as truth has it."""
    truth, book = expected(shard, now_s * 1000), shard.stripe
    dunning, profile = shard.one("subs_dunning"), shard.one("subs_account")
    flags = EMAIL_VERIFIED | POLICY.bad_debt_flag * truth.bad_debt | POLICY.no_success_flag * truth.no_successful_payment
    pairs = {
        "dunning": ((dunning.status, dunning.retry_count, dunning.escalation_level), (truth.status, truth.retry_count, truth.escalation_level)),
        "boundary": (dunning.next_boundary_ms, truth.next_boundary_ms),
        "flags": (profile.flags, flags),
        "metadata": (book.customer.metadata, truth.metadata),
        "invoices": ({id: invoice.metadata for id, invoice in book.invoices.items() if invoice.metadata}, truth.invoice_metadata),
        "entitlements": ({row.key: row.plan for row in shard.all("cf_prod").values()}, truth.entitlements),
        "consequences": (truth.consequences, ()),
        "ledger": (last_entries(shard), stripes_view(book)),
    }
    return [f"{what}: {held} is not {want}" for what, (held, want) in pairs.items() if held != want]


def last_entries(shard: Shard) -> dict[str, tuple[str, int, int, int]]:
    rows: list[LedgerRow] = sorted(shard.all("billing_prod").values(), key=lambda row: row.sequence)
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    return {row.object_id: (row.status, row.amount_due, row.amount_paid, row.amount_remaining) for row in rows}


def stripes_view(book: Book) -> dict[str, tuple[str, int, int, int]]:
    invoices = {i.id: (i.status, i.amount_due, i.amount_paid, i.amount_remaining) for i in book.invoices.values()}
    charges = {c.id: (c.status, c.amount, c.amount if c.status == "succeeded" else 0, 0) for c in book.charges.values()}
    return invoices | charges


ACCOUNTS = {
    "healthy": ('{ account = "ada" }', HEALTHY, 0),
    "free_so_far": ('{ account = "ada", paid_before = false }', HEALTHY, 0),
    "retrying": ('{ account = "ada", failed_attempts = 3 }', RETRYING, 1),
    "never_paid_retrying": ('{ account = "ada", failed_attempts = 1, paid_before = false }', RETRYING, 1),
    "lost_card": ('{ account = "ada", failed_attempts = 4, card = "lost" }', RETRYING, 1),
    "exhausted": ('{ account = "ada", failed_attempts = 8 }', DELINQUENT, 2),
    "bad_debt": ('{ account = "ada", invoices = [{ invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-04T00:00:00Z }] }', BAD_DEBT, 3),
    "banned": ('{ account = "ada", invoices = [{ invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-01-20T00:00:00Z }] }', BAD_DEBT, 4),
    "uncollectible": ('{ account = "ada", invoices = [{ invoice = "ada_1", failed_attempts = 8, status = "uncollectible" }] }', BAD_DEBT, 3),
    "newest_paid_older_owed": (
        '{ account = "ada", invoices = [{ invoice = "ada_1", failed_attempts = 8 }, { invoice = "ada_2", status = "paid" }] }',
        BAD_DEBT,
        3,
    ),
    "two_owed": (
        '{ account = "ada", invoices = [{ invoice = "ada_1", failed_attempts = 3 }, { invoice = "ada_2", failed_attempts = 1 }] }',
        RETRYING,
        1,
    ),
    "void": ('{ account = "ada", invoices = [{ invoice = "ada_1", failed_attempts = 8, status = "void" }] }', HEALTHY, 0),
    "paid_late": ('{ account = "ada", invoices = [{ invoice = "ada_1", failed_attempts = 5, status = "paid" }] }', HEALTHY, 0),
    "incomplete": ('{ account = "ada", subscription = "incomplete" }', HEALTHY, 0),
    "incomplete_expired": ('{ account = "ada", subscription = "incomplete_expired", paid_before = false }', HEALTHY, 0),
    "canceled": ('{ account = "ada", subscription = "canceled" }', HEALTHY, 0),
    "paypal": ('{ account = "ada", failed_attempts = 2, instrument = "paypal" }', RETRYING, 1),
}


@pytest.mark.parametrize(("told", "status", "level"), ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_every_store_agrees_with_truth(told: str, status: str, level: int) -> None:
    placed = world(told)
    shard = placed.shard("ada")
    assert disagreements(shard) == []
    assert (shard.one("subs_dunning").status, shard.one("subs_dunning").escalation_level) == (status, level)
    assert placed.outbox.reported == []
    assert placed.stores.by_customer == {"cus_ada": ("ada",)}


@pytest.mark.parametrize("told", [told for told, _, _ in ACCOUNTS.values()], ids=ACCOUNTS.keys())
def test_stripe_s_objects_refer_to_each_other(told: str) -> None:
    book: Book = world(told).shard("ada").stripe
    intents = {payment.payment_intent for invoice in book.invoices.values() for payment in invoice.payments}
    assert set(book.payment_intents) == intents
    assert {charge.payment_intent for charge in book.charges.values()} <= intents
    assert {intent.latest_charge for intent in book.payment_intents.values()} - {None} <= set(book.charges)
    assert {invoice.subscription for invoice in book.invoices.values()} <= {"sub_ada", None}
    assert book.subscriptions["sub_ada"].latest_invoice == list(book.invoices)[-1]
    assert book.customer is not None and book.customer.invoice_settings.default_payment_method in book.payment_methods


def test_nothing_of_the_past_lies_after_the_start_and_the_next_steps_do() -> None:
    for told, _, _ in ACCOUNTS.values():
        book: Book = world(told).shard("ada").stripe
        for invoice in book.invoices.values():
            moments = [invoice.created, *msgspec.structs.astuple(invoice.status_transitions)]
            assert all(at is None or at <= START_S for at in moments)
            assert invoice.next_payment_attempt is None or invoice.next_payment_attempt > START_S
        assert all(charge.created <= START_S for charge in book.charges.values())
        item = book.subscriptions["sub_ada"].items.data[0]
        assert item.current_period_start <= START_S < item.current_period_end


def test_attempts_lie_on_the_schedule() -> None:
    book: Book = world('{ account = "ada", failed_attempts = 7 }').shard("ada").stripe
    invoice = book.invoices["in_ada_1"]
    # Tries on days 0 1 3 5 7 9 11, the 7th an hour before the start; the 8th on day 14, three days after the 7th.
    seventh = START_S - HOUR_S
    first = seventh - 11 * DAY_S
    assert [book.charges[f"ch_ada_1.{n}"].created for n in range(1, 8)] == [first + day * DAY_S for day in (0, 1, 3, 5, 7, 9, 11)]
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (7, seventh + 3 * DAY_S)
    # Finalised an hour after it was made.
    assert (invoice.created, invoice.status_transitions.finalized_at) == (first - HOUR_S, first)
    assert (invoice.amount_remaining, invoice.total, invoice.status) == (2000, 2000, "open")
    assert book.subscriptions["sub_ada"].status == "past_due"
    assert book.customer is not None and book.customer.delinquent


def test_a_hard_decline_is_charged_once() -> None:
    book: Book = world('{ account = "ada", failed_attempts = 4, card = "lost" }').shard("ada").stripe
    assert list(book.charges) == ["ch_ada_0.1", "ch_ada_1.1"]
    assert book.invoices["in_ada_1"].attempt_count == 4


def test_the_backstory_of_bad_debt_was_executed() -> None:
    shard = world(ACCOUNTS["bad_debt"][0]).shard("ada")
    # Exhausted on 4 March, bad seven days later, on 11 March.
    bad_at = START_S - 3 * DAY_S
    subscription = shard.stripe.subscriptions["sub_ada"]
    assert set(shard.one("subs_dunning").done) == {"in_ada_1/bad_debt", "in_ada_1/cancel/ope_ada"}
    keys = {"key in_ada_1/bad_debt": 1, "key in_ada_1/cancel/ope_ada": 1}
    assert shard.actions == {"flag|in_ada_1|bad_debt": 1, "cancel|in_ada_1|bad_debt": 1, **keys}
    assert shard.one("subs_dunning").since_ms == bad_at * 1000
    assert (subscription.status, subscription.canceled_at, shard.all("ope")["ope_ada"].status) == ("canceled", bad_at, "canceled")
    assert shard.stripe.customer.metadata == {"account_type": "self_serve", "bad_debt": "true", "bad_debt_since": str(bad_at)}
    assert shard.stripe.invoices["in_ada_1"].metadata == {"bad_debt": "true", "bad_debt_amount": "2000"}
    assert shard.all("cf_prod")["zone_plan"].plan == "free"


def test_a_paid_newest_invoice_spares_the_subscription() -> None:
    shard = world(ACCOUNTS["newest_paid_older_owed"][0]).shard("ada")
    assert shard.one("subs_dunning").done == ("in_ada_1/bad_debt",)
    assert shard.stripe.subscriptions["sub_ada"].status == "active"


def test_settings_decide_what_becomes_of_an_exhausted_subscription() -> None:
    told = '{ account = "ada", failed_attempts = 8 }'
    statuses = [
        world(told, f'[stripe]\nfinal_subscription = "{final}"').shard("ada").stripe.subscriptions["sub_ada"].status
        for final in ("leave_past_due", "mark_unpaid", "cancel")
    ]
    assert statuses == ["past_due", "unpaid", "canceled"]


def test_exhausted_accounts_carry_their_next_boundary() -> None:
    dunning = world('{ account = "ada", failed_attempts = 8 }').shard("ada").one("subs_dunning")
    assert dunning.next_boundary_ms == (START_S - HOUR_S) * 1000 + 7 * DAY_MS
    assert dunning.since_ms == (START_S - HOUR_S) * 1000


def test_planted_rows_come_last() -> None:
    rows = """rows = { subs_dunning = { status = "delinquent", done = ["a/b"] }, subs_account = { flags = 32768 }, cf_prod = { zone_plan = "free" },
      www = { "ada.example" = "free" }, ope = { ope_ada = "canceled" },
      stripe_metadata = { bad_debt = "true", account_type = "", "ada_0/bad_debt" = "true" } }"""
    shard = world(f'{{ account = "ada", {" ".join(rows.split())} }}').shard("ada")
    assert (shard.one("subs_dunning").status, shard.one("subs_dunning").done) == ("delinquent", ("a/b",))
    assert shard.one("subs_account").flags == 32768
    assert [shard.all(store)[key].plan for store, key in (("cf_prod", "zone_plan"), ("www", "ada.example"))] == ["free", "free"]
    assert shard.all("ope")["ope_ada"].status == "canceled"
    assert shard.stripe.customer.metadata == {"bad_debt": "true"}
    assert shard.stripe.invoices["in_ada_0"].metadata == {"bad_debt": "true"}


def test_a_planted_mapping_is_in_the_index() -> None:
    placed = world('{ account = "ada" }, { account = "bob", rows = { subs_customer = { stripe_customer = "cus_ada" } } }')
    assert placed.stores.by_customer == {"cus_ada": ("ada", "bob")}


def test_an_account_without_a_stripe_customer() -> None:
    placed = world('{ account = "ada", stripe_customer = false }')
    shard = placed.shard("ada")
    assert (shard.one("subs_customer").stripe_customer, shard.stripe, shard.all("billing_prod")) == ("", None, {})
    assert shard.all("ope")["ope_ada"].stripe_subscription == ""
    assert (placed.stores.by_customer, placed.stripe.books) == ({}, {})


def test_a_contract_account_is_written_plainly() -> None:
    shard = world('{ account = "ada", account_type = "jdc", failed_attempts = 8 }').shard("ada")
    assert (shard.one("subs_dunning").status, shard.one("subs_account").flags) == (HEALTHY, EMAIL_VERIFIED)
    assert shard.stripe.customer.metadata == {"account_type": "jdc"}
    assert shard.all("cf_prod")["zone_plan"].plan == "pro_monthly"


def test_subscription_begins_when_told() -> None:
    item = world('{ account = "ada", started = 2025-12-31T12:00:00Z }').shard("ada").stripe.subscriptions["sub_ada"].items.data[0]
    # Anchored on the 31st: 28 February 12:00 to 31 March 12:00.
    assert (item.current_period_start, item.current_period_end) == (START_S - 13 * DAY_S - DAY_S // 2, START_S + 17 * DAY_S + DAY_S // 2)


def test_stripe_goes_on_from_the_past() -> None:
    placed = world('{ account = "ada", failed_attempts = 7 }')
    placed.stripe.resume()
    placed.kernel.run(START_S * 1000 + 3 * DAY_MS, Unwatched(), 10_000)
    invoice = placed.shard("ada").stripe.invoices["in_ada_1"]
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (8, None)
