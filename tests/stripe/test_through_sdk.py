"""An engine that reaches Stripe only through the official SDK: the same requests under the same keys, the same refusals, the same run."""

from __future__ import annotations

from typing import Any

import pytest

from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel
from billsim.run import RunResult, asking_through, run_scenario
from billsim.runtime.gather import on_the_books
from billsim.scenario.toml_file import find, load, names
from billsim.stores.base import Shard
from billsim.stripe import through_sdk
from billsim.stripe.api import Stripe
from billsim.stripe.lists import Page
from billsim.stripe.objects import Customer, InvoiceSettings, PaymentMethod, Price, StripeError
from billsim.stripe.settings import StripeSettings
from billsim.stripe.through_sdk import Exchange, ThroughSdk
from billsim.world import World
from tests.stripe.bench import BROKE, LOST, START_S, Bench, Recorder

ENGINES = ("recompute", "legacy")
FOLDERS = ("dunning", "subscriptions", "accounts", "zones", "races", "faults", "found")
STORIES = sorted(name for name in names() if name.split("/")[0] in FOLDERS)


def run(name: str, engine: str, way: str) -> RunResult:
    return run_scenario(load(find(name)), engine=engine, keep_records=True, attend=asking_through(way))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_story_ends_as_on_the_direct_path(folder: str, engine: str) -> None:
    stories = [name for name in STORIES if name.startswith(f"{folder}/")]
    assert stories
    for name in stories:
        direct, through = run(name, engine, "direct"), run(name, engine, "sdk")
        # Every write to a store and at Stripe, every act, message and drift, in order and with its cause; the digest is of all of these.
        assert through.records == direct.records, name
        assert through.drift == direct.drift and through.data["digest"] == direct.data["digest"], name
        assert (through.verdict, through.as_expected, through.data["findings"]) == (direct.verdict, direct.as_expected, direct.data["findings"]), name


def test_what_is_gathered_is_what_the_books_hold() -> None:
    """Beside the end: at every gather of stories full of changes, object by object, but for what the API does not tell."""
    gathered: list[tuple[Any, Any]] = []

    def attend(world: World) -> None:
        through = ThroughSdk(world.stripe, lambda: world.kernel.now)

        def look(shard: Shard, wanted: tuple[bool, ...]) -> list[Any]:
            seen = through.look(shard, wanted)
            pairs = zip(seen, on_the_books(shard), wanted, strict=True)
            gathered.extend((plain(found), plain(held)) for found, held, asked in pairs if asked)
            return seen

        world.runtime.go_through(through, look)

    for name in ("subscriptions/upgrade_payment_pending", "subscriptions/ghost_after_cancel", "dunning/pay_bad_debt_vs_webhook"):
        run_scenario(load(find(name)), attend=attend)
    assert len(gathered) > 500
    assert [(found, held) for found, held in gathered if found != held] == []


def plain(what: Any) -> Any:
    """Without what the API tells otherwise: of a line, when it was made, and of the backstory's its period; of an action, what a browser needs."""
    if isinstance(what, dict):
        return [plain(each) for _, each in sorted(what.items())]
    if what is None:
        return None
    fields = {name: getattr(what, name) for name in what.__struct_fields__ if name not in ("kept", "lines", "next_action")}
    lines = what.lines.data if what.object == "invoice" else ()
    return fields, [(line.id, line.amount, line.quantity, line.subscription, line.parent) for line in lines]


def test_one_that_leaves_out_what_the_api_tells_only_if_asked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through_sdk, "INCLUDED", {})
    dunning = [name for name in STORIES if name.startswith("dunning/")]
    assert [name for name in dunning if run(name, "recompute", "sdk").records != run(name, "recompute", "direct").records]


# -- one request at a time


