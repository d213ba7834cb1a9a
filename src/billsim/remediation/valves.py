"""The safety valves of a night: what keeps a mistake in a view, or in the code that mends, from reaching everybody at once."""

from __future__ import annotations

from collections.abc import Sequence

from billsim.core.remediation import RemediationPolicy

KILL_SWITCH, DRIFT_JUMP, MOST_ACCOUNTS, MOST_SHARE, FAILURES, MOST_ZONES = (
    "valve:kill_switch", "valve:drift_jump", "valve:most_accounts", "valve:most_share", "valve:failures", "valve:most_zones",
)  # fmt: skip
VALVES = (KILL_SWITCH, DRIFT_JUMP, MOST_ACCOUNTS, MOST_SHARE, FAILURES, MOST_ZONES)


class Valves:
    """The valves of one night. `population`: how many accounts there are; `yesterday`: how many were candidates the night before, None where nobody
    knows.
    """

    def __init__(self, rules: RemediationPolicy, candidates: Sequence[str], population: int, yesterday: int | None) -> None:
        self._rules = rules
        self._stops = _stops(rules, len(candidates), yesterday)
        self._most, self._why = _most(rules, population)
        self._attempts = 0
        self._failures = 0

    def shut(self) -> str:
        """The valve that forbids the next attempt; '' for none."""
        if self._stops:
            return self._stops
        if self._attempts >= self._most:
            return self._why
        few = self._attempts <= self._rules.floor
        return "" if few or self._failures * 100 <= self._attempts * self._rules.failures_percent else FAILURES

    def count(self, *, failed: bool) -> None:
        """An attempt was made."""
        self._attempts += 1
        self._failures += failed


def _stops(rules: RemediationPolicy, candidates: int, yesterday: int | None) -> str:
    """What forbids the whole night."""
    if rules.kill_switch:
        return KILL_SWITCH
    if yesterday is None or candidates <= rules.floor:
        return ""
    return DRIFT_JUMP if candidates * 100 > yesterday * rules.jump_percent else ""


def _most(rules: RemediationPolicy, population: int) -> tuple[int, str]:
    """How many may be attempted, and by which valve."""
    share = max(rules.floor, population * rules.most_share_ppm // 1_000_000)
    return (share, MOST_SHARE) if share < rules.most_accounts else (rules.most_accounts, MOST_ACCOUNTS)
