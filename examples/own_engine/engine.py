"""Our dunning logic, as billsim sees it: from all that is stored of an account to what its derived fields should be.

Only the brain is ours: billsim gathers the state, writes the smallest difference, and executes what is called for. Replace the body of `decide` by a
call of your own code. The words for statuses are those of `policy.toml`; amounts are cents, Stripe's times are seconds, all others milliseconds.
"""

from __future__ import annotations

from typing import NamedTuple

from billsim.core.policy import DunningPolicy
from billsim.ports import AccountState, Consequence, Decision
from billsim.stripe.objects import Charge, Invoice

LEVEL = {"current": 0, "past_due": 1, "in_collections": 2, "written_off": 3}
BANNED = 4


class Debt(NamedTuple):
    invoice: Invoice
    status: str
    given_up_ms: int | None
    written_off_ms: int | None


class Brain:
    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        profile, mapping = state.profile, state.customer
        if profile is None or profile.account_type in policy.contract_types:
            return Decision("current", applies=False)
        if mapping is None or state.stripe.customer is None or state.shared_with:
            return Decision("current", applies=False)
        invoices: list[Invoice] = list(state.stripe.invoices.values())
        debts = [standing(state, invoice, now_ms, policy) for invoice in invoices if is_owed(state, invoice)]
        debts.sort(key=lambda debt: (-LEVEL[debt.status], debt.invoice.created, debt.invoice.id))
        status = debts[0].status if debts else "current"
        since_ms = min((debt.written_off_ms for debt in debts if debt.status == "written_off" and debt.written_off_ms), default=None)
        level = BANNED if since_ms is not None and since_ms + policy.ban_after_ms <= now_ms else LEVEL[status]
        never_paid = has_never_paid(state)
        metadata = {policy.account_type_key: profile.account_type}
        if since_ms is not None:
            metadata |= {policy.bad_debt_key: "true", policy.bad_debt_since_key: str(since_ms // 1000)}
        if never_paid:
            metadata[policy.no_success_key] = "true"
        instants = [instant for debt in debts for instant in (debt.given_up_ms, debt.written_off_ms)]
        instants.append(None if since_ms is None else since_ms + policy.ban_after_ms)
        return Decision(
            status=status,
            retry_count=max((debt.invoice.attempt_count for debt in debts), default=0),
            escalation_level=level,
            bad_debt=since_ms is not None,
            no_successful_payment=never_paid,
            metadata=metadata,
            invoice_metadata=invoice_metadata(invoices, debts, policy),
            entitlements=plans(state, level),
            consequences=consequences(state, debts, since_ms, level, policy),
            next_boundary_ms=min((instant for instant in instants if instant is not None and instant > now_ms), default=None),
        )


def is_owed(state: AccountState, invoice: Invoice) -> bool:
    """Open, tried, and not the first invoice of a subscription that never began."""
    subscription = state.stripe.subscriptions.get(invoice.subscription or "")
    unstarted = subscription is not None and subscription.status in ("incomplete", "incomplete_expired")
    return invoice.status in ("open", "uncollectible") and invoice.amount_remaining > 0 and invoice.attempt_count > 0 and not unstarted


def standing(state: AccountState, invoice: Invoice, now_ms: int, policy: DunningPolicy) -> Debt:
    """Past due while it is retried, in collections from the last failed try on, written off when the grace is over or Stripe says so."""
    given_up_ms = None if invoice.next_payment_attempt is not None else last_failed_s(state, invoice) * 1000
    marked_s = invoice.status_transitions.marked_uncollectible_at
    ends = [given_up_ms + grace_ms(state, invoice, policy)] if given_up_ms is not None else []
    ends += [marked_s * 1000] if invoice.status == "uncollectible" and marked_s is not None else []
    written_off_ms = min(ends, default=None)
    if written_off_ms is not None and written_off_ms <= now_ms:
        return Debt(invoice, "written_off", given_up_ms, written_off_ms)
    return Debt(invoice, "past_due" if given_up_ms is None else "in_collections", given_up_ms, written_off_ms)


def last_failed_s(state: AccountState, invoice: Invoice) -> int:
    failed = [charge for charge in charges_of(state, invoice) if charge.status == "failed"]
    return failed[-1].created if failed else invoice.status_transitions.finalized_at or invoice.created


def charges_of(state: AccountState, invoice: Invoice) -> list[Charge]:
    intents = [payment.payment_intent for payment in invoice.payments]
    return sorted((charge for charge in state.stripe.charges.values() if charge.payment_intent in intents), key=lambda charge: charge.created)


def grace_ms(state: AccountState, invoice: Invoice, policy: DunningPolicy) -> int:
    charges = charges_of(state, invoice)
    method = state.stripe.payment_methods.get(charges[-1].payment_method or "") if charges else None
    return policy.grace_of(method.type if method is not None else "card")


def has_never_paid(state: AccountState) -> bool:
    charges: list[Charge] = list(state.stripe.charges.values())
    return bool(charges) and all(charge.status != "succeeded" for charge in charges)


def invoice_metadata(invoices: list[Invoice], debts: list[Debt], policy: DunningPolicy) -> dict[str, dict[str, str]]:
    """Our keys on each written-off invoice, and none on one that still has them from before."""
    wanted: dict[str, dict[str, str]] = {invoice.id: {} for invoice in invoices if invoice.metadata.get(policy.bad_debt_key)}
    for debt in debts:
        if debt.status == "written_off":
            wanted[debt.invoice.id] = {policy.bad_debt_key: "true", policy.bad_debt_amount_key: str(debt.invoice.amount_remaining)}
    return wanted


def plans(state: AccountState, level: int) -> dict[str, str]:
    """What was bought; the free plan once it is written off or canceled, nothing once banned."""
    bought: dict[str, str] = {}
    for subscription in sorted(state.ope.values(), key=lambda each: each.status == "active"):
        for item in subscription.items:
            bought[item.product] = item.plan if subscription.status == "active" else "free"
    if level >= LEVEL["written_off"]:
        return dict.fromkeys(bought, "none" if level == BANNED else "free")
    return bought


def consequences(
    state: AccountState, debts: list[Debt], since_ms: int | None, level: int, policy: DunningPolicy
) -> tuple[Consequence, ...]:
    """What is called for and not yet done. The steps are billsim's words: they name consequences, not statuses."""
    done = state.dunning.done if state.dunning is not None else ()
    called = []
    if level < BANNED:
        called += [Consequence("unban", key[:-4], "bad_debt", f"{key[:-4]}/unban") for key in done if key.endswith("/ban")]
    if since_ms is not None:
        called += written_off(state, debts[0].invoice.id, level, flagged=any(f"{debt.invoice.id}/bad_debt" in done for debt in debts))
    else:
        called += recovered(state, policy)
        step = {"past_due": "retrying", "in_collections": "delinquent"}
        called += [Consequence("notify", debt.invoice.id, step[debt.status], f"{debt.invoice.id}/{step[debt.status]}") for debt in debts[:1]]
    return tuple(each for each in called if each.key not in done)


def written_off(state: AccountState, debt: str, level: int, *, flagged: bool) -> list[Consequence]:
    called = [] if flagged else [Consequence("flag", debt, "bad_debt", f"{debt}/bad_debt")]
    for key, bought in state.ope.items():
        counterpart = state.stripe.subscriptions.get(bought.stripe_subscription)
        latest = state.stripe.invoices.get(counterpart.latest_invoice or "") if counterpart is not None else None
        if bought.status == "active" and counterpart is not None and (latest is None or latest.status not in ("paid", "void")):
            called.append(Consequence("cancel", debt, "bad_debt", f"{debt}/cancel/{key}", key))
    return [*called, Consequence("ban", debt, "bad_debt", f"{debt}/ban")] if level == BANNED else called


def recovered(state: AccountState, policy: DunningPolicy) -> list[Consequence]:
    """The good news about the latest debt that had been written off when it was paid."""
    paid = [invoice for invoice in state.stripe.invoices.values() if was_written_off(state, invoice, policy)]
    paid.sort(key=lambda invoice: invoice.status_transitions.paid_at or 0)
    return [Consequence("notify", invoice.id, "recovered", f"{invoice.id}/recovered") for invoice in paid[-1:]]


def was_written_off(state: AccountState, invoice: Invoice, policy: DunningPolicy) -> bool:
    at = invoice.status_transitions
    if invoice.status != "paid" or at.paid_at is None:
        return False
    if at.marked_uncollectible_at is not None:
        return True
    over_ms = last_failed_s(state, invoice) * 1000 + grace_ms(state, invoice, policy)
    return invoice.attempt_count >= policy.max_attempts and over_ms <= at.paid_at * 1000
