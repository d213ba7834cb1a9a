"""How long things take, as quantiles in milliseconds (0, 10, ..., 100 %). In one place, each with where it comes from.

- From Stripe's event to the engine (WEBHOOK, then PUBSUB): the platform's own figure is a median under one second, and no more is known. Stripe
  publishes no latency of its webhooks, so the split and the tail are assumed; the sum has a median of about a third of a second without faults.
- PUBSUB: typically of the order of 100 ms, says Google (https://cloud.google.com/pubsub/docs/overview); the shape is assumed.
- STRIPE_READ, STRIPE_WRITE, STRIPE_ANSWER, STORE, QUEUE, OUTBOUND: assumed, from the order of magnitude of calls to a remote API, of a database
  in the same region and of a queue.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import prod

from billsim.core.choices import Quantiles

STORE = Quantiles("store", (1, 2, 2, 3, 3, 4, 5, 6, 8, 14, 60))
STRIPE_READ = Quantiles("stripe_read", (40, 55, 65, 75, 85, 95, 110, 130, 160, 230, 900))
STRIPE_WRITE = Quantiles("stripe_write", (90, 130, 160, 190, 220, 260, 310, 380, 480, 700, 2500))
STRIPE_ANSWER = Quantiles("stripe_answer", (10, 15, 18, 21, 24, 28, 33, 40, 55, 90, 400))
WEBHOOK = Quantiles("webhook", (60, 110, 150, 190, 230, 280, 340, 430, 600, 1000, 4000))
PUBSUB = Quantiles("pubsub", (8, 14, 20, 26, 33, 42, 54, 72, 105, 190, 1200))
QUEUE = Quantiles("queue", (4, 8, 12, 16, 21, 27, 35, 47, 70, 130, 800))
OUTBOUND = Quantiles("outbound", (15, 25, 32, 40, 48, 58, 72, 92, 130, 220, 900))
ROW_OFFSET = Quantiles("row_offset", (0, 999))

_STEPS = 20


def slowest(tables: Sequence[Quantiles]) -> Quantiles:
    """How long the slowest takes of things that set out together, each by its own table, in steps of 5 %.

    All are in by an instant exactly when each is, so the tables' shares up to it are multiplied, and the quantile `p` is the first instant at which
    that product is `p`. Seven stores: a median of 17 ms, where one has 4; with three reads from Stripe: 159 ms, where one has 95.
    """

    def share(instant: int) -> int:
        return prod([table.share(instant) for table in tables]) >> 32 * (len(tables) - 1)

    span = range(max(table.values[-1] for table in tables) + 1)
    quantiles = [bisect_left(span, (step << 32) // _STEPS, key=share) for step in range(_STEPS)]
    quantiles[0] = max(table.values[0] for table in tables)
    return Quantiles("slowest", [*quantiles, span[-1]])
