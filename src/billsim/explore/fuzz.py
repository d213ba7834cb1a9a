"""`billsim fuzz` without the command line: a campaign from beginning to end, and the object of its `--json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from billsim.checks.marks import MARKS, OF_NIGHTS
from billsim.core.measure import clock_ns
from billsim.explore.baseline import NOTHING_KNOWN, Baseline
from billsim.explore.campaign import Batch, Campaign, Limits, Order, Player, Tally, run_campaign
from billsim.explore.campaign_folder import Folder, opened
from billsim.explore.found import Story, Wanted, story_of
from billsim.explore.signature import ordered
from billsim.explore.workers import Workers, serve_all

# Where stories are written when no folder is named.
FOUND_HERE = Path("found")


class Asked(NamedTuple):
    """What is wanted of a campaign. `shrink_s`: for each distinct failure, 0 for none; `clustered` False: every failing run is told by itself."""

    limits: Limits
    jobs: int = 1
    out: Path | None = None
    baseline: Baseline = NOTHING_KNOWN
    shrink_s: float = 0.0
    clustered: bool = True


class Progress(NamedTuple):
    """How far a campaign is: `shrunk` counts the stories made, of `to_shrink`."""

    runs: int
    failing: int
    distinct: int
    shrunk: int = 0
    to_shrink: int = 0


def fuzz(campaign: Campaign, asked: Asked, progress: Callable[[Progress], None] | None = None) -> dict[str, Any]:
    """Run a campaign, or go on with the one in `out`; the object of `--json`. Raises InputError."""
    tally = Tally(campaign, asked.baseline)
    tell = progress or _nobody
    with _folder(campaign, asked.out) as folder, Workers(asked.jobs, partial(_serve, campaign, asked.baseline)) as workers:
        for batch in folder.batches() if folder is not None else ():
            tally.add(batch)
        before, began = tally.end, clock_ns()
        complete = run_campaign(tally, workers, asked.limits, folder.keep if folder is not None else _forget, lambda at: tell(_progress(at)))
        wall_s = (clock_ns() - began) / 1e9
        stories = _stories(campaign, asked, tally, workers, tell) if asked.clustered else {}
        data = {
            **_figures(campaign, tally),
            "complete": complete,
            "jobs": asked.jobs,
            "wall_s": round(wall_s, 3),
            "runs_per_s": round((tally.end - before) / wall_s, 1) if wall_s else 0.0,
            "out": str(asked.out) if asked.out is not None else None,
            "distinct": _distinct(campaign, tally, stories) if asked.clustered else _each(campaign, tally),
        }
        if folder is not None:
            folder.end(data)
    return data


def _serve(campaign: Campaign, baseline: Baseline, order: Order | Wanted) -> Batch | Story:
    """What a worker of a campaign does: it plays runs, and makes stories."""
    return Player(campaign, baseline)(order) if isinstance(order, Order) else story_of(campaign, order)


def _stories(campaign: Campaign, asked: Asked, tally: Tally, workers: Workers, tell: Callable[[Progress], None]) -> dict[str, Story]:
    """A story of each failure that is new, by signature. An answer that comes late is a batch that the campaign did not wait for."""
    folder = asked.out / "found" if asked.out is not None else FOUND_HERE
    wanted = [Wanted(campaign.run(group.first), group.signature, folder, asked.out is not None, asked.shrink_s) for group in tally.new]
    stories: dict[str, Story] = {}
    at = _progress(tally)
    tell(at._replace(to_shrink=len(wanted)))
    for ticket, answer in serve_all(workers, ((each.signature, each) for each in wanted)):
        if isinstance(answer, Story):
            stories[ticket] = answer
            tell(at._replace(shrunk=len(stories), to_shrink=len(wanted)))
    return stories


def _figures(campaign: Campaign, tally: Tally) -> dict[str, Any]:
    marks = tally.marks()
    has_nights = any(scenario.warehouse is not None for scenario in campaign.scenarios)
    reachable = [mark for mark in MARKS if has_nights or mark not in OF_NIGHTS]
    return {
        "scenarios": [scenario.id for scenario in campaign.scenarios],
        "engine": campaign.engine,
        "strategy": campaign.strategy,
        "seed": campaign.seed,
        "verdict": tally.verdict,
        "runs": tally.end,
        "failing_runs": tally.failing,
        "unfinished_runs": tally.unfinished,
        "marks": {mark: marks.get(mark, 0) for mark in dict.fromkeys((*reachable, *marks))},
        "marks_missing": tally.marks_missing(),
    }


def _distinct(campaign: Campaign, tally: Tally, stories: dict[str, Story]) -> list[dict[str, Any]]:
    told = []
    for group in tally.groups.values():
        story = stories.get(group.signature)
        entry = _entry(campaign, group.signature, group.first)
        entry |= {"runs": group.runs, "known": group.known, "also": sorted(group.also)}
        if story is not None:
            entry |= {"file": str(story.file) if story.file is not None else None, "timeline_rows": story.rows, "replays": story.replays}
            entry |= {"file_seed": story.seed, "not_shrunk": story.why_not or None}
            entry |= {"shrink_runs": story.runs, "shrink_s": round(story.seconds, 3), "shrink_exhausted": story.exhausted}
        told.append(entry)
    return told


def _each(campaign: Campaign, tally: Tally) -> list[dict[str, Any]]:
    """Every failing run by itself, the first 1,000 of them."""
    told = []
    for failing, new in tally.failing_runs:
        gravest, *also = ordered(each for found in failing.wrong for each in found)
        told.append({**_entry(campaign, gravest, failing.number), "runs": 1, "known": not new, "also": also})
    return told


def _entry(campaign: Campaign, signature: str, number: int) -> dict[str, Any]:
    run = campaign.run(number)
    entry = {"signature": signature, "first_run": number, "scenario": campaign.scenarios[run.place].id, "seed": run.seed, "strategy": run.strategy}
    return {**entry, "file": None, "timeline_rows": None, "replays": None}


@contextmanager
def _folder(campaign: Campaign, out: Path | None) -> Iterator[Folder | None]:
    if out is None:
        yield None
        return
    with opened(out, campaign) as folder:
        yield folder


def _progress(tally: Tally) -> Progress:
    return Progress(tally.end, tally.failing, len(tally.groups))


def _forget(_batch: Batch) -> None:
    """Without a folder nothing is kept."""


def _nobody(_at: Progress) -> None:
    """Nobody looks on."""
