"""Mutants: `recompute` and the road to it, with one safeguard off each. They measure whoever looks for faults: which are found, and how soon.

As an engine a mutant is called `mutant:NAME`. Each is named for what it does, and says which safeguard it does without.
"""

from __future__ import annotations

from typing import NamedTuple

from billsim.core.policy import DunningPolicy
from billsim.explore.mutants.applying import APPLYING
from billsim.explore.mutants.base import DUNNING, PARTS, Mutated, Planted
from billsim.explore.mutants.changing import CHANGING
from billsim.explore.mutants.consequences import CONSEQUENT
from billsim.explore.mutants.deciding import DECIDING
from billsim.explore.mutants.delivering import DELIVERING
from billsim.explore.mutants.serving import SERVING

__all__ = ["DUNNING", "HELD_OUT", "MUTANTS", "PARTS", "TUNED", "Mutant", "engine"]

TUNED, HELD_OUT = "tuned", "held_out"


class Mutant(NamedTuple):
    """A mutant: the safeguard that is off, in one line; `part` is where it belongs (`recompute`, `pipe`, `consequences`, `changes`, `facade`).

    `half`: strategies are tuned on one half of them (`tuned`), and measured on the other (`held_out`).
    """

    name: str
    safeguard: str
    part: str
    half: str

    @property
    def engine(self) -> str:
        """What `--engine` calls it."""
        return f"mutant:{self.name}"


_PLANTED = {planted.name: planted for planted in sorted((*DECIDING, *APPLYING, *CONSEQUENT, *DELIVERING, *CHANGING, *SERVING))}


def _halved(names: list[str]) -> dict[str, str]:
    """Every other one, by name."""
    return {name: HELD_OUT if place % 2 else TUNED for place, name in enumerate(names)}


# Dunning by itself, so that what was tuned on one half of it was not tuned on the other.
_HALF = {
    **_halved([each.name for each in _PLANTED.values() if each.part in DUNNING]),
    **_halved([each.name for each in _PLANTED.values() if each.part not in DUNNING]),
}

MUTANTS: dict[str, Mutant] = {each.name: Mutant(each.name, each.safeguard, each.part, _HALF[each.name]) for each in _PLANTED.values()}


def engine(name: str, policy: DunningPolicy) -> Mutated:
    """The mutant of this name, as an engine. Raises KeyError."""
    planted: Planted = _PLANTED[name]
    made = planted.make(policy)
    made.name = MUTANTS[name].engine
    return made
