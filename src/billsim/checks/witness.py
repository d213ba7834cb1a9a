"""What a writer went by: which rows and objects it had been shown, when, and what of that had moved on by the time it wrote.

A task tells this itself: it keeps what it was shown. A component that another one started speaks for the whole line up to the message that woke the
first of them, because what the first believed is what the last one wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from billsim.core.policy import DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.core.trace import ActionRecord, WriteRecord
from billsim.ports import AccountState, CallStripe, GatherAll, Message, Read, Scan
from billsim.stores.base import Row, Shard
from billsim.stripe.objects import Book, Charge, Customer, Invoice, PaymentIntent, Subscription

ROW, READ, LIST, EVENT = "row", "read", "list", "event"

# The fields of a store that decisions are made of; what else a row holds may move without harm.
_OF_ROWS = {
    "subs_dunning": ("status", "retry_count", "escalation_level"),
    "subs_account": ("flags", "account_type"),
    "subs_customer": ("stripe_customer", "braintree_paid"),
    "cf_prod": ("plan",),
    "ope": ("status", "items"),
}
_OF_OBJECTS = ("status", "amount_paid", "amount_remaining", "attempt_count", "next_payment_attempt", "delinquent")
_KINDS: dict[type, str] = {
    Invoice: "stripe.invoice",
    Subscription: "stripe.subscription",
    Charge: "stripe.charge",
    PaymentIntent: "stripe.payment_intent",
    Customer: "stripe.customer",
}
_KEPT_IN: dict[type, str] = {
    Invoice: "invoices",
    Subscription: "subscriptions",
    Charge: "charges",
    PaymentIntent: "payment_intents",
}
_READS = (".retrieve", ".list")


class Working(Protocol):
    """A task, as far as a witness is questioned."""

    name: str
    component: Any
    message: Message
    seen: list[tuple[Any, Any, Any]]

    def known_version(self, store: str, account: str, key: str) -> int:
        """The version of a row that it last read or wrote itself; 0 for one that was not there, -1 for one that it never looked at."""
        ...


class Moved(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Something that a writer went by and that was no longer so when it wrote.

    `via`: `row` (the row that it wrote upon), `read`, `list` (a scan) or `event` (the snapshot that woke it). `seen_ms`: of when its knowledge was.
    `fields`: (field, as the writer knew it, as it was).
    """

    via: str
    store: str
    key: str
    seen_ms: int
    fields: tuple[tuple[str, Any, Any], ...] = ()


class Testimony(NamedTuple):
    """What is known of a writer. `message` woke the first of its line, `component` and `task` are that first one's ('' where nobody is known);
    `read_ms` is when the row that was written upon had been read, None: never. `looked`: it went by something at all; see `looked`.
    """

    message: Message | None = None
    component: str = ""
    task: str = ""
    read_ms: int | None = None
    moved: tuple[Moved, ...] = ()
    looked: bool = True


NOBODY = Testimony()


class _Sighting(NamedTuple):
    via: str
    seen_ms: int
    shown: Any


def testimony(line: Sequence[Working], record: WriteRecord | ActionRecord, shard: Shard, policy: DunningPolicy) -> Testimony:
    """Question the writer of `record`, right after its step. `line`: its task, then who started that, up to the first."""
    if not line:
        return NOBODY
    first, seen = line[-1], _sightings(line, shard)
    written = (record.store, _row_key(record)) if isinstance(record, WriteRecord) else None
    upon = seen.pop(written, None) if written else None
    moved: list[Moved] = []
    if upon is not None and isinstance(record, WriteRecord) and not _is_answer_to_itself(record, upon):
        moved += _moved(upon.via if upon.via == LIST else ROW, record.store, record.key, upon, record.old, policy)
    for (store, key), sighting in seen.items():
        if not _is_own(line, shard.account, store, key, held := _held(shard, store, key)):
            moved += _moved(sighting.via, store, key, sighting, held, policy)
    moved += _of_event(first.message, record, shard.stripe, policy)
    read_ms = upon.seen_ms if upon is not None else None
    return Testimony(first.message, first.component.name, first.name, read_ms, tuple(moved), looked(line, written[0] if written else ""))


def _is_answer_to_itself(record: WriteRecord, upon: _Sighting) -> bool:
    """What Stripe has answered to the request that changed the object, in one step or in several, is no knowledge of before."""
    return record.store.startswith("stripe.") and upon.seen_ms == record.at_ms


def looked(line: Sequence[Working], store: str) -> bool:
    """Whether a line went by anything before it wrote to `store`: an event, or more than rows of that store. Whoever did not cannot have known what
    is right; True for tasks that have ended, of whom nobody knows.
    """
    if not line or line[-1].message.event is not None:
        return True
    return any(not isinstance(effect, Read) or effect.store != store for task in line for _, effect, _ in task.seen)


def current(book: Book, said: Any) -> Any:
    """The object that somebody was shown, as it stands at Stripe now; None for a kind that is not kept, or one that is gone."""
    kind = type(said)
    if kind is Customer:
        return book.customer
    kept = _KEPT_IN.get(kind)
    return getattr(book, kept).get(said.id) if kept else None


def kind_of(thing: Any) -> str:
    """The name of an object's kind as records have it, `stripe.invoice`; '' for a kind that decisions are not made of."""
    return _KINDS.get(type(thing), "")


