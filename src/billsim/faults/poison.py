"""poison: a message over which its consumer falls each time."""

from __future__ import annotations

from collections.abc import Callable

from billsim.core.at_least_once import REDRIVEN, Parcel
from billsim.core.choices import Choices
from billsim.faults.base import QUEUES, Dial, Fault


class Poison(Fault):
    """The queue goes on with the others, and puts this one aside after its last attempt."""

    name = "poison"
    area = QUEUES
    what = "the consumer of a queue falls over the message each time, until it is in the dead letter"
    heals = "the operator redrives the dead letters once, when the consumer has been mended"
    of_each = "message"

    def __init__(self, dial: Dial, choices: Choices, accounts_of: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__(dial, choices, accounts_of)
        self._doomed: set[str] = set()

    def fails_message(self, parcel: Parcel) -> bool:
        """Decided at the first attempt, and true of those that follow."""
        if parcel.attempt == 1 and self.strikes_message(parcel):
            self._doomed.add(parcel.name)
        return parcel.attempt < REDRIVEN and parcel.name in self._doomed
