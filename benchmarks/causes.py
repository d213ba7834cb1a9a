"""How well the cause of a drift is told: `python -m benchmarks.causes [SEEDS]` plants known faults and prints three confusion matrices.

Each fault is planted alone; two or three in one world on different accounts; and two or three on the same accounts, often close together. What the
judge tells of each drift is compared with what was planted: with the one fault of its account or, where there are several, with the one whose
component wrote what opened it. (Where truth moved of itself, that is the fault which keeps the engine from following; no two such are planted on
one account.)
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from msgspec.structs import replace

from benchmarks.planted import BASES, PLANTS, POLICY, START_MS, Planted, Site, given
from billsim.checks.cause import CAUSES
from billsim.core.choices import Seeded
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.core.trace import DriftRecord, Trace
from billsim.engine.recompute import Recompute
from billsim.ports import Component, Message
from billsim.scenario.plan import GivenAccount, Scenario, TimelineRow
from billsim.world import World

SEEDS = 10
ACCOUNTS = 6
DAYS = 3
ALONE, APART, TOGETHER = "alone", "on different accounts", "on the same accounts"
NOTHING = "(nothing)"
BY_HAND = "e/hand/"

Matrix = Counter[tuple[str, str]]


class Bed(NamedTuple):
    """Accounts, and the faults that are planted on all of them, by cause."""

    given: Sequence[GivenAccount]
    faults: Mapping[str, Planted]


class Faulty:
    """`recompute` as it is for an account's bed: with components put in or replaced, and with other ears for some kinds of message."""

    name = "faulty"

    def __init__(self, beds: Sequence[Bed]) -> None:
        self._base = Recompute(POLICY)
        self._faults = {each.account: list(bed.faults.values()) for bed in beds for each in bed.given}
        planted = [component for bed in beds for fault in bed.faults.values() for component in fault.components]
        self.components: Mapping[str, Component] = {**self._base.components, **{each.name: each for each in planted}}

    def wakes(self, message: Message) -> Sequence[str]:
        """Who hears of a message."""
        faults = self._faults.get(message.account, [])
        deaf = [name for fault in faults for name in fault.deaf.get(message.kind, ())]
        heard = [name for name in self._base.wakes(message) if name not in deaf]
        return heard + [name for fault in faults for name in fault.hears.get(message.kind, ())]


def bed(causes: Sequence[str], base: str, names: Sequence[str], dice: random.Random) -> Bed:
    """Plant faults on accounts that stand as `base` says."""
    site = Site(dice, names, base)
    accounts = [given(site, name) for name in names]
    faults = {cause: PLANTS[cause](site) for cause in causes}
    wrong = {name: rows for fault in faults.values() for name, rows in fault.rows.items()}
    return Bed([_with_rows(account, wrong.get(account.account, {})) for account in accounts], faults)


def _with_rows(account: GivenAccount, rows: dict[str, dict[str, Any]]) -> GivenAccount:
    return replace(account, rows=rows)


# --- worlds -----------------------------------------------------------------------------------------------------------------------------------


def alone(cause: str, seed: int) -> list[Bed]:
    """One fault, on a few accounts."""
    dice = random.Random(f"{cause} {seed}")
    bases = BASES[cause][:1] if cause in ("stale_read", "data", "manual_write") else BASES[cause]
    return [bed([cause], dice.choice(bases), _names("a", ACCOUNTS), dice)]


def apart(causes: Sequence[str], seed: int) -> list[Bed]:
    """Several faults in one world, each on accounts of its own."""
    dice = random.Random(f"apart {causes} {seed}")
    return [bed([cause], dice.choice(BASES[cause]), _names("abc"[n], 3), dice) for n, cause in enumerate(causes)]


def together(causes: Sequence[str], base: str, seed: int) -> list[Bed]:
    """Several faults on the same accounts."""
    dice = random.Random(f"together {causes} {base} {seed}")
    return [bed(causes, base, _names("a", 4), dice)]


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


