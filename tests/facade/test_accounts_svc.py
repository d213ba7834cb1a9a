"""accounts-svc and identity: profiles are validated, changed at Stripe first, copied back, and end equal whatever races, crashes or comes twice."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.ports import CallStripe, CompareAndSet, Effect, Message, Read, Send
from billsim.scenario.plan import GivenAccount
from billsim.stores.subs_account import EMAIL_VERIFIED, MARKETING_OPT_IN
from billsim.stores.subs_customer import CustomerRow
from billsim.stripe.objects import Event, EventData
from tests.driver import CrashError, message
from tests.facade.counter import Counter

NEW = {"name": "Ada King", "email": "ada.king@example.com"}
OK = {"outcome": "ok"}


def billed(counter: Counter) -> tuple[Any, ...]:
    """(name, e-mail) here and at Stripe."""
    profile, book = counter.row("subs_account"), counter.booked()
    assert book is not None and book.customer is not None
    return (profile.name, profile.email), (book.customer.name, book.customer.email)


def test_stripe_is_told_first_and_the_profile_is_its_copy() -> None:
    counter = Counter()
    assert counter.ask("update_profile", **NEW) == OK
    assert billed(counter) == ((NEW["name"], NEW["email"]),) * 2
    kinds = [effect.method if isinstance(effect, CallStripe) else effect.store for effect in counter.performed(CallStripe, CompareAndSet)]
    assert kinds.index("customers.update") < kinds.index("subs_account")


def test_only_what_is_asked_for_changes_and_foreign_bits_survive() -> None:
    counter = Counter(GivenAccount(account="ada", rows={"subs_account": {"flags": 1 << 15 | 1 << 7}}))
    before = counter.row("subs_account")
    assert counter.ask("update_profile", marketing_opt_in=True) == OK
    after = counter.row("subs_account")
    assert after.flags == before.flags | MARKETING_OPT_IN == 1 << 15 | 1 << 7 | 1 << 3
    assert (after.name, after.email, after.country) == (before.name, before.email, before.country)
    assert [effect.kind for effect in counter.performed(Send)] == ["flags_changed"] and counter.requested() == []


def test_a_bit_that_somebody_else_sets_meanwhile_survives() -> None:
    counter = Counter()

    def flagged_meanwhile(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet) and effect.store == "subs_account" and not counter.row("subs_account").flags & 1 << 15:
            counter.stores.write("engine", "subs_account", "ada", None, {"flags": counter.row("subs_account").flags | 1 << 15}, 0)

    counter.before = flagged_meanwhile
    assert counter.ask("update_profile", marketing_opt_in=True) == OK
    assert counter.row("subs_account").flags & (1 << 15 | MARKETING_OPT_IN) == 1 << 15 | MARKETING_OPT_IN


def test_another_email_address_is_not_verified() -> None:
    counter = Counter(GivenAccount(account="ada", rows={"subs_account": {"flags": EMAIL_VERIFIED | MARKETING_OPT_IN}}))
    counter.ask("update_profile", "r1", name="Ada King")
    assert counter.row("subs_account").flags == EMAIL_VERIFIED | MARKETING_OPT_IN
    counter.ask("update_profile", "r2", email=NEW["email"])
    assert counter.row("subs_account").flags == MARKETING_OPT_IN


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({}, "nothing_to_change"),
        ({"via": "iapi"}, "nothing_to_change"),
        ({"name": "  "}, "invalid_name"),
        ({"name": "a" * 257}, "invalid_name"),
        ({"name": 5}, "invalid_name"),
        ({"email": "ada"}, "invalid_email"),
        ({"email": "ada@example"}, "invalid_email"),
        ({"email": "ada@@example.com"}, "invalid_email"),
        ({"email": "a da@example.com"}, "invalid_email"),
        ({"email": f"{'a' * 501}@example.com"}, "invalid_email"),
        ({"country": "us"}, "invalid_country"),
        ({"country": "USA"}, "invalid_country"),
        ({"marketing_opt_in": 1}, "invalid_marketing_opt_in"),
        ({"flags": 0}, "unknown_flags"),
        ({"account_type": "cloudflare_ent"}, "unknown_account_type"),
        ({"name": "Ada King", "email": ""}, "invalid_email"),
    ],
    ids=str,
)
def test_refuses_before_anything_is_touched(body: dict[str, Any], outcome: str) -> None:
    counter = Counter()
    before = counter.row("subs_account")
    assert counter.ask("update_profile", **body) == {"outcome": outcome}
    assert counter.row("subs_account") is before and counter.requested() == []


@pytest.mark.parametrize("body", [{"name": "a" * 256}, {"email": f"{'a' * 500}@example.com"}, {"country": "DE"}], ids=lambda it: next(iter(it)))
def test_takes_the_longest_that_stripe_takes(body: dict[str, Any]) -> None:
    assert Counter().ask("update_profile", **body) == OK


def test_without_a_stripe_customer_the_profile_stands_alone() -> None:
    counter = Counter(GivenAccount(account="ada", stripe_customer=False))
    assert counter.ask("update_profile", **NEW, country="DE") == OK
    row = counter.row("subs_account")
    assert (row.name, row.email, row.country) == (NEW["name"], NEW["email"], "DE") and counter.requested() == []


def test_nobody_changes_the_name_of_whom_others_are_billed_with() -> None:
    shared = GivenAccount(account="bob", rows={"subs_customer": {"stripe_customer": "cus_ada"}})
    counter = Counter(GivenAccount(account="ada"), shared)
    assert counter.ask("update_profile", **NEW) == {"outcome": "merged_account"} and counter.requested() == []


def test_an_account_that_is_not_there_is_not_made_by_asking() -> None:
    counter = Counter()
    for kind in ("request.view_profile", "request.update_profile", "request.view_methods", "request.list_invoices", "request.checkout"):
        counter.deliver(message(kind, account="nobody", country="DE"))
    assert counter.stores.get("nobody") is None or counter.stores.read("facade_cache", "nobody") == {}
    counter.shard = counter.stores.shard("nobody")
    assert counter.ask("view_profile") == {"outcome": "no_such_account"}


# -- coming twice, crashing, racing ----------------------------------------------------------------------------------------------------


def test_one_request_sent_twice_is_served_once() -> None:
    counter = Counter()
    counter.ask("update_profile", **NEW)
    version, done = counter.row("subs_account").version, len(counter.changing())
    counter.ask("update_profile", **NEW)
    assert counter.row("subs_account").version == version and len(counter.changing()) == done


@pytest.mark.parametrize("crash_after", range(22))
def test_crashed_anywhere_and_sent_again(crash_after: int) -> None:
    counter = Counter()
    counter.crash_after = crash_after
    with pytest.raises(CrashError):
        counter.ask("update_profile", **NEW, country="DE", marketing_opt_in=True)
    counter.crash_after = None
    assert counter.ask("update_profile", **NEW, country="DE", marketing_opt_in=True) == OK
    row = counter.row("subs_account")
    assert billed(counter) == ((NEW["name"], NEW["email"]),) * 2 and (row.country, row.flags) == ("DE", MARKETING_OPT_IN)


def test_the_webhook_ends_what_a_crash_left() -> None:
    counter = Counter()

    def dies(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet) and effect.store == "subs_account":
            counter.crash_after = 0

    counter.before = dies
    with pytest.raises(CrashError):
        counter.ask("update_profile", **NEW)
    assert counter.row("subs_account").name != NEW["name"]
    counter.before, counter.crash_after = lambda effect: None, None
    hear(counter, {"name": "x", "email": "y"})
    assert billed(counter) == ((NEW["name"], NEW["email"]),) * 2


def hear(counter: Counter, before: dict[str, Any] | None, name: str = "evt1") -> None:
    """Deliver a customer.updated whose event says what was changed, and holds a snapshot that is not looked at."""
    event = Event(id=name, created=0, data=EventData(None, before), type="customer.updated")
    counter.deliver(Message(name, "w", "stripe.customer.updated", "ada", 0, event))


@pytest.mark.parametrize("before", [{"metadata": {"bad_debt": None}}, {"delinquent": False}, {}], ids=str)
def test_what_is_not_ours_costs_nothing(before: dict[str, Any]) -> None:
    counter = Counter()
    hear(counter, before)
    assert counter.effects == []


def test_a_payment_method_that_nobody_noted_costs_one_look() -> None:
    counter = Counter()
    hear(counter, {"invoice_settings": {"default_payment_method": "pm_old"}})
    assert counter.effects == [Read("subs_customer", "ada")]


def test_a_noted_payment_method_follows_stripe() -> None:
    counter = Counter(GivenAccount(account="ada", rows={"subs_customer": {"payment_method": "pm_old"}}))
    hear(counter, {"invoice_settings": {"default_payment_method": "pm_old"}})
    assert counter.row("subs_customer").payment_method == "pm_ada"


def test_a_contract_account_is_left_alone() -> None:
    counter = Counter(GivenAccount(account="ada", account_type="cloudflare_ent"))
    counter.at_stripe("customers.update", "cus_ada", **NEW)
    hear(counter, None)
    assert counter.row("subs_account").name != NEW["name"]


@pytest.mark.parametrize("at", range(8))
def test_two_copies_race_and_the_last_word_is_stripes(at: int) -> None:
    """Stripe says B, then A again: the second webhook finds the row right while the first is about to set it to B, at whatever point it is."""
    counter = Counter()
    first = counter.row("subs_account").name
    counter.at_stripe("customers.update", "cus_ada", name=first)
    counter.at_stripe("customers.update", "cus_ada", name="B")
    steps = []

    def back_again(_effect: Effect) -> None:
        steps.append(1)
        if len(steps) == at + 1:
            counter.before = lambda effect: None
            counter.at_stripe("customers.update", "cus_ada", name=first)
            hear(counter, {"name": "B"}, "evt2")
            counter.before = back_again

    counter.before = back_again
    hear(counter, {"name": first})
    assert counter.row("subs_account").name == first


# -- making, showing, erasing ----------------------------------------------------------------------------------------------------------


def test_a_profile_is_made_once() -> None:
    counter = Counter()
    counter.shard = counter.stores.shard("eve")
    assert counter.ask("create_profile", name="Eve") == {"outcome": "missing_email"}
    assert counter.ask("create_profile", "r2", name="Eve", email="eve@example.com", marketing_opt_in=True) == OK
    assert counter.ask("create_profile", "r3", name="Mallory", email="m@example.com") == {"outcome": "already_there"}
    row = counter.row("subs_account")
    assert (row.name, row.email, row.flags) == ("Eve", "eve@example.com", MARKETING_OPT_IN)
    assert counter.row("subs_customer") == CustomerRow("eve", version=1)


def test_a_profile_is_erased_here_and_at_stripe_once_nothing_is_bought() -> None:
    counter = Counter()
    assert counter.ask("erase_profile") == {"outcome": "has_a_subscription"}
    counter.stores.write("engine", "ope", "ada", "ope_ada", {"status": "canceled"}, 0)
    assert counter.ask("erase_profile", "r2") == OK
    assert billed(counter) == (("", ""), (None, None))


def test_a_view_may_be_a_minute_old_but_not_older_than_ones_own_change() -> None:
    counter = Counter()
    counter.stores.write("facade", "subs_account", "ada", None, {"country": "FR"}, 0)
    assert counter.ask("view_profile")["profile"]["country"] == "FR"
    counter.stores.write("facade", "subs_account", "ada", None, {"country": "DE"}, 0)
    counter.now_ms += 59_999
    assert counter.ask("view_profile", "r2")["profile"]["country"] == "FR"
    counter.now_ms += 1
    assert counter.ask("view_profile", "r3")["profile"]["country"] == "DE"
    counter.ask("update_profile", country="IT")
    assert counter.ask("view_profile", "r4")["profile"]["country"] == "IT"


def test_a_reader_who_asked_before_a_change_does_not_fill_the_cache_after_it() -> None:
    counter = Counter()
    counter.stores.write("facade", "subs_account", "ada", None, {"country": "FR"}, 0)

    def changed_meanwhile(effect: Effect) -> None:
        if isinstance(effect, CompareAndSet) and effect.key == "profile":
            counter.before = lambda _effect: None
            counter.ask("update_profile", country="IT")

    counter.before = changed_meanwhile
    assert counter.ask("view_profile")["profile"]["country"] == "FR"
    assert counter.ask("view_profile", "r2")["profile"]["country"] == "IT"


@pytest.mark.parametrize(("via", "most"), [("dashboard", 30), ("iapi", 600), ("elsewhere", 30)])
def test_too_many_a_minute_are_refused_until_the_next(via: str, most: int) -> None:
    counter = Counter()
    door = via if via == "iapi" else "dashboard"
    minute = counter.now_ms // 60_000
    counter.stores.write("facade", "facade_cache", "ada", f"limit/{door}", {"value": {"minute": minute, "requests": most - 1}}, 0)
    assert counter.ask("update_profile", "last", via=via, country="DE") == OK
    assert counter.ask("update_profile", "over", via=via, country="FR") == {"outcome": "rate_limited"}
    counter.now_ms += 60_000
    assert counter.ask("update_profile", "next", via=via, country="FR") == OK


def test_what_the_cache_holds_is_shown_for_one_look_and_never_refused() -> None:
    counter = Counter()
    counter.ask("view_profile")
    counter.stores.write("facade", "facade_cache", "ada", "limit/dashboard", {"value": {"minute": counter.now_ms // 60_000, "requests": 30}}, 0)
    counter.effects.clear()
    assert counter.ask("view_profile", "r2")["outcome"] == "ok" and counter.performed(Read, CompareAndSet) == [Read("facade_cache", "ada", "profile")]
    assert counter.ask("view_methods", "r3") == {"outcome": "rate_limited"}


def test_an_answer_is_kept_for_a_day() -> None:
    counter = Counter()
    counter.ask("update_profile", country="DE")
    counter.stores.write("facade", "subs_account", "ada", None, {"country": "FR"}, 0)
    counter.now_ms += 86_399_999
    counter.ask("update_profile", country="DE")
    assert counter.row("subs_account").country == "FR"
    counter.now_ms += 60_000
    counter.ask("update_profile", country="DE")
    assert counter.row("subs_account").country == "DE"
