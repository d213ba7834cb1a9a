"""two_instances: a message is handled by two instances of the engine at once, as after a lease that ran out too early."""

from __future__ import annotations

from billsim.faults.base import ENGINE, Fault
from billsim.ports import Message
from billsim.runtime.hazards import ANSWERED


class TwoInstances(Fault):
    """At its first delivery. What a customer or a job asks for goes to one instance alone."""

    name = "two_instances"
    area = ENGINE
    what = "a message of the pipe or of a queue is handled by two instances of the engine at once"
    heals = "not needed: whoever comes second must find that it is done, or lose its race"
    of_each = "message"

    def doubles(self, message: Message) -> bool:
        """Whether a second instance has it too."""
        return not message.kind.startswith(ANSWERED) and self.strikes_work(message)
