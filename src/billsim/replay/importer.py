"""Real Stripe events in, a scenario out: what happened, without whom it happened to.

Read, check, order, pseudonymise, write. The scenario stands beside its events file, one pseudonymised envelope a line in the order of delivery.
Nothing is written until all of it is known to be good, and nothing that is there is overwritten.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from billsim.core.choices import MAX_SEED
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, SECOND_MS
from billsim.replay.columns import Columns, Told, read_mapping
from billsim.replay.documents import Found, read_values
from billsim.replay.naming import Names, Note, Notes
from billsim.replay.pseudonyms import KeptNames, Pseudonyms
from billsim.replay.row_files import read_tables, split
from billsim.replay.row_names import Directory, RowNames
from billsim.replay.row_story import from_rows, moment_of, remark_rows
from billsim.scenario.api_versions import Json
from billsim.scenario.errors import InputError
from billsim.scenario.imported import ImportedEvent, Owners
from billsim.scenario.incident import envelope_problem, read_events
from billsim.scenario.plan import GivenAccount, Scenario
from billsim.scenario.reconstruct import Seed, reconstruct
from billsim.scenario.rows import read_rows
from billsim.scenario.toml_file import dump, load
from billsim.scenario.vocabulary import EVENT_TYPES, INSTRUMENTS
from billsim.stripe.objects import Charge, Customer, Invoice, PaymentMethod, StripeObject, Subscription

Order = Literal["file", "created"]

DEEPEST = 60
"""How many levels an event may have; Stripe's own have about ten."""

_THERE = "is already there and is not overwritten: choose another --out"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_CURRENCY = re.compile(r"[a-z]{3}")


class ImportReport(NamedTuple):
    """What an import made: the scenario's file, and how many accounts, events and store rows are in it."""

    scenario: Path
    accounts: int
    events: int
    notes: list[Note]
    rows: int = 0


def import_events(
    files: Sequence[Path],
    out: Path,
    *,
    order: Order = "file",
    seed: int = 0,
    stores: Mapping[str, Path] | None = None,
    columns: Path | None = None,
    at: str = "",
    keep_names: bool = False,
) -> ImportReport:
    """Make a scenario of Stripe events and store rows: `out`/<name of out>.toml, or `out` itself where that ends in `.toml`.

    `order`: deliver as the files have it, one file after the other, or as the events were created. `seed` decides the pseudonyms; `keep_names` does
    without. `stores`: store -> a file of its rows, beside those of `files` whose names tell a store; `columns`: a column mapping; `at`: the moment
    that the rows are of (default: the newest time in them). Raises InputError, and leaves nothing behind then.
    """
    notes = Notes()
    target = _Target(out)
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"is outside 0..{MAX_SEED}", key="--seed")
    mapping = read_mapping(columns) if columns is not None else Columns()
    event_files, tables = split([Path(path) for path in files], stores or {}, mapping)
    told = read_tables(tables, mapping, notes)
    _fits(told, at, columns)
    found = _ordered(_events(event_files, notes), order) if event_files or not told else []
    pseudonyms = KeptNames(seed) if keep_names else Pseudonyms(seed)
    directory = Directory(told, pseudonyms)
    names = Names([event.value for event in found], pseudonyms, directory.customers(), directory.bought(told))
    envelopes = [names.envelope(index, notes, event) for index, event in enumerate(found)]
    lines = RowNames(directory, names, pseudonyms, notes).lines(told)
    with target.workplace() as folder:
        events = _write_events(folder / target.events, envelopes)
        seeded = reconstruct(events)
        scenario = _scenario(target, events, seeded)
        if told:
            (folder / target.rows).write_text("".join(_line(line) + "\n" for line in lines), encoding="utf-8")
            scenario = from_rows(scenario, target.rows, read_rows(folder / target.rows), events, seeded, moment_of(told, at))
        (folder / target.scenario).write_text(dump(scenario), encoding="utf-8")
        load(folder / target.scenario)
        target.publish(folder)
    _remark(notes, found, events, seeded)
    if told:
        remark_rows(notes, scenario, told, events)
    return ImportReport(target.folder / target.scenario, len(scenario.given), len(events), notes.all(), len(lines))


