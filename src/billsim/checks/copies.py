"""What an account holds twice, and whether both copies say the same.

Subscriptions of record beside Stripe's, zones beside the plan that pays for them, the profile beside the Stripe customer, the mapping beside the
customer that it names, and rows beside what they are rows of. Each function says what differs, '' for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.stores.base import Shard
from billsim.stores.ope import OpeItem, OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.www import LEVEL_OF, ZoneRow
from billsim.stripe.objects import Book, Customer, Subscription

# At Stripe, what bills or will bill again; an `incomplete` one expires by itself.
LIVE = ("trialing", "active", "past_due", "unpaid", "paused")
ENDED = ("canceled", "incomplete_expired")
# product -> (price, quantity, interval)
Terms = dict[str, tuple[int, int, str]]
# Something bought that Stripe has never heard of: (subscription of record, product; '' for all of it).
Unbilled = tuple[str, str]


# --- OPE beside Stripe -----------------------------------------------------------------------------------------------------------------------


def subscriptions_differ(bought: Mapping[str, OpeSubscription], book: Book, unbilled: Collection[Unbilled] = ()) -> str:
    """stripe_drift: what was bought is not what Stripe bills. Missing, a ghost, or another quantity, price or interval. What is
    `unbilled` need not be there.
    """
    wrong: list[str] = []
    billed: list[str] = []
    for row in bought.values():
        counterpart = book.subscriptions.get(row.stripe_subscription)
        if row.status != "active":
            if counterpart is not None and counterpart.status in LIVE and not _is_bought(bought, counterpart.id):
                wrong.append(f"{row.key} is {row.status}, and {counterpart.id} {counterpart.status} at Stripe")
        elif row.stripe_subscription in billed:
            wrong.append(f"{row.key} and another stand for {row.stripe_subscription}")
        elif counterpart is None or counterpart.status in ENDED:
            if counterpart is None and (row.key, "") in unbilled:
                continue
            if counterpart is None or not is_unpaid_for(book, counterpart.id):
                wrong.append(f"{row.key} is {'missing' if counterpart is None else counterpart.status} at Stripe")
        else:
            billed.append(counterpart.id)
            wrong += _items_differ(row, counterpart, book, unbilled)
    known = [row.stripe_subscription for row in bought.values()]
    wrong += [f"{id} is {each.status} at Stripe, never bought" for id, each in book.subscriptions.items() if each.status in LIVE and id not in known]
    return ", ".join(wrong)


def are_billed_as_bought(bought: Mapping[str, OpeSubscription], at_stripe: Mapping[str, Subscription]) -> bool:
    """Each row is in force and stands for a live subscription of its own, which bills the same items in the same order, and there is no other: then
    neither can differ from the other nor lack it. True of most accounts; False says nothing.
    """
    if len(bought) != len(at_stripe) or (len(bought) > 1 and len({row.stripe_subscription for row in bought.values()}) < len(bought)):
        return False
    for row in bought.values():
        counterpart = at_stripe.get(row.stripe_subscription)
        if counterpart is None or row.status != "active" or row.scheduled is not None or counterpart.status not in LIVE:
            return False
        items, interval = counterpart.items.data, row.interval
        if len(items) != len(row.items):
            return False
        for item, own in zip(items, row.items):  # noqa: B905
            price = item.price
            terms = price.recurring
            if price.product != own.product or price.unit_amount != own.price or item.quantity != own.quantity:
                return False
            if terms is None or terms.interval != interval:
                return False
    return True


def _is_bought(bought: Mapping[str, OpeSubscription], subscription: str) -> bool:
    """Another row, in force, stands for the subscription."""
    return any(row.status == "active" and row.stripe_subscription == subscription for row in bought.values())


def is_unpaid_for(book: Book, subscription: str) -> bool:
    """Something is owed for the subscription: dunning has not come to its end yet, and says by then what becomes of what was bought."""
    return any(
        invoice.subscription == subscription and invoice.status in ("open", "uncollectible") and invoice.amount_remaining > 0
        for invoice in book.invoices.values()
    )


def _items_differ(row: OpeSubscription, subscription: Subscription, book: Book, unbilled: Collection[Unbilled]) -> Iterator[str]:
    bought, billed = _terms(row.billed_items, row.interval), {}
    for item in subscription.items.data:
        price = item.price
        billed[price.product] = (price.unit_amount, item.quantity, price.recurring.interval if price.recurring is not None else "")
    if unbilled:
        bought = {product: terms for product, terms in bought.items() if product in billed or (row.key, product) not in unbilled}
    if bought == billed or _waits_for_payment(row, billed, book):
        return
    for product in {**bought, **billed}:
        if product not in billed:
            yield f"{product} of {row.key} is missing in {subscription.id}"
        elif product not in bought:
            yield f"{product} of {subscription.id} was never bought"
        else:
            pairs = zip(("price", "quantity", "interval"), billed[product], bought[product], strict=True)
            yield from (f"{product} {name} {at_stripe} at Stripe, {in_ope} in OPE" for name, at_stripe, in_ope in pairs if at_stripe != in_ope)


def _terms(items: Sequence[OpeItem], interval: str) -> Terms:
    return {item.product: (item.price, item.quantity, interval) for item in items}


def _waits_for_payment(row: OpeSubscription, billed: Terms, book: Book) -> bool:
    """A change that grows stands at Stripe already, and in OPE once it is paid for."""
    change = row.scheduled
    if change is None or not change.grows or billed != _terms(change.items, change.interval):
        return False
    return is_unpaid_for(book, row.stripe_subscription)


# --- www -------------------------------------------------------------------------------------------------------------------------------------


def zones_differ(zones: Mapping[str, ZoneRow], level: str | None) -> str:
    """www_drift: a zone's plan level is not the plan that the account may use (`level`, as truth has it; None: no plan for zones was ever bought,
    and what the zones have is not known).
    """
    return "" if level is None else ", ".join([f"{name} {zone.plan}, truth {level}" for name, zone in zones.items() if zone.plan != level])


# --- the Stripe customer ---------------------------------------------------------------------------------------------------------------------


def profile_differs(profile: AccountRow, mapping: CustomerRow, customer: Customer) -> str:
    """profile_drift: billing identity or payment method is not the Stripe customer's, which is the canonical one. What the customer does not say,
    and a payment method that nobody has recorded, is not compared.
    """
    default, noted = customer.invoice_settings.default_payment_method, mapping.payment_method
    wrong = []
    if customer.name is not None and profile.name != customer.name:
        wrong.append(f"name {profile.name or 'absent'}, at Stripe {customer.name}")
    if customer.email is not None and profile.email != customer.email:
        wrong.append(f"email {profile.email or 'absent'}, at Stripe {customer.email}")
    if noted and noted != default:
        wrong.append(f"payment method {noted}, at Stripe {default or 'none'}")
    return ", ".join(wrong)


def account_type_differs(customer: Customer, expected: Mapping[str, str], policy: DunningPolicy) -> str:
    """account_type_drift: the customer's metadata names another type than subs_account. `expected`: the governed keys, as truth has them."""
    key = policy.account_type_key
    held, true = customer.metadata.get(key, ""), expected.get(key, "")
    return "" if held == true else f"customer {key}={held or 'absent'}, truth {true or 'absent'}"


