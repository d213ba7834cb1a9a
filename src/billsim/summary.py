"""What a command prints for people: the verdict, the drift with the writes that opened and closed it, and the command that does it again.

Stories are plain lines, so that they can be searched and copied; only tables are drawn.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from billsim import handover, rehearsal
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso
from billsim.core.trace import DriftRecord
from billsim.scenario.orders import offset_label
from billsim.scenario.plan import Scenario

if TYPE_CHECKING:
    from billsim.compare import Comparison
    from billsim.doctor import Check, SeedOutcome
    from billsim.oracle import Found
    from billsim.replay.replay import Replayed
    from billsim.run import OrdersResult, RunResult

STORIES = 10
COLOURS = {"holds": "bold green", "falls": "bold red", "unknown": "bold yellow"}
FIELDS = 3
VALUE_WIDTH = 60
PIPE_WIDTH = 120


def console(*, stderr: bool = False) -> Console:
    """A console that interprets nothing in what it prints; into a pipe it is wide, so that tables are not cut."""
    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = max(made.width, PIPE_WIDTH)
    return made


def say(out: Console, text: str = "", style: str | None = None) -> None:
    """One line, however long; on a terminal it is broken between words, under its own indentation."""
    if not out.is_terminal:
        out.print(text, soft_wrap=True)
        return
    indent = " " * (len(text) - len(text.lstrip()) + 4)
    for line in textwrap.wrap(text, out.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]:
        out.print(line, style=style, soft_wrap=True)


def show_run(out: Console, result: RunResult, scenario: str, run_dir: str | None) -> None:
    """The summary of one run. `scenario` is its name as the user gave it."""
    data = result.data
    say(out, headline(data, result.as_expected), COLOURS[result.verdict])
    say(out, _figures(data))
    if data.get("marks_missing"):
        say(out, f"  never reached, though the scenario asks for it: {', '.join(data['marks_missing'])}")
    for missing in data.get("not_shown", ()):
        held = ", ".join(f"{column} {value}" for column, value in missing["row"].items())
        say(out, f"  not shown by {missing['view']} on {missing['night'] or 'the last night'}: {held}")
    _show_handover(out, data)
    _show_remediation(out, data)
    _show_findings(out, data)
    if result.drift:
        out.print(codes_table({data["engine"]: data}))
    show_drift(out, result.drift, run_dir)
    if run_dir:
        say(out, f"Kept in {run_dir}: run.json, and tables for DuckDB, e.g.  SELECT * FROM '{run_dir}/writes/*.parquet'")
    say(out, f"Again: {command('run', scenario, engine=data['engine'], seed=data['seed'], **_policy(data), **_way(data))}")


def show_orders(out: Console, orders: OrdersResult, story: Scenario, scenario: str, engine: str, seed: int, *, stories: bool = True) -> None:
    """The summary of every order of the rows that race: how many fall, and the first that does."""
    falling = [(overrides, result) for overrides, result in orders.orders if result.verdict == "falls"]
    tried = f"{_count(len(orders.orders), 'order')}, {len(falling)} with drift"
    say(out, f"{orders.verdict}  {scenario} under {engine}, seed {seed}: {tried}{_pinned(orders.as_expected)}")
    if orders.control is not None:
        say(out, f"  its race-free control: {_headline_end(orders.control)}")
    if not stories:
        return
    for overrides, result in falling[:1]:
        say(out, f"The first order with drift{', by when its rows happen' if overrides else ''}:")
        rows = [(row, overrides[label]) for index, row in enumerate(story.timeline) if (label := offset_label(index)) in overrides]
        for row, offset in sorted(rows, key=lambda item: (item[0].at, item[1])):
            about = ", ".join(f"{key} {value}" for key, value in row.params.items())
            say(out, f"  {iso(row.at + offset)}  {row.by}: {row.do} {about}")
        show_drift(out, result.drift, None)
    say(out, f"Again: {command('run', scenario, engine=engine, seed=seed, **_policy(orders.orders[0][1].data))} --every-order")


def show_comparison(out: Console, comparison: Comparison, scenario: str) -> None:
    """Each engine side by side, then what drifted under each, then whether they met one world."""
    data = {name: result.data for name, result in comparison.results.items()}
    say(out, f"{comparison.scenario.id}, seed {comparison.seed}: one world, {_count(len(data), 'engine')}", "bold")
    if comparison.scenario.rule:
        say(out, f"  {comparison.scenario.rule}")
    out.print(_side_by_side(data))
    if any(result.drift for result in comparison.results.values()):
        out.print(codes_table(data))
    for name, result in comparison.results.items():
        say(out, f"{name}: {_headline_end(result)}", COLOURS[result.verdict])
        _show_handover(out, result.data)
        _show_remediation(out, result.data)
        _show_findings(out, result.data)
        show_drift(out, result.drift, None)
    _show_pairing(out, comparison)
    for name in data:
        say(out, f"{name} alone: {command('run', scenario, engine=name, seed=comparison.seed, **_policy(data[name]))}")


def show_replay(out: Console, replayed: Replayed, engine: str | None) -> None:
    """The summary of a replay: the run, and whether it was the recorded one again."""
    recorded = replayed.recorded
    show_run(out, replayed.result, str(recorded.path / "scenario.toml"), None)
    if replayed.same_digest:
        say(out, f"Same trace as recorded: digest {recorded.digest}")
        return
    why = f", as it may under {engine} instead of {recorded.engine}" if engine and engine != recorded.engine else ""
    say(out, f"Not the trace that was recorded{why}: digest {recorded.digest} then, {replayed.result.data['digest']} now")
    if replayed.first_difference:
        _show_difference(out, replayed.first_difference, ("recorded", "replayed"))


def show_installation(out: Console, checks: Sequence[Check]) -> None:
    """What doctor found of the installation, a line each."""
    for check in checks:
        say(out, f"{'ok   ' if check.ok else 'WRONG'}  {check.name}: {check.detail}")


def show_determinism(out: Console, scenario: str, engine: str, outcomes: Sequence[SeedOutcome]) -> None:
    """What doctor found of a scenario's determinism: the seeds whose two runs differ, and where."""
    differing = [outcome for outcome in outcomes if not outcome.same]
    what = f"{scenario} under {engine}, {_count(len(outcomes), 'seed')} twice each, in fresh processes under different hash seeds"
    say(out, f"{'WRONG' if differing else 'ok   '}  determinism: {what}: {_count(len(differing), 'seed')} with different digests")
    for outcome in differing[:STORIES]:
        say(out, f"  seed {outcome.seed}: {' and '.join(outcome.digests)}")
        if outcome.first_difference:
            _show_difference(out, outcome.first_difference, ("one", "other"))


