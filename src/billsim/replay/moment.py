"""A moment of a recorded run: what every store held of one account then, beside what truth says, with the differences marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from billsim.checks.truth import Expected, truth
from billsim.core.choices import NotOnTapeError
from billsim.core.platform import Platform
from billsim.core.policy import DunningPolicy
from billsim.replay.tape import Recorded, read
from billsim.run import look_at
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.rows import instant_of
from billsim.stores.base import Shard
from billsim.stores.cf_prod import FREE
from billsim.world import World

_ONE = ("subs_dunning", "subs_account", "subs_customer")
_MANY = ("ope", "cf_prod", "www")


class Cell(NamedTuple):
    """A field as it is held, beside truth where truth says anything of it (`judged`)."""

    store: str
    key: str
    field: str
    held: Any
    truth: Any = None
    judged: bool = False

    @property
    def differs(self) -> bool:
        """Truth says otherwise."""
        return self.judged and self.held != self.truth


class Moment(NamedTuple):
    """`disagreements`: {code, since_ms, detail, drift} of what is open; `missing`: consequences called for and not done. `on_the_way`: messages and
    handlers of the account under way, `due_ms` its delayed messages. `off_tape`: questions that the tape did not answer, under another engine.
    """

    recorded: Recorded
    engine: str
    account: str
    at_ms: int
    applies: bool
    cells: list[Cell]
    missing: list[str]
    disagreements: list[dict[str, Any]]
    on_the_way: int
    due_ms: list[int]
    off_tape: int = 0

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of `replay --until --show`."""
        rows = [{**cell._asdict(), "differs": cell.differs} for cell in self.cells]
        about = {"scenario": self.recorded.scenario.id, "seed": self.recorded.seed, "engine": self.engine, "account": self.account, "at": self.at_ms}
        open_now = {"missing": self.missing, "disagreements": self.disagreements, "on_the_way": self.on_the_way, "due_ms": self.due_ms}
        return {**about, "judged": self.applies, "rows": rows, **open_now, "off_tape": self.off_tape}


def moment(
    path: Path, at_ms: int, account: str, *, engine: str | None = None, strict: bool = False, platform: Platform | None = None
) -> Moment:
    """Run the recorded run again up to and including `at_ms`, and look at one account.

    Raises InputError for an unknown account, an instant outside the run, and a folder that is no complete run.
    """
    recorded = read(path)
    how = {"seed": recorded.seed, "engine": engine or recorded.engine, "strict": strict, "platform": platform or recorded.platform}
    try:
        seen, off_tape = look_at(recorded.scenario, at_ms, lambda world: _look(world, account), tape=recorded.answers, **how)  # type: ignore[arg-type]
    except NotOnTapeError as error:
        raise InputError(f"the world asked what is not on the tape: {error}", str(path), key="--strict") from None
    if isinstance(seen, str):
        raise InputError(f"no account '{account}' in this run", str(path), key="--show", hint=seen)
    parts: tuple[Any, ...] = (*seen, off_tape)
    return Moment(recorded, engine or recorded.engine, account, at_ms, *parts)


def instant(text: str) -> int:
    """Milliseconds since the epoch of a date and time, in UTC where it names no zone. Raises InputError."""
    try:
        return instant_of(text)
    except ValueError as error:
        raise InputError(str(error), key="--until") from None


def _look(world: World, account: str) -> Any:
    """The parts of a Moment that are the world's; the nearest name ('' for none) where there is no such account."""
    shard = world.stores.get(account)
    if shard is None:
        return nearest(account, world.stores.names) or ""
    now_ms, mapping = world.kernel.now, shard.one("subs_customer")
    shared = mapping is not None and len(world.accounts_of(mapping.stripe_customer)) > 1
    expected = truth(shard, world.policy, now_ms, shared)
    cells = list(_cells(shard, expected, world.policy))
    missing = [due.key for due in expected.consequences]
    return expected.applies, cells, missing, _disagreements(shard), shard.pending, sorted(shard.timers)


def _disagreements(shard: Shard) -> list[dict[str, Any]]:
    watch = shard.judged
    intervals = watch.open.values() if watch is not None else ()
    return [{"code": each.code, "since_ms": each.opened_ms, "detail": each.detail, "drift": each.drifted} for each in intervals]


# --- the rows ---------------------------------------------------------------------------------------------------------------------------------


