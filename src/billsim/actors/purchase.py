"""A further subscription that the catalog sells as it always did: made at Stripe, and recorded in OPE as bought, paid or not."""

from __future__ import annotations

from typing import Any

from billsim.actors.stage import Stage
from billsim.stores.ope import OpeItem
from billsim.stripe.api import CardBehaviour


def buy(stage: Stage, account: str, suffix: str, plan: str, price: int, task: str, *, good: bool = True) -> None:
    """Sell `account` a monthly `plan` at `price` minor units, with a new card that is `good` or has no funds. `suffix` ends all of its ids."""
    customer, subscription, card = stage.customer_of(account), f"sub_{suffix}", f"pm_{suffix}"
    stage.stripe.behave(card, CardBehaviour("good" if good else "insufficient_funds"))

    def call(method: str, id: str, params: dict[str, Any], step: str) -> None:
        stage.act("catalog", task, lambda: stage.stripe.call(method, id, params, key=None, task=f"{task}/{step}"))

    call("payment_methods.create", card, {"type": "card"}, "card")
    call("payment_methods.attach", card, {"customer": customer}, "attach")
    currency = stage.stripe.books[customer].customer.currency or "usd"  # type: ignore[union-attr]
    terms = {"currency": currency, "unit_amount": price, "product": f"addon-{suffix}", "recurring": {"interval": "month"}}
    call("prices.create", f"price_{suffix}", terms, "price")
    params = {"customer": customer, "items": [{"price": f"price_{suffix}"}], "default_payment_method": card, "payment_behavior": "allow_incomplete"}
    call("subscriptions.create", subscription, params, "subscribe")
    fields = {"stripe_subscription": subscription, "items": (OpeItem(f"addon-{suffix}", plan, price),)}
    stage.put("catalog", "engine", task, "ope", account, f"ope_{suffix}", fields)
    stage.put("catalog", "facade", task, "cf_prod", account, f"addon-{suffix}", {"plan": plan})