def mapping_wrong(shard: Shard, shared: bool) -> str:
    """mapping_drift: who has bought something is mapped to no customer, to one that is gone, or to one that others stand on as well."""
    mapping, book = shard.rows.get("subs_customer"), shard.stripe
    if mapping is None or not mapping.stripe_customer:
        return "bought something, and is mapped to no customer" if shard.many.get("ope") else ""
    if book is None or book.customer is None:
        return f"{mapping.stripe_customer} is gone"
    return f"other accounts stand on {mapping.stripe_customer} as well" if shared else ""


# --- rows of something -----------------------------------------------------------------------------------------------------------------------


def rows_without_account(shard: Shard) -> str:
    """orphaned_state: rows of an account that has no profile."""
    if "subs_account" in shard.rows:
        return ""
    left = [*shard.rows, *(store for store, rows in shard.many.items() if rows)]
    return f"{', '.join(left)} of an account that is gone" if left else ""


def rows_without_referent(bought: Mapping[str, OpeSubscription], done: Sequence[str], book: Book) -> str:
    """orphaned_state: a subscription of record whose counterpart is gone, or steps that are noted (`done`) of an invoice that is."""
    wrong = [
        f"{row.key} names {row.stripe_subscription}, which is gone"
        for row in bought.values()
        if row.stripe_subscription and row.stripe_subscription not in book.subscriptions
    ]
    debts = dict.fromkeys([key.partition("/")[0] for key in done if key.startswith("in_")])
    wrong += [f"steps are noted of {debt}, which is gone" for debt in debts if debt not in book.invoices]
    return ", ".join(wrong)


