"""Idempotency keys: a request that is sent again has no second effect (https://docs.stripe.com/api/idempotent_requests)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from billsim.core.time import DAY_MS
from billsim.stripe.objects import StripeError

KEPT_MS = DAY_MS
MOST_KEPT = 100_000
LONGEST_KEY = 255

_encoder = msgspec.json.Encoder(order="deterministic")


class Stored(NamedTuple):
    """What a request under a key was, and what came of it: an answer, or Stripe's refusal."""

    request: bytes
    answer: Any
    error: StripeError | None


class IdempotencyKeys:
    """The keys of the last 24 hours, at most MOST_KEPT of them."""

    def __init__(self) -> None:
        self._stored: dict[str, Stored] = {}
        self._order: deque[tuple[int, str]] = deque()

    def once(self, key: str, request: Any, now_ms: int, perform: Callable[[], Any]) -> Any:
        """Perform a request, or answer as it was answered the first time, refusals included.

        Raises StripeError (400 `idempotency_error`) for a key that came with another request, and for one longer than 255 characters.
        """
        if not key or len(key) > LONGEST_KEY:
            raise StripeError(400, "invalid_request_error", "idempotency_key_invalid", f"An idempotency key has 1 to {LONGEST_KEY} characters.")
        self._forget(now_ms)
        body = _encoder.encode(request)
        known = self._stored.get(key)
        if known is None:
            known = self._perform(key, body, now_ms, perform)
        elif known.request != body:
            message = f"Keys for idempotent requests can only be used with the parameters they were first used with: {key!r}."
            raise StripeError(400, "idempotency_error", "idempotency_error", message)
        if known.error is not None:
            raise known.error.again()
        return known.answer

    def latest(self, besides: str) -> str | None:
        """The key of the latest request under another one."""
        return next((key for _, key in reversed(self._order) if key != besides), None)

    def memory(self) -> list[str]:
        """The keys that are known."""
        return sorted(self._stored)

    def _perform(self, key: str, body: bytes, now_ms: int, perform: Callable[[], Any]) -> Stored:
        try:
            stored = Stored(body, perform(), None)
        except StripeError as refused:
            stored = Stored(body, None, refused)
        self._stored[key] = stored
        self._order.append((now_ms + KEPT_MS, key))
        return stored

    def _forget(self, now_ms: int) -> None:
        order = self._order
        while order and (order[0][0] <= now_ms or len(order) >= MOST_KEPT):
            del self._stored[order.popleft()[1]]
