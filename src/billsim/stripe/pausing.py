"""Pauses: of a subscription, by request (https://docs.stripe.com/billing/subscriptions/pause) or whose trial ended with nothing to pay by
(https://docs.stripe.com/billing/subscriptions/trials), and of collection alone (https://docs.stripe.com/billing/subscriptions/pause-payment).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import billing_mode, collection, debits, invoice_items, invoices, subscriptions, terms
from billsim.stripe.backend import Act, Backend
from billsim.stripe.changes import anchor_type
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, ItemList, Period, Recurring, Subscription, with_kept
from billsim.stripe.params import Types, check, refusal
from billsim.stripe.periods import Cycle, cycle_around, day_of, period_end
from billsim.stripe.prorations import Proration, price_of, prorated
from billsim.stripe.timers import INCOMPLETE_EXPIRES_MS

PAUSE: Types = {"type": ("subscription",), "bill_for": dict, "invoicing_behavior": ("invoice", "pending_invoice_item")}
_BILL_FOR: Types = {"outstanding_usage_through": dict, "unused_time_from": dict}
_USAGE: Types = {"type": ("none", "now")}
_UNUSED: Types = {"type": ("item_current_period_start", "none", "now")}
RESUME: Types = {
    "billing_cycle_anchor": dict | str,
    "payment_behavior": ("resume_on_payment_attempt", "resume_on_payment_success"),
    "proration_behavior": ("always_invoice", "create_prorations", "none"),
    "proration_date": int,
}
_PAUSE: Types = {"behavior": ("keep_as_draft", "mark_uncollectible", "void"), "resumes_at": int}


# -- the subscription


def lacks_a_method(backend: Backend, subscription: Subscription, then: Literal["cancel", "pause"]) -> bool:
    """Whether a trial ends with nothing to pay by, and its subscription is to do this then."""
    settings: Mapping[str, Any] = subscription.says("trial_settings") or {}
    if subscription.status != "trialing" or (settings.get("end_behavior") or {}).get("missing_payment_method") != then:
        return False
    return subscription.collection_method == "charge_automatically" and collection.default_method_of(backend, subscription) is None


def pause(act: Act, subscription: Subscription, reason: str = "trial_end_without_payment_method", **fields: Any) -> Subscription:
    """No further invoice is made until it is resumed."""
    why = {"type": "subscription", "subscription": {"type": reason}, "transitioned_at": act.now_s}
    kept = with_kept(subscription.kept, {"status_details": {"paused": why}})
    paused: Subscription = act.update("customer.subscription.updated", subscription, status="paused", kept=kept, **fields)
    act.emit("customer.subscription.paused", paused)
    return paused


def pause_by_request(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Pause an active flexible subscription now; the time that was billed and is not used is given back, by the next invoice or by one of its own.
    What was billed before is collected as ever. Raises StripeError.
    """
    backend, old = act.backend, act.backend.subscription(id)
    _require_pausable(old)
    unused = _given_back(backend, old, params.get("bill_for") or {}, act.now_s)
    if params.get("invoicing_behavior") != "invoice":
        invoice_items.settle(act, old, unused)
        return pause(act, old, "pause_requested")
    items = [*invoice_items.waiting(backend.books[old.customer], id), *invoice_items.settle(act, old, unused)]
    if not items:
        return pause(act, old, "pause_requested")
    invoice = backend.free(f"in_{stem(id)}_pause.{short(act.task)}")
    paused = pause(act, old, "pause_requested", latest_invoice=invoice)
    backend.made_by(invoice, act.origin)
    drafted = invoices.draft(act, paused, invoice, "subscription_update", (), items, start=act.now_s, end=act.now_s)
    _collect(act, invoices.finalize(act, drafted), collection.default_method_of(backend, old))
    return backend.subscription(id)


def _require_pausable(old: Subscription) -> None:
    told = f"Subscription {old.id} cannot be paused:"
    if not billing_mode.is_flexible(old):
        raise refusal("parameter_invalid", f"{told} only subscriptions with `billing_mode[type]=flexible` can.")
    if old.status != "active":
        raise refusal("parameter_invalid", f"{told} its status is `{old.status}`, and only one that is `active` can be.")
    if old.collection_method != "charge_automatically":
        raise refusal("parameter_invalid", f"{told} only subscriptions with `collection_method` set to `charge_automatically` can be resumed.")
    if old.says("pause_collection"):
        raise refusal("parameter_invalid", f"{told} its collection is paused.")
    if old.pending_update is not None:
        raise refusal("parameter_invalid", f"{told} it has a pending update.")


def _given_back(backend: Backend, old: Subscription, bill_for: Mapping[str, Any], now_s: int) -> tuple[Proration, ...]:
    check(bill_for, _BILL_FOR, within="bill_for")
    since = bill_for.get("unused_time_from") or {"type": "now"}
    check(since, _UNUSED, ("type",), within="bill_for[unused_time_from]")
    if bill_for.get("outstanding_usage_through"):
        # Nothing is metered: there is no usage to bill.
        check(bill_for["outstanding_usage_through"], _USAGE, ("type",), within="bill_for[outstanding_usage_through]")
    if since["type"] == "none":
        return ()
    begins = since["type"] == "item_current_period_start"
    return debits.unused(backend, old, {item.id: item.current_period_start if begins else now_s for item in old.items.data})


