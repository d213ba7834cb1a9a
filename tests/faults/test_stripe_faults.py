"""The faults that strike requests to Stripe, what the client library makes of them, who asks again, and two instances at work on one message."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from billsim.core.choices import Seeded
from billsim.faults.base import Dial
from billsim.faults.catalogue import Weather, weather_of
from billsim.ports import CallStripe, GatherAll, Message
from billsim.run import run_orders, run_scenario
from billsim.runtime.stripe_client import BROKEN, KEY_REUSED, RATE_LIMITED, TIMEOUT_MS, UNANSWERED, Setback, Try
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import find, load, loads
from billsim.stripe.idempotency import KEPT_MS, IdempotencyKeys
from billsim.stripe.objects import StripeError
from tests.test_runtime import START_MS, Platform

STORIES = ("stripe_rate_limited", "stripe_error", "stripe_timeout", "idempotency_key_reused", "two_instances")
PAY = CallStripe("invoices.pay", "ada", "in_1", {}, "pay-1")
NAME = "e/test/invoices.pay/in_1"


class Counter(Platform):
    """A runtime beside a Stripe that counts what it performs, under which keys; `setbacks` say what befalls the tries in turn."""

    def __init__(self, *setbacks: Setback | None) -> None:
        super().__init__()
        self.left = list(setbacks)
        self.tries: list[Try] = []
        self.done: list[str | None] = []
        self.broken: list[str] = []
        self.told: list[Any] = []
        self.runtime.unsettle(self)

    def setback(self, sent: Try) -> Setback | None:
        self.tries.append(sent)
        return self.left.pop(0) if self.left else None

    def call(self, method: str, id: str, params: dict[str, Any], *, key: str | None, task: str) -> Any:
        self.done.append(key)
        return super().call(method, id, params, key=key, task=task)

    def break_off(self, name: str, id: str, params: dict[str, Any], *, key: str) -> Any:
        self.broken.append(key)
        raise StripeError(500, "api_error", "api_error", "broken", should_retry=False)

    def key_of_another(self, key: str) -> str | None:
        return "another"

    def ask(self, effect: Any) -> Any:
        def script(message: Message) -> Generator[Any, Any, None]:
            try:
                self.told.append((yield effect))
            except StripeError as refusal:
                self.told.append(refusal)

        self.start(script)
        self.run()
        assert self.pending == 0 and not self.runtime.running
        return self.told[-1]


def test_what_nothing_befalls_is_as_ever() -> None:
    plain, struck = Platform(), Counter()
    told: list[Any] = []

    def script(message: Message) -> Generator[Any, Any, None]:
        told.append((yield PAY))

    plain.start(script)
    plain.run()
    assert struck.ask(PAY) == told[0] and struck.kernel.now == plain.kernel.now
    assert [label for label, _ in struck.choices.asked] == [label for label, _ in plain.choices.asked]
    assert struck.tries == [Try(NAME, "ada", "invoices.pay", False)] and struck.done == ["pay-1"]


def test_a_request_that_is_not_answered_is_sent_again_under_the_same_key() -> None:
    platform = Counter(Setback(UNANSWERED, begun=True), Setback(UNANSWERED))
    assert platform.ask(PAY) == "in_1"
    assert platform.done == ["pay-1", "pay-1"], "performed the first time, and the third"
    assert [sent.name for sent in platform.tries] == [NAME, f"{NAME}/try2", f"{NAME}/try3"]
    assert platform.kernel.now - START_MS > 2 * TIMEOUT_MS
    assert platform.marks == {"stripe_asked_again": 2, "stripe_done_unheard": 1}


def test_a_request_without_a_key_is_given_one_before_it_is_sent_twice() -> None:
    platform = Counter(Setback(UNANSWERED, begun=True))
    platform.ask(CallStripe("invoices.pay", "ada", "in_1"))
    first, second = platform.done
    assert first == second and first is not None and first.startswith("client-")


@pytest.mark.parametrize(
    ("setback", "tries", "status", "code"),
    [
        (Setback(UNANSWERED), 3, 0, "timeout"),
        (Setback(BROKEN), 3, 500, "api_error"),
        (Setback(BROKEN, begun=True), 1, 500, "api_error"),
        (Setback(RATE_LIMITED), 1, 429, "rate_limit"),
        (Setback(RATE_LIMITED, begun=True), 3, 429, "lock_timeout"),
    ],
)
def test_the_library_gives_up_and_the_component_is_told(setback: Setback, tries: int, status: int, code: str) -> None:
    platform = Counter(*[setback] * 3)
    refusal = platform.ask(PAY)
    assert isinstance(refusal, StripeError) and (refusal.status, refusal.code) == (status, code)
    assert len(platform.tries) == tries and platform.done == []
    assert platform.broken == (["pay-1"] if setback == Setback(BROKEN, begun=True) else [])


def test_a_request_under_the_wrong_key_is_sent_once() -> None:
    platform = Counter(Setback(KEY_REUSED))
    platform.ask(PAY)
    assert platform.done == ["another"]


@pytest.mark.parametrize(("setbacks", "gathers"), [(1, 2), (2, 3)])
def test_a_gather_begins_again_where_stripe_fails(setbacks: int, gathers: int) -> None:
    platform = Counter(*[Setback(BROKEN)] * setbacks)
    state = platform.ask(GatherAll("ada"))
    assert state.account == "ada"
    assert [sent.method for sent in platform.tries] == ["gather"] * gathers
    assert platform.stores.shard("ada").gathers == 0


def test_a_gather_that_fails_three_times_fails_and_one_without_stripe_never() -> None:
    platform = Counter(*[Setback(UNANSWERED)] * 3)
    assert platform.ask(GatherAll("ada")).status == 0 and platform.stores.shard("ada").gathers == 0
    platform = Counter(*[Setback(UNANSWERED)] * 3)
    assert platform.ask(GatherAll("ada", ("ope",))).account == "ada" and platform.tries == []


# -- what is asked -----------------------------------------------------------------------------------------------------------------------


def weather(name: str, ppm: int = 1_000_000, **dial: Any) -> tuple[Seeded, Weather]:
    choices = Seeded(1)
    found = weather_of({name: Dial(ppm=ppm, **dial)}, choices, lambda customer: ())
    assert found is not None
    return choices, found


@pytest.mark.parametrize(
    ("name", "more"), [("stripe_rate_limited", "told"), ("stripe_error", "begun"), ("stripe_timeout", "done"), ("idempotency_key_reused", "")]
)
def test_each_is_asked_for_under_the_name_of_the_try(name: str, more: str) -> None:
    sent = Try("e/x/dunning_brain/invoices.pay/in_1/try2", "ada", "invoices.pay", False)
    choices, found = weather(name)
    assert found.strikes_requests and not found.strikes_tasks and found.setback(sent) is not None
    label = f"e/fault/{name}/x/dunning_brain/invoices.pay/in_1/try2"
    assert [asked for asked, _ in choices.asked] == [label] + [f"{label}/{more}"] * bool(more)
    for scope in ({"accounts": ("bob",)}, {"methods": ("customers.update",)}):
        choices, found = weather(name, **scope)
        assert found.setback(sent) is None and choices.asked == []
    choices, found = weather(name)
    found.stopped = True
    assert found.setback(sent) is None and choices.asked == []


def test_a_key_is_reused_by_what_changes_something_only() -> None:
    choices, found = weather("idempotency_key_reused")
    assert found.setback(Try("e/x/gather", "ada", "gather", True)) is None and choices.asked == []


def test_two_instances_have_a_message_but_never_a_request() -> None:
    choices, found = weather("two_instances")
    assert found.doubles(Message("in_1.paid.2", "w", "stripe.invoice.paid", "ada", 0))
    assert [label for label, _ in choices.asked] == ["w/fault/two_instances/in_1.paid.2"]
    assert not found.doubles(Message("x", "e", "request.pay", "ada", 0)) and not found.doubles(Message("n", "e", "cron.nightly", "", 0))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('stripe_error = { ppm = 5, methods = ["invoices.pa"] }', "unknown request to Stripe 'invoices.pa' (did you mean 'invoices.pay'?)"),
        ('crash = { ppm = 5, methods = ["invoices.pay"] }', "'crash' does not strike requests to Stripe"),
        ('stripe_error = { ppm = 5, events = ["invoice.paid"] }', "'stripe_error' does not strike single event types"),
    ],
)
def test_bad_input_is_met_with_one_line(line: str, message: str) -> None:
    with pytest.raises(InputError, match="story.toml:6: ") as caught:
        loads(f'id = "x"\nstart = 2026-03-14T00:00:00Z\ngiven = [ {{ account = "ada" }} ]\n\n[faults]\n{line}\n', "story.toml")
    assert message in str(caught.value)


# -- Stripe ------------------------------------------------------------------------------------------------------------------------------


def test_a_500_is_kept_under_its_key_for_a_day() -> None:
    keys, performed = IdempotencyKeys(), []

    def breaks() -> Any:
        raise StripeError(500, "api_error", "api_error", "broken", should_retry=False)

    def performs() -> Any:
        performed.append(1)
        return "done"

    for perform in (breaks, performs):
        with pytest.raises(StripeError) as caught:
            keys.once("k", "pay", 0, perform)
        assert caught.value.status == 500 and caught.value.should_retry is False
    assert performed == [] and keys.once("k", "pay", KEPT_MS, performs) == "done"


def test_that_a_key_is_another_requests_is_no_answer_to_what_was_asked() -> None:
    wrong_key = StripeError(400, "idempotency_error", "idempotency_error", "")
    overtaken = StripeError(400, "invalid_request_error", "invoice_not_open", "")
    assert overtaken.says(400, 404) and not overtaken.says(402) and not wrong_key.says(400)


# -- in a world --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
def test_each_story_holds_to_its_pins_whatever_the_seed(name: str) -> None:
    scenario = load(find(f"faults/{name}"))
    for seed in (0, 1, 2, 5, 8):
        result = run_orders(scenario, seed=seed)
        assert (result.verdict, result.as_expected) == ("holds", True)
        if "legacy" in scenario.expect:
            assert run_orders(scenario, seed=seed, engine="legacy").as_expected is True
        else:
            assert run_scenario(scenario, seed=seed, engine="legacy").data["findings"][0]["check"] == "action_twice"


@pytest.mark.parametrize("seed", range(6))
def test_recompute_holds_among_all_callers_under_all_of_them(seed: int) -> None:
    scenario = load(find("load/unsteady_small"))
    result = run_scenario(scenario, seed=seed, keep_tape=True)
    assert (result.verdict, result.data["findings"]) == ("holds", [])
    struck = {label.split("/")[2] for label, answer in result.tape or () if "/fault/" in label and answer == 1}
    assert struck == set(scenario.faults)


def test_both_engines_meet_the_same_second_instances() -> None:
    from billsim.compare import compare

    comparison = compare(load(find("faults/two_instances")), ["legacy", "recompute"])
    assert comparison.pairing.holds, comparison.pairing.unequal


# -- the money ---------------------------------------------------------------------------------------------------------------------------


def charges(engine: str, seed: int) -> tuple[list[str], int]:
    """The checks that found something, and how often ada's money was taken for the debt."""
    result = run_scenario(load(find("faults/stripe_timeout")), seed=seed, engine=engine, keep_records=True)
    taken = [record for record in result.records if record[0] == "writes" and record.store == "stripe.charge" and record.new.status == "succeeded"]
    return sorted({finding["check"] for finding in result.data["findings"]}), len(taken)


@pytest.mark.parametrize("seed", range(4))
def test_who_pays_without_a_key_is_seen_to_charge_twice_and_recompute_charges_once(seed: int) -> None:
    """The answers were lost, the browser sends the request again, and this Stripe would take the money again."""
    assert charges("tests.faults.charging:legacy", seed) == (["charged_twice"], 2)
    assert charges("tests.faults.charging:recompute", seed) == ([], 1)
    assert charges("recompute", seed) == ([], 1)
