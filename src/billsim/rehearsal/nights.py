"""The nights of a run, as remediation is told of them: what its views detected, what of that was new, and who was held back for older drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from billsim.scenario.candidates import candidates_of
from billsim.scenario.plan import TimelineRow
from billsim.world import World

if TYPE_CHECKING:
    from billsim.warehouse.nightly import Night


class Handed(NamedTuple):
    """What remediation was told at once: the drift that was detected, as (account, code), and the accounts that were candidates, as (account, by the
    detector of www). `older`: by these two the codes that had been detected the night before as well.
    """

    at_ms: int
    detected: tuple[tuple[str, str], ...]
    candidates: frozenset[tuple[str, bool]]
    older: Mapping[tuple[str, bool], Sequence[str]]


def nights_of(world: World) -> list[Night]:
    """The nights through which somebody looked: those of a warehouse of the scenario's own, so far."""
    return world.warehouse.nights if world.warehouse is not None and world.scenario.warehouse is not None else []


def instants(world: World) -> list[int]:
    """When remediation was told of candidates so far, in milliseconds: each night's mirror, and the rows by which a story tells them."""
    return sorted([*(night.taken_ms for night in nights_of(world)), *(row.at for row in told_rows(world))])


def told_rows(world: World) -> list[TimelineRow]:
    """The rows of a story that tell candidates, as far as the story has come."""
    return [row for row in world.scenario.timeline if row.do == "driftcontrol" and row.at <= world.kernel.now]


def handed(world: World, began_ms: int) -> Iterator[Handed]:
    """Everything that remediation was told since it began."""
    for night in nights_of(world):
        if night.seen_ms >= began_ms:
            detected = tuple(dict.fromkeys([(each.account, each.code) for each in night.detected]))
            yield Handed(night.seen_ms, detected, frozenset([(each.account, each.is_www) for each in night.candidates]), _older(night))
    for row in told_rows(world):
        if row.at >= began_ms:
            named = {key == "www": candidates_of(row.params.get(key, "")) for key in ("stripe", "www")}
            codes = tuple(dict.fromkeys([(account, code) for each in named.values() for account, code, _ in each]))
            yield Handed(row.at, codes, frozenset([(account, is_www) for is_www, each in named.items() for account, _, _ in each]), {})


def night_figures(nights: list[Night]) -> list[dict[str, Any]]:
    """For the JSON of a run: each night, when its mirror was taken and looked at, and how many rows of drift there were."""
    return [
        {
            "name": night.name,
            "taken_ms": night.taken_ms,
            "seen_ms": night.seen_ms,
            "detected": len(night.detected),
            "new": len(night.new),
            "candidates": len(night.candidates),
        }
        for night in nights
    ]


def accounts_of(night: Night) -> dict[str, int]:
    """How many accounts were detected, how many of these are candidates, and how many are held back: they drift, and are none."""
    candidates = dict.fromkeys([each.account for each in night.candidates])
    detected = dict.fromkeys([each.account for each in night.detected])
    return {"detected": len(detected), "candidates": len(candidates), "persistent": len(detected) - len(candidates)}


def _older(night: Night) -> dict[tuple[str, bool], list[str]]:
    new = frozenset([each[:3] for each in night.new])
    found: dict[tuple[str, bool], list[str]] = {}
    for each in night.detected:
        if each[:3] not in new:
            found.setdefault((each.account, each.is_www), []).append(each.code)
    return found
