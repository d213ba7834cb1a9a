"""The command line: parse, call one function, print.

Exit codes: 0 holds, 1 falls, 2 usage or input, 3 unknown; 130 interrupted, 70 a bug of billsim's own. With --json there is one object on
standard output and nothing else, also for an error. What is slow to import is imported by the command that needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from billsim import __version__, looking
from billsim.bars import Bars
from billsim.core.choices import MAX_SEED, ChoicesError
from billsim.scenario.errors import InputError, nearest

if TYPE_CHECKING:
    from billsim.run import OrdersResult, RunResult
    from billsim.scenario.plan import Scenario

EXIT_OF_VERDICT = {"holds": 0, "falls": 1, "unknown": 3}
EXIT_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 70, 130, 141
DOCTORS_STORY = "dunning/late_failed_after_paid"
ORDERS = ("file", "created")
ENGINES = {
    "recompute": "gathers the whole account, decides once, and applies by compare-and-set until nothing differs",
    "legacy": "one blind handler an event, and dunning paths that race: what drifts, and why",
    "noop": "does nothing: every check must see it",
    "all_healthy": "calls every account healthy",
    "all_bad": "calls every account bad debt",
    "cancel_all": "cancels every subscription",
    "void_all": "voids every debt, so that none is left",
}

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

ScenarioName = Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a scenario (see `billsim scenarios`), or a TOML file.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="What all chance is derived from.")]
EngineName = Annotated[str, typer.Option("--engine", metavar="NAME", help="An engine (`billsim engines`), package.module:factory, or cmd:program.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="What your platform has otherwise (TOML).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]
EngineNames = Annotated[str, typer.Option("--engines", metavar="NAME,NAME", help="Engines; the exit code is the last one's verdict.")]
EventFiles = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILES...", help="Stripe events (JSON, JSON lines, API pages), and store rows (CSV, JSON lines, Parquet) named by store."),
]
StoreFiles = Annotated[list[str] | None, typer.Option("--store", metavar="STORE=FILE", help="Rows of a store, whatever the file is called.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only the verdict; no progress.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(answer(sys.argv[1:] if arguments is None else list(arguments)))


def answer(arguments: list[str]) -> int:
    """Run one command line; the exit code. Whatever goes wrong is told in one line, or as one JSON object."""
    as_json = "--json" in arguments
    try:
        code = app(arguments, prog_name="billsim", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except InputError as error:
        return _complain(error, EXIT_INPUT, as_json)
    except typer.TyperException as error:
        return _complain(InputError(f"{error.format_message().rstrip('.')}; see `billsim {_command_of(arguments)}--help`"), EXIT_INPUT, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except (Exception, ChoicesError) as error:
        if os.environ.get("BILLSIM_TRACEBACK"):
            raise
        text = f"a bug of billsim's own: {type(error).__name__}: {error}; BILLSIM_TRACEBACK=1 shows where"
        return _complain(InputError(text), EXIT_BUG, as_json)


@app.callback(invoke_without_command=True)
def billsim(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Deterministic simulation and replay of a subscription-billing platform: find, explain and heal drift."""
    if version:
        typer.echo(f"billsim {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(epilog="Example: billsim run dunning/late_failed_after_paid --engine legacy")
def run(
    scenario: ScenarioName,
    seed: Seed = 0,
    engine: EngineName = "recompute",
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Keep the run in a new folder: run.json, tape, tables.")] = None,
    json: Json = False,
    every_order: Annotated[bool, typer.Option("--every-order", help="Try every order of the rows that race.")] = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Run a scenario once: verdict, drift, and which write opened and closed it."""
    _check(seed, engine)
    story = _load(scenario)
    if every_order:
        if out is not None:
            raise InputError("keeps one run, and --every-order makes many: leave one of them out", key="--out")
        return _run_every_order(story, scenario, seed, engine, json, quiet, policy)
    with _interruptible(json, _kept(out), _run_command(scenario, seed, engine, out, policy)):
        result = _run_once(story, seed, engine, out, _wants_progress(json, quiet), policy)
    if json:
        _print_json(result.data)
    else:
        from billsim import summary

        console = summary.console()
        if quiet:
            summary.say(console, summary.headline(result.data, result.as_expected))
        else:
            summary.show_run(console, result, scenario, str(out) if out else None)
    return EXIT_OF_VERDICT[result.verdict]


@app.command(epilog="Example: billsim compare dunning/late_failed_after_paid --engines legacy,recompute")
def compare(
    scenario: ScenarioName,
    engines: EngineNames = "legacy,recompute",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    policy: PolicyFile = None,
) -> int:
    """Run the same world under each engine, side by side."""
    names = _engine_names(engines)
    _check(seed, *names)
    story = _load(scenario)
    from billsim import compare as comparing

    again = _command("compare", scenario, engines=engines, seed=seed, **_policy_option(policy))
    with _interruptible(json, "nothing is kept", again), Bars(_wants_progress(json, quiet)) as bars:
        comparison = comparing.compare(story, names, seed=seed, progress=bars.add, **_platform(policy))
    if json:
        _print_json(comparison.data)
    else:
        from billsim import summary

        summary.show_comparison(summary.console(), comparison, scenario)
    return EXIT_OF_VERDICT[comparison.results[names[-1]].verdict] if comparison.pairing.holds else 1


@app.command(epilog="Example: billsim run dunning/late_failed_after_paid --out my-run; billsim replay my-run --strict")
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
        _check(0, engine)
    if until or show:
        with _interruptible(json, f"{path} is as it was", f"billsim replay {path} --until {until} --show {show}"):
            return looking.show_moment(path, until, show, json, engine=engine, strict=strict, **_platform(policy))
    from billsim.replay.replay import replay as play

    repeat = f"billsim replay {path}"
    with _interruptible(json, f"{path} is as it was", repeat), Bars(_wants_progress(json, quiet)) as bars:
        replayed = play(path, engine=engine, strict=strict, progress=bars.add("replay"), **_platform(policy))
    if json:
        _print_json(replayed.data)
    else:
        from billsim import summary

        summary.show_replay(summary.console(), replayed, engine)
    return 1 if strict and not replayed.same_digest else EXIT_OF_VERDICT[replayed.result.verdict]


app.command(epilog=looking.EXAMPLE)(looking.explain)


@app.command(epilog="Example: billsim doctor dunning/late_failed_after_paid --seeds 3")
def doctor(
    scenario: Annotated[str, typer.Argument(metavar="[SCENARIO]", help="The scenario to run twice.", show_default=True)] = DOCTORS_STORY,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Try the seeds 0 to N-1.")] = 1,
    engine: EngineName = "recompute",
    json: Json = False,
) -> int:
    """Look at the installation, and at whether a scenario leaves the same trace in two fresh processes."""
    if seeds < 1:
        raise InputError(f"must be 1 or more, not {seeds}", key="--seeds")
    _check(0, engine)
    from billsim import doctor as examining
    from billsim.scenario.toml_file import find, names

    checks = examining.installation(lambda: len(names()))
    with _interruptible(json, "nothing is kept", _command("doctor", scenario, seeds=seeds, engine=engine)):
        outcomes = [examining.determinism(find(scenario), engine, seed) for seed in range(seeds)]
    ok = all(check.ok for check in checks) and all(outcome.same for outcome in outcomes)
    if json:
        _print_json(_doctor_data(ok, checks, scenario, engine, outcomes))
    else:
        from billsim import summary

        summary.show_installation(summary.console(), checks)
        summary.show_determinism(summary.console(), scenario, engine, outcomes)
    return 0 if ok else 1


@app.command(epilog="Example: billsim bench --scale-to 0 --json > before.json; billsim bench --scale-to 0 --baseline before.json --fail-over 15")
def bench(
    scenario: Annotated[str, typer.Argument(metavar="[SCENARIO]", help="The day that is measured.")] = "load/day_50k",
    seed: Seed = 0,
    engine: EngineName = "recompute",
    scale_to: Annotated[int, typer.Option("--scale-to", metavar="N", help="Run on to so many Stripe events; 0: do not.")] = 1_000_000,
    worlds: Annotated[int, typer.Option("--worlds", metavar="N", help="How many small worlds; 0: none.")] = 300,
    baseline: Annotated[Path | None, typer.Option("--baseline", metavar="FILE", help="An earlier result (--json) to compare with.")] = None,
    fail_over: Annotated[int, typer.Option("--fail-over", metavar="PERCENT", help="Exit 1 if a figure is worse by more than this.")] = 10,
    json: Json = False,
) -> int:
    """Measure throughput, memory and the latency of recompute, against an empty run on the same machine; Markdown, or JSON."""
    _check(seed, engine)
    from billsim import bench as measuring
    from billsim.scenario.toml_file import find

    before = measuring.read_baseline(baseline) if baseline else None
    measuring.check(scale_to, worlds, fail_over)
    again = _command("bench", scenario, seed=seed, engine=engine, **{"scale-to": scale_to, "worlds": worlds})
    with _interruptible(json, "nothing is kept", again):
        data = measuring.bench(find(scenario), engine=engine, seed=seed, scale_to=scale_to, worlds=worlds)
    against = measuring.compared(before, data) if before else []
    worse = measuring.failing(against, fail_over)
    if json:
        compared = {"compared": [each._asdict() for each in against], "fail_over": fail_over, "failing": [each.metric for each in worse]}
        _print_json(data | compared if before else data)
    else:
        typer.echo(measuring.markdown(data, against), nl=False)
        for each in worse:
            typer.echo(f"worse by more than {fail_over} %: {each.metric}, {each.baseline} -> {each.now}")
    return 1 if worse else EXIT_OF_VERDICT[data["verdict"]]


@app.command("import", epilog="Example: billsim import events.jsonl --out incident --order created")
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
    _check(seed)
    if order not in ORDERS:
        raise InputError(f"must be one of {', '.join(ORDERS)}, not '{order}'", key="--order", hint=nearest(order, ORDERS))
    from billsim.replay.importer import import_events
    from billsim.replay.row_files import named_stores

    with _interruptible(json, f"{out} holds no scenario", f"billsim import ... --out {out}"):
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
        _print_json({"scenario": str(report.scenario), **counts, "notes": notes})
        return 0
    from billsim import summary

    notes = [(note.file, note.line, note.message) for note in report.notes]
    summary.show_import(summary.console(), report.scenario, report.accounts, report.events, notes, report.rows)
    return 0


@app.command(epilog="Example: billsim scenarios")
def scenarios(json: Json = False) -> int:
    """List the scenarios that ship and those in ./scenarios."""
    from billsim.scenario.toml_file import names

    found = {name: _rule(name) for name in names()}
    if json:
        _print_json({"scenarios": [{"name": name, "rule": rule} for name, rule in found.items()]})
    else:
        _print_names(found)
    return 0


@app.command(epilog="Example: billsim engines")
def engines(json: Json = False) -> int:
    """List the engines that ship, and those that installed packages bring."""
    from billsim.engines import installed, names

    found = {name: ENGINES.get(name, "") for name in names()} | {name: f"installed: {entry.value}" for name, entry in installed().items()}
    if json:
        _print_json({"engines": [{"name": name, "what": what} for name, what in found.items()]})
    else:
        _print_names(found)
    return 0


@app.command(epilog="Example: billsim faults")
def faults(json: Json = False) -> int:
    """List the faults that a scenario can set under [faults], and how each heals."""
    from billsim.faults.catalogue import described

    found = described()
    if json:
        _print_json({"faults": found})
    else:
        _print_names({fault["name"]: f"{fault['what']} (of each {fault['of_each']}; heals: {fault['heals']})" for fault in found})
    return 0


def _check(seed: int, *engines: str) -> None:
    """Raise InputError for a seed or engine that cannot be."""
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"must be between 0 and {MAX_SEED}, not {seed}", key="--seed")
    if engines:
        from billsim.engines import UnknownEngineError, check_engine

        for engine in engines:
            try:
                check_engine(engine)
            except UnknownEngineError as error:
                raise InputError(error.message, key="--engine", hint=error.hint) from None


def _engine_names(listed: str) -> list[str]:
    names = [name.strip() for name in listed.split(",") if name.strip()]
    if len(names) < 2:
        raise InputError(f"needs two engines or more, as in legacy,recompute; '{listed}' names {len(names)}", key="--engines")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"names '{twice}' twice", key="--engines")
    return names


def _load(name: str) -> Scenario:
    from billsim.scenario.toml_file import find, load

    return load(find(name))


def _rule(name: str) -> str:
    """What a scenario is about, or what is wrong with it: one that is broken hides no other."""
    try:
        return _load(name).rule
    except InputError as error:
        return f"broken: {error}"


def _platform(policy: Path | None) -> dict[str, Any]:
    """What a run is told of a policy file: nothing where there is none."""
    if policy is None:
        return {}
    from billsim.scenario.policy_file import load_policy

    return {"platform": load_policy(policy)}


def _policy_option(policy: Path | None) -> dict[str, Any]:
    return {} if policy is None else {"policy": policy}


def _run_once(story: Scenario, seed: int, engine: str, out: Path | None, bar: bool, policy: Path | None) -> RunResult:
    with Bars(bar) as bars:
        progress = bars.add(story.id)
        if out is None:
            from billsim.run import run_scenario

            return run_scenario(story, seed=seed, engine=engine, progress=progress, **_platform(policy))
        from billsim.replay.tape import record

        return record(story, out, seed=seed, engine=engine, progress=progress, **_platform(policy))


def _run_every_order(story: Scenario, name: str, seed: int, engine: str, json: bool, quiet: bool, policy: Path | None) -> int:
    from billsim.run import run_orders
    from billsim.scenario.orders import TooManyOrdersError

    try:
        with _interruptible(json, "nothing is kept", f"{_command('run', name, seed=seed, engine=engine, **_policy_option(policy))} --every-order"):
            orders = run_orders(story, seed=seed, engine=engine, **_platform(policy))
    except TooManyOrdersError as error:
        if json:
            unknown = {"scenario": story.id, "seed": seed, "engine": engine, "verdict": "unknown", "complete": False}
            _print_json({**unknown, "orders": error.count, "failing_orders": 0, "runs": []})
        else:
            typer.echo(f"unknown  {name} under {engine}, seed {seed}: {error}")
        return EXIT_OF_VERDICT["unknown"]
    if json:
        _print_json(_orders_data(orders, story.id, seed, engine))
    else:
        from billsim import summary

        summary.show_orders(summary.console(), orders, story, name, engine, seed, stories=not quiet)
    return EXIT_OF_VERDICT[orders.verdict]


def _orders_data(orders: OrdersResult, scenario: str, seed: int, engine: str) -> dict[str, Any]:
    runs = [{"order": order, "verdict": run.verdict, "digest": run.data["digest"], "drift": run.data["drift"]} for order, run in orders.orders]
    return {
        "scenario": scenario,
        "seed": seed,
        "engine": engine,
        "verdict": orders.verdict,
        "as_expected": orders.as_expected,
        "complete": True,
        "orders": len(runs),
        "failing_orders": sum(run["verdict"] == "falls" for run in runs),
        "runs": runs,
    }


def _doctor_data(ok: bool, checks: Sequence[Any], scenario: str, engine: str, outcomes: Sequence[Any]) -> dict[str, Any]:
    seeds = [{"seed": o.seed, "same": o.same, "digests": list(o.digests), "first_difference": o.first_difference} for o in outcomes]
    return {"ok": ok, "checks": [check._asdict() for check in checks], "determinism": {"scenario": scenario, "engine": engine, "seeds": seeds}}


@contextmanager
def _interruptible(as_json: bool, kept: str, again: str) -> Iterator[None]:
    """Ctrl-C ends with one line: what is kept, and how to go on. A program that cannot be started is a bad `--engine`."""
    from billsim.engines import UnknownEngineError

    try:
        yield
    except UnknownEngineError as error:
        raise InputError(error.message, key="--engine", hint=error.hint) from None
    except KeyboardInterrupt:
        raise typer.Exit(_complain(InputError(f"interrupted; {kept}; again: {again}"), EXIT_INTERRUPTED, as_json)) from None


def _kept(out: Path | None) -> str:
    if out is None:
        return "nothing is kept without --out DIR"
    return f"what was written until then is in {out}, and its run.json says that it is incomplete"


def _run_command(scenario: str, seed: int, engine: str, out: Path | None, policy: Path | None) -> str:
    options: dict[str, Any] = {"seed": seed, "engine": engine, **_policy_option(policy)}
    return _command("run", scenario, **options, **({"out": out.with_name(f"{out.name}-2")} if out else {}))


def _command(name: str, scenario: str, **options: Any) -> str:
    from billsim.summary import command

    return command(name, scenario, **options)


def _wants_progress(as_json: bool, quiet: bool) -> bool:
    return sys.stderr.isatty() and not as_json and not quiet


def _command_of(arguments: Sequence[str]) -> str:
    """The command that a faulty line meant, for pointing at its help: `run ` or ''."""
    known = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    return next((f"{argument} " for argument in arguments if argument in known), "")


def _complain(error: InputError, code: int, as_json: bool) -> int:
    """Tell an error: one line on standard error or, with --json, one object on standard output."""
    if as_json:
        _print_json({"error": {field: getattr(error, field) or None for field in ("message", "file", "line", "key", "hint")}})
    else:
        typer.echo(f"billsim: {error}", err=True)
    return code


def _print_json(data: Mapping[str, Any]) -> None:
    typer.echo(msgspec.json.encode(data).decode())


def _print_names(found: Mapping[str, str]) -> None:
    width = max(map(len, found), default=0)
    for name, what in found.items():
        typer.echo(f"{name:<{width}}  {what}".rstrip())


if __name__ == "__main__":
    main()
