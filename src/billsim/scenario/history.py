"""What a given account's past was: when its subscription began, which invoices it has had, and when each was tried, by the retry schedule."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from billsim.core.time import DAY_S, add_months, day_of_month
from billsim.scenario.backstory import HOUR_S, PastInvoice, period_at
from billsim.scenario.plan import GivenAccount, GivenInvoice
from billsim.stripe.settings import StripeSettings

_DEFAULT_AGE_S = 40 * DAY_S
_NEVER_STARTED = ("incomplete", "incomplete_expired")
_ENDED = ("canceled", "incomplete_expired")


class History(NamedTuple):
    """A subscription's past; instants are unix seconds. `invoices` are in the order of their numbers."""

    started: int
    period: tuple[int, int]
    invoices: tuple[PastInvoice, ...]
    status: str
    ended: int | None


def history_of(account: GivenAccount, settings: StripeSettings, start: int) -> History:
    """The past of an account whose story begins at `start` (unix seconds)."""
    told = _told(account, start)
    past = _dated([_past(account, invoice, settings, start) for invoice in told], told, settings)
    started = _started(account, past, start)
    invoices = (_before(account, past, started, start), *past)
    status, ended = _status(account, invoices, settings, start)
    if ended is not None:
        invoices = tuple(replace(invoice, next_attempt=None) for invoice in invoices)
    anchor_to = max(start, invoices[-1].created)
    return History(started, period_at(started, anchor_to), invoices, status, ended)


def number_of(invoice: GivenInvoice) -> int:
    """The ordinal in an invoice's name."""
    return int(invoice.invoice.rpartition("_")[2])


def _told(account: GivenAccount, start: int) -> tuple[GivenInvoice, ...]:
    """The given invoices; `failed_attempts` of the account, or a subscription that never started, stand for one."""
    if account.invoices:
        return account.invoices
    name = f"{account.account}_1"
    if account.subscription == "incomplete_expired":
        return (GivenInvoice(invoice=name, status="void", failed_attempts=max(1, account.failed_attempts), last_attempt=(start - DAY_S) * 1000),)
    failed = max(1, account.failed_attempts) if account.subscription == "incomplete" else account.failed_attempts
    return (GivenInvoice(invoice=name, failed_attempts=failed),) if failed else ()


def _past(account: GivenAccount, invoice: GivenInvoice, settings: StripeSettings, start: int) -> PastInvoice:
    """An invoice, dated from its last attempt backwards."""
    settled = invoice.status != "open"
    last = invoice.last_attempt // 1000 if invoice.last_attempt is not None else start - (2 * HOUR_S if settled else HOUR_S)
    days = (0, *settings.retry_days)
    first = last - days[max(invoice.failed_attempts - 1, 0)] * DAY_S
    never_started = account.subscription in _NEVER_STARTED
    return PastInvoice(
        n=number_of(invoice),
        status=invoice.status,
        amount=account.price if invoice.amount is None else invoice.amount,
        created=first if never_started else first - settings.finalize_after_minutes * 60,
        finalized=first,
        failed=tuple(first + day * DAY_S for day in days[: invoice.failed_attempts]),
        settled=_settled(invoice, last, start),
        next_attempt=None if never_started else _next_attempt(invoice, settings, first, start),
        reason="subscription_create" if never_started else "subscription_cycle",
        lost_card=account.card == "lost",
    )


def _settled(invoice: GivenInvoice, last: int, start: int) -> int | None:
    if invoice.status == "open":
        return None
    return last if invoice.status == "uncollectible" or not invoice.failed_attempts else min(last + HOUR_S, start)


def _next_attempt(invoice: GivenInvoice, settings: StripeSettings, first: int, start: int) -> int | None:
    """When the schedule tries again: an open invoice that was not tried yet falls due an hour after the start."""
    if invoice.status != "open" or invoice.failed_attempts >= settings.max_attempts:
        return None
    return first + settings.retry_days[invoice.failed_attempts - 1] * DAY_S if invoice.failed_attempts else start + HOUR_S


def _dated(past: list[PastInvoice], told: tuple[GivenInvoice, ...], settings: StripeSettings) -> tuple[PastInvoice, ...]:
    """Invoices in the order of their numbers, months apart where their dates are not told and nothing more is going to happen to them."""
    for index in range(len(past) - 2, -1, -1):
        invoice, after = past[index], past[index + 1]
        if told[index].last_attempt is None and invoice.next_attempt is None:
            created = add_months(after.created, invoice.n - after.n, day_of_month(after.created))
            past[index] = _moved(invoice, created - invoice.created)
        elif invoice.created >= after.created:
            past[index] = replace(invoice, created=after.created - HOUR_S)
    return tuple(past)


def _moved(invoice: PastInvoice, by: int) -> PastInvoice:
    return replace(
        invoice,
        created=invoice.created + by,
        finalized=invoice.finalized + by,
        failed=tuple(at + by for at in invoice.failed),
        settled=None if invoice.settled is None else invoice.settled + by,
    )


def _started(account: GivenAccount, past: tuple[PastInvoice, ...], start: int) -> int:
    if account.started is not None:
        return account.started // 1000
    if not past:
        return start - _DEFAULT_AGE_S
    first = past[0]
    if account.subscription in _NEVER_STARTED:
        return first.created
    return add_months(first.created, -first.n, day_of_month(first.created))


def _before(account: GivenAccount, past: tuple[PastInvoice, ...], started: int, start: int) -> PastInvoice:
    """Invoice 0, the last that was paid before the others: for nothing where no charge has succeeded yet (a free first period)."""
    amount = account.price if account.paid_before else 0
    if account.subscription in _NEVER_STARTED:
        bought = started - 10 * DAY_S
        return PastInvoice(0, "paid", amount, bought, bought, settled=bought, reason="manual")
    created = started if past else period_at(started, start)[0]
    reason = "subscription_create" if created == started else "subscription_cycle"
    finalized = created if created == started else min(created + HOUR_S, start)
    return PastInvoice(0, "paid", amount, created, finalized, settled=finalized, reason=reason)


def _status(account: GivenAccount, invoices: tuple[PastInvoice, ...], settings: StripeSettings, start: int) -> tuple[str, int | None]:
    """Stripe's status of the subscription, and when it ended: what the latest invoice implies, unless it is told."""
    latest = invoices[-1]
    status, at = account.subscription, start
    if status is None:
        unpaid = latest.status in ("open", "uncollectible") and bool(latest.failed)
        used_up = len(latest.failed) >= settings.max_attempts or latest.status == "uncollectible"
        final = {"cancel": "canceled", "mark_unpaid": "unpaid", "leave_past_due": "past_due"}[settings.final_subscription]
        status, at = ("active" if not unpaid else final if used_up else "past_due"), max(latest.failed, default=start)
    return status, at if status in _ENDED else None
