"""What customers paid with before payment methods: cards (https://docs.stripe.com/api/cards) and sources (https://docs.stripe.com/api/sources).

Either pays as a payment method of the same id does.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from billsim.stripe import payment_methods
from billsim.stripe.backend import Act
from billsim.stripe.card_numbers import GOOD, Behaviour, behaviour_of_card
from billsim.stripe.lists import PAGES, Page, page_of
from billsim.stripe.naming import new_id
from billsim.stripe.objects import Card, Customer, Deleted, LegacyCard, Source, with_kept
from billsim.stripe.params import Types, check, kept_of, merged_metadata, refusal

OF_CUSTOMER: Types = {"customer": str}
CREATE_CARD: Types = {"customer": str, "source": str | dict, "metadata": dict, "validate": bool}
_CARD_KEPT = ("name", "address_city", "address_country", "address_line1", "address_line2", "address_state", "address_zip")
UPDATE_CARD: Types = {
    "customer": str, "metadata": dict, "exp_month": int | str, "exp_year": int | str, "owner": dict, **dict.fromkeys(_CARD_KEPT, str),
}  # fmt: skip
LIST: Types = {**PAGES, "customer": str, "object": str}
CREATE: Types = {
    "type": str, "token": str, "card": dict, "sepa_debit": dict, "customer": str, "amount": int, "currency": str, "owner": dict, "metadata": dict,
    "usage": ("reusable", "single_use"), "statement_descriptor": str, "mandate": dict, "redirect": dict, "flow": str,
}  # fmt: skip
UPDATE: Types = {"amount": int, "metadata": dict, "owner": dict, "mandate": dict, "source_order": dict}
_KEPT = ("owner", "statement_descriptor")
_GIVEN_CARD: Types = {
    "object": str, "number": str, "exp_month": int, "exp_year": int, "cvc": str, "currency": str, "metadata": dict,
    **dict.fromkeys(_CARD_KEPT, str),
}  # fmt: skip


def add(act: Act, customer: Customer, given: Any, metadata: Any = None, param: str = "source") -> LegacyCard | Source:
    """Give a customer a card by token or by number, or a source that is nobody's yet. Raises StripeError, 402 where its bank declines it."""
    if isinstance(given, str) and given.startswith("src_"):
        return _attached(act, act.backend.found("source", given), customer, param)
    kept: dict[str, Any] = {}
    if isinstance(given, str):
        card, behaviour = payment_methods.card_by_token(act, given, param)
    else:
        check(given, _GIVEN_CARD, ("number", "exp_month", "exp_year"), within=param)
        told = {name: given[name] for name in ("number", "exp_month", "exp_year", "cvc") if name in given}
        card, behaviour = payment_methods.card_of_request(act, told, param)
        kept = {name: given[name] for name in _CARD_KEPT if name in given}
    _refuse(behaviour)
    made = LegacyCard(
        id=new_id(act.backend, "card", "", f"{act.task}/{param}"),
        created=act.now_s,
        customer=customer.id,
        card=card,
        metadata=merged_metadata({}, metadata),
        kept=with_kept(UNSET, kept),
    )
    act.backend.cards.made_with(made.id, behaviour)
    return _put(act, made)


def require_good(act: Act, given: Any, param: str = "source") -> None:
    """Raise StripeError where `add` would, of what is given."""
    if isinstance(given, str) and given.startswith("src_"):
        _refuse(act.backend.cards.number(act.backend.found("source", given).id))
    elif isinstance(given, str):
        _refuse(payment_methods.card_by_token(act, given, param)[1])
    else:
        check(given, _GIVEN_CARD, ("number", "exp_month", "exp_year"), within=param)
        payment_methods.check_card(act, given)
        _refuse(behaviour_of_card(given["number"]))


def _refuse(behaviour: Behaviour) -> None:
    if behaviour.decline is not None and not behaviour.attaches:
        raise payment_methods.declined(behaviour.decline)


def _put(act: Act, made: LegacyCard | Source) -> LegacyCard | Source:
    act.put(made)
    act.emit("customer.source.created", made)
    return made


def _attached(act: Act, source: Source, customer: Customer, param: str) -> Source:
    if source.customer not in (None, customer.id):
        raise refusal("", f"The source {source.id} belongs to another customer.", param=param)
    if source.status != "chargeable":
        raise refusal("", f"The source you provided is {source.status}: only a chargeable one can be attached.", param=param)
    _refuse(act.backend.cards.number(source.id))
    attached: Source = act.put(replace(source, customer=customer.id))
    act.emit("customer.source.created", attached)
    return attached


