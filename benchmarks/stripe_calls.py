"""What a request to the simulated Stripe costs, on one core, from the bare call outwards: the direct path, the door (bytes in, bytes out), the SDK.

`python -m benchmarks.stripe_calls [CALLS]`: reads are of one subscription, writes change its metadata and emit `customer.subscription.updated`; those
of the direct path also renew: a month passes for every subscription, with invoice, payment and their events. CPU seconds, the best of three.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from time import process_time
from typing import Any

from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.core.time import DAY_MS
from billsim.stripe.api import Stripe
from billsim.stripe.sandbox import Sandbox
from billsim.stripe.sdk import client
from billsim.stripe.settings import StripeSettings
from billsim.stripe.wire.message import Request

START_MS = 1_767_225_600_000
TURNS = 3
HEADERS = {"Authorization": "Bearer sk_test_example", "Content-Type": "application/x-www-form-urlencoded"}


def main(calls: int = 20_000) -> None:
    """Print calls a second of each."""
    direct(calls)
    outwards(calls // 10)


class Counting:
    """Takes what Stripe tells, and counts it."""

    def __init__(self) -> None:
        self.events = 0

    def changed(self, *_: Any) -> None:
        """An object has changed."""

    def emitted(self, _: Any) -> None:
        """An event was made."""
        self.events += 1


def direct(calls: int) -> None:
    """The calls that engines make in a world."""
    told, kernel = Counting(), Kernel(START_MS)
    stripe = Stripe(kernel, Seeded(0), StripeSettings(), told)
    price = stripe.call("prices.create", "", {"currency": "usd", "product": "zone_plan", "unit_amount": 2_000}, key=None, task="e/price").id
    ids = [subscribed(stripe, number, price) for number in range(1_000)]
    say("direct: subscriptions.retrieve", calls, lambda n: stripe.call("subscriptions.retrieve", ids[n % 1_000], {}, key=None, task="e/read"))
    before, number = told.events, iter(range(1 << 30))

    def update(n: int) -> None:
        made = next(number)
        stripe.call("subscriptions.update", ids[n % 1_000], {"metadata": {"seen": str(made)}}, key=f"key-{made}", task=f"e/write/{made}")

    say("direct: subscriptions.update, each with its event", calls, update)
    assert told.events - before == calls * TURNS, "every write is told"
    before, began = told.events, process_time()
    kernel.run(START_MS + 32 * DAY_MS, Unwatched(), 1 << 60)
    took = process_time() - began
    print(f"{'direct: renewals, of 1,000 subscriptions':52} {(told.events - before) / took:10,.0f} events a second")


def subscribed(stripe: Stripe, number: int, price: str) -> str:
    """A customer with a card and a subscription; its id."""
    customer, card, task = f"cus_{number}", f"pm_{number}", f"e/make/{number}"
    stripe.call("customers.create", customer, {"name": "Ada"}, key=None, task=task)
    stripe.call("payment_methods.create", card, {"type": "card"}, key=None, task=task)
    stripe.call("payment_methods.attach", card, {"customer": customer}, key=None, task=task)
    stripe.call("customers.update", customer, {"invoice_settings": {"default_payment_method": card}}, key=None, task=task)
    made = stripe.call("subscriptions.create", f"sub_{number}", {"customer": customer, "items": [{"price": price}]}, key=None, task=task)
    return str(made.id)


def outwards(calls: int) -> None:
    """The same through the door, and through the official SDK."""
    sandbox = Sandbox()
    api: Any = client(sandbox)
    customer = api.v1.customers.create({"name": "Ada"}).id
    card = api.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    price = api.v1.prices.create(
        {"currency": "usd", "unit_amount": 2_000, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}
    ).id
    made = api.v1.subscriptions.create({"customer": customer, "items": [{"price": price}], "default_payment_method": card}).id
    path = f"/v1/subscriptions/{made}"
    say("door: GET a subscription", calls, lambda _: sandbox.handle(Request("GET", path, "", HEADERS)))
    say("door: POST its metadata", calls, lambda n: sandbox.handle(Request("POST", path, "", HEADERS, b"metadata[seen]=%d" % n)))
    say("SDK: subscriptions.retrieve", calls, lambda _: api.v1.subscriptions.retrieve(made))
    say("SDK: subscriptions.update", calls, lambda n: api.v1.subscriptions.update(made, {"metadata": {"seen": str(n)}}))


def say(what: str, calls: int, call: Callable[[int], Any]) -> None:
    """Make so many calls, a few times, and print the best."""
    best = min(timed(calls, call) for _ in range(TURNS))
    print(f"{what:52} {calls / best:10,.0f} a second")


def timed(calls: int, call: Callable[[int], Any]) -> float:
    """CPU seconds that so many calls take."""
    gc.collect()
    began = process_time()
    for number in range(calls):
        call(number)
    return process_time() - began


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
