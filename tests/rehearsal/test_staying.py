"""Why an account stays: what attempts say, what nights say, and what no attempt could have mended."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from billsim.checks.codes import CODES
from billsim.core.trace import DriftRecord
from billsim.rehearsal.attempts import Attempt
from billsim.rehearsal.nights import Handed
from billsim.rehearsal.staying import ORDER, STEPS_OF, Sightings, Standing, Stays, reasons, why
from billsim.rehearsal.telling import WORDS, words_of
from billsim.remediation.audit import Refusal, Result
from billsim.remediation.restrictions import RESTRICTIONS
from billsim.remediation.valves import VALVES

HOUR = 3_600_000
OPENED = 10 * HOUR
WITHOUT_REMEDY = {"consequence_unjustified", "consequence_missing", "mapping_drift", "orphaned_state"}


def drift(code: str = "bad_debt_stuck", account: str = "ada", opened_ms: int = OPENED) -> DriftRecord:
    return DriftRecord("drift", account, code, opened_ms, None, "", None, None, "")


def night(at_ms: int, *told: tuple[str, str], new: Sequence[tuple[str, str]] | None = None, candidates: Sequence[str] = ()) -> Handed:
    older: dict[tuple[str, bool], list[str]] = {}
    for account, code in told:
        if new is not None and (account, code) not in new:
            older.setdefault((account, code == "www_drift"), []).append(code)
    return Handed(at_ms, told, frozenset((account, False) for account in candidates), older)


def reason_of(each: DriftRecord, *nights: Handed, attempts: Sequence[Attempt] = ()) -> str:
    return why(each, attempts, Sightings([each], nights), [each.at_ms for each in nights]).reason


def attempt(result: Result) -> Attempt:
    return Attempt(OPENED + HOUR, False, False, result)


def test_every_code_is_mended_by_some_step_or_by_none() -> None:
    assert set(STEPS_OF) | WITHOUT_REMEDY == set(CODES) and not set(STEPS_OF) & WITHOUT_REMEDY


def test_every_reason_has_its_words() -> None:
    assert {kind.rstrip(":") for kind in WORDS} == set(ORDER)
    assert words_of("persistent") == "persistent: it had drifted the night before"
    assert words_of("persistent:bad_debt_stuck") == "held back for older bad_debt_stuck"
    assert words_of("restriction:MergedAccount") == "restriction MergedAccount"


# -- what nights say -------------------------------------------------------------------------------------------------------------------

STUCK, MISSING = ("ada", "bad_debt_stuck"), ("ada", "consequence_missing")


def test_what_began_after_the_last_night_had_none() -> None:
    assert reason_of(drift()) == "no_night_since"
    assert reason_of(drift(), night(OPENED - 1, STUCK)) == "no_night_since"


def test_what_no_night_told_of_is_undetected() -> None:
    assert reason_of(drift(), night(OPENED), night(OPENED + HOUR, ("bob", "bad_debt_stuck"), MISSING)) == "undetected"


def test_what_had_been_told_of_the_night_before_is_persistent() -> None:
    assert reason_of(drift(), night(OPENED, STUCK, new=[])) == "persistent"


def test_what_stands_behind_older_drift_is_held_back_for_it() -> None:
    held = night(OPENED, STUCK, MISSING, new=[STUCK])
    assert reason_of(drift(), held, night(OPENED + HOUR, STUCK, MISSING, new=[])) == "persistent:consequence_missing"


def test_of_www_drift_it_is_the_detector_of_www_that_counts() -> None:
    zone = ("ada", "www_drift")
    assert reason_of(drift("www_drift"), night(OPENED, zone, STUCK, new=[zone])) == "persistent"
    assert reason_of(drift("www_drift"), night(OPENED, zone, candidates=["ada"])) == "persistent"
    assert reason_of(drift("www_drift"), night(OPENED, zone)._replace(candidates=frozenset([("ada", True)]))) == "not_attempted"


def test_a_candidate_that_nobody_attempted() -> None:
    assert reason_of(drift(), night(OPENED, STUCK, candidates=["ada"])) == "not_attempted"
    assert reason_of(drift(), night(OPENED - 1, STUCK, candidates=["ada"]), night(OPENED, STUCK, new=[])) == "persistent"


def test_nights_that_told_of_it_are_counted_from_when_it_began() -> None:
    nights = [night(OPENED - 1, STUCK), night(OPENED, STUCK, new=[]), night(OPENED + HOUR, STUCK, new=[])]
    assert why(drift(), [], Sightings([drift()], nights), [each.at_ms for each in nights]) == Standing("bad_debt_stuck", OPENED, 2, "persistent")


@pytest.mark.parametrize("code", sorted(WITHOUT_REMEDY))
def test_what_no_attempt_mends_is_told_so_whatever_nights_and_attempts_say(code: str) -> None:
    refused = attempt(Result("refused", refused=(Refusal("MergedAccount"),)))
    told = reason_of(drift(code), night(OPENED, ("ada", code), new=[]), attempts=[refused])
    assert told == ("cannot_be_undone" if code == "consequence_unjustified" else "not_mended")


# -- what attempts say -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*RESTRICTIONS, *VALVES])
def test_a_refusal_of_everything_is_told_by_its_name(name: str) -> None:
    kind = "valve" if name in VALVES else "gate" if name.endswith("Remediation") else "restriction"
    expected = name if kind == "valve" else f"{kind}:{name}"
    refused = attempt(Result("refused", refused=(Refusal(name),)))
    assert reason_of(drift(), night(OPENED, STUCK, new=[]), attempts=[refused]) == expected
    assert why(drift(), [refused], Sightings([drift()], []), []).refusal == name


@pytest.mark.parametrize(
    ("code", "result", "reason"),
    [
        ("bad_debt_stuck", Result("partly_healed", ("ledger",), (Refusal("BadDebtDriftRemediation", "bad_debt"),)), "gate:BadDebtDriftRemediation"),
        ("ledger_drift", Result("partly_healed", ("ledger",), (Refusal("BadDebtDriftRemediation", "bad_debt"),)), "attempted:partly_healed"),
        ("bad_debt_stuck", Result("refused", (), (Refusal("InvoiceMetadataRemediation", "invoice/in_ada_1"),)), "gate:InvoiceMetadataRemediation"),
        ("stripe_drift", Result("refused", (), (Refusal("InvoiceDateTooNear", "update/ope_ada"),)), "restriction:InvoiceDateTooNear"),
        ("stripe_drift", Result("nothing_to_do", left=(Refusal("change_on_its_way", "ope_ada"),)), "left:change_on_its_way"),
        ("stripe_drift", Result("failed", wrong={"update/ope_ada": "card_declined"}), "failed:card_declined"),
        ("profile_drift", Result("failed", wrong={"update/ope_ada": "card_declined"}), "attempted:failed"),
        ("profile_drift", Result("failed", wrong={"": "did not come to rest"}), "failed:did not come to rest"),
        ("bad_debt_stuck", Result("would_heal", ("bad_debt",)), "dry_run"),
        ("bad_debt_stuck", Result("healed", ("bad_debt",)), "attempted:healed"),
        ("bad_debt_stuck", Result("refused", refused=(Refusal("too_late_at_night"),)), "refused:too_late_at_night"),
        ("bad_debt_stuck", Result(""), "attempted:other words"),
    ],
)
def test_an_attempt_is_asked_for_what_concerns_the_code(code: str, result: Result, reason: str) -> None:
    assert reason_of(drift(code), night(OPENED, ("ada", code), new=[]), attempts=[attempt(result)]) == reason


def test_of_several_zones_a_refusal_is_told_before_what_came_to_nothing() -> None:
    zones = [attempt(Result("nothing_to_do")), attempt(Result("refused", refused=(Refusal("valve:most_zones"),))), attempt(Result("healed"))]
    assert reason_of(drift("www_drift"), attempts=zones) == "valve:most_zones"


# -- accounts --------------------------------------------------------------------------------------------------------------------------


def test_the_reasons_of_accounts_add_up_and_name_the_first() -> None:
    stays = [
        Stays("cyd", "persistent", None, (Standing("bad_debt_stuck", 1, 3, "persistent"), Standing("consequence_missing", 5, 3, "not_mended"))),
        Stays("ada", "valve:most_accounts", None, (Standing("bad_debt_stuck", 2, 1, "valve:most_accounts"),)),
        Stays("bob", "persistent", None, (Standing("bad_debt_stuck", 2, 1, "persistent"),)),
    ]
    assert list(reasons(stays).items()) == [
        ("valve:most_accounts", {"accounts": 1, "codes": {"bad_debt_stuck": 1}, "example": "ada"}),
        ("persistent", {"accounts": 2, "codes": {"bad_debt_stuck": 2, "consequence_missing": 1}, "example": "bob"}),
    ]
    assert stays[0].since_ms == 1
