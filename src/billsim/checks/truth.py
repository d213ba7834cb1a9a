"""truth(account): what every derived field of an account should be, from the authorities, the policy and the clock.

Written as clauses: each function answers one question of the platform's definition, and `truth` puts the answers together. It is written apart from
any engine, and both face one table of hand-computed rows. Numbers and names come from the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING, DunningPolicy
from billsim.stores.base import Shard
from billsim.stores.cf_prod import FREE, NONE
from billsim.stores.ope import OpeSubscription
from billsim.stripe.objects import Book, Charge, Invoice, Subscription

Permit = tuple[str, ...]
Done = dict[str, list[str]]


class Due(NamedTuple):
    """A consequence that policy calls for and that was not executed. `key` is made of debt and step; a `cancel` is for the OPE key `subscription`."""

    kind: str
    debt: str
    step: str
    key: str
    subscription: str = ""


class Expected(msgspec.Struct, frozen=True, gc=False):
    """What the derived fields should be. `applies` False: nothing is judged but that nobody writes automatically.

    `metadata` holds the governed keys of the customer and `invoice_metadata` those of each bad invoice; a key that is not there must not be held.
    `permits` is what may be done at this instant, executed before or not: `("notify", debt, step)`, `(kind, debt)` of the other consequences, and
    `("end", id)` of subscriptions that may be cancelled. `until_ms` is the next instant at which any of this changes by the clock alone.
    """

    status: str = HEALTHY
    retry_count: int = 0
    escalation_level: int = 0
    bad_debt: bool = False
    no_successful_payment: bool = False
    metadata: dict[str, str] = {}
    invoice_metadata: dict[str, dict[str, str]] = {}
    entitlements: dict[str, str] = {}
    consequences: tuple[Due, ...] = ()
    permits: frozenset[Permit] = frozenset()
    until_ms: int | None = None
    applies: bool = True

    @property
    def next_boundary_ms(self) -> int | None:
        """`until_ms`, under the name that a decision gives it."""
        return self.until_ms


class Debt(NamedTuple):
    """An owed invoice: `status` is what it alone makes of the account, `bad_ms` when it turns or turned bad (None: it is still being collected)."""

    invoice: Invoice
    status: str
    bad_ms: int | None


NOTHING = Expected(applies=False)
_SEVERITY = {RETRYING: 1, DELINQUENT: 2, BAD_DEBT: 3}
_LEVELS = {HEALTHY: 0, RETRYING: 1, DELINQUENT: 2, BAD_DEBT: 3}
BANNED = 4


def truth(shard: Shard, policy: DunningPolicy, now_ms: int, shared: bool = False) -> Expected:
    """What the account should look like at `now_ms`. `shared`: other accounts stand on the same Stripe customer."""
    if not is_judged(shard, policy, shared):
        return NOTHING
    book: Book = shard.stripe
    unpaid_for = has_no_successful_payment(shard, book)
    telling = telling_invoices(book, policy)
    if not telling and not shard.actions:
        # Most accounts, most of the time: nothing is owed, nothing was, and nothing was ever done about it.
        keys, plans = customer_metadata(shard, None, unpaid_for, policy), entitlements_of(shard.all("ope"), HEALTHY, _LEVELS[HEALTHY])
        return Expected(no_successful_payment=unpaid_for, metadata=keys, entitlements=plans)
    debts = debts_of(book, telling, policy, now_ms)
    bad = [debt for debt in debts if debt.status == BAD_DEBT]
    since_ms = min([debt.bad_ms or 0 for debt in bad], default=None)
    status = max([debt.status for debt in debts], key=_SEVERITY.__getitem__, default=HEALTHY)
    level = BANNED if since_ms is not None and is_ban_due(since_ms, policy, now_ms) else _LEVELS[status]
    dues, permits = consequences_of(shard, book, telling, debts, status, level, policy)
    return Expected(
        status=status,
        retry_count=max([debt.invoice.attempt_count for debt in debts], default=0),
        escalation_level=level,
        bad_debt=status == BAD_DEBT,
        no_successful_payment=unpaid_for,
        metadata=customer_metadata(shard, since_ms, unpaid_for, policy),
        invoice_metadata={debt.invoice.id: invoice_metadata(debt.invoice, policy) for debt in bad},
        entitlements=entitlements_of(shard.all("ope"), status, level),
        consequences=dues,
        permits=permits,
        until_ms=next_change_ms(telling, debts, since_ms, policy, now_ms),
    )


# --- which accounts are judged ---------------------------------------------------------------------------------------------------------------


def is_judged(shard: Shard, policy: DunningPolicy, shared: bool) -> bool:
    """Not judged: contract types, merged accounts, and accounts without a customer at Stripe."""
    return not is_merged(shared) and has_stripe_customer(shard) and not is_contract(shard, policy)


def has_stripe_customer(shard: Shard) -> bool:
    """Stripe knows the account: it is mapped to a customer that exists."""
    rows, book = shard.rows, shard.stripe
    mapping = rows.get("subs_customer")
    return mapping is not None and mapping.stripe_customer != "" and book is not None and book.customer is not None and "subs_account" in rows


def is_contract(shard: Shard, policy: DunningPolicy) -> bool:
    """The account's type is one whose state contract paths set."""
    profile = shard.rows.get("subs_account")
    return profile is not None and profile.account_type in policy.contract_types


