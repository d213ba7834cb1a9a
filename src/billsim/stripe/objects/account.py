"""What belongs to a Stripe account and to no customer of it."""

from __future__ import annotations

from typing import Literal

from billsim.stripe.objects.base import API_VERSION, StripeObject


class WebhookEndpoint(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/webhook_endpoints/object. `secret` signs what is sent to it; `*` enables every event."""

    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    url: str
    enabled_events: tuple[str, ...]
    status: Literal["enabled", "disabled"] = "enabled"
    description: str | None = None
    api_version: str | None = API_VERSION
    secret: str = ""


class TestClock(StripeObject, frozen=True, gc=False, kw_only=True):
    """https://docs.stripe.com/api/test_clocks/object. Instants are unix seconds; `advances_to` is where it is going, None while it stands."""

    object: Literal["test_helpers.test_clock"] = "test_helpers.test_clock"
    frozen_time: int
    deletes_after: int
    name: str | None = None
    status: Literal["ready", "advancing", "internal_failure"] = "ready"
    advances_to: int | None = None