def resume(act: Act, id: str, params: dict[str, Any]) -> Subscription:
    """Begin a new period, or go on in the one that the anchor says; it is active once what that costs is attempted, or with
    `payment_behavior=resume_on_payment_success` once it is paid, for which there are 23 hours. Raises StripeError.
    """
    backend, old = act.backend, act.backend.subscription(id)
    _require_resumable(backend, old)
    keeps = anchor_type(params.get("billing_cycle_anchor", "now")) == "unchanged"
    behaviour = params.get("proration_behavior", "create_prorations") if keeps else "always_invoice"
    attempts = params.get("payment_behavior") != "resume_on_payment_success"
    invoice = backend.free(f"in_{stem(id)}_resume.{short(act.task)}")
    renewed, wholes = _renewed(old, act.now_s, keeps=keeps)
    fields: dict[str, Any] = {"items": renewed.items, "billing_cycle_anchor": renewed.billing_cycle_anchor}
    lines = [] if keeps else invoices.lines_of(act, renewed.items.data, invoice)
    settled = _remaining(renewed, wholes) if keeps and behaviour != "none" else ()
    waiting = [] if keeps and not billing_mode.is_flexible(old) else invoice_items.waiting(backend.books[old.customer], id)
    method, bills = collection.default_method_of(backend, old), behaviour == "always_invoice"
    due = sum([line.amount for line in lines]) + sum([each.amount for each in settled]) + sum([item.amount for item in waiting])
    if bills and attempts and method is None and due > 0:
        raise refusal("resource_missing", terms.NO_METHOD)
    if not bills:
        subscription = subscriptions.resumed(act, old, **fields)
        invoice_items.settle(act, subscription, settled)
        return subscription
    fields["latest_invoice"] = invoice
    if attempts:
        subscription = subscriptions.resumed(act, old, **fields)
    else:
        subscription = act.update("customer.subscription.updated", old, **fields)
        backend.resumes[id] = act.now_s + INCOMPLETE_EXPIRES_MS // 1000
        act.arm(subscription)
    backend.made_by(invoice, act.origin)
    backend.made_by(id, act.origin)
    items = [*invoice_items.settle(act, subscription, settled), *waiting]
    drafted = invoices.draft(act, subscription, invoice, "subscription_update", lines, items, start=act.now_s, end=act.now_s)
    _collect(act, invoices.finalize(act, drafted), method if attempts else None)
    return backend.subscription(id)


def _require_resumable(backend: Backend, old: Subscription) -> None:
    if old.status != "paused":
        raise refusal("parameter_invalid", f"You can only resume a subscription with a status of `paused`; {old.id} is `{old.status}`.")
    if old.collection_method != "charge_automatically":
        raise refusal("parameter_invalid", "You can only resume a subscription with `collection_method` set to `charge_automatically`.")
    if old.id in backend.resumes:
        raise refusal("parameter_invalid", f"Subscription {old.id} is being resumed: its invoice comes first.")


def _renewed(old: Subscription, now_s: int, *, keeps: bool) -> tuple[Subscription, dict[str, int]]:
    """The subscription in the periods that it goes on in, and how long a whole one is, by item."""
    anchor, items, wholes = old.billing_cycle_anchor if keeps else now_s, [], {}
    for item in old.items.data:
        recurring = item.price.recurring or Recurring()
        cycle = cycle_around(recurring, now_s, anchor, day_of(old, anchor)) if keeps else Cycle(now_s, period_end(recurring, now_s, now_s))
        items.append(replace(item, current_period_start=now_s, current_period_end=cycle.end))
        wholes[item.id] = cycle.end - cycle.start
    return replace(old, items=ItemList(tuple(items)), billing_cycle_anchor=anchor), wholes


def _remaining(renewed: Subscription, wholes: Mapping[str, int]) -> tuple[Proration, ...]:
    """What is left of the periods that are gone on in."""
    found = []
    for item in renewed.items.data:
        begun, end = item.current_period_start, item.current_period_end
        found.append(Proration(item, prorated(price_of(item), end - begun, wholes[item.id]), Period(begun, end)))
    return tuple([each for each in found if each.amount])


def _collect(act: Act, opened: Invoice, method: str | None) -> None:
    if opened.status == "paid":
        subscriptions.invoice_paid(act, opened)
    elif method is not None:
        outcome = act.backend.cards.pay_for(opened.customer, method, act.at_ms, on_session=True)
        collection.pay_by_request(act, opened, collection.Payment(method, outcome))
        if outcome.status != "paid":
            subscriptions.invoice_failed(act, opened)


def give_up(backend: Backend, id: str) -> None:
    """Nobody paid what was to resume a subscription: that invoice is void, and it stays paused."""
    subscription = backend.subscription(id)
    with Act(backend, backend.own_task(id, "give_up_resuming"), "23 hours paused", "given_up", "given_up") as act:
        backend.resumes.pop(id, None)
        invoice = backend.books[subscription.customer].invoices.get(subscription.latest_invoice or "")
        if invoice is not None and invoice.status == "open":
            invoices.set_void(act, invoice)


# -- collection alone


def asked_for(given: Any, now_s: int) -> dict[str, Any] | None:
    """`pause_collection` as it is kept, None for an end of it. Raises StripeError."""
    if given == "":
        return None
    check(given, _PAUSE, ("behavior",), within="pause_collection")
    resumes_at = given.get("resumes_at")
    if resumes_at is not None and resumes_at <= now_s:
        raise refusal("parameter_invalid", "`pause_collection[resumes_at]` must be in the future.", param="pause_collection[resumes_at]")
    return {"behavior": given["behavior"], "resumes_at": resumes_at}


def collect_again(backend: Backend, id: str) -> None:
    """The pause of collection has ended, as it was told to; drafts that were kept stay drafts."""
    subscription = backend.subscription(id)
    with Act(backend, backend.own_task(id, "collect_again"), "pause of collection", "collect", f"collect{backend.now_s}") as act:
        act.update("customer.subscription.updated", subscription, kept=with_kept(subscription.kept, {"pause_collection": None}))
