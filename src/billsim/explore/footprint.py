"""What a waiting step reads and writes: two steps that do not meet may be taken in either order, and one order of them will do.

A delivery and an answer on its way back only set a task going, which touches nothing before its next effect is performed: such a step
commutes with everything. What is not known to be less is taken to touch everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeGuard

from billsim.core.at_least_once import Parcel
from billsim.core.kernel import Wake
from billsim.ports import Act, CallStripe, CompareAndSet, GatherAll, Read, Transact, Write
from billsim.runtime.gather import branches
from billsim.runtime.task import Answered, Task
from billsim.stripe.objects import Emitted

_NOTHING: frozenset[str] = frozenset()
_STRIPE = ("stripe.customer", "stripe.subscription", "stripe.invoice")
# What acts are judged by, which moves with the authorities and with what was done; and the acts themselves.
_TRUTH, _ACTIONS = "truth", "actions"
# Stores whose rows are authorities, or hold one among their fields.
_MOVES_TRUTH: dict[str, tuple[str, ...]] = {"ope": (), "subs_customer": (), "subs_account": ("account_type",)}
_READS = (".retrieve", ".list")
# Of what Stripe holds, metadata is nobody's authority.
_METADATA = {"customers.update": "stripe.customer", "invoices.update": "stripe.invoice"}


class Footprint(NamedTuple):
    """`account` is '' for a step that may touch any; `reads` and `writes` are stores, Stripe's by request of a gather, or `*` for all."""

    account: str
    reads: frozenset[str]
    writes: frozenset[str]


_RESOLVING = Footprint("", frozenset({"subs_customer"}), frozenset())
EVERYTHING = Footprint("", frozenset({"*"}), frozenset({"*"}))


def may_be_now(wake: Wake, now_ms: int) -> bool:
    """Whether nothing but latency keeps the wake from happening now, `now_ms` being the instant at which things race.

    How long a webhook takes is two answers, Stripe's POST and the delivery that it leads to, and neither is more than an order.
    """
    if not wake.label:
        return False
    return wake.due_ms - wake.open_ms <= now_ms or (_is_webhook(wake) and wake.attempt == 1)


def _is_webhook(wake: Wake) -> TypeGuard[Parcel]:
    return isinstance(wake, Parcel) and isinstance(wake.item, Emitted)


def is_free(wake: Wake, now_ms: int, *, resolves: bool = False) -> bool:
    """Whether the wake's step touches nothing, `now_ms` being the instant at which things race. `resolves`: whose a customer is may move, and a
    webhook goes by that.
    """
    if not may_be_now(wake, now_ms):
        return False
    if isinstance(wake, Task):
        return isinstance(wake.effect, Answered)
    if resolves and _is_webhook(wake):
        return False
    # A copy is dropped once the other has been finished: which of them is handled is open.
    return isinstance(wake, Parcel) and "/d" not in wake.name


def footprint(wake: Wake, now_ms: int) -> Footprint:
    """What the wake's step, which is not free, will touch; everything where it takes the clock along to an instant of its own."""
    if not may_be_now(wake, now_ms):
        return EVERYTHING
    if not isinstance(wake, Task):
        return _RESOLVING if _is_webhook(wake) and "/d" not in wake.name else EVERYTHING
    find = _EFFECTS.get(type(wake.effect))
    return find(wake.effect) if find is not None else EVERYTHING


def independent(one: Footprint, other: Footprint) -> bool:
    """Whether the two steps lead to the same world in either order."""
    if one.account != other.account and one.account and other.account:
        return True
    return not (_meet(one.writes, other.writes) or _meet(one.writes, other.reads) or _meet(one.reads, other.writes))


def gather(account: str, parts: tuple[str, ...]) -> Footprint:
    """What a gather reads from its begin to its end."""
    return Footprint(account, _read_by(parts), _NOTHING)


def _meet(some: frozenset[str], others: frozenset[str]) -> bool:
    if not some or not others:
        return False
    return "*" in some or "*" in others or not some.isdisjoint(others)


_parts_read: dict[tuple[str, ...], frozenset[str]] = {}


def _read_by(parts: tuple[str, ...]) -> frozenset[str]:
    known = _parts_read.get(parts)
    if known is None:
        known = _parts_read[parts] = frozenset(branches(parts).reads)
    return known


def _of_read(effect: Read) -> Footprint:
    return Footprint(effect.account, frozenset({effect.store}), _NOTHING)


def _of_gather(effect: GatherAll) -> Footprint:
    return gather(effect.account, effect.parts)


def _of_write(effect: Write | CompareAndSet) -> Footprint:
    return _of_fields(effect.account, effect.store, effect.fields)


def _of_transaction(effect: Transact) -> Footprint:
    if any(change.account != effect.account for change in effect.changes):
        return EVERYTHING
    return _of_fields(effect.account, effect.store, {field: None for change in effect.changes for field in change.fields})


def _of_fields(account: str, store: str, fields: dict[str, Any]) -> Footprint:
    telling = _MOVES_TRUTH.get(store)
    moves_truth = telling is not None and (not telling or any(field in fields for field in telling))
    touched = frozenset({store, _TRUTH}) if moves_truth else frozenset({store})
    return Footprint(account, touched, touched)


def _of_call(effect: CallStripe) -> Footprint:
    if effect.method.endswith(_READS):
        return Footprint(effect.account, frozenset(_STRIPE), _NOTHING)
    own = _METADATA.get(effect.method) if list(effect.params) == ["metadata"] else None
    touched = frozenset({own}) if own else frozenset({*_STRIPE, _TRUTH})
    return Footprint(effect.account, touched, touched)


def _of_act(effect: Act) -> Footprint:
    touched = frozenset({_ACTIONS, _TRUTH})
    return Footprint(effect.account, touched, touched)


_EFFECTS: dict[type, Callable[[Any], Footprint]] = {
    Read: _of_read,
    GatherAll: _of_gather,
    Write: _of_write,
    CompareAndSet: _of_write,
    Transact: _of_transaction,
    CallStripe: _of_call,
    Act: _of_act,
}
