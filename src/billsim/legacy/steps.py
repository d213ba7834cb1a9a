"""What the old dunning paths have in common: how they read an event, and how each of them calls an account bad debt. All writes are blind."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import msgspec

from billsim.core.policy import BAD_DEBT, DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.ports import Act, CallStripe, Effect, Message, Read, Start, Steps, Write
from billsim.stores.cf_prod import FREE
from billsim.stores.ope import OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stripe.objects import Invoice, StripeError

FLAGGED = 3


class Case(msgspec.Struct, frozen=True):
    """An account as one of the paths has read it, at whatever instant that was."""

    account: str
    dunning: DunningRow
    profile: AccountRow
    customer: CustomerRow


def read_case(account: str) -> Generator[Effect, Any, Case]:
    """Read the three rows that every path looks at, one after the other. Answer: a Case."""
    dunning = yield Read("subs_dunning", account)
    return (yield from complete_case(account, dunning or DunningRow(account)))


def complete_case(account: str, dunning: DunningRow) -> Generator[Effect, Any, Case]:
    """Read what a dunning row that is known already (and may be old) does not say. Answer: a Case."""
    profile = yield Read("subs_account", account)
    customer = yield Read("subs_customer", account)
    return Case(account, dunning, profile or AccountRow(account), customer or CustomerRow(account))


def is_contract(case: Case, policy: DunningPolicy) -> bool:
    """Contract accounts are handled by hand; the old paths knew that much."""
    return case.profile.account_type in policy.contract_types


def snapshot(message: Message) -> Invoice | None:
    """The event's invoice as it was when the event was made; the old paths take it for the invoice as it is."""
    thing = message.event.data.object if message.event is not None else None
    return thing if isinstance(thing, Invoice) else None


def occurred_ms(message: Message) -> int:
    """When the event says that it happened."""
    return int(message.event.created) * SECOND_MS


def write_dunning(case: Case, fields: dict[str, Any], *told: str) -> Steps:
    """Write the dunning row; `told` are the keys of what is about to be executed, noted for the record and never looked at."""
    if told:
        fields = {**fields, "done": tuple(dict.fromkeys((*case.dunning.done, *told)))}
    yield Write("subs_dunning", case.account, fields)


def call_bad_debt(case: Case, policy: DunningPolicy, invoices: Iterable[Invoice], debt: str, since_ms: int, retry_count: int) -> Steps:
    """All that bad debt means, in the old code's order: row, flag, metadata, the flag's own act, cancellations, plans."""
    bought: dict[str, OpeSubscription] = yield Read("ope", case.account)
    live = [subscription for subscription in bought.values() if subscription.status == "active"]
    told = [f"{debt}/{BAD_DEBT}", *(f"{debt}/cancel/{subscription.key}" for subscription in live)]
    fields = {"status": BAD_DEBT, "retry_count": retry_count, "escalation_level": FLAGGED, "since_ms": since_ms}
    yield from write_dunning(case, fields, *told)
    yield Write("subs_account", case.account, {"flags": case.profile.flags | policy.bad_debt_flag})
    keys = {policy.bad_debt_key: "true", policy.bad_debt_since_key: str(since_ms // SECOND_MS)}
    yield CallStripe("customers.update", case.account, case.customer.stripe_customer, {"metadata": keys})
    for invoice in invoices:
        keys = {policy.bad_debt_key: "true", policy.bad_debt_amount_key: str(invoice.amount_remaining)}
        yield CallStripe("invoices.update", case.account, invoice.id, {"metadata": keys})
    yield Act("flag", case.account, debt, BAD_DEBT)
    for subscription in live:
        yield from _cancel(case.account, debt, subscription)
    yield Start("entitlements", case.account, "domain.dunning", {"plan": FREE})


def _cancel(account: str, debt: str, subscription: OpeSubscription) -> Steps:
    try:
        yield CallStripe("subscriptions.cancel", account, subscription.stripe_subscription)
    except StripeError as refusal:
        # It is canceled already, or Stripe never had it: what is left is to say so in OPE.
        if refusal.status not in (400, 404):
            raise
    yield Write("ope", account, {"status": "canceled"}, subscription.key)
    yield Act("cancel", account, debt, BAD_DEBT)
