"""What is made of a failure: it is played again, shrunk to a story, and the story written to a file that falls in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from billsim.core.choices import ChoicesError
from billsim.explore.campaign import RUN_FAILED, Campaign, Numbered, wrong_with
from billsim.explore.signature import signature, slug
from billsim.run import run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import dump, load

if TYPE_CHECKING:
    from billsim.explore.shrink import Shrunk

HOLDS = "recompute"
_MOST_OF_A_NAME = 100


class Wanted(NamedTuple):
    """A failure of a campaign to make a story of. `folder`: where to; `own`: nobody but this campaign writes there. `seconds` 0: do not shrink it."""

    run: Numbered
    signature: str
    folder: Path
    own: bool
    seconds: float


class Story(NamedTuple):
    """`file` is None where there is none, and then there are no `rows`; `why_not` says why. `replays`: the file, run with `seed` (mostly 0), falls
    with the signature again; without a file: the run does. `runs` and `seconds` are what shrinking took; `exhausted`: it could have gone on.
    """

    file: Path | None
    rows: int | None
    replays: bool
    seed: int = 0
    runs: int = 0
    seconds: float = 0.0
    exhausted: bool = False
    why_not: str = ""


def story_of(campaign: Campaign, wanted: Wanted) -> Story:
    """Make a story of a failure; one that was made before is taken as it is."""
    path = _place(wanted, campaign.engine)
    if wanted.own and path.exists():
        return _written(campaign, wanted, path)
    found, _ = wrong_with(campaign, wanted.run)
    falls = any(wanted.signature in each for each in found)
    if not wanted.seconds or not falls or wanted.signature.startswith(RUN_FAILED):
        return Story(None, None, falls)
    try:
        shrunk = shrunk_of(campaign, wanted.run, wanted.signature, wanted.seconds)
    except InputError as refused:
        return Story(None, None, falls, why_not=refused.message)
    except (Exception, ChoicesError) as failure:  # what the campaign has found must not be lost
        return Story(None, None, falls, why_not=f"{type(failure).__name__}: {failure}")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(dump(shrunk.scenario), encoding="utf-8")
    beside.replace(path)
    story = _written(campaign, wanted, path)
    return story._replace(runs=shrunk.runs, seconds=shrunk.seconds, exhausted=shrunk.exhausted)


def shrunk_of(campaign: Campaign, run: Numbered, signature: str, seconds: float) -> Shrunk:
    """Shrink what a run showed, to a story that holds under the engine that is to hold. Raises InputError for what cannot be shrunk."""
    from billsim.explore.shrink import shrink

    _, schedule = campaign.play(run)
    return shrink(
        campaign.world(run),
        run.seed,
        campaign.engine,
        schedule.answers if schedule is not None else {},
        signature,
        budget_s=seconds,
        against=HOLDS if campaign.engine != HOLDS else None,
        platform=campaign.platform,
    )


def _written(campaign: Campaign, wanted: Wanted, path: Path) -> Story:
    """A story in its file; one that depends on how the world breaks ties has kept the seed of the run that it was made of."""
    scenario = load(path)
    for seed in (0, wanted.run.seed):
        result = run_scenario(scenario, seed=seed, engine=campaign.engine, platform=campaign.platform, bodies=False)
        if wanted.signature in signature(result):
            return Story(path, len(scenario.timeline), True, seed)
    return Story(path, len(scenario.timeline), False)


def _place(wanted: Wanted, engine: str) -> Path:
    """The file of the signature; where somebody else's story lies there already, one beside it."""
    name = slug(wanted.signature)[:_MOST_OF_A_NAME]
    path, number = wanted.folder / f"{name}.toml", 1
    while not wanted.own and path.exists() and not _is_ours(path, engine):
        number += 1
        path = wanted.folder / f"{name}-{number}.toml"
    return path


def _is_ours(path: Path, engine: str) -> bool:
    """A story that an earlier campaign under this engine wrote, and that nobody has claimed since."""
    try:
        from_ = load(path).from_
    except InputError:
        return False
    return from_.startswith("fuzz ") and f"engine={engine}" in from_.split()