def is_merged(shared: bool) -> bool:
    """Several accounts on one customer: whose debt it is cannot be told."""
    return shared


# --- what is a debt --------------------------------------------------------------------------------------------------------------------------


def telling_invoices(book: Book, policy: DunningPolicy) -> list[Invoice]:
    """The invoices that say anything of dunning, in order of creation: owed, or once so far gone that their payment was a recovery.

    Most were paid in time, and nothing more is asked of those.
    """
    most = policy.max_attempts
    return [
        i
        for i in book.invoices.values()
        if (i.amount_remaining and is_owed(i)) or i.attempt_count >= most or i.status_transitions.marked_uncollectible_at is not None
    ]


def debts_of(book: Book, telling: list[Invoice], policy: DunningPolicy, now_ms: int) -> list[Debt]:
    """The debts among the invoices, each with what it makes of the account."""
    return [debt_of(book, invoice, policy, now_ms) for invoice in telling if is_debt(book, invoice, now_ms)]


def is_debt(book: Book, invoice: Invoice, now_ms: int) -> bool:
    """Owed, and asked for: by an attempt, or by its due date; and none of the three excuses."""
    return (
        is_owed(invoice)
        and (was_attempted(invoice) or is_past_due(invoice, now_ms))
        and not is_abandoned_purchase(book, invoice)
        and not is_pending_update(book, invoice)
        and not is_first_attempt_processing(book, invoice)
    )


def is_owed(invoice: Invoice) -> bool:
    """Open or uncollectible, with something remaining."""
    return invoice.status in ("open", "uncollectible") and invoice.amount_remaining > 0


def was_attempted(invoice: Invoice) -> bool:
    """At least one attempt was made, by the schedule or by hand."""
    return invoice.attempt_count >= 1 or invoice.attempted


def is_past_due(invoice: Invoice, now_ms: int) -> bool:
    """The due date has come."""
    return invoice.due_date is not None and invoice.due_date * 1000 <= now_ms


def is_abandoned_purchase(book: Book, invoice: Invoice) -> bool:
    """The first invoice of a subscription that never became active."""
    if invoice.billing_reason != "subscription_create":
        return False
    subscription = subscription_of(book, invoice)
    return subscription is not None and subscription.status in ("incomplete", "incomplete_expired")


def is_pending_update(book: Book, invoice: Invoice) -> bool:
    """The invoice of a change that applies only once it is paid."""
    if invoice.billing_reason != "subscription_update":
        return False
    subscription = subscription_of(book, invoice)
    return subscription is not None and subscription.pending_update is not None and subscription.latest_invoice == invoice.id


def is_first_attempt_processing(book: Book, invoice: Invoice) -> bool:
    """A delayed method (SEPA, PayPal) is on its way and none has failed: no failure, until it fails."""
    return intent_status(book, invoice) == "processing" and last_failed_charge(book, invoice) is None


# --- when a debt is exhausted, and when it is bad --------------------------------------------------------------------------------------------


def debt_of(book: Book, invoice: Invoice, policy: DunningPolicy, now_ms: int) -> Debt:
    """What an owed invoice makes of the account: boundaries belong to what they begin."""
    bad_ms = bad_at_ms(book, invoice, policy)
    return Debt(invoice, RETRYING if bad_ms is None else BAD_DEBT if bad_ms <= now_ms else DELINQUENT, bad_ms)


