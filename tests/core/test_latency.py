"""Every latency table is a distribution of whole, positive times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


class TestSlowest:
    def test_of_one_is_that_one(self) -> None:
        assert latency.slowest([latency.STORE]).values[::2] == latency.STORE.values

    def test_of_two_even_spreads(self) -> None:
        """Below v both are with v * v / 10,000: half the time below 71, three quarters below 87."""
        even = Quantiles("even", (0, 100))
        assert [latency.slowest([even, even]).values[n] for n in (0, 5, 10, 15, 20)] == [0, 50, 71, 87, 100]

    def test_what_is_always_slower_decides(self) -> None:
        quick, slow = Quantiles("quick", (0, 9)), Quantiles("slow", (10, 20))
        assert latency.slowest([quick, slow]).values == latency.slowest([slow]).values

    @given(st.lists(st.integers(0, 2**64 - 1), min_size=10, max_size=10))
    def test_is_never_quicker_than_what_all_share(self, bits: list[int]) -> None:
        tables = [latency.STORE] * 7 + [latency.STRIPE_READ] * 3
        whole = latency.slowest(tables)
        assert all(whole.answer(each) < 900 for each in bits)
        assert all(whole.answer(each) >= latency.STRIPE_READ.answer(each) for each in bits)
