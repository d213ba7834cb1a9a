"""Ten faults to plant, one for each cause of drift, each by a mechanism of its own: a component that reads, waits and writes, an event that is held,
an engine that does not hear, a person who writes.

A fault is planted on accounts at a site. Several may be planted in one world, on different accounts or on the same ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING, DunningPolicy
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.engine.recompute import Recompute
from billsim.ports import CallStripe, CompareAndSet, Component, Message, Read, Scan, Sleep, Steps, Write
from billsim.scenario.plan import GivenAccount, GivenInvoice, TimelineRow
from billsim.stores.subs_account import EMAIL_VERIFIED, MARKETING_OPT_IN

START_MS = 1_774_000_000_000 // DAY_MS * DAY_MS
FAILED = "invoice.payment_failed"
# How the accounts of a site stand when the world begins.
BAD, RETRIED, EXHAUSTED, BY_PAYPAL, TWO_DEBTS, NO_DEBT = "bad", "retried", "exhausted", "by_paypal", "two_debts", "no_debt"
# Whoever pays by PayPal has a fortnight.
POLICY = DunningPolicy(grace_ms={"default": 7 * DAY_MS, "paypal": 14 * DAY_MS})


@dataclass
class Site:
    """Where faults are planted: accounts that all stand as `base` says. `struck`: an instant at which something has struck an account already."""

    dice: random.Random
    names: Sequence[str]
    base: str
    struck: dict[str, int] = field(default_factory=dict)

    def instant(self, account: str) -> int:
        """When the next fault strikes: on its own, or close to an earlier one."""
        at = START_MS + self.dice.randint(60, 20 * 60) * MINUTE_MS + self.dice.randint(0, 59_999)
        if account in self.struck and self.dice.random() < 0.7:
            at = max(START_MS + HOUR_MS, self.struck[account] + self.dice.randint(-90, 90) * SECOND_MS)
        self.struck[account] = at
        return at


class Planted(NamedTuple):
    """What a fault brings: rows of the timeline, components put in or replaced, who else hears of a kind of message (`hears`) and which of the
    engine's own do not (`deaf`), requests, what is done by hand, and rows that were wrong from the beginning.

    `opens`: the components that it opens drift by; none where its drift is that truth moves and nobody, or half of somebody, follows.
    """

    timeline: Sequence[TimelineRow] = ()
    components: Sequence[Component] = ()
    hears: Mapping[str, tuple[str, ...]] = {}
    deaf: Mapping[str, tuple[str, ...]] = {}
    requests: Sequence[tuple[int, str, str]] = ()
    by_hand: Sequence[tuple[int, str, str, dict[str, Any]]] = ()
    rows: Mapping[str, dict[str, dict[str, Any]]] = {}
    opens: tuple[str, ...] = ()


Plant = Callable[[Site], Planted]


def given(site: Site, account: str) -> GivenAccount:
    """An account as the site has it."""
    dice = site.dice
    price = dice.randrange(500, 20_000, 100)
    if site.base == NO_DEBT:
        return GivenAccount(account=account, price=price)
    if site.base == RETRIED:
        return GivenAccount(account=account, price=price, failed_attempts=dice.randint(2, 6))
    if site.base == TWO_DEBTS:
        newer = GivenInvoice(invoice=f"{account}_2", failed_attempts=1, last_attempt=START_MS - 12 * HOUR_MS)
        return GivenAccount(account=account, price=price, card="good", invoices=(_exhausted(account, 3 * DAY_MS), newer))
    days = {BAD: dice.randint(8, 20), EXHAUSTED: dice.choice([3, 6]), BY_PAYPAL: dice.randint(8, 11)}[site.base]
    invoice = _exhausted(account, days * DAY_MS - dice.randint(0, 12) * HOUR_MS)
    by_paypal: dict[str, Any] = {"instrument": "paypal", "rows": {"subs_customer": {"vault": "braintree"}}} if site.base == BY_PAYPAL else {}
    return GivenAccount(account=account, price=price, card="good", invoices=(invoice,), paid_before=dice.random() < 0.7, **by_paypal)


def _exhausted(account: str, ago_ms: int) -> GivenInvoice:
    return GivenInvoice(invoice=f"{account}_1", failed_attempts=8, last_attempt=START_MS - ago_ms)


def _pays(at: int, account: str, invoice: int = 1) -> TimelineRow:
    return TimelineRow(at=at, by=account, do="pay", params={"invoice": f"{account}_{invoice}", "via": "hosted"})


# --- the faults -------------------------------------------------------------------------------------------------------------------------------


def lost_update(site: Site) -> Planted:
    """A page is opened, the customer pays, the page is saved with the flags that it had loaded."""
    away_ms = site.dice.randint(20, 300) * SECOND_MS

    def save(message: Message) -> Steps:
        page = yield Read("subs_account", message.account)
        yield Sleep(away_ms)
        yield Write("subs_account", message.account, {"flags": page.flags | MARKETING_OPT_IN})

    opened = {account: site.instant(account) for account in site.names}
    pays = [_pays(at + away_ms // 4, account) for account, at in opened.items()]
    requests = [(at, "request.page", account) for account, at in opened.items()]
    return Planted(pays, [Component("page", "facade", save)], {"request.page": ("page",)}, requests=requests, opens=("page",))


def stale_read(site: Site) -> Planted:
    """A job decides by a list, or by what Stripe said, and writes after the customer has paid."""
    slow_ms = site.dice.randint(20, 300) * SECOND_MS
    lists = site.dice.random() < 0.5

    def collect(message: Message) -> Steps:
        if lists:
            listed = yield Scan("subs_dunning", {"status": (DELINQUENT,)})
            if all(row.account != message.account for row in listed):
                return
        else:
            yield CallStripe("invoices.retrieve", message.account, f"in_{message.account}_1")
        yield Sleep(slow_ms)
        yield Write("subs_dunning", message.account, {"status": BAD_DEBT, "retry_count": 8, "escalation_level": 3})
        profile = yield Read("subs_account", message.account)
        yield Write("subs_account", message.account, {"flags": profile.flags | POLICY.bad_debt_flag})

    begun = {account: site.instant(account) for account in site.names}
    kind = site.dice.choice(["request.collect", "cron.collect"])
    requests = [(at, kind, account) for account, at in begun.items()]
    pays = [_pays(at + slow_ms // 4, account) for account, at in begun.items()]
    return Planted(pays, [Component("collector", "engine", collect)], {kind: ("collector",)}, requests=requests, opens=("collector",))


def stale_event(site: Site) -> Planted:
    """The event of the last failure is held until the customer has paid; a handler believes its snapshot."""

    def believe(message: Message) -> Steps:
        said = message.event.data.object
        yield Sleep(5 * SECOND_MS)
        status = RETRYING if said.next_payment_attempt else DELINQUENT
        level = 1 if status == RETRYING else 2
        yield Write("subs_dunning", message.account, {"status": status, "retry_count": said.attempt_count, "escalation_level": level})

    rows = []
    for account in site.names:
        at = site.instant(account)
        # Within the lag budget, so that the event is late for its handler, and nothing drifts for want of it before.
        rows += [
            TimelineRow(at=at - HOUR_MS, by="pipe", do="hold", params={"event": FAILED, "account": account}),
            TimelineRow(at=at, by="stripe", do="charge", params={"invoice": f"{account}_1", "result": "declined"}),
            TimelineRow(at=at + 5 * SECOND_MS, by=account, do="update_card"),
            _pays(at + 10 * SECOND_MS, account),
            TimelineRow(at=at + site.dice.randint(25, 50) * SECOND_MS, by="pipe", do="release", params={"event": FAILED, "account": account}),
        ]
    return Planted(rows, [Component("believer", "engine", believe)], {f"stripe.{FAILED}": ("believer",)}, opens=("believer",))


def blind_overwrite(site: Site) -> Planted:
    """A form saves the flags that it knows of, or a handler calls whoever pays one of two invoices healthy."""

    def save(message: Message) -> Steps:
        yield Write("subs_account", message.account, {"flags": EMAIL_VERIFIED | MARKETING_OPT_IN})

    def clear(message: Message) -> Steps:
        yield Sleep(5 * SECOND_MS)
        yield Write("subs_dunning", message.account, {"status": HEALTHY, "retry_count": 0, "escalation_level": 0})

    if site.base == TWO_DEBTS:
        pays = [_pays(site.instant(account), account, 2) for account in site.names]
        return Planted(pays, [Component("clearing", "engine", clear)], {"stripe.invoice.paid": ("clearing",)}, opens=("clearing",))
    requests = [(site.instant(account), "request.form", account) for account in site.names]
    return Planted((), [Component("form", "facade", save)], {"request.form": ("form",)}, requests=requests, opens=("form",))


def partial_apply(site: Site) -> Planted:
    """The brain dies before its second store, or forgets Stripe's metadata."""
    brain = Recompute(POLICY).components["dunning_brain"]
    dies = site.dice.random() < 0.5

    def dying(message: Message) -> Steps:
        if message.account in site.names:
            return (yield from _tampered(brain.handle(message), _die_at_the_flags if dies else _forget_metadata))
        return (yield from brain.handle(message))

    return Planted([_pays(site.instant(account), account) for account in site.names], [Component(brain.name, brain.writer, dying)])


