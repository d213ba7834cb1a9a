"""What steps touch, and which of them commute."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.at_least_once import Parcel
from billsim.core.kernel import Call
from billsim.explore.footprint import EVERYTHING, Footprint, footprint, gather, independent, is_free, may_be_now
from billsim.ports import Act, CallStripe, CompareAndSet, Component, GatherAll, Message, Read, Scan, Sleep, Transact, Write
from billsim.runtime.task import Answered, Task
from billsim.stores.base import Change
from billsim.stripe.objects import Emitted


def waiting(effect: Any, account: str = "ada", due_ms: int = 10, open_ms: int = 10) -> Task:
    """A task whose pending effect is this."""

    def nothing(_message: Message) -> Any:
        yield from ()

    component, message = Component("part", "engine", nothing), Message("m", "e", "k", account, 0)
    task = Task(lambda _task, _effect: None, component, message, "e/m/part", None, lambda *_: None)
    task.effect, task.label, task.due_ms, task.open_ms = effect, "e/m/part/effect", due_ms, open_ms
    return task


def of(effect: Any) -> Footprint:
    return footprint(waiting(effect), 0)


def test_reads_commute_and_writes_to_what_is_read_do_not() -> None:
    read, write = of(Read("ope", "ada")), of(Write("ope", "ada", {"status": "canceled"}, "k"))
    assert independent(read, read)
    assert not independent(read, write) and not independent(write, write)
    assert independent(read, of(Write("subs_dunning", "ada", {"status": "healthy"})))
    assert independent(of(Write("ope", "bob", {}, "k")), write)


def test_a_gather_reads_its_parts() -> None:
    some = of(GatherAll("ada", ("subs_dunning", "stripe.invoice")))
    assert some == gather("ada", ("subs_dunning", "stripe.invoice"))
    assert not independent(some, of(CompareAndSet("subs_dunning", "ada", 1, {"status": "healthy"})))
    assert independent(some, of(Write("subs_account", "ada", {"flags": 1})))
    assert not independent(of(GatherAll("ada")), of(Write("subs_account", "ada", {"flags": 1})))


def test_metadata_of_a_customer_is_not_what_acts_are_judged_by() -> None:
    act, metadata = of(Act("ban", "ada", "in_ada_1", "ban", "k")), of(CallStripe("customers.update", "ada", "cus_ada", {"metadata": {}}))
    pay = of(CallStripe("invoices.pay", "ada", "in_ada_1", {}))
    assert independent(act, metadata)
    assert not independent(act, pay) and not independent(metadata, pay)
    assert independent(of(CallStripe("invoices.update", "ada", "in_ada_1", {"metadata": {}})), metadata)
    assert not independent(of(CallStripe("customers.update", "ada", "cus_ada", {"metadata": {}, "name": "A"})), act)
    assert not independent(of(CallStripe("invoices.retrieve", "ada", "in_ada_1")), pay)


@pytest.mark.parametrize(
    "authority",
    [
        Write("ope", "ada", {"status": "canceled"}, "k"),
        Write("subs_account", "ada", {"account_type": "jdc"}),
        Transact("subs_customer", "ada", (Change("ada", {"stripe_customer": "cus_bob"}),)),
    ],
)
def test_an_act_is_judged_by_the_authorities(authority: Any) -> None:
    act = of(Act("ban", "ada", "in_ada_1", "ban", "k"))
    assert not independent(act, of(authority))
    assert independent(act, of(Write("subs_account", "ada", {"flags": 1})))


def test_what_is_not_known_to_be_less_touches_everything() -> None:
    assert of(Scan("subs_dunning", {})) == EVERYTHING
    assert of(Transact("ope", "ada", (Change("bob", {}, "k"),))) == EVERYTHING
    row = Call(print)
    row.label, row.due_ms, row.open_ms = "w/story/row0/offset", 10, 10
    assert footprint(row, 0) == EVERYTHING
    fixed = waiting(Sleep(5))
    fixed.label = ""
    assert footprint(fixed, 0) == EVERYTHING


def test_what_has_not_set_out_takes_the_clock_along() -> None:
    later = waiting(Answered(None, None), due_ms=5_000, open_ms=10)
    assert not is_free(later, 0) and footprint(later, 0) == EVERYTHING
    assert is_free(later, 4_990)


def test_an_answer_on_its_way_back_is_free() -> None:
    assert is_free(waiting(Answered(None, None)), 0)
    assert not is_free(waiting(Read("ope", "ada")), 0)


def webhook(attempt: int, item: Any) -> Parcel:
    """What Stripe's POST, half a second long, and a delivery of a tenth of one bring; it has just set out."""
    parcel = Parcel(None, item, "evt", "w", "cus_ada")  # type: ignore[arg-type]
    parcel.attempt, parcel.label, parcel.due_ms, parcel.open_ms = attempt, "w/pubsub/evt/attempt1", 600, 100
    return parcel


def test_a_webhook_takes_no_longer_than_an_order_wants() -> None:
    """Both of its latencies are open; what is delivered again has its back-off to wait for, and any other message what it was delayed by."""
    emitted = Emitted(None, "evt", "w", "cus_ada", 0)  # type: ignore[arg-type]
    assert may_be_now(webhook(1, emitted), 0) and is_free(webhook(1, emitted), 0)
    assert not may_be_now(webhook(2, emitted), 0) and not is_free(webhook(2, emitted), 0)
    assert not may_be_now(webhook(1, ("boundary", 600)), 0)
    assert may_be_now(webhook(1, ("boundary", 600)), 500)


def test_a_webhook_goes_by_whose_the_customer_is_where_that_may_move() -> None:
    found = webhook(1, Emitted(None, "evt", "w", "cus_ada", 0))  # type: ignore[arg-type]
    assert not is_free(found, 0, resolves=True)
    assert not independent(footprint(found, 0), of(Write("subs_customer", "bob", {"stripe_customer": "cus_ada"})))
    assert independent(footprint(found, 0), of(Write("subs_dunning", "ada", {"retry_count": 1})))