def show_conformance(out: Console, found: Found) -> None:
    """What doctor found of the simulated Stripe beside stripe-mock: a line for each kind of object, what may differ and why, and what may not."""
    table = Table("kind", "requests", "fields", "exceptions", "verdict", box=None, pad_edge=False, header_style="")
    for row in found.rows:
        table.add_row(row.kind, str(row.requests), str(row.fields), str(len(row.exceptions)), "ok" if row.ok else f"{len(row.wrong)} WRONG")
    out.print(table)
    for path, reason in sorted({path: reason for row in found.rows for path, reason in row.exceptions.items()}.items()):
        say(out, f"  may differ: {path}: {reason}")
    for wrong in [wrong for row in found.rows for wrong in row.wrong]:
        say(out, f"  WRONG: {wrong.what} (first in {wrong.scenario} under {wrong.engine}: {wrong.shape})")
    say(out, f"{'ok' if found.ok else 'WRONG'}: what engines ask of Stripe and are answered, beside stripe-mock ({found.origin})")


def show_import(out: Console, scenario: Path, accounts: int, events: int, notes: Sequence[tuple[str, int, str]], rows: int = 0) -> None:
    """What was imported, what was noted of it (file, line, message), and how to run it."""
    for file, line, message in notes:
        say(out, f"{file}:{line}: {message}" if line else f"{file}: {message}" if file else message)
    counted = f"{_count(events, 'event')} and {_count(rows, 'store row')}" if rows else _count(events, "event")
    say(out, f"{scenario}: {counted} of {_count(accounts, 'account')}")
    say(out, f"Run it: {command('run', str(scenario), engine='recompute')}")


def show_drift(out: Console, drift: Sequence[DriftRecord], run_dir: str | None) -> None:
    """The story of each drift, those that stand open first."""
    ordered = sorted(drift, key=lambda record: record.closed_ms is not None)
    for record in ordered[:STORIES]:
        head, *lines = drift_lines(record)
        say(out, head, "bold red" if record.closed_ms is None else "bold")
        for line in lines:
            say(out, line)
    if len(ordered) > STORIES:
        where = f"see {run_dir}/drift" if run_dir else "--out DIR keeps them all"
        say(out, f"... and {len(ordered) - STORIES} more, {where}")


