"""How well the cause of a drift is told: `python -m benchmarks.causes [SEEDS]` injects known causes and prints the confusion matrix.

Each cause is injected by a mechanism of its own into a world whose engine otherwise converges: a component that reads, waits and writes, an event
that is held, an engine that does not hear, a person who writes. What the judge tells is compared with what was injected.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from billsim.checks.cause import CAUSES
from billsim.core.choices import Seeded
from billsim.core.policy import BAD_DEBT, DELINQUENT, HEALTHY, RETRYING, DunningPolicy
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.core.trace import DriftRecord, Trace
from billsim.engine.recompute import Recompute
from billsim.ports import CallStripe, CompareAndSet, Component, Message, Read, Scan, Sleep, Steps, Write
from billsim.scenario.plan import GivenAccount, GivenInvoice, Scenario, TimelineRow
from billsim.stores.subs_account import EMAIL_VERIFIED, MARKETING_OPT_IN
from billsim.world import World

START_MS = 1_774_000_000_000 // DAY_MS * DAY_MS
ACCOUNTS = 6
SEEDS = 10

Plant = Callable[[random.Random, DunningPolicy], "Planted"]


class Planted(NamedTuple):
    """A world with a fault in it: what is given and happens, which components are put in or replaced, who hears what, and what is done by hand."""

    given: Sequence[GivenAccount]
    timeline: Sequence[TimelineRow] = ()
    components: Sequence[Component] = ()
    wakes: Mapping[str, tuple[str, ...]] = {}
    requests: Sequence[tuple[int, str, str]] = ()
    by_hand: Sequence[tuple[int, str, str, dict[str, Any]]] = ()
    days: int = 2
    policy: DunningPolicy = DunningPolicy()


class Faulty:
    """`recompute` with components put in or replaced, and with other ears for some kinds of message."""

    name = "faulty"

    def __init__(self, planted: Planted) -> None:
        base = Recompute(planted.policy)
        self._base, self._wakes = base, planted.wakes
        self.components: Mapping[str, Component] = {**base.components, **{each.name: each for each in planted.components}}

    def wakes(self, message: Message) -> Sequence[str]:
        """Who hears of a message."""
        return self._wakes.get(message.kind, ()) if message.kind in self._wakes else self._base.wakes(message)


def drifts(planted: Planted, seed: int) -> list[DriftRecord]:
    """Every drift of a planted world, from its storm to its end."""
    until = START_MS + planted.days * DAY_MS
    timeline = tuple(sorted((*planted.timeline, *_noise(planted, random.Random(f"noise {seed}"))), key=lambda row: row.at))
    scenario = Scenario(id="causes", start=START_MS, until=until, given=tuple(planted.given), timeline=timeline)
    found: list[DriftRecord] = []
    trace = Trace()
    trace.sinks.append(lambda batch: found.extend(record for record in batch if record[0] == "drift"))
    world = World(scenario, Faulty(planted), Seeded(seed), trace, planted.policy, bodies=False)
    for at_ms, kind, account in planted.requests:
        world.kernel.call_at(at_ms, 0, lambda each: world.request(each[0], each[1], f"{each[0]}.{each[1]}", {}), (kind, account))
    for at_ms, store, account, fields in planted.by_hand:
        row = ("support", "engine", f"e/hand/{account}", store, account, None, fields)
        world.kernel.call_at(at_ms, 0, lambda each: world.put(*each), row)
    while not world.run_until(until, 100_000):
        pass
    world.stop_faults()
    world.redrive()
    world.run_until(until + 6 * HOUR_MS, 1_000_000)
    world.drain()
    world.judge.finish(world.kernel.now)
    trace.flush()
    return found


def _noise(planted: Planted, dice: random.Random) -> Iterator[TimelineRow]:
    """Customers change a setting of theirs now and then, often while the fault strikes: the profile moves, and the brain is woken."""
    struck = [row.at for row in planted.timeline] + [each[0] for each in planted.requests] + [each[0] for each in planted.by_hand]
    for given in planted.given:
        for _ in range(dice.randint(0, 3)):
            near = dice.choice(struck) + dice.randint(-60, 240) * SECOND_MS if struck and dice.random() < 0.7 else _instant(dice)
            params = {"flag": dice.choice(["marketing_opt_in", "email_verified"]), "on": dice.random() < 0.5}
            yield TimelineRow(at=near, by=given.account, do="set_flag", params=params)


# --- accounts ---------------------------------------------------------------------------------------------------------------------------------


def _names() -> list[str]:
    return [f"a{n}" for n in range(ACCOUNTS)]


def _in_bad_debt(dice: random.Random, account: str, **more: Any) -> GivenAccount:
    last = START_MS - dice.randint(8, 20) * DAY_MS + dice.randint(0, 23) * HOUR_MS
    invoice = GivenInvoice(invoice=f"{account}_1", failed_attempts=8, last_attempt=last)
    return GivenAccount(account=account, price=dice.randrange(500, 20_000, 100), card="good", invoices=(invoice,), **more)


def _exhausted(dice: random.Random, account: str, days: int, **more: Any) -> GivenAccount:
    invoice = GivenInvoice(invoice=f"{account}_1", failed_attempts=8, last_attempt=START_MS - days * DAY_MS + dice.randint(0, 12) * HOUR_MS)
    return GivenAccount(account=account, price=dice.randrange(500, 20_000, 100), card="good", invoices=(invoice,), **more)


def _instant(dice: random.Random) -> int:
    return START_MS + dice.randint(60, 20 * 60) * MINUTE_MS + dice.randint(0, 59_999)


def _pays(at: int, account: str, invoice: int = 1) -> TimelineRow:
    return TimelineRow(at=at, by=account, do="pay", params={"invoice": f"{account}_{invoice}", "via": "hosted"})


# --- the causes -------------------------------------------------------------------------------------------------------------------------------


def lost_update(dice: random.Random, policy: DunningPolicy) -> Planted:
    """A page is opened, the customer pays, the page is saved with the flags that it had loaded."""
    names = _names()
    away_ms = dice.randint(20, 300) * SECOND_MS

    def save(message: Message) -> Steps:
        page = yield Read("subs_account", message.account)
        yield Sleep(away_ms)
        yield Write("subs_account", message.account, {"flags": page.flags | MARKETING_OPT_IN})

    opened = {account: _instant(dice) for account in names}
    given = [_in_bad_debt(dice, account, paid_before=bool(n % 2)) for n, account in enumerate(names)]
    pays = [_pays(opened[account] + away_ms // 4, account) for account in names]
    requests = [(at, "request.save", account) for account, at in opened.items()]
    return Planted(given, pays, [Component("page", "facade", save)], {"request.save": ("page",)}, requests)


def stale_read(dice: random.Random, policy: DunningPolicy) -> Planted:
    """A job decides by a list, or by what Stripe said, and writes after the customer has paid."""
    names = _names()
    slow_ms = dice.randint(20, 300) * SECOND_MS
    lists = dice.random() < 0.5

    def collect(message: Message) -> Steps:
        if lists:
            yield Scan("subs_dunning", {"status": (DELINQUENT,)})
        else:
            yield CallStripe("invoices.retrieve", message.account, f"in_{message.account}_1")
        yield Sleep(slow_ms)
        yield Write("subs_dunning", message.account, {"status": BAD_DEBT, "retry_count": 8, "escalation_level": 3})
        profile = yield Read("subs_account", message.account)
        yield Write("subs_account", message.account, {"flags": profile.flags | policy.bad_debt_flag})

    begun = {account: _instant(dice) for account in names}
    given = [_exhausted(dice, account, 3) for account in names]
    kind = dice.choice(["request.collect", "cron.collect"])
    requests = [(at, kind, account) for account, at in begun.items()]
    pays = [_pays(at + slow_ms // 4, account) for account, at in begun.items()]
    return Planted(given, pays, [Component("collector", "engine", collect)], {kind: ("collector",)}, requests)


def stale_event(dice: random.Random, policy: DunningPolicy) -> Planted:
    """The event of the last failure is held until the customer has paid; a handler believes its snapshot."""
    names = _names()

    def believe(message: Message) -> Steps:
        said = message.event.data.object
        yield Sleep(5 * SECOND_MS)
        status = RETRYING if said.next_payment_attempt else DELINQUENT
        level = 1 if status == RETRYING else 2
        yield Write("subs_dunning", message.account, {"status": status, "retry_count": said.attempt_count, "escalation_level": level})

    failed = "invoice.payment_failed"
    rows = []
    for account in names:
        at = _instant(dice)
        # Within the lag budget, so that the event is late for its handler, and nothing drifts for want of it before.
        rows += [
            TimelineRow(at=at - HOUR_MS, by="pipe", do="hold", params={"event": failed, "account": account}),
            TimelineRow(at=at, by="stripe", do="charge", params={"invoice": f"{account}_1", "result": "declined"}),
            TimelineRow(at=at + 5 * SECOND_MS, by=account, do="update_card"),
            _pays(at + 10 * SECOND_MS, account),
            TimelineRow(at=at + dice.randint(25, 50) * SECOND_MS, by="pipe", do="release", params={"event": failed, "account": account}),
        ]
    given = [GivenAccount(account=account, price=dice.randrange(500, 20_000, 100), failed_attempts=dice.randint(2, 7)) for account in names]
    wakes = {f"stripe.{failed}": ("dunning_brain", "invoicing", "believer")}
    return Planted(given, rows, [Component("believer", "engine", believe)], wakes)


def blind_overwrite(dice: random.Random, policy: DunningPolicy) -> Planted:
    """A form saves the flags that it knows of, or a handler calls whoever pays one of two invoices healthy."""
    names = _names()

    def save(message: Message) -> Steps:
        yield Write("subs_account", message.account, {"flags": EMAIL_VERIFIED | MARKETING_OPT_IN})

    def clear(message: Message) -> Steps:
        yield Sleep(5 * SECOND_MS)
        yield Write("subs_dunning", message.account, {"status": HEALTHY, "retry_count": 0, "escalation_level": 0})

    components = [Component("form", "facade", save), Component("clearing", "engine", clear)]
    if dice.random() < 0.5:
        requests = [(_instant(dice), "request.save", account) for account in names]
        return Planted([_in_bad_debt(dice, account) for account in names], (), components, {"request.save": ("form",)}, requests)
    given = []
    for account in names:
        older = GivenInvoice(invoice=f"{account}_1", failed_attempts=8, last_attempt=START_MS - 3 * DAY_MS)
        newer = GivenInvoice(invoice=f"{account}_2", failed_attempts=1, last_attempt=START_MS - 12 * HOUR_MS)
        given.append(GivenAccount(account=account, card="good", invoices=(older, newer)))
    wakes = {"stripe.invoice.paid": ("dunning_brain", "invoicing", "clearing")}
    return Planted(given, [_pays(_instant(dice), account, 2) for account in names], components, wakes)


def partial_apply(dice: random.Random, policy: DunningPolicy) -> Planted:
    """The brain dies before its second store, or forgets Stripe's metadata."""
    names = _names()
    brain = Recompute(policy).components["dunning_brain"]
    dies = dice.random() < 0.5

    def dying(message: Message) -> Steps:
        yield from _tampered(brain.handle(message), _die_at_the_flags if dies else _forget_metadata)

    given = [_in_bad_debt(dice, account) for account in names]
    return Planted(given, [_pays(_instant(dice), account) for account in names], [Component(brain.name, brain.writer, dying)])


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


