"""Candidates of remediation, as a story tells them: `ada bad_debt_stuck, bob stripe_drift sub_bob`, each an account, a drift code, and perhaps what
of the account is meant. And what a scenario says of remediation must be possible.
"""

from __future__ import annotations

from typing import Any

from billsim.core.remediation import MODES
from billsim.scenario.errors import nearest
from billsim.scenario.vocabulary import CODES

CANDIDATES = "candidates"
Candidate = tuple[str, str, str]


def candidates_of(text: str) -> list[Candidate]:
    """The candidates that a text names, in its order. Raises ValueError for one that is none."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        words = part.split()
        if len(words) not in (2, 3):
            raise ValueError(f"'{part}' is not an account, a drift code and perhaps an object, as in 'ada stripe_drift sub_ada'")
        if words[1] not in CODES:
            raise ValueError(f"'{words[1]}' is no drift code" + (f" (did you mean '{near}'?)" if (near := nearest(words[1], CODES)) else ""))
        found.append((words[0], words[1], words[2] if len(words) > 2 else ""))
    return found


def wrong_with(text: str) -> str:
    """What is wrong with a text of candidates, or '' for nothing. Whether there are such accounts is for the caller to look up."""
    try:
        candidates_of(text)
    except ValueError as wrong:
        return str(wrong)
    return ""


def remediation(rules: Any) -> None:
    """Which remediation runs beside the engine is one that there may be."""
    told = rules.scenario.remediation
    if told is not None and told.mode not in MODES and ":" not in told.mode:
        known = f"{', '.join(MODES)}, or package.module:factory"
        raise rules.fail(("remediation", "mode"), f"unknown remediation '{told.mode}': {known}", nearest(told.mode, MODES))