def bad_at_ms(book: Book, invoice: Invoice, policy: DunningPolicy) -> int | None:
    """The earlier of marked uncollectible and the end of the grace after exhaustion; None while it is being collected."""
    exhausted_s = exhausted_at_s(book, invoice, policy)
    ends = [] if exhausted_s is None else [exhausted_s * 1000 + policy.grace_of(instrument_of(book, invoice))]
    if invoice.status == "uncollectible":
        marked_s = invoice.status_transitions.marked_uncollectible_at
        ends.append((invoice.created if marked_s is None else marked_s) * 1000)
    return min(ends, default=None)


def exhausted_at_s(book: Book, invoice: Invoice, policy: DunningPolicy) -> int | None:
    """When collecting ended: the due date of a sent invoice; else the last failure, or the cancel that stopped the retries. None: not ended."""
    if invoice.collection_method == "send_invoice" and invoice.due_date is not None:
        return invoice.due_date
    if invoice.next_payment_attempt is not None or waits_for_the_bank(book, invoice):
        return None
    failed_s = last_failure_s(book, invoice)
    stopped_s = cancelled_at_s(book, invoice)
    return failed_s if stopped_s is None or is_schedule_over(invoice, policy) else max(failed_s, stopped_s)


def waits_for_the_bank(book: Book, invoice: Invoice) -> bool:
    """The customer has to confirm the latest payment: a waiting attempt."""
    return intent_status(book, invoice) == "requires_action"


def is_schedule_over(invoice: Invoice, policy: DunningPolicy) -> bool:
    """The retry schedule has made all of its attempts."""
    return invoice.attempt_count >= policy.max_attempts


def cancelled_at_s(book: Book, invoice: Invoice) -> int | None:
    """When the invoice's subscription was cancelled, if it was."""
    subscription = subscription_of(book, invoice)
    return subscription.canceled_at if subscription is not None and subscription.status == "canceled" else None


def last_failure_s(book: Book, invoice: Invoice) -> int:
    """When the latest attempt failed; without a failed charge, when the invoice was finalised or made."""
    charge = last_failed_charge(book, invoice)
    if charge is not None:
        return charge.created
    finalized_s = invoice.status_transitions.finalized_at
    return invoice.created if finalized_s is None else finalized_s


def instrument_of(book: Book, invoice: Invoice) -> str:
    """The kind of payment method actually used: of the last failed charge; else the subscription's default, the customer's default, a card."""
    charge, subscription = last_failed_charge(book, invoice), subscription_of(book, invoice)
    settings = book.customer.invoice_settings if book.customer is not None else None
    candidates = (
        charge.payment_method if charge is not None else None,
        subscription.default_payment_method if subscription is not None else None,
        settings.default_payment_method if settings is not None else None,
    )
    for id in candidates:
        method = book.payment_methods.get(id) if id else None
        if method is not None:
            return method.type
    return "card"


def is_ban_due(since_ms: int, policy: DunningPolicy, now_ms: int) -> bool:
    """The oldest bad debt has been bad for as long as policy waits."""
    return since_ms + policy.ban_after_ms <= now_ms


def next_change_ms(telling: list[Invoice], debts: list[Debt], since_ms: int | None, policy: DunningPolicy, now_ms: int) -> int | None:
    """The next instant at which truth changes by the clock alone: a due date, the end of a grace, the ban."""
    instants = [invoice.due_date * 1000 for invoice in telling if invoice.due_date is not None and is_owed(invoice)]
    instants += [debt.bad_ms for debt in debts if debt.bad_ms is not None]
    if since_ms is not None:
        instants.append(since_ms + policy.ban_after_ms)
    return min([instant for instant in instants if instant > now_ms], default=None)


# --- flags, metadata, entitlements -----------------------------------------------------------------------------------------------------------


def has_no_successful_payment(shard: Shard, book: Book) -> bool:
    """Something was attempted, and no charge above zero ever succeeded, at Stripe or at Braintree of old."""
    for charge in book.charges.values():
        if is_success(charge):
            return False
    return not paid_at_braintree(shard) and was_anything_attempted(book)


def is_success(charge: Charge) -> bool:
    """A charge above zero that succeeded; a refund does not undo that."""
    return charge.status == "succeeded" and charge.amount > 0


def paid_at_braintree(shard: Shard) -> bool:
    """A PayPal charge of old succeeded outside Stripe."""
    mapping = shard.rows.get("subs_customer")
    return mapping is not None and mapping.braintree_paid


def was_anything_attempted(book: Book) -> bool:
    """A charge above zero, or an attempt on an invoice above zero."""
    return any(charge.amount > 0 for charge in book.charges.values()) or any(
        invoice.total > 0 and was_attempted(invoice) for invoice in book.invoices.values()
    )


