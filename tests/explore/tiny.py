"""Engines of a few effects, and a story that wakes them: small enough for their orders to be counted by hand, or all to be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.explore.orders import Explored, Search
from billsim.explore.stage import Story
from billsim.ports import Component, Message, Steps
from billsim.scenario.plan import GivenAccount, Scenario, TimelineRow

START_MS = 1_773_446_400_000
ROW_MS = START_MS + 3_600_000
Handle = Callable[[Message], Steps]


class Tiny:
    """An engine whose components are woken, in order, by each `request.recompute`, or by the one that `wakes` names them for."""

    name = "tiny"

    def __init__(self, handles: Sequence[Handle], wakes: Callable[[Message], Sequence[int]] | None = None) -> None:
        self.components = {f"part{n}": Component(f"part{n}", "engine", handle) for n, handle in enumerate(handles)}
        self._wakes = wakes or (lambda _message: range(len(handles)))

    def wakes(self, message: Message) -> Sequence[str]:
        return [f"part{n}" for n in self._wakes(message)] if message.kind == "request.recompute" else ()


def story(rows: int = 1, accounts: Sequence[str] = ("ada",), later: int = 0, later_ms: int = 30_000) -> Scenario:
    """So many requests of recompute at one instant, to the accounts in turn, and so many half a minute later."""
    instants = [ROW_MS] * rows + [ROW_MS + later_ms] * later
    timeline = tuple(
        TimelineRow(at=at, by="support", do="recompute", params={"account": accounts[n % len(accounts)]}) for n, at in enumerate(instants)
    )
    given = tuple(GivenAccount(account=account) for account in accounts)
    return Scenario(id="tiny", given=given, timeline=timeline, start=START_MS, until=ROW_MS + 60_000, calm_hours=1)


def explored(
    handles: Sequence[Handle], rows: int = 1, *, accounts: Sequence[str] = ("ada",), wakes: Any = None, soon: int = 0, **how: Any
) -> Explored:
    """What a search of the story's orders under an engine of these handlers comes to; so many further rows are due five seconds later."""

    def make(_policy: DunningPolicy) -> Any:
        return Tiny(handles, wakes)

    with Story(story(rows, accounts, soon, 5_000), make).open() as staged:
        return Search(staged, **how).run()


def brute(handles: Sequence[Handle], rows: int = 1, *, accounts: Sequence[str] = ("ada",), wakes: Any = None) -> Explored:
    """Every order run by itself."""
    return explored(handles, rows, accounts=accounts, wakes=wakes, reduce=False, merge=False, apart=False)
