"""redelivery: a queue's consumer was done with a message, its acknowledgement is lost, and the message comes again."""

from __future__ import annotations

from billsim.core.at_least_once import Parcel
from billsim.faults.base import QUEUES, Fault


class Redelivery(Fault):
    """At a message's first attempt only, so that the second always settles it."""

    name = "redelivery"
    area = QUEUES
    what = "a message that was handled is delivered again, because its acknowledgement was lost"
    heals = "the second acknowledgement arrives; a consumer must bear the repetition"
    of_each = "message"

    def loses_ack(self, parcel: Parcel) -> bool:
        """Lost at the first attempt."""
        return parcel.attempt == 1 and self.strikes_message(parcel)
