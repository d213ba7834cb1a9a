"""Loading, writing and finding scenario files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billsim.core.time import DAY_MS, to_datetime
from billsim.scenario import toml_file
from billsim.scenario.actions import ACTIONS, ACTORS, CUSTOMER, Param, filled
from billsim.scenario.errors import InputError
from billsim.scenario.plan import (
    Control,
    Expect,
    ExpectedDrift,
    GivenAccount,
    GivenInvoice,
    Judge,
    Outcome,
    Population,
    Scenario,
    Tales,
    TimelineRow,
)
from billsim.scenario.toml_file import dump, find, load, loads, names, unplaced
from billsim.scenario.vocabulary import CAUSES, CODES, ENGINES, EVENT_TYPES, MARKS
from billsim.stripe.settings import StripeSettings

STORY = """\
id    = "dunning/late_failed_after_paid"
rule  = "Once the money is in, no late event may chase the customer."
from  = "hand"                        # or "fuzz seed=...", written by the tool
given = [ { account = "ada", plan = "pro_monthly", price = 2000, currency = "usd", failed_attempts = 7 } ]
timeline = [
  { at = 2026-03-14T01:00:00Z, by = "pipe",   do = "hold",    event   = "invoice.payment_failed" },
  { at = 2026-03-14T02:00:00Z, by = "stripe", do = "charge",  invoice = "ada_1", result = "declined" },   # the 8th and last
  { at = 2026-03-15T02:00:00Z, by = "ada",    do = "pay",     invoice = "ada_1" },
  { at = 2026-03-15T03:00:00Z, by = "pipe",   do = "release", event   = "invoice.payment_failed" },
]
[expect.recompute]                    # at quiescence
every_order = { drift = [] }
[expect.legacy]
some_order  = { drift = [ { account = "ada", code = "bad_debt_stuck", cause = "stale_event" } ] }
control     = { without = ["hold"], drift = [] }
[judge]
sometimes = ["stale_event_ignored"]   # an empty pass is no pass
red_under = ["mutant:snapshot_trusted"]
"""
# Midnight of 14 March 2026: 20,526 days after the epoch.
MARCH_14 = 20_526 * DAY_MS


def test_a_told_story() -> None:
    story = loads(STORY, "story.toml")
    assert story.given == (GivenAccount(account="ada", failed_attempts=7),)
    assert story.timeline[1] == TimelineRow(
        at=MARCH_14 + 2 * 3_600_000, by="stripe", do="charge", params={"invoice": "ada_1", "result": "declined"}, line=7
    )
    drift = ExpectedDrift(account="ada", code="bad_debt_stuck", cause="stale_event")
    assert story.expect == {
        "recompute": Expect(every_order=Outcome()),
        "legacy": Expect(some_order=Outcome(drift=(drift,)), control=Control(without=("hold",))),
    }
    assert story.judge == Judge(sometimes=("stale_event_ignored",), red_under=("mutant:snapshot_trusted",))
    assert (story.source, story.from_) == ("story.toml", "hand")


def test_start_is_midnight_before_the_first_row_and_the_end_a_day_after_the_last() -> None:
    story = loads(STORY)
    assert story.start == MARCH_14
    assert story.until == story.timeline[-1].at + DAY_MS == MARCH_14 + 51 * 3_600_000


def test_a_population_ends_after_its_days() -> None:
    crowd = loads('id = "load/x"\nstart = 2026-03-14T00:00:00Z\n[population]\naccounts = 3\ndays = 30\n')
    assert crowd.until == MARCH_14 + 30 * DAY_MS
    assert crowd.population == Population(accounts=3, days=30)


def test_tales_end_after_their_days_and_weigh_only_what_they_name() -> None:
    text = 'id = "fuzz/x"\nstart = 2026-03-14T00:00:00Z\n[tales]\ndays = 4\nstates = { retrying = 2, healthy = 1 }\n'
    tales = loads(text)
    assert tales.until == MARCH_14 + 4 * DAY_MS
    assert tales.tales == Tales(days=4, states={"retrying": 2, "healthy": 1})
    assert "[tales]\ndays = 4\nstates = { retrying = 2, healthy = 1 }" in dump(tales)
    assert unplaced(loads(dump(tales))) == unplaced(tales)


def test_answers_are_written_a_label_a_line() -> None:
    pinned = loads(STORY + '[answers]\n"w/pipe/in_ada_1.paid.1/post1" = 250\n"w/fault/lost/x" = 1\n')
    assert pinned.answers == {"w/pipe/in_ada_1.paid.1/post1": 250, "w/fault/lost/x": 1}
    assert dump(pinned).endswith('\n[answers]\n"w/pipe/in_ada_1.paid.1/post1" = 250\n"w/fault/lost/x" = 1\n')


def test_dump_writes_one_row_a_line_and_no_defaults() -> None:
    assert dump(loads(STORY)) == """\
