"""auto_resync_www: brings the plan level of zones back to what subs-api's record says, zone by zone; by its own candidates, and independent of
driftcontrol, with which it shares the message: `www` of it holds [account, code, zone].

A zone that is not named stands for all zones of its account. What a zone is to have is decided anew when its turn comes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.core.remediation import RemediationPolicy
from billsim.engine.decide import decide
from billsim.engine.diff import zones_behind
from billsim.ports import AccountState, CompareAndSet, Component, Effect, GatherAll, Message, Now, Steps
from billsim.remediation import audit
from billsim.remediation.audit import FAILED, HEALED, NOTHING, WOULD, Refusal, Result
from billsim.remediation.restrictions import of_account
from billsim.remediation.valves import KILL_SWITCH, MOST_ZONES
from billsim.stripe.objects import StripeError

NAME = "auto_resync_www"
TRIES = 8


class AutoResyncWww:
    """The component, with its own right to write www."""

    def __init__(self, policy: DunningPolicy, rules: RemediationPolicy) -> None:
        self._policy = policy
        self._rules = rules

    def handle(self, message: Message) -> Steps:
        """Set one zone after the other; each attempt is a row, and a zone is attempted once a night."""
        night, done = audit.night_of(message), 0
        for account, code, named in _candidates(message.body.get("www") or ()):
            zones = [named] if named else (yield from _zones_of(account))
            for zone in zones:
                key = f"{night}/{NAME}/{zone}"
                if (yield from audit.attempted(account, key)) is None:
                    result = audit.refusal(why) if (why := self._shut(done)) else (yield from self._resync(account, zone))
                    params = {"codes": [code], "zone": zone, "dry_run": self._rules.dry_run}
                    yield from audit.enter(account, key, params, result)
                done += 1

    def _shut(self, done: int) -> str:
        if self._rules.kill_switch:
            return KILL_SWITCH
        return MOST_ZONES if done >= self._rules.most_zones else ""

    def _resync(self, account: str, zone: str) -> Generator[Effect, Any, Result]:
        """Set a zone's level, and look again until a fresh look finds it right; what Stripe does not tell of the account cannot be looked at."""
        steps: tuple[str, ...] = ()
        for _ in range(TRIES):
            try:
                state: AccountState = yield GatherAll(account)
            except StripeError as refusal:
                return Result(FAILED, steps, wrong={"": refusal.code or refusal.type})
            now_ms: int = yield Now()
            if why := of_account(state, self._rules, self._policy):
                return Result(audit.PARTLY if steps else audit.REFUSED, steps, (Refusal(why),))
            level = zones_behind(state, decide(state, now_ms, self._policy).entitlements).get(zone)
            if level is None:
                return Result(HEALED if steps else NOTHING, steps)
            told = (f"{zone}={level}",)
            if self._rules.dry_run:
                return Result(WOULD, told)
            if (yield CompareAndSet("www", account, state.zones[zone].version, {"plan": level}, zone)) is not None:
                steps = told
        return Result(FAILED, steps, wrong={"": "did not come to rest"})


def component(policy: DunningPolicy, rules: RemediationPolicy) -> Component:
    """The component under its name and right to write; it reads from primaries, as applystripe does."""
    return Component(NAME, NAME, AutoResyncWww(policy, rules).handle, primary=True)


def _candidates(handed: Sequence[Sequence[str]]) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((account, code, zone) for account, code, zone in handed))


def _zones_of(account: str) -> Generator[Effect, Any, list[str]]:
    state: AccountState = yield GatherAll(account, ("www",))
    return list(state.zones)
