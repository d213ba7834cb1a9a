"""A moment of a recorded run: the rows of all stores beside truth, before and after the write that opens the drift."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from billsim import cli
from billsim.replay.moment import Moment, instant, moment
from billsim.replay.tape import record
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import find, load
from billsim.telling import show_moment


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moment") / "run"
    record(load(find("dunning/pay_bad_debt_vs_webhook")), folder, seed=0, engine="legacy")
    return folder


def at(run: Path, time: str, **how: str) -> Moment:
    return moment(run, instant(time), "ada", **how)  # type: ignore[arg-type]


def differing(seen: Moment) -> list[tuple[str, str, object, object]]:
    return [(cell.store, cell.field, cell.held, cell.truth) for cell in seen.cells if cell.differs]


def held(seen: Moment, store: str, field: str) -> object:
    return next(cell.held for cell in seen.cells if (cell.store, cell.field) == (store, field))


def test_before_the_payment_all_is_as_truth_has_it(run: Path) -> None:
    seen = at(run, "2026-03-20T09:30:00Z")
    assert differing(seen) == [] and seen.disagreements == []
    assert held(seen, "subs_dunning", "status") == "bad_debt" and held(seen, "stripe.invoice", "status") == "paid"
    assert [cell.held for cell in seen.cells if (cell.store, cell.key, cell.field) == ("stripe.invoice", "in_ada_1", "status")] == ["open"]


def test_while_the_webhook_is_held_everything_is_late(run: Path) -> None:
    """Paid at 10:00:05, released at 10:00:30: on its way, so lag."""
    seen = at(run, "2026-03-20T10:00:20Z")
    fields = {(store, field) for store, field, _, _ in differing(seen)}
    assert {("subs_dunning", "status"), ("subs_account", "flags.bad_debt"), ("subs_account", "flags.no_successful_payment")} <= fields
    assert ("stripe_metadata", "bad_debt") in fields and ("billing_prod", "status") in fields
    assert seen.on_the_way > 0 and {each["code"] for each in seen.disagreements} >= {"bad_debt_stuck"}
    assert not any(each["drift"] for each in seen.disagreements)
    assert seen.missing == ["in_ada_1/recovered"]


def test_after_the_lost_update_one_field_differs(run: Path) -> None:
    seen = at(run, "2026-03-20T10:03:00Z")
    assert differing(seen) == [("subs_account", "flags.no_successful_payment", True, False)]
    assert [(each["code"], each["drift"]) for each in seen.disagreements] == [("no_successful_payment_stuck", True)]
    assert (seen.on_the_way, seen.missing) == (0, [])


def test_the_instant_itself_is_included(run: Path) -> None:
    """The page is saved at 10:02:01.241."""
    assert differing(at(run, "2026-03-20T10:02:01.240Z")) == []
    assert len(differing(at(run, "2026-03-20T10:02:01.241Z"))) == 1


def test_another_engine_meets_the_same_world(run: Path) -> None:
    seen = at(run, "2026-03-20T10:03:00Z", engine="recompute")
    assert differing(seen) == [] and seen.engine == "recompute" and seen.off_tape > 0
    assert at(run, "2026-03-20T10:03:00Z").off_tape == 0


def test_the_calm_and_the_last_night_can_be_looked_at(run: Path) -> None:
    assert len(differing(at(run, "2026-03-22T12:00:00Z"))) == 1
    assert len(differing(at(run, "2026-03-23T00:00:00.002Z"))) == 1


@pytest.mark.parametrize(
    ("time", "account", "line"),
    [
        ("2026-03-20T10:00:00Z", "adda", "{run}: --show: no account 'adda' in this run (did you mean 'ada'?)"),
        ("2026-03-19T10:00:00Z", "ada", "--until: 2026-03-19T10:00:00Z is before the run, which begins at 2026-03-20T00:00:00Z"),
        ("2026-04-19T10:00:00Z", "ada", "--until: 2026-04-19T10:00:00Z is after the run, which ends at 2026-03-23T00:00:00.003Z"),
        ("yesterday", "ada", "--until: must be a time such as 2026-03-14T01:00:00Z, not 'yesterday'"),
    ],
)
def test_what_is_not_in_the_run_is_one_line(run: Path, time: str, account: str, line: str) -> None:
    with pytest.raises(InputError) as refused:
        moment(run, instant(time), account)
    assert str(refused.value) == line.format(run=run)


def test_an_account_that_truth_says_nothing_of(tmp_path: Path) -> None:
    story = load(find("dunning/void_after_bad_debt"))
    contract = msgspec.structs.replace(story, given=tuple(msgspec.structs.replace(each, account_type="ibm") for each in story.given))
    record(contract, tmp_path / "run", seed=0, engine="recompute")
    seen = moment(tmp_path / "run", instant("2026-03-20T12:00:00Z"), "ada")
    assert seen.applies is False
    assert not any(cell.judged for cell in seen.cells if cell.store != "billing_prod")


def test_it_is_printed_with_the_differences_marked(run: Path) -> None:
    out = Console(width=200, record=True, file=StringIO())
    show_moment(out, at(run, "2026-03-20T10:03:00Z"))
    told = [" ".join(line.split()) for line in out.export_text().splitlines()]
    assert told[0] == "ada at 2026-03-20T10:03:00Z: dunning/pay_bad_debt_vs_webhook under legacy, seed 0"
    assert [line for line in told if "<-- differs" in line] == ["flags.no_successful_payment true false <-- differs"]
    assert "1 field differs from truth" in told


def test_the_commands_answer_with_json_and_with_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(*line: str) -> tuple[int, str, str]:
        code = cli.answer(list(line))
        told = capsys.readouterr()
        return code, told.out, told.err

    code, out, err = answer("replay", str(run), "--until", "2026-03-20T10:03:00Z", "--show", "ada", "--json")
    data = msgspec.json.decode(out)
    assert (code, err, data["account"], sum(row["differs"] for row in data["rows"])) == (0, "", "ada", 1)
    code, out, err = answer("explain", str(run), "--json")
    assert (code, err, [drift["cause"] for drift in msgspec.json.decode(out)["drift"]]) == (0, "", ["lost_update"])
    code, out, err = answer("explain", str(run))
    assert code == 0 and out.splitlines()[0].startswith("dunning/pay_bad_debt_vs_webhook under legacy") and err == ""
    code, out, err = answer("replay", str(run), "--show", "ada")
    assert (code, out) == (2, "") and err == "billsim: --until and --show: go together, as in --until 2026-03-15T03:00:00Z --show ada\n"
    code, out, err = answer("explain", str(run / "nowhere"), "--json")
    assert code == 2 and err == "" and msgspec.json.decode(out)["error"]["file"] == str(run / "nowhere")
