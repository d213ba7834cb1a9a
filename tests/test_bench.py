"""Bench: the figures are there and add up, two results are compared at one machine's speed, and bad input gets one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from billsim import bench, cli
from billsim.run import run_scenario
from billsim.scenario.errors import InputError

DAY = """
id    = "bench/tiny"
start = 2026-03-01T00:00:00Z
until = 2026-03-02T00:00:00Z
calm_hours = 2

[population]
accounts = 300
days = 1
people = "saas"
"""
STORY = """
id    = "bench/story"
given = [ { account = "ada", price = 2000, failed_attempts = 2 } ]
timeline = [ { at = 2026-03-20T10:00:00Z, by = "ada", do = "pay", invoice = "ada_1" } ]
"""


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(DAY)
    return path


def result(**figures: Any) -> dict[str, Any]:
    """A result by hand: 100,000 floor events a second, ratio 10."""
    told = {
        "scenario": "s",
        "engine": "recompute",
        "floor_events_per_s": 100_000,
        "ratio": 10.0,
        "kernel_events_per_webhook": 4.0,
        "recompute": {"p50_us": 20, "p99_us": 100},
        "small_worlds_per_s": 600.0,
    }
    return {**told, **figures}


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.answer(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_day_and_its_scale_and_small_worlds(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "bench", str(day), "--scale-to", "12000", "--worlds", "3", "--json")
    data = json.loads(out)
    assert code == 0 and data["verdict"] == "holds"
    contract = ("floor_s", "run_s", "ratio", "events_per_s", "kernel_events_per_webhook", "scale", "recompute", "small_worlds_per_s")
    assert [key for key in contract if not data[key]] == []
    assert data["ratio"] == pytest.approx(data["run_s"] / data["floor_s"], rel=0.05)
    assert data["ratio_built"] < data["ratio"]
    assert data["events"] == pytest.approx(data["events_per_s"] * data["run_s"], rel=0.05)
    first, last = data["scale"]
    assert 1_200 <= first["events"] < 12_000 <= last["events"] and first["run_s"] < last["run_s"] and first["rss_mb"] <= last["rss_mb"]
    assert data["rss_mb"] == last["rss_mb"]
    per_event = last["run_s"] / last["events"] / (first["run_s"] / first["events"])
    assert data["times_for_ten_times"] == pytest.approx(10 * per_event, abs=0.01)
    assert [point["rss_mb"] for point in data["memory"]] == sorted(point["rss_mb"] for point in data["memory"])


def test_it_measures_the_run_that_run_makes(day: Path) -> None:
    """The digest is that of the same scenario, seed and engine: nothing is left out while measuring."""
    from billsim.scenario.toml_file import load

    data = bench.bench(day, engine="recompute", seed=3, scale_to=0, worlds=0)
    assert data["digest"] == run_scenario(load(day), seed=3).data["digest"]
    assert "scale" not in data and "small_worlds_per_s" not in data


def test_a_small_world_is_what_it_is_called() -> None:
    """Three accounts; six renewals of nine Stripe events, and in some worlds failures besides: over the seeds some 60."""
    runs = [run_scenario(bench.SMALL, seed=seed, bodies=False).data for seed in range(40)]
    assert {run["accounts"] for run in runs} == {3} and {run["verdict"] for run in runs} == {"holds"}
    events = [run["events"]["stripe"] for run in runs]
    assert 57 <= sum(events) / len(events) <= 63 and min(events) == 54
    assert 0.2 <= sum(count > 54 for count in events) / len(events) <= 0.5, "with a failure"


def test_markdown_shows_the_figures(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "bench", str(day), "--scale-to", "0", "--worlds", "0")
    assert code == 0 and out.startswith("# bench/tiny under recompute, seed 0\n")
    rows = [line for line in out.splitlines() if line.startswith("| ratio ")]
    assert len(rows) == 2 and float(rows[0].split("|")[2]) > float(rows[1].split("|")[2]) > 0
    assert "small worlds" not in out


def test_a_worse_figure_fails_and_a_better_one_does_not() -> None:
    worse = bench.compared(result(), result(ratio=11.5, small_worlds_per_s=500.0, kernel_events_per_webhook=3.0))
    by_metric = {each.metric: each.worse_percent for each in worse}
    assert by_metric["ratio"] == 15.0 and by_metric["small_worlds_per_s"] == 20.0 and by_metric["kernel_events_per_webhook"] == -25.0
    assert [each.metric for each in bench.failing(worse, 10)] == ["ratio", "small_worlds_per_s"]
    assert [each.metric for each in bench.failing(worse, 15)] == ["small_worlds_per_s"]
    assert bench.failing(bench.compared(result(), result()), 0) == []


def test_a_slower_machine_is_not_a_slower_billsim() -> None:
    """Half the floor's speed: twice the microseconds and half the rate are what the baseline comes to there; the ratio stays."""
    there = result(floor_events_per_s=50_000, recompute={"p50_us": 40, "p99_us": 200}, small_worlds_per_s=300.0)
    assert {each.worse_percent for each in bench.compared(result(), there)} == {0.0}
    assert [each.metric for each in bench.failing(bench.compared(result(), {**there, "recompute": {"p50_us": 60, "p99_us": 200}}), 10)] == [
        "recompute.p50_us"
    ]


