"""The laws that an engine which recomputes keeps on a story, and one that counts what it hears breaks.

idempotent         a further request to recompute, at any end, writes nothing
order_invariant    ends with equal authorities have equal derived fields
duplicate_invariant the same, with every delivery made twice
split_invariant    the same, with all events held and let go together
minimal_diff       a handler writes only what is not as it was last shown, and no field twice without having looked again
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.platform import Platform
from billsim.core.time import HOUR_MS
from billsim.core.trace import ActionRecord, Record, WriteRecord
from billsim.explore.orders import End, Explored, Path, Search
from billsim.explore.rewind import Said, Tape
from billsim.explore.stage import Make, Story
from billsim.faults.base import Dial
from billsim.pipe.handler_registry import HANDLERS
from billsim.ports import AccountState, CallStripe, CompareAndSet, Read, Transact, Write
from billsim.run import SHIPPED
from billsim.scenario.plan import Scenario
from billsim.world import World

MOST_ENDS = 40
# How much of the story with every delivery doubled, or all together, is searched: the permutations of its rows, and no more than so many branches.
MOST_RUNS = 300
_ALWAYS = 1_000_000
# When something happened, which is no state to be compared with.
_INSTANTS = frozenset({"since_ms"})
_FIELDS = {
    "subs_dunning": "dunning",
    "subs_account": "profile",
    "subs_customer": "customer",
    "billing_prod": "ledger",
    "cf_prod": "entitlements",
    "ope": "ope",
    "www": "zones",
}


class Law(NamedTuple):
    """`holds` None: there was nothing to try it on. `tried`: on how many ends, orders or writes; `counter`: what breaks it, '' where nothing does."""

    holds: bool | None
    tried: int
    counter: str = ""


class Thrift:
    """Watches what handlers write, beside what they were last shown: `writes` counts, `wasted` names what was for nothing, each once."""

    def __init__(self) -> None:
        self.writes = 0
        self.wasted: dict[str, None] = {}

    def __call__(self, tape: Tape, effect: Any) -> None:
        """A handler asks for an effect."""
        look = _LOOKS.get(type(effect))
        if look is None or tape.said is None:
            return
        for store, field, wanted, held in look(tape.said, effect):
            self.writes += 1
            if held is _REWRITTEN:
                self.wasted[f"{store}.{field} was written twice"] = None
            elif held == wanted:
                self.wasted[f"{store}.{field} was {wanted!r} already"] = None

    def law(self) -> Law:
        """What it comes to."""
        return Law(not self.wasted if self.writes else None, self.writes, next(iter(self.wasted), ""))


_UNKNOWN, _REWRITTEN = object(), object()
Looked = Iterator[tuple[str, str, Any, Any]]


def _look_at_fields(said: Said, effect: Write | CompareAndSet) -> Looked:
    """(store, field, what is to be written, what the handler was last shown), or that it has written the field itself since."""
    held, written = _shown(said, effect.store, effect.account, effect.key)
    for field, wanted in effect.fields.items():
        if field not in _INSTANTS:
            yield effect.store, field, wanted, _REWRITTEN if field in written else _field(held, field)


def _look_at_changes(said: Said, effect: Transact) -> Looked:
    for change in effect.changes:
        held, _ = _shown(said, effect.store, change.account, change.key)
        for field, wanted in change.fields.items():
            yield effect.store, field, wanted, _field(held, field)


def _look_at_metadata(said: Said, effect: CallStripe) -> Looked:
    metadata = effect.params.get("metadata")
    state = _state(said)
    if not metadata or state is None or not effect.method.endswith(".update"):
        return
    thing = state.stripe.customer if effect.method.startswith("customers.") else state.stripe.invoices.get(effect.id)
    for key, wanted in metadata.items():
        yield effect.method, key, wanted, thing.metadata.get(key, "") if thing is not None else _UNKNOWN


_LOOKS: dict[type, Callable[[Said, Any], Looked]] = {
    Write: _look_at_fields,
    CompareAndSet: _look_at_fields,
    Transact: _look_at_changes,
    CallStripe: _look_at_metadata,
}


def _field(row: Any, field: str) -> Any:
    return getattr(row, field, _UNKNOWN) if row is not None else _UNKNOWN


def _state(said: Said | None) -> AccountState | None:
    while said is not None and not isinstance(said.answer, AccountState):
        said = said.before
    return said.answer if said is not None else None


def _shown(said: Said | None, store: str, account: str, key: str | None) -> tuple[Any, list[str]]:
    """The row as the handler last looked at it, None for one that is not there or was never looked at; and the fields that it has written since."""
    written: list[str] = []
    while said is not None:
        asked, answer = said.effect, said.answer
        if isinstance(answer, AccountState) and answer.account == account and (store in asked.parts or (not asked.parts and store in _FIELDS)):
            held = getattr(answer, _FIELDS[store])
            return (held.get(key) if isinstance(held, dict) else held), written
        if isinstance(asked, (Read, Write, CompareAndSet)) and (asked.store, asked.account) == (store, account) and asked.key in (None, key):
            if isinstance(asked, Read):
                return (answer.get(key) if isinstance(answer, dict) else answer), written
            if answer is not None:
                written += asked.fields
        said = said.before
    return None, written


def laws(
    story: Story,
    scenario: Scenario,
    engine: str | Make,
    seed: int,
    explored: Explored,
    paths: Mapping[End, Path],
    thrift: Thrift,
    platform: Platform = SHIPPED,
) -> dict[str, Law]:
    """Each law, on what was explored. `paths` leads to each end."""
    return {
        "idempotent": idempotent(story, paths),
        "order_invariant": order_invariant(explored.ends),
        "duplicate_invariant": invariant(explored.ends, _with_every_delivery_twice(scenario), engine, seed, platform),
        "split_invariant": invariant(explored.ends, scenario, engine, seed, platform, hold_all),
        "minimal_diff": thrift.law(),
    }


def idempotent(story: Story, paths: Mapping[End, Path]) -> Law:
    """Ask for a recompute of every account once more at each end, and see what is written."""
    tried = 0
    for path in list(paths.values())[:MOST_ENDS]:
        written = _written_afterwards(story, path)
        tried += 1
        if written:
            return Law(False, tried, f"{written[0]} was written after {_place(path)}")
    return Law(True if tried else None, tried)


def _written_afterwards(story: Story, path: Path) -> list[str]:
    written: list[str] = []
    components = story.world.components

    def listen(record: Record) -> None:
        if isinstance(record, WriteRecord) and record.component in components:
            written.append(f"{record.store} by {record.component}")
        elif isinstance(record, ActionRecord) and record.executed:
            written.append(f"the consequence {record.kind} {record.step} by {record.component}")

    story.begin(None, path)
    story.trace.listener = listen
    try:
        _ask_all(story.world)
        story.world.run_dry(story.world.kernel.now + HOUR_MS)
    finally:
        story.trace.listener = None
        story.rest()
    return written


def _ask_all(world: World) -> None:
    for account in world.stores.shards:
        world.request("request.recompute", account, f"once.more.{account}", {})


def order_invariant(ends: Iterable[End]) -> Law:
    """Of the ends with equal authorities, each has equal derived fields."""
    known: dict[str, End] = {}
    tried = 0
    for end in ends:
        tried += 1
        other = known.setdefault(end.authorities, end)
        if other.derived != end.derived:
            return Law(False, tried, f"the ends {other.digest[:8]} and {end.digest[:8]} have equal authorities")
    return Law(True if tried else None, tried)


def invariant(
    known: Mapping[End, int], scenario: Scenario, engine: str | Make, seed: int, platform: Platform, prepare: Callable[[World], None] | None = None
) -> Law:
    """As `order_invariant`, for the ends of another telling of the story beside the known ones; an end with other authorities is no evidence."""
    with Story(scenario, engine, seed, platform, prepare=prepare).open() as story:
        found = Search(story, switches=0, most_runs=MOST_RUNS).run()
    derived: dict[str, list[str]] = {}
    for end in known:
        derived.setdefault(end.authorities, []).append(end.derived)
    comparable = {end: times for end, times in found.ends.items() if end.authorities in derived}
    tried = sum(comparable.values())
    for end in comparable:
        if any(each != end.derived for each in derived[end.authorities]):
            return Law(False, tried, f"the end {end.digest[:8]} has derived otherwise from equal authorities")
    return Law(True if tried else None, tried)


def _with_every_delivery_twice(scenario: Scenario) -> Scenario:
    """As two events for one change, so that no filter drops the second."""
    return replace(scenario, faults={**scenario.faults, "twin": Dial(ppm=_ALWAYS)})


def hold_all(world: World) -> None:
    """Keep every event that somebody handles, until the storm is over."""
    for event_type in HANDLERS:
        world.pipe.hold(event_type, "")


def _place(path: Path) -> str:
    taken = sum(option > 0 for option in path)
    return f"an order in which something else went first {taken} times" if taken else "the order in which things fall due"
