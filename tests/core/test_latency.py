"""Every latency table is a distribution of whole, positive times."""

from __future__ import annotations

import pytest

from billsim.core import latency
from billsim.core.choices import Quantiles

TABLES = [table for table in vars(latency).values() if isinstance(table, Quantiles)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_takes_time(table: Quantiles) -> None:
    assert table.values[0] >= (0 if table is latency.ROW_OFFSET else 1)


def test_named_after_what_they_time() -> None:
    for name, table in vars(latency).items():
        if isinstance(table, Quantiles):
            assert table.name == name.lower()


def test_a_write_at_stripe_takes_longer_than_a_store() -> None:
    assert all(store < write for store, write in zip(latency.STORE.values, latency.STRIPE_WRITE.values, strict=True))