def customer_metadata(shard: Shard, since_ms: int | None, unpaid_for: bool, policy: DunningPolicy) -> dict[str, str]:
    """The governed keys of the customer."""
    keys = {policy.account_type_key: shard.rows["subs_account"].account_type}
    if since_ms is not None:
        keys[policy.bad_debt_key] = "true"
        keys[policy.bad_debt_since_key] = str(since_ms // 1000)
    if unpaid_for:
        keys[policy.no_success_key] = "true"
    return keys


def invoice_metadata(invoice: Invoice, policy: DunningPolicy) -> dict[str, str]:
    """The governed keys of an invoice that makes the account bad debt."""
    return {policy.bad_debt_key: "true", policy.bad_debt_amount_key: str(invoice.amount_remaining)}


def entitlements_of(bought: Mapping[str, OpeSubscription], status: str, level: int) -> dict[str, str]:
    """The plan of each product: as bought while the account is not bad debt, then the free plan, and none at all once banned."""
    plans: dict[str, str] = {}
    for subscription in bought.values():
        for item in subscription.items:
            if subscription.status == "active":
                plans[item.product] = item.plan
            elif subscription.status == "canceled":  # A purchase that is not confirmed gives nothing.
                plans.setdefault(item.product, FREE)
    if level == BANNED:
        return dict.fromkeys(plans, NONE)
    return dict.fromkeys(plans, FREE) if status == BAD_DEBT else plans


# --- consequences ----------------------------------------------------------------------------------------------------------------------------


def consequences_of(
    shard: Shard, book: Book, telling: list[Invoice], debts: list[Debt], status: str, level: int, policy: DunningPolicy
) -> tuple[tuple[Due, ...], frozenset[Permit]]:
    """(what is called for and not yet executed, what may be done at all)."""
    done, debt = executed(shard), deciding_debt(debts).id if debts else ""
    if status == BAD_DEBT:
        called = flags(book, debts, debt, done, policy) + cancels(shard, book, debt) + bans(debt, done, level)
    else:
        called = notices(debt, status) + recoveries(book, telling, policy)
    called += unbans(done, level)
    dues = tuple([due for due in called if due.kind == "cancel" or not was_executed(shard, due, done)])
    permits = {(due.kind, due.debt, due.step) if due.kind == "notify" else (due.kind, due.debt) for due in called}
    return dues, frozenset(permits | also_permitted(shard, debt, done, status, level, called))


def deciding_debt(debts: list[Debt]) -> Invoice:
    """The debt that the account is spoken to about: the worst, then the earliest created, then by id."""
    return min(debts, key=lambda debt: (-_SEVERITY[debt.status], debt.invoice.created, debt.invoice.id)).invoice


def notices(debt: str, status: str) -> list[Due]:
    """A notice of each lower rung, about the deciding debt; a rung that was passed is not called for any more."""
    return [Due("notify", debt, status, f"{debt}/{status}")] if status in (RETRYING, DELINQUENT) else []


def flags(book: Book, debts: list[Debt], debt: str, done: Done, policy: DunningPolicy) -> list[Due]:
    """The account is flagged once an episode of bad debt."""
    return [] if is_flagged_in_this_episode(book, debts, done, policy) else [Due("flag", debt, BAD_DEBT, f"{debt}/{BAD_DEBT}")]


def is_flagged_in_this_episode(book: Book, debts: list[Debt], done: Done, policy: DunningPolicy) -> bool:
    """Flagged for an invoice that is owed still (a payment of it may have failed since, which gives it a new grace), or that ended when one of those
    that are bad now was bad already.
    """
    began_ms = min((debt.bad_ms or 0 for debt in debts if debt.status == BAD_DEBT), default=0)
    for id in done.get("flag", ()):
        ended = ended_at_s(book, id)
        if (id in book.invoices and is_owed(book.invoices[id])) or (ended is not None and ended * 1000 >= began_ms):
            return True
    return False


def ended_at_s(book: Book, id: str) -> int | None:
    """When an invoice was paid or voided."""
    invoice = book.invoices.get(id)
    return None if invoice is None else invoice.status_transitions.paid_at or invoice.status_transitions.voided_at


def cancels(shard: Shard, book: Book, debt: str) -> list[Due]:
    """In bad debt each active subscription of record is cancelled, unless its own latest invoice is settled."""
    bought = shard.all("ope").items()
    return [Due("cancel", debt, BAD_DEBT, f"{debt}/cancel/{key}", key) for key, each in bought if is_to_be_cancelled(book, each)]


def is_to_be_cancelled(book: Book, bought: OpeSubscription) -> bool:
    """Active in OPE, and its latest invoice at Stripe is neither paid nor void: Stripe, too, spares a subscription whose latest invoice is paid."""
    subscription = book.subscriptions.get(bought.stripe_subscription)
    if bought.status != "active" or subscription is None or subscription.latest_invoice is None:
        return False
    latest = book.invoices.get(subscription.latest_invoice)
    return latest is not None and latest.status not in ("paid", "void")


def bans(debt: str, done: Done, level: int) -> list[Due]:
    """At level 4 the account is banned, unless a ban is in force."""
    return [Due("ban", debt, BAD_DEBT, f"{debt}/ban")] if level == BANNED and not bans_in_force(done) else []


def unbans(done: Done, level: int) -> list[Due]:
    """Below level 4 each ban in force is lifted."""
    return [] if level == BANNED else [Due("unban", debt, BAD_DEBT, f"{debt}/unban") for debt in bans_in_force(done)]


def bans_in_force(done: Done) -> list[str]:
    """The debts for which a ban was executed and no unban."""
    return [debt for debt in done.get("ban", ()) if debt not in done.get("unban", ())]


def recoveries(book: Book, telling: list[Invoice], policy: DunningPolicy) -> list[Due]:
    """Out of bad debt: one notice of recovery, for the latest paid of the invoices that were bad when they were paid; never for a void."""
    paid = [invoice for invoice in telling if was_bad_when_paid(book, invoice, policy)]
    if not paid:
        return []
    debt = max(paid, key=lambda invoice: (invoice.status_transitions.paid_at or 0, invoice.created, invoice.id)).id
    return [Due("notify", debt, "recovered", f"{debt}/recovered")]


def was_bad_when_paid(book: Book, invoice: Invoice, policy: DunningPolicy) -> bool:
    """Paid, and by then marked uncollectible, or exhausted by the schedule for longer than the grace of the instrument that had failed."""
    moments = invoice.status_transitions
    if invoice.status != "paid" or moments.paid_at is None:
        return False
    if moments.marked_uncollectible_at is not None and moments.marked_uncollectible_at <= moments.paid_at:
        return True
    grace_ms = policy.grace_of(instrument_of(book, invoice))
    return is_schedule_over(invoice, policy) and last_failure_s(book, invoice) * 1000 + grace_ms <= moments.paid_at * 1000


def also_permitted(shard: Shard, debt: str, done: Done, status: str, level: int, called: list[Due]) -> set[Permit]:
    """What an account in this state allows beside what it still calls for: steps that were executed, and the ends of subscriptions."""
    if status != BAD_DEBT:
        return {("unban", banned) for banned in done.get("ban", ())}
    permits: set[Permit] = {("flag", debt), ("cancel", debt)}
    if level == BANNED:
        permits.add(("ban", debt))
    for due in called:
        if due.subscription:
            permits |= {("end", due.subscription), ("end", shard.all("ope")[due.subscription].stripe_subscription)}
    return permits


def was_executed(shard: Shard, due: Due, done: Done) -> bool:
    """This step was executed in the outside world."""
    return f"{due.kind}|{due.debt}|{due.step}" in shard.actions if due.kind == "notify" else due.debt in done.get(due.kind, ())


def executed(shard: Shard) -> Done:
    """The debts for which each kind of consequence was executed, in order."""
    done: Done = {}
    for name, count in shard.actions.items():
        kind, told, rest = name.partition("|")
        if told and count:
            done.setdefault(kind, []).append(rest.partition("|")[0])
    return done


# --- looking things up -----------------------------------------------------------------------------------------------------------------------


def subscription_of(book: Book, invoice: Invoice) -> Subscription | None:
    """The subscription that the invoice bills."""
    id = invoice.subscription
    return book.subscriptions.get(id) if id is not None else None


def intent_status(book: Book, invoice: Invoice) -> str:
    """The status of the invoice's latest payment intent, or ''."""
    intent = book.payment_intents.get(invoice.payments[-1].payment_intent) if invoice.payments else None
    return "" if intent is None else intent.status


def last_failed_charge(book: Book, invoice: Invoice) -> Charge | None:
    """The latest failed charge of the invoice, linked through its payments."""
    if not invoice.payments:
        return None
    intents = [payment.payment_intent for payment in invoice.payments]
    failed = [charge for charge in book.charges.values() if charge.status == "failed" and charge.payment_intent in intents]
    return max(failed, key=lambda charge: charge.created, default=None)