class Forgotten(Exception):
    """The effect is not performed, and its component is told that it was."""


def _die_at_the_flags(effect: Any) -> None:
    if isinstance(effect, CompareAndSet) and effect.store == "subs_account":
        raise RuntimeError("out of memory")


def _forget_metadata(effect: Any) -> None:
    if isinstance(effect, CallStripe) and "metadata" in effect.params:
        raise Forgotten


def _tampered(steps: Steps, tamper: Callable[[Any], None]) -> Steps:
    """Run a component, with a hand on each of its effects."""
    answer: Any = None
    try:
        while True:
            effect = steps.send(answer)
            try:
                tamper(effect)
            except Forgotten:
                answer = None
                continue
            answer = yield effect
    except StopIteration:
        return


def missing_handler(site: Site) -> Planted:
    """Nobody hears that an invoice was voided or paid, or that a grace is over."""
    own = ("dunning_brain", "invoicing")
    if site.base == EXHAUSTED:
        return Planted(deaf={"boundary": own})
    if site.dice.random() < 0.5:
        kinds = ("invoice.paid", "charge.succeeded", "invoice.updated", "customer.subscription.updated")
        return Planted([_pays(site.instant(account), account) for account in site.names], deaf={f"stripe.{kind}": own for kind in kinds})
    voids = [TimelineRow(at=site.instant(account), by="support", do="void", params={"invoice": f"{account}_1"}) for account in site.names]
    return Planted(voids, deaf={"stripe.invoice.voided": own, "stripe.invoice.updated": own})


