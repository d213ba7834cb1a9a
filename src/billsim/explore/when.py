"""When did it go wrong: how likely a failure still was, instant by instant.

A run that fell is run again, many times, with its beginning kept and its rest left to other seeds. While everything is still open the failure comes
about now and then; once what decides it has been answered it comes about in every rest. So its share of the rests, against the instant up to which
the run is kept, rises where the run went wrong. The instants that are tried are those at which something happened to the account: first some of
them, all over the run, then those between which the share changed most.

Then the same is done with the questions that were answered in that interval, in their order: everything up to the interval is kept, and the first
few of its answers. That ends at the one answer which decided it, or at a few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple

import msgspec

from billsim.checks.cause import provenance
from billsim.core.choices import MAX_SEED
from billsim.core.platform import Platform
from billsim.core.trace import ActionRecord, MessageRecord, WriteRecord
from billsim.explore.signature import ordered, signature
from billsim.run import SHIPPED, RunResult, run_scenario
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.orders import offset_label
from billsim.scenario.plan import Scenario
from billsim.scenario.tales import told

MOST_STEPS = 12
# 95 % of a normal distribution.
_Z = 1.96

Happening = WriteRecord | ActionRecord | MessageRecord


class Failure(NamedTuple):
    """What went wrong: a signature, and the account that has it ('' for a finding about none)."""

    signature: str
    account: str

    def shown_by(self, result: RunResult) -> bool:
        """Whether a run shows it."""
        return self.signature in _signatures(result, self.account)


class Share(NamedTuple):
    """Of `runs` runs `falling` showed the failure, and `others` did not and showed another one of the account."""

    runs: int
    falling: int
    others: int

    @property
    def p(self) -> float:
        """The share of runs that showed the failure."""
        return self.falling / self.runs

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what the probability lies, with 95 % confidence (Wilson's score interval)."""
        n, p, z = self.runs, self.p, _Z
        middle, spread = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of it."""
        low, high = self.bounds
        return {"runs": self.runs, "falling": self.falling, "others": self.others, "p": _short(self.p), "low": _short(low), "high": _short(high)}


class Point(NamedTuple):
    """The run was kept up to and including an instant: what the rests came to. `at_ms` None: nothing was kept."""

    at_ms: int | None
    share: Share

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of it."""
        return {"at": self.at_ms, **self.share.data}


class Decision(NamedTuple):
    """The answers that decided it, by label: one, or a few that were not told apart. Of what was answered between two instants all was kept that came
    `before` them, and then they as well (`after`); `alone`: they, and nothing that came before them.
    """

    answers: dict[str, int]
    before: Share
    after: Share
    alone: Share

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of it."""
        return {"answers": self.answers, "before": self.before.data, "after": self.after.data, "alone": self.alone.data}


class Turn(NamedTuple):
    """Where the failure became likely: after `before` and not after `after`. `records` of the account, and how many `questions` of it were answered.

    `decision` None: none of their answers makes it likelier.
    """

    before: Point
    after: Point
    records: list[Happening]
    questions: int
    decision: Decision | None

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of it."""
        return {
            "after": self.before.at_ms,
            "until": self.after.at_ms,
            "p_before": _short(self.before.share.p),
            "p_after": _short(self.after.share.p),
            "happened": [_told(record) for record in self.records],
            "questions": self.questions,
            "decision": self.decision.data if self.decision else None,
        }


