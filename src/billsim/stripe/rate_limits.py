"""How many requests Stripe takes within a second (https://docs.stripe.com/rate-limits). What is beyond that is refused before it is begun."""

from __future__ import annotations

from typing import Any

from billsim.core.time import SECOND_MS
from billsim.stripe.objects import StripeError
from billsim.stripe.settings import StripeSettings


class RateLimits:
    """The requests of the present second, in all and to each endpoint."""

    def __init__(self, settings: StripeSettings) -> None:
        self._most = settings.requests_per_second
        self._most_an_endpoint = settings.endpoint_requests_per_second
        self._second = -1
        self._taken: dict[str, int] = {}

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return self._most > 0 or self._most_an_endpoint > 0

    def memory(self) -> list[Any]:
        """What was taken in the present second."""
        return [self._second, sorted(self._taken.items())]

    def admit(self, method: str, now_ms: int) -> None:
        """Count a request. Raises StripeError (429 `rate_limit`) for one too many."""
        second = now_ms // SECOND_MS
        if second != self._second:
            self._second = second
            self._taken.clear()
        taken = self._taken
        for name, most in (("", self._most), (method, self._most_an_endpoint)):
            if 0 < most <= taken.get(name, 0):
                of = f" of {name}" if name else ""
                message = f"Request rate limit exceeded: {most} requests{of} a second."
                reason = "endpoint-rate" if name else "global-rate"
                raise StripeError(429, "invalid_request_error", "rate_limit", message, limited_by=reason)
        taken[""] = taken.get("", 0) + 1
        taken[method] = taken.get(method, 0) + 1
