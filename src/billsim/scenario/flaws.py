"""Accounts of a population whose data were wrong before anything began: mapped to no customer or to somebody else's, with nothing to pay with, or
with something bought that Stripe has no price for. They are placed as told accounts are, and nobody puts them right.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from billsim.core.choices import Choices, Options
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS
from billsim.scenario import given
from billsim.scenario.given import Backstage, Truth
from billsim.scenario.plan import Flaws, GivenAccount, Population, Scenario
from billsim.scenario.population_data import people
from billsim.stores.base import Stores
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeItem
from billsim.stripe.objects import InvoiceSettings

NONE, MERGED, NO_CUSTOMER, NO_PAYMENT_METHOD, MISSING_PRICE = range(5)
# Minor units an interval of what was entered by hand: assumed.
HANDMADE = 700
# Subscriptions began so long ago that they renew within the month, each on another day.
YOUNGEST_DAYS, SPREAD_DAYS = 31, 28

Named = Callable[[Population, int], str]


def place_flawed(
    scenario: Scenario, population: Population, stores: Stores, stripe: Backstage, choices: Choices, policy: DunningPolicy, truth: Truth, named: Named
) -> None:
    """Place the accounts of a population whose data are wrong; nothing is asked where there are to be none."""
    flaws = population.flaws
    if flaws is None:
        return
    table, found = _table(flaws), dict[str, int]()
    accounts = []
    for number in range(1, population.accounts + 1):
        account = named(population, number)
        flaw = choices.ask(f"w/population/{account}/flaw", table)
        if flaw != NONE and account not in stores.names:
            found[account] = flaw
            accounts.append(_given(scenario, population, account, flaw, number, named))
    given.place(replace(scenario, given=tuple(accounts)), stores, stripe, policy, truth)
    for account, flaw in found.items():
        if flaw == NO_PAYMENT_METHOD:
            _detach(account, stripe)
        elif flaw == MISSING_PRICE:
            _sell_by_hand(account, stores)


def _table(flaws: Flaws) -> Options:
    shares = {MERGED: flaws.merged, NO_CUSTOMER: flaws.no_customer, NO_PAYMENT_METHOD: flaws.no_payment_method, MISSING_PRICE: flaws.missing_price}
    return Options("flaw", {NONE: 1000 - sum(shares.values()), **shares})


def _given(scenario: Scenario, population: Population, account: str, flaw: int, number: int, named: Named) -> GivenAccount:
    """The account as a story would tell it. Who is merged stands on the customer of the account before, the first one on that of the second."""
    if population.people:
        plan, price = next((plan, share.price) for plan, share in people(population.people).plans.items() if share.interval == "month")
    else:
        plan, price = next(iter(population.plans.items()))
    beside = named(population, number - 1 if number > 1 else 2)
    return GivenAccount(
        account=account,
        plan=plan,
        price=price,
        currency=population.currency,
        started=scenario.start - (YOUNGEST_DAYS + number % SPREAD_DAYS) * DAY_MS,
        stripe_customer=flaw not in (MERGED, NO_CUSTOMER),
        rows={"subs_customer": {"stripe_customer": f"cus_{beside}"}} if flaw == MERGED else {},
    )


def _detach(account: str, stripe: Backstage) -> None:
    book = stripe.books[f"cus_{account}"]
    if book.customer is not None:
        stripe.seed(replace(book.customer, invoice_settings=InvoiceSettings()))
    stripe.seed(*[replace(method, customer=None) for method in book.payment_methods.values()])


def _sell_by_hand(account: str, stores: Stores) -> None:
    """An item of the subscription of record, which is used and not billed."""
    shard = stores.shard(account)
    item = OpeItem(f"extra-{account}", f"extra_{account}", HANDMADE)
    shard.many["ope"] = {key: replace(row, items=(*row.items, item)) for key, row in shard.many["ope"].items()}
    shard.many["cf_prod"] = {**shard.many["cf_prod"], item.product: EntitlementRow(account, item.product, item.plan, version=1)}
