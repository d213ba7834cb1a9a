"""The smallest set of writes that takes what is held to what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from billsim.core.policy import DunningPolicy
from billsim.ports import AccountState, Consequence, Decision
from billsim.stores.subs_dunning import DunningRow
from billsim.stores.www import LEVEL_OF

NOTIFY = "notify"


class Plan(msgspec.Struct, frozen=True):
    """What is left to do, a field a step; a step whose field is empty is not taken. Where there is nothing to do, the plan is `NOTHING`.

    `dunning`: fields of the dunning row. `flags`: the whole new bit field, or None. `customer` and `invoices`: metadata keys to set ("" deletes).
    `entitlements`: some product's plan differs. `consequences`: keys still to be executed; `notices`: those that are sent by mail instead.
    `boundary_ms`: an instant to be woken at. `steps` names every step that an interrupted apply has to be resumed for: all but the dunning row's
    and the notices, which are called for until they are recorded. `intent`: what is durable already.
    """

    dunning: dict[str, Any] = {}
    flags: int | None = None
    customer: dict[str, str] = {}
    invoices: dict[str, dict[str, str]] = {}
    voids: tuple[str, ...] = ()
    entitlements: bool = False
    consequences: tuple[str, ...] = ()
    notices: tuple[Consequence, ...] = ()
    boundary_ms: int | None = None
    steps: tuple[str, ...] = ()
    intent: tuple[str, ...] = ()


NOTHING = Plan()


def diff(state: AccountState, decision: Decision, policy: DunningPolicy, now_ms: int) -> Plan:
    """The plan from `state` to `decision`; NOTHING if nothing differs and no apply was interrupted."""
    held = state.dunning or DunningRow(state.account)
    dunning = _dunning(held, decision, now_ms)
    flags = _flags(state, decision, policy)
    customer = _customer(state, decision, policy)
    invoices = _invoices(state, decision, policy) if decision.invoice_metadata else {}
    entitlements = bool(entitlement_changes(state, decision))
    boundary_ms = decision.next_boundary_ms if decision.next_boundary_ms != held.next_boundary_ms else None
    called, voids = decision.consequences, decision.voids
    if not (dunning or flags is not None or customer or invoices or voids or entitlements or called or held.intent) and boundary_ms is None:
        return NOTHING
    consequences = tuple(each.key for each in (*called, *interrupted(state)) if each.kind != NOTIFY)
    named = {
        **{f"void/{id}": True for id in voids},
        "flags": flags is not None,
        "customer": bool(customer),
        **{f"invoice/{id}": True for id in invoices},
        "entitlements": entitlements,
        **dict.fromkeys(consequences, True),
    }
    return Plan(
        dunning=dunning,
        flags=flags,
        customer=customer,
        invoices=invoices,
        voids=voids,
        entitlements=entitlements,
        consequences=consequences,
        notices=tuple(each for each in called if each.kind == NOTIFY),
        boundary_ms=boundary_ms,
        steps=tuple(name for name, wanted in named.items() if wanted),
        intent=held.intent,
    )


def _dunning(held: DunningRow, decision: Decision, now_ms: int) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if held.status != decision.status:
        changed["status"] = decision.status
    if held.retry_count != decision.retry_count:
        changed["retry_count"] = decision.retry_count
    if held.escalation_level != decision.escalation_level:
        changed["escalation_level"] = decision.escalation_level
    if "status" in changed:
        changed["since_ms"] = now_ms
    return changed


def _flags(state: AccountState, decision: Decision, policy: DunningPolicy) -> int | None:
    """The bit field with our two bits as decided and everyone else's as read; None if it stands so already."""
    held = state.profile.flags if state.profile is not None else 0
    ours = policy.bad_debt_flag | policy.no_success_flag
    wanted = held & ~ours
    wanted |= policy.bad_debt_flag if decision.bad_debt else 0
    wanted |= policy.no_success_flag if decision.no_successful_payment else 0
    return None if wanted == held else wanted


def _keys(held: Mapping[str, str], wanted: Mapping[str, str], governed: tuple[str, ...]) -> dict[str, str]:
    """Metadata to send: an absent key and an empty value are one, and keys that are not governed are nobody's business here."""
    return {key: wanted.get(key, "") for key in governed if held.get(key, "") != wanted.get(key, "")}


def _customer(state: AccountState, decision: Decision, policy: DunningPolicy) -> dict[str, str]:
    customer = state.stripe.customer
    if customer is None or customer.metadata == decision.metadata:
        return {}
    governed = (policy.bad_debt_key, policy.bad_debt_since_key, policy.no_success_key, policy.account_type_key)
    return _keys(customer.metadata, decision.metadata, governed)


def _invoices(state: AccountState, decision: Decision, policy: DunningPolicy) -> dict[str, dict[str, str]]:
    governed = (policy.bad_debt_key, policy.bad_debt_amount_key)
    changed = {}
    for id, wanted in decision.invoice_metadata.items():
        invoice = state.stripe.invoices.get(id)
        if invoice is not None and (keys := _keys(invoice.metadata, wanted, governed)):
            changed[id] = keys
    return changed


def entitlement_changes(state: AccountState, decision: Decision) -> dict[str, str]:
    """The products whose plan is not what was decided, with the plan to be."""
    held, changes = state.entitlements, {}
    for product, plan in decision.entitlements.items():
        row = held.get(product)
        if row is None or row.plan != plan:
            changes[product] = plan
    return changes


def zones_behind(state: AccountState, plans: Mapping[str, str]) -> dict[str, str]:
    """The zones whose level is not that of the account's plans (by product), with the level to be. Without a plan for zones, none is."""
    level = plans.get(LEVEL_OF)
    behind: dict[str, str] = {}
    if level is not None:
        for name, zone in state.zones.items():
            if zone.plan != level:
                behind[name] = level
    return behind


def interrupted(state: AccountState) -> tuple[Consequence, ...]:
    """Cancellations of which only the record is missing: OPE says canceled, an intent says why, and nothing says that it is through.

    Nothing calls for them any more, because the subscription is no longer active: without the intent they would stay half done.
    """
    row = state.dunning
    if row is None or not row.intent:
        return ()
    found = []
    for key in row.intent:
        debt, _, subscription = key.partition("/cancel/")
        bought = state.ope.get(subscription)
        if bought is not None and bought.status == "canceled" and key not in row.done:
            found.append(Consequence("cancel", debt, "bad_debt", key, subscription))
    return tuple(found)
