"""The commands that look into a recorded run: `explain`, and `replay --until --show`. What is slow to import is imported by the one that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from billsim.scenario.errors import InputError

EXAMPLE = "Example: billsim run dunning/pay_bad_debt_vs_webhook --engine legacy --out my-run; billsim explain my-run"


def explain(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, as `billsim run --out` leaves it.")],
    account: Annotated[str | None, typer.Option("--account", metavar="NAME", help="Only this account's drift.")] = None,
    code: Annotated[str | None, typer.Option("--code", metavar="CODE", help="Only drift of this code.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="Tell so many stories.", min=1)] = 10,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")] = False,
) -> int:
    """Tell each drift of a recorded run as a story: what opened it, what raced, what its writer had read, why, and what closed it."""
    from billsim.replay.explain import explain as explaining

    explained = explaining(path, account=account, code=code)
    if json:
        typer.echo(msgspec.json.encode(explained.data).decode())
    else:
        from billsim import summary, telling

        telling.show_explained(summary.console(), explained, str(path), limit)
    return 0


def show_moment(path: Path, until: str, show: str, json: bool, **how: Any) -> int:
    """What the stores held of the account `show` at the instant `until` of a recorded run. Raises InputError."""
    if not until or not show:
        raise InputError("go together, as in --until 2026-03-15T03:00:00Z --show ada", key="--until and --show")
    from billsim.replay.moment import instant, moment

    seen = moment(path, instant(until), show, **how)
    if json:
        typer.echo(msgspec.json.encode(seen.data).decode())
    else:
        from billsim import summary, telling

        telling.show_moment(summary.console(), seen)
    return 0