def duplicate(site: Site) -> Planted:
    """A handler counts deliveries, and one failed charge is told of twice."""

    def count(message: Message) -> Steps:
        row = yield Read("subs_dunning", message.account)
        yield Write("subs_dunning", message.account, {"status": RETRYING, "retry_count": row.retry_count + 1, "escalation_level": 1})

    rows = []
    for account in site.names:
        at = site.instant(account)
        rows.append(TimelineRow(at=at - MINUTE_MS, by="pipe", do="duplicate", params={"event": "charge.failed", "account": account}))
        rows.append(TimelineRow(at=at, by="stripe", do="charge", params={"invoice": f"{account}_1", "result": "declined"}))
    deaf = {f"stripe.{FAILED}": ("dunning_brain",)}
    return Planted(rows, [Component("counter", "engine", count)], {"stripe.charge.failed": ("counter",)}, deaf, opens=("counter",))


def wrong_path(site: Site) -> Planted:
    """Whoever pays by PayPal has a fortnight; the card path knows of a week."""

    def dun(message: Message) -> Steps:
        found = yield CallStripe("invoices.retrieve", message.account, f"in_{message.account}_1")
        row = yield Read("subs_dunning", message.account)
        if found.status != "open" or row.status != DELINQUENT or row.since_ms + POLICY.grace_of("card") > message.at_ms:
            return
        profile = yield Read("subs_account", message.account)
        yield Write("subs_dunning", message.account, {"status": BAD_DEBT, "escalation_level": 3})
        yield Write("subs_account", message.account, {"flags": profile.flags | POLICY.bad_debt_flag})
        yield CallStripe("customers.update", message.account, found.customer, {"metadata": {POLICY.bad_debt_key: "true"}})

    kind = site.dice.choice(["request.dun", "cron.dun"])
    requests = [(site.instant(account), kind, account) for account in site.names]
    return Planted((), [Component("card_dunning", "engine", dun)], {kind: ("card_dunning",)}, requests=requests, opens=("card_dunning",))


def manual_write(site: Site) -> Planted:
    """Support sets a flag or a status by hand."""
    by_hand: list[tuple[int, str, str, dict[str, Any]]] = []
    for account in site.names:
        store, fields = site.dice.choice([(store, fields) for row in _wrong(site) for store, fields in row.items() if store != "stripe_metadata"])
        by_hand.append((site.instant(account), store, account, fields))
    return Planted(by_hand=by_hand, opens=("support",))


def data(site: Site) -> Planted:
    """The rows were wrong from the beginning."""
    return Planted(rows={account: site.dice.choice(_wrong(site)) for account in site.names})


def _wrong(site: Site) -> list[dict[str, dict[str, Any]]]:
    """Rows that are wrong for accounts that stand as the site's do."""
    if site.base == BAD:
        return [{"subs_account": {"flags": EMAIL_VERIFIED}}, {"subs_dunning": {"status": HEALTHY}}, {"stripe_metadata": {POLICY.bad_debt_key: ""}}]
    return [
        {"subs_account": {"flags": POLICY.bad_debt_flag}},
        {"subs_dunning": {"status": BAD_DEBT, "escalation_level": 3}},
        {"stripe_metadata": {POLICY.bad_debt_key: "true"}},
        {"subs_account": {"flags": POLICY.no_success_flag}},
    ]


PLANTS: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        lost_update,
        stale_read,
        stale_event,
        blind_overwrite,
        partial_apply,
        missing_handler,
        duplicate,
        wrong_path,
        manual_write,
        data,
    )
}
# Where each can be planted; the first is where it is planted alone, or both in turn.
BASES: dict[str, tuple[str, ...]] = {
    "lost_update": (BAD,),
    "stale_read": (EXHAUSTED, BY_PAYPAL),
    "stale_event": (RETRIED,),
    "blind_overwrite": (BAD, TWO_DEBTS),
    "partial_apply": (BAD,),
    "missing_handler": (BAD, EXHAUSTED),
    "duplicate": (RETRIED,),
    "wrong_path": (BY_PAYPAL,),
    "manual_write": (BAD, RETRIED, EXHAUSTED, BY_PAYPAL, TWO_DEBTS),
    "data": (NO_DEBT, BAD, RETRIED, EXHAUSTED, BY_PAYPAL, TWO_DEBTS),
}
