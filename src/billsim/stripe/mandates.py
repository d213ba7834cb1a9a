"""Mandates (https://docs.stripe.com/api/mandates): a customer's leave to debit a bank account or a wallet. The customer may take it back."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from billsim.stripe.backend import Act
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.naming import stem
from billsim.stripe.objects import Mandate, PaymentMethod

NEED_ONE = ("sepa_debit", "paypal")


def give(act: Act, method: PaymentMethod) -> Mandate | None:
    """The customer's leave to debit a payment method, where its kind needs one. Making it is no event, changing it is."""
    if method.type not in NEED_ONE:
        return None
    mandate: Mandate = act.put(Mandate(id=act.backend.free(f"mandate_{stem(method.id)}"), created=act.now_s, payment_method=method.id))
    return mandate


def revoke(act: Act, mandate: Mandate) -> Mandate:
    """The customer takes the leave back: debits of that payment method fail from now on."""
    act.backend.cards.behave(mandate.payment_method, CardBehaviour("lost"))
    if mandate.status == "inactive":
        return mandate
    gone: Mandate = act.put(replace(mandate, status="inactive"))
    act.emit("mandate.updated", gone)
    return gone


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("mandate", id)