def test_a_figure_that_only_one_result_has_is_not_compared() -> None:
    before = result()
    del before["small_worlds_per_s"]
    assert "small_worlds_per_s" not in {each.metric for each in bench.compared(before, result(rss_mb=900))}


def test_the_exit_code_against_a_baseline(day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ("bench", str(day), "--scale-to", "0", "--worlds", "0")
    _, out, _ = answer(capsys, *short, "--json")
    then = json.loads(out)
    before = tmp_path / "before.json"
    before.write_text(json.dumps({**then, "kernel_events_per_webhook": then["kernel_events_per_webhook"] / 2}))
    code, out, _ = answer(capsys, *short, "--baseline", str(before), "--fail-over", "90")
    assert code == 1 and "worse by more than 90 %: kernel_events_per_webhook" in out and "## Against the baseline" in out
    before.write_text(json.dumps({**then, "ratio": 1e9, "recompute": {"p50_us": 10**9, "p99_us": 10**9}}))
    code, out, _ = answer(capsys, *short, "--baseline", str(before), "--fail-over", "5", "--json")
    assert code == 0 and json.loads(out)["failing"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "is not JSON: "),
        ("[]", "is no result of `billsim bench --json`"),
        ('{"ratio": 3}', "is no result of `billsim bench --json`"),
    ],
)
def test_a_baseline_that_is_none(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "before.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as error:
        bench.read_baseline(path)
    assert message in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_results_of_different_things_are_not_compared() -> None:
    with pytest.raises(InputError, match="measured the engine legacy, and this is recompute"):
        bench.compared(result(engine="legacy"), result())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scale-to", "5"), "--scale-to: must be 0, or 12000 to 100000000, not 5"),
        (("--worlds", "-1"), "--worlds: must be 0 to 1000000, not -1"),
        (("--fail-over", "-1"), "--fail-over: must not be negative, is -1"),
        (("--engine", "recomput"), "did you mean 'recompute'?"),
    ],
)
def test_bad_usage(day: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], message: str) -> None:
    code, out, err = answer(capsys, "bench", str(day), *arguments)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def test_a_story_cannot_be_run_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "story.toml"
    path.write_text(STORY)
    code, _, err = answer(capsys, "bench", str(path))
    assert code == 2 and err.endswith("has no population: it cannot be run on for more events; leave the scale out with --scale-to 0\n")
    assert answer(capsys, "bench", str(path), "--scale-to", "0", "--worlds", "0")[0] == 0


def test_the_process_of_its_own_tells_each_tenth(day: Path) -> None:
    command = [sys.executable, "-c", "import sys; from billsim.bench import main; main(*sys.argv[1:])", str(day), "recompute", "0", "2000"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    points = [json.loads(line) for line in lines]
    assert points and points[-1]["events"] >= 2_000 and all(set(point) == {"events", "run_s", "rss_mb"} for point in points)