id   = "dunning/late_failed_after_paid"
rule = "Once the money is in, no late event may chase the customer."
given = [
  { account = "ada", failed_attempts = 7 },
]
timeline = [
  { at = 2026-03-14T01:00:00Z, by = "pipe",   do = "hold",    event = "invoice.payment_failed" },
  { at = 2026-03-14T02:00:00Z, by = "stripe", do = "charge",  invoice = "ada_1", result = "declined" },
  { at = 2026-03-15T02:00:00Z, by = "ada",    do = "pay",     invoice = "ada_1" },
  { at = 2026-03-15T03:00:00Z, by = "pipe",   do = "release", event = "invoice.payment_failed" },
]

[expect.recompute]
every_order = { drift = [] }

[expect.legacy]
some_order = { drift = [{ account = "ada", code = "bad_debt_stuck", cause = "stale_event" }] }
control = { without = ["hold"], drift = [] }

[judge]
sometimes = ["stale_event_ignored"]
red_under = ["mutant:snapshot_trusted"]
"""


def test_an_action_has_defaults() -> None:
    assert filled(loads(STORY).timeline[2]) == {"invoice": "ada_1", "via": "dashboard"}
    assert filled(loads(STORY).timeline[0]) == {"event": "invoice.payment_failed", "account": None}


# --- round trip ---------------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ACCOUNTS = st.lists(st.sampled_from(("ada", "bob", "eve_1", "mo")), min_size=1, max_size=4, unique=True)
START = MARCH_14 + 3_600_000


def invoices(account: str, numbers: list[int]) -> st.SearchStrategy[tuple[GivenInvoice, ...]]:
    one = lambda n: st.builds(  # noqa: E731
        GivenInvoice,
        invoice=st.just(f"{account}_{n}"),
        status=st.sampled_from(("open", "paid", "void", "uncollectible")),
        amount=st.none() | st.integers(0, 10**9),
        failed_attempts=st.integers(0, 8),
    )
    return st.tuples(*(one(n) for n in sorted(numbers)))


def accounts(name: str) -> st.SearchStrategy[GivenAccount]:
    common = {
        "account": st.just(name),
        "account_type": WORD,
        "country": WORD,
        "instrument": st.sampled_from(("card", "paypal", "sepa_debit")),
        "card": st.sampled_from((None, "good", "declines", "lost")),
        "paid_before": st.booleans(),
        "started": st.none() | st.integers(0, 10**10).map(lambda ms: MARCH_14 - 1 - ms),
        "subscription": st.sampled_from((None, "incomplete", "active")),
        "rows": st.sampled_from(({}, {"subs_dunning": {"retry_count": 3, "done": ["a/b"]}}, {"cf_prod": {"x y": "free"}})),
    }
    numbers = st.lists(st.integers(1, 3), max_size=3, unique=True)
    return numbers.flatmap(lambda ns: st.builds(GivenAccount, **common, invoices=invoices(name, ns))) | st.builds(
        GivenAccount, **common, failed_attempts=st.integers(0, 8)
    )


def params(given: list[str], by: str, do: str) -> st.SearchStrategy[dict[str, object]]:
    def value(param: Param) -> st.SearchStrategy[object]:
        kinds: dict[str, st.SearchStrategy[object]] = {
            "text": WORD,
            "number": st.integers(0, 10**6),
            "bool": st.booleans(),
            "value": WORD | st.booleans(),
            "account": st.sampled_from(given),
            "invoice": st.just(f"{given[0] if by in ACTORS else by}_1"),
            "event": st.sampled_from(EVENT_TYPES),
            "candidates": st.just(f"{given[0]} stripe_drift sub_x, {given[0]} ledger_drift"),
            "choice": st.sampled_from(param.choices or ("",)),
        }
        return kinds[param.kind]

    told = ACTIONS[by if by in ACTORS else CUSTOMER][do]
    required = {key: value(param) for key, param in told.items() if param.required}
    return st.fixed_dictionaries(required, optional={key: value(param) for key, param in told.items() if not param.required})


def rows(given: list[str]) -> st.SearchStrategy[tuple[TimelineRow, ...]]:
    doable = [(actor, do) for actor in (*ACTORS, *given) for do in ACTIONS[actor if actor in ACTORS else CUSTOMER]]
    at = st.integers(0, 5 * DAY_MS).map(lambda ms: START + ms)
    row = st.sampled_from(doable).flatmap(
        lambda pair: st.builds(TimelineRow, at=at, by=st.just(pair[0]), do=st.just(pair[1]), params=params(given, *pair))
    )
    return st.lists(row, max_size=6).map(lambda told: tuple(sorted(told, key=lambda row: row.at)))


def outcomes(given: list[str]) -> dict[str, st.SearchStrategy[object]]:
    drift = st.builds(ExpectedDrift, account=st.sampled_from(given), code=st.sampled_from(CODES), cause=st.sampled_from((None, *CAUSES)))
    drifts = st.lists(drift, max_size=2).map(tuple)
    closed = st.none() | drifts
    without = st.sampled_from((("hold",), ("pay", "charge")))
    control = st.builds(Control, without=without, apart_minutes=st.integers(0, 99), drift=drifts, closed=closed)
    outcome = st.none() | st.builds(Outcome, drift=drifts, closed=closed)
    return {"every_order": outcome, "some_order": outcome, "control": st.none() | control}


def scenarios() -> st.SearchStrategy[Scenario]:
    def of(given: list[str]) -> st.SearchStrategy[Scenario]:
        return st.builds(
            Scenario,
            id=st.sampled_from(("x", "dunning/late.one-2")),
            rule=TEXT,
            from_=TEXT,
            given=st.tuples(*(accounts(name) for name in given)),
            timeline=rows(given),
            expect=st.dictionaries(st.sampled_from((*ENGINES, "my.package:factory")), st.builds(Expect, **outcomes(given)), max_size=3),
            judge=st.builds(Judge, sometimes=st.lists(st.sampled_from(MARKS), max_size=2).map(tuple)),
            population=st.none() | st.builds(Population, accounts=st.integers(1, 99), days=st.integers(1, 99), lost=st.integers(0, 99)),
            stripe=st.builds(
                StripeSettings,
                retry_days=st.just((1, 2, 3, 4, 5, 6, 9)),
                final_subscription=st.sampled_from(("cancel", "mark_unpaid", "leave_past_due")),
                webhook_secret=TEXT,
            ),
            start=st.sampled_from((MARCH_14, START)),
            until=st.integers(6 * DAY_MS, 9 * DAY_MS).map(lambda ms: START + ms),
            calm_hours=st.integers(0, 99),
            cron_minute=st.integers(0, 1439),
            events=st.none() | WORD,
            answers=st.dictionaries(st.sampled_from(("w/story/row0/offset", 'e/a"b', "w/pipe/in_ada_1.paid.1/post1")), st.integers(0, 10**9)),
        )

    return ACCOUNTS.flatmap(of)


@settings(max_examples=60)
@given(scenarios())
def test_load_of_dump_is_the_scenario(scenario: Scenario) -> None:
    text = dump(scenario)
    assert unplaced(loads(text)) == scenario
    assert dump(loads(text)) == text


# --- one scenario over another ------------------------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_extends_lays_a_file_over_another(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", STORY)
    over = """\