class When(NamedTuple):
    """A run that fell, and how likely its failure was at the instants that were tried. `turn` None: it was as likely at all of them.

    `failure` and `points` are empty for a run in which nothing went wrong.
    """

    scenario: Scenario
    seed: int
    engine: str
    verdict: str
    failure: Failure | None
    others: tuple[str, ...]
    points: tuple[Point, ...]
    turn: Turn | None
    runs: int

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of `when`. `falling` of `runs` showed the failure; `low` and `high` bound its probability `p` with 95 % confidence."""
        failure, turn = self.failure, self.turn
        return {
            "scenario": self.scenario.id,
            "seed": self.seed,
            "engine": self.engine,
            "verdict": self.verdict,
            "signature": failure.signature if failure else None,
            "account": failure.account if failure else None,
            "other_signatures": list(self.others),
            "runs": self.runs,
            "points": [point.data for point in self.points],
            "turn": turn.data if turn else None,
        }


class Wanted(NamedTuple):
    """Of which failure to ask: '' leaves it open, and then it is the gravest."""

    account: str = ""
    signature: str = ""


ANY = Wanted()


def when(
    scenario: Scenario,
    *,
    seed: int = 0,
    engine: str = "recompute",
    wanted: Wanted = ANY,
    points: int = 24,
    runs: int = 20,
    platform: Platform = SHIPPED,
    progress: Callable[[int, int], None] | None = None,
) -> When:
    """How likely the failure of a run was at `points` instants, from `runs` other seeds each. `progress` is told (runs done, runs planned).

    Raises InputError for a failure that is wanted and that the run does not show.
    """
    story = told(scenario, seed)
    trials = _Trials(story, seed, engine, platform, runs, progress)
    result = trials.kept()
    failure = _failure(result, wanted)
    if failure is None:
        return When(story, seed, engine, result.verdict, None, (), (), None, trials.runs)
    trials.failure = failure
    instants = _instants(story, result.records, failure.account)
    trials.planned = trials.runs + min(points, len(instants)) * runs
    measured = _measured(len(instants), points, lambda index: trials.share(instants[index], {}))
    found = tuple(Point(instants[index], measured[index]) for index in sorted(measured))
    before, after = max(pairwise(found), key=lambda pair: pair[1].share.p - pair[0].share.p)
    turn = _turn(trials, result, before, after) if after.share.falling > before.share.falling else None
    others = tuple(each for each in _signatures(result, failure.account) if each != failure.signature)
    return When(story, seed, engine, result.verdict, failure, others, found, turn, trials.runs)


class _Trials:
    """Runs the story with some of it kept, under the same other seeds each time, so that two shares differ by what was kept alone."""

    def __init__(
        self, story: Scenario, seed: int, engine: str, platform: Platform, runs: int, progress: Callable[[int, int], None] | None
    ) -> None:
        self.story = story
        self.runs = 0
        self.planned = 1
        self.failure = Failure("", "")
        self._seed = seed
        self.size = runs
        self._others = [(seed + 1 + n) % (MAX_SEED + 1) for n in range(runs)]
        self._how: dict[str, Any] = {"seed": seed, "engine": engine, "platform": platform, "bodies": False}
        self._progress = progress

    def kept(self, until_ms: int | None = None) -> RunResult:
        """The run itself, with all that it left. It knows how many of its answers were given up to `until_ms`."""
        reseed = None if until_ms is None else (until_ms, self._seed)
        result = run_scenario(self.story, keep_records=True, keep_tape=True, reseed=reseed, **self._how)
        self._count()
        return result

    def share(self, at_ms: int | None, answers: Mapping[str, int]) -> Share:
        """The run kept up to an instant, and some answers besides."""
        falling = others = 0
        for other in self._others:
            until_ms = self.story.start - 1 if at_ms is None else at_ms
            result = run_scenario(self.story, reseed=(until_ms, other), overrides=answers, **self._how)
            shows = self.failure.shown_by(result)
            falling += shows
            others += not shows and bool(_signatures(result, self.failure.account))
            self._count()
        return Share(len(self._others), falling, others)

    def _count(self) -> None:
        self.runs += 1
        if self._progress is not None:
            self._progress(self.runs, max(self.planned, self.runs))


def _measured(count: int, most: int, measure: Callable[[int], Share]) -> dict[int, Share]:
    """What is measured at up to `most` of the places 0 to `count` - 1: half of it all over, and then between the two that differ most.

    Where no two differ nothing is looked for between them.
    """
    spread = max(2, most // 2) if most < count else count
    found = {index: measure(index) for index in dict.fromkeys(n * (count - 1) // max(1, spread - 1) for n in range(spread))}
    while len(found) < most:
        gaps = [(abs(found[high].falling - found[low].falling), high - low, low) for low, high in pairwise(sorted(found)) if high - low > 1]
        difference, width, low = max(gaps, default=(0, 0, 0))
        if not difference:
            break
        found[low + width // 2] = measure(low + width // 2)
    return found


def _instants(story: Scenario, records: Sequence[Any], account: str) -> list[int | None]:
    """Nothing kept, the beginning, and each instant at which something happened to the account."""
    happened = {record.at_ms for record in _happenings(records, account)}
    return [None, *sorted(happened | {story.start})]


# -- what went wrong -----------------------------------------------------------------------------------------------------------------


def _failure(result: RunResult, wanted: Wanted) -> Failure | None:
    """The failure that is wanted; None where there is none and none is wanted."""
    accounts = dict.fromkeys([drift.account for drift in result.drift if drift.closed_ms is None])
    accounts.update(dict.fromkeys(str(finding["account"]) for finding in result.data["findings"]))
    if wanted.account and wanted.account not in accounts:
        raise _unknown("account", wanted.account, accounts)
    of = {account: _signatures(result, account) for account in accounts if wanted.account in ("", account)}
    all_of_them = ordered(each for found in of.values() for each in found)
    if wanted.signature and wanted.signature not in all_of_them:
        raise _unknown("signature", wanted.signature, all_of_them)
    if not all_of_them:
        return None
    chosen = wanted.signature or all_of_them[0]
    return Failure(chosen, next(account for account, found in of.items() if chosen in found))


def _unknown(what: str, name: str, known: Mapping[str, Any] | Sequence[str]) -> InputError:
    if not known:
        return InputError("nothing went wrong in this run: it holds", key=f"--{what}")
    return InputError(f"this run has no failure of '{name}'", key=f"--{what}", hint=nearest(name, known) or next(iter(known)))


def _signatures(result: RunResult, account: str) -> tuple[str, ...]:
    """What was wrong with an account in a run."""
    if not account:
        return signature(result)
    findings = [finding for finding in result.data["findings"] if finding["account"] == account]
    drift = [each for each in result.drift if each.account == account]
    return signature(replace(result, data={**result.data, "findings": findings}, drift=drift))


# -- what happened there -------------------------------------------------------------------------------------------------------------


def _turn(trials: _Trials, result: RunResult, before: Point, after: Point) -> Turn:
    """What happened to the account after `before` and up to `after`, and which of the answers that were given there decided it."""
    account = trials.failure.account
    first_ms = trials.story.start - 1 if before.at_ms is None else before.at_ms
    last_ms = trials.story.start if after.at_ms is None else after.at_ms
    records = [record for record in _happenings(result.records, account) if first_ms < record.at_ms <= last_ms]
    asked = [question for question in _asked(trials, result, before.at_ms, last_ms) if _names(question[0], account)]
    return Turn(before, after, records, len(asked), _decision(trials, before, asked))


def _decision(trials: _Trials, before: Point, asked: Sequence[tuple[str, int]]) -> Decision | None:
    """Which answers decided it, of those that were given after `before`, in their order."""
    trials.planned = trials.runs + (min(len(asked), MOST_STEPS) + 1) * trials.size

    def kept(count: int) -> Share:
        return trials.share(before.at_ms, dict(asked[:count])) if count else before.share

    shares = _measured(len(asked) + 1, MOST_STEPS, kept)
    low, high = max(pairwise(sorted(shares)), key=lambda pair: shares[pair[1]].falling - shares[pair[0]].falling, default=(0, 0))
    if shares[high].falling <= shares[low].falling:
        return None
    answers = dict(asked[low:high])
    return Decision(answers, shares[low], shares[high], trials.share(before.at_ms, answers) if low else shares[high])


def _asked(trials: _Trials, result: RunResult, first_ms: int | None, last_ms: int) -> list[tuple[str, int]]:
    """The questions that were answered after one instant and up to another, and those of when the racing rows of that time act."""
    tape = result.tape or []
    start = 0 if first_ms is None else trials.kept(first_ms).kept
    given = dict(tape[start : trials.kept(last_ms).kept])
    answers = dict(tape)
    for index, row in enumerate(trials.story.timeline):
        label = offset_label(index)
        if (first_ms is None or first_ms < row.at) and row.at <= last_ms and label in answers:
            given[label] = answers[label]
    return list(given.items())


def _names(label: str, account: str) -> bool:
    """Whether a label names the account, or no account at all."""
    return not account or label.startswith("w/story/") or re.search(rf"(?<![A-Za-z0-9]){re.escape(account)}(?![A-Za-z0-9])", label) is not None


def _happenings(records: Sequence[Any], account: str) -> Iterator[Happening]:
    """What happened to an account, of all records; to any where none is given."""
    return (record for record in records if isinstance(record, Happening) and account in ("", record.account))


def _told(record: Happening) -> dict[str, Any]:
    """A record without the rows themselves: of a write, the fields that it changed."""
    if isinstance(record, MessageRecord):
        return {"kind": "message", "at_ms": record.at_ms, "what": record.what, "name": record.name, "message": record.kind, "attempt": record.attempt}
    told: dict[str, Any] = msgspec.to_builtins(provenance(record))
    return told


def _short(share: float) -> float:
    return round(share, 4)
