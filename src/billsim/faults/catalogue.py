"""All faults, in the order in which what they strike travels; and the weather that a scenario makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from billsim.core.at_least_once import Parcel
from billsim.core.choices import Choices
from billsim.core.time import MINUTE_MS
from billsim.faults.base import PIPE, STRIPE, Dial, Fault, Mishap, Picture, Shift
from billsim.faults.crash import Crash
from billsim.faults.cron_missed import CronMissed
from billsim.faults.cron_overlap import CronOverlap
from billsim.faults.cron_twice import CronTwice
from billsim.faults.dead_letter import DeadLetter
from billsim.faults.duplicate import Duplicate
from billsim.faults.idempotency_key_reused import IdempotencyKeyReused
from billsim.faults.ingress_outage import IngressOutage
from billsim.faults.late import Late
from billsim.faults.lost import Lost
from billsim.faults.merged_account import MergedAccount
from billsim.faults.mirror_late import MirrorLate
from billsim.faults.mirror_missing import MirrorMissing
from billsim.faults.mirror_torn import MirrorTorn
from billsim.faults.missing_customer import MissingCustomer
from billsim.faults.missing_price import MissingPrice
from billsim.faults.no_payment_method import NoPaymentMethod
from billsim.faults.out_of_order import OutOfOrder
from billsim.faults.poison import Poison
from billsim.faults.redelivery import Redelivery
from billsim.faults.same_second import SameSecond
from billsim.faults.slow_handler import SlowHandler
from billsim.faults.stale_cache import StaleCache
from billsim.faults.stale_replica import StaleReplica
from billsim.faults.stale_snapshot import StaleSnapshot
from billsim.faults.stripe_error import StripeBroken
from billsim.faults.stripe_rate_limited import StripeRateLimited
from billsim.faults.stripe_timeout import StripeTimeout
from billsim.faults.twin import Twin
from billsim.faults.two_instances import TwoInstances
from billsim.pipe.weather import Journey
from billsim.ports import Message
from billsim.runtime.hazards import Fate
from billsim.runtime.stripe_client import Setback, Try
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
    TwoInstances,
    StripeRateLimited,
    StripeBroken,
    StripeTimeout,
    IdempotencyKeyReused,
    StaleCache,
    StaleReplica,
    CronOverlap,
    CronMissed,
    CronTwice,
    MirrorTorn,
    MirrorMissing,
    MirrorLate,
    MissingPrice,
    MergedAccount,
    MissingCustomer,
    NoPaymentMethod,
)
CATALOGUE: dict[str, type[Fault]] = {fault.name: fault for fault in FAULTS}


def weather_of(dials: Mapping[str, Dial], choices: Choices, accounts_of: Callable[[str], tuple[str, ...]]) -> Weather | None:
    """The weather of a world; None, and no question asked, where no fault is on."""
    faults = [fault(dials[fault.name], choices, accounts_of) for fault in FAULTS if fault.name in dials and dials[fault.name].ppm]
    return Weather(faults) if faults else None


def described() -> list[dict[str, Any]]:
    """What there is to know of each fault before it is set; `minutes` is 0 for one without a duration, and the labels of its
    questions begin with `w/` or `e/` and then its `label`.
    """
    return [
        {
            "name": fault.name,
            "area": fault.area,
            "what": fault.what,
            "heals": fault.heals,
            "of_each": fault.of_each,
            "minutes": fault.minutes,
            "most_minutes": fault.most_minutes,
            "scope": _scope(fault),
            "label": f"fault/{fault.name}/",
        }
        for fault in FAULTS
    ]


def _scope(fault: type[Fault]) -> list[str]:
    """The keys by which a scenario may narrow a fault down."""
    if not fault.scoped:
        return []
    return ["accounts", *{PIPE: ["events"], STRIPE: ["methods"]}.get(fault.area, [])]


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
        self._doubling = _at("doubles", faults)
        self._thwarting = _at("thwarts", faults)
        self._misleading = _at("replica_lag_ms", faults)
        self._outliving = _at("cache_lag_ms", faults)
        self._scheduling = _at("shifts", faults)
        self._picturing = _at("pictures", faults)
        self._mishandling = _at("mishaps", faults)

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

    def doubles(self, message: Message) -> bool:
        """Whether a second instance of the engine handles a message too."""
        return not self.stopped and any(fault.doubles(message) for fault in self._doubling)

    @property
    def strikes_requests(self) -> bool:
        """Whether any of its faults strikes requests to Stripe."""
        return bool(self._thwarting)

    def setback(self, sent: Try) -> Setback | None:
        """What befalls a try of a request to Stripe: what the first fault says that strikes it."""
        if self.stopped:
            return None
        return next((setback for fault in self._thwarting if (setback := fault.thwarts(sent)) is not None), None)

    @property
    def misleads_reads(self) -> bool:
        """Whether any of its faults answers a read with what is no longer so."""
        return bool(self._misleading or self._outliving)

    @property
    def longest_ms(self) -> int:
        """How far back what such a read is answered with may lie."""
        return max([fault.lasts_minutes for fault in (*self._misleading, *self._outliving)]) * MINUTE_MS

    def replica_lag_ms(self, task: str, account: str, what: str) -> int:
        """How far the replica is behind that answers a task's look at a store."""
        return 0 if self.stopped else max([fault.replica_lag_ms(task, account, what) for fault in self._misleading], default=0)

    def cache_lag_ms(self, task: str, account: str, what: str) -> int:
        """How old the cache is that answers a task's look at it."""
        return 0 if self.stopped else max([fault.cache_lag_ms(task, account, what) for fault in self._outliving], default=0)

    def shifts(self, night: str) -> tuple[Shift, ...]:
        """When the nightly job is started on a night, after all faults."""
        shifts: tuple[Shift, ...] = (Shift(),)
        if not self.stopped:
            for fault in self._scheduling:
                shifts = fault.shifts(night, shifts)
        return shifts

    def picture(self, night: str) -> Picture:
        """How a night is mirrored, after all faults."""
        picture = Picture()
        if not self.stopped:
            for fault in self._picturing:
                picture = fault.pictures(night, picture)
        return picture

    def mishaps(self, accounts: Sequence[str], storm_ms: int) -> list[Mishap]:
        """What happens to the data of accounts during a storm, in the order in which it does."""
        found = [mishap for fault in self._mishandling for mishap in fault.mishaps(accounts, storm_ms)]
        return sorted(found, key=lambda mishap: mishap.after_ms)


def _at(hook: str, faults: list[Fault]) -> list[Fault]:
    """The faults that override a hook."""
    return [fault for fault in faults if hook in vars(type(fault))]
