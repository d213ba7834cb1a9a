"""Mutants that decide wrongly: a clause of the rules is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, SECOND_MS
from billsim.engine.decide import LEVEL, OWED, debt_of, decide, is_debt
from billsim.engine.dunning_brain import Decide
from billsim.explore.mutants.base import RECOMPUTE, Mutated, Planted, deciding
from billsim.ports import AccountState, Decision
from billsim.stores.cf_prod import FREE, NONE
from billsim.stripe.objects import Invoice

State = AccountState


def shown(change: Callable[[State], State]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant that decides about another account than there is."""
    return deciding(lambda rules: lambda state, now_ms, policy: rules(change(state), now_ms, policy))


def said(change: Callable[[Decision, State, int, DunningPolicy], Decision]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant that makes something else of what was decided, where anything was."""

    def brain(rules: Decide) -> Decide:
        def decided(state: State, now_ms: int, policy: DunningPolicy) -> Decision:
            decision = rules(state, now_ms, policy)
            return change(decision, state, now_ms, policy) if decision.applies else decision

        return decided

    return deciding(brain)


def by_policy(change: Callable[[DunningPolicy], DunningPolicy]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant that goes by another policy."""
    return lambda policy: Mutated(change(policy))


def with_objects(state: State, **kinds: dict[str, Any]) -> State:
    """The account with other objects at Stripe."""
    return replace(state, stripe=replace(state.stripe, **kinds))


def each(state: State, kind: str, change: Callable[[Any], Any]) -> State:
    """The account with each Stripe object of a kind changed; None: it is not there."""
    changed = {id: new for id, thing in getattr(state.stripe, kind).items() if (new := change(thing)) is not None}
    return with_objects(state, **{kind: changed})


# -- what is owed ------------------------------------------------------------------------------------------------------------------------


def _newest_invoice_only(state: State) -> State:
    newest = max(state.stripe.invoices.values(), key=lambda invoice: invoice.created, default=None)
    return each(state, "invoices", lambda invoice: invoice if invoice is newest else None)


def _oldest_debt_only(state: State) -> State:
    owed = [invoice for invoice in state.stripe.invoices.values() if invoice.status in OWED]
    oldest = min(owed, key=lambda invoice: invoice.created, default=None)
    return each(state, "invoices", lambda invoice: invoice if invoice is oldest or invoice.status not in OWED else None)


def _settled_if(status: str) -> Callable[[State], State]:
    def settle(invoice: Invoice) -> Invoice:
        return replace(invoice, amount_remaining=0) if invoice.status == status else invoice

    return lambda state: each(state, "invoices", settle)


def each_one(kind: str, change: Callable[[Any], Any]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant to which each Stripe object of a kind looks otherwise."""
    return shown(lambda state: each(state, kind, change))


def _no_purchase(invoice: Invoice) -> Invoice:
    return replace(invoice, billing_reason="subscription_cycle") if invoice.billing_reason == "subscription_create" else invoice


def _intents_failed(status: str) -> Callable[[State], State]:
    def failed(intent: Any) -> Any:
        return replace(intent, status="requires_payment_method") if intent.status == status else intent

    return lambda state: each(state, "payment_intents", failed)


def _never_canceled(subscription: Any) -> Any:
    return replace(subscription, status="past_due") if subscription.status == "canceled" else subscription


def _by_the_schedule(charge: Any) -> Any:
    """Charges of the schedule are numbered; those of a request carry its name."""
    return charge if charge.status != "failed" or charge.id.rpartition(".")[2].isdecimal() else None


# -- when the clock moves it -------------------------------------------------------------------------------------------------------------


def _one_grace(policy: DunningPolicy) -> DunningPolicy:
    return replace(policy, grace_ms={"default": policy.grace_of("card")})


def _a_day_less(policy: DunningPolicy) -> DunningPolicy:
    return replace(policy, grace_ms={name: grace_ms - DAY_MS for name, grace_ms in policy.grace_ms.items()})


def _boundary_of_the_worst(decision: Decision, state: State, now_ms: int, policy: DunningPolicy) -> Decision:
    owed = [invoice for invoice in state.stripe.invoices.values() if invoice.status in OWED and is_debt(state, invoice, now_ms)]
    debts = [debt_of(state, invoice, now_ms, policy) for invoice in owed if invoice.amount_remaining > 0]
    worst = min(debts, key=lambda debt: (-LEVEL[debt.status], debt.invoice.created), default=None)
    if worst is None:
        return decision
    alone = each(state, "invoices", lambda invoice: invoice if invoice.id == worst.invoice.id else None)
    return replace(decision, next_boundary_ms=decide(alone, now_ms, policy).next_boundary_ms)


def _boundary_kept(decision: Decision, state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    held = state.dunning.next_boundary_ms if state.dunning is not None else None
    return decision if held is None else replace(decision, next_boundary_ms=held)


def _no_ban_ahead(decision: Decision, _state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    return replace(decision, next_boundary_ms=None) if decision.bad_debt else decision


# -- what follows ------------------------------------------------------------------------------------------------------------------------


def _held(state: State) -> dict[str, str]:
    return dict(state.stripe.customer.metadata)


def _customer_keys_forgotten(decision: Decision, state: State, _now_ms: int, policy: DunningPolicy) -> Decision:
    keys = (policy.bad_debt_key, policy.bad_debt_since_key)
    held = {key: value for key, value in _held(state).items() if key in keys}
    return replace(decision, metadata={**{key: value for key, value in decision.metadata.items() if key not in keys}, **held})


def _nothing_cleared(decision: Decision, state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    wanted = {id: keys for id, keys in decision.invoice_metadata.items() if keys}
    return replace(decision, metadata={**_held(state), **decision.metadata}, invoice_metadata=wanted)


def _no_invoice_keys(decision: Decision, _state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    return replace(decision, invoice_metadata={})


def _since_seen(decision: Decision, state: State, now_ms: int, policy: DunningPolicy) -> Decision:
    key = policy.bad_debt_since_key
    if key not in decision.metadata:
        return decision
    return replace(decision, metadata={**decision.metadata, key: _held(state).get(key) or str(now_ms // SECOND_MS)})


def _never_more(decision: Decision, state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    held = {product: row.plan for product, row in state.entitlements.items()}
    kept = {product: held[product] if held.get(product) in (FREE, NONE) else plan for product, plan in decision.entitlements.items()}
    return replace(decision, entitlements=kept)


def _first_product(decision: Decision, _state: State, _now_ms: int, _policy: DunningPolicy) -> Decision:
    return replace(decision, entitlements=dict(list(decision.entitlements.items())[:1]))


def _unpaid_as_held(decision: Decision, state: State, _now_ms: int, policy: DunningPolicy) -> Decision:
    held = state.profile is not None and bool(state.profile.flags & policy.no_success_flag)
    return _unpaid(decision, policy, held)


def _unpaid_without_invoice(decision: Decision, state: State, _now_ms: int, policy: DunningPolicy) -> Decision:
    paid = any(invoice.status == "paid" for invoice in state.stripe.invoices.values())
    return _unpaid(decision, policy, decision.no_successful_payment and not paid)


def _unpaid(decision: Decision, policy: DunningPolicy, unpaid: bool) -> Decision:
    metadata = {key: value for key, value in decision.metadata.items() if key != policy.no_success_key}
    return replace(decision, no_successful_payment=unpaid, metadata={**metadata, policy.no_success_key: "true"} if unpaid else metadata)


def _without_braintree(state: State) -> State:
    return state if state.customer is None else replace(state, customer=replace(state.customer, braintree_paid=False))


_DECIDING = {
    "newest_invoice_only": ("an older invoice is owed, too", shown(_newest_invoice_only)),
    "oldest_debt_only": ("the worst debt decides, and not the oldest", shown(_oldest_debt_only)),
    "uncollectible_is_settled": ("what Stripe has given up is still owed", shown(_settled_if("uncollectible"))),
    "abandoned_purchase_counts": ("the first invoice of what was never delivered is no debt", each_one("invoices", _no_purchase)),
    "processing_is_failure": ("a payment that the bank is at has not failed", shown(_intents_failed("processing"))),
    "waiting_is_exhausted": ("a payment that the customer has yet to confirm can still come", shown(_intents_failed("requires_action"))),
    "cancellation_not_seen": ("where a cancellation ended the tries, the grace begins with it", each_one("subscriptions", _never_canceled)),
    "declined_by_hand_forgotten": ("the grace begins with the last failure, whoever tried", each_one("charges", _by_the_schedule)),
    "paypal_path": ("the grace is that of the instrument that was used", by_policy(_one_grace)),
    "grace_a_day_short": ("a debt is bad when its grace is over, and not before", by_policy(_a_day_less)),
    "boundary_of_worst_debt_only": ("the clock is watched for every debt", said(_boundary_of_the_worst)),
    "first_boundary_kept": ("a wake-up is ordered anew when its instant has moved", said(_boundary_kept)),
    "ban_boundary_forgotten": ("an account in bad debt is looked at again when its ban falls due", said(_no_ban_ahead)),
    "customer_metadata_forgotten": ("the customer at Stripe says that the account is bad debt", said(_customer_keys_forgotten)),
    "metadata_not_cleared": ("keys that do not hold any more are taken away", said(_nothing_cleared)),
    "invoice_metadata_forgotten": ("each bad invoice says so", said(_no_invoice_keys)),
    "since_when_seen": ("bad debt dates from when it turned bad, and not from when that was noticed", said(_since_seen)),
    "entitlements_not_restored": ("who has paid gets back what was bought", said(_never_more)),
    "first_product_only": ("every product that was bought is looked after", said(_first_product)),
    "no_success_flag_forgotten": ("whether a charge ever succeeded is looked at each time", said(_unpaid_as_held)),
    "paid_without_charge_is_success": ("only a charge above zero is a successful payment", said(_unpaid_without_invoice)),
    "braintree_forgotten": ("what was paid before Stripe counts", shown(_without_braintree)),
    "contract_types_written": ("contract accounts are left to their contracts", by_policy(lambda policy: replace(policy, contract_types=()))),
    "merged_written": ("whose debt it is on a shared customer cannot be told", shown(lambda state: replace(state, shared_with=()))),
}  # fmt: skip

DECIDING = tuple(Planted(name, safeguard, RECOMPUTE, make) for name, (safeguard, make) in _DECIDING.items())
