"""The run directory: what its tables hold, that it is whole or visibly not, and that two runs never share one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import duckdb
import pytest

from billsim import rundir
from billsim.core.trace import ActionRecord, DriftRecord, LatencyRecord, MarkRecord, MessageRecord, WriteRecord
from billsim.rundir import TABLES, Difference, RunDir, first_difference, read_run, read_tape
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import load, unplaced
from billsim.stores.subs_dunning import DunningRow

START_MS = 1_773_446_400_000  # 2026-03-14T00:00:00Z
STORY = Scenario(id="test/story", start=START_MS, until=START_MS + 86_400_000)
WOKEN_BY = "stripe.invoice.paid|in_ada_1.paid.1"
HEALTHY = DunningRow("ada", version=3)
BAD = DunningRow("ada", status="bad_debt", retry_count=8, version=4)


def write(old: Any, new: Any, *, read_version: int = 3, key: str = "") -> WriteRecord:
    return WriteRecord("writes", 1_000, "dunning_brain", "e/t", WOKEN_BY, "subs_dunning", "ada", key, read_version, old, new)


def message(name: str, at_ms: int = 2_000) -> MessageRecord:
    return MessageRecord("messages", at_ms, "emitted", name, "invoice.paid", "cus_ada", 0)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    return duckdb.connect(":memory:").execute(query.replace("RUN", str(path))).fetchall()


def kept(path: Path, *records: Any, tape: tuple[tuple[str, int], ...] = ()) -> Path:
    with RunDir(path, STORY, {"seed": 0, "engine": "legacy"}) as run:
        run.sink(list(records))
        run.keep(tape)
        run.finish({"digest": "d"})
    return path


def test_every_table_opens_from_the_first_moment_on(tmp_path: Path) -> None:
    with RunDir(tmp_path / "run", STORY, {"seed": 7, "engine": "legacy"}):
        for table, columns in TABLES.items():
            found = duckdb.connect(":memory:").execute(f"FROM '{tmp_path}/run/{table}/*.parquet'")
            assert [column[0] for column in found.description or ()] == list(columns)
            assert found.fetchall() == []
        about = read_run(tmp_path / "run")
    assert (about["complete"], about["scenario"], about["seed"], about["engine"]) == (False, "test/story", 7, "legacy")
    assert about["versions"]["duckdb"] == duckdb.__version__


def test_a_write_is_one_row_for_each_field_that_changed(tmp_path: Path) -> None:
    path = kept(tmp_path / "run", write(HEALTHY, BAD, read_version=2))
    assert rows(path, "SELECT * FROM 'RUN/writes/*.parquet'") == [
        (0, 1_000, "dunning_brain", "e/t", WOKEN_BY, "subs_dunning", "ada", "", field, old, new, 2, 4)
        for field, old, new in (("status", '"healthy"', '"bad_debt"'), ("retry_count", "0", "8"))
    ]


def test_a_row_made_or_removed_lists_what_is_not_default_and_null_is_not_absent(tmp_path: Path) -> None:
    path = kept(tmp_path / "run", write(None, BAD), write({"amount": 5, "currency": None}, {"amount": 5}), write(BAD, None))
    assert rows(path, "SELECT n, field, old, new, version FROM 'RUN/writes/*.parquet'") == [
        (0, "status", None, '"bad_debt"', 4),
        (0, "retry_count", None, "8", 4),
        (1, "currency", "null", None, 0),
        (2, "status", '"bad_debt"', None, 0),
        (2, "retry_count", "8", None, 0),
    ]


def test_the_other_tables_hold_records_as_they_are_and_n_counts_over_all(tmp_path: Path) -> None:
    drift = DriftRecord("drift", "ada", "ledger_drift", 1, None, "data", {"component": "x"}, None, "why")
    action = ActionRecord("actions", 5, "notify", "ada", "in_ada_1", "retrying", "in_ada_1/retrying", "consequences", "e/t", True)
    mark, latency = MarkRecord("marks", 6, "redelivered", "ada", "e/t"), LatencyRecord("latency", 7, "pipe", "ada", 250)
    path = kept(tmp_path / "run", message("a"), drift, action, mark, latency, tape=(("w/x", 5), ("w/y", -1)))
    assert rows(path, "SELECT * FROM 'RUN/messages/*.parquet'") == [(0, 2_000, "emitted", "a", "invoice.paid", "cus_ada", 0)]
    assert rows(path, "SELECT * FROM 'RUN/drift/*.parquet'") == [(1, "ada", "ledger_drift", 1, None, "data", '{"component":"x"}', None, "why")]
    assert rows(path, "SELECT * FROM 'RUN/actions/*.parquet'") == [(2, *action[1:])]
    assert rows(path, "SELECT * FROM 'RUN/marks/*.parquet'") == [(3, *mark[1:])]
    assert rows(path, "SELECT * FROM 'RUN/latency/*.parquet'") == [(4, *latency[1:])]
    assert rows(path, "SELECT * FROM 'RUN/tape/*.parquet'") == [(0, "w/x", 5), (1, "w/y", -1)]


def test_memory_is_bounded_full_parts_are_written_as_they_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundir, "PART_ROWS", 10)
    with RunDir(tmp_path / "run", STORY, {}) as run:
        run.sink([message(f"m{n}") for n in range(9)])
        assert rows(run.path, "SELECT count(*) FROM 'RUN/messages/*.parquet'") == [(0,)]
        run.sink([message("m9")])
        assert rows(run.path, "SELECT count(*), max(n) FROM 'RUN/messages/*.parquet'") == [(10, 9)]
        run.sink([message("m10")])
    assert rows(run.path, "SELECT name FROM 'RUN/messages/*.parquet' ORDER BY n DESC LIMIT 1") == [("m10",)]
    assert sorted(part.name for part in (run.path / "messages").iterdir()) == ["00000.parquet", "00001.parquet", "00002.parquet"]


def test_only_finish_makes_a_run_complete(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunDir(tmp_path / "run", STORY, {"seed": 3}) as run:
        run.sink([message("a")])
        raise KeyboardInterrupt
    assert read_run(run.path)["complete"] is False
    assert rows(run.path, "SELECT name FROM 'RUN/messages/*.parquet'") == [("a",)]
    about = read_run(kept(tmp_path / "other"))
    assert (about["complete"], about["digest"], about["seed"]) == (True, "d", 0)


def test_a_ctrl_c_that_strikes_while_a_part_is_written_loses_nothing(tmp_path: Path) -> None:
    class Struck:
        """A database during whose first COPY somebody presses Ctrl-C."""

        def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
            self.database = database
            self.struck = False

        def __getattr__(self, name: str) -> Any:
            return getattr(self.database, name)

        def execute(self, query: str) -> Any:
            if query.startswith("COPY") and not self.struck:
                self.struck = True
                signal.raise_signal(signal.SIGINT)
            return self.database.execute(query)

    with pytest.raises(KeyboardInterrupt), RunDir(tmp_path / "run", STORY, {}) as run:
        run._database = Struck(run._database)  # type: ignore[assignment]
        run.sink([message("a")])
        run.keep([("w/x", 1)])
    assert rows(run.path, "SELECT name FROM 'RUN/messages/*.parquet'") == [("a",)]
    assert read_tape(run.path) == {"w/x": 1}


def test_a_killed_run_is_visibly_incomplete_and_its_tables_open(tmp_path: Path) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from billsim.core.trace import MessageRecord
        from billsim.rundir import RunDir
        from billsim.scenario.plan import Scenario
        run = RunDir(Path(sys.argv[1]), Scenario(id="test/story", start=0, until=1), {"seed": 1, "engine": "legacy"})
        run.sink([MessageRecord("messages", 5, "emitted", str(n), "k", "ada", 0) for n in range(100)])
        run.keep([("w/x", 1)])
        run.sink([MessageRecord("messages", 6, "emitted", "lost", "k", "ada", 0)])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    path = tmp_path / "run"
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=False).returncode == -signal.SIGKILL
    assert json.loads((path / "run.json").read_text())["complete"] is False
    for table in TABLES:
        rows(path, f"SELECT count(*) FROM 'RUN/{table}/*.parquet'")
    assert rows(path, "SELECT count(*) FROM 'RUN/messages/*.parquet'") == [(100,)]
    assert read_tape(path) == {"w/x": 1}


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    complete = kept(tmp_path / "complete")
    running = RunDir(tmp_path / "running", STORY, {})
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    (tmp_path / "file").touch()
    expected = {
        complete: f"{complete}: --out: holds a complete run already; name another folder, such as {complete}-2",
        running.path: f"{running.path}: --out: holds an incomplete run, or one that is still running; name another folder, such as {running.path}-2",
        tmp_path / "photos": f"{tmp_path}/photos: --out: holds files already; name another folder, such as {tmp_path}/photos-2",
        tmp_path / "file": f"{tmp_path}/file: --out: is a file, not a folder",
    }
    for path, line in expected.items():
        with pytest.raises(InputError) as refused:
            RunDir(path, STORY, {})
        assert str(refused.value) == line
    running.close()


def test_of_two_runs_that_take_a_folder_at_once_one_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen an empty folder; creating run.json decides."""
    RunDir(tmp_path / "run", STORY, {}).close()
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))
    with pytest.raises(InputError, match="still running"):
        RunDir(tmp_path / "run", STORY, {})


