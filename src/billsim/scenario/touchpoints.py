"""The touchpoints: every operation by which a caller touches the platform, read from the one table `data/touchpoints.toml`.

Whoever asks for something in a world asks through a line of it, told rows and the callers of a population alike.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).with_name("data") / "touchpoints.toml"
DASHBOARD, NINJAPANEL, IAPI, CATALOG, PRODUCT_TEAM = "dashboard", "ninjapanel", "iapi", "catalog", "product_team"
CALLERS = (DASHBOARD, NINJAPANEL, IAPI, CATALOG, PRODUCT_TEAM)
DOMAIN = "domain."


class Touchpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the table. `caller` and `operation` are its table and key in the file; the rest is explained at the file's head."""

    entry: str
    stores: tuple[str, ...]
    body: dict[str, str | int | bool] = {}
    caller: str = ""
    operation: str = ""

    @property
    def name(self) -> str:
        """`<caller>.<operation>`."""
        return f"{self.caller}.{self.operation}"


@cache
def touchpoints() -> Mapping[str, Touchpoint]:
    """All of them by name, in the order of the file. Raises ValueError, with the line's name, for a table that is not as it should be."""
    found: dict[str, Touchpoint] = {}
    tables: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    for caller, operations in tables.items():
        for operation, line in operations.items():
            try:
                point = msgspec.convert({**line, "caller": caller, "operation": operation}, Touchpoint)
            except msgspec.ValidationError as error:
                raise ValueError(f"{FILE.name}: {caller}.{operation}: {error}") from None
            if caller not in CALLERS:
                raise ValueError(f"{FILE.name}: {caller}: no caller of this name")
            found[point.name] = point
    return found


def operations_of(caller: str) -> tuple[str, ...]:
    """The operations of a caller."""
    return tuple(point.operation for point in touchpoints().values() if point.caller == caller)
