"""What remediation came to in a run, for its JSON: attempts, what they healed, were refused and made worse, each day, and who stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from billsim.checks.judge import Report
from billsim.core.time import DAY_MS
from billsim.rehearsal.attempts import Attempt, attempts_of
from billsim.rehearsal.nights import accounts_of, nights_of
from billsim.rehearsal.staying import Stays, reasons, remaining
from billsim.rehearsal.tally import Tally, by_code
from billsim.world import World


def figures(world: World, report: Report, tally: Tally | None) -> dict[str, Any]:
    """For the JSON of a run, under `remediation`; nothing where its scenario says nothing of it. `outcomes` counts attempts, `refused` and `left`
    what was not done, by why; `healed` and `made_worse` drift that remediation closed and opened. `zero_ms`: from its first attempt until nothing
    drifted any more; None: never. `days`, `plateau`, `reasons` and `remaining` tell what became of drift day by day, and why what stays has stayed.
    """
    told = world.scenario.remediation
    if told is None:
        return {}
    if tally is None:
        return {"remediation": {"mode": told.mode}}
    attempts = sorted([each for shard in world.stores.awake() for each in attempts_of(shard)], key=lambda each: each.at_ms)
    stays = remaining(world, report.drift, tally.began_ms)
    first_ms = min([each.at_ms for each in attempts], default=None)
    at_zero = first_ms is not None and not report.open_at_end
    return {
        "remediation": {
            "mode": told.mode,
            "attempts": len(attempts),
            **_came_to(attempts),
            "healed": by_code(tally.healed),
            "made_worse": _counted(tally.made_worse.elements()),
            "zero_ms": max(0, (tally.last_ended_ms or 0) - first_ms) if at_zero and first_ms is not None else None,
            "days": _days(world, tally, attempts),
            "plateau": _plateau(tally, stays),
            "reasons": reasons(stays),
            "remaining": [_plain(each) for each in stays],
        }
    }


def _came_to(attempts: Sequence[Attempt]) -> dict[str, Any]:
    results = [each.result for each in attempts]
    return {
        "failed": sum(each.failed for each in attempts),
        "outcomes": _counted(result.outcome for result in results if result.outcome),
        "refused": _counted(refusal.why for result in results for refusal in result.refused),
        "left": _counted(refusal.why for result in results for refusal in result.left),
    }


def _days(world: World, tally: Tally, attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Each day from when remediation began: how much drift stands at its end, by code, what of it is new, healed, and ended otherwise; and of the
    night that was seen in it how many accounts were detected, candidates, and held back.
    """
    began_ms, now_ms, standing = tally.began_ms, world.kernel.now, tally.standing()
    nights = {tally.day_of(night.seen_ms): night for night in nights_of(world) if night.seen_ms > began_ms}
    by_day: dict[int, list[Attempt]] = {}
    for each in attempts:
        by_day.setdefault(tally.day_of(each.at_ms), []).append(each)
    days, stands = [], Counter[str]()
    for day in range(tally.day_of(now_ms) + 1):
        stands, made, night = standing.get(day, stands), by_day.get(day, []), nights.get(day)
        told: dict[str, Any] = {"day": day, "until_ms": min(began_ms + day * DAY_MS, now_ms), "standing": dict(sorted(stands.items()))}
        if day:
            told |= {"opened": by_code(tally.opened, day), "healed": by_code(tally.healed, day), "ended": by_code(tally.ended, day)}
            told |= {"night": night.name if night is not None else None, **(accounts_of(night) if night is not None else {})}
            told |= {"attempts": len(made), **_came_to(made)}
        days.append(told)
    return days


def _plateau(tally: Tally, stays: Sequence[Stays]) -> dict[str, Any]:
    """From which day on nothing ended any more that two mirrors or more had pictured, of each code that stays and of all; and how many accounts that
    leaves. `old_healed`: how much of such drift remediation has healed, which by design is none.
    """
    last = {code: tally.day_of(ended_ms) for code, ended_ms in tally.old_until_ms.items()}
    standing = Counter(standing.code for each in stays for standing in each.drift)
    return {
        "day": max(last.values(), default=0),
        "accounts": len(stays),
        "old_healed": tally.old_healed,
        "by_code": {code: {"day": last.get(code, 0), "standing": count} for code, count in sorted(standing.items())},
    }


def _plain(stays: Stays) -> dict[str, Any]:
    drift = [{"code": each.code, "since_ms": each.since_ms, "nights": each.nights, "reason": each.reason} for each in stays.drift]
    return {"account": stays.account, "since_ms": stays.since_ms, "reason": stays.reason, "holds": stays.holds, "drift": drift}


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
