"""Pairing: the world that two engines met was one, but for what followed an engine's act."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from billsim.compare import Unequal, Witness, account_of, pair
from billsim.core.trace import MessageRecord, WriteRecord
from billsim.stripe.objects import Customer, Subscription


def witness(answers: dict[str, int], emitted_ms: dict[str, int] | None = None, acted_on: set[str] | None = None) -> Witness:
    made = Witness()
    made.keep(list(answers.items()))
    made.sink([MessageRecord("messages", at_ms, "emitted", name, "k", "cus_ada", 0) for name, at_ms in (emitted_ms or {}).items()])
    made.acted_on |= acted_on or set()
    return made


def event(name: str) -> str:
    return f"w/pipe/{name}/post1"


def test_what_all_engines_met_alike_is_equal_and_what_engines_cause_is_left_out() -> None:
    found = pair({"a": witness({"w/x": 1, "w/y": 2, "e/z": 3}), "b": witness({"w/x": 1, "w/y": 2, "e/z": 4})})
    assert (found.by_both, found.equal, found.only, found.holds) == (2, 2, {"a": 0, "b": 0}, True)


def test_another_answer_to_the_same_question_breaks_the_pairing() -> None:
    found = pair({"a": witness({"w/x": 1, "w/y": 2}), "b": witness({"w/x": 1, "w/y": 3})})
    assert (found.by_both, found.equal, found.holds) == (2, 1, False)
    assert found.unequal == (Unequal("w/y", {"a": 2, "b": 3}),)


def test_a_question_that_only_one_engine_caused_to_be_asked_is_counted_and_breaks_nothing() -> None:
    found = pair({"a": witness({"w/x": 1, "w/pubsub/in_ada_1.paid.1/attempt2": 5}), "b": witness({"w/x": 1})})
    assert (found.by_both, found.only, found.holds) == (1, {"a": 1, "b": 0}, True)


def test_an_event_at_another_instant_breaks_the_pairing_unless_an_engine_acted_on_the_account() -> None:
    label = event("in_ada_1.paid.1")
    worlds = {"a": witness({label: 7}, {"in_ada_1.paid.1": 100}), "b": witness({label: 7}, {"in_ada_1.paid.1": 101})}
    found = pair(worlds)
    assert (found.by_both, found.equal, found.holds) == (1, 0, False)
    assert found.unequal == (Unequal("in_ada_1.paid.1", {"a": 100, "b": 101}),)
    worlds["b"].acted_on.add("ada")
    found = pair(worlds)
    assert (found.equal, found.holds, found.parted) == (1, True, ("ada",))


def test_an_event_that_only_one_engine_sees_must_follow_an_act_on_its_account() -> None:
    worlds = {"a": witness({event("in_bob_2.paid.1"): 7}, {"in_bob_2.paid.1": 100}, {"ada"}), "b": witness({})}
    found = pair(worlds)
    assert (found.by_both, found.equal, found.only) == (0, 0, {"a": 1, "b": 0})
    assert found.unequal == (Unequal("in_bob_2.paid.1", {"a": 100, "b": None}),)
    worlds["a"].acted_on.add("bob")
    assert (pair(worlds).holds, pair(worlds).parted) == (True, ("bob",))


def test_three_engines_are_paired_over_what_all_of_them_asked() -> None:
    found = pair({"a": witness({"w/x": 1, "w/y": 1}), "b": witness({"w/x": 1, "w/y": 1}), "c": witness({"w/x": 1})})
    assert (found.by_both, found.only) == (1, {"a": 1, "b": 1, "c": 0})


CUSTOMER = Customer(id="cus_ada", created=1)
SUBSCRIPTION = Subscription(id="sub_ada", created=1, customer="cus_ada", status="active")


@pytest.mark.parametrize(
    ("task", "store", "old", "new", "acts"),
    [
        ("e/in_ada_1.paid.1/brain", "stripe.subscription", SUBSCRIPTION, {"status": "canceled"}, True),
        ("e/in_ada_1.paid.1/brain", "stripe.customer", CUSTOMER, {"metadata": {"bad_debt": "true"}}, False),
        ("w/stripe/in_ada_2/attempt1", "stripe.subscription", SUBSCRIPTION, {"status": "past_due"}, False),
        ("e/in_ada_1.paid.1/brain", "subs_dunning", CUSTOMER, {"name": "x"}, False),
        ("e/request/brain", "stripe.customer", None, {}, True),
    ],
)
def test_an_act_is_an_engines_change_of_more_than_metadata_at_stripe(task: str, store: str, old: Any, new: dict[str, Any], acts: bool) -> None:
    made = Witness()
    after = msgspec.structs.replace(old or CUSTOMER, **new)
    made.sink([WriteRecord("writes", 1, "c", task, "", store, "ada", "id", -1, old, after)])
    assert made.acted_on == ({"ada"} if acts else set())


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("w/fact/funds/pm_ada/20500", "ada"),
        ("w/pipe/in_acct_00012_3.payment_failed.2/post1", "acct_00012"),
        ("w/stripe/sub_ada-2/renewal4", "ada"),
        ("in_ada-2_1.paid.1", "ada"),
        ("w/pubsub/ch_ada_1.2.succeeded/attempt1", "ada"),
        ("pm_ada.2.attached.1", "ada"),
        ("w/story/row2/offset", None),
    ],
)
def test_the_account_of_a_name_is_read_off_the_first_object_in_it(name: str, account: str | None) -> None:
    assert account_of(name) == account