def _fits(told: Sequence[Told], at: str, columns: Path | None) -> None:
    for option, given in (("--at", bool(at)), ("--columns", columns is not None)):
        if given and not told:
            raise InputError("is about store rows, and no file with such is named", key=option)


def _write_events(path: Path, envelopes: Sequence[Json]) -> list[ImportedEvent]:
    if not envelopes:
        return []
    path.write_text("".join(_line(envelope) + "\n" for envelope in envelopes), encoding="utf-8")
    return read_events(path)


def _line(envelope: Json) -> str:
    return json.dumps(envelope, ensure_ascii=True, separators=(",", ":"))


# Reading and checking.


def _events(files: Sequence[Path], notes: Notes) -> list[Found]:
    if not files:
        raise InputError("no file is named: name at least one with Stripe events")
    kept = []
    for path in files:
        values = read_values(Path(path))
        mine = [found for found in values if _is_event(found, notes)]
        if not mine:
            what = "no event in it, but " + _what(values[0].value) if values else "an empty list, so no event in it"
            raise InputError(f"there is {what}", str(path), values[0].line if values else 1)
        kept += mine
    return kept


def _is_event(found: Found, notes: Notes) -> bool:
    """Whether this is an event; other objects are left out, and a broken event is an error."""
    if not isinstance(found.value, dict) or found.value.get("object") != "event":
        notes.add("no event", found.file, found.line, f"left out {_what(found.value)}: it is no event")
        return False
    problem = envelope_problem(found.value)
    if problem:
        raise InputError(problem[1], found.file, found.line, problem[0])
    if _depth(found.value) > DEEPEST:
        raise InputError("is nested too deeply to be an event", found.file, found.line, "data.object")
    return True


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        level = [inner for item in level if isinstance(item, dict | list) for inner in (item.values() if isinstance(item, dict) else item)]
        depth += 1
    return depth


def _what(value: Any) -> str:
    if isinstance(value, dict):
        kind = value.get("object")
        return f"an object '{kind[:40]}'" if isinstance(kind, str) else "an object that is not Stripe's"
    return f"the value {json.dumps(value)[:40]}"


def _ordered(found: list[Found], order: Order) -> list[Found]:
    if order == "file":
        return found
    if order == "created":
        return sorted(found, key=lambda event: int(event.value["created"]))
    raise InputError(f"'{order}' is no order: file or created", key="--order")


# The scenario.


def _scenario(target: _Target, events: list[ImportedEvent], seeded: Seed) -> Scenario:
    start = events[0].at_ms // DAY_MS * DAY_MS if events else 0
    owned = {customer.id: customer for customer in seeded.objects if isinstance(customer, Customer)}
    for customer in Owners(events).customers():
        owned.setdefault(customer, Customer(id=customer, created=0))
    belongings: dict[str, list[StripeObject]] = {}
    for found in seeded.objects:
        belongings.setdefault(getattr(found, "customer", ""), []).append(found)
    return Scenario(
        id=f"incident/{target.name}",
        rule="Whatever the order in which this came in, every store ends up agreeing with Stripe.",
        from_="incident",
        given=tuple(_given(customer, belongings.get(customer.id, []), start) for customer in sorted(owned.values(), key=lambda c: c.id)),
        start=start,
        until=events[-1].at_ms + DAY_MS if events else DAY_MS,
        events=target.events if events else None,
    )


