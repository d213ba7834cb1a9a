"""How a recorded run is told to people: the story of each drift, and what an account looked like at a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from billsim.checks.cause import provenance as cause_of
from billsim.core.time import iso
from billsim.core.trace import MessageRecord
from billsim.explore.when import Happening, Point, When
from billsim.replay.explain import MEANINGS, Explained, Raced, Story, read_age_ms
from billsim.replay.moment import Cell, Moment
from billsim.summary import COLOURS, FIELDS, STORIES, VALUE_WIDTH, provenance, say, span

CELL_WIDTH = 32
# Of the widest bar, and of what stands beside it.
BAR_WIDTH, BESIDE_WIDTH = 40, 62
_WAYS = {"row": "read it", "read": "read", "list": "read on a list", "event": "was told by its event"}


def show_explained(out: Console, explained: Explained, run_dir: str, most: int = STORIES) -> None:
    """The story of each drift, those that stand open first; at most `most`."""
    run, stories = explained.run, explained.stories
    open_now = sum(story.closed_ms is None for story in stories)
    told = f"{len(stories)} drift{'' if len(stories) == 1 else 's'}, {open_now} open at the end"
    say(out, f"{run.get('scenario')} under {run.get('engine')}, seed {run.get('seed')}: {told}")
    if not explained.complete:
        say(out, "  the run was stopped before its end: what stood open then is not among them")
    for story in stories[:most]:
        for line in story_lines(story):
            say(out, line)
    if len(stories) > most:
        say(out, f"... and {len(stories) - most} more: --limit {len(stories)}, --account NAME, --code CODE, or --json")
    if stories:
        first = stories[0]
        say(out, f"Look inside: billsim replay {run_dir} --until {iso(first.opened_ms)} --show {first.account}")


def story_lines(story: Story) -> Iterator[str]:
    """One drift: what and why, then what happened, in the order in which it did."""
    lasted = "open at the end" if story.closed_ms is None else f"for {span(story.closed_ms - story.opened_ms)}"
    yield f"{story.account}  {story.code}, {lasted}; {story.cause}: {MEANINGS.get(story.cause, '')}"
    decisive = [raced for raced in story.raced if raced.decisive] or story.raced[:FIELDS]
    told = [*_sightings(story.opening), *((raced.at_ms, 1, _race_line(raced)) for raced in decisive)]
    for at_ms, _, line in sorted(told):
        yield f"  {iso(at_ms)}  {line}"
    if len(story.raced) > len(decisive):
        others = [raced.component for raced in story.raced if raced not in decisive]
        yield f"    beside {len(others)} more that wrote on the account in that time: {', '.join(dict.fromkeys(others))}"
    yield f"  {iso(story.opened_ms)}  {_opening_line(story)}"
    if story.detail:
        yield f"    so that: {story.detail}"
    if story.closing is not None and story.closed_ms is not None:
        yield f"  {iso(story.closed_ms)}  mended by {_who(story.closing)}: {_deed(story.closing)}"
    else:
        yield "  nothing has mended it"
    if story.ticket:
        yield f"  ticket: {story.ticket}"


def show_moment(out: Console, moment: Moment) -> None:
    """The rows of all stores at a moment, beside truth; what differs is marked."""
    recorded = moment.recorded
    say(out, f"{moment.account} at {iso(moment.at_ms)}: {recorded.scenario.id} under {moment.engine}, seed {recorded.seed}")
    if not moment.applies:
        say(out, "  truth says nothing of this account: a contract, a customer shared by several accounts, or none at Stripe")
    out.print(_table(moment.cells))
    differing = sum(cell.differs for cell in moment.cells)
    say(out, f"{differing} {'field differs' if differing == 1 else 'fields differ'} from truth")
    if moment.missing:
        say(out, f"called for and not done: {', '.join(moment.missing)}")
    for each in moment.disagreements:
        kind = "drift" if each["drift"] else "lag, so far"
        say(out, f"{each['code']}, {kind}, since {iso(each['since_ms'])}: {each['detail']}")
    due = f"; due: {', '.join(map(iso, moment.due_ms))}" if moment.due_ms else ""
    say(out, f"on the way for the account: {moment.on_the_way} messages or handlers{due}")
    if moment.off_tape:
        say(out, f"{moment.off_tape} questions were not on the tape: from the first of them on this is not the recorded world")


def show_when(out: Console, when: When, again: str, *, brief: bool = False) -> None:
    """How likely a failure was when a run was kept up to each instant, where it became likely, and what happened there.

    `again` is the command line that asks it again.
    """
    say(out, f"{when.verdict}  {when.scenario.id} under {when.engine}, seed {when.seed}", COLOURS[when.verdict])
    if when.failure is None:
        say(out, "  nothing went wrong in this run, so there is nothing to ask: another --seed, or `billsim fuzz`, may find what does")
        return
    say(out, f"  {f'{when.failure.account}: ' if when.failure.account else ''}{when.failure.signature}")
    if not brief:
        for line in _other_failures(when):
            say(out, line)
        say(out, f"How often it comes about when the run is kept up to an instant, and the rest is left to {when.points[0].share.runs} other seeds:")
        out.print(_likelihood(when, max(10, min(BAR_WIDTH, out.width - BESIDE_WIDTH)), _can_draw(out)))
    for line in turn_lines(when):
        say(out, line)
    say(out, f"Again: {again}")


def turn_lines(when: When) -> Iterator[str]:
    """Where it became likely, what happened there, and the answer that decided it."""
    turn = when.turn
    if turn is None:
        runs = sum(point.share.runs for point in when.points)
        yield f"It came about in all of {runs} runs: what the scenario says seems to be enough for it, whatever it leaves open"
        return
    since = "the beginning" if turn.before.at_ms is None else iso(turn.before.at_ms)
    rise = f"{turn.before.share.p:.2f} -> {turn.after.share.p:.2f}"
    yield f"It became likely ({rise}) between {since} and {iso(turn.after.at_ms or 0)}:"
    for record in turn.records[:STORIES]:
        yield f"  {iso(record.at_ms)}  {_happening(record)}"
    if len(turn.records) > STORIES:
        yield f"  ... and {len(turn.records) - STORIES} more"
    decision = turn.decision
    if decision is None:
        yield f"None of the {turn.questions} answers that were given there makes it likelier by itself or with those before it"
        return
    given = ", ".join(f"{label} = {answer}" for label, answer in list(decision.answers.items())[:FIELDS])
    more = f" and {len(decision.answers) - FIELDS} more" if len(decision.answers) > FIELDS else ""
    yield f"Decided by {given}{more}"
    told = f"with {_this(decision.answers)} {decision.after.p:.2f}, without {decision.before.p:.2f}; alone {decision.alone.p:.2f}"
    yield f"  of {turn.questions} answers that were given there; kept {told}"


def _this(answers: Mapping[str, int]) -> str:
    return "it" if len(answers) == 1 else "them"


def _other_failures(when: When) -> Iterator[str]:
    if when.others:
        yield f"  beside it, to be asked for with --signature: {', '.join(when.others)}"


def _can_draw(out: Console) -> bool:
    """Whether the terminal has letters to draw bars with."""
    return (out.encoding or "").lower().startswith("utf")


def _likelihood(when: When, width: int, blocks: bool) -> Table:
    """A line an instant: how likely it was, between what with 95 % confidence, and the plot of that."""
    table = Table(box=None, pad_edge=False, header_style="")
    for heading in ("kept up to", "p", f"{'0':<{width - 1}}1", "shows it", "other failure", ""):
        right = heading in ("p", "shows it", "other failure")
        table.add_column(heading, no_wrap=True, justify="right" if right else "left")
    turn = when.turn
    for point in when.points:
        kept = "nothing" if point.at_ms is None else iso(point.at_ms)
        here = turn is not None and point is turn.after
        share = point.share
        counts = (f"{share.falling}/{share.runs}", str(share.others) if share.others else "")
        table.add_row(kept, f"{share.p:.2f}", _bar(point, width, blocks), *counts, "<--" if here else "")
    return table


def _bar(point: Point, width: int, blocks: bool) -> str:
    """The share as a bar, with what it may be as far as so many runs can tell."""
    full, maybe, empty = ("\u2588", "\u2591", "\u00b7") if blocks else ("#", "-", ".")
    share, high = (round(width * part) for part in (point.share.p, point.share.bounds[1]))
    return full * share + maybe * (high - share) + empty * (width - high)


def _happening(record: Happening) -> str:
    """A record of the trace as a line: what was written or done by whom, or what became of a message."""
    if isinstance(record, MessageRecord):
        attempt = f", attempt {record.attempt}" if record.attempt > 1 else ""
        return f"{record.what}: {record.kind} {record.name}{attempt}"
    return provenance(cause_of(record))


def _table(cells: Sequence[Cell]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for heading in ("store", "key", "field", "held", "truth", ""):
        table.add_column(heading, no_wrap=True)
    before = ("", "")
    for cell in cells:
        row = (cell.store, cell.key)
        shown = ("", "") if row == before else row
        true = _value(cell.truth) if cell.judged else ""
        table.add_row(*shown, cell.field, _value(cell.held, CELL_WIDTH), true, "<-- differs" if cell.differs else "")
        before = row
    return table


def _sightings(opening: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    """What the opening writer had gone by: what had moved by then, else the row that it wrote upon."""
    moved = opening.get("moved", ())
    for each in moved:
        then = ", ".join(f"{field} {_value(old)}" for field, old, _ in each["fields"])
        yield each["seen_ms"], 0, f"{opening.get('component')} {_WAYS[each['via']]}: {_row(each)} {then}"
    if not moved and opening.get("read_ms") is not None and opening.get("store"):
        yield opening["read_ms"], 0, f"{opening.get('component')} read {_row(opening)}"


def _race_line(raced: Raced) -> str:
    first, more = raced.writes[0], len(raced.writes) - 1
    woken = f", woken by {raced.cause}" if raced.cause else ""
    return f"meanwhile {raced.component}{woken}: {_row(first)} {_changes(first['fields'])}" + (f", and {more} more" if more else "")


def _opening_line(story: Story) -> str:
    opening = story.opening
    if opening["kind"] == "given":
        return "the scenario gave it so"
    if opening["kind"] == "clock":
        return "truth moved by the clock: a boundary of the policy was reached"
    age_ms = read_age_ms(opening)
    age = "" if age_ms is None else f", {span(age_ms)} after what it went by"
    return f"opened by {_who(opening)}: {_deed(opening)}{age}{_versions(opening)}"


def _versions(opening: Mapping[str, Any]) -> str:
    read, found = opening.get("read_version"), opening.get("version")
    if not found or read is None or read < 0 or read == found:
        return ""
    return f" (it had read version {read} and wrote upon version {found})"


def _who(facts: Mapping[str, Any]) -> str:
    if facts["kind"] == "clock":
        return "the clock"
    woken = f", woken by {facts['cause']}" if facts.get("cause") else ""
    return f"{facts.get('component') or 'the world'}{woken}"


def _deed(facts: Mapping[str, Any]) -> str:
    fields = facts.get("fields", ())
    if facts["kind"] == "clock":
        return "a boundary of the policy was reached"
    if facts["kind"] == "action":
        act = {name: new for name, _, new in fields}
        return f"executed {act.get('kind')} {act.get('step')} for {act.get('debt')}"
    return f"{_row(facts)} {_changes(fields)}"


def _row(facts: Mapping[str, Any]) -> str:
    return f"{facts['store']} {facts['key']}" if facts.get("key") else str(facts["store"])


def _changes(fields: Sequence[Sequence[Any]]) -> str:
    told = [change for name, old, new in fields for change in _change(name, old, new)]
    return ", ".join(told[:FIELDS]) + (f" and {len(told) - FIELDS} more" if len(told) > FIELDS else "")


def _change(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
        return [change for key in keys for change in _change(f"{name}.{key}", old.get(key), new.get(key))]
    return [f"{name} {_value(new)}" if old is None else f"{name} {_value(old)} -> {_value(new)}"]


def _value(value: Any, width: int = VALUE_WIDTH) -> str:
    text = "-" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= width else f"{text[:width]}..."
