"""Scenario files: find one by name, load it, and write one. `load(dump(scenario))` is the scenario again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from billsim.core.time import DAY_MS
from billsim.scenario.documents import Document, parse, read_document
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.plan import Scenario
from billsim.scenario.reading import Reader
from billsim.scenario.rules import check
from billsim.scenario.writing import write

_PACKAGE = Path(__file__).resolve().parents[1]
_DERIVED = ("start", "until")


def load(path: str | Path) -> Scenario:
    """The scenario in a file. Raises InputError for whatever is wrong with it."""
    return _scenario(read_document(Path(path)), str(path))


def loads(text: str, source: str = "") -> Scenario:
    """The scenario in a text; `source` is how errors name it. `extends` has no meaning here."""
    return _scenario(parse(text, source), source)


def dump(scenario: Scenario) -> str:
    """The scenario as TOML. Its `source` and the rows' lines are the file's, and are not written."""
    default = _defaults(fields := msgspec.structs.asdict(scenario))
    return write(scenario, frozenset(("source", *(key for key in _DERIVED if default.get(key) == fields[key]))))


def unplaced(scenario: Scenario) -> Scenario:
    """The scenario without source and line numbers: what two scenarios are compared by."""
    rows = tuple(msgspec.structs.replace(row, line=0) for row in scenario.timeline)
    return msgspec.structs.replace(scenario, source="", timeline=rows)


def find(name_or_path: str) -> Path:
    """The file of a scenario: a path, or the name of one in ./scenarios or among those that ship. Raises InputError, with the nearest name."""
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        return path
    if _outside(name_or_path):
        raise InputError("there is no such scenario file", name_or_path)
    for folder in folders():
        if (found := folder / f"{name_or_path}.toml").is_file():
            return found
    if path.is_dir():
        raise InputError("is a folder, not a scenario file", name_or_path)
    hint = nearest(name_or_path, names())
    raise InputError(f"there is no scenario '{name_or_path}'", hint=hint)


def names() -> list[str]:
    """The names of all scenarios that `find` knows, sorted."""
    found = {str(file.relative_to(folder).with_suffix("").as_posix()) for folder in folders() for file in folder.rglob("*.toml")}
    return sorted(found)


def folders() -> list[Path]:
    """Where scenarios are looked for: ./scenarios, then those that ship with the package (in a checkout: the folder beside `src`)."""
    shipped = (_PACKAGE / "_scenarios", _PACKAGE.parents[1] / "scenarios")
    return [folder for folder in dict.fromkeys((Path("scenarios").resolve(), *shipped)) if folder.is_dir()]


def _outside(name: str) -> bool:
    return "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts


def _scenario(document: Document, source: str) -> Scenario:
    reader = Reader(document.spot)
    fields = reader.fields(Scenario, document.data, (), optional=frozenset(_DERIVED))
    if "source" in fields:
        raise reader.fail(("source",), "unknown key")
    fields = {**_defaults(fields), **fields, "source": source}
    if "start" not in fields:
        raise reader.fail((), "'start' is missing: without a timeline, say when it begins")
    scenario = Scenario(**fields)
    check(scenario, reader.fail)
    return scenario


def _defaults(fields: dict[str, Any]) -> dict[str, int]:
    """`start` (midnight before the first row) and `until` (a day after the last row, or the days of a population or of tales, counted from a handover
    where there is one), as far as they can be derived.
    """
    timeline, lasting = fields.get("timeline", ()), fields.get("population") or fields.get("tales")
    derived = {"start": _midnight(timeline[0].at)} if timeline else {}
    start = fields.get("start", derived.get("start"))
    if start is None:
        return derived
    last = timeline[-1].at if timeline else start
    before = fields["before"].days if fields.get("before") else 0
    derived["until"] = max(last + DAY_MS, start + (before + lasting.days) * DAY_MS if lasting else 0)
    return derived


def _midnight(instant_ms: int) -> int:
    return instant_ms // DAY_MS * DAY_MS
