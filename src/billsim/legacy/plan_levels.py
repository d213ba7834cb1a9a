"""The old zones' job: it sets every zone of the account to the level that it is told, over whatever is there."""

from __future__ import annotations

from billsim.ports import Message, Read, Steps, Write
from billsim.stores.www import ZoneRow

NAME = "plan_levels"
# What async-processing carries to it; the body names the level, `plan`, as of when it was sent.
KIND = "async.plan_levels"


def handle(message: Message) -> Steps:
    """Give every zone the level `body["plan"]`."""
    zones: dict[str, ZoneRow] = yield Read("www", message.account)
    for name in zones:
        yield Write("www", message.account, {"plan": message.body["plan"]}, name)
