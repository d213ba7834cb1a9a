"""Test clocks (https://docs.stripe.com/api/test_clocks): customers whose time whoever tests moves, forward only.

The customers of a clock are a part of the account with a kernel of its own: nothing that is due there waits for anybody else's time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.kernel import Kernel, Unwatched
from billsim.core.time import DAY_S, to_datetime
from billsim.stripe.api import Stripe
from billsim.stripe.lists import PAGES, Page
from billsim.stripe.objects import Deleted, Recurring
from billsim.stripe.objects.account import TestClock
from billsim.stripe.params import Types, check, refusal
from billsim.stripe.periods import period_end

_CREATE: Types = {"frozen_time": int, "name": str}
_ADVANCE: Types = {"frozen_time": int}
_KEPT_S = 30 * DAY_S
_NO_SUBSCRIPTION = Recurring("year", 1)
_LATEST_S = 253_402_300_799  # 9999-12-31
_ALL = 1 << 60


PageOf = Callable[[Any, dict[str, Any], str], Page]


class Part(NamedTuple):
    """Customers with a time of their own."""

    kernel: Kernel
    stripe: Stripe

    def run(self, until_s: int) -> None:
        """Let everything happen that is due until then."""
        self.kernel.run(until_s * 1000, Unwatched(), _ALL)
        self.kernel.move_to(until_s * 1000)


class Clocks:
    """The test clocks of one account. `part` makes customers' part at an instant, `told` hears of what becomes of a clock."""

    def __init__(self, part: Callable[[int, str], Part], told: Callable[[str, TestClock], None], page: PageOf) -> None:
        self._make = part
        self._told = told
        self._page = page
        self._clocks: dict[str, TestClock] = {}
        self._parts: dict[str, Part] = {}

    @property
    def parts(self) -> dict[str, Part]:
        """The customers of each clock."""
        return self._parts

    def find(self, id: str) -> TestClock | None:
        """The clock of this id, or None."""
        return self._clocks.get(id)

    def memory(self) -> list[Any]:
        """Every clock."""
        return list(self._clocks.values())

    def create(self, id: str, params: dict[str, Any], now_s: int) -> TestClock:
        """A clock that stands at `frozen_time`."""
        check(params, _CREATE, ("frozen_time",))
        frozen = _instant(params["frozen_time"])
        clock = TestClock(id=id, created=now_s, frozen_time=frozen, deletes_after=now_s + _KEPT_S, name=params.get("name") or None, livemode=False)
        self._parts[id] = self._make(frozen, id)
        self._clocks[id] = clock
        self._told("created", clock)
        return clock

    def retrieve(self, id: str) -> TestClock:
        """Raises StripeError (404)."""
        if id not in self._clocks:
            raise refusal("resource_missing", f"No such test clock: {id!r}", 404, param="test_clock")
        return self._clocks[id]

    def list(self, params: dict[str, Any]) -> Page:
        """Clocks, newest first."""
        check(params, PAGES)
        return self._page([*reversed(self._clocks.values())], params, "/v1/test_helpers/test_clocks")

    def advance(self, id: str, params: dict[str, Any]) -> TestClock:
        """Move a clock on. It answers `advancing`, as Stripe does, which has its work still to do; here that is done by then, and it is `ready` for
        whoever looks next.
        """
        clock = self.retrieve(id)
        check(params, _ADVANCE, ("frozen_time",))
        target = _instant(params["frozen_time"])
        if clock.status != "ready":
            raise refusal("", f"You cannot advance a test clock whose status is {clock.status}.")
        self._check_step(clock, target)
        going = self._clocks[id] = replace(clock, status="advancing", advances_to=target)
        self._told("advancing", going)
        try:
            self._parts[id].run(target)
        except BaseException:
            self._clocks[id] = replace(clock, status="internal_failure", advances_to=None)
            self._told("internal_failure", self._clocks[id])
            raise
        self._clocks[id] = replace(clock, frozen_time=target, status="ready", advances_to=None)
        self._told("ready", self._clocks[id])
        return going

    def _check_step(self, clock: TestClock, target: int) -> None:
        """Forward, and by at most two intervals of the shortest subscription; by two years where there is none."""
        if target <= clock.frozen_time:
            message = "The frozen_time you are advancing to must be after the current frozen_time of the test clock."
            raise refusal("", message, param="frozen_time")
        recurring = [
            item.price.recurring
            for book in self._parts[clock.id].stripe.books.values()
            for subscription in book.subscriptions.values()
            if subscription.status not in ("canceled", "incomplete_expired")
            for item in subscription.items.data
            if item.price.recurring is not None
        ]
        furthest = min([_two_on(each, clock.frozen_time) for each in recurring or [_NO_SUBSCRIPTION]])
        if target > furthest:
            message = (
                f"You cannot advance a test clock more than two intervals of its shortest subscription at a time: at most to {furthest} "
                f"({to_datetime(furthest * 1000):%Y-%m-%dT%H:%M:%SZ})."
            )
            raise refusal("", message, param="frozen_time")

    def delete(self, id: str) -> Deleted:
        """Take a clock away, and its customers with everything of theirs."""
        clock = self.retrieve(id)
        part = self._parts.pop(id)
        for customer in list(part.stripe.books):
            part.stripe.forget(customer)
        part.kernel.clear()
        del self._clocks[id]
        self._told("deleted", clock)
        return Deleted(id, clock.object)


def _two_on(recurring: Recurring, start_s: int) -> int:
    return period_end(recurring, period_end(recurring, start_s, start_s), start_s)


def _instant(frozen_time: int) -> int:
    if not 0 < frozen_time <= _LATEST_S:
        raise refusal("parameter_invalid_integer", f"Invalid integer: {frozen_time}", param="frozen_time")
    return frozen_time
