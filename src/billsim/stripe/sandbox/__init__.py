"""A whole Stripe account outside of any world: asked through the API, its time moved by whoever owns it, or by test clocks.

    from billsim.stripe.sandbox import Sandbox
    from billsim.stripe.sdk import client

    sandbox = Sandbox(seed=1)
    stripe = client(sandbox)
    customer = stripe.v1.customers.create({"email": "ada@example.com"})

The same requests give the same answers, byte for byte, in any process.
"""

from __future__ import annotations

from billsim.stripe.sandbox.account import START_S, Sandbox
from billsim.stripe.sandbox.outgoing import Delivery

__all__ = ["START_S", "Delivery", "Sandbox"]