def missing_handler(dice: random.Random, policy: DunningPolicy) -> Planted:
    """Nobody hears that an invoice was voided or paid, or that a grace is over."""
    names = _names()
    deaf_to = dice.choice(["voided", "paid", "boundary"])
    if deaf_to == "boundary":
        return Planted([_exhausted(dice, account, 6) for account in names], wakes={"boundary": ()}, days=3)
    given = [_in_bad_debt(dice, account) for account in names]
    if deaf_to == "paid":
        wakes = {f"stripe.{kind}": () for kind in ("invoice.paid", "charge.succeeded", "invoice.updated", "customer.subscription.updated")}
        return Planted(given, [_pays(_instant(dice), account) for account in names], wakes=wakes)
    voids = [TimelineRow(at=_instant(dice), by="support", do="void", params={"invoice": f"{account}_1"}) for account in names]
    return Planted(given, voids, wakes={"stripe.invoice.voided": (), "stripe.invoice.updated": ()})


def duplicate(dice: random.Random, policy: DunningPolicy) -> Planted:
    """A handler counts deliveries, and one failure is delivered twice."""
    names = _names()

    def count(message: Message) -> Steps:
        row = yield Read("subs_dunning", message.account)
        yield Write("subs_dunning", message.account, {"status": RETRYING, "retry_count": row.retry_count + 1, "escalation_level": 1})

    failed = "invoice.payment_failed"
    rows = []
    for account in names:
        at = _instant(dice)
        rows.append(TimelineRow(at=at - MINUTE_MS, by="pipe", do="duplicate", params={"event": failed, "account": account}))
        rows.append(TimelineRow(at=at, by="stripe", do="charge", params={"invoice": f"{account}_1", "result": "declined"}))
    given = [GivenAccount(account=account, price=dice.randrange(500, 20_000, 100), failed_attempts=dice.randint(1, 6)) for account in names]
    return Planted(given, rows, [Component("counter", "engine", count)], {f"stripe.{failed}": ("counter", "invoicing")})


