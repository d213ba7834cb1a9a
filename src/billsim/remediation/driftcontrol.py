"""driftcontrol: the daily job that has applystripe attempt every account with new drift, as long as its safety valves let it.

Its message `cron.driftcontrol` has `date`; `stripe`: the candidates, [account, code, entity] each, none of which had drifted the night before;
`population`; and `yesterday`: how many accounts were candidates a night earlier. Each account is attempted once a night, however often the job is
started, and each leaves a row of the audit, attempted or refused by a valve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billsim.core.remediation import RemediationPolicy
from billsim.ports import Component, Message, Start, Steps
from billsim.remediation import applystripe, audit
from billsim.remediation.valves import Valves

NAME = "driftcontrol"
KIND = "cron.driftcontrol"
Found = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]


class DriftControl:
    """The component."""

    def __init__(self, rules: RemediationPolicy) -> None:
        self._rules = rules

    def handle(self, message: Message) -> Steps:
        """Attempt one account after the other, in the order in which they were handed in."""
        night, found = audit.night_of(message), by_account(message.body.get("stripe") or ())
        valves = Valves(self._rules, tuple(found), int(message.body.get("population") or 0), message.body.get("yesterday"))
        for account, (codes, entities) in found.items():
            yield from self._attempt(account, {"codes": codes, "entities": entities}, night, valves)

    def _attempt(self, account: str, why: dict[str, Any], night: str, valves: Valves) -> Steps:
        key = applystripe.key_of(night)
        row = yield from audit.attempted(account, key)
        if row is None:
            if shut := valves.shut():
                yield from audit.enter(account, key, {**why, "dry_run": self._rules.dry_run}, audit.refusal(shut))
                return
            yield Start(applystripe.NAME, account, applystripe.KIND, {"night": night, **why})
            row = yield from audit.attempted(account, key)
        valves.count(failed=row is None or row.failed)


def by_account(candidates: Sequence[Sequence[str]]) -> Found:
    """The codes and entities that each account is a candidate by, each told once, accounts in the order in which they came."""
    found: Found = {}
    for account, code, entity in candidates:
        codes, entities = found.get(account, ((), ()))
        found[account] = (tuple(dict.fromkeys((*codes, code))), tuple(dict.fromkeys((*entities, *((entity,) if entity else ())))))
    return found


def component(rules: RemediationPolicy) -> Component:
    """The component under its name. It walks over accounts and writes the audit alone."""
    return Component(NAME, "engine", DriftControl(rules).handle, primary=True)
