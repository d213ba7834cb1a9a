"""The folder of a campaign: no run is lost or repeated, and nothing but that campaign goes on in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from billsim.core.platform import Platform
from billsim.explore import campaign_folder
from billsim.explore.campaign import Batch, Campaign, Failing
from billsim.explore.campaign_folder import about, opened
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import find, load

RACE = load(find("dunning/pay_bad_debt_vs_webhook"))
CAMPAIGN = Campaign((RACE,), engine="legacy", seed=3)
BATCHES = [
    Batch(0, 10, 0, {0: {"redelivered": 2}}, [Failing(4, [("finding/a/b/c", "drift/d/e/f"), ("drift/g/h/i",)])]),
    Batch(10, 5, 1, {}, []),
    Batch(15, 1, 0, {}, []),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "campaign"
    with opened(path, CAMPAIGN) as folder:
        assert list(folder.batches()) == []
        for batch in BATCHES:
            folder.keep(batch)
    return path


def held(path: Path) -> list[Batch]:
    with opened(path, CAMPAIGN) as folder:
        return list(folder.batches())


def test_what_was_kept_is_there_again(folder: Path) -> None:
    assert held(folder) == BATCHES


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_torn_last_line_is_cut_and_what_follows_is_whole(folder: Path, cut: int) -> None:
    lines = folder / "runs.jsonl"
    lines.write_bytes(lines.read_bytes()[:-cut])
    with opened(folder, CAMPAIGN) as again:
        assert list(again.batches()) == BATCHES[:2]
        again.keep(Batch(15, 7, 0, {}, []))
    assert held(folder) == [*BATCHES[:2], Batch(15, 7, 0, {}, [])]


def test_a_line_that_was_filled_with_zeros_is_torn_too(folder: Path) -> None:
    with (folder / "runs.jsonl").open("ab") as lines:
        lines.write(b"\0" * 100)
    assert held(folder) == BATCHES


def test_a_folder_with_a_line_missing_is_damaged(folder: Path) -> None:
    lines = folder / "runs.jsonl"
    first, second, third = lines.read_bytes().splitlines(keepends=True)
    for damaged in (first + third, first + b"{}\n" + third, second + third):
        lines.write_bytes(damaged)
        with pytest.raises(InputError, match=r"runs.jsonl:\d: is not the line that follows; the folder is damaged"):
            held(folder)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(CAMPAIGN, engine="recompute"), "with engine legacy, not recompute"),
        (replace(CAMPAIGN, seed=4), "with seed 3, not 4"),
        (replace(CAMPAIGN, strategy="random"), "with strategy portfolio, not random"),
        (replace(CAMPAIGN, scenarios=(RACE, load(find("dunning/grace_runs_out")))), "with scenarios dunning/pay_bad_debt_vs_webhook, not"),
        (replace(CAMPAIGN, scenarios=(replace(RACE, calm_hours=3),)), "of scenarios that have changed"),
        (replace(CAMPAIGN, platform=Platform(policy={"max_attempts": 3})), "under policy"),
    ],
)
def test_another_campaign_is_refused_in_one_line(folder: Path, other: Campaign, said: str) -> None:
    with pytest.raises(InputError, match=f"--out: holds a campaign {said}.*; begin another folder") as raised, opened(folder, other):
        pass
    assert "\n" not in str(raised.value)
    assert held(folder) == BATCHES


def test_code_that_has_changed_makes_another_campaign(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_folder, "_code_of", lambda _engine: "other")
    with pytest.raises(InputError, match="holds a campaign of code that has changed"):
        held(folder)


def test_the_code_of_a_brought_engine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "brought_engine.py").write_text("A = 1\n", encoding="utf-8")
    (tmp_path / "program").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "program").chmod(0o755)
    for engine, file in (("brought_engine:make", "brought_engine.py"), (f"cmd:{tmp_path}/program", "program")):
        before = about(replace(CAMPAIGN, engine=engine)).code
        assert before == about(replace(CAMPAIGN, engine=engine)).code != about(CAMPAIGN).code
        (tmp_path / file).write_text("A = 2\n", encoding="utf-8")
        assert about(replace(CAMPAIGN, engine=engine)).code != before


def test_where_a_scenario_lies_does_not_count() -> None:
    assert about(replace(CAMPAIGN, scenarios=(replace(RACE, source="elsewhere.toml"),))) == about(CAMPAIGN)


def test_two_at_once_are_refused(folder: Path) -> None:
    with opened(folder, CAMPAIGN), pytest.raises(InputError, match="--out: another campaign is under way in it"), opened(folder, CAMPAIGN):
        pass
    assert held(folder) == BATCHES


def test_somebodys_own_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    for path, said in ((tmp_path, "is not empty, and holds no campaign"), (tmp_path / "notes", "is a file, not a folder")):
        with pytest.raises(InputError, match=said), opened(path, CAMPAIGN):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_what_a_campaign_is_of_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "campaign.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as what a campaign is of"):
        held(folder)