@pytest.mark.parametrize("name", ["it's", "[ab]*?", "a b", "ünï"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = kept(tmp_path / name, message("a"), tape=(("w/x", 1),))
    other = kept(tmp_path / "other", message("b"), tape=(("w/x", 1),))
    assert read_tape(path) == {"w/x": 1}
    assert (found := first_difference(path, other)) is not None and found.n == 0


def test_the_scenario_and_its_events_are_kept_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.events.jsonl").write_text("{}\n")
    story = Scenario(id="test/events", start=START_MS, until=START_MS + 60_000, events="x.events.jsonl", source=str(tmp_path / "in" / "x.toml"))
    RunDir(tmp_path / "run", story, {}).close()
    assert unplaced(load(tmp_path / "run" / "scenario.toml")) == unplaced(story)
    assert (tmp_path / "run" / "x.events.jsonl").read_text() == "{}\n"


def test_first_difference_names_the_first_record_that_is_not_the_same(tmp_path: Path) -> None:
    one = kept(tmp_path / "one", message("a"), write(HEALTHY, BAD), message("b"))
    same = kept(tmp_path / "same", message("a"), write(HEALTHY, BAD), message("b"))
    field = kept(tmp_path / "field", message("a"), write(HEALTHY, BAD, read_version=1), message("c"))
    longer = kept(tmp_path / "longer", message("a"), write(HEALTHY, BAD), message("b"), message("c", at_ms=9))
    assert first_difference(one, same) is None
    found = first_difference(one, field)
    assert found is not None and found.one is not None and found.other is not None
    assert (found.n, found.one["table"], found.one["field"], found.one["read_version"], found.other["read_version"]) == (1, "writes", "status", 3, 1)
    other = {"table": "messages", "n": 3, "at_ms": 9, "what": "emitted", "name": "c", "kind": "invoice.paid", "account": "cus_ada", "attempt": 0}
    assert first_difference(one, longer) == Difference(3, None, other)


def test_what_is_no_run_directory_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text('{"complete": fal')
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "run.json").write_text("[]")
    (tmp_path / "file").touch()
    made = "`billsim run SCENARIO --out DIR` makes one"
    expected = {
        "missing": f"{tmp_path}/missing: there is no such run directory; {made}",
        "empty": f"{tmp_path}/empty: is no run directory: it holds no run.json; {made}",
        "broken": f"{tmp_path}/broken/run.json: is not whole JSON: the run was stopped while it began; run it again",
        "list": f"{tmp_path}/list/run.json: holds no JSON object",
        "file": f"{tmp_path}/file: cannot be read: Not a directory",
    }
    for name, line in expected.items():
        with pytest.raises(InputError) as refused:
            read_run(tmp_path / name)
        assert str(refused.value) == line
