"""dead_letter: every delivery of an event fails, until Pub/Sub puts it aside."""

from __future__ import annotations

from collections.abc import Callable

from billsim.core.at_least_once import REDRIVEN, Parcel
from billsim.core.choices import Choices
from billsim.faults.base import Dial, Fault


class DeadLetter(Fault):
    """What falls over it is the worker, as after a bad deployment; the engine never sees the event."""

    name = "dead_letter"
    what = "each delivery of the event to billing-webhooks fails, until it is in the dead letter"
    heals = "the operator redrives the dead letters once, and then it goes through"

    def __init__(self, dial: Dial, choices: Choices, accounts_of: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__(dial, choices, accounts_of)
        self._doomed: set[str] = set()

    def fails_event(self, parcel: Parcel) -> bool:
        """Decided at the first attempt, and true of those that follow."""
        if parcel.attempt == 1 and self.strikes_event(parcel.item):
            self._doomed.add(parcel.name)
        return parcel.attempt < REDRIVEN and parcel.name in self._doomed
