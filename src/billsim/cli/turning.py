"""`billsim when`: how likely the failure of a run still was, instant by instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import EngineName, Json, PolicyFile, Quiet, ScenarioName, Seed, check, load, platform, policy_option
from billsim.cli.output import EXIT_OF_VERDICT, command, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

EXAMPLE = "Example: billsim when races/late_failure_card_payment --engine legacy --svg when.svg"
MOST_POINTS, MOST_RUNS = 1_000, 10_000


def when(
    scenario: ScenarioName,
    seed: Seed = 0,
    engine: EngineName = "recompute",
    points: Annotated[int, typer.Option("--points", metavar="N", help="At how many instants, at most.")] = 24,
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="How many other seeds for the rest, at each.")] = 20,
    account: Annotated[str, typer.Option("--account", metavar="NAME", help="What went wrong with this account.")] = "",
    signature: Annotated[str, typer.Option("--signature", metavar="TEXT", help="Which failure (default: the gravest).")] = "",
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write the plot as a picture.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Tell when a run went wrong: keep its beginning, leave the rest to other seeds, and see how often it goes wrong again."""
    check(seed, engine)
    for key, value, least, most in (("--points", points, 2, MOST_POINTS), ("--runs", runs, 1, MOST_RUNS)):
        if not least <= value <= most:
            raise InputError(f"must be between {least} and {most}, not {value}", key=key)
    _check_picture(svg)
    story = load(scenario)
    from billsim.explore.when import Wanted
    from billsim.explore.when import when as ask

    asked = {"account": account, "signature": signature, "svg": svg}
    options: dict[str, Any] = {"seed": seed, "engine": engine, "points": points, "runs": runs, **policy_option(policy)}
    options.update({key: value for key, value in asked.items() if value})
    again = command("when", scenario, **options)
    with interruptible(json, "nothing is kept", again), Bars(wants_progress(json, quiet)) as bars:
        how: dict[str, Any] = {"points": points, "runs": runs, "progress": bars.planned(story.id, "runs"), **platform(policy)}
        found = ask(story, seed=seed, engine=engine, wanted=Wanted(account, signature), **how)
    if svg is not None:
        from billsim.explore.plot import svg as picture

        svg.write_text(picture(found), encoding="utf-8")
    if json:
        print_json(found.data)
    else:
        from billsim import summary, telling

        telling.show_when(summary.console(), found, again, brief=quiet)
    return EXIT_OF_VERDICT[found.verdict]


def _check_picture(svg: Path | None) -> None:
    """Raise InputError before anything is run where the picture could not be written."""
    if svg is not None and svg.is_dir():
        raise InputError("is a folder; name a file, as in when.svg", str(svg), key="--svg")
    if svg is not None and not svg.parent.is_dir():
        raise InputError(f"there is no folder {svg.parent}", str(svg), key="--svg")
