"""Pub/Sub between the ingress and billing-webhooks: at least once, with back-off and a dead letter."""

from __future__ import annotations

from billsim.core.at_least_once import Log, Receive, Topic
from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.core.latency import PUBSUB


def subscription(kernel: Kernel, choices: Choices, receive: Receive, log: Log) -> Topic:
    """The subscription that billing-webhooks reads."""
    return Topic(kernel, choices, "pubsub", PUBSUB, receive, log)
