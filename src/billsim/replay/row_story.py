"""The scenario that starts from store rows: its moment, its accounts, which stores are reconstructed, and what a person should know of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, SECOND_MS, iso
from billsim.replay.columns import Told
from billsim.replay.naming import Notes
from billsim.scenario.errors import InputError
from billsim.scenario.imported import ImportedEvent
from billsim.scenario.plan import GivenAccount, Scenario
from billsim.scenario.reconstruct import Seed
from billsim.scenario.rows import AUDIT, STORES, Rows, instant_of
from billsim.scenario.vocabulary import EVENT_TYPES
from billsim.stripe.objects import Invoice


def moment_of(told: Sequence[Told], at: str) -> int:
    """The moment of the rows, in milliseconds: `at`, or the newest time in them. Raises InputError."""
    if at:
        try:
            return instant_of(at)
        except ValueError as error:
            raise InputError(str(error), key="--at") from None
    times = [row.at_ms for row in told if row.at_ms is not None]
    times += [row.fields["since_ms"] for row in told if "since_ms" in row.fields]
    if not times:
        raise InputError("no row says when it was written: say --at TIME, the moment that the rows are of", told[0].file)
    return max(times)


def from_rows(scenario: Scenario, file: str, rows: Rows, events: Sequence[ImportedEvent], seeded: Seed, moment_ms: int) -> Scenario:
    """The scenario of the events, begun at the rows' moment, with the accounts that only rows name."""
    known = {account.account: account for account in scenario.given}
    prices: dict[str, tuple[int, str]] = {}
    names = sorted({*known, *rows.accounts, *(attempt.account for attempt in rows.audit)})
    new = {found.customer for found in seeded.objects if isinstance(found, Invoice) and found.billing_reason == "subscription_create"}
    given = [_given(known.get(name), name, rows, prices, moment_ms, paid_before=f"cus_{name}" not in new) for name in names]
    missing = tuple(store for store in STORES if store not in rows.stores)
    last = max([moment_ms, *(event.at_ms for event in events), *(attempt.at_ms for attempt in rows.audit)])
    return replace(scenario, given=tuple(given), start=moment_ms, until=last + DAY_MS, rows=file, reconstructed=missing)


def _given(
    known: GivenAccount | None, name: str, rows: Rows, prices: dict[str, tuple[int, str]], moment_ms: int, *, paid_before: bool
) -> GivenAccount:
    """An account as far as a scenario tells it; it has paid before, unless its first invoice is among the events or its profile says otherwise."""
    account = known or GivenAccount(account=name)
    profile = next(iter(rows.of(name, "subs_account")), {})
    account = replace(account, paid_before=paid_before and not profile.get("flags", 0) & DunningPolicy().no_success_flag)
    if profile.get("account_type"):
        account = replace(account, account_type=profile["account_type"])
    if profile.get("country"):
        account = replace(account, country=profile["country"])
    if account.started is not None and account.started >= moment_ms:
        account = replace(account, started=None)
    mapped = rows.of(name, "subs_customer")
    if rows.tells(name, "subs_customer") and (not mapped or mapped[0].get("stripe_customer") != f"cus_{name}"):
        account = replace(account, stripe_customer=False)
    bought = next((row for row in rows.of(name, "ope") if row.get("status", "active") == "active"), None)
    entry = next(iter(rows.of(name, "billing_prod")), {})
    currency = entry.get("currency", account.currency)
    if bought is not None and known is None:
        account = replace(account, plan=bought["plan"], price=bought["price"], currency=currency)
    price, currency = prices.setdefault(account.plan, (account.price, account.currency))
    return replace(account, price=price, currency=currency)


def remark_rows(notes: Notes, scenario: Scenario, told: Sequence[Told], events: Sequence[ImportedEvent]) -> None:
    """What was reconstructed, what is history by the moment, and what the audit holds."""
    where = scenario.rows or ""
    notes.add("moment", where, 0, f"the world starts from these rows at {iso(scenario.start)}")
    if scenario.reconstructed:
        stores = ", ".join(scenario.reconstructed)
        notes.add("reconstructed stores", where, 0, f"no rows of {stores}: reconstructed from truth, so no drift of theirs is given")
    if events:
        past = sum(event.at_ms <= scenario.start for event in events)
        followed = len(events) - past
        notes.add("history", where, 0, f"{past} events up to that moment are history and tell what Stripe held; {followed} follow")
        news = [event for event in events if event.at_ms > scenario.start and event.type in EVENT_TYPES]
        late = sum(event.created * SECOND_MS <= scenario.start for event in news)
        if late:
            notes.add("late", where, 0, f"{late} of those that follow were made before the moment: they arrive late")
    attempts = [row for row in told if row.store == AUDIT]
    if attempts:
        failed = Counter(bool(row.fields["failed"]) for row in attempts)[True]
        notes.add("audit", attempts[0].file, 0, f"{len(attempts)} attempts to mend accounts, {failed} of them failed: table `remediation` of a run")
