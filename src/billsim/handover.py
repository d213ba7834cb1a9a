"""A platform that one engine has run and another takes over: who belongs to it, what is inherited, and how each account is reached.

Nothing wakes an account after the handover but what really happens to it: its next renewal, a payment, a purchase; and in the end support, which goes
through whoever is left with the recompute button.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from billsim.actors.callers import ask
from billsim.checks.successor import Successor
from billsim.core.histogram import Histogram
from billsim.core.time import DAY_MS, HOUR_MS, SECOND_MS, iso
from billsim.ports import Engine
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Before, Button
from billsim.scenario.touchpoints import NINJAPANEL
from billsim.world import World

# How long what is in flight may take to arrive.
DRAIN_MS = 6 * HOUR_MS
# Days between the points of the curve that a summary tells; the object has them all.
WEEK = 7


class Belongs(NamedTuple):
    """Who belongs to the platform that is handed over, and who leaves."""

    stay: list[str]
    leave: list[str]


class Handover:
    """Hands a world over to `engine`, once, and tells afterwards how that went. Raises InputError where the first part did not come to what is asked
    of it.
    """

    def __init__(self, world: World, before: Before, engine: Engine) -> None:
        if not isinstance(world.judge, Successor):
            raise TypeError("the world was not made for a handover")
        self._world = world
        self._before = before
        self._engine = engine
        self._judge = world.judge
        self.at_ms = 0
        self.left = 0
        self.events_before = 0
        self.drained = True
        self.pressed: list[str] = []
        self.in_drift_when_pressed = 0

    def perform(self) -> None:
        """Let everything in flight arrive, choose who belongs to the platform, exchange the engine, and take stock."""
        world = self._world
        self.drained = _arrived(world)
        self._judge.tick(world.kernel.now)
        belongs = choose(self._before, world.stores.names, self._judge.standing(), self._judge.truly_bad(), world.choices.seed)
        self._let_go(belongs.leave)
        world.exchange(self._engine)
        _forget_figures(world)
        self.at_ms, self.left, self.events_before = world.kernel.now, len(belongs.leave), world.pipe.counts.stripe
        self._judge.take_over(self.at_ms)
        if (button := world.scenario.button) is not None:
            world.kernel.call_at(self.at_ms + button.after_days * DAY_MS, world.choices.rank("e/button"), self._press_all, button)

    def _let_go(self, accounts: list[str]) -> None:
        """Accounts that do not belong to the platform leave it, as if they had been on another one."""
        world = self._world
        for account in accounts:
            world.stores.shard(account)
        self._judge.forget(accounts)
        for account in accounts:
            customer = world.customer_of(account)
            world.stores.forget(account)
            if not world.accounts_of(customer):
                world.stripe.forget(customer)

    # -- the button ------------------------------------------------------------------------------------------------------------------

    def _press_all(self, button: Any) -> None:
        """Support begins with those who disagree with truth, and goes on with those in dunning for whom no wake-up is ordered."""
        told: Button = button
        world, standing = self._world, self._judge.standing()
        asleep = [shard.account for shard in world.stores.awake() if self._judge.without_wake_up(shard.account, world.kernel.now)]
        self.pressed = list(dict.fromkeys((*sorted(standing), *sorted(asleep))))
        self.in_drift_when_pressed = len(standing)
        for nth, account in enumerate(self.pressed):
            instant = world.kernel.now + nth * told.pace_s * SECOND_MS
            world.kernel.call_at(instant, world.choices.rank(f"e/button/{account}"), self._press, account)

    def _press(self, account: Any) -> None:
        ask(self._world, f"{NINJAPANEL}.recompute", account, f"button/{account}", named=f"button.{account}")

    # -- what came of it -------------------------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        """The object `handover` of a run."""
        judge, world = self._judge, self._world
        inherited, standing = judge.inherited, judge.standing()
        mended, heirs = {(each.account, each.code) for each in judge.mended}, {each.account for each in inherited}
        left, bad = [each for each in inherited if (each.account, each.code) not in mended], frozenset(judge.truly_bad())
        return {
            "engine": self._before.engine,
            "at": self.at_ms,
            "drained": self.drained,
            "accounts": len(world.stores.names),
            "left": self.left,
            "events_before": self.events_before,
            "inherited": _counted(each.code for each in inherited),
            "together": _together(inherited),
            "causes": {code: _counted(each.cause for each in inherited if each.code == code) for code in _codes(inherited)},
            "open_at_end": _counted(each.code for each in left),
            "mended_by": {code: _counted(each.by for each in judge.mended if each.code == code) for code in _codes(inherited)},
            "reached": self._reached(),
            "by_day": self._by_day(),
            "button": {"pressed": len(self.pressed), "in_drift": self.in_drift_when_pressed},
            "debtors": {
                "at_handover": len(judge.debtors),
                "still_bad": sum(account in bad for account in judge.debtors),
                "not_flagged": len(judge.unheld()),
            },
            "harmed": len(judge.harmed),
            "harmed_first": sorted(judge.harmed)[:10],
            "new_drift": sum(account not in heirs for account in standing),
        }

    def _reached(self) -> dict[str, Any]:
        """Of the accounts that inherited drift: by which wake-up the first of it ended, when the last did, and who was never reached whole."""
        first: dict[str, str] = {}
        last: dict[str, int] = {}
        open_codes = Counter(each.account for each in self._judge.inherited)
        for each in self._judge.mended:
            open_codes[each.account] -= 1
            first.setdefault(each.account, each.by)
            last[each.account] = each.at_ms
        done = [account for account in first if not open_codes[account]]
        took = Histogram()
        for account in done:
            took.add(last[account] - self.at_ms)
        by = _counted(first[account] for account in done)
        return {"accounts": len(open_codes), "by": by, "never": len(open_codes) - len(done), "p50_ms": took.percentile(50), "max_ms": took.largest}

    def _by_day(self) -> list[dict[str, int]]:
        """How much of what was inherited still stood open at the end of each day after the handover, from the handover itself (day 0) on."""
        judge = self._judge
        days = (self._world.kernel.now - self.at_ms) // DAY_MS
        open_now = Counter(each.code for each in judge.inherited)
        ended: dict[int, Counter[str]] = {}
        for each in judge.mended:
            ended.setdefault((each.at_ms - self.at_ms) // DAY_MS + 1, Counter())[each.code] += 1
        curve = []
        for day in range(days + 2):
            open_now.subtract(ended.get(day, Counter()))
            curve.append({"day": day, **{code: open_now[code] for code in _codes(judge.inherited)}})
        return curve


def choose(before: Before, names: Iterable[str], standing: dict[str, tuple[str, ...]], bad: Iterable[str], seed: int) -> Belongs:
    """Who is in most of what is asked for goes first, and then by name: each belongs to the platform while there is room for all that it is in.

    Raises InputError where that does not fill every place.
    """
    debtors, room = frozenset(bad), dict(before.drift)
    if before.debtors:
        room["debtors"] = before.debtors
    ins = {account: [code for code in standing.get(account, ()) if code in before.drift] for account in sorted(names)}
    for account in debtors if before.debtors else ():
        ins[account].append("debtors")
    leave: list[str] = []
    for account, keys in sorted(ins.items(), key=lambda item: -len(item[1])):
        if all(room[key] for key in keys):
            for key in keys:
                room[key] -= 1
        else:
            leave.append(account)
    leaving = frozenset(leave)
    stay = [account for account in ins if account not in leaving]
    leave = _leave_room(before, standing, debtors, stay) + leave
    if short := {key: left for key, left in room.items() if left}:
        asked = {**before.drift, "debtors": before.debtors}
        found = ", ".join(f"{asked[key] - left} {key} of {asked[key]}" for key, left in short.items())
        raise InputError(f"under seed {seed} the first part came to {found}: it needs more days or accounts", key="before")
    return Belongs(stay, sorted(leave))


def _leave_room(before: Before, standing: dict[str, tuple[str, ...]], debtors: frozenset[str], stay: list[str]) -> list[str]:
    """Where more stay than the platform has accounts, the last of those go who are in nothing."""
    over = len(stay) - before.accounts if before.accounts else 0
    if over < 0:
        raise InputError(f"only {len(stay)} accounts may stay, of {before.accounts}: the population needs more", key="before.accounts")
    going = [account for account in reversed(stay) if account not in standing and account not in debtors][:over]
    left = frozenset(going)
    stay[:] = [account for account in stay if account not in left]
    return going


def _arrived(world: World) -> bool:
    """Faults strike nobody until everything in flight has arrived; False when that takes too long."""
    weather = world.weather
    if weather is not None:
        weather.stopped = True
    arrived = world.run_dry(world.kernel.now + DRAIN_MS)
    if weather is not None:
        weather.stopped = False
    return arrived


def _forget_figures(world: World) -> None:
    """What a run says of its engine's work is of the engine that it is a run of."""
    runtime = world.runtime
    runtime.stripe_trips = runtime.store_trips = runtime.recomputes = 0
    runtime.compute_us, runtime.whole_us, world.pipe_latency_ms = Histogram(), Histogram(), Histogram()


