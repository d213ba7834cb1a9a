"""What is told before it happens: a renewal (`invoice.upcoming`), a due date (`invoice.will_be_due`), as long ahead as `StripeSettings` say."""

from __future__ import annotations

from billsim.stripe import previews
from billsim.stripe.backend import Act, Backend
from billsim.stripe.objects import Subscription
from billsim.stripe.timers import renews_at


def is_due(backend: Backend, subscription: Subscription) -> bool:
    """Whether a renewal is to be told of now."""
    renews = renews_at(subscription)
    return bool(backend.upcoming_s) and renews is not None and renews - backend.upcoming_s == backend.now_s


def tell(backend: Backend, id: str) -> None:
    """A subscription renews soon: what that will be billed with."""
    subscription = backend.subscription(id)
    name = f"upcoming{renews_at(subscription)}"
    with Act(backend, backend.own_task(id, "upcoming"), "upcoming renewal", name, name) as act:
        act.emit("invoice.upcoming", previews.next_invoice(act, subscription))
    backend.arm(subscription)


def tell_of_due_date(backend: Backend, id: str) -> None:
    """An invoice that was sent falls due soon."""
    with Act(backend, backend.own_task(id, "will_be_due"), "due date", "will_be_due", f"{id}.will_be_due") as act:
        act.emit("invoice.will_be_due", backend.invoice(id))
    backend.arm(backend.invoice(id))