def remove(act: Act, source: LegacyCard | Source) -> None:
    """Delete what a customer pays with; the latest that is left becomes the default in its place."""
    act.remove(source)
    act.backend.cards.spend(source.id)
    act.emit("customer.source.deleted", source)
    customer = act.backend.customer(source.customer or "")
    if customer.default_source == source.id:
        left = list(act.backend.books[customer.id].sources)
        act.update("customer.updated", customer, default_source=left[-1] if left else None)


def _of(act: Act, id: str, customer: str) -> LegacyCard | Source:
    act.backend.customer(customer)
    found = act.backend.source(id)
    if found is None or found.customer != customer:
        raise refusal("resource_missing", f"No such source: {id!r}", 404, param="id")
    return found


# -- a customer's, by request


def create_card(act: Act, id: str, params: dict[str, Any]) -> LegacyCard | Source:
    """One more source of a customer's; its first becomes the default. Raises StripeError."""
    customer = act.backend.customer(params["customer"])
    made = add(act, customer, params["source"], params.get("metadata"))
    if customer.default_source is None:
        act.update("customer.updated", customer, default_source=made.id)
    return made


def retrieve_card(act: Act, id: str, params: dict[str, Any]) -> LegacyCard | Source:
    """Raises StripeError (404)."""
    return _of(act, id, params["customer"])


def update_card(act: Act, id: str, params: dict[str, Any]) -> LegacyCard | Source:
    """Set what is given. Raises StripeError."""
    old = _of(act, id, params["customer"])
    fields: dict[str, Any] = {"metadata": merged_metadata(old.metadata, params.get("metadata")), "kept": kept_of(params, _CARD_KEPT, old.kept)}
    expires = {name: int(params[name]) for name in ("exp_month", "exp_year") if str(params.get(name, "")).isdigit()}
    if expires and old.card is not None:
        payment_methods.check_card(act, {"number": "4242424242424242", "exp_month": old.card.exp_month, "exp_year": old.card.exp_year, **expires})
        fields["card"] = replace(old.card, **expires)
    updated: LegacyCard | Source = act.update("customer.source.updated", old, **fields)
    return updated


def delete_card(act: Act, id: str, params: dict[str, Any]) -> Deleted | Source:
    """A card is deleted; a source is detached, and can no longer be charged. Raises StripeError (404)."""
    old = _of(act, id, params["customer"])
    remove(act, old)
    return replace(old, customer=None, status="consumed") if isinstance(old, Source) else Deleted(id, "card")


def list_cards(act: Act, id: str, params: dict[str, Any]) -> Page:
    """A customer's cards and sources, newest first; of one kind where `object` says so."""
    customer, kind = params["customer"], params.get("object")
    act.backend.customer(customer)
    found = [each for each in act.backend.every("source", customer) if kind in (None, "", "all", each.object)]
    return page_of(act.backend, found, params, f"/v1/customers/{customer}/sources")


# -- sources, by request


def create(act: Act, id: str, params: dict[str, Any]) -> Source:
    """A source of nobody's yet, by token, card or IBAN. Raises StripeError."""
    card: Card | None = None
    details: dict[str, Any] = {}
    behaviour, kind = GOOD, params.get("type") or "card"
    if kind == "card" and params.get("token"):
        card, behaviour = payment_methods.card_by_token(act, params["token"], "token")
    elif kind == "card":
        card, behaviour = payment_methods.card_of_request(act, params.get("card") or {}, "card")
    elif kind == "sepa_debit":
        details, behaviour = payment_methods.account_of_iban(params.get(kind) or {})
    else:
        raise refusal("not_simulated", f"billsim does not simulate sources of type `{kind}`.", param="type")
    source = Source(
        id=new_id(act.backend, "src", id, act.task),
        created=act.now_s,
        type=kind,
        usage=params.get("usage", "reusable"),
        amount=params.get("amount"),
        currency=params.get("currency"),
        card=card,
        metadata=merged_metadata({}, params.get("metadata")),
        kept=with_kept(kept_of(params, _KEPT), {kind: details} if details else {}),
    )
    act.backend.cards.made_with(source.id, behaviour)
    act.put(source)
    act.emit("source.chargeable", source)
    return source


def retrieve(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Raises StripeError (404)."""
    return act.backend.found("source", id)


def update(act: Act, id: str, params: dict[str, Any]) -> Any:
    """Set what is given. Raises StripeError (404)."""
    old = act.backend.found("source", id)
    fields: dict[str, Any] = {"kept": kept_of(params, _KEPT, old.kept), "metadata": merged_metadata(old.metadata, params.get("metadata"))}
    if "amount" in params:
        fields["amount"] = params["amount"]
    return act.put(replace(old, **fields))