class Asked:
    """Ada's Stripe, asked through the SDK, with everything that went over the wire."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.heard: list[Exchange] = []
        self.through = ThroughSdk(bench.stripe, lambda: bench.kernel.now, self.heard.append)

    def call(self, name: str, id: str = "", params: dict[str, Any] | None = None, key: str | None = None, task: str = "e/test/call") -> Any:
        return self.through.call(name, id, params or {}, key=key, task=task)

    def refused(self, *args: Any, **more: Any) -> StripeError:
        with pytest.raises(StripeError) as refused:
            self.call(*args, **more)
        return refused.value


@pytest.fixture
def asked() -> Asked:
    return Asked(Bench())


def test_a_request_goes_over_the_wire_and_comes_back_lean(asked: Asked) -> None:
    renamed = asked.call("customers.update", "cus_ada", {"name": "Ada Lovelace", "metadata": {"tier": "1"}}, key="k1")
    assert renamed == asked.bench.book.customer and isinstance(renamed, Customer)
    assert (renamed.name, renamed.metadata) == ("Ada Lovelace", {"tier": "1"})
    (heard,) = asked.heard
    assert (heard.name, heard.request.method, heard.request.path) == ("customers.update", "POST", "/v1/customers/cus_ada")
    assert heard.request.body == b"name=Ada+Lovelace&metadata[tier]=1" and heard.request.headers["Idempotency-Key"] == "k1"
    assert heard.response.status == 200


def test_the_engines_keys_arrive_and_no_others(asked: Asked) -> None:
    asked.call("customers.update", "cus_ada", {"name": "A"}, key="k1")
    asked.call("customers.update", "cus_ada", {"name": "B"})
    assert [exchange.request.headers.get("Idempotency-Key") for exchange in asked.heard] == ["k1", None]
    assert [event.event.request.idempotency_key for event in asked.bench.outbox.events] == ["k1", None]


def test_a_repeated_request_has_no_second_effect(asked: Asked) -> None:
    first = asked.call("customers.update", "cus_ada", {"name": "A"}, key="k1")
    asked.call("customers.update", "cus_ada", {"name": "B"})
    assert asked.call("customers.update", "cus_ada", {"name": "A"}, key="k1") == first
    assert asked.bench.book.customer is not None and asked.bench.book.customer.name == "B"


def test_a_key_of_another_request_is_refused(asked: Asked) -> None:
    asked.call("customers.update", "cus_ada", {"name": "A"}, key="k1")
    refused = asked.refused("customers.update", "cus_ada", {"name": "B"}, key="k1")
    assert (refused.status, refused.type) == (400, "idempotency_error") and not refused.says(400)
    assert asked.through.key_of_another("k2") == "k1"


def test_what_breaks_inside_of_stripe_stays_broken(asked: Asked) -> None:
    with pytest.raises(StripeError) as broken:
        asked.through.break_off("customers.update", "cus_ada", {"name": "A"}, key="k1")
    assert (broken.value.status, broken.value.type, broken.value.should_retry) == (500, "api_error", False)
    assert asked.refused("customers.update", "cus_ada", {"name": "A"}, key="k1").status == 500


def test_a_new_object_has_the_id_that_the_engine_gives_it(asked: Asked) -> None:
    terms = {"currency": "usd", "product": "zone_plan", "unit_amount": 5000, "recurring": {"interval": "year"}}
    made = asked.call("prices.create", "price_business", terms, key="p")
    assert made.id == "price_business" and made == asked.bench.stripe.prices["price_business"] and isinstance(made, Price)
    assert (made.unit_amount, made.recurring.interval if made.recurring else "") == (5000, "year")


def test_a_change_of_plan_bills_through_the_sdk_as_it_does_directly(asked: Asked) -> None:
    other = Bench()
    terms = {"currency": "usd", "product": "zone_plan", "unit_amount": 5000, "recurring": {"interval": "month"}}
    change = {"items": [{"id": "si_ada", "price": "price_b", "quantity": 2}], "proration_behavior": "always_invoice", "proration_date": START_S}
    asked.call("prices.create", "price_b", terms)
    other.call("prices.create", "price_b", terms)
    assert asked.call("subscriptions.update", "sub_ada", change) == other.call("subscriptions.update", "sub_ada", change)
    through, direct = (list(bench.book.invoices.values()) for bench in (asked.bench, other))
    assert through == direct and direct[0].total > 0
    assert asked.call("invoices.retrieve", direct[0].id).payments == direct[0].payments != ()


def test_lists_come_in_pages(asked: Asked) -> None:
    asked.bench.stripe.seed(*[PaymentMethod(id=f"pm_{nth:03}", created=START_S + nth, customer="cus_ada") for nth in range(130)])
    page = asked.call("customers.payment_methods.list", "", {"customer": "cus_ada", "limit": 2})
    assert isinstance(page, Page) and page.has_more and [each.id for each in page.data] == ["pm_129", "pm_128"]
    shard = Shard("ada")
    shard.stripe = asked.bench.book
    _, methods, *_ = asked.through.look(shard, (False, True, False, False, False, False))
    assert list(methods) == ["pm_ada", *[f"pm_{nth:03}" for nth in range(130)]]


def test_what_is_not_asked_for_is_not_read(asked: Asked) -> None:
    shard = Shard("ada")
    assert asked.through.look(shard, (True,) * 6) == [None, {}, {}, {}, {}, {}] and not asked.heard
    shard.stripe = asked.bench.book
    customer, _, subscriptions, *_ = asked.through.look(shard, (True, False, True, False, False, False))
    assert customer == asked.bench.book.customer and subscriptions == asked.bench.book.subscriptions
    assert [exchange.name for exchange in asked.heard] == ["customers.retrieve", "subscriptions.list"]


# -- refusals


@pytest.mark.parametrize(
    ("name", "id", "params", "status", "type", "code"),
    [
        ("invoices.retrieve", "in_none", {}, 404, "invalid_request_error", "resource_missing"),
        ("customers.update", "cus_ada", {"nam": "Ada"}, 400, "invalid_request_error", "parameter_unknown"),
        ("subscriptions.create", "", {"items": []}, 400, "invalid_request_error", "parameter_missing"),
        ("customers.update", "cus_ada", {"metadata": {"k" * 41: "v"}}, 400, "invalid_request_error", ""),
    ],
)
def test_refusals_are_the_cores(asked: Asked, name: str, id: str, params: dict[str, Any], status: int, type: str, code: str) -> None:
    refused = asked.refused(name, id, params)
    assert (refused.status, refused.type) == (status, type) and refused.message
    assert refused.code == code or not code
    with pytest.raises(StripeError) as direct:
        asked.bench.call(name, id, params)
    assert (direct.value.status, direct.value.type) == (status, type)


@pytest.mark.parametrize(("behaviour", "decline"), [(BROKE, "insufficient_funds"), (LOST, "lost_card")])
def test_a_declined_card_is_a_402(behaviour: Any, decline: str) -> None:
    kernel = Kernel(START_S * 1000)
    stripe = Stripe(kernel, Seeded(1), StripeSettings(), Recorder())
    stripe.seed(
        Customer(id="cus_b", created=0, invoice_settings=InvoiceSettings("pm_b")),
        PaymentMethod(id="pm_b", created=0, customer="cus_b"),
        Price(id="price_b", created=0, unit_amount=500),
    )
    stripe.behave("pm_b", behaviour)
    through = ThroughSdk(stripe, lambda: kernel.now)
    params = {"customer": "cus_b", "items": [{"price": "price_b"}], "payment_behavior": "error_if_incomplete"}
    with pytest.raises(StripeError) as refused:
        through.call("subscriptions.create", "sub_b", params, key=None, task="e/t")
    assert (refused.value.status, refused.value.type, refused.value.code) == (402, "card_error", "card_declined")
    assert refused.value.decline_code == decline and not stripe.books["cus_b"].subscriptions
