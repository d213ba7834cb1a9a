"""The smallest diff that takes an account to its correct state, as far as remediation may: each difference is a step with a name, and a step that a
restriction or gate forbids is left out of it and told.

What should be is decided as the engine of today decides it; what should *happen* is not remediation's: it executes no consequence.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.core.remediation import RemediationPolicy
from billsim.engine.decide import decide
from billsim.engine.diff import diff
from billsim.engine.diff import entitlement_changes as plans_to_be
from billsim.engine.invoicing import Entry, missing
from billsim.ports import AccountState, Decision
from billsim.remediation.audit import Refusal
from billsim.remediation.bills import Bill, planned
from billsim.remediation.restrictions import BAD_DEBT_GATE, INVOICE_METADATA_GATE
from billsim.stores.subs_dunning import DunningRow

BAD_DEBT, NO_SUCCESS, ACCOUNT_TYPE, PROFILE, METHOD, ENTITLEMENTS, LEDGER = (
    "bad_debt", "no_successful_payment", "account_type", "profile", "payment_method", "entitlements", "ledger",
)  # fmt: skip


class Plan(msgspec.Struct, frozen=True):
    """What is to be written, and what is not. `bills` are put to Stripe and OPE, which are authorities, before the rest is planned for good.

    `dunning`, `account` and `customer_row` are fields of subs_dunning, subs_account and subs_customer; `customer` and `invoices` metadata keys (""
    deletes); `plans` the plan of each product in cf_prod; `entries` what the ledger lacks. `steps` names everything that is to be done.
    """

    bills: tuple[Bill, ...] = ()
    dunning: dict[str, Any] = {}
    account: dict[str, Any] = {}
    customer_row: dict[str, Any] = {}
    customer: dict[str, str] = {}
    invoices: dict[str, dict[str, str]] = {}
    plans: dict[str, str] = {}
    entries: tuple[Entry, ...] = ()
    steps: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    left: tuple[Refusal, ...] = ()


def plan_of(state: AccountState, rules: RemediationPolicy, policy: DunningPolicy, now_ms: int) -> Plan:
    """The plan for an account that no restriction forbids whole."""
    decision = decide(state, now_ms, policy)
    bills = planned(state, rules, now_ms)
    plan = _derived(state, _gated(state, decision, rules, policy), rules, policy, now_ms)
    return replace(
        plan,
        bills=bills.bills,
        steps=(*(bill.step for bill in bills.bills), *plan.steps),
        refused=(*bills.refused, *_shut(state, decision, rules, policy, now_ms)),
        left=bills.left,
    )


def _derived(state: AccountState, decision: Decision, rules: RemediationPolicy, policy: DunningPolicy, now_ms: int) -> Plan:
    """The derived fields that differ, in every store."""
    found = diff(state, decision, policy, now_ms)
    held = state.profile.flags if state.profile is not None else 0
    moved = held ^ (held if found.flags is None else found.flags)
    of_debt = [key for key in found.customer if key in (policy.bad_debt_key, policy.bad_debt_since_key)]
    profile, method, entries = _profile(state), _method(state), tuple(missing(state))
    invoices = found.invoices if rules.invoice_metadata_gate.lets(state.account) else {}
    plans = plans_to_be(state, decision)
    named = {
        BAD_DEBT: bool(found.dunning or moved & policy.bad_debt_flag or of_debt),
        NO_SUCCESS: bool(moved & policy.no_success_flag or policy.no_success_key in found.customer),
        ACCOUNT_TYPE: policy.account_type_key in found.customer,
        **{f"invoice/{id}": True for id in invoices},
        ENTITLEMENTS: bool(plans),
        LEDGER: bool(entries),
        PROFILE: bool(profile),
        METHOD: bool(method),
    }
    return Plan(
        dunning=found.dunning,
        account={**profile, **({} if found.flags is None else {"flags": found.flags})},
        customer_row=method,
        customer=found.customer,
        invoices=invoices,
        plans=plans,
        entries=entries,
        steps=tuple(name for name, wanted in named.items() if wanted),
    )


def _gated(state: AccountState, decision: Decision, rules: RemediationPolicy, policy: DunningPolicy) -> Decision:
    """What should be, with the bad-debt state as it is held where its gate is shut for the account: dunning row, flag and customer keys move
    together or not at all.
    """
    if rules.bad_debt_gate.lets(state.account):
        return decision
    # Without a row an account is held to be healthy.
    dunning, customer = state.dunning or DunningRow(state.account), state.stripe.customer
    keys = (policy.bad_debt_key, policy.bad_debt_since_key)
    others = {key: value for key, value in decision.metadata.items() if key not in keys}
    held = {key: customer.metadata[key] for key in keys if customer is not None and customer.metadata.get(key)}
    return replace(
        decision,
        status=dunning.status,
        retry_count=dunning.retry_count,
        escalation_level=dunning.escalation_level,
        bad_debt=bool(state.profile is not None and state.profile.flags & policy.bad_debt_flag),
        metadata={**others, **held},
    )


def _shut(state: AccountState, decision: Decision, rules: RemediationPolicy, policy: DunningPolicy, now_ms: int) -> list[Refusal]:
    """What a shut gate keeps from being mended."""
    everything = _derived(state, decision, RemediationPolicy(), policy, now_ms).steps
    shut = []
    if not rules.bad_debt_gate.lets(state.account) and BAD_DEBT in everything:
        shut.append(Refusal(BAD_DEBT_GATE, BAD_DEBT))
    if not rules.invoice_metadata_gate.lets(state.account):
        shut += [Refusal(INVOICE_METADATA_GATE, step) for step in everything if step.startswith("invoice/")]
    return shut


def _profile(state: AccountState) -> dict[str, str]:
    """Billing identity as the Stripe customer has it, which is the canonical one; what it does not say is left."""
    row, customer = state.profile, state.stripe.customer
    if row is None or customer is None:
        return {}
    pairs = (("name", row.name, customer.name), ("email", row.email, customer.email))
    return {field: true for field, held, true in pairs if true is not None and held != true}


def _method(state: AccountState) -> dict[str, str]:
    """The default payment method, where one has been noted and it is another."""
    row, customer = state.customer, state.stripe.customer
    if row is None or customer is None or not row.payment_method:
        return {}
    default = customer.invoice_settings.default_payment_method or ""
    return {} if row.payment_method == default else {"payment_method": default}
