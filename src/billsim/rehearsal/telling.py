"""A rehearsal in words and tables, for people, from what the JSON of a run has of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from billsim.checks.codes import BAD_DEBT_STUCK, FLAGS_INCONSISTENT, NO_SUCCESS_STUCK

WEEK = 7
# Days that a table tells whole; of a longer run the first ones, then one a week.
WHOLE = 14
# The kinds of drift that are counted by themselves; all others are told together.
KINDS = {BAD_DEBT_STUCK: "stuck", FLAGS_INCONSISTENT: "inconsistent", NO_SUCCESS_STUCK: "never paid"}
OTHER = "other"
# What is said of a reason; `{}` is what stands behind its colon, if anything does.
WORDS = {
    "valve": "valve {}",
    "gate": "gate {} is shut",
    "restriction": "restriction {}",
    "refused": "refused: {}",
    "failed": "failed: {}",
    "left": "left alone: {}",
    "attempted": "attempted (told as {}), and stands",
    "dry_run": "only a dry run",
    "persistent": "persistent: it had drifted the night before",
    "persistent:": "held back for older {}",
    "not_attempted": "a candidate that nobody attempted",
    "undetected": "no night told of it",
    "no_night_since": "no night since",
    "not_mended": "remediation mends no such drift",
    "cannot_be_undone": "cannot be undone",
}
Table = tuple[Sequence[str], list[list[str]]]
"""Headings, and rows as long as these."""


def lines(told: Mapping[str, Any]) -> list[str]:
    """The figures of the whole run."""
    if "attempts" not in told:
        return [f"  remediation: {told['mode']}"]
    outcomes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told["outcomes"].items()) or "none"
    found = [f"  remediation {told['mode']}: {told['attempts']} attempts: {outcomes}"]
    for key, words in (("refused", "refused by"), ("left", "left alone"), ("healed", "drift it closed"), ("made_worse", "drift it opened")):
        if told[key]:
            found.append(f"  {words}: {_listed(told[key])}")
    if told["attempts"]:
        ended = "never" if told["zero_ms"] is None else f"{told['zero_ms'] / 1000:.1f} s after the first attempt"
        found.append(f"  nothing drifted any more: {ended}")
    if told["remaining"]:
        found.append(_plateau(told["plateau"]))
    doubted = [each["account"] for each in told["remaining"] if each["holds"] is False]
    if doubted:
        found.append(f"  refused for what is not so at the end: {_counted(len(doubted), 'account')}, such as {doubted[0]}")
    return found


def reasons_table(told: Mapping[str, Any]) -> Table | None:
    """Why accounts that still drift have stayed; None where none has."""
    if not told.get("reasons"):
        return None
    rows = [[words_of(reason), str(each["accounts"]), each["example"], _listed(each["codes"])] for reason, each in told["reasons"].items()]
    rows.append(["in all", str(len(told["remaining"])), "", ""])
    return ("why an account stays", "accounts", "such as", "their drift"), rows


def days_table(told: Mapping[str, Any]) -> Table | None:
    """What stood at the end of days, what remediation healed since the day told before, and what became of candidates; None for a single day."""
    days = told.get("days", ())
    if len(days) < 3:
        return None
    rows, since = [], Sums()
    for each in days:
        since.add(each)
        if len(days) <= WHOLE or each["day"] <= 3 or each["day"] % WEEK == 0 or each is days[-1]:
            rows.append([str(each["day"]), *map(str, _by_kind(each["standing"]).values()), *since.told()])
            since = Sums(since.held_back)
    return ("day", *KINDS.values(), OTHER, "healed", "attempts", "held back", "refused by"), rows


class Sums:
    """What days come to that are told together. `held_back`: the accounts that the last night so far held back."""

    def __init__(self, held_back: int = 0) -> None:
        self.held_back = held_back
        self._healed = self._attempts = 0
        self._refused: dict[str, int] = {}

    def add(self, day: Mapping[str, Any]) -> None:
        """Another day."""
        self._healed += sum(day.get("healed", {}).values())
        self._attempts += day.get("attempts", 0)
        self.held_back = day.get("persistent", self.held_back)
        for why, count in day.get("refused", {}).items():
            self._refused[why] = self._refused.get(why, 0) + count

    def told(self) -> list[str]:
        """Drift that was healed, attempts, accounts that were held back, and refusals by why."""
        return [str(self._healed), str(self._attempts), str(self.held_back), _listed(self._refused)]


def words_of(reason: str) -> str:
    """A reason, as it is said."""
    kind, _, what = reason.partition(":")
    return WORDS.get(f"{kind}:" if what else kind, WORDS[kind]).format(what)


def _plateau(told: Mapping[str, Any]) -> str:
    standing = _by_kind({code: each["standing"] for code, each in told["by_code"].items()})
    last = {kind: max([each["day"] for code, each in told["by_code"].items() if KINDS.get(code, OTHER) == kind], default=0) for kind in standing}
    days = ", ".join(f"{count} {kind} since day {last[kind]}" for kind, count in standing.items() if count)
    return f"  plateau: {_counted(told['accounts'], 'account')} from day {told['day']} on ({days})"


def _by_kind(counts: Mapping[str, int]) -> dict[str, int]:
    found = dict.fromkeys((*KINDS.values(), OTHER), 0)
    for code, count in counts.items():
        found[KINDS.get(code, OTHER)] += count
    return found


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