def wrong_path(dice: random.Random, policy: DunningPolicy) -> Planted:
    """Whoever pays by PayPal has a fortnight; the card path knows of a week."""
    names = _names()
    own = DunningPolicy(grace_ms={"default": 7 * DAY_MS, "paypal": 14 * DAY_MS})

    def dun(message: Message) -> Steps:
        found = yield CallStripe("invoices.retrieve", message.account, f"in_{message.account}_1")
        row = yield Read("subs_dunning", message.account)
        if found.status != "open" or row.status != DELINQUENT or row.since_ms + own.grace_of("card") > message.at_ms:
            return
        profile = yield Read("subs_account", message.account)
        yield Write("subs_dunning", message.account, {"status": BAD_DEBT, "escalation_level": 3})
        yield Write("subs_account", message.account, {"flags": profile.flags | own.bad_debt_flag})
        yield CallStripe("customers.update", message.account, found.customer, {"metadata": {own.bad_debt_key: "true"}})

    given = [_exhausted(dice, account, dice.randint(8, 11), instrument="paypal") for account in names]
    kind = dice.choice(["request.dun", "cron.dun"])
    requests = [(_instant(dice), kind, account) for account in names]
    return Planted(given, (), [Component("card_dunning", "engine", dun)], {kind: ("card_dunning",)}, requests, policy=own)