def _codes(inherited: Iterable[Any]) -> list[str]:
    return sorted({each.code for each in inherited})


def _counted(things: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(things).items()))


def _together(inherited: Iterable[Any]) -> dict[str, int]:
    """How many accounts inherited exactly these codes."""
    codes: dict[str, list[str]] = {}
    for each in inherited:
        codes.setdefault(each.account, []).append(each.code)
    return _counted(" + ".join(sorted(each)) for each in codes.values())


def lines(told: dict[str, Any]) -> Iterator[str]:
    """A handover in words, for the summary of a run: what was inherited and how it became less, who was reached by what, who was to be let alone."""
    at, reached, debtors = iso(told["at"]), told["reached"], told["debtors"]
    yield f"Handed over by {told['engine']} at {at}, after {told['events_before']} Stripe events: {told['accounts']} accounts"
    for code, count in told["inherited"].items():
        weeks = ", ".join(f"{day[code]} on day {day['day']}" for day in told["by_day"][WEEK::WEEK])
        yield f"  {code}: {count} inherited, {weeks}{', ' if weeks else ''}{told['open_at_end'].get(code, 0)} at the end"
    by = ", ".join(f"{count} by {kind}" for kind, count in sorted(reached["by"].items(), key=lambda item: (-item[1], item[0])))
    yield f"  {reached['accounts']} accounts in drift: {by or 'none reached'}; {reached['never']} never reached"
    if told["button"]["pressed"]:
        yield f"  support pressed the button for {told['button']['pressed']} accounts, {told['button']['in_drift']} of them in drift"
    yield f"  {debtors['at_handover']} true debtors: {debtors['still_bad']} still are, {debtors['not_flagged']} of these not flagged"
    yield f"  {told['harmed']} healthy accounts were harmed"
