"""Mandates (https://docs.stripe.com/api/mandates): a customer's leave to debit a bank account or a wallet. The customer may take it back."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET
from msgspec.structs import replace

from billsim.stripe.backend import Act
from billsim.stripe.cards import CardBehaviour
from billsim.stripe.naming import stem
from billsim.stripe.objects import Mandate, PaymentMethod, with_kept

NEED_ONE = ("sepa_debit", "paypal", "us_bank_account")


def give(act: Act, method: PaymentMethod, acceptance: dict[str, Any] | None = None) -> Mandate | None:
    """The customer's leave to debit a payment method, where its kind needs one. Making it is no event, changing it is."""
    if method.type not in NEED_ONE:
        return None
    return _given(act, method, acceptance, "multi_use")


def accept(act: Act, method: PaymentMethod, data: dict[str, Any], *, reusable: bool) -> Mandate | None:
    """The customer accepts a debit as `mandate_data` says: for good, or for the one that is made now, which uses the leave up."""
    if method.type not in NEED_ONE:
        return None
    mandate = _given(act, method, data.get("customer_acceptance"), "multi_use" if reusable else "single_use")
    if not reusable:
        mandate = act.update("mandate.updated", mandate, status="inactive")
    return mandate


def _given(act: Act, method: PaymentMethod, acceptance: dict[str, Any] | None, kind: Literal["multi_use", "single_use"]) -> Mandate:
    kept = with_kept(UNSET, {"customer_acceptance": acceptance} if acceptance else {})
    id = act.backend.free(f"mandate_{stem(method.id)}")
    mandate: Mandate = act.put(Mandate(id=id, created=act.now_s, payment_method=method.id, type=kind, kept=kept))
    return mandate


def active_of(act: Act, method: str, id: str | None = None) -> Mandate | None:
    """The customer's leave to debit a payment method, of this id where one is named; None where there is none."""
    book = act.backend.home(method)
    known = book.mandates.values() if book is not None else ()
    return next((each for each in known if each.payment_method == method and each.status == "active" and id in (None, "", each.id)), None)


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
