"""What `previous_attributes` says: the old values of what changed, and nothing else."""

from __future__ import annotations

from msgspec.structs import replace

from billsim.stripe.events import previous_attributes, short_kind
from billsim.stripe.objects import Customer, Invoice, InvoicePayment, InvoiceSettings, StatusTransitions

OPEN = Invoice(
    id="in_ada_1",
    created=1,
    customer="cus_ada",
    status="open",
    amount_remaining=2000,
    payments=(InvoicePayment("pi_ada_1"),),
    status_transitions=StatusTransitions(finalized_at=5),
)


def test_plain_values_are_told_as_they_were() -> None:
    new = {"status": "paid", "amount_remaining": 0, "attempted": True, "next_payment_attempt": 9}
    assert previous_attributes(OPEN, new) == {"status": "open", "amount_remaining": 2000, "attempted": False, "next_payment_attempt": None}


def test_equal_values_of_another_identity_have_not_changed() -> None:
    new = {"payments": (InvoicePayment("pi_ada_1"),), "status_transitions": StatusTransitions(finalized_at=5), "number": "A"}
    assert previous_attributes(OPEN, new) == {"number": None}


def test_of_a_nested_object_only_its_changed_keys() -> None:
    new = StatusTransitions(finalized_at=5, paid_at=7)
    assert previous_attributes(OPEN, {"status_transitions": new}) == {"status_transitions": {"paid_at": None}}
    ada = Customer(id="cus_ada", created=1, invoice_settings=InvoiceSettings("pm_ada"))
    assert previous_attributes(ada, {"invoice_settings": InvoiceSettings("pm_ada.2")}) == {"invoice_settings": {"default_payment_method": "pm_ada"}}


def test_lists_are_told_whole() -> None:
    new = {"payments": (InvoicePayment("pi_ada_1", "paid"),)}
    assert previous_attributes(OPEN, new) == {"payments": ({"payment_intent": "pi_ada_1", "status": "open"},)}


def test_a_metadata_key_that_is_new_was_none() -> None:
    old = replace(OPEN, metadata={"a": "1", "b": "2", "gone": "3"})
    assert previous_attributes(old, {"metadata": {"a": "1", "b": "4", "new": "5"}}) == {"metadata": {"b": "2", "gone": "3", "new": None}}


def test_the_short_kind_is_the_last_part() -> None:
    assert [short_kind(type) for type in ("invoice.paid", "customer.subscription.updated", "bare")] == ["paid", "updated", "bare"]
