"""Which cause is told of which evidence, one rule at a time, and in the stories that ship."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from billsim.checks import witness
from billsim.checks.cause import Case, of_handler, of_truth, provenance
from billsim.checks.witness import Moved
from billsim.core.trace import ActionRecord
from billsim.ports import CallStripe, Message, Read, Scan
from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load

ACT = ActionRecord("actions", 9_000, "flag", "ada", "in_ada_1", "bad_debt", "k", "handler", "e/m/handler", True)
MESSAGE = Message("m", "w", "stripe.invoice.paid", "ada", 0)


def told(*ways: str) -> witness.Testimony:
    return witness.Testimony(MESSAGE, "handler", "e/m/handler", None, tuple(Moved(way, "ope", "k", 1_000) for way in ways))


def case(*ways: str, right: bool = False, repeated: bool = False, other_path: bool = False, looked: bool = True) -> Case:
    return Case(ACT, told(*ways)._replace(looked=looked), right, repeated, lambda: other_path)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (case(), "blind_overwrite"),
        (case("event"), "stale_event"),
        (case("read"), "stale_read"),
        (case("list"), "stale_read"),
        (case("row"), "lost_update"),
        (case("event", "read"), "stale_read"),
        (case("event", "read", "row"), "lost_update"),
        (case(other_path=True), "wrong_path"),
        (case("event", other_path=True), "stale_event"),
        (case(other_path=True, looked=False), "blind_overwrite"),
        (case("row", right=True), "partial_apply"),
        (case(right=True, looked=False), "blind_overwrite"),
        (case("row", right=True, repeated=True), "duplicate"),
    ],
)
def test_the_first_that_fits_is_told(given: Case, cause: str) -> None:
    assert of_handler(given) == cause


class Worked(NamedTuple):
    """A task, as far as a witness asks."""

    message: Message
    seen: list[tuple[Any, Any, Any]]


@pytest.mark.parametrize(
    ("woken_by", "shown", "looked"),
    [
        ("request.form", [], False),
        ("request.form", [Read("subs_account", "ada")], False),
        ("request.form", [Read("subs_account", "ada"), Read("subs_dunning", "ada")], True),
        ("request.form", [Scan("subs_account", {})], True),
        ("request.form", [CallStripe("invoices.retrieve", "ada", "in_ada_1")], True),
        ("stripe.invoice.paid", [], True),
    ],
)
def test_who_was_shown_nothing_but_the_store_that_it_wrote_to_had_not_looked(woken_by: str, shown: list[Any], looked: bool) -> None:
    event: Any = object() if woken_by.startswith("stripe.") else None
    task: Any = Worked(Message("m", "w", woken_by, "ada", 0, event), [(0, effect, None) for effect in shown])
    assert witness.looked([task], "subs_account") is looked
    assert witness.looked([], "subs_account"), "of a task that has ended nobody knows"


def test_truth_that_moved() -> None:
    assert (of_truth(False), of_truth(True)) == ("missing_handler", "partial_apply")


def test_an_act_says_what_woke_its_writer_and_what_had_moved() -> None:
    known: Any = provenance(ACT, told("event"))
    assert (known.kind, known.cause) == ("action", "stripe.invoice.paid m")
    assert [(each.via, each.seen_ms) for each in known.moved] == [("event", 1_000)]


STORIES = {
    "late_failed_after_paid": {
        ("bad_debt_stuck", "stale_event"),
        ("consequence_unjustified", "stale_event"),
        # Nobody told her that she has recovered: whoever might have, had never heard that she was bad debt.
        ("consequence_missing", "missing_handler"),
    },
    "cron_reads_stale_list": {("bad_debt_stuck", "stale_read")},
    "pay_bad_debt_vs_webhook": {("no_successful_payment_stuck", "lost_update")},
    "duplicate_failed_counts_twice": {("dunning_wrong", "duplicate"), ("consequence_unjustified", "duplicate")},
    "delinquent_paid_incomplete": {("dunning_wrong", "blind_overwrite"), ("consequence_unjustified", "blind_overwrite")},
    "newest_paid_older_owed": {
        ("bad_debt_missed", "missing_handler"),
        ("entitlement_drift", "missing_handler"),
        ("www_drift", "missing_handler"),
        ("consequence_missing", "missing_handler"),
    },
}


@pytest.mark.parametrize("name", STORIES)
def test_what_stands_open_at_the_end_of_a_story(name: str) -> None:
    drift = run_scenario(load(find(f"dunning/{name}")), engine="legacy").drift
    assert {(record.code, record.cause) for record in drift if record.closed_ms is None} == STORIES[name]


def test_the_opening_write_carries_what_its_writer_had_read_and_when() -> None:
    [drift] = run_scenario(load(find("dunning/pay_bad_debt_vs_webhook")), engine="legacy").drift
    opening = drift.opening
    # The page was opened at 10:00:00, and saved after the customer had been at her bank for two minutes.
    assert 120_000 < opening.at_ms - opening.read_ms < 125_000
    [moved] = opening.moved
    assert (moved.via, moved.store, moved.seen_ms) == ("row", "subs_account", opening.read_ms)
    assert moved.fields == (("flags", 1 << 15 | 1 << 14, 0),)