def moved_fields(store: str, shown: Any, held: Any, policy: DunningPolicy) -> tuple[tuple[str, Any, Any], ...]:
    """(field, then, now) of what matters and is not the same; of flags only the bits that the policy governs."""
    if shown is held or shown is None or held is None:
        return ()
    found = []
    for field in _OF_ROWS.get(store, _OF_OBJECTS):
        then, now = (_governed(getattr(row, field, None), field, policy) for row in (shown, held))
        if then != now:
            found.append((field, _plain(then), _plain(now)))
    return tuple(found)


def _governed(value: Any, field: str, policy: DunningPolicy) -> Any:
    return value & (policy.bad_debt_flag | policy.no_success_flag) if field == "flags" else value


def _moved(via: str, store: str, key: str, sighting: _Sighting, held: Any, policy: DunningPolicy) -> Iterator[Moved]:
    fields = moved_fields(store, sighting.shown, held, policy)
    if fields:
        yield Moved(via, store, key, sighting.seen_ms, fields)


def _of_event(message: Message, record: WriteRecord | ActionRecord, book: Book | None, policy: DunningPolicy) -> Iterator[Moved]:
    """The event's snapshot, where its object has moved on since; that the record itself moved it does not count."""
    if message.event is None or book is None:
        return
    said = message.event.data.object
    store = kind_of(said)
    if not store:
        return
    own = isinstance(record, WriteRecord) and record.store == store and record.key == said.id
    held = record.old if own and isinstance(record, WriteRecord) else current(book, said)
    yield from _moved(EVENT, store, said.id, _Sighting(EVENT, message.event.created * SECOND_MS, said), held, policy)


# --- what a line of tasks was shown ----------------------------------------------------------------------------------------------------------


def _sightings(line: Sequence[Working], shard: Shard) -> dict[tuple[str, str], _Sighting]:
    """(store, key) -> the latest that the line was shown of each row and object of the account."""
    found: dict[tuple[str, str], _Sighting] = {}
    for task in reversed(line):
        for at, effect, answer in task.seen:
            if isinstance(effect, CallStripe):
                if not _only_looks(effect):
                    # What the writer itself did at Stripe moved whatever it moved: what it knew before is no measure of others any more.
                    found = {known: sighting for known, sighting in found.items() if not known[0].startswith("stripe.")}
                found.update(_of_call(at, answer, shard.stripe))
            elif isinstance(effect, GatherAll):
                found.update(_of_gather(at, answer) if answer.account == shard.account else {})
            elif isinstance(effect, Scan):
                found.update({(effect.store, _key(row)): _Sighting(LIST, at, row) for row in answer if row.account == shard.account})
            elif isinstance(effect, Read) and effect.account == shard.account:
                rows = answer.values() if isinstance(answer, dict) else [answer] if answer is not None else []
                found.update({(effect.store, _key(row)): _Sighting(READ, at, row) for row in rows})
    return found


def _of_call(at: int, answer: Any, book: Book | None) -> dict[tuple[str, str], _Sighting]:
    things = getattr(answer, "data", (answer,))
    return {
        (store, thing.id): _Sighting(READ, at, thing)
        for thing in things
        if (store := kind_of(thing)) and book is not None and current(book, thing) is not None
    }


def _of_gather(at: tuple[int, Mapping[str, int]], state: AccountState) -> dict[tuple[str, str], _Sighting]:
    """What did not move while the gather was under way is known as of its end."""
    ended_ms, read_at = at
    rows: list[tuple[str, Any]] = [("subs_dunning", state.dunning), ("subs_account", state.profile), ("subs_customer", state.customer)]
    rows += [("cf_prod", row) for row in state.entitlements.values()] + [("ope", row) for row in state.ope.values()]
    found = {(store, _key(row)): _Sighting(READ, read_at.get(store, ended_ms), row) for store, row in rows if row is not None}
    stripe = state.stripe
    for thing in (stripe.customer, *stripe.subscriptions.values(), *stripe.invoices.values(), *stripe.payment_intents.values()):
        if store := kind_of(thing):
            asked = "stripe.invoice" if store == "stripe.payment_intent" else store
            found[store, thing.id] = _Sighting(READ, read_at.get(asked, ended_ms), thing)
    return found


def _only_looks(call: CallStripe) -> bool:
    """The request read something, or set nothing but metadata, which is a copy."""
    return call.method.endswith(_READS) or (call.method.endswith(".update") and not call.params.keys() - {"metadata"})


def _is_own(line: Sequence[Working], account: str, store: str, key: str, held: Any) -> bool:
    """The row is as one of the line read it last, or wrote it."""
    if not isinstance(held, Row):
        return False
    return any(task.known_version(store, account, key) >= held.version for task in line)


def _held(shard: Shard, store: str, key: str) -> Any:
    """A row or object as it stands."""
    if not store.startswith("stripe."):
        return shard.many[store].get(key) if key and store in shard.many else shard.rows.get(store)
    book: Book | None = shard.stripe
    if book is None:
        return None
    kept: dict[str, Mapping[str, Any]] = {
        "stripe.invoice": book.invoices,
        "stripe.subscription": book.subscriptions,
        "stripe.charge": book.charges,
        "stripe.payment_intent": book.payment_intents,
    }
    return kept[store].get(key) if store in kept else book.customer


def _key(row: Any) -> str:
    return str(getattr(row, "key", ""))


def _row_key(record: WriteRecord) -> str:
    return record.key if record.store.startswith("stripe.") else _key(record.new if record.new is not None else record.old)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int)) else msgspec.to_builtins(value)