def manual_write(dice: random.Random, policy: DunningPolicy) -> Planted:
    """Support sets a flag or a status by hand."""
    names = _names()
    wrong: list[tuple[str, dict[str, Any]]] = [("subs_account", {"flags": EMAIL_VERIFIED}), ("subs_dunning", {"status": HEALTHY})]
    by_hand: list[tuple[int, str, str, dict[str, Any]]] = []
    for account in names:
        store, fields = dice.choice(wrong)
        by_hand.append((_instant(dice), store, account, fields))
    return Planted([_in_bad_debt(dice, account) for account in names], by_hand=by_hand)


def data(dice: random.Random, policy: DunningPolicy) -> Planted:
    """The rows were wrong from the beginning."""
    wrong: list[dict[str, dict[str, Any]]] = [
        {"subs_account": {"flags": policy.bad_debt_flag}},
        {"subs_dunning": {"status": BAD_DEBT, "escalation_level": 3}},
        {"stripe_metadata": {policy.bad_debt_key: "true"}},
        {"subs_account": {"flags": policy.no_success_flag}},
    ]
    return Planted([GivenAccount(account=account, rows=dice.choice(wrong)) for account in _names()])


INJECTED: dict[str, Plant] = {
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
Matrix = Counter[tuple[str, str]]


def graded(seeds: int) -> Iterator[tuple[str, int, DriftRecord]]:
    """(injected cause, seed, drift) of every drift that the planted worlds of these many seeds show."""
    for cause, plant in INJECTED.items():
        for seed in range(seeds):
            for drift in drifts(plant(random.Random(f"{cause} {seed}"), DunningPolicy()), seed):
                yield cause, seed, drift


def on_the_diagonal(matrix: Matrix) -> float:
    """The share of drifts whose cause was told as it was injected, from 0 to 1."""
    return sum(count for (injected, told), count in matrix.items() if injected == told) / max(1, sum(matrix.values()))


def table(matrix: Matrix) -> str:
    """The confusion matrix: a line for each injected cause, a column for each cause told."""
    width = max(map(len, CAUSES))
    columns = [cause for cause in CAUSES if any(matrix[injected, cause] for injected in INJECTED)]
    lines = ["injected \\ told".ljust(width) + "".join(f"  {cause}" for cause in columns)]
    for injected in INJECTED:
        lines.append(injected.ljust(width) + "".join(f"  {matrix[injected, told] or '.':>{len(told)}}" for told in columns))
    return "\n".join(lines)


def main(seeds: str = str(SEEDS)) -> None:
    """Print the matrix and its diagonal."""
    matrix: Matrix = Counter((cause, drift.cause) for cause, _, drift in graded(int(seeds)))
    print(table(matrix))
    print(f"{sum(matrix.values())} drifts, {100 * on_the_diagonal(matrix):.1f} % on the diagonal")


if __name__ == "__main__":
    main(*sys.argv[1:])
