"""Payment methods: vaulted and made the default once, however the customer, the bank, a crash or the webhook get in between."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.ports import CallStripe, Effect, Message, Sleep
from billsim.scenario.plan import GivenAccount
from billsim.stripe.api import CardBehaviour
from billsim.stripe.objects import Event, EventData
from tests.driver import CrashError
from tests.facade.counter import Counter

WRONG_VAULT = GivenAccount(account="ada", instrument="paypal", rows={"subs_customer": {"vault": "braintree"}})


def succeeded(counter: Counter) -> None:
    """Deliver the setup_intent.succeeded of the last setup intent."""
    book = counter.booked()
    assert book is not None
    event = Event(id="evt1", created=0, data=EventData(list(book.setup_intents.values())[-1]), type="setup_intent.succeeded")
    counter.deliver(Message("evt1", "w", "stripe.setup_intent.succeeded", "ada", 0, event))


def held(counter: Counter) -> tuple[str | None, str, str]:
    """The default at Stripe, the noted one, and the setup intent that is under way."""
    row = counter.row("subs_customer")
    return counter.default, row.payment_method, row.setup_intent


@pytest.mark.parametrize("type", ["card", "paypal", "sepa_debit"])
def test_what_is_vaulted_is_charged_from_now_on(type: str) -> None:
    counter = Counter()
    new = counter.browser_makes("pm_new", type)
    assert counter.ask("attach_method", method=new) == {"outcome": "ok", "method": "pm_new"}
    assert held(counter) == ("pm_new", "pm_new", "")
    assert counter.requested() == ["setup_intents.create", "customers.update"]
    book = counter.booked()
    assert book is not None and len(book.mandates) == (0 if type == "card" else 1)


def test_a_customer_is_made_for_who_has_none() -> None:
    counter = Counter(GivenAccount(account="ada", stripe_customer=False))
    counter.ask("attach_method", method=counter.browser_makes("pm_new"))
    assert counter.row("subs_customer").stripe_customer == "cus_ada" and held(counter) == ("pm_new", "pm_new", "")
    assert [effect.kind for effect in counter.sent] == ["mapping_changed"]


def test_a_declined_card_changes_nothing() -> None:
    counter = Counter()
    new = counter.browser_makes("pm_new")
    counter.stripe.behave(new, CardBehaviour("lost"))
    assert counter.ask("attach_method", method=new) == {"outcome": "declined"}
    assert held(counter) == ("pm_ada", "", "")


@pytest.mark.parametrize(("method", "outcome"), [("pm_nobody", "no_such_method"), ("", "no_such_method"), ("pm_bob", "not_yours")])
def test_refuses(method: str, outcome: str) -> None:
    counter = Counter(GivenAccount(account="ada"), GivenAccount(account="bob"))
    for operation in ("attach_method", "default_method", "remove_method"):
        assert counter.ask(operation, method=method) == {"outcome": outcome}
    assert counter.requested() == []


def test_the_customer_confirms_at_the_bank_and_comes_back() -> None:
    counter = Counter()
    new = counter.browser_makes("pm_new")
    counter.stripe.challenge("cus_ada")

    def confirms(effect: Effect) -> None:
        if isinstance(effect, Sleep):
            book = counter.booked()
            assert book is not None
            counter.stripe.confirm_setup(list(book.setup_intents)[-1], "w/bank")

    counter.before = confirms
    assert counter.ask("attach_method", method=new, returns_after_ms=90_000) == {"outcome": "ok", "method": "pm_new"}
    assert counter.performed(Sleep) == [Sleep(90_000)] and held(counter) == ("pm_new", "pm_new", "")


def test_who_never_comes_back_is_ended_by_the_webhook() -> None:
    counter = Counter()
    new = counter.browser_makes("pm_new")
    counter.stripe.challenge("cus_ada")
    assert counter.ask("attach_method", method=new) == {"outcome": "not_confirmed"}
    default, noted, waits = held(counter)
    assert (default, noted) == ("pm_ada", "") and waits
    counter.stripe.confirm_setup(waits, "w/bank")
    succeeded(counter)
    assert held(counter) == ("pm_new", "pm_new", "")


def test_a_webhook_that_is_late_does_not_undo_a_later_choice() -> None:
    counter = Counter()
    counter.ask("attach_method", method=counter.browser_makes("pm_new"))
    counter.ask("default_method", method="pm_ada")
    succeeded(counter)
    assert held(counter) == ("pm_ada", "pm_ada", "")


@pytest.mark.parametrize("at", range(24))
def test_the_webhook_races_the_request(at: int) -> None:
    counter = Counter()
    new = counter.browser_makes("pm_new")

    def heard_meanwhile(_effect: Effect) -> None:
        book = counter.booked()
        if len(counter.effects) == at and book is not None and book.setup_intents:
            counter.before = lambda effect: None
            succeeded(counter)

    counter.before = heard_meanwhile
    assert counter.ask("attach_method", method=new) == {"outcome": "ok", "method": "pm_new"}
    assert held(counter) == ("pm_new", "pm_new", "")
    book = counter.booked()
    assert book is not None and len(book.setup_intents) == 1


@pytest.mark.parametrize("crash_after", range(24))
def test_crashed_anywhere_the_webhook_or_a_second_try_ends_it(crash_after: int) -> None:
    for again in (True, False):
        counter = Counter()
        new = counter.browser_makes("pm_new", "paypal")
        counter.crash_after = crash_after
        with pytest.raises(CrashError):
            counter.ask("attach_method", method=new)
        counter.crash_after = None
        book = counter.booked()
        assert book is not None
        if again:
            counter.ask("attach_method", method=new)
        elif book.setup_intents:
            succeeded(counter)
        if again or book.setup_intents:
            assert held(counter) == ("pm_new", "pm_new", "")
        else:
            assert held(counter)[:2] == ("pm_ada", "")
        assert len(book.setup_intents) <= 1 and len(book.mandates) <= 1


def test_removed_but_not_while_it_pays_for_something() -> None:
    counter = Counter()
    assert counter.ask("remove_method", method="pm_ada") == {"outcome": "in_use"}
    counter.ask("attach_method", method=counter.browser_makes("pm_new"))
    assert counter.ask("remove_method", "r2", method="pm_ada") == {"outcome": "ok", "method": "pm_ada"}
    counter.stores.write("engine", "ope", "ada", "ope_ada", {"status": "canceled"}, 0)
    assert counter.ask("remove_method", "r3", method="pm_new") == {"outcome": "ok", "method": "pm_new"}
    assert held(counter) == (None, "", "")
    assert counter.ask("remove_method", "r4", method="pm_new") == {"outcome": "not_yours"}


# -- the wrong vault -------------------------------------------------------------------------------------------------------------------


def test_paypal_is_fetched_back_from_the_wrong_vault() -> None:
    counter = Counter(WRONG_VAULT)
    assert counter.ask("migrate_vault") == {"outcome": "ok", "method": "pm_ada"}
    assert counter.row("subs_customer").vault == "" and held(counter) == ("pm_ada", "pm_ada", "")
    book = counter.booked()
    assert book is not None and [mandate.payment_method for mandate in book.mandates.values()] == ["pm_ada"]
    assert counter.ask("migrate_vault", "r2") == {"outcome": "nothing_to_migrate"}


def test_only_paypal_was_ever_vaulted_there() -> None:
    counter = Counter(GivenAccount(account="ada", rows={"subs_customer": {"vault": "braintree"}}))
    assert counter.ask("migrate_vault") == {"outcome": "not_paypal"}
    assert counter.row("subs_customer").vault == "braintree" and counter.requested() == []


def test_a_card_leaves_the_vault_as_it_is_and_paypal_sets_it_right() -> None:
    counter = Counter(WRONG_VAULT)
    counter.ask("attach_method", method=counter.browser_makes("pm_card"))
    assert counter.row("subs_customer").vault == "braintree"
    counter.ask("attach_method", "r2", method=counter.browser_makes("pm_paypal", "paypal"))
    assert counter.row("subs_customer").vault == ""


# -- pm-view ---------------------------------------------------------------------------------------------------------------------------


def shown(counter: Counter, request: str) -> list[tuple[Any, ...]]:
    return [(each["id"], each["label"], each["default"]) for each in counter.ask("view_methods", request)["methods"]]


def test_the_view_names_each_and_says_which_is_charged() -> None:
    counter = Counter()
    visa = "Visa ending in 4242, 12/34"
    assert shown(counter, "r1") == [("pm_ada", visa, True)]
    assert counter.row("subs_customer").payment_method == "pm_ada"
    counter.ask("attach_method", method=counter.browser_makes("pm_new", "paypal"))
    assert shown(counter, "r2") == [("pm_ada", visa, False), ("pm_new", "PayPal", True)]


def test_the_view_may_be_stale_until_a_webhook_throws_it_away() -> None:
    counter = Counter(GivenAccount(account="ada", rows={"subs_customer": {"payment_method": "pm_ada"}}))
    assert len(shown(counter, "r1")) == 1
    counter.at_stripe("payment_methods.detach", "pm_ada")
    assert len(shown(counter, "r2")) == 1 and not counter.performed(CallStripe)
    counter.deliver(Message("evt1", "w", "stripe.payment_method.detached", "ada", 0))
    assert shown(counter, "r3") == [] and counter.row("subs_customer").payment_method == ""


def test_the_view_of_who_has_no_customer_is_empty() -> None:
    assert shown(Counter(GivenAccount(account="ada", stripe_customer=False)), "r1") == []
