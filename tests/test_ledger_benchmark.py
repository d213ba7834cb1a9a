"""After a month under every fault the ledger says of each invoice and charge what Stripe says, and of nobody was taken more than was asked."""

from __future__ import annotations

import pytest

from benchmarks.ledger import books_of, reckoned, scenario_of
from billsim.core.trace import WriteRecord
from billsim.stores.billing_prod import LedgerRow
from billsim.stripe.objects import Charge, Invoice, InvoicePayment


@pytest.mark.parametrize("seed", range(4))
def test_the_ledger_is_right_to_the_cent(seed: int) -> None:
    books = books_of(scenario_of(), seed)
    assert (books.verdict, books.amiss, books.taken_twice) == ("holds", (), ())
    assert books.at_stripe == books.in_ledger > 100_000 and books.objects > 50


def wrote(store: str, key: str, new: object) -> WriteRecord:
    return WriteRecord("writes", 0, "x", "e/x", "", store, "ada", key, 0, None, new)


def entry(status: str, paid: int, sequence: int) -> WriteRecord:
    row = LedgerRow(
        account="ada", key=f"in_1:{status}", kind="invoice", object_id="in_1", status=status, currency="usd",
        amount_due=2000, amount_paid=paid, amount_remaining=2000 - paid, sequence=sequence,
    )  # fmt: skip
    return wrote("billing_prod", row.key, row)


def test_what_is_amiss_is_seen() -> None:
    paid = Invoice(id="in_1", created=0, customer="cus_ada", status="paid", total=2000, amount_due=2000, amount_paid=2000, amount_remaining=0)
    at_stripe = wrote("stripe.invoice", "in_1", paid)
    assert reckoned("holds", [at_stripe, entry("open", 0, 1), entry("paid", 2000, 2)]).amiss == ()
    assert reckoned("holds", [at_stripe, entry("paid", 2000, 2), entry("open", 0, 1)]).amiss == ()
    assert reckoned("holds", [at_stripe, entry("open", 0, 1)]).amiss == ("in_1",)
    assert reckoned("holds", [at_stripe]).amiss == ("in_1",)


def test_what_was_taken_twice_is_seen() -> None:
    invoice = Invoice(id="in_1", created=0, customer="cus_ada", status="paid", total=2000, payments=(InvoicePayment("pi_1"),))
    charges = [Charge(id=f"ch_{n}", created=0, customer="cus_ada", amount=2000, payment_intent="pi_1", status="succeeded") for n in (1, 2)]
    for count, twice in ((1, ()), (2, ("in_1",))):
        records = [wrote("stripe.invoice", "in_1", invoice), *(wrote("stripe.charge", charge.id, charge) for charge in charges[:count])]
        assert reckoned("holds", records).taken_twice == twice
