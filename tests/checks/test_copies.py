"""What an account holds twice: hand-computed rows for each code, who is put down as having parted the copies, and whom a merger concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from billsim.checks.copies import (
    Copies,
    account_type_differs,
    mapping_wrong,
    profile_differs,
    rows_without_account,
    rows_without_referent,
    subscriptions_differ,
    zones_differ,
)
from billsim.core.policy import DunningPolicy
from billsim.ports import Message
from billsim.stores.base import Shard
from billsim.stores.ope import OpeChange, OpeItem, OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stores.www import ZoneRow
from billsim.stripe.objects import (
    Book,
    Customer,
    Invoice,
    InvoiceParent,
    InvoiceSettings,
    ItemList,
    Price,
    Recurring,
    Subscription,
    SubscriptionDetails,
    SubscriptionItem,
)
from tests.checks.scene import Scene

HEALTHY = "healthy/paid_after_two_failures"
PRO, ADDON = OpeItem("zone_plan", "pro_monthly", 2000), OpeItem("addon", "addon_monthly", 500, 3)


def bought(*items: OpeItem, key: str = "ope_ada", status: str = "active", at_stripe: str = "sub_ada", interval: str = "month") -> OpeSubscription:
    return OpeSubscription("ada", key, status, at_stripe, interval, items, version=1)


def delayed(*, asked: bool) -> OpeSubscription:
    """A downgrade that stands from the next period on."""
    return msgspec.structs.replace(bought(PRO, ADDON), scheduled=OpeChange("r", (PRO,), due_ms=1, asked=asked))


def growing() -> OpeSubscription:
    """An upgrade that waits for its payment."""
    return msgspec.structs.replace(bought(PRO), scheduled=OpeChange("r", (PRO, ADDON), grows=True, asked=True))


def billed(*items: OpeItem, id: str = "sub_ada", status: Any = "active", interval: str = "month") -> Subscription:
    made = []
    for n, item in enumerate(items):
        price = Price(id=f"price_{item.plan}", created=0, product=item.product, unit_amount=item.price, recurring=Recurring(interval))
        made.append(SubscriptionItem(id=f"si_{n}", created=0, price=price, quantity=item.quantity, subscription=id))
    return Subscription(id=id, created=0, customer="cus_ada", status=status, items=ItemList(tuple(made)))


def owed(status: Any = "open", remaining: int = 2000) -> Invoice:
    parent = InvoiceParent(SubscriptionDetails("sub_ada"))
    return Invoice(id="in_ada_1", created=0, customer="cus_ada", status=status, amount_remaining=remaining, parent=parent)


# name: (in OPE, at Stripe, invoices, what is wrong)
SUBSCRIPTIONS: dict[str, tuple[list[OpeSubscription], list[Subscription], list[Invoice], str]] = {
    "the same": ([bought(PRO)], [billed(PRO)], [], ""),
    "the same, in another order": ([bought(PRO, ADDON)], [billed(ADDON, PRO)], [], ""),
    "the same, once a year": ([bought(PRO, interval="year")], [billed(PRO, interval="year")], [], ""),
    "nothing bought, nothing billed": ([], [], [], ""),
    "past due is in force": ([bought(PRO)], [billed(PRO, status="past_due")], [owed()], ""),
    "not paid for yet": ([bought(PRO)], [billed(PRO, status="incomplete")], [owed()], ""),
    "both ended": ([bought(PRO, status="canceled")], [billed(PRO, status="canceled")], [], ""),
    "a purchase that waits for its payment": ([bought(PRO, status="pending")], [billed(PRO, status="incomplete")], [owed()], ""),
    "bought anew after the old one": (
        [bought(PRO, key="ope_old", status="canceled", at_stripe="sub_old"), bought(PRO)],
        [billed(PRO, id="sub_old", status="canceled"), billed(PRO)],
        [],
        "",
    ),
    "taken over by another row": ([bought(PRO, key="ope_old", status="canceled"), bought(PRO)], [billed(PRO)], [], ""),
    "ended at Stripe, while it is owed for": ([bought(PRO)], [billed(PRO, status="canceled")], [owed()], ""),
    "ended at Stripe, written off and owed for": ([bought(PRO)], [billed(PRO, status="canceled")], [owed("uncollectible")], ""),
    "ended at Stripe, and paid": ([bought(PRO)], [billed(PRO, status="canceled")], [owed("paid", 0)], "ope_ada is canceled at Stripe"),
    "ended at Stripe, and void": ([bought(PRO)], [billed(PRO, status="canceled")], [owed("void")], "ope_ada is canceled at Stripe"),
    "never paid for": ([bought(PRO)], [billed(PRO, status="incomplete_expired")], [owed("void")], "ope_ada is incomplete_expired at Stripe"),
    "missing": ([bought(PRO, at_stripe="")], [], [], "ope_ada is missing at Stripe"),
    "a ghost of what was cancelled": (
        [bought(PRO, status="canceled")],
        [billed(PRO)],
        [],
        "ope_ada is canceled, and sub_ada active at Stripe",
    ),
    "a ghost of what was never confirmed": (
        [bought(PRO, status="pending")],
        [billed(PRO)],
        [],
        "ope_ada is pending, and sub_ada active at Stripe",
    ),
    "a ghost that nobody bought": ([], [billed(PRO, status="unpaid")], [], "sub_ada is unpaid at Stripe, never bought"),
    "bought once, billed twice": ([bought(PRO)], [billed(PRO), billed(PRO, id="sub_2")], [], "sub_2 is active at Stripe, never bought"),
    "bought twice, billed once": ([bought(PRO), bought(PRO, key="ope_2")], [billed(PRO)], [], "ope_2 and another stand for sub_ada"),
    "less from the next period on, and Stripe knows": ([delayed(asked=True)], [billed(PRO)], [], ""),
    "less from the next period on, and Stripe does not know yet": (
        [delayed(asked=False)],
        [billed(PRO)],
        [],
        "addon of ope_ada is missing in sub_ada",
    ),
    "more, at Stripe already and owed for": ([growing()], [billed(PRO, ADDON)], [owed()], ""),
    "more, not at Stripe yet": ([growing()], [billed(PRO)], [owed()], ""),
    "more, at Stripe already and paid for": ([growing()], [billed(PRO, ADDON)], [owed("paid", 0)], "addon of sub_ada was never bought"),
    "something else that is owed for": (
        [growing()],
        [billed(ADDON)],
        [owed()],
        "zone_plan of ope_ada is missing in sub_ada, addon of sub_ada was never bought",
    ),
    "an item too few": ([bought(PRO, ADDON)], [billed(PRO)], [], "addon of ope_ada is missing in sub_ada"),
    "an item too many": ([bought(PRO)], [billed(PRO, ADDON)], [], "addon of sub_ada was never bought"),
    "quantity": (
        [bought(ADDON)],
        [billed(msgspec.structs.replace(ADDON, quantity=1))],
        [],
        "addon quantity 1 at Stripe, 3 in OPE",
    ),
    "price": ([bought(PRO)], [billed(msgspec.structs.replace(PRO, price=2500))], [], "zone_plan price 2500 at Stripe, 2000 in OPE"),
    "interval": ([bought(PRO)], [billed(PRO, interval="year")], [], "zone_plan interval year at Stripe, month in OPE"),
}


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
def test_stripe_drift(name: str) -> None:
    in_ope, at_stripe, invoices, wrong = SUBSCRIPTIONS[name]
    book = Book("cus_ada")
    book.subscriptions = {each.id: each for each in at_stripe}
    book.invoices = {each.id: each for each in invoices}
    assert subscriptions_differ({each.key: each for each in in_ope}, book) == wrong


def test_what_stripe_never_heard_of_need_not_be_there_and_the_rest_must() -> None:
    book = Book("cus_ada")
    book.subscriptions = {each.id: each for each in [billed(PRO)]}
    rows = {each.key: each for each in [bought(PRO, ADDON)]}
    assert subscriptions_differ(rows, book, [("ope_ada", ADDON.product)]) == ""
    assert subscriptions_differ(rows, book, [("ope_ada", PRO.product)]) == "addon of ope_ada is missing in sub_ada"
    book.subscriptions = {each.id: each for each in [billed(PRO, msgspec.structs.replace(ADDON, quantity=1))]}
    assert subscriptions_differ(rows, book, [("ope_ada", ADDON.product)]) == "addon quantity 1 at Stripe, 3 in OPE", "billed after all"
    book.subscriptions = {}
    assert subscriptions_differ(rows, book, [("ope_ada", ADDON.product)]) == "ope_ada is missing at Stripe"
    assert subscriptions_differ(rows, book, [("ope_ada", "")]) == ""


@pytest.mark.parametrize(("plans", "unhealable"), [((), False), (("pro_monthly",), True)])
def test_what_has_no_price_at_stripe_at_the_beginning_is_set_apart(plans: tuple[str, ...], unhealable: bool) -> None:
    shard, copies = Shard("ada"), Copies()
    shard.stripe = Book("cus_ada")
    shard.stripe.subscriptions = {each.id: each for each in [billed(PRO)]}
    row = bought(PRO, msgspec.structs.replace(ADDON, plan="pro_monthly"))
    shard.many["ope"] = {row.key: row}
    assert copies.give_up_on_the_unpriced(shard, lambda plan: plan not in plans) is unhealable
    assert copies.unbilled == ((("ope_ada", "addon"),) if unhealable else ())


@pytest.mark.parametrize(
    ("level", "zones", "wrong"),
    [
        ("pro_monthly", {"a.example": "pro_monthly", "b.example": "pro_monthly"}, ""),
        ("free", {"a.example": "free"}, ""),
        ("none", {"a.example": "free"}, "a.example free, truth none"),
        ("pro_monthly", {"a.example": "free", "b.example": "pro_monthly"}, "a.example free, truth pro_monthly"),
        ("free", {"a.example": "pro_monthly", "b.example": "biz"}, "a.example pro_monthly, truth free, b.example biz, truth free"),
        ("free", {}, ""),
        (None, {"a.example": "pro_monthly"}, ""),
    ],
)
def test_www_drift(level: str | None, zones: dict[str, str], wrong: str) -> None:
    assert zones_differ({name: ZoneRow("ada", name, plan, version=1) for name, plan in zones.items()}, level) == wrong


@pytest.mark.parametrize(
    ("profile", "noted", "customer", "wrong"),
    [
        (("Ada", "a@example.com"), "", ("Ada", "a@example.com", "pm_1"), ""),
        (("Ada", "a@example.com"), "pm_1", ("Ada", "a@example.com", "pm_1"), ""),
        (("Ada", "a@example.com"), "", (None, None, None), ""),
        (("Ada", ""), "", ("Ada L.", None, "pm_1"), "name Ada, at Stripe Ada L."),
        (("", "a@example.com"), "", ("Ada", "b@example.com", None), "name absent, at Stripe Ada, email a@example.com, at Stripe b@example.com"),
        (("Ada", ""), "pm_1", ("Ada", "", "pm_2"), "payment method pm_1, at Stripe pm_2"),
        (("Ada", ""), "pm_1", ("Ada", "", None), "payment method pm_1, at Stripe none"),
    ],
)
def test_profile_drift(profile: tuple[str, str], noted: str, customer: tuple[Any, Any, Any], wrong: str) -> None:
    name, email, default = customer
    at_stripe = Customer(id="cus_ada", created=0, name=name, email=email, invoice_settings=InvoiceSettings(default))
    assert profile_differs(AccountRow("ada", *profile), CustomerRow("ada", "cus_ada", payment_method=noted), at_stripe) == wrong


@pytest.mark.parametrize(
    ("held", "true", "wrong"),
    [
        ({"account_type": "jdc"}, "jdc", ""),
        ({"account_type": "jdc", "their_own": "x"}, "jdc", ""),
        ({"account_type": "jdc"}, "self_serve", "customer account_type=jdc, truth self_serve"),
        ({}, "self_serve", "customer account_type=absent, truth self_serve"),
    ],
)
def test_account_type_drift(held: dict[str, str], true: str, wrong: str) -> None:
    assert account_type_differs(Customer(id="cus_ada", created=0, metadata=held), {"account_type": true}, DunningPolicy()) == wrong


def mapped(customer: str | None, *, exists: bool = True, buys: bool = True) -> Shard:
    shard = Shard("ada")
    shard.rows["subs_account"] = AccountRow("ada", version=1)
    if customer is not None:
        shard.rows["subs_customer"] = CustomerRow("ada", customer, version=1)
    shard.many["ope"] = {"ope_ada": bought(PRO)} if buys else {}
    if customer:
        shard.stripe = Book(customer)
        shard.stripe.customer = Customer(id=customer, created=0) if exists else None
    return shard


@pytest.mark.parametrize(
    ("shard", "shared", "wrong"),
    [
        (mapped("cus_ada"), False, ""),
        (mapped("cus_ada"), True, "other accounts stand on cus_ada as well"),
        (mapped("cus_ada", exists=False), False, "cus_ada is gone"),
        (mapped(""), False, "bought something, and is mapped to no customer"),
        (mapped(None), False, "bought something, and is mapped to no customer"),
        (mapped("", buys=False), False, ""),
        (mapped(None, buys=False), False, ""),
    ],
)
def test_mapping_drift(shard: Shard, shared: bool, wrong: str) -> None:
    assert mapping_wrong(shard, shared) == wrong


def test_orphaned_state() -> None:
    book = Book("cus_ada")
    book.subscriptions, book.invoices = {"sub_ada": billed(PRO)}, {"in_ada_1": owed()}
    mine, gone = bought(PRO), bought(PRO, key="ope_2", status="canceled", at_stripe="sub_gone")
    assert rows_without_referent({"ope_ada": mine}, ("in_ada_1/retrying", "in_ada_1/cancel/ope_ada"), book) == ""
    assert rows_without_referent({"ope_ada": bought(PRO, at_stripe="")}, (), book) == "", "one that Stripe was never told of is missing, not gone"
    assert rows_without_referent({"ope_ada": mine, "ope_2": gone}, (), book) == "ope_2 names sub_gone, which is gone"
    assert rows_without_referent({}, ("in_ada_2/retrying", "in_ada_2/bad_debt"), book) == "steps are noted of in_ada_2, which is gone"
    assert rows_without_referent({}, ("flags", "in_ada_1"), book) == ""


def test_orphaned_state_of_a_whole_account() -> None:
    shard = mapped("cus_ada")
    assert rows_without_account(shard) == rows_without_account(Shard("nobody")) == ""
    del shard.rows["subs_account"]
    shard.rows["subs_dunning"] = DunningRow("ada")
    assert rows_without_account(shard) == "subs_customer, subs_dunning, ope of an account that is gone"


# --- under the judge -------------------------------------------------------------------------------------------------------------------------


def in_step(scene: Scene) -> Scene:
    """A step passes, and something else is looked at with it."""
    scene.shard.authority += 1
    return scene.look()


def test_what_has_not_moved_is_not_compared_again() -> None:
    scene = Scene(HEALTHY)
    shard, copies = scene.shard, Copies()
    asked = (shard, {"account_type": "self_serve"}, {"zone_plan": "pro_monthly"}, scene.policy)
    assert copies.differ(*asked) == ("", "", "", "", "")
    shard.stripe.subscriptions["sub_ada"] = billed(ADDON)
    assert copies.differ(*asked)[0] == ""
    copies.moved = True
    assert copies.differ(*asked)[0] != ""
    assert copies.differ(shard, {"account_type": "jdc"}, {"zone_plan": "free"}, scene.policy)[1] == "", "there are no zones"


def test_a_debt_that_is_paid_after_stripe_gave_up_leaves_a_subscription_without_counterpart() -> None:
    scene = Scene("retrying/seven_of_eight").begin().after(1)
    scene.stripe("subscription", "sub_ada", status="canceled", canceled_at=scene.now // 1000).look()
    assert "stripe_drift" not in scene.codes()
    scene.after(1).pay().look()
    assert "stripe_drift" in scene.codes()


def cause_of(plant: Callable[[Scene], Any], code: str, *, begun: bool = True) -> str:
    scene = Scene(HEALTHY)
    scene.messages["e/task"] = Message("w/evt", "w", "stripe.invoice.paid", "ada", 0, None)
    if begun:
        scene.begin().after(1)
        plant(scene)
        in_step(scene)
    else:
        plant(scene)
        scene.begin()
    report = scene.after(120_000).finish()
    [drift] = [drift for drift in report.drift if drift.code == code]
    return drift.cause


def ends(by: str, task: str = "e/task") -> Callable[[Scene], Any]:
    return lambda scene: scene.stripe("subscription", "sub_ada", by=by, task=task, status="canceled")


def test_what_was_there_at_the_beginning_is_data() -> None:
    def plant(scene: Scene) -> None:
        scene.shard.stripe.subscriptions["sub_ada"] = billed(ADDON)

    assert cause_of(plant, "stripe_drift", begun=False) == "data"


def test_what_stripe_does_by_itself_is_for_a_handler_to_follow_and_what_a_person_does_there_is_not() -> None:
    assert cause_of(ends("stripe", "w/stripe"), "stripe_drift") == "missing_handler"
    assert cause_of(ends("support", "w/person"), "stripe_drift") == "manual_write"


def test_an_ope_that_nobody_follows_at_stripe_is_a_missing_handler() -> None:
    assert cause_of(lambda s: s.write("ope", "ope_ada", status="canceled"), "stripe_drift") == "missing_handler"


def test_a_handler_that_sets_one_side_alone_did_not_look_or_did_half() -> None:
    assert cause_of(ends("subscriptions_api"), "stripe_drift") == "blind_overwrite"


def test_whoever_changes_a_profile_alone_has_to_answer_for_it_and_whoever_changes_the_customer_has_not() -> None:
    assert cause_of(lambda s: named(s).write("subs_account", by="accounts_svc", name="Eve"), "profile_drift") == "blind_overwrite"
    assert cause_of(lambda s: s.stripe("customer", "cus_ada", name="Eve"), "profile_drift") == "missing_handler"
    assert cause_of(lambda s: s.write("subs_account", by="support", account_type="msp"), "account_type_drift") == "missing_handler"


def named(scene: Scene) -> Scene:
    scene.shard.stripe.customer = msgspec.structs.replace(scene.shard.stripe.customer, name="Ada")
    return scene


def test_a_merger_concerns_both_accounts_and_so_does_its_end() -> None:
    scene = Scene(HEALTHY)
    other = scene.stores.shard("bob")
    other.rows["subs_account"], other.rows["subs_customer"] = AccountRow("bob", version=1), CustomerRow("bob", "cus_bob", version=1)
    other.many["ope"] = {"ope_bob": msgspec.structs.replace(bought(PRO, key="ope_bob"), account="bob")}
    other.stripe = Book("cus_bob")
    other.stripe.customer = Customer(id="cus_bob", created=0)
    scene.stores.by_customer["cus_bob"] = ("bob",)
    scene.begin().after(1)
    book = scene.shard.stripe
    scene.shard.stripe = other.stripe
    scene.write("subs_customer", stripe_customer="cus_bob").look()
    assert scene.codes() == set(other.judged.open) == {"mapping_drift"}
    scene.after(70_000)
    scene.shard.stripe = book
    scene.write("subs_customer", stripe_customer="cus_ada").look()
    assert "mapping_drift" not in scene.codes() and "mapping_drift" not in other.judged.open


@pytest.mark.parametrize("row", ["applies/merged", "applies/no_stripe_customer"])
def test_a_mapping_that_was_wrong_from_the_beginning_is_counted_as_unhealable_and_no_drift(row: str) -> None:
    scene = Scene(row).begin().after(1)
    report = in_step(scene).finish()
    assert (report.unhealable, report.opened) == (1, 0)


def test_of_a_contract_account_no_copy_is_judged() -> None:
    scene = Scene("applies/contract_type").begin().after(1)
    scene.write("www", "ada.example", by="plan_levels", writer="www_sync", plan="x").stripe("customer", "cus_ada", gone=True).look()
    assert scene.codes() == set()
