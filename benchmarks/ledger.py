"""`python -m benchmarks.ledger [SEEDS] [FIRST]`: billing_prod against Stripe, to the cent, after 30 days under every fault and with every caller.

Reckoned from what a run has written alone, and apart from the checks: the last state of each invoice and charge that moved at Stripe, and the last
entry of it in the ledger. Beside it, what was taken for each invoice against its total. The exit code is 1 where a cent is amiss.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.time import DAY_MS
from billsim.core.trace import WriteRecord
from billsim.run import run_scenario
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load

DAYS = 30
SETTLED = ("succeeded", "failed")


class Books(NamedTuple):
    """What a run came to: cents that Stripe and the ledger say were paid and are owed, the objects of which they say different things, the invoices
    for which more was taken than they came to.
    """

    verdict: str
    objects: int
    at_stripe: int
    in_ledger: int
    amiss: tuple[str, ...]
    taken_twice: tuple[str, ...]


def scenario_of(days: int = DAYS) -> Scenario:
    """The mixed world for so long, without those of whom no ledger is kept automatically."""
    mixed = load(find("fuzz/mixed_small"))
    assert mixed.population is not None
    population = replace(mixed.population, accounts=20, days=days, flaws=None, renewal_spread_days=days)
    return replace(mixed, given=(), timeline=(), population=population, until=mixed.start + days * DAY_MS)


def books_of(scenario: Scenario, seed: int) -> Books:
    """Run it, and reckon."""
    result = run_scenario(scenario, seed=seed, keep_records=True, bodies=False)
    return reckoned(result.verdict, [record for record in result.records or () if isinstance(record, WriteRecord)])


def reckoned(verdict: str, records: Iterable[WriteRecord]) -> Books:
    """What writes come to."""
    last: dict[str, dict[str, Any]] = {"stripe.invoice": {}, "stripe.charge": {}}
    entries: dict[str, Any] = {}
    before: dict[str, Any] = {}
    for record in records:
        if record.store in last and record.new is not None:
            last[record.store][record.new.id] = record.new
            before.setdefault(record.new.id, record.old)
        elif record.store == "billing_prod":
            held = entries.get(record.new.object_id)
            if held is None or held.sequence <= record.new.sequence:
                entries[record.new.object_id] = record.new
    said = {invoice.id: _of_invoice(invoice) for invoice in last["stripe.invoice"].values() if invoice.status != "draft"}
    said |= {charge.id: _of_charge(charge) for charge in last["stripe.charge"].values() if charge.status in SETTLED}
    # What was there before has an entry from before, of which nothing was written.
    noted = {id: (_of_charge if id.startswith("ch_") else _of_invoice)(old) for id, old in before.items() if old is not None and id in said}
    noted |= {id: (row.status, row.amount_due, row.amount_paid, row.amount_remaining) for id, row in entries.items() if id in said}
    amiss = tuple(id for id, what in said.items() if noted.get(id) != what)
    paid_and_owed = [sum(what[2] + what[3] for what in side.values()) for side in (said, noted)]
    return Books(verdict, len(said), paid_and_owed[0], paid_and_owed[1], amiss, _taken_twice(last))


def _of_invoice(invoice: Any) -> tuple[str, int, int, int]:
    return invoice.status, invoice.amount_due, invoice.amount_paid, invoice.amount_remaining


def _of_charge(charge: Any) -> tuple[str, int, int, int]:
    return charge.status, charge.amount, charge.amount if charge.status == "succeeded" else 0, 0


def _taken_twice(last: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    taken: dict[str, int] = {}
    invoices = last["stripe.invoice"].values()
    for charge in last["stripe.charge"].values():
        if charge.status == "succeeded":
            taken[charge.payment_intent] = taken.get(charge.payment_intent, 0) + charge.amount
    paid_by = {invoice.id: {each.payment_intent: taken.get(each.payment_intent, 0) for each in invoice.payments} for invoice in invoices}
    return tuple(invoice.id for invoice in invoices if sum(paid_by[invoice.id].values()) > max(0, invoice.total))


def main(seeds: int, first: int) -> int:
    """Print what each seed that is amiss came to, and all of them; 1 where one is."""
    scenario, began = scenario_of(), time.process_time()
    found = {seed: books_of(scenario, seed) for seed in range(first, first + seeds)}
    wrong = {seed: books for seed, books in found.items() if books.amiss or books.taken_twice or books.verdict != "holds"}
    for seed, books in wrong.items():
        sys.stdout.write(f"seed {seed}: {books.verdict}; amiss {books.amiss[:4]}, taken twice {books.taken_twice[:4]}\n")
    told = [sum(getattr(books, name) for books in found.values()) for name in ("objects", "at_stripe", "in_ledger")]
    sys.stdout.write(f"{seeds} seeds of {DAYS} days: {told[0]:,} invoices and charges; paid and owed at Stripe {told[1]:,} cents, ")
    sys.stdout.write(f"in the ledger {told[2]:,}; {len(wrong)} seeds amiss; {time.process_time() - began:.0f} s of CPU\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    asked = [int(text) for text in sys.argv[1:]]
    sys.exit(main(*(*asked, *(20, 0)[len(asked) :])))
