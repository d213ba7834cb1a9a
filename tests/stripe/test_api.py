"""What requests may say, idempotency keys, metadata, lists, the envelope of events."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from billsim.core.ids import short
from billsim.core.time import DAY_MS
from billsim.stripe import idempotency
from billsim.stripe.idempotency import IdempotencyKeys
from billsim.stripe.objects import (
    Charge,
    CreditNote,
    Customer,
    Dispute,
    Event,
    Invoice,
    InvoiceItem,
    LineItem,
    Mandate,
    PaymentIntent,
    PaymentMethod,
    Refund,
    SetupIntent,
    StripeError,
    Subscription,
)
from tests.stripe.bench import DAY_S, HOUR_S, START_S, Bench, owing

DATA = Path(os.environ.get("BILLSIM_DATA", Path(__file__).parents[3] / "shared" / "data")) / "stripe-fixtures3-2026-08.json"


@pytest.mark.parametrize(
    ("method", "id", "params", "refusal"),
    [
        ("invoice.pay", "in_ada_1", {}, "404 invalid_request_error url_invalid: .*Did you mean invoices.pay"),
        ("invoices.pay", "in_none", {}, "404 invalid_request_error resource_missing: No such invoice: 'in_none'"),
        ("invoices.pay", "cus_ada", {}, "404 .* No such invoice: 'cus_ada'"),
        ("customers.retrieve", "in_ada_1", {}, "404 .* No such customer"),
        ("invoices.pay", "in_ada_1", {"paymentmethod": "pm"}, "400 .* parameter_unknown: .*Did you mean payment_method"),
        ("invoices.pay", "in_ada_1", {"off_session": "yes"}, "400 .* Invalid off_session: must be bool"),
        ("invoices.list", "", {"limit": True}, "400 .* Invalid integer: limit"),
        ("invoices.list", "", {"limit": 101}, "400 .* less than or equal to 100"),
        ("invoices.list", "", {"status": "unpaid"}, "400 .* must be one of draft, open"),
        ("invoices.list", "", {"starting_after": "in_none"}, "400 .* No such invoice: 'in_none'"),
        ("prices.create", "", {"currency": "usd", "product": "x"}, "400 .* parameter_missing: .*unit_amount"),
        ("prices.create", "", {"currency": "usd", "product": "x", "unit_amount": -1}, "400 .* greater than or equal to 0"),
        ("prices.create", "", {"currency": "usd", "product": "x", "unit_amount": 1, "recurring": {"interval": "decade"}}, "400 .* day, week"),
        ("customers.create", "cus_ada", {}, "400 .* resource_already_exists"),
        ("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": "pm_none"}}, "400 .* No such PaymentMethod"),
        ("payment_methods.attach", "pm_ada", {"customer": "cus_none"}, "400 .* No such customer"),
        ("payment_intents.cancel", "pi_ada_1", {}, "400 .* belongs to invoice in_ada_1"),
        ("subscriptions.update", "sub_ada", {"items": [{"id": "si_ada", "quantity": -1}]}, "400 .* greater than or equal to 0"),
        ("subscriptions.update", "sub_ada", {"items": [{"id": "si_ada", "deleted": True}]}, "400 .* at least one item"),
        ("subscriptions.update", "sub_ada", {"items": [{"price": "price_pro_monthly"}]}, "400 .* is already using that Price"),
        ("subscriptions.update", "sub_ada", {"items": [{"quantity": 2}]}, "400 .* parameter_missing: .*price"),
        ("subscriptions.update", "sub_ada", {"items": [{"id": "si_ada"}], "proration_date": 1}, "400 .* outside of the current period"),
        ("subscriptions.update", "sub_ada", {"items": [{"id": "si_ada", "quantity": 2}], "proration_behavior": "always"}, "400 .* create_prorations"),
        ("subscriptions.update", "sub_ada", {"trial_end": "now"}, "400 .* only moved or ended while it runs"),
        ("subscriptions.update", "sub_ada", {"payment_behavior": "pending_if_incomplete", "cancel_at_period_end": True}, "400 .* does not go with"),
        ("invoices.create_preview", "", {"subscription": "sub_none"}, "400 .* No such subscription"),
        ("invoices.create_preview", "", {}, "400 .* parameter_missing"),
        ("invoice_items.create", "", {"customer": "cus_ada", "amount": 1}, "400 .* parameter_missing: .*currency"),
        ("subscriptions.update", "sub_ada", {"items": [{"id": "si_x"}], "proration_behavior": "none"}, "400 .* No such subscription item"),
    ],
)
def test_requests_that_are_refused_change_nothing(method: str, id: str, params: dict[str, Any], refusal: str) -> None:
    bench = owing()
    bench.outbox.changes.clear()
    with pytest.raises(StripeError, match=refusal):
        bench.call(method, id, params)
    assert not bench.outbox.changes and not bench.outbox.events


def test_a_canceled_subscription_is_gone_for_requests() -> None:
    bench = owing()
    bench.call("subscriptions.cancel", "sub_ada")
    with pytest.raises(StripeError, match="404 .* resource_missing"):
        bench.call("subscriptions.cancel", "sub_ada")
    with pytest.raises(StripeError, match="400 .* can only update its cancellation_details and metadata"):
        bench.call("subscriptions.update", "sub_ada", {"cancel_at_period_end": True})
    told = {"metadata": {"a": "b"}, "cancellation_details": {"feedback": "unused"}}
    canceled = bench.call("subscriptions.update", "sub_ada", told)
    assert (canceled.status, canceled.metadata, canceled.says("cancellation_details")["feedback"]) == ("canceled", {"a": "b"}, "unused")


def test_a_changed_price_counts_from_the_next_period() -> None:
    bench = Bench()
    bench.call("prices.create", "price_business_monthly", {"currency": "usd", "product": "zone_plan", "unit_amount": 20000})
    change = {"items": [{"id": "si_ada", "price": "price_business_monthly"}], "proration_behavior": "none"}
    bench.call("subscriptions.update", "sub_ada", change)
    assert bench.types() == ["customer.subscription.updated"] and not bench.book.invoices
    bench.stripe.resume()
    bench.days(2)
    assert bench.invoice().total == 20000


# -- payment methods


def test_payment_methods_are_made_attached_and_detached() -> None:
    bench = Bench()
    made = bench.call("payment_methods.create", "", {"type": "card", "card": {"token": "tok_visa", "last4": "0002"}})
    assert (made.id, made.customer, made.card.last4) == (f"pm_{short('e/test/call')}", None, "0002")
    assert bench.types() == []
    bench.call("payment_methods.attach", made.id, {"customer": "cus_ada"})
    assert bench.book.payment_methods[made.id].customer == "cus_ada"
    bench.stripe.seed(Customer(id="cus_bob", created=START_S))
    with pytest.raises(StripeError, match="already been attached"):
        bench.call("payment_methods.attach", made.id, {"customer": "cus_bob"})
    bench.call("customers.update", "cus_ada", {"invoice_settings": {"default_payment_method": made.id}})
    bench.call("payment_methods.detach", made.id)
    told = next(each for each in bench.outbox.events if each.event.type == "payment_method.detached")
    assert (told.customer, told.event.data.object.customer, told.event.data.previous_attributes) == ("cus_ada", None, {"customer": "cus_ada"})
    assert bench.types() == ["payment_method.attached", "customer.updated", "payment_method.detached", "customer.updated"]
    # What was charged with it still says what it was.
    assert bench.book.payment_methods[made.id] == bench.call("payment_methods.retrieve", made.id) and told.event.data.object.type == "card"
    assert bench.book.customer is not None and bench.book.customer.invoice_settings.default_payment_method is None
    customer, kind, _, old, new, *_ = bench.outbox.changes[-2]
    assert (customer, kind, old.customer, new.customer) == ("cus_ada", "payment_method", "cus_ada", None)


# -- idempotency


def test_a_request_that_is_sent_again_has_no_second_effect() -> None:
    bench = Bench()
    first = bench.call("customers.update", "cus_ada", {"metadata": {"bad_debt": "true"}}, key="k1")
    bench.call("customers.update", "cus_ada", {"metadata": {"bad_debt": ""}}, key="k2")
    assert bench.call("customers.update", "cus_ada", {"metadata": {"bad_debt": "true"}}, key="k1") is first
    assert bench.book.customer is not None and bench.book.customer.metadata == {}
    assert bench.types() == ["customer.updated"] * 2


def test_a_decline_is_stored_and_a_second_charge_is_not_made() -> None:
    bench = owing()
    for _ in range(2):
        with pytest.raises(StripeError, match="402 card_error card_declined"):
            bench.call("invoices.pay", "in_ada_1", key="pay")
    assert len(bench.book.charges) == 2


def test_a_key_with_another_request_is_an_error() -> None:
    bench = Bench()
    bench.call("customers.update", "cus_ada", {"name": "Ada"}, key="k")
    for method, id, params in (("customers.update", "cus_ada", {"name": "Bob"}), ("subscriptions.update", "sub_ada", {})):
        with pytest.raises(StripeError, match="400 idempotency_error"):
            bench.call(method, id, params, key="k")


def test_validation_failures_are_not_stored() -> None:
    bench = Bench()
    with pytest.raises(StripeError, match="unknown parameter"):
        bench.call("customers.update", "cus_ada", {"nome": "Ada"}, key="k")
    assert bench.call("customers.update", "cus_ada", {"name": "Ada"}, key="k").name == "Ada"


def test_keys_are_kept_for_24_hours() -> None:
    bench = Bench()
    bench.call("customers.update", "cus_ada", {"name": "Ada"}, key="k")
    bench.at(DAY_S - 1)
    with pytest.raises(StripeError, match="idempotency_error"):
        bench.call("customers.update", "cus_ada", {"name": "Bob"}, key="k")
    bench.at(DAY_S)
    assert bench.call("customers.update", "cus_ada", {"name": "Bob"}, key="k").name == "Bob"


def test_keys_have_1_to_255_characters() -> None:
    bench = Bench()
    for key in ("", "k" * 256):
        with pytest.raises(StripeError, match="1 to 255 characters"):
            bench.call("customers.update", "cus_ada", {"name": "Ada"}, key=key)
    assert bench.call("customers.update", "cus_ada", {"name": "Ada"}, key="k" * 255).name == "Ada"


def test_memory_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEPT", 3)
    keys, done = IdempotencyKeys(), []
    for key in ("a", "b", "c", "d", "d", "a"):
        keys.once(key, key, DAY_MS, lambda key=key: done.append(key))  # type: ignore[misc]
    assert done == ["a", "b", "c", "d", "a"]


# -- metadata


def test_metadata_is_merged_and_empty_values_delete() -> None:
    bench = Bench()
    bench.call("customers.update", "cus_ada", {"metadata": {"a": "1", "b": "2"}})
    assert bench.call("customers.update", "cus_ada", {"metadata": {"a": "", "c": "3"}}).metadata == {"b": "2", "c": "3"}
    assert bench.event("customer.updated").data.previous_attributes == {"metadata": {"a": "1", "c": None}}
    assert bench.call("customers.update", "cus_ada", {"metadata": ""}).metadata == {}


def test_what_changes_nothing_tells_nothing() -> None:
    bench = Bench()
    bench.call("customers.update", "cus_ada", {"metadata": {"a": ""}})
    assert not bench.outbox.changes and not bench.outbox.events


@pytest.mark.parametrize(
    "metadata",
    [{"k" * 41: "v"}, {"k": "v" * 501}, {"a[b]": "v"}, {"": "v"}, {"k": 1}, ["k"], {f"k{n}": "v" for n in range(51)}],
)
def test_metadata_has_limits(metadata: Any) -> None:
    bench = Bench()
    with pytest.raises(StripeError, match="[Mm]etadata"):
        bench.call("customers.update", "cus_ada", {"metadata": metadata})


def test_metadata_at_its_limits() -> None:
    bench = Bench()
    most = {f"{n:040d}": "v" * 500 for n in range(50)}
    assert bench.call("customers.update", "cus_ada", {"metadata": most}).metadata == most


def test_a_paid_invoice_takes_metadata_and_echoes_it() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.days(2)
    bench.types()
    bench.call("invoices.update", "in_ada_1", {"metadata": {"bad_debt": "true"}})
    assert bench.types() == ["invoice.updated"]
    with pytest.raises(StripeError, match="can't be updated in this way"):
        bench.call("invoices.update", "in_ada_1", {"auto_advance": True})


# -- lists


def test_lists_are_newest_first_in_pages() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.days(100)
    page = bench.call("invoices.list", params={"customer": "cus_ada", "limit": 3})
    assert ([i.id for i in page.data], page.has_more) == (["in_ada_4", "in_ada_3", "in_ada_2"], True)
    rest = bench.call("invoices.list", params={"subscription": "sub_ada", "starting_after": "in_ada_2"})
    assert ([i.id for i in rest.data], rest.has_more) == (["in_ada_1"], False)
    assert bench.call("invoices.list", params={"status": "open"}).data == ()
    assert bench.call("invoices.list", params={"customer": "cus_bob"}).data == ()
    assert [c.id for c in bench.call("charges.list", params={"payment_intent": "pi_ada_3"}).data] == ["ch_ada_3.1"]


def test_canceled_subscriptions_are_listed_where_asked_for() -> None:
    bench = Bench()
    bench.call("subscriptions.cancel", "sub_ada")
    assert bench.call("subscriptions.list", params={"customer": "cus_ada"}).data == ()
    for status in ("all", "canceled"):
        assert [s.id for s in bench.call("subscriptions.list", params={"status": status}).data] == ["sub_ada"]


# -- events


def test_the_envelope_of_what_a_request_did() -> None:
    bench = Bench()
    bench.call("customers.update", "cus_ada", {"name": "Ada"}, key="k", task="e/brain/7")
    emitted = bench.outbox.events[0]
    name = f"cus_ada.updated.{short('e/brain/7')}"
    assert (emitted.name, emitted.origin, emitted.customer, emitted.at_ms) == (name, "e", "cus_ada", START_S * 1000)
    event = emitted.event
    assert (event.id, event.created, event.type, event.livemode) == (f"evt_{emitted.name}", START_S, "customer.updated", True)
    assert event.request is not None and event.request.idempotency_key == "k" and event.request.id is not None
    assert event.data.object is bench.book.customer and event.data.previous_attributes == {"name": None}


def test_a_task_that_repeats_itself_makes_events_of_different_names() -> None:
    bench = Bench()
    for name in ("Ada", "Bob", "Cid"):
        bench.call("customers.update", "cus_ada", {"name": name}, task="w/t")
    tag = short("w/t")
    assert [e.name for e in bench.outbox.events] == [f"cus_ada.updated.{tag}", f"cus_ada.updated.{tag}#2", f"cus_ada.updated.{tag}#3"]


def test_previous_attributes_of_a_failed_attempt() -> None:
    bench = owing()
    bench.at(DAY_S + HOUR_S + DAY_S)
    first = START_S + DAY_S + HOUR_S
    updated = bench.event("invoice.updated")
    assert updated.data.previous_attributes == {"attempt_count": 1, "next_payment_attempt": first + DAY_S}
    assert (updated.data.object.attempt_count, updated.request.id) == (2, None)
    assert "previous_attributes" not in msgspec.to_builtins(bench.event("invoice.payment_failed").data)


def test_previous_attributes_of_nested_objects_hold_what_changed() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.days(2)
    paid = bench.event("invoice.updated").data.previous_attributes
    assert paid["status_transitions"] == {"paid_at": None} and paid["status"] == "open" and paid["amount_remaining"] == 2000
    assert "total" not in paid
    renewed = bench.event("customer.subscription.updated").data.previous_attributes
    assert sorted(renewed) == ["items", "latest_invoice"]
    assert renewed["items"]["data"][0]["current_period_end"] == START_S + DAY_S


def test_an_event_holds_the_object_as_it_stood() -> None:
    bench = Bench()
    bench.stripe.resume()
    bench.days(2)
    told = [e.event.data.object for e in bench.outbox.events if e.event.type.startswith("invoice.")]
    assert [invoice.status for invoice in told] == ["draft", "open", "paid", "paid", "paid"]
    assert bench.event("invoice.paid").data.object is bench.invoice()


@pytest.mark.skipif(not DATA.exists(), reason=f"no sample resources at {DATA}; set BILLSIM_DATA")
@pytest.mark.parametrize(
    ("resource", "struct", "ours"),
    [
        ("invoice", Invoice, {"payments"}),
        ("subscription", Subscription, set()),
        ("customer", Customer, set()),
        ("charge", Charge, set()),
        ("payment_intent", PaymentIntent, set()),
        ("payment_method", PaymentMethod, set()),
        ("event", Event, set()),
        ("line_item", LineItem, {"created"}),
        ("invoiceitem", InvoiceItem, {"created"}),
        ("refund", Refund, {"livemode"}),
        ("credit_note", CreditNote, set()),
        ("dispute", Dispute, set()),
        ("setup_intent", SetupIntent, set()),
        ("mandate", Mandate, {"created", "metadata"}),
    ],
)
def test_every_field_that_we_send_is_stripes(resource: str, struct: type[msgspec.Struct], ours: set[str]) -> None:
    sample = json.loads(DATA.read_text())["resources"][resource]
    assert set(struct.__struct_fields__) - set(sample) - {"kept"} == ours


def test_objects_survive_their_encoding() -> None:
    bench = owing()
    invoice = bench.invoice()
    assert msgspec.json.decode(msgspec.json.encode(invoice), type=Invoice) == replace(invoice)
