"""`[faults]` in a scenario file: it is read, written back, and whatever is wrong with it is met with one line."""

from __future__ import annotations

import pytest

from billsim.faults.base import Dial
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import dump, find, load, loads, unplaced

HEAD = """id = "faults/story"
start = 2026-03-14T00:00:00Z
given = [ { account = "ada" } ]

[faults]
"""


def test_a_fault_is_set_by_its_name() -> None:
    scenario = loads(HEAD + 'late = { ppm = 5, minutes = 7, accounts = ["ada"], events = ["invoice.paid"] }')
    assert scenario.faults == {"late": Dial(ppm=5, minutes=7, accounts=("ada",), events=("invoice.paid",))}


def test_what_is_written_is_read_again() -> None:
    for scenario in (load(find("load/faulty_small")), loads(HEAD + 'late = { ppm = 5, minutes = 7, accounts = ["ada"] }\npoison = { ppm = 0 }')):
        assert unplaced(loads(dump(scenario))) == unplaced(scenario)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lat = { ppm = 5 }", "story.toml:6: faults.lat: unknown fault 'lat' (did you mean 'late'?)"),
        ("late = { }", "story.toml:6: faults.late: 'ppm' is missing"),
        ("late = 5", "story.toml:6: faults.late: must be a table, not a whole number"),
        ("late = { ppm = 1000001 }", "story.toml:6: faults.late.ppm: parts per million: must be at most 1000000"),
        ("late = { ppm = -1 }", "story.toml:6: faults.late.ppm: must not be negative, is -1"),
        ("late = { ppm = true }", "story.toml:6: faults.late.ppm: must be a whole number, not true or false"),
        ("late = { ppm = 5, minute = 3 }", "story.toml:6: faults.late.minute: unknown key (did you mean 'minutes'?)"),
        ("late = { ppm = 5, minutes = 0 }", "story.toml:6: faults.late.minutes: must be 1 to 4320"),
        ("twin = { ppm = 5, minutes = 3 }", "story.toml:6: faults.twin.minutes: 'twin' has no duration"),
        ('late = { ppm = 5, accounts = ["adda"] }', "story.toml:6: faults.late.accounts[0]: there is no account 'adda' (did you mean 'ada'?)"),
        (
            'late = { ppm = 5, events = ["invoice.payed"] }',
            "story.toml:6: faults.late.events[0]: unknown event type 'invoice.payed' (did you mean 'invoice.paid'?)",
        ),
        ('poison = { ppm = 5, events = ["invoice.paid"] }', "story.toml:6: faults.poison.events: 'poison' does not strike single event types"),
        ('ingress_outage = { ppm = 5, accounts = ["ada"] }', "story.toml:6: faults.ingress_outage.accounts: 'ingress_outage' strikes everybody"),
    ],
)
def test_bad_input_is_met_with_one_line(line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        loads(HEAD + line, "story.toml")
    assert str(caught.value) == message
