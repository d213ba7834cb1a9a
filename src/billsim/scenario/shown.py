"""Rows that a story expects its views to show: what may be told of them, and which of them were not shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from billsim.core.time import iso
from billsim.scenario.plan import Outcome, Shown

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Night(Protocol):
    """What a night came to, as far as it is asked after."""

    @property
    def taken_ms(self) -> int: ...
    @property
    def shown(self) -> frozenset[Any]: ...


def check(rules: Any, shown: Shown, path: tuple[str | int, ...]) -> None:
    """Raises InputError for a row that no view of the scenario could show."""
    if rules.scenario.warehouse is None:
        raise rules.fail(path, "no view shows anything without a mirror: see 'warehouse'")
    if not shown.row:
        raise rules.fail((*path, "row"), "says nothing of the row: it needs columns, as in { account = \"ada\" }")
    for column, value in shown.row.items():
        if not isinstance(value, str | int):
            raise rules.fail((*path, "row", column), "must be text, a whole number, or true or false")
    account = shown.row.get("account")
    if isinstance(account, str):
        rules.account(account, (*path, "row", "account"))
    first, last = iso(rules.scenario.start)[:10], iso(rules.scenario.end)[:10]
    if shown.night and not (_DATE.fullmatch(shown.night) and first <= shown.night <= last):
        raise rules.fail((*path, "night"), f"'{shown.night}' is no night of the story: a date from {first} to {last}")


def not_shown(outcome: Outcome, nights: Sequence[Night]) -> list[Shown]:
    """The rows that the outcome expects and views did not show on their night; all of them where there was no such night."""
    return [each for each in outcome.shows if not _is_shown(each, nights)]


def _is_shown(shown: Shown, nights: Sequence[Night]) -> bool:
    asked = [night for night in nights if iso(night.taken_ms)[:10] == shown.night] if shown.night else nights[-1:]
    return any(shown.wanted in night.shown for night in asked)