def drift_lines(record: DriftRecord) -> list[str]:
    """One drift as lines: what and for how long, which write opened it, which closed it."""
    lasted = "open at the end" if record.closed_ms is None else f"for {span(record.closed_ms - record.opened_ms)}"
    cause = f", cause {record.cause}" if record.cause else ""
    lines = [f"{record.account}  {record.code}, {lasted}{cause}", f"  opened {iso(record.opened_ms)} {provenance(record.opening)}"]
    if record.closed_ms is not None:
        lines.append(f"  closed {iso(record.closed_ms)} {provenance(record.closing)}")
    if record.detail:
        lines.append(f"  {record.detail}")
    return lines


def provenance(write: Any) -> str:
    """Who wrote, woken by what, which fields from what to what, and whether the writer had seen the row that it overwrote."""
    facts = msgspec.to_builtins(write)
    if not facts:
        return "by nothing that was recorded"
    if facts["kind"] == "clock":
        return "by the clock: a boundary of the policy was reached"
    if facts["kind"] == "given":
        return "by the scenario: it was given"
    text = f"by {facts.get('component') or 'the world'}"
    if facts.get("cause"):
        text += f", woken by {facts['cause']}"
    return f"{text}: {_deed(facts)}{_race(facts)}"


def codes_table(data: Mapping[str, Mapping[str, Any]]) -> Table:
    """Drift by code: opened, closed and open at the end, for each engine."""
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("drift", no_wrap=True)
    for name in data:
        for heading in ("opened", "closed", "open at end"):
            table.add_column(f"{name}\n{heading}" if len(data) > 1 else heading, justify="right")
    codes = sorted({code for run in data.values() for code in run["drift"]["by_code"]})
    for code in codes:
        cells = [figure for run in data.values() for figure in _of_code(run["drift"]["by_code"].get(code, {}))]
        table.add_row(code, *cells)
    return table


def _way(data: Mapping[str, Any]) -> dict[str, Any]:
    """The option that says how the engine asked Stripe; none where it did so directly."""
    return {"stripe": data["stripe"]} if "stripe" in data else {}


def _policy(data: Mapping[str, Any]) -> dict[str, str]:
    """The options that repeat a run under a policy file, and with a choice of remediation; none for a run without."""
    chosen = {"remediation": data["remediation"]["mode"]} if "remediation" in data else {}
    return {**({"policy": data["policy"]} if data.get("policy") else {}), **chosen}


def command(name: str, scenario: str, **options: Any) -> str:
    """The command line that does it again."""
    return " ".join(["billsim", name, shlex.quote(scenario), *(f"--{option} {shlex.quote(str(value))}" for option, value in options.items())])


def span(ms: int) -> str:
    """A length of simulated time: the two largest units that it fills."""
    parts: list[str] = []
    for unit, letter in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s"), (1, "ms")):
        count, ms = divmod(ms, unit)
        if count or (unit == 1 and not parts):
            parts.append(f"{count} {letter}")
    return " ".join(parts[:2])


def headline(data: Mapping[str, Any], as_expected: bool | None) -> str:
    """The verdict, of what, and whether the scenario expects it."""
    return f"{data['verdict']}  {data['scenario']} under {data['engine']}, seed {data['seed']}{_pinned(as_expected)}"


def _headline_end(result: RunResult) -> str:
    found = result.data["drift"]
    return f"{result.verdict}{_pinned(result.as_expected)}, {found['opened']} drift opened, {found['open_at_end']} open at the end"


def _pinned(as_expected: bool | None) -> str:
    if as_expected is None:
        return ""
    return " (as its scenario expects)" if as_expected else " (NOT what its scenario expects)"


def _figures(data: Mapping[str, Any]) -> str:
    drift, events = data["drift"], data["events"]
    text = f"  {_count(data['accounts'], 'account')}, {_count(events['stripe'], 'Stripe event')}, {events['delivered']} delivered; "
    text += f"drift: {drift['opened']} opened, {drift['closed']} closed, {drift['open_at_end']} open at the end"
    if drift["unhealable"]:
        text += f", {drift['unhealable']} that no engine could heal"
    return f"{text}; digest {data['digest']}"


