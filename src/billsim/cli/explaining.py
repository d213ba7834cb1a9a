"""`billsim explain`: the drift of a recorded run, told as stories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from billsim.cli.options import Json
from billsim.cli.output import print_json

EXAMPLE = "Example: billsim run dunning/pay_bad_debt_vs_webhook --engine legacy --out my-run; billsim explain my-run"


def explain(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, as `billsim run --out` leaves it.")],
    account: Annotated[str | None, typer.Option("--account", metavar="NAME", help="Only this account's drift.")] = None,
    code: Annotated[str | None, typer.Option("--code", metavar="CODE", help="Only drift of this code.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="Tell so many stories.", min=1)] = 10,
    json: Json = False,
) -> int:
    """Tell each drift of a recorded run as a story: what opened it, what raced, what its writer had read, why, and what closed it."""
    from billsim.replay.explain import explain as explaining

    explained = explaining(path, account=account, code=code)
    if json:
        print_json(explained.data)
    else:
        from billsim import summary, telling

        telling.show_explained(summary.console(), explained, str(path), limit)
    return 0
