"""What was answered under each idempotency key (https://docs.stripe.com/api/idempotent_requests): status and body, for a day."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from billsim.core.time import DAY_MS
from billsim.stripe.objects import StripeError

KEPT_MS = DAY_MS
MOST_KEPT = 10_000
LONGEST_KEY = 255


class Answer(NamedTuple):
    """What a request under a key was, and how it was answered, by which request."""

    path: str
    told: bytes
    status: int
    body: bytes
    number: str
    headers: dict[str, str]


class Answers:
    """The answers of the last 24 hours, at most MOST_KEPT of them. One is kept once its request has begun to be performed: what is refused for its
    form, or for there being too many, may be sent again, corrected.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Answer] = {}
        self._order: deque[tuple[int, str]] = deque()

    def of(self, key: str, path: str, told: bytes, now_ms: int) -> Answer | None:
        """What was answered to this request under this key, or None. Raises StripeError where the key came with another request."""
        if len(key) > LONGEST_KEY:
            raise StripeError(400, "invalid_request_error", "", f"Invalid Idempotency-Key: must be at most {LONGEST_KEY} characters.")
        while self._order and self._order[0][0] <= now_ms:
            self._kept.pop(self._order.popleft()[1], None)
        known = self._kept.get(key)
        if known is not None and known.path != path:
            raise _used(key, f"used for the same endpoint they were first used for ('{path}' vs '{known.path}')")
        if known is not None and known.told != told:
            raise _used(key, "used with the same parameters they were first used with")
        return known

    def keep(self, key: str, answer: Answer, now_ms: int) -> None:
        """Keep an answer under a key that has none."""
        if len(self._order) >= MOST_KEPT:
            self._kept.pop(self._order.popleft()[1], None)
        self._kept[key] = answer
        self._order.append((now_ms + KEPT_MS, key))

    def memory(self) -> list[Any]:
        """Every key and its answer."""
        return sorted(self._kept.items())


def _used(key: str, rule: str) -> StripeError:
    message = f"Keys for idempotent requests can only be {rule}. Try using a key other than '{key}' if you meant to execute a different request."
    return StripeError(400, "idempotency_error", "", message)
