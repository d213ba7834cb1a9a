"""The digest sees every field of every record, wherever the batches are cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsim.core.trace import BATCH, ActionRecord, DriftRecord, LatencyRecord, MarkRecord, MessageRecord, Record, Trace, WriteRecord
from billsim.stores.cf_prod import EntitlementRow

OLD, NEW = EntitlementRow("ada", "zone", "free", version=1), EntitlementRow("ada", "zone", "pro_monthly", version=2)
WRITE = WriteRecord("writes", 10, "entitlements", "e/t", "stripe.invoice.paid|m", "cf_prod", "ada", "zone", 1, OLD, NEW)
RECORDS: list[Record] = [
    WRITE,
    MessageRecord("messages", 11, "delivered", "evt_1", "stripe.invoice.paid", "ada", 1),
    DriftRecord("drift", "ada", "bad_debt_stuck", 5, None, "stale_event", {"store": "x"}, None, ""),
    ActionRecord("actions", 12, "notify", "ada", "in_ada_1", "retrying", "in_ada_1/retrying", "consequences", "e/t", True),
    MarkRecord("marks", 13, "redelivered", "ada", "e/t"),
    LatencyRecord("latency", 14, "lag", "ada", 250),
]


def digest(records: Iterable[Any], cuts: Iterable[int] = ()) -> str:
    trace = Trace()
    cut_before = list(cuts)
    for position, record in enumerate(records):
        if position in cut_before:
            trace.flush()
        trace.add(record)
    trace.flush()
    return trace.digest


@given(st.lists(st.integers(0, len(RECORDS))))
def test_where_batches_are_cut_does_not_show(cuts: list[int]) -> None:
    assert digest(RECORDS, cuts) == digest(RECORDS)


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return f"{value}x" if isinstance(value, str) else "something else"


# Not the old row, which is an earlier record's new one; and a write's table is what makes it a write.
FIELDS = [(record, field) for record in RECORDS for field in record._fields if record is not WRITE or field not in ("old", "table")]


@pytest.mark.parametrize(("record", "field"), FIELDS, ids=lambda it: it if isinstance(it, str) else it.table)
def test_every_field_counts(record: Record, field: str) -> None:
    other = record._replace(**{field: changed(getattr(record, field))})
    assert digest([other]) != digest([record])


def test_the_old_row_is_an_earlier_records_new_one() -> None:
    assert digest([WRITE._replace(old=None)]) == digest([WRITE])


def test_a_row_counts_with_all_its_fields() -> None:
    assert digest([WRITE._replace(new=EntitlementRow("ada", "zone", "free", version=2))]) != digest([WRITE])
    assert digest([WRITE._replace(new=EntitlementRow("ada", "zone", "pro_monthly", version=3))]) != digest([WRITE])


def test_order_counts() -> None:
    assert digest(RECORDS) != digest(RECORDS[::-1])


def test_pinned() -> None:
    assert digest([MarkRecord("marks", 1, "m", "a", "t")]) == "f0028ad70a518d3d605b3c10a7cdf08f"  # xxh3-128 of '["marks",1,"m","a","t"]\n'


def test_sinks_get_each_record_once_and_in_order() -> None:
    trace, taken, sizes = Trace(), [], []
    trace.sinks = [taken.extend, lambda batch: sizes.append(len(batch))]
    records = [MarkRecord("marks", n, "m", "ada", "t") for n in range(BATCH + 3)]
    for record in records:
        trace.add(record)
        if len(trace.waiting) == BATCH:
            trace.flush()
    assert sizes == [BATCH]
    trace.flush()
    trace.flush()
    assert sizes == [BATCH, 3]
    assert taken == records
    assert trace.count == BATCH + 3
