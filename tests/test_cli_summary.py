"""What is printed of a drift: for how long, which write opened and closed it, and what the writer had read."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from billsim.checks.cause import Provenance
from billsim.core.trace import DriftRecord
from billsim.summary import codes_table, command, drift_lines, provenance, show_drift, span

AT_MS = 1_773_536_400_000  # 2026-03-15T01:00:00Z


def written(**facts: Any) -> Provenance:
    return Provenance("write", AT_MS, **{"component": "invoice_payment_failed", "task": "e/t", "store": "subs_dunning", "version": 6, **facts})


def drift(account: str, closed_ms: int | None) -> DriftRecord:
    opening = written(cause="stripe.invoice.payment_failed in_ada_1.payment_failed.8", read_version=4, fields=(("status", "healthy", "bad_debt"),))
    closing = written(component="invoice_paid", read_version=7, version=7, fields=(("status", "bad_debt", "healthy"), ("retry_count", 8, 0)))
    return DriftRecord("drift", account, "bad_debt_stuck", AT_MS, closed_ms, "stale_event", opening, closing if closed_ms else None, "")


def printed(*records: DriftRecord, run_dir: str | None = None) -> list[str]:
    out = io.StringIO()
    show_drift(Console(file=out, width=40, markup=False, highlight=False), records, run_dir)
    return out.getvalue().splitlines()


def test_a_drift_names_the_writes_that_opened_and_closed_it() -> None:
    by = "by invoice_payment_failed, woken by stripe.invoice.payment_failed in_ada_1.payment_failed.8"
    assert drift_lines(drift("ada", AT_MS + 90_000)) == [
        "ada  bad_debt_stuck, for 1 min 30 s, cause stale_event",
        f"  opened 2026-03-15T01:00:00Z {by}: subs_dunning status healthy -> bad_debt (had read version 4, overwrote version 6)",
        "  closed 2026-03-15T01:01:30Z by invoice_paid: subs_dunning status bad_debt -> healthy, retry_count 8 -> 0",
    ]
    assert drift_lines(drift("ada", None))[0] == "ada  bad_debt_stuck, open at the end, cause stale_event"
    assert len(drift_lines(drift("ada", None))) == 2


def test_what_is_open_comes_first_and_ten_are_told() -> None:
    lines = printed(*(drift(f"closed{n}", AT_MS + 1) for n in range(10)), drift("open", None), run_dir="run")
    stories = [line for line in lines if not line.startswith(" ")]
    assert stories[0].startswith("open  bad_debt_stuck, open at the end")
    assert len(stories) == 11
    assert stories[-1] == "... and 1 more, see run/drift"


@pytest.mark.parametrize(
    ("opening", "text"),
    [
        (None, "by nothing that was recorded"),
        (Provenance("clock", AT_MS), "by the clock: a boundary of the policy was reached"),
        (Provenance("given", AT_MS), "by the scenario: it was given"),
        (written(read_version=-1, fields=(("flags", 0, 32768),)), "flags 0 -> 32768 (had not read the row, overwrote version 6)"),
        (written(read_version=6, fields=(("flags", 0, 1),)), "by invoice_payment_failed: subs_dunning flags 0 -> 1"),
        (written(store="billing_prod", key="in_1/2", version=0, fields=(("status", None, "paid"),)), ": billing_prod in_1/2 status paid"),
        (written(fields=tuple((f"f{n}", 0, 1) for n in range(5))), "f0 0 -> 1, f1 0 -> 1, f2 0 -> 1 and 2 more"),
        (written(fields=(("metadata", {"a": "1", "b": "2"}, {"a": "1", "b": "3"}),)), "subs_dunning metadata.b 2 -> 3"),
        (written(fields=(("name", None, "v" * 99),)), "subs_dunning name " + "v" * 60 + "..."),
        (
            Provenance("action", AT_MS, "consequences", fields=(("kind", None, "notify"), ("debt", None, "in_ada_1"), ("step", None, "retrying"))),
            "by consequences: executed notify retrying for in_ada_1",
        ),
    ],
)
def test_provenance_in_words(opening: Provenance | None, text: str) -> None:
    assert provenance(opening).endswith(text)


def test_the_codes_of_two_engines_stand_side_by_side() -> None:
    one = {"drift": {"by_code": {"bad_debt_stuck": {"opened": 3, "open_at_end": 1}}}}
    other = {"drift": {"by_code": {"ledger_drift": {"opened": 2, "open_at_end": 0}}}}
    out = io.StringIO()
    Console(file=out, width=200).print(codes_table({"legacy": one, "recompute": other}))
    figures = [line.split() for line in out.getvalue().splitlines()[2:]]
    assert figures == [["bad_debt_stuck", "3", "2", "1", "0", "0", "0"], ["ledger_drift", "0", "0", "0", "2", "2", "0"]]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1_000, "1 s"), (61_000, "1 min 1 s"), (3_600_000, "1 h"), (90_061_001, "1 d 1 h")],
)
def test_a_span_is_told_in_its_two_largest_units(ms: int, text: str) -> None:
    assert span(ms) == text


def test_a_command_can_be_pasted_into_a_shell() -> None:
    assert command("run", "my story.toml", engine="legacy", seed=0) == "billsim run 'my story.toml' --engine legacy --seed 0"