def worlds(seeds: int) -> Iterator[tuple[str, int, list[Bed]]]:
    """How the faults are mixed, the seed of the world, and its beds."""
    for cause in PLANTS:
        for seed in range(seeds):
            yield ALONE, seed, alone(cause, seed)
    for seed in range(max(1, seeds // 5)):
        for causes in (*combinations(PLANTS, 2), *combinations(PLANTS, 3)):
            yield APART, seed, apart(causes, seed)
    for seed in range(max(1, seeds // 2)):
        for causes, base in shared():
            yield TOGETHER, seed, together(causes, base, seed)


def shared() -> Iterator[tuple[tuple[str, ...], str]]:
    """Each two and three faults that can be planted on the same accounts, and how those stand."""
    for base in dict.fromkeys(base for bases in BASES.values() for base in bases):
        fitting = [cause for cause in PLANTS if base in BASES[cause]]
        for causes in (*combinations(fitting, 2), *combinations(fitting, 3)):
            if not {"partial_apply", "missing_handler"} <= set(causes):
                yield causes, base


def drifts(beds: Sequence[Bed], seed: int) -> list[DriftRecord]:
    """Every drift of a world with these beds, from its storm to its end."""
    until = START_MS + DAYS * DAY_MS
    timeline = [row for each in beds for fault in each.faults.values() for row in fault.timeline]
    timeline += _noise(beds, random.Random(f"noise {seed}"))
    accounts = tuple(account for each in beds for account in each.given)
    scenario = Scenario(id="causes", start=START_MS, until=until, given=accounts, timeline=tuple(sorted(timeline, key=lambda row: row.at)))
    found: list[DriftRecord] = []
    trace = Trace()
    trace.sinks.append(lambda batch: found.extend(record for record in batch if record[0] == "drift"))
    world = World(scenario, Faulty(beds), Seeded(seed), trace, POLICY, bodies=False)
    for fault in [fault for each in beds for fault in each.faults.values()]:
        for at_ms, kind, account in fault.requests:
            world.kernel.call_at(at_ms, 0, lambda each: world.request(each[0], each[1], f"{each[0]}.{each[1]}", {}), (kind, account))
        for at_ms, store, account, fields in fault.by_hand:
            row = ("support", "engine", f"{BY_HAND}{account}", store, account, None, fields)
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


def _noise(beds: Sequence[Bed], dice: random.Random) -> Iterator[TimelineRow]:
    """Customers change a setting of theirs now and then, often while a fault strikes: the profile moves, and the brain is woken."""
    for each in beds:
        faults = each.faults.values()
        struck = [at for fault in faults for at in (*(row.at for row in fault.timeline), *(told[0] for told in (*fault.requests, *fault.by_hand)))]
        for account in each.given:
            for _ in range(dice.randint(0, 3)):
                near = struck and dice.random() < 0.7
                at = dice.choice(struck) + dice.randint(-60, 240) * SECOND_MS if near else START_MS + dice.randint(60, 20 * 60) * MINUTE_MS
                params = {"flag": dice.choice(["marketing_opt_in", "email_verified"]), "on": dice.random() < 0.5}
                yield TimelineRow(at=at, by=account.account, do="set_flag", params=params)


# --- grading ----------------------------------------------------------------------------------------------------------------------------------


def graded(seeds: int) -> Iterator[tuple[str, str, int, DriftRecord]]:
    """(how the faults are mixed, planted cause, seed, drift) of every drift that the worlds of these many seeds show."""
    for mixed, seed, beds in worlds(seeds):
        for drift in drifts(beds, seed):
            yield mixed, planted(drift, next(each for each in beds if any(drift.account == account.account for account in each.given))), seed, drift


def planted(drift: DriftRecord, on: Bed) -> str:
    """The fault of the account that opened a drift: the only one, or the one whose component wrote."""
    if len(on.faults) == 1:
        return next(iter(on.faults))
    opening: Any = drift.opening
    if opening.kind == "given":
        return "data"
    writers = {name: cause for cause, fault in on.faults.items() for name in fault.opens}
    # Support also voids at Stripe, and that moves truth.
    if opening.component in writers and (opening.component != "support" or opening.task.startswith(BY_HAND)):
        return writers[opening.component]
    return next((cause for cause in ("partial_apply", "missing_handler") if cause in on.faults), NOTHING)


def matrices(seeds: int) -> dict[str, Matrix]:
    """A confusion matrix for each way to mix: (planted, told) -> how many drifts."""
    found: dict[str, Matrix] = {ALONE: Counter(), APART: Counter(), TOGETHER: Counter()}
    for mixed, cause, _, drift in graded(seeds):
        found[mixed][cause, drift.cause] += 1
    return found


def on_the_diagonal(matrix: Matrix) -> float:
    """The share of drifts whose cause was told as it was planted, from 0 to 1."""
    return sum(count for (cause, told), count in matrix.items() if cause == told) / max(1, sum(matrix.values()))


def table(matrix: Matrix) -> str:
    """The confusion matrix: a line for each planted cause, a column for each cause told."""
    width = max(map(len, CAUSES))
    causes = [cause for cause in (*PLANTS, NOTHING) if any(matrix[cause, told] for told in CAUSES)]
    columns = [told for told in CAUSES if any(matrix[cause, told] for cause in causes)]
    lines = ["planted \\ told".ljust(width) + "".join(f"  {told}" for told in columns)]
    for cause in causes:
        lines.append(cause.ljust(width) + "".join(f"  {matrix[cause, told] or '.':>{len(told)}}" for told in columns))
    return "\n".join(lines)


def main(seeds: str = str(SEEDS)) -> None:
    """Print the matrices and their diagonals."""
    for mixed, matrix in matrices(int(seeds)).items():
        print(f"{mixed}: {sum(matrix.values())} drifts, {100 * on_the_diagonal(matrix):.1f} % on the diagonal")
        print(table(matrix), end="\n\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