def _show_remediation(out: Console, data: Mapping[str, Any]) -> None:
    told = data.get("remediation", {})
    for line in rehearsal.lines(told) if told else ():
        say(out, line)
    for table in (rehearsal.days_table(told), rehearsal.reasons_table(told)):
        if table is not None:
            out.print(_table(*table))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table in which numbers stand at the right."""
    table = Table(box=None, pad_edge=False, header_style="")
    for nth, heading in enumerate(headings):
        table.add_column(heading, justify="right" if all(row[nth].isdigit() for row in rows) else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _show_handover(out: Console, data: Mapping[str, Any]) -> None:
    for line in handover.lines(data["handover"]) if "handover" in data else ():
        say(out, line)


def _show_findings(out: Console, data: Mapping[str, Any]) -> None:
    for finding in msgspec.to_builtins(data["findings"][:STORIES]):
        say(out, f"  {finding['check']}, {finding['account']}, {iso(finding['at'])}: {finding['summary']}")
    if len(data["findings"]) > STORIES:
        say(out, f"  ... and {len(data['findings']) - STORIES} more findings, see --json")


def _of_code(figures: Mapping[str, int]) -> tuple[str, str, str]:
    opened, open_at_end = figures.get("opened", 0), figures.get("open_at_end", 0)
    return str(opened), str(opened - open_at_end), str(open_at_end)


def _side_by_side(data: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("")
    for name in data:
        table.add_column(name, justify="right")
    for heading, path in _COMPARED:
        table.add_row(heading, *(_figure(run, path) for run in data.values()))
    return table


_COMPARED = (
    ("verdict", "verdict"),
    ("accounts", "accounts"),
    ("Stripe events", "events.stripe"),
    ("delivered", "events.delivered"),
    ("drift opened", "drift.opened"),
    ("drift closed", "drift.closed"),
    ("drift open at the end", "drift.open_at_end"),
    ("converge p50 (ms)", "converge_ms.p50"),
    ("converge p99 (ms)", "converge_ms.p99"),
    ("never converged", "converge_ms.never"),
    ("lag p99 (ms)", "lag_ms.p99"),
)


def _figure(run: Mapping[str, Any], path: str) -> str:
    value: Any = run
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return "-" if value is None else str(value)


def _show_pairing(out: Console, comparison: Comparison) -> None:
    pairing = comparison.pairing
    only = ", ".join(f"{count} only under {name}" for name, count in pairing.only.items() if count)
    every = "both" if len(comparison.results) == 2 else "all"
    say(out, f"The world asked {pairing.by_both} questions under {every}, {pairing.equal} answered alike" + (f"; {only}" if only else ""))
    if pairing.parted:
        say(out, f"  {_count(len(pairing.parted), 'account')} parted after an engine's own act: {_listed(pairing.parted)}")
    for unequal in pairing.unequal:
        found = ", ".join(f"{'nothing' if value is None else value} under {name}" for name, value in unequal.found.items())
        say(out, f"  the pairing is BROKEN at {unequal.what}: {found}")


def _show_difference(out: Console, difference: Mapping[str, Any], names: tuple[str, str]) -> None:
    say(out, f"  first difference, record {difference['n']}:")
    for name in names:
        say(out, f"    {name}: {_row(difference[name])}")


def _row(row: Mapping[str, Any] | None) -> str:
    return "nothing" if row is None else ", ".join(f"{key}={value}" for key, value in row.items() if value not in (None, "") and key != "n")


def _deed(facts: Mapping[str, Any]) -> str:
    """What was done: a consequence executed, or which fields of which row were changed from what to what."""
    fields = facts.get("fields", [])
    if facts["kind"] == "action":
        act = {name: new for name, _, new in fields}
        return f"executed {act.get('kind')} {act.get('step')} for {act.get('debt')}"
    changes = [change for field in fields for change in _changes(*field)]
    row = f"{facts['store']} {facts['key']}" if facts.get("key") else facts["store"]
    more = f" and {len(changes) - FIELDS} more" if len(changes) > FIELDS else ""
    return f"{row} {', '.join(changes[:FIELDS])}{more}"


def _changes(name: str, old: Any, new: Any) -> list[str]:
    """`field old -> new`; of an object's field only the keys that differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
        return [change for key in keys for change in _changes(f"{name}.{key}", old.get(key), new.get(key))]
    return [f"{name} {_value(new)}" if old is None else f"{name} {_value(old)} -> {_value(new)}"]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_WIDTH else f"{text[:VALUE_WIDTH]}..."


def _race(facts: Mapping[str, Any]) -> str:
    """What the writer had read of the row, where that is not what it overwrote."""
    read, found = facts.get("read_version"), facts.get("version")
    if facts["kind"] != "write" or read is None or not found or read == found:
        return ""
    return f" (had not read the row, overwrote version {found})" if read < 0 else f" (had read version {read}, overwrote version {found})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:STORIES]) + (f" and {len(shown) - STORIES} more" if len(shown) > STORIES else "")
