"""What an account's derived fields should be, from the authorities, the policy and the clock alone: a pure function.

It reads top to bottom as the platform's rules do: debts, their standing, the worst of them, and what follows from that.
"""

from __future__ import annotations

from typing import NamedTuple

from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING, DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.ports import AccountState, Consequence, Decision
from billsim.stores.cf_prod import FREE, NONE
from billsim.stripe.objects import Charge, Invoice, PaymentIntent, Subscription

OWED = ("open", "uncollectible")
SETTLED = ("paid", "void")
NEVER_STARTED = ("incomplete", "incomplete_expired")
BANNED_LEVEL = 4
LEVEL = {HEALTHY: 0, RETRYING: 1, DELINQUENT: 2, BAD_DEBT: 3}
NOT_OURS = Decision(HEALTHY, applies=False)


class Debt(NamedTuple):
    """An invoice that is owed, and how it stands. Instants are milliseconds; None: not by the clock alone."""

    invoice: Invoice
    status: str
    exhausted_ms: int | None
    bad_ms: int | None


def decide(state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
    """The account's derived fields at `now_ms`. `applies` is False for an account that no automatic component may write."""
    if not governed(state, policy):
        return NOT_OURS
    owed, given_up, marked = _telling(state, policy)
    debts = _debts(state, owed, now_ms, policy) if owed else []
    bad = [debt for debt in debts if debt.status == BAD_DEBT] if debts else []
    status = debts[0].status if debts else HEALTHY
    bad_since_ms = min([debt.bad_ms for debt in bad if debt.bad_ms is not None]) if bad else None
    banned = bad_since_ms is not None and bad_since_ms + policy.ban_after_ms <= now_ms
    level = BANNED_LEVEL if banned else LEVEL[status]
    unpaid = has_no_successful_payment(state)
    return Decision(
        status=status,
        retry_count=max([debt.invoice.attempt_count for debt in debts]) if debts else 0,
        escalation_level=level,
        bad_debt=bool(bad),
        no_successful_payment=unpaid,
        metadata=_customer_metadata(state, policy, bad_since_ms, unpaid),
        invoice_metadata=_invoice_metadata(policy, marked, bad) if marked or bad else {},
        entitlements=_entitlements(state, level),
        consequences=_consequences(state, policy, debts, given_up, bad_since_ms, level),
        next_boundary_ms=_next_boundary(policy, owed, debts, bad_since_ms, now_ms) if owed else None,
    )


def governed(state: AccountState, policy: DunningPolicy) -> bool:
    """Whether automatic components may write the account: contract accounts are handled by hand; merged accounts and those that Stripe does not
    know are ambiguous.
    """
    if state.profile is not None and state.profile.account_type in policy.contract_types:
        return False
    if state.customer is None or not state.customer.stripe_customer or state.stripe.customer is None:
        return False
    return not state.shared_with


# -- what is owed ----------------------------------------------------------------------------------------------------------------------


def _telling(state: AccountState, policy: DunningPolicy) -> tuple[list[Invoice], list[Invoice], list[Invoice]]:
    """The invoices that say anything, each kind in their order: those with something left to pay; those that were paid after collecting them had been
    given up, or with the last try; and those that have a governed key.
    """
    owed: list[Invoice] = []
    given_up: list[Invoice] = []
    marked: list[Invoice] = []
    most = policy.max_attempts
    for invoice in state.stripe.invoices.values():
        if invoice.status in OWED:
            if invoice.amount_remaining > 0:
                owed.append(invoice)
        elif invoice.status == "paid" and (invoice.attempt_count >= most or invoice.status_transitions.marked_uncollectible_at is not None):
            given_up.append(invoice)
        if (held := invoice.metadata) and (held.get(policy.bad_debt_key) or held.get(policy.bad_debt_amount_key)):
            marked.append(invoice)
    return owed, given_up, marked


def _debts(state: AccountState, owed: list[Invoice], now_ms: int, policy: DunningPolicy) -> list[Debt]:
    """What of the unsettled invoices is debt, the one that decides first: the worst, then the earliest."""
    debts = [debt_of(state, invoice, now_ms, policy) for invoice in owed if is_debt(state, invoice, now_ms)]
    if len(debts) > 1:
        debts.sort(key=lambda debt: (-LEVEL[debt.status], debt.invoice.created, debt.invoice.id))
    return debts


def is_debt(state: AccountState, invoice: Invoice, now_ms: int) -> bool:
    """Whether the account owes this unsettled invoice: it was tried, or its due date has come, and it is neither unstarted nor still under way."""
    if not _attempted(invoice) and not (invoice.due_date is not None and invoice.due_date * SECOND_MS <= now_ms):
        return False
    return not (_never_started(state, invoice) or _pending_update(state, invoice) or _under_way(state, invoice))


def _attempted(invoice: Invoice) -> bool:
    return invoice.attempted or invoice.attempt_count >= 1


def _never_started(state: AccountState, invoice: Invoice) -> bool:
    """An abandoned first invoice: nothing was ever delivered for it."""
    if invoice.billing_reason != "subscription_create":
        return False
    subscription = _subscription(state, invoice)
    return subscription is not None and subscription.status in NEVER_STARTED


def _pending_update(state: AccountState, invoice: Invoice) -> bool:
    """The invoice of a change that only takes effect once it is paid."""
    if invoice.billing_reason != "subscription_update":
        return False
    subscriptions: list[Subscription] = list(state.stripe.subscriptions.values())
    return any(each.latest_invoice == invoice.id and each.pending_update is not None for each in subscriptions)


def _under_way(state: AccountState, invoice: Invoice) -> bool:
    """Its only payment so far is being processed by the bank, which is no failure until it fails."""
    intent = _latest_intent(state, invoice)
    return intent is not None and intent.status == "processing" and not _failed_charges(state, invoice)


def _subscription(state: AccountState, invoice: Invoice) -> Subscription | None:
    found: Subscription | None = state.stripe.subscriptions.get(invoice.subscription or "")
    return found


def _latest_intent(state: AccountState, invoice: Invoice) -> PaymentIntent | None:
    found: PaymentIntent | None = state.stripe.payment_intents.get(invoice.payments[-1].payment_intent) if invoice.payments else None
    return found


def _charges(state: AccountState, invoice: Invoice) -> list[Charge]:
    """The charges of an invoice, earliest first."""
    intents = [payment.payment_intent for payment in invoice.payments]
    found = [charge for charge in state.stripe.charges.values() if charge.payment_intent in intents]
    return sorted(found, key=lambda charge: charge.created)


def _failed_charges(state: AccountState, invoice: Invoice) -> list[Charge]:
    return [charge for charge in _charges(state, invoice) if charge.status == "failed"]


# -- how a debt stands -----------------------------------------------------------------------------------------------------------------


def debt_of(state: AccountState, invoice: Invoice, now_ms: int, policy: DunningPolicy) -> Debt:
    """An owed invoice with its standing: retrying, delinquent or bad."""
    exhausted_ms = _exhausted(state, invoice, policy)
    bad_ms = _bad_from(state, invoice, exhausted_ms, policy)
    if bad_ms is not None and bad_ms <= now_ms:
        status = BAD_DEBT
    elif exhausted_ms is not None and exhausted_ms <= now_ms:
        status = DELINQUENT
    else:
        status = RETRYING
    return Debt(invoice, status, exhausted_ms, bad_ms)


def _exhausted(state: AccountState, invoice: Invoice, policy: DunningPolicy) -> int | None:
    """When nobody would collect the invoice any more; None while someone will."""
    if invoice.collection_method == "send_invoice" and invoice.due_date is not None:
        return invoice.due_date * SECOND_MS
    if invoice.next_payment_attempt is not None:
        return None
    intent = _latest_intent(state, invoice)
    if intent is not None and intent.status == "requires_action":
        return None
    failed_s = _last_failed(state, invoice)
    subscription = _subscription(state, invoice)
    if subscription is not None and subscription.status == "canceled" and invoice.attempt_count < policy.max_attempts:
        # It was the cancellation, not the schedule, that ended the tries.
        failed_s = max(failed_s, subscription.canceled_at or 0)
    return failed_s * SECOND_MS


def _last_failed(state: AccountState, invoice: Invoice) -> int:
    """Seconds: the latest failed charge; an invoice that has none counts from its finalisation."""
    failed = _failed_charges(state, invoice)
    return failed[-1].created if failed else invoice.status_transitions.finalized_at or invoice.created


def _bad_from(state: AccountState, invoice: Invoice, exhausted_ms: int | None, policy: DunningPolicy) -> int | None:
    instants = []
    if invoice.status == "uncollectible":
        marked_s = invoice.status_transitions.marked_uncollectible_at
        instants.append((invoice.created if marked_s is None else marked_s) * SECOND_MS)
    if exhausted_ms is not None:
        instants.append(exhausted_ms + policy.grace_of(_instrument(state, invoice, _charges(state, invoice))))
    return min(instants, default=None)


def _instrument(state: AccountState, invoice: Invoice, charges: list[Charge]) -> str:
    """What the last of these charges was made to, or what the next would be."""
    subscription = _subscription(state, invoice)
    named = (
        charges[-1].payment_method if charges else None,
        subscription.default_payment_method if subscription is not None else None,
        state.stripe.customer.invoice_settings.default_payment_method,
    )
    for payment_method in named:
        found = state.stripe.payment_methods.get(payment_method or "")
        if found is not None:
            return str(found.type)
    return "card"


# -- what follows ----------------------------------------------------------------------------------------------------------------------


def has_no_successful_payment(state: AccountState) -> bool:
    """Something was attempted, and no charge above zero ever succeeded, at Stripe or before it."""
    tried = state.customer is not None and state.customer.braintree_paid
    if tried:
        return False
    for charge in state.stripe.charges.values():
        if charge.amount > 0:
            if charge.status == "succeeded":
                return False
            tried = True
    return tried or any(invoice.total > 0 and _attempted(invoice) for invoice in state.stripe.invoices.values())


def _customer_metadata(state: AccountState, policy: DunningPolicy, bad_since_ms: int | None, unpaid: bool) -> dict[str, str]:
    keys = {}
    if state.profile is not None:
        keys[policy.account_type_key] = state.profile.account_type
    if bad_since_ms is not None:
        keys[policy.bad_debt_key] = "true"
        keys[policy.bad_debt_since_key] = str(bad_since_ms // SECOND_MS)
    if unpaid:
        keys[policy.no_success_key] = "true"
    return keys


def _invoice_metadata(policy: DunningPolicy, marked: list[Invoice], bad: list[Debt]) -> dict[str, dict[str, str]]:
    """The governed keys of each invoice that has any, or should."""
    wanted: dict[str, dict[str, str]] = {invoice.id: {} for invoice in marked}
    for debt in bad:
        wanted[debt.invoice.id] = {policy.bad_debt_key: "true", policy.bad_debt_amount_key: str(debt.invoice.amount_remaining)}
    return wanted


def _entitlements(state: AccountState, level: int) -> dict[str, str]:
    """What was bought; free while the debt is bad; nothing once banned. A live subscription outranks a canceled one of the same product, a
    purchase that is not confirmed gives nothing, and what is held without having been bought, or is bought no more, is taken away.
    """
    plans: dict[str, str] = {}
    for subscription in state.ope.values():
        status = subscription.status
        for item in subscription.items:
            if status == "active":
                plans[item.product] = item.plan
            elif status == "canceled":
                plans.setdefault(item.product, FREE)
    if level >= LEVEL[BAD_DEBT]:
        plans = dict.fromkeys(plans, NONE if level == BANNED_LEVEL else FREE)
    for product, row in state.entitlements.items():
        if product not in plans and row.plan not in (FREE, NONE):
            plans[product] = FREE
    return plans


def _next_boundary(policy: DunningPolicy, owed: list[Invoice], debts: list[Debt], bad_since_ms: int | None, now_ms: int) -> int | None:
    """The next instant at which the clock alone changes the decision."""
    instants = [instant for debt in debts for instant in (debt.exhausted_ms, debt.bad_ms) if instant is not None]
    if bad_since_ms is not None:
        instants.append(bad_since_ms + policy.ban_after_ms)
    instants += [invoice.due_date * SECOND_MS for invoice in owed if invoice.due_date is not None]
    return min([instant for instant in instants if instant > now_ms], default=None)


# -- consequences ----------------------------------------------------------------------------------------------------------------------


def _consequences(
    state: AccountState, policy: DunningPolicy, debts: list[Debt], given_up: list[Invoice], bad_since_ms: int | None, level: int
) -> tuple[Consequence, ...]:
    """What is called for and not yet done, in the order in which it is to happen."""
    done = state.dunning.done if state.dunning is not None else ()
    called = _recovered(state, policy, given_up) if given_up and level < LEVEL[BAD_DEBT] else []
    if done:
        called = _unban(done, level) + called
    if debts:
        called += _escalation(state, debts, bad_since_ms, level)
    return tuple([each for each in called if each.key not in done]) if called else ()


def _escalation(state: AccountState, debts: list[Debt], bad_since_ms: int | None, level: int) -> list[Consequence]:
    """What the step that the account stands on calls for; steps that it has passed are not made up for."""
    debt = debts[0].invoice.id
    if bad_since_ms is None:
        return [Consequence("notify", debt, debts[0].status, f"{debt}/{debts[0].status}")]
    called = [] if _flagged(state, bad_since_ms) else [Consequence("flag", debt, BAD_DEBT, f"{debt}/{BAD_DEBT}")]
    called += [Consequence("cancel", debt, BAD_DEBT, f"{debt}/cancel/{key}", key) for key in _to_cancel(state)]
    if level == BANNED_LEVEL:
        called.append(Consequence("ban", debt, BAD_DEBT, f"{debt}/ban"))
    return called


def _flagged(state: AccountState, bad_since_ms: int) -> bool:
    """Whether the episode has had its flag: for a debt that is still owed, or for one that was settled after today's oldest had turned bad."""
    done = state.dunning.done if state.dunning is not None else ()
    for invoice in state.stripe.invoices.values():
        if f"{invoice.id}/{BAD_DEBT}" in done:
            at = invoice.status_transitions
            settled_s = at.voided_at if invoice.status == "void" else at.paid_at
            if invoice.status in OWED or (settled_s is not None and settled_s * SECOND_MS >= bad_since_ms):
                return True
    return False


def _to_cancel(state: AccountState) -> list[str]:
    """Active subscriptions whose latest invoice is owed; one whose latest invoice is paid is left alone."""
    keys = []
    for key, bought in state.ope.items():
        counterpart: Subscription | None = state.stripe.subscriptions.get(bought.stripe_subscription)
        if bought.status != "active" or counterpart is None:
            continue
        latest: Invoice | None = state.stripe.invoices.get(counterpart.latest_invoice or "")
        if latest is None or latest.status not in SETTLED:
            keys.append(key)
    return keys


def _recovered(state: AccountState, policy: DunningPolicy, given_up: list[Invoice]) -> list[Consequence]:
    """The good news about the latest bad debt that was paid; never about one that was voided."""
    paid = [invoice for invoice in given_up if _was_bad(state, invoice, policy)]
    if not paid:
        return []
    latest = max(paid, key=lambda invoice: (invoice.status_transitions.paid_at, invoice.created, invoice.id))
    return [Consequence("notify", latest.id, "recovered", f"{latest.id}/recovered")]


def _was_bad(state: AccountState, invoice: Invoice, policy: DunningPolicy) -> bool:
    """Whether a paid invoice, which was marked or had no tries left, was bad debt at the instant it was paid."""
    at = invoice.status_transitions
    if at.paid_at is None:
        return False
    if at.marked_uncollectible_at is not None and at.marked_uncollectible_at <= at.paid_at:
        return True
    if invoice.attempt_count < policy.max_attempts:
        return False
    grace_ms = policy.grace_of(_instrument(state, invoice, _failed_charges(state, invoice)))
    return _last_failed(state, invoice) * SECOND_MS + grace_ms <= at.paid_at * SECOND_MS


def _unban(done: tuple[str, ...], level: int) -> list[Consequence]:
    """Every ban that was carried out is lifted once the account is no longer to be banned."""
    if level == BANNED_LEVEL:
        return []
    debts = [key.removesuffix("/ban") for key in done if key.endswith("/ban")]
    return [Consequence("unban", debt, BAD_DEBT, f"{debt}/unban") for debt in debts]
