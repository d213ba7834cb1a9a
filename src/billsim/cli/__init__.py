"""The command line: parse, call one function, print. A file a command, or a few that belong together.

Exit codes: 0 holds, 1 falls, 2 usage or input, 3 unknown; 130 interrupted, 70 a bug of billsim's own. With --json there is one object on
standard output and nothing else, also for an error. What is slow to import is imported by the command that needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from billsim import __version__
from billsim.cli import (
    comparing,
    examining,
    explaining,
    exploring,
    fuzzing,
    importing,
    listing,
    measuring,
    mutating,
    replaying,
    running,
    serving,
    shrinking,
    turning,
    viewing,
    views_grade,
    views_run,
    views_sql,
)
from billsim.cli.output import EXIT_BROKEN_PIPE, EXIT_BUG, EXIT_INPUT, EXIT_INTERRUPTED, Interrupted, complain
from billsim.core.choices import ChoicesError
from billsim.scenario.errors import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(answer(sys.argv[1:] if arguments is None else list(arguments)))


def answer(arguments: list[str]) -> int:
    """Run one command line; the exit code. Whatever goes wrong is told in one line, or as one JSON object."""
    as_json = "--json" in arguments
    try:
        code = app(arguments, prog_name="billsim", standalone_mode=False)
        sys.stdout.flush()
        # Typer's own answer to Ctrl-C, where a command has nothing to tell of what is kept.
        return complain(Interrupted("interrupted"), code, as_json) if code == EXIT_INTERRUPTED else code or 0
    except Interrupted as error:
        return complain(error, EXIT_INTERRUPTED, as_json)
    except InputError as error:
        return complain(error, EXIT_INPUT, as_json)
    except typer.TyperException as error:
        return complain(InputError(f"{error.format_message().rstrip('.')}; see `billsim {_command_of(arguments)}--help`"), EXIT_INPUT, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except (Exception, ChoicesError) as error:
        if os.environ.get("BILLSIM_TRACEBACK"):
            raise
        text = f"a bug of billsim's own: {type(error).__name__}: {error}; BILLSIM_TRACEBACK=1 shows where"
        return complain(InputError(text), EXIT_BUG, as_json)


@app.callback(invoke_without_command=True)
def billsim(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Deterministic simulation and replay of a subscription-billing platform: find, explain and heal drift."""
    if version:
        typer.echo(f"billsim {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# In the order of `billsim --help`.
app.command(epilog=running.EXAMPLE)(running.run)
app.command(epilog=comparing.EXAMPLE)(comparing.compare)
app.command(epilog=fuzzing.EXAMPLE)(fuzzing.fuzz)
app.command(epilog=exploring.EXAMPLE)(exploring.explore)
app.command(epilog=shrinking.EXAMPLE)(shrinking.shrink)
app.command(epilog=mutating.EXAMPLE)(mutating.mutants)
app.command(epilog=replaying.EXAMPLE)(replaying.replay)
app.command(epilog=explaining.EXAMPLE)(explaining.explain)
app.command(epilog=turning.EXAMPLE)(turning.when)
app.command(epilog=examining.EXAMPLE)(examining.doctor)
app.command(epilog=measuring.EXAMPLE)(measuring.bench)
app.command(epilog=serving.EXAMPLE)(serving.serve)
app.command("import", epilog=importing.EXAMPLE)(importing.import_)
app.command(epilog="Example: billsim scenarios")(listing.scenarios)
app.command(epilog="Example: billsim engines")(listing.engines)
app.command(epilog="Example: billsim faults")(listing.faults)
app.command(epilog="Example: billsim touchpoints")(listing.touchpoints)

views = typer.Typer(no_args_is_help=False, rich_markup_mode=None)
views.command("list", epilog=viewing.LIST_EXAMPLE)(viewing.list_)
views.command("compile", epilog=viewing.COMPILE_EXAMPLE)(viewing.compile_)
views.command(epilog=views_run.EXAMPLE)(views_run.run)
views.command(epilog=viewing.TEST_EXAMPLE)(viewing.test)
views.command(epilog=views_grade.EXAMPLE)(views_grade.grade)
views.command(epilog=views_sql.EXAMPLE)(views_sql.sql)
app.add_typer(views, name="views", help="What production sees by night: Dataform views over mirrors, run and graded.", epilog=viewing.LIST_EXAMPLE)


def _command_of(arguments: Sequence[str]) -> str:
    """The command that a faulty line meant, for pointing at its help: `run ` or ''."""
    known = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback] + ["views"]
    return next((f"{argument} " for argument in arguments if argument in known), "")