extends = "base.toml"
id = "dunning/other"
given = [ { account = "ada", price = 3000 }, { account = "bob", plan = "team" } ]
timeline = [ { at = 2026-03-14T01:30:00Z, by = "ada", do = "update_card" } ]
[stripe]
final_invoice = "mark_uncollectible"
"""
    story = load(write(tmp_path, "over.toml", over))
    assert (story.id, story.rule) == ("dunning/other", "Once the money is in, no late event may chase the customer.")
    assert story.given == (GivenAccount(account="ada", failed_attempts=7, price=3000), GivenAccount(account="bob", plan="team"))
    assert [(row.do, row.line) for row in story.timeline] == [("hold", 6), ("update_card", 4), ("charge", 7), ("pay", 8), ("release", 9)]
    assert story.stripe.final_invoice == "mark_uncollectible"


def test_an_error_in_the_extended_file_names_that_file(tmp_path: Path) -> None:
    base = write(tmp_path, "base.toml", STORY.replace("failed_attempts = 7", "failed_attempts = -7"))
    with pytest.raises(InputError) as error:
        load(write(tmp_path, "over.toml", 'extends = "base.toml"\n'))
    assert str(error.value) == f"{base}:4: given[0].failed_attempts: must not be negative, is -7"


# --- finding ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toml_file, "_PACKAGE", tmp_path / "src" / "billsim")
    write(tmp_path, "src/billsim/_scenarios/dunning/late.toml", STORY)
    write(tmp_path, "scenarios/mine.toml", STORY)
    return tmp_path


def test_find_by_name_here_and_among_those_that_ship(shipped: Path) -> None:
    assert find("dunning/late") == shipped / "src/billsim/_scenarios/dunning/late.toml"
    assert find("mine") == shipped / "scenarios/mine.toml"
    assert find("some/where.toml") == Path("some/where.toml")
    assert names() == ["dunning/late", "mine"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dunning/lat", "there is no scenario 'dunning/lat' (did you mean 'dunning/late'?)"),
        ("qqq", "there is no scenario 'qqq'"),
        ("../scenarios/mine", "../scenarios/mine: there is no such scenario file"),
        ("src", "src: is a folder, not a scenario file"),
    ],
)
def test_an_unknown_name(shipped: Path, name: str, line: str) -> None:
    with pytest.raises(InputError) as error:
        find(name)
    assert str(error.value) == line


def test_dates_keep_their_milliseconds() -> None:
    story = loads(STORY.replace("01:00:00Z", "01:00:00.250Z"))
    assert to_datetime(story.timeline[0].at).microsecond == 250_000
    assert "2026-03-14T01:00:00.250Z" in dump(story)


SHIPPED = sorted((Path(__file__).parents[2] / "scenarios").rglob("*.toml"))


def test_scenarios_ship() -> None:
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_is_named_as_its_file_and_survives_a_round_trip(path: Path) -> None:
    scenario = load(path)
    assert path.with_suffix("").as_posix().endswith(f"/{scenario.id}")
    assert unplaced(loads(dump(scenario))) == unplaced(scenario)
