"""`billsim replay`: a recorded run again, whole or up to an instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from billsim.bars import Bars
from billsim.cli.options import Json, PolicyFile, Quiet, check, platform
from billsim.cli.output import EXIT_OF_VERDICT, interruptible, print_json, wants_progress
from billsim.scenario.errors import InputError

EXAMPLE = "Example: billsim run dunning/late_failed_after_paid --out my-run; billsim replay my-run --strict"


def replay(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, as `billsim run --out` leaves it.")],
    engine: Annotated[str | None, typer.Option("--engine", metavar="NAME", help="Another engine than the recorded one.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take no answer but the tape's, and fall if the trace is another.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Run no further than this; with --show.")] = "",
    show: Annotated[str, typer.Option("--show", metavar="ACCOUNT", help="Its rows in all stores at --until, beside truth.")] = "",
) -> int:
    """Run a recorded run again, from its tape."""
    if engine is not None:
        check(0, engine)
    if until or show:
        with interruptible(json, f"{path} is as it was", f"billsim replay {path} --until {until} --show {show}"):
            return _show_moment(path, until, show, json, engine=engine, strict=strict, **platform(policy))
    from billsim.replay.replay import replay as play

    repeat = f"billsim replay {path}"
    with interruptible(json, f"{path} is as it was", repeat), Bars(wants_progress(json, quiet)) as bars:
        replayed = play(path, engine=engine, strict=strict, progress=bars.add("replay"), **platform(policy))
    if json:
        print_json(replayed.data)
    else:
        from billsim import summary

        summary.show_replay(summary.console(), replayed, engine)
    return 1 if strict and not replayed.same_digest else EXIT_OF_VERDICT[replayed.result.verdict]


def _show_moment(path: Path, until: str, show: str, json: bool, **how: Any) -> int:
    """What the stores held of the account `show` at the instant `until` of a recorded run. Raises InputError."""
    if not until or not show:
        raise InputError("go together, as in --until 2026-03-15T03:00:00Z --show ada", key="--until and --show")
    from billsim.replay.moment import instant, moment

    seen = moment(path, instant(until), show, **how)
    if json:
        print_json(seen.data)
    else:
        from billsim import summary, telling

        telling.show_moment(summary.console(), seen)
    return 0