def _given(customer: Customer, mine: list[StripeObject], start: int) -> GivenAccount:
    """An account that the stores know as a plain, healthy one; what the events say of it arrives through the pipe."""
    account = customer.id.removeprefix("cus_")
    subscription = next((s for s in mine if isinstance(s, Subscription) and s.id == f"sub_{account}"), None)
    item = subscription.items.data[0] if subscription and subscription.items.data else None
    started = subscription.start_date * SECOND_MS if subscription and subscription.start_date * SECOND_MS < start else None
    kind = customer.metadata.get(DunningPolicy().account_type_key, "")
    bought: dict[str, Any] = {}
    if item and 0 <= item.price.unit_amount < 2**53 and _CURRENCY.fullmatch(item.price.currency):
        bought = {"plan": item.price.id.removeprefix("price_"), "price": item.price.unit_amount, "currency": item.price.currency}
    return GivenAccount(
        account=account,
        account_type=kind or "self_serve",
        instrument=_instrument(mine),
        paid_before=started is not None and not any(isinstance(i, Invoice) and i.billing_reason == "subscription_create" for i in mine),
        started=started,
        **bought,
    )


def _instrument(mine: Iterable[StripeObject]) -> str:
    """What the latest charge was paid with, or else what the customer has."""
    methods = {found.id: found.type for found in mine if isinstance(found, PaymentMethod)}
    charges = sorted((found for found in mine if isinstance(found, Charge)), key=lambda c: (c.created, c.id))
    used = [methods.get(charge.payment_method or "") for charge in charges]
    kind = next((kind for kind in (*reversed(used), *methods.values()) if kind), "card")
    return kind if kind in INSTRUMENTS else "card"


def _remark(notes: Notes, found: list[Found], events: list[ImportedEvent], seeded: Seed) -> None:
    """What a person should know of the outcome; the events file's lines are the events in order."""
    owners = Owners(events)
    billed = {s.customer for s in seeded.objects if isinstance(s, Subscription)}
    known: set[str] = set()
    for event, real in zip(events, found, strict=True):
        customer = owners.of(event.payload)
        if customer is None and event.type in EVENT_TYPES:
            notes.add(f"nobody's {event.type}", real.file, real.line, f"{event.type} names no customer: no account will hear of it")
        elif customer is not None and customer not in billed and customer not in known:
            known.add(customer)
            notes.add("plain", real.file, real.line, f"no subscription of {customer} is shown: its account is given a plain one")
    modes = Counter(event.envelope["livemode"] for event in events)
    if len(modes) > 1:
        notes.add("modes", found[0].file, 0, f"{modes[True]} live events and {modes[False]} of test mode: the rarer ones are dropped as foreign")
    for remark in seeded.remarks:
        where = found[remark.line - 1] if remark.line else None
        notes.add(remark.kind, where.file if where else "", where.line if where else 0, remark.message)


class _Target:
    """Where the scenario goes, and how it gets there whole or not at all."""

    def __init__(self, out: Path) -> None:
        named = out.suffix == ".toml"
        self.folder = out.parent if named else out
        self.name = (out.stem if named else out.resolve().name) or "incident"
        self.scenario = f"{self.name}.toml"
        self.events = f"{self.name}.events.jsonl"
        self.rows = f"{self.name}.rows.jsonl"
        if not _NAME.fullmatch(self.name):
            raise InputError("cannot name a scenario: up to 80 letters, digits and _ - . are allowed, a letter or digit first", str(out))
        for name in (self.scenario, self.events, self.rows):
            if os.path.lexists(self.folder / name):
                raise InputError(_THERE, str(self.folder / name))

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder on the same disk, gone afterwards. Raises InputError for a disk that is full, read-only, or no folder at all."""
        new = not self.folder.exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".import-", dir=self.folder) as name:
                yield Path(name)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", str(self.folder)) from None
        finally:
            if new:
                with suppress(OSError):
                    self.folder.rmdir()

    def publish(self, folder: Path) -> None:
        """Move the files into place, the scenario last: where it is, its events and rows are. Raises InputError if another import was quicker."""
        moved: list[Path] = []
        for name in (name for name in (self.events, self.rows, self.scenario) if (folder / name).exists()):
            try:
                _move(folder / name, self.folder / name)
                moved.append(self.folder / name)
            except FileExistsError:
                for path in moved:
                    path.unlink()
                raise InputError(_THERE, str(self.folder / name)) from None


def _move(source: Path, target: Path) -> None:
    """A link never replaces what is there, as a rename would; where the disk has no links, looking first must do."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(str(target)) from None
        os.rename(source, target)
