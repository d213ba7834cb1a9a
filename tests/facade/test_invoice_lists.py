"""Invoice lists: pages, dates, and one word for how an invoice stands."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.facade.invoice_lists import status_of
from billsim.ports import GatherAll
from billsim.scenario.plan import GivenAccount
from billsim.stripe.objects import Charge, Invoice
from tests.facade.counter import Counter

DAY_S = 86_400


def listed(counter: Counter, request: str = "r1", **body: Any) -> tuple[list[str], int, int]:
    """The ids on a page, how many pages there are, and how many invoices."""
    answer = counter.ask("list_invoices", request, **body)
    return [line["id"] for line in answer["invoices"]], answer["pages"], answer["invoices_in_all"]


def with_invoices(many: int) -> Counter:
    """`in_ada_1`, `in_ada_2` ..., one a day, all paid."""
    counter = Counter(GivenAccount(account="ada", paid_before=False))
    book = counter.booked()
    assert book is not None
    book.invoices.clear()
    for n in range(1, many + 1):
        book.invoices[f"in_ada_{n}"] = Invoice(
            id=f"in_ada_{n}", created=n * DAY_S, customer="cus_ada", status="paid", total=2000, amount_due=2000, amount_paid=2000
        )
    return counter


def test_newest_first_in_pages() -> None:
    counter = with_invoices(45)
    assert listed(counter)[0] == [f"in_ada_{n}" for n in range(45, 25, -1)]
    assert listed(counter, "r2", page=3) == ([f"in_ada_{n}" for n in range(5, 0, -1)], 3, 45)
    assert listed(counter, "r3", page=4) == ([], 3, 45)
    assert listed(counter, "r4", limit=15, page=2) == ([f"in_ada_{n}" for n in range(30, 15, -1)], 3, 45)


def test_between_two_dates_the_first_of_them_included() -> None:
    counter = with_invoices(10)
    assert listed(counter, from_s=3 * DAY_S, until_s=6 * DAY_S) == (["in_ada_5", "in_ada_4", "in_ada_3"], 1, 3)
    assert listed(counter, "r2", from_s=10 * DAY_S + 1) == ([], 0, 0)
    assert listed(counter, "r3", until_s=DAY_S + 1) == (["in_ada_1"], 1, 1)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"page": 0}, "invalid_page"),
        ({"page": "1"}, "invalid_page"),
        ({"limit": 0}, "invalid_limit"),
        ({"limit": 101}, "invalid_limit"),
        ({"from_s": -1}, "invalid_from_s"),
        ({"from_s": True}, "invalid_from_s"),
        ({"from_s": 5, "until_s": 5}, "invalid_until_s"),
    ],
    ids=str,
)
def test_refuses(body: dict[str, Any], outcome: str) -> None:
    counter = with_invoices(1)
    assert counter.ask("list_invoices", **body) == {"outcome": outcome} and not counter.performed(GatherAll)


def test_pages_of_one_list_are_of_one_moment_and_it_is_a_minute_old_at_most() -> None:
    counter = with_invoices(2)
    assert listed(counter, limit=1)[1:] == (2, 2)
    book = counter.booked()
    assert book is not None
    book.invoices["in_ada_3"] = replace(book.invoices["in_ada_2"], id="in_ada_3", created=3 * DAY_S)
    assert listed(counter, "r2", limit=1, page=2) == (["in_ada_1"], 2, 2)
    counter.now_ms += 60_000
    assert listed(counter, "r3", limit=1, page=2) == (["in_ada_2"], 3, 3)


def test_of_a_real_account_each_line_says_what_is_owed() -> None:
    counter = Counter(GivenAccount(account="ada", price=2000, failed_attempts=2))
    lines = [(line["id"], line["total"], line["owed"], line["status"]) for line in counter.ask("list_invoices")["invoices"]]
    assert lines == [("in_ada_1", 2000, 2000, "Payment failed"), ("in_ada_0", 2000, 0, "Paid")]
    counter.at_stripe("invoices.void_invoice", "in_ada_1")
    counter.now_ms += 60_000
    assert [(line["owed"], line["status"]) for line in counter.ask("list_invoices", "r2")["invoices"]] == [(0, "Void"), (0, "Paid")]


def test_nobody_is_shown_what_somebody_else_was_billed() -> None:
    shared = GivenAccount(account="bob", rows={"subs_customer": {"stripe_customer": "cus_ada"}})
    assert Counter(GivenAccount(account="ada"), shared).ask("list_invoices") == {"outcome": "merged_account"}
    assert listed(Counter(GivenAccount(account="ada", stripe_customer=False))) == ([], 0, 0)


# -- one word --------------------------------------------------------------------------------------------------------------------------


def invoice(status: Any, paid: int = 0) -> Invoice:
    return Invoice(id="in_1", created=0, customer="cus_1", status=status, total=2000, amount_due=2000, amount_paid=paid)


def charge(status: Any, refunded: int = 0) -> Charge:
    return Charge(id="ch_1", created=0, amount=2000, status=status, amount_refunded=refunded)


@pytest.mark.parametrize(
    ("of", "charges", "word"),
    [
        (invoice("paid", 2000), [charge("succeeded")], "Paid"),
        (invoice("paid", 2000), [charge("failed"), charge("succeeded")], "Paid"),
        (invoice("paid", 2000), [], "Paid"),
        (invoice("paid"), [], "Paid"),
        (invoice("paid", 2000), [charge("succeeded", 500)], "Partly refunded"),
        (invoice("paid", 2000), [charge("succeeded", 2000)], "Refunded"),
        (invoice("open"), [], "Unpaid"),
        (invoice("open"), [charge("failed")], "Payment failed"),
        (invoice("open"), [charge("failed"), charge("pending")], "Processing"),
        (invoice("uncollectible"), [charge("failed")], "Past due"),
        (invoice("void"), [charge("failed")], "Void"),
        (invoice("void"), [charge("succeeded")], "Void"),
    ],
)
def test_how_an_invoice_stands(of: Invoice, charges: list[Charge], word: str) -> None:
    assert status_of(of, charges) == word


def test_never_twice_and_void_is_never_paid() -> None:
    statuses, charges = ("open", "paid", "void", "uncollectible"), ("succeeded", "failed", "pending")
    for status, first, last in product(statuses, charges, charges):
        word = status_of(invoice(status, 2000 if status == "paid" else 0), [charge(first), charge(last)])
        assert "/" not in word and (word == "Paid") == (status == "paid")
