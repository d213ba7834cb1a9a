"""A customer is deleted (https://docs.stripe.com/api/customers/delete): for good, with its subscriptions and what it pays with."""

from __future__ import annotations

from typing import Any

from billsim.stripe import subscriptions
from billsim.stripe.backend import Act
from billsim.stripe.objects import Deleted

_ENDED = ("canceled", "incomplete_expired")


def delete(act: Act, id: str, params: dict[str, Any]) -> Deleted:
    """Its subscriptions are canceled at once; what was paid stays. Raises StripeError (404), also where it is deleted already."""
    customer = act.backend.customer(id)
    book = act.backend.books[id]
    for subscription in list(book.subscriptions.values()):
        if subscription.status not in _ENDED:
            subscriptions.cancel(act, subscription.id, {})
    for source in list(book.sources.values()):
        act.remove(source)
    for method in list(book.payment_methods.values()):
        act.backend.cards.spend(method.id)
    customer = act.backend.customer(id)
    book.customer = None
    act.backend.deleted.add(id)
    act.backend.outbox.changed(id, "customer", id, customer, None, act.task, act.cause)
    act.emit("customer.deleted", customer)
    return Deleted(id, "customer")
