"""The facade in a running world: requests race each other and their own webhooks, and every copy ends as Stripe has it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.time import HOUR_MS
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.scenario.plan import GivenAccount, Scenario
from billsim.world import World

START_MS = 1_800_000_000_000


def ran(seed: int, act: Callable[[World], None], engine: str = "recompute") -> World:
    """A world in which `act` sends its requests at once, an hour later."""
    given = (GivenAccount(account="ada", rows={"subs_customer": {"payment_method": "pm_ada"}}),)
    scenario = Scenario(id="x", given=given, start=START_MS, until=START_MS + HOUR_MS)
    world = World(scenario, load_engine(engine), Seeded(seed), Trace(), DunningPolicy())
    act(world)
    while not world.run_until(START_MS + HOUR_MS, 10_000):
        pass
    return world


def wrong(world: World) -> list[str]:
    """What the judge has against the world: findings, and drift that is still open."""
    report = world.judge.finish(world.kernel.now)
    return [*(finding.summary for finding in report.findings), *(code for code, counts in report.by_code.items() if counts["open_at_end"])]


def two_profiles_and_two_cards(world: World) -> None:
    for n in (1, 2):
        world.request("request.update_profile", "ada", f"profile{n}", {"name": f"Ada {n}", "email": f"ada{n}@example.com"})
        world.stripe.call("payment_methods.create", f"pm_{n}", {"type": "card"}, key=None, task=f"w/browser{n}")
        world.request("request.attach_method", "ada", f"card{n}", {"method": f"pm_{n}"})
    world.request("request.view_profile", "ada", "view", {})
    world.request("request.view_methods", "ada", "methods", {})


@pytest.mark.parametrize("seed", range(40))
def test_whatever_races_every_copy_ends_as_stripe_has_it(seed: int) -> None:
    world = ran(seed, two_profiles_and_two_cards)
    profile, mapping = world.stores.read("subs_account", "ada"), world.stores.read("subs_customer", "ada")
    customer = world.stripe.books["cus_ada"].customer
    assert customer is not None and customer.name in ("Ada 1", "Ada 2")
    assert (profile.name, profile.email) == (customer.name, customer.email)
    assert mapping.payment_method == customer.invoice_settings.default_payment_method in ("pm_1", "pm_2")
    assert mapping.setup_intent == "" and wrong(world) == []


@pytest.mark.parametrize("seed", range(10))
def test_what_support_changes_at_stripe_comes_back_by_webhook(seed: int) -> None:
    def act(world: World) -> None:
        world.act("support", "e/support", lambda: world.stripe.call("customers.update", "cus_ada", {"name": "B"}, key=None, task="e/support"))

    world, of_before = ran(seed, act), ran(seed, act, "legacy")
    assert world.stores.read("subs_account", "ada").name == "B" and wrong(world) == []
    assert of_before.stores.read("subs_account", "ada").name != "B" and wrong(of_before) == ["profile_drift"]


@pytest.mark.parametrize("seed", range(10))
def test_two_clicks_on_buy_are_one_purchase(seed: int) -> None:
    def act(world: World) -> None:
        for n in (1, 2):
            order = {"turnstile": "passed", "product": "images", "plan": "images_monthly", "price": 500}
            world.request("request.checkout", "ada", f"click{n}", order)

    world = ran(seed, act)
    bought = [row for row in world.stores.read("ope", "ada").values() if any(item.product == "images" for item in row.items)]
    assert [row.status for row in bought] == ["active"]
    assert len([each for each in world.stripe.books["cus_ada"].charges.values() if each.amount == 500]) == 1
    assert wrong(world) == []


def test_what_is_shown_is_kept_for_the_next_who_looks() -> None:
    def act(world: World) -> None:
        for view in ("view_profile", "view_methods", "list_invoices"):
            world.request(f"request.{view}", "ada", view, {})

    kept = ran(0, act).stores.read("facade_cache", "ada")
    assert kept["profile"].value["email"] and [each["id"] for each in kept["methods"].value] == ["pm_ada"]
    assert [each["status"] for each in kept["invoices"].value] == ["Paid"] and kept["limit/dashboard"].value["requests"] == 3
