"""The signature of a failure: what went wrong and how it began, without the names, amounts and instants of one world.

`finding/<the finding's own signature>`, or `drift/<code>/<cause>/<shape>` of a drift that stands open at the end. The shape is how it began:
`<store>.<field>` of a write, `<kind>.<step>` of a consequence, `clock` where truth moved by the clock alone, `given` where it was there at the start.
Accounts that show one signature are taken for one fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from billsim.checks.codes import CODES, MISSING, UNJUSTIFIED
from billsim.core.trace import DriftRecord
from billsim.run import RunResult

# Most telling first: what may never happen, then state that is wrong, then what was done or left undone because of it.
_GRAVEST = tuple(code for code in CODES if code not in (UNJUSTIFIED, MISSING)) + (UNJUSTIFIED, MISSING)
# Of several fields that a write changed, the one that tells most of it; then any that is not bookkeeping.
_TELLING = ("status", "flags", "plan", "metadata")
_BOOKKEEPING = ("account", "key", "since_ms", "intent", "done", "next_boundary_ms", "sequence")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_]+")


def signature(result: RunResult) -> tuple[str, ...]:
    """What was wrong with a run, each thing once, the gravest first; () where nothing was."""
    return ordered(each for found in by_account(result) for each in found)


def by_account(result: RunResult) -> list[tuple[str, ...]]:
    """What was wrong with each account that something was wrong with, the gravest first; accounts of which the same is said are told once."""
    wrong: dict[str, list[str]] = {}
    for finding in result.data["findings"]:
        wrong.setdefault(finding["account"], []).append(f"finding/{finding['signature']}")
    for drift in result.drift:
        if drift.closed_ms is None:
            wrong.setdefault(drift.account, []).append(of_drift(drift))
    return list(dict.fromkeys(map(ordered, wrong.values())))


def keys(result: RunResult) -> tuple[str, ...]:
    """What a run is grouped by: the gravest signature of each account, for accounts fail independently. The gravest first."""
    return ordered(found[0] for found in by_account(result))


def key_of(result: RunResult) -> str:
    """The gravest signature of a run; '' where nothing was wrong."""
    found = keys(result)
    return found[0] if found else ""


def of_drift(drift: DriftRecord) -> str:
    """The signature of one drift."""
    return f"drift/{drift.code}/{drift.cause}/{_shape(drift.opening)}"


def ordered(signatures: Iterable[str]) -> tuple[str, ...]:
    """Signatures, each once, the gravest first."""
    return tuple(sorted(set(signatures), key=_gravity))


def slug(signature: str) -> str:
    """The signature as the name of a file."""
    return _NOT_IN_A_NAME.sub("-", signature).strip("-")


def _gravity(signature: str) -> tuple[int, str]:
    kind, code = (*signature.split("/", 2), "")[:2]
    return (_GRAVEST.index(code) + 1 if kind == "drift" and code in _GRAVEST else 0), signature


def _shape(opening: Any) -> str:
    """Of a provenance: how it began."""
    if opening.kind == "write":
        return f"{opening.store}.{_field(opening.fields)}" if opening.fields else opening.store
    if opening.kind == "action":
        told = {name: value for name, _, value in opening.fields}
        return f"{told['kind']}.{told['step']}"
    return str(opening.kind)


def _field(fields: Iterable[tuple[str, Any, Any]]) -> str:
    names = [name for name, _, _ in fields]
    telling = [name for name in _TELLING if name in names] + [name for name in names if name not in _BOOKKEEPING]
    return telling[0] if telling else names[0]
