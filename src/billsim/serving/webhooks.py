"""Webhooks to endpoints that are real: signed, posted one at a time in the order in which they are taken up, and posted again where they fail.

https://docs.stripe.com/webhooks: any answer but a 2xx is a failure, a redirect too; a sandbox tries again three times, each time with a new stamp and
signature. The stamp is the machine's own time, for whoever verifies it compares it with theirs.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from billsim.core.signature import sign

# Seconds after a failure; Stripe does not publish its own, which take hours.
RETRY_S = (5.0, 60.0, 600.0)
TIMEOUT_S = 20.0
# What is not delivered yet is kept in memory; what comes on top of that is given up, and said to be.
MOST_WAITING = 100_000


class Parcel(NamedTuple):
    """An event for one endpoint. `lost` numbers the attempts, from 1, that never arrive."""

    event: str
    type: str
    body: bytes
    url: str
    secret: str
    lost: frozenset[int] = frozenset()


class Delivery(NamedTuple):
    """What came of an attempt: the `status` of the answer, 0 where none came, and how long to wait before the next (None: there is none). Attempt 0
    was never made, because too much waits.
    """

    parcel: Parcel
    attempt: int
    status: int
    again_s: float | None

    @property
    def is_delivered(self) -> bool:
        """Whether the endpoint has taken it."""
        return 200 <= self.status < 300


Post = Callable[[str, bytes, dict[str, str]], int]
"""Posts a body with headers to a URL; the status of the answer, or 0. It blocks, and raises nothing."""


def over_http() -> Post:
    """Posts over the network, one connection kept for each endpoint; whatever is in the environment about proxies is not for this."""
    import requests

    session = requests.Session()
    session.trust_env = False

    def post(url: str, body: bytes, headers: dict[str, str]) -> int:
        try:
            return session.post(url, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False).status_code
        except requests.RequestException:
            return 0

    return post


class Courier:
    """Carries parcels to endpoints. `told` hears of every attempt; `now_s` is the machine's time, in unix seconds."""

    def __init__(
        self,
        post: Post,
        told: Callable[[Delivery], None],
        retry_s: Sequence[float] = RETRY_S,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._post = post
        self._told = told
        self._retry_s = tuple(retry_s)
        self._now_s = now_s
        self._waiting: deque[tuple[Parcel, int]] = deque()
        self._something = asyncio.Event()
        self._busy = False
        self._later = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is to be delivered, now or later."""
        return not self._waiting and not self._busy and not self._later

    def take(self, parcels: Sequence[Parcel]) -> None:
        """Deliver these, after what was taken up before."""
        room = max(0, MOST_WAITING - len(self._waiting))
        self._waiting.extend((parcel, 1) for parcel in parcels[:room])
        for parcel in parcels[room:]:
            self._told(Delivery(parcel, 0, 0, None))
        self._something.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            while self._waiting:
                parcel, attempt = self._waiting.popleft()
                self._busy = True
                await self._deliver(parcel, attempt)
                self._busy = False
            self._something.clear()
            await self._something.wait()

    async def _deliver(self, parcel: Parcel, attempt: int) -> None:
        status = 0 if attempt in parcel.lost else await asyncio.to_thread(self._post, parcel.url, parcel.body, self._headers(parcel))
        failed = not 200 <= status < 300
        again_s = self._retry_s[attempt - 1] if failed and attempt <= len(self._retry_s) else None
        if again_s is not None:
            self._later += 1
            asyncio.get_running_loop().call_later(again_s, self._again, parcel, attempt + 1)
        self._told(Delivery(parcel, attempt, status, again_s))

    def _again(self, parcel: Parcel, attempt: int) -> None:
        self._later -= 1
        self._waiting.append((parcel, attempt))
        self._something.set()

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        return {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(parcel.body, parcel.secret, int(self._now_s())),
            "User-Agent": "billsim (a simulated Stripe)",
        }
