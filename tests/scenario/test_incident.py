"""Incidents: payloads of every API version in today's shape, and what Stripe must have held for the events to be true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from billsim.scenario.api_versions import UnreadableError, normalise
from billsim.scenario.errors import InputError
from billsim.scenario.imported import ImportedEvent, Owners
from billsim.scenario.incident import delivered_object, deliveries, emit, read_events, seed_objects
from billsim.scenario.plan import Scenario
from billsim.scenario.reconstruct import reconstruct
from billsim.stripe.objects import Charge, Customer, Invoice, PaymentIntent, PaymentMethod, Price, Subscription

T = 1_700_000_000


def of(type: str, payload: dict[str, Any], created: int = T, n: int = 1, **more: Any) -> ImportedEvent:
    envelope = {"id": f"evt_{type}.{n}", "object": "event", "created": created, "type": type, "data": {"object": payload}, "livemode": True, **more}
    return ImportedEvent(n, created * 1000, envelope)


def by_id(events: list[ImportedEvent]) -> dict[str, Any]:
    return {found.id: found for found in seed_objects(events)}


INVOICE = {"id": "in_1", "object": "invoice", "customer": "cus_1", "created": T, "status": "open", "currency": "eur", "amount_due": 900}


# Today's shape.


def test_an_invoice_of_2017_is_read_by_its_flags() -> None:
    old = {
        "id": "in_1",
        "object": "invoice",
        "customer": "cus_1",
        "date": T,
        "paid": False,
        "attempted": True,
        "closed": False,
        "forgiven": False,
        "amount_due": 900,
        "attempt_count": 3,
        "subscription": "sub_1",
        "charge": "ch_9",
        "billing": "charge_automatically",
        "next_payment_attempt": T + 60,
        "lines": {"object": "list", "data": [{"id": "sub_1", "object": "line_item", "amount": 900, "currency": "eur", "plan": {"id": "gold"}}]},
    }
    found = normalise(old, T + 5)
    assert isinstance(found, Invoice)
    assert (found.created, found.status, found.attempt_count, found.amount_remaining, found.next_payment_attempt) == (T, "open", 3, 900, T + 60)
    assert found.subscription == "sub_1"
    assert [p.payment_intent for p in found.payments] == ["pi_9"]
    assert (found.billing_reason, found.lines.data[0].amount, found.lines.data[0].invoice) == ("subscription_cycle", 900, "in_1")


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ({"paid": True, "closed": True}, "paid"),
        ({"paid": False, "closed": True, "forgiven": True}, "uncollectible"),
        ({"paid": False, "closed": True}, "void"),
        ({"paid": False, "closed": False, "attempt_count": 1}, "open"),
        ({"paid": False, "closed": False, "attempted": False}, "draft"),
    ],
)
def test_the_three_flags_of_old_make_today_s_status(flags: dict[str, Any], status: str) -> None:
    found = normalise({"id": "in_1", "object": "invoice", "customer": "cus_1", "amount_due": 5, **flags}, T)
    assert isinstance(found, Invoice) and found.status == status


def test_an_old_status_is_dated_by_its_event() -> None:
    found = normalise({**INVOICE, "status": "uncollectible"}, T + 77)
    assert isinstance(found, Invoice)
    assert (found.status_transitions.finalized_at, found.status_transitions.marked_uncollectible_at, found.status_transitions.paid_at) == (
        T,
        T + 77,
        None,
    )


def test_an_invoice_of_2026_names_subscription_and_payments_elsewhere() -> None:
    new = {
        **INVOICE,
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1", "metadata": {}}},
        "payments": {
            "object": "list",
            "data": [{"object": "invoice_payment", "status": "open", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}],
        },
    }
    found = normalise(new, T)
    assert isinstance(found, Invoice)
    assert (found.subscription, [(p.payment_intent, p.status) for p in found.payments]) == ("sub_1", [("pi_1", "open")])


def test_a_subscription_of_2017_has_a_plan_and_one_of_2026_dated_items() -> None:
    old = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "past_due",
        "start": T,
        "created": T,
        "billing": "send_invoice",
        "plan": {"id": "gold", "object": "plan", "amount": 700, "currency": "eur", "interval": "year", "product": "prod_1"},
        "quantity": 2,
        "current_period_start": T,
        "current_period_end": T + 9,
    }
    new = {
        "id": "sub_1",
        "object": "subscription",
        "customer": {"id": "cus_1", "object": "customer"},
        "status": "past_due",
        "created": T,
        "start_date": T,
        "collection_method": "send_invoice",
        "items": {
            "object": "list",
            "data": [
                {
                    "id": "si_1",
                    "object": "subscription_item",
                    "created": T,
                    "quantity": 2,
                    "current_period_start": T,
                    "current_period_end": T + 9,
                    "price": {
                        "id": "gold",
                        "object": "price",
                        "created": T,
                        "unit_amount": 700,
                        "currency": "eur",
                        "product": "prod_1",
                        "recurring": {"interval": "year"},
                    },
                }
            ],
        },
    }
    assert normalise(old, T) == normalise(new, T)
    found = normalise(old, T)
    assert isinstance(found, Subscription)
    item = found.items.data[0]
    assert (item.quantity, item.price.unit_amount, item.current_period_end, found.collection_method) == (2, 700, T + 9, "send_invoice")
    assert item.price.recurring and item.price.recurring.interval == "year"


def test_a_payment_intent_of_2018_had_sources() -> None:
    found = normalise({"id": "pi_1", "object": "payment_intent", "amount": 5, "status": "requires_source_action", "source": "src_1", "created": T}, T)
    assert isinstance(found, PaymentIntent)
    assert (found.status, found.payment_method) == ("requires_action", "src_1")


def test_a_charge_of_old_has_no_status_and_no_intent() -> None:
    failed = normalise({"id": "ch_9", "object": "charge", "amount": 5, "paid": False, "invoice": "in_1", "card": {"id": "card_1"}, "created": T}, T)
    assert isinstance(failed, Charge)
    assert (failed.status, failed.paid, failed.payment_intent, failed.payment_method, failed.amount_captured) == (
        "failed",
        False,
        "pi_9",
        "card_1",
        0,
    )


def test_a_card_is_a_payment_method_and_a_brand_a_word() -> None:
    found = normalise({"id": "card_1", "object": "card", "customer": "cus_1", "brand": "American Express", "last4": "0005"}, T)
    assert isinstance(found, PaymentMethod) and found.card
    assert (found.type, found.card.brand, found.card.last4, found.created) == ("card", "american_express", "0005", T)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount_due": "900"}, "amount_due"),
        ({"customer": None}, "customer"),
        ({"status": "sleeping"}, "status"),
        ({"attempt_count": True}, "attempt_count"),
        ({"next_payment_attempt": 10**15}, "next_payment_attempt"),
        ({"metadata": None, "created": -4}, "created"),
    ],
)
def test_a_payload_that_no_version_could_have_sent_is_named_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(UnreadableError, match=field):
        normalise({**INVOICE, **change}, T)


# Delivery.


def test_events_are_named_by_object_kind_and_number_and_copies_apart() -> None:
    one, two = of("invoice.updated", INVOICE), of("invoice.updated", INVOICE, T + 1, 2)
    names = [e.name for e in emit([one, two, one._replace(copy=1), of("coupon.created", {"object": "coupon"}, T, 4)])]
    assert names == ["in_1.updated.1", "in_1.updated.2", "in_1.updated.1/d2", "evt_coupon.created.4.created.1"]


def test_an_event_finds_its_customer_through_what_it_refers_to() -> None:
    charge = of("charge.failed", {"id": "ch_1", "object": "charge", "amount": 5, "customer": None, "invoice": "in_1"})
    dispute = of("charge.dispute.created", {"id": "dp_1", "object": "dispute", "charge": "ch_1"}, T, 2)
    stray = of("charge.failed", {"id": "ch_2", "object": "charge", "amount": 5, "customer": None}, T, 3)
    emitted = list(emit([charge, dispute, stray, of("invoice.updated", INVOICE, T, 4)]))
    assert [e.customer for e in emitted] == ["cus_1", "cus_1", "", "cus_1"]
    assert Owners([charge]).of_id("in_1") is None


def test_the_mode_of_most_events_is_the_world_s_own() -> None:
    events = [of("invoice.updated", INVOICE, T, n, livemode=n == 2) for n in (1, 2, 3)]
    assert [e.event.livemode for e in emit(events)] == [True, False, True]


def test_an_event_delivers_today_s_object_or_what_nobody_models_as_it_was_sent() -> None:
    coupon = {"id": "c", "object": "coupon"}
    broken = {**INVOICE, "amount_due": "900"}
    assert isinstance(delivered_object(of("invoice.updated", INVOICE)), Invoice)
    assert delivered_object(of("coupon.created", coupon)) is coupon
    assert delivered_object(of("invoice.updated", broken)) is broken


def test_envelopes_of_old_lack_what_today_s_have() -> None:
    (old,) = emit([of("invoice.updated", INVOICE, request="req_1", pending_webhooks=None)])
    assert (old.event.api_version, old.event.pending_webhooks, old.event.request and old.event.request.id) == (None, 1, "req_1")


def test_the_order_of_lines_is_the_order_of_delivery(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(json.dumps(of("invoice.updated", INVOICE, at, n).envelope) for n, at in ((1, T + 5), (2, T), (3, T + 9))) + "\n")
    assert [(e.line, e.at_ms) for e in read_events(path)] == [(1, (T + 5) * 1000), (2, (T + 5) * 1000 + 1), (3, (T + 9) * 1000)]


@pytest.mark.parametrize(
    ("text", "said"),
    [("{}\n", "E:1: object: this is not a Stripe event (its object is not 'event')"), ("\n{", "E:2: this line is not JSON")],
)
def test_a_broken_events_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_events(path)
    assert str(caught.value).replace(str(path), "E") == said


def test_a_scenario_s_events_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text(json.dumps(of("invoice.updated", INVOICE).envelope))
    scenario = Scenario(id="x", start=0, until=1, events="e.jsonl", source=str(tmp_path / "x.toml"))
    assert [(e.name, e.at_ms) for e in deliveries(scenario)] == [("in_1.updated.1", T * 1000)]
    with pytest.raises(InputError, match=r"gone\.jsonl: cannot be read: No such file or directory"):
        deliveries(structs.replace(scenario, events="gone.jsonl"))


# What Stripe held.


def test_the_newest_snapshot_counts_however_late_an_older_one_comes() -> None:
    paid = {**INVOICE, "status": "paid", "amount_paid": 900, "amount_remaining": 0}
    late = [of("invoice.paid", paid, T + 60, 1), of("invoice.payment_failed", {**INVOICE, "attempted": True}, T, 2)]
    assert by_id(late)["in_1"].status == by_id(late[::-1])["in_1"].status == "paid"


def test_among_events_of_one_second_the_one_furthest_in_its_life_counts() -> None:
    paid = {**INVOICE, "status": "paid", "amount_paid": 900, "amount_remaining": 0}
    tied = [of("invoice.paid", paid, T, 1), of("invoice.updated", INVOICE, T, 2)]
    assert by_id(tied)["in_1"].status == by_id(tied[::-1])["in_1"].status == "paid"


def test_what_is_only_mentioned_is_reconstructed_and_named() -> None:
    failed = {
        **INVOICE,
        "attempted": True,
        "attempt_count": 2,
        "subscription": "sub_1",
        "payment_intent": "pi_1",
        "charge": "ch_1",
        "total": 900,
        "period_start": T,
        "period_end": T + 9,
        "default_payment_method": "pm_1",
    }
    seed = reconstruct([of("invoice.payment_failed", failed, T + 60)])
    found = {o.id: o for o in seed.objects}
    assert seed.reconstructed == ("sub_1", "pi_1", "ch_1", "pm_1", "cus_1")
    assert isinstance(found["cus_1"], Customer) and isinstance(found["pm_1"], PaymentMethod)
    subscription, intent, charge = found["sub_1"], found["pi_1"], found["ch_1"]
    assert isinstance(subscription, Subscription) and isinstance(intent, PaymentIntent) and isinstance(charge, Charge)
    assert (subscription.status, subscription.latest_invoice, subscription.items.data[0].price.unit_amount) == ("past_due", "in_1", 900)
    assert (intent.status, intent.latest_charge, intent.payment_method) == ("requires_payment_method", "ch_1", "pm_1")
    assert (charge.status, charge.amount, charge.payment_intent, charge.customer) == ("failed", 900, "pi_1", "cus_1")
    assert all("reconstructed from" in remark.message for remark in seed.remarks)


def test_a_charge_brings_its_invoice_and_an_invoice_lists_its_charges_intents() -> None:
    charge = {"id": "ch_1", "object": "charge", "amount": 900, "customer": "cus_1", "invoice": "in_1", "payment_intent": "pi_1", "created": T + 1}
    alone = by_id([of("charge.failed", {**charge, "status": "failed", "paid": False}, T + 1)])["in_1"]
    assert (alone.status, alone.amount_remaining, alone.attempted) == ("open", 900, True)
    assert alone.next_payment_attempt == T + 1 + 86_400
    later = {**charge, "id": "ch_2", "payment_intent": "pi_2", "created": T + 3, "status": "succeeded", "paid": True}
    seen = by_id(
        [
            of("charge.succeeded", later, T + 3, 1),
            of("charge.failed", {**charge, "status": "failed"}, T + 1, 2),
            of("invoice.paid", INVOICE, T + 4, 3),
        ]
    )
    assert [p.payment_intent for p in seen["in_1"].payments] == ["pi_1", "pi_2"]


@pytest.mark.parametrize(
    ("status", "invoice", "tries_again"),
    [("active", "paid", False), ("past_due", "open", True), ("unpaid", "open", False), ("incomplete", "open", False)],
)
def test_a_latest_invoice_that_nobody_showed_is_what_the_subscription_implies(status: str, invoice: str, tries_again: bool) -> None:
    price = {"id": "price_1", "object": "price", "created": T, "unit_amount": 300, "currency": "usd", "recurring": {"interval": "month"}}
    payload = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "created": T,
        "start_date": T,
        "status": status,
        "latest_invoice": "in_7",
        "items": {"data": [{"id": "si_1", "object": "subscription_item", "price": price, "quantity": 2}]},
    }
    found = by_id([of("customer.subscription.updated", payload, T + 60)])
    assert (found["in_7"].status, found["in_7"].total, found["in_7"].subscription) == (invoice, 600, "sub_1")
    assert (found["in_7"].next_payment_attempt is not None) is tries_again
    assert isinstance(found["price_1"], Price)


def test_the_method_of_a_charge_is_known_by_its_details() -> None:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "amount": 5,
        "customer": "cus_1",
        "payment_method": "pm_1",
        "status": "pending",
        "created": T,
        "payment_method_details": {"type": "sepa_debit", "sepa_debit": {"last4": "3000"}},
    }
    assert by_id([of("charge.pending", charge)])["pm_1"].type == "sepa_debit"


def test_what_belongs_to_nobody_is_not_seeded_and_said_so() -> None:
    seed = reconstruct([of("charge.failed", {"id": "ch_1", "object": "charge", "amount": 5, "customer": None, "status": "failed"})])
    assert seed.objects == ()
    assert [r.message for r in seed.remarks] == ["ch_1 belongs to no customer that any event names: not seeded"]


def test_every_reference_among_what_is_seeded_leads_somewhere() -> None:
    sub = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "created": T,
        "status": "active",
        "latest_invoice": "in_7",
        "default_payment_method": "pm_5",
        "plan": {"id": "gold", "object": "plan", "amount": 7, "currency": "usd", "interval": "month"},
    }
    intent = {
        "id": "pi_3",
        "object": "payment_intent",
        "amount": 7,
        "customer": "cus_2",
        "status": "succeeded",
        "latest_charge": "ch_3",
        "created": T,
    }
    found = by_id([of("customer.subscription.updated", sub, T, 1), of("payment_intent.succeeded", intent, T, 2), of("invoice.paid", INVOICE, T, 3)])
    fields = ("customer", "payment_intent", "payment_method", "latest_charge", "latest_invoice", "default_payment_method", "subscription")
    dangling = [(o.id, f) for o in found.values() for f in fields if getattr(o, f, None) and getattr(o, f) not in found]
    assert dangling == []
