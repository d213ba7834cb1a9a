"""identity: which Stripe customer an account is, and that both say the same of who is billed and by what. Stripe is the canonical one.

A copy is made by reading the row first and Stripe after it, and set only if the row has not moved; and once it is set, both are read again until
nothing differs. Without that second look, who finds a row right cannot know that a slower one is about to set it to what Stripe said before. Whatever
happens at Stripe later is told of by a webhook.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.facade import cache
from billsim.facade.desk import TRIES, Refusal, RowsMovedError, key_of
from billsim.ports import AccountState, CallStripe, CompareAndSet, Component, Effect, GatherAll, Message, Read, Send, Steps
from billsim.stores.subs_account import EMAIL_VERIFIED, AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stripe.objects import Customer, StripeError

NAME = "identity"
PARTS = ("subs_account", "subs_customer", "stripe.customer")
PROFILE, METHODS = "profile", "methods"
_COPIED = ("name", "email")
_DEFAULT = "invoice_settings"

Fields = dict[str, Any]
Finding = Generator[Effect, Any, str]


class Identity:
    """The component: hears what changes at Stripe."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """Copy what a `customer.updated` says has changed, if it is anything of ours; what it is now, Stripe is asked.

        All of it, when an account has come to stand on another customer, and alone.
        """
        if message.event is None and not (yield from _stands_alone(message.account)):
            return
        before = message.event.data.previous_attributes if message.event is not None else None
        is_default = before is None or _DEFAULT in before
        is_named = before is None or any(field in before for field in _COPIED)
        if not is_default and not is_named:
            return
        mapping: CustomerRow | None = yield Read("subs_customer", message.account)
        if mapping is None or not (is_named or mapping.payment_method):
            return
        profile: AccountRow | None = yield Read("subs_account", message.account)
        if profile is not None and profile.account_type not in self._policy.contract_types:
            with suppress(Refusal):  # the customer is gone, or the mapping to it, since it was looked at: there is nothing to copy
                yield from copied(message.account)


def component(policy: DunningPolicy) -> Component:
    """The component, writing as the facade."""
    return Component(NAME, "facade", Identity(policy).handle, primary=True)


def known_customer(account: str) -> Finding:
    """The account's Stripe customer, '' where Stripe does not know it. Raises Refusal where others stand on the same one."""
    state: AccountState = yield GatherAll(account, PARTS)
    if state.shared_with:
        raise Refusal("merged_account")
    return state.customer.stripe_customer if state.customer is not None else ""


def _stands_alone(account: str) -> Generator[Effect, Any, bool]:
    """Whether Stripe knows the account, and its customer is nobody else's."""
    try:
        return bool((yield from known_customer(account)))
    except Refusal:
        return False


def customer_for(message: Message) -> Finding:
    """The account's Stripe customer, made where there is none. Raises Refusal for a merged account."""
    account = message.account
    for _ in range(TRIES):
        if customer := (yield from known_customer(account)):
            return customer
        row: CustomerRow | None = yield Read("subs_customer", account)
        if row is not None and row.stripe_customer:
            continue
        made = yield from _made(message)
        if (yield CompareAndSet("subs_customer", account, row.version if row is not None else 0, {"stripe_customer": made})) is not None:
            yield Send("mapping_changed", account)
            return made
    raise RowsMovedError(account, "subs_customer")


def copied(account: str) -> Steps:
    """Set name, e-mail and the noted payment method as Stripe has them. Raises Refusal where the customer is gone, and RowsMovedError."""
    for _ in range(TRIES):
        profile: AccountRow | None = yield Read("subs_account", account)
        mapping: CustomerRow | None = yield Read("subs_customer", account)
        if profile is None or mapping is None:
            return
        customer = yield from _customer(account, mapping.stripe_customer)
        noted = {"payment_method": customer.invoice_settings.default_payment_method or ""}
        wrong = [(row, fields) for row, fields in ((profile, _billed(profile, customer)), (mapping, noted)) if differs(row, fields)]
        if not wrong:
            return
        for row, fields in wrong:
            yield CompareAndSet("subs_account" if row is profile else "subs_customer", account, row.version, fields)
        yield from cache.forget(account, PROFILE)
        yield from cache.forget(account, METHODS)
    raise RowsMovedError(account, "subs_account or subs_customer")


def differs(row: AccountRow | CustomerRow, fields: Fields) -> bool:
    """Whether setting the fields would change the row."""
    return any(getattr(row, field) != value for field, value in fields.items())


def _billed(profile: AccountRow, customer: Customer) -> Fields:
    """What the profile is to hold; what Stripe does not say stays. Another e-mail address is not verified."""
    told: Fields = {field: value for field in _COPIED if (value := getattr(customer, field)) is not None}
    if told.get("email", profile.email) != profile.email:
        told["flags"] = profile.flags & ~EMAIL_VERIFIED
    return told


def _made(message: Message) -> Finding:
    """A customer of the account's own. One that an earlier try had made is taken."""
    profile: AccountRow | None = yield Read("subs_account", message.account)
    id = f"cus_{message.account}"
    params = {field: value for field in _COPIED if (value := getattr(profile, field, ""))}
    try:
        yield CallStripe("customers.create", message.account, id, params, key_of(message, "customer"))
    except StripeError as refusal:
        if refusal.code not in ("resource_already_exists", "idempotency_error"):
            raise
    return id


def _customer(account: str, id: str) -> Generator[Effect, Any, Customer]:
    try:
        found: Customer = yield CallStripe("customers.retrieve", account, id)
    except StripeError as refusal:
        if refusal.status != 404:
            raise
        raise Refusal("no_stripe_customer") from refusal
    return found
