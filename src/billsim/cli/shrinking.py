"""`billsim shrink`: a failing run as the smallest story that fails in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import Json, PolicyFile, Quiet, check, load, platform, policy_option
from billsim.cli.output import Interrupted, beside, command, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

if TYPE_CHECKING:
    from billsim.explore.shrink import Shrunk
    from billsim.scenario.plan import Scenario

EXAMPLE = "Example: billsim shrink load/faulty_small --seed 2 --engine legacy --out found.toml"
RUNS, SECONDS = 400, 10.0
NONE, AGAINST = "none", "recompute"
OWN_ENGINE = "recompute, or the run's"


def shrink(
    what: Annotated[str, typer.Argument(metavar="RUN|SCENARIO", help="A run directory, or a scenario's name or file.")],
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="What all chance is derived from.", show_default="0")] = None,
    engine: Annotated[str | None, typer.Option("--engine", metavar="NAME", help="It fails under this one.", show_default=OWN_ENGINE)] = None,
    want: Annotated[str, typer.Option("--want", metavar="SIGNATURE", help="The failure that is to stay; else the gravest.")] = "",
    against: Annotated[str, typer.Option("--against", metavar="NAME", help="The story holds under this one; `none`: no matter.")] = AGAINST,
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="How many runs it may take.")] = RUNS,
    seconds: Annotated[float, typer.Option("--time", metavar="SECONDS", help="How long it may take.")] = SECONDS,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the story to a new file, instead of showing it.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Shrink a failing run to a told story: fewest accounts, rows, faults and pinned choices."""
    story, seed, engine, answers = _what_failed(what, seed, engine)
    check(seed, engine, *([] if against == NONE else [against]))
    if runs < 1 or not seconds > 0:
        raise InputError("must be above 0", key="--runs" if runs < 1 else "--time")
    if out is not None and out.exists():
        raise InputError("is there already, and is not written over", str(out), key="--out")
    asked = {"want": want, "against": against if against != AGAINST else "", **policy_option(policy)}
    options = {name: told for name, told in asked.items() if told}
    again = command("shrink", what, seed=seed, engine=engine, **options, **({"out": out} if out is not None else {}))
    from billsim.explore import shrink as shrinking

    with interruptible(json, "nothing is kept", again), Bars(wants_progress(json, quiet)) as bars:
        bar = bars.planned("shrinking", "runs")
        progress = None if bar is None else (lambda step: bar(step.runs, step.most_runs))
        holds = None if against == NONE else against
        # Where nobody is shown the story, nothing of it is left to keep.
        keeps = out is not None or not (json or quiet)
        shrunk = shrinking.shrink(story, seed, engine, answers, want, runs, seconds, holds, progress, **platform(policy), keeps=keeps)
    if shrunk.stopped:
        raise Interrupted(f"interrupted; {_kept(shrunk, engine, out, again, options)}")
    _show(shrunk, engine, out, json, quiet, policy)
    return 0


def _kept(shrunk: Shrunk, engine: str, out: Path | None, again: str, options: dict[str, Any]) -> str:
    """Keep the smallest story so far; where it is, and how to go on."""
    from billsim.scenario.toml_file import dump

    text = dump(shrunk.scenario)
    if out is None:
        typer.echo(text, nl=False)
        return f"the smallest story so far is shown; again: {again}"
    _write(out, text)
    from_there = command("shrink", str(out), engine=engine, seed=shrunk.seed, **{**options, "want": shrunk.signature}, out=beside(out))
    return f"the smallest story so far is in {out}; again, from there: {from_there}"


def _write(out: Path, text: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


def _what_failed(what: str, seed: int | None, engine: str | None) -> tuple[Scenario, int, str, dict[str, int]]:
    """Scenario, seed, engine and pinned answers of a run directory, or of a scenario."""
    if not (Path(what) / "run.json").is_file():
        return load(what), seed or 0, engine or "recompute", {}
    from billsim.replay.tape import read

    run = read(Path(what))
    if seed is not None and seed != run.seed:
        raise InputError(f"the run has the seed {run.seed}", key="--seed")
    return run.scenario, run.seed, engine or run.engine, run.answers


def _show(shrunk: Shrunk, engine: str, out: Path | None, json: bool, quiet: bool, policy: Path | None) -> None:
    from billsim import summary
    from billsim.scenario.toml_file import dump

    text = dump(shrunk.scenario)
    if out is not None:
        _write(out, text)
    if json:
        print_json(_data(shrunk, engine, out, text))
        return
    console = summary.console()
    left = f"{_count(len(shrunk.scenario.given), 'account')}, {_count(shrunk.rows, 'row')}, {_count(shrunk.pins, 'pinned choice')}"
    more = "the budget is spent, more --runs or --time may find a smaller one" if shrunk.exhausted else "nothing more can go"
    summary.say(console, f"{left}  {shrunk.signature}")
    summary.say(console, f"  {_count(shrunk.runs, 'run')} in {shrunk.seconds:.1f} s; {more}")
    if shrunk.against is not None:
        summary.say(console, f"  holds under {shrunk.against}")
    if out is not None:
        options: dict[str, Any] = {"engine": engine, **({"seed": shrunk.seed} if shrunk.seed else {}), **policy_option(policy)}
        summary.say(console, f"  {command('run', str(out), **options)}")
    elif not quiet:
        typer.echo(f"\n{text}", nl=False)


def _data(shrunk: Shrunk, engine: str, out: Path | None, text: str) -> dict[str, Any]:
    story = shrunk.scenario
    return {
        "signature": shrunk.signature,
        "engine": engine,
        "against": shrunk.against,
        "seed": shrunk.seed,
        "accounts": len(story.given) if story.population is None else story.population.accounts,
        "timeline_rows": shrunk.rows,
        "pins": shrunk.pins,
        "runs": shrunk.runs,
        "seconds": round(shrunk.seconds, 3),
        "exhausted": shrunk.exhausted,
        "file": None if out is None else str(out),
        "story": text,
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
