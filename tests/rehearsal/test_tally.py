"""Drift counted by day, as the trace has it: what came, what remediation healed, what ended otherwise; and when the old stopped ending."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from billsim.core.trace import DriftRecord
from billsim.rehearsal.tally import Tally, by_code

DAY = 86_400_000
BEGAN = 100 * DAY
AT_3 = 3 * 3_600_000


def tally(*drift: DriftRecord) -> Tally:
    """Of a platform on which remediation began on a midnight, and that is mirrored at three o'clock each night, from two nights before on."""
    nights = [SimpleNamespace(taken_ms=BEGAN + night * DAY + AT_3) for night in range(-2, 9)]
    warehouse = SimpleNamespace(nights=nights)
    world: Any = SimpleNamespace(
        engine=SimpleNamespace(own=("applystripe",)),
        kernel=SimpleNamespace(now=BEGAN + 9 * DAY),
        scenario=SimpleNamespace(warehouse=object(), timeline=()),
        warehouse=warehouse,
    )
    made = Tally(world, lambda: BEGAN)
    made.sink([("writes",), *drift])
    return made


def drift(opened: float, closed: float | None, by: str = "applystripe", code: str = "www_drift", opener: str = "brain") -> DriftRecord:
    """Opened and closed so many days after remediation began."""
    closed_ms = None if closed is None else BEGAN + int(closed * DAY)
    opening, closing = SimpleNamespace(component=opener), None if closed is None else SimpleNamespace(component=by)
    return DriftRecord("drift", "ada", code, BEGAN + int(opened * DAY), closed_ms, "", opening, closing, "")


def test_day_0_is_the_instant_at_which_it_began_and_day_1_the_24_hours_after() -> None:
    made = tally()
    days = [(BEGAN - DAY, 0), (BEGAN, 0), (BEGAN + 1, 1), (BEGAN + DAY - 1, 1), (BEGAN + DAY, 2)]
    assert [made.day_of(instant) for instant, _ in days] == [day for _, day in days]


def test_what_came_and_went_adds_up_to_what_stands() -> None:
    made = tally(drift(-3, None), drift(0.5, 1.125), drift(0.5, 1.125, by="brain"), drift(1.5, None, code="bad_debt_stuck"))
    assert by_code(made.opened) == {"bad_debt_stuck": 1, "www_drift": 3} and by_code(made.opened, 1) == {"www_drift": 2}
    assert by_code(made.healed, 2) == by_code(made.ended, 2) == {"www_drift": 1} and by_code(made.healed, 1) == {}
    assert made.standing() == {0: {"www_drift": 1}, 1: {"www_drift": 3}, 2: {"www_drift": 1, "bad_debt_stuck": 1}}
    assert made.last_ended_ms == BEGAN + int(1.125 * DAY)


def test_drift_that_it_opened_itself_made_it_worse() -> None:
    assert dict(tally(drift(1, 2, opener="applystripe"), drift(1, 2)).made_worse) == {"www_drift": 1}


def test_old_is_what_two_mirrors_had_pictured() -> None:
    """Mirrors are at 1.125, 2.125, ...: what ends just after the first that has it is new."""
    assert tally(drift(0.5, 1.13), drift(1.0, 2.12)).old_until_ms == {}
    made = tally(drift(-1.5, 4.0, by="brain"), drift(0.5, 2.13), drift(0.5, 3.0, by="brain", code="ledger_drift"))
    assert {code: made.day_of(ended) for code, ended in made.old_until_ms.items()} == {"www_drift": 5, "ledger_drift": 4}
    assert made.old_healed == 1


def test_of_many_only_counts_are_kept() -> None:
    made = tally(*[drift(1 + n / 1000, 2.13) for n in range(900)])
    assert made.opened == {(2, "www_drift"): 900} and made.healed == {(3, "www_drift"): 900} and len(vars(made)) == 10
