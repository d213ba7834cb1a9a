"""crash: the process in which a handler runs dies before one of its writes."""

from __future__ import annotations

from billsim.core.choices import Quantiles
from billsim.faults.base import ENGINE, Fault
from billsim.runtime.hazards import Fate

# A handler that makes fewer writes than the one that it was to die before lives.
BEFORE = Quantiles("before", (1, 7))


class Crash(Fault):
    """A task dies with those that wait for it; what woke them is delivered again, or sent again by whoever asked. The last try is spared."""

    name = "crash"
    area = ENGINE
    what = "the process of a handler dies before one of its writes, and none that follow are made"
    heals = "the message is delivered again after its back-off, a request is sent again once; the engine must go on from what was written"
    of_each = "task"

    def befalls(self, fate: Fate, task: str, account: str, repeated: bool) -> Fate:
        """Whether the task dies, and before which of its writes."""
        if not repeated or not self.strikes_task(task, account):
            return fate
        return fate._replace(dies_before=self.choices.ask(f"{self.label_of_task(task)}/before", BEFORE))
