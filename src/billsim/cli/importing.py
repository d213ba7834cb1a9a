"""`billsim import`: a scenario of real events and of the rows of real stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from billsim.cli.options import Json, check
from billsim.cli.output import interruptible, print_json
from billsim.scenario.errors import InputError, nearest

EXAMPLE = "Example: billsim import events.jsonl --out incident --order created"
ORDERS = ("file", "created")

EventFiles = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILES...", help="Stripe events (JSON, JSON lines, API pages), and store rows (CSV, JSON lines, Parquet) named by store."),
]
StoreFiles = Annotated[list[str] | None, typer.Option("--store", metavar="STORE=FILE", help="Rows of a store, whatever the file is called.")]


def import_(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for the scenario.")],
    files: EventFiles = None,
    order: Annotated[str, typer.Option("--order", metavar="file|created", help="Deliver in the order of the files, or by `created`.")] = "file",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="What pseudonyms are derived from.")] = 0,
    store: StoreFiles = None,
    columns: Annotated[Path | None, typer.Option("--columns", metavar="FILE", help="What your tables call their columns, as TOML.")] = None,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="The moment the rows are of (default: the newest time in them).")] = "",
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Keep names, addresses and ids as they are.")] = False,
    json: Json = False,
) -> int:
    """Make a scenario of real Stripe events and of what the stores held, pseudonymised."""
    check(seed)
    if order not in ORDERS:
        raise InputError(f"must be one of {', '.join(ORDERS)}, not '{order}'", key="--order", hint=nearest(order, ORDERS))
    from billsim.replay.importer import import_events
    from billsim.replay.row_files import named_stores

    with interruptible(json, f"{out} holds no scenario", f"billsim import ... --out {out}"):
        report = import_events(
            files or [],
            out,
            order="created" if order == "created" else "file",
            seed=seed,
            stores=named_stores(store or []),
            columns=columns,
            at=at,
            keep_names=keep_names,
        )
    if json:
        notes = msgspec.to_builtins(report.notes)
        counts = {"accounts": report.accounts, "events": report.events, "rows": report.rows}
        print_json({"scenario": str(report.scenario), **counts, "notes": notes})
        return 0
    from billsim import summary

    notes = [(note.file, note.line, note.message) for note in report.notes]
    summary.show_import(summary.console(), report.scenario, report.accounts, report.events, notes, report.rows)
    return 0
