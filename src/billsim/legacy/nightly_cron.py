"""Path 3: the nightly dunning job. It reads its list once, walks it for as long as that takes, and writes what was true when it started."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from billsim.core.policy import BAD_DEBT, DELINQUENT, DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.legacy.instruments import grace_ms
from billsim.legacy.steps import Case, call_bad_debt, complete_case, is_contract, write_dunning
from billsim.ports import Act, CallStripe, Effect, Message, Scan, Sleep, Start, Steps
from billsim.stores.cf_prod import NONE
from billsim.stores.subs_dunning import DunningRow
from billsim.stripe.objects import Invoice

NAME = "nightly_cron"
PACE_MS = 2 * SECOND_MS
BANNED = 4
OWED = ("open", "uncollectible")
# The most that one page of Stripe's list holds; the old job never asked for a second one.
PAGE = 100


class NightlyCron:
    """The component. `since_ms` of a delinquent row is when its invoice was exhausted, of a bad one when it turned bad."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """Escalate every account whose time had come when the job started, one by one, at a pace."""
        rows: tuple[DunningRow, ...] = yield Scan("subs_dunning", {"status": (DELINQUENT, BAD_DEBT)})
        for row in rows:
            yield Sleep(PACE_MS)
            yield from self._walk(row, message.at_ms)

    def _walk(self, row: DunningRow, started_ms: int) -> Steps:
        if row.status == DELINQUENT and row.since_ms + min(self._policy.grace_ms.values()) <= started_ms:
            yield from self._bad_debt(row, started_ms)
        elif row.status == BAD_DEBT and row.escalation_level < BANNED and row.since_ms + self._policy.ban_after_ms <= started_ms:
            yield from self._ban(row)

    def _bad_debt(self, row: DunningRow, started_ms: int) -> Steps:
        case: Case = yield from complete_case(row.account, row)
        if is_contract(case, self._policy) or not case.customer.stripe_customer:
            return
        invoices: tuple[Invoice, ...] = yield from _invoices(case)
        owed = [invoice for invoice in invoices if invoice.status in OWED]
        chased = _chased(invoices)
        bad_ms = row.since_ms + (yield from grace_ms(case, chased, self._policy))
        if bad_ms <= started_ms:
            yield from call_bad_debt(case, self._policy, owed, _id(chased), bad_ms, row.retry_count)

    def _ban(self, row: DunningRow) -> Steps:
        case: Case = yield from complete_case(row.account, row)
        if is_contract(case, self._policy) or not case.customer.stripe_customer:
            return
        invoices: tuple[Invoice, ...] = yield from _invoices(case)
        debt = _id(_chased(invoices))
        columns = {"status": row.status, "retry_count": row.retry_count, "escalation_level": BANNED, "since_ms": row.since_ms}
        yield from write_dunning(case, columns, f"{debt}/ban")
        yield Act("ban", row.account, debt, BAD_DEBT)
        yield Start("entitlements", row.account, "domain.dunning", {"plan": NONE})


def _invoices(case: Case) -> Generator[Effect, Any, tuple[Invoice, ...]]:
    """Answer: the customer's invoices, newest first."""
    found = yield CallStripe("invoices.list", case.account, "", {"customer": case.customer.stripe_customer, "limit": PAGE})
    return tuple(found.data)


def _chased(invoices: tuple[Invoice, ...]) -> Invoice | None:
    """The oldest that is owed; who owes nothing is chased all the same, about the newest."""
    owed = [invoice for invoice in invoices if invoice.status in OWED]
    if owed:
        return min(owed, key=lambda invoice: (invoice.created, invoice.id))
    return invoices[0] if invoices else None


def _id(debt: Invoice | None) -> str:
    return "none" if debt is None else debt.id