Differences = tuple[str, str, str, str, str]
ALIKE: Differences = ("", "", "", "", "")


class Copies:
    """What differs between an account's copies (`found`, as `differ` says it), compared anew only where one of the two has moved.

    Rows are never changed in place, so that a row that is the same one has not moved; who changes a subscription says so by `moved`.
    `accepted` holds what no engine can heal, by code, from the very beginning, and `unbilled` what it cannot have billed.
    """

    __slots__ = ("moved", "accepted", "unbilled", "_ope", "_done", "_zones", "_level", "_profile", "_mapping", "_customer", "found")

    def __init__(self) -> None:
        self.moved = True
        self.accepted: dict[str, str] = {}
        self.unbilled: tuple[Unbilled, ...] = ()
        self._ope: Any = None
        self._done: Any = None
        self._zones: Any = None
        self._level: Any = None
        self._profile: Any = None
        self._mapping: Any = None
        self._customer: Any = None
        self.found = ALIKE

    def give_up_on_the_unpriced(self, shard: Shard, has_price: Callable[[str], bool]) -> bool:
        """Set apart what was bought on plans that have no price at Stripe, and that is not billed there; True if there is any."""
        book: Book = shard.stripe
        for row in (shard.many.get("ope") or {}).values():
            counterpart = book.subscriptions.get(row.stripe_subscription)
            held = counterpart.items.data if counterpart is not None else ()
            if len(held) >= len(row.items):
                continue
            billed = [item.price.product for item in held]
            self.unbilled += tuple([(row.key, item.product) for item in row.items if item.product not in billed and not has_price(item.plan)])
        return bool(self.unbilled)

    def give_up_on_the_unknown(self, shard: Shard) -> None:
        """Set apart the subscriptions of record of an account that Stripe does not know: it will not know them either, should it come to know the
        account.
        """
        self.unbilled = tuple([(row.key, "") for row in (shard.many.get("ope") or {}).values() if not row.stripe_subscription])

    def differ(self, shard: Shard, metadata: Mapping[str, str], plans: Mapping[str, str], policy: DunningPolicy) -> Differences:
        """What differs of (subscriptions, zones, profile, account type, referents). `metadata`, `plans`: as truth has them."""
        rows, many, book = shard.rows, shard.many, shard.stripe
        dunning, ope, zones, level = rows.get("subs_dunning"), many.get("ope"), many.get("www"), plans.get(LEVEL_OF)
        done = () if dunning is None else dunning.done
        profile, mapping, customer = rows["subs_account"], rows["subs_customer"], book.customer
        subscriptions, zones_wrong, profile_wrong, type_wrong, orphans = self.found
        if self.moved or ope is not self._ope or done is not self._done or mapping is not self._mapping:
            if not done and are_billed_as_bought(ope or {}, book.subscriptions):
                subscriptions, orphans, self.moved = "", "", False
            else:
                subscriptions, orphans = subscriptions_differ(ope or {}, book, self.unbilled), rows_without_referent(ope or {}, done, book)
                # Of what has ended and is owed for, invoices decide: it is looked at every time.
                self.moved = any([each.status in ENDED for each in book.subscriptions.values()])
        if zones is not self._zones or level != self._level:
            zones_wrong = zones_differ(zones or {}, level)
        if profile is not self._profile or mapping is not self._mapping or customer is not self._customer:
            profile_wrong, type_wrong = profile_differs(profile, mapping, customer), account_type_differs(customer, metadata, policy)
        self._ope, self._done, self._zones, self._level = ope, done, zones, level
        self._profile, self._mapping, self._customer = profile, mapping, customer
        self.found = (subscriptions, zones_wrong, profile_wrong, type_wrong, orphans)
        return self.found