def _cells(shard: Shard, expected: Expected, policy: DunningPolicy) -> Iterator[Cell]:
    """Every field of every store; the derived ones beside truth, where truth applies to the account."""
    for store in _ONE:
        row = shard.one(store)
        for field, held in _fields(row):
            yield from _split_flags(held, expected, policy) if field == "flags" else [_derived(store, field, held, expected)]
        if row is None:
            yield Cell(store, "", "(no row)", None)
    for store in _MANY:
        rows = shard.all(store)
        for key in dict.fromkeys((*rows, *(expected.entitlements if store == "cf_prod" and expected.applies else ()))):
            if store == "cf_prod" and expected.applies:
                yield Cell(store, key, "plan", rows[key].plan if key in rows else FREE, expected.entitlements.get(key, FREE), True)
            else:
                yield from (Cell(store, key, field, held) for field, held in _fields(rows[key]))
    yield from _ledger(shard)
    yield from _metadata(shard, expected, policy)
    yield from _at_stripe(shard)


def _fields(row: Any) -> Iterator[tuple[str, Any]]:
    if row is not None:
        yield from ((name, msgspec.to_builtins(getattr(row, name))) for name in row.__struct_fields__ if name not in ("account", "key"))


def _derived(store: str, field: str, held: Any, expected: Expected) -> Cell:
    if store == "subs_dunning" and expected.applies and field in ("status", "retry_count", "escalation_level"):
        return Cell(store, "", field, held, getattr(expected, field), True)
    return Cell(store, "", field, held)


def _split_flags(flags: int, expected: Expected, policy: DunningPolicy) -> Iterator[Cell]:
    """The bits that the policy governs one by one, the rest as a number."""
    for name, bit, true in (
        ("flags.bad_debt", policy.bad_debt_flag, expected.bad_debt),
        ("flags.no_successful_payment", policy.no_success_flag, expected.no_successful_payment),
    ):
        yield Cell("subs_account", "", name, bool(flags & bit), true, True) if expected.applies else Cell("subs_account", "", name, bool(flags & bit))
    yield Cell("subs_account", "", "flags.others", flags & ~(policy.bad_debt_flag | policy.no_success_flag))


def _ledger(shard: Shard) -> Iterator[Cell]:
    """The last entry of each object, beside the object at Stripe."""
    last: dict[str, Any] = {}
    for row in shard.all("billing_prod").values():
        if row.object_id not in last or row.sequence >= last[row.object_id].sequence:
            last[row.object_id] = row
    book = shard.stripe
    known = {**book.invoices, **book.charges} if book is not None else {}
    for id in dict.fromkeys((*known, *last)):
        thing, row = known.get(id), last.get(id)
        if row is None and thing is not None and thing.status in ("draft", "pending"):
            continue
        yield Cell("billing_prod", id, "status", row.status if row is not None else None, thing.status if thing is not None else None, True)


def _metadata(shard: Shard, expected: Expected, policy: DunningPolicy) -> Iterator[Cell]:
    book = shard.stripe
    if book is None or book.customer is None:
        return
    of_customer = (policy.bad_debt_key, policy.bad_debt_since_key, policy.no_success_key, policy.account_type_key)
    yield from _keys(book.id, book.customer.metadata, expected.metadata, of_customer, expected.applies)
    for id, invoice in book.invoices.items():
        true = expected.invoice_metadata.get(id, {})
        if true or invoice.metadata:
            yield from _keys(id, invoice.metadata, true, (policy.bad_debt_key, policy.bad_debt_amount_key), expected.applies)


def _keys(id: str, held: Mapping[str, str], true: Mapping[str, str], governed: tuple[str, ...], judged: bool) -> Iterator[Cell]:
    for key in dict.fromkeys((*held, *governed)):
        of_truth = judged and key in governed
        if held.get(key) or (of_truth and true.get(key)):
            yield Cell("stripe_metadata", id, key, held.get(key) or None, (true.get(key) or None) if of_truth else None, of_truth)


def _at_stripe(shard: Shard) -> Iterator[Cell]:
    """The authority on money, in its few fields that decide."""
    book = shard.stripe
    for id, subscription in book.subscriptions.items() if book is not None else ():
        yield Cell("stripe.subscription", id, "status", subscription.status)
    for id, invoice in book.invoices.items() if book is not None else ():
        for field in ("status", "amount_remaining", "attempt_count", "next_payment_attempt"):
            yield Cell("stripe.invoice", id, field, getattr(invoice, field))
