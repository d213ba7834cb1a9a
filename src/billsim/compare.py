"""Compare: the same world under several engines, and the proof that it was the same.

An engine does not shift the world, because an answer is a function of the seed and the question's label. What may differ is *which* questions
are asked: where an engine acts on an authority of an account (pays, cancels, voids), that account's later life is another one. Such accounts
have parted. Everywhere else what happens of itself (label and answer of each question, name and instant of each event) has to be equal, or the
comparison says nothing about the engines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from billsim.core.platform import Platform
from billsim.core.trace import WriteRecord
from billsim.run import SHIPPED, Progress, RunResult, run_scenario
from billsim.scenario.plan import Scenario

SHOWN = 10
_OBJECT = re.compile(r"(?<![a-z0-9])(?P<kind>cus|sub|si|pm|ope|in|pi|ch)_(?P<rest>[^./]+)")
_NUMBERED = ("in", "pi", "ch")
_EVENT = re.compile(r"w/pipe/(?P<name>.+)/post1")


class Unequal(NamedTuple):
    """Something of the world's own that met the engines differently: the pairing is broken. `found` is what each of them met; None: nothing."""

    what: str
    found: dict[str, int | None]


class Pairing(NamedTuple):
    """The questions of the world's own (`w/`): asked by all engines, answered alike by all, and asked by one engine but not by all.

    `parted`: accounts whose own life went on differently after an engine's act on an authority of theirs. `unequal`: the first few differences
    that no such act explains.
    """

    by_both: int
    equal: int
    only: dict[str, int]
    parted: tuple[str, ...]
    unequal: tuple[Unequal, ...]

    @property
    def holds(self) -> bool:
        """Whether the engines met one world."""
        return not self.unequal


class Comparison(NamedTuple):
    """The runs by engine, in the order named, and their pairing."""

    scenario: Scenario
    seed: int
    results: dict[str, RunResult]
    pairing: Pairing

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of `compare`."""
        pairing = self.pairing
        return {
            "scenario": self.scenario.id,
            "seed": self.seed,
            "engines": {name: result.data for name, result in self.results.items()},
            "asked": {
                "by_both": pairing.by_both,
                "equal": pairing.equal,
                "only": pairing.only,
                "parted": list(pairing.parted),
                "unequal": [{"what": unequal.what, "found": unequal.found} for unequal in pairing.unequal],
            },
        }


def compare(
    scenario: Scenario,
    engines: Sequence[str],
    *,
    seed: int = 0,
    progress: Callable[[str], Callable[[Progress], None] | None] | None = None,
    platform: Platform = SHIPPED,
) -> Comparison:
    """Run the scenario under each engine with one seed, on one platform. `progress` makes the callback of one engine's run."""
    witnesses = {name: Witness() for name in engines}
    results = {}
    for name, witness in witnesses.items():
        shown = progress(name) if progress else None
        results[name] = run_scenario(scenario, seed=seed, engine=name, out=witness, progress=shown, platform=platform)
    return Comparison(scenario, seed, results, pair(witnesses))


class Witness:
    """Remembers what pairing takes: the world's own answers, when events were emitted, and the accounts that the engine acted on."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.emitted_ms: dict[str, int] = {}
        self.acted_on: set[str] = set()

    def sink(self, batch: list[Any]) -> None:
        """Take a batch of trace records."""
        for record in batch:
            if record[0] == "messages":
                if record.what == "emitted":
                    self.emitted_ms[record.name] = record.at_ms
            elif record[0] == "writes" and record.account not in self.acted_on and _acts(record):
                self.acted_on.add(record.account)

    def keep(self, asked: Sequence[tuple[str, int]]) -> None:
        """Take the choices of a slice."""
        self.answers.update((label, answer) for label, answer in asked if label.startswith("w/"))

    def events_ms(self) -> dict[str, int]:
        """The instants of the events that the world emitted of itself, by name."""
        names = (found["name"] for label in self.answers if (found := _EVENT.fullmatch(label)))
        return {name: self.emitted_ms[name] for name in names if name in self.emitted_ms}


def pair(witnesses: Mapping[str, Witness]) -> Pairing:
    """How the world's own questions and events met the engines."""
    worlds = {name: witness.answers for name, witness in witnesses.items()}
    first, *others = worlds.values()
    common = [label for label in first if all(label in other for other in others)]
    acted_on = {account for witness in witnesses.values() for account in witness.acted_on}
    differing = [label for label in common if any(other[label] != first[label] for other in others)]
    answered = [Unequal(label, {name: world[label] for name, world in worlds.items()}) for label in differing]
    happened = list(_unequal_events({name: witness.events_ms() for name, witness in witnesses.items()}))
    unexplained = [unequal for unequal in happened if account_of(unequal.what) not in acted_on]
    shared = frozenset(common)
    alone = {name: [label for label in world if label not in shared] for name, world in worlds.items()}
    touched = {account_of(label) for labels in alone.values() for label in labels} | {account_of(unequal.what) for unequal in happened}
    return Pairing(
        by_both=len(common),
        equal=len(common) - len(answered) - sum(None not in unequal.found.values() for unequal in unexplained),
        only={name: len(labels) for name, labels in alone.items()},
        parted=tuple(sorted(account for account in touched if account in acted_on)),
        unequal=tuple((answered + unexplained)[:SHOWN]),
    )


def account_of(name: str) -> str | None:
    """The account of the first Stripe or OPE object that a name or label holds, or None: ids are made from the account's name."""
    found = _OBJECT.search(name)
    if not found:
        return None
    account = found["rest"]
    if found["kind"] in _NUMBERED:
        account = re.sub(r"_\d+$", "", account)
    return re.sub(r"-\d+$", "", account)


def _unequal_events(events_ms: Mapping[str, Mapping[str, int]]) -> Iterator[Unequal]:
    """Events that not every engine's world emitted, and those that it emitted at different instants."""
    for event in dict.fromkeys(name for events in events_ms.values() for name in events):
        found = {name: events.get(event) for name, events in events_ms.items()}
        if len(set(found.values())) > 1:
            yield Unequal(event, found)


def _acts(record: WriteRecord) -> bool:
    """Whether an engine changed an object at Stripe in anything but its metadata, which is a copy and steers nothing."""
    if not record.task.startswith("e/") or not record.store.startswith("stripe."):
        return False
    if record.old is None or record.new is None:
        return True
    return bool(msgspec.structs.replace(record.old, metadata=record.new.metadata) != record.new)
