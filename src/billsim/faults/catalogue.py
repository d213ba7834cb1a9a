"""All faults, in the order in which what they strike travels; and the weather that a scenario makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from billsim.core.at_least_once import Parcel
from billsim.core.choices import Choices
from billsim.faults.base import PIPE, Dial, Fault
from billsim.faults.crash import Crash
from billsim.faults.dead_letter import DeadLetter
from billsim.faults.duplicate import Duplicate
from billsim.faults.ingress_outage import IngressOutage
from billsim.faults.late import Late
from billsim.faults.lost import Lost
from billsim.faults.out_of_order import OutOfOrder
from billsim.faults.poison import Poison
from billsim.faults.redelivery import Redelivery
from billsim.faults.same_second import SameSecond
from billsim.faults.slow_handler import SlowHandler
from billsim.faults.stale_snapshot import StaleSnapshot
from billsim.faults.twin import Twin
from billsim.pipe.weather import Journey
from billsim.runtime.hazards import Fate
from billsim.stripe.objects import Emitted

FAULTS: tuple[type[Fault], ...] = (
    Late,
    Twin,
    SameSecond,
    OutOfOrder,
    StaleSnapshot,
    Lost,
    IngressOutage,
    Duplicate,
    DeadLetter,
    Redelivery,
    Poison,
    Crash,
    SlowHandler,
)
CATALOGUE: dict[str, type[Fault]] = {fault.name: fault for fault in FAULTS}


def weather_of(dials: Mapping[str, Dial], choices: Choices, accounts_of: Callable[[str], tuple[str, ...]]) -> Weather | None:
    """The weather of a world; None, and no question asked, where no fault is on."""
    faults = [fault(dials[fault.name], choices, accounts_of) for fault in FAULTS if fault.name in dials and dials[fault.name].ppm]
    return Weather(faults) if faults else None


def described() -> list[dict[str, Any]]:
    """What there is to know of each fault before it is set; `minutes` is 0 for one without a duration."""
    return [
        {
            "name": fault.name,
            "area": fault.area,
            "what": fault.what,
            "heals": fault.heals,
            "of_each": fault.of_each,
            "minutes": fault.minutes,
            "most_minutes": fault.most_minutes,
            "scope": [] if not fault.scoped else ["accounts", "events"] if fault.area == PIPE else ["accounts"],
        }
        for fault in FAULTS
    ]


class Weather:
    """The faults of one world. Each is asked only at the hooks that it overrides. `stopped`: the storm is over, and nothing fails any more."""

    def __init__(self, faults: list[Fault]) -> None:
        self.stopped = False
        self._leaving = _at("leaves", faults)
        self._posting = _at("refuses", faults)
        self._copying = _at("copies", faults)
        self._handling = _at("fails_event", faults)
        self._consuming = _at("fails_message", faults)
        self._acknowledging = _at("loses_ack", faults)
        self._befalling = _at("befalls", faults)

    def leaves(self, emitted: Emitted) -> Journey:
        """How an event leaves Stripe, after all faults."""
        journey = Journey(emitted)
        if not self.stopped:
            for fault in self._leaving:
                journey = fault.leaves(journey)
        return journey

    def refuses(self, emitted: Emitted, post: int, now_ms: int) -> bool:
        """Whether Stripe gets no 2xx for this POST."""
        return not self.stopped and any(fault.refuses(emitted, post, now_ms) for fault in self._posting)

    def copies(self, emitted: Emitted) -> int:
        """How often Pub/Sub delivers the event besides."""
        return 0 if self.stopped else sum(fault.copies(emitted) for fault in self._copying)

    def fails(self, parcel: Parcel) -> bool:
        """Whether a Pub/Sub delivery fails."""
        return not self.stopped and any(fault.fails_event(parcel) for fault in self._handling)

    def fails_message(self, parcel: Parcel) -> bool:
        """Whether the consumer of a queue falls over a message."""
        return not self.stopped and any(fault.fails_message(parcel) for fault in self._consuming)

    def loses_ack(self, parcel: Parcel) -> bool:
        """Whether the acknowledgement of a message is lost."""
        return not self.stopped and any(fault.loses_ack(parcel) for fault in self._acknowledging)

    @property
    def strikes_tasks(self) -> bool:
        """Whether any of its faults strikes the engine at its work."""
        return bool(self._befalling)

    def fate(self, task: str, account: str, repeated: bool) -> Fate:
        """What befalls a task of the engine, after all faults."""
        fate = Fate()
        if not self.stopped:
            for fault in self._befalling:
                fate = fault.befalls(fate, task, account, repeated)
        return fate


def _at(hook: str, faults: list[Fault]) -> list[Fault]:
    """The faults that override a hook."""
    return [fault for fault in faults if hook in vars(type(fault))]
