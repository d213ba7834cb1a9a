"""How much sooner a campaign meets a fault than a plain Hypothesis state machine over the same world does.

`python -m benchmarks.state_machine [--half tuned|held_out|all] [--budget SECONDS] [--seeds N] [--only MUTANT]`

The state machine is what somebody would write who has the simulated platform and Hypothesis, and does not look for orders: a rule for each thing that
can be done, with its parameters drawn by Hypothesis, rules that let time pass, and at the end the same calm and the same checks. It has the same
accounts in the same states as the tales (`scenario.tale_cast`, asked through Hypothesis), the same actions and weights of results, the same faults at
the same rates, the seed of the latencies drawn as well, and waits that meet what happens by itself. Hypothesis is told to generate only: nothing is
spent on shrinking, on its database, or on explaining.

Both search in this process, one after the other for each mutant, until the first failure or until the budget is spent, which is what a mutant that
was not found counts with. A search is luck: with `--seeds N` each is made N times from elsewhere, and its median counts. What is compared is CPU time
of this process, so that what else runs on the machine does not count; the time that passed is told as well.
"""

from __future__ import annotations

import argparse
from bisect import bisect_right
from collections.abc import Sequence
from itertools import count
from statistics import median
from time import process_time_ns
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from billsim.core.choices import Seeded, Table
from billsim.core.measure import clock_ns
from billsim.core.platform import Platform
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.explore.campaign import PORTFOLIO_NAME, Campaign, wrong_with
from billsim.explore.measuring import HALVES, chosen
from billsim.explore.mutants import DUNNING, Mutant
from billsim.scenario.plan import Scenario, TimelineRow
from billsim.scenario.tale_cast import Cast, Casting
from billsim.scenario.tale_rows import EVENTS, TYPES
from billsim.scenario.toml_file import find, load
from billsim.world import World

TALES = load(find("fuzz/tales"))
ACCOUNTS = st.integers(0, 2)
WHICH = st.sampled_from((0, 0, 1))
RESULTS = st.sampled_from(("declined", "declined", "paid", "lost_card", "requires_action", "processing"))
DOORS = st.sampled_from(("dashboard", "hosted"))
HELD = st.sampled_from(EVENTS)
SLICE = 100_000
GENERATING = settings(
    max_examples=10**6,
    stateful_step_count=24,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    verbosity=Verbosity.quiet,
)


class Spent(NamedTuple):
    """Seconds of this process, and seconds that passed."""

    cpu_s: float
    wall_s: float

    def since(self, before: Spent) -> Spent:
        """What was spent after `before`."""
        return Spent(self.cpu_s - before.cpu_s, self.wall_s - before.wall_s)


def spent() -> Spent:
    """Until now."""
    return Spent(process_time_ns() / 1e9, clock_ns() / 1e9)


class Told:
    """Answers what the casting of a tale asks, by Hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._known: dict[str, int] = {}

    def fact(self, label: str, table: Table) -> int:
        if label not in self._known:
            self._known[label] = table.answer(self._data.draw(st.integers(0, 255), label=label) << 56)
        return self._known[label]


class Platforms(RuleBasedStateMachine):
    """A few accounts on a platform, and whatever is done to them. `engine` and `stop_ns` are set for a search."""

    engine = "recompute"
    stop_ns = 0
    runs = 0
    met: Spent | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.casts: list[Cast] = []
        self.rows = 0
        self.holding: list[dict[str, Any]] = []

    @initialize(data=st.data(), people=st.integers(1, 3), world_seed=st.integers(0, 2**32 - 1))
    def furnish(self, data: st.DataObject, people: int, world_seed: int) -> None:
        type(self).runs += 1
        assert TALES.tales is not None
        casting = Casting(TALES, TALES.tales, Told(data))
        self.casts = [casting.cast(n) for n in range(people)]
        story: Scenario = replace(TALES, tales=None, given=tuple(cast.account for cast in self.casts))
        policy = Platform().dunning(story.stripe.max_attempts)
        choices = Seeded(world_seed)
        choices.taped = False
        self.world = World(story, load_engine(self.engine, policy, story.stripe, Platform()), choices, Trace(), policy, bodies=False)

    # -- what is done

    def cast(self, n: int) -> Cast:
        return self.casts[n % len(self.casts)]

    def invoice(self, n: int, which: int) -> str:
        names = self.cast(n).invoices
        return names[which % len(names)]

    def name(self, n: int) -> str:
        return self.cast(n).account.account

    def do(self, by: str, what: str, **params: Any) -> None:
        world = self.world
        assert world is not None
        row, index = TimelineRow(at=world.kernel.now, by=by, do=what, params=params), self.rows
        self.rows += 1
        world.kernel.call_at(world.kernel.now, index, lambda _none: world.storyteller.perform(index, row))
        world.run_until(world.kernel.now, SLICE)

    @rule(n=ACCOUNTS, which=WHICH, result=RESULTS)
    def charge(self, n: int, which: int, result: str) -> None:
        self.do("stripe", "charge", invoice=self.invoice(n, which), result=result)

    @rule(n=ACCOUNTS, which=WHICH, via=DOORS)
    def pay(self, n: int, which: int, via: str) -> None:
        self.do(self.name(n), "pay", invoice=self.invoice(n, which), via=via)

    @rule(n=ACCOUNTS, which=WHICH, via=DOORS)
    def pay_with_a_new_card(self, n: int, which: int, via: str) -> None:
        self.do(self.name(n), "update_card", card="good")
        self.pass_time(500)
        self.do(self.name(n), "pay", invoice=self.invoice(n, which), via=via)

    @rule(n=ACCOUNTS, card=st.sampled_from(("good", "declines", "lost")))
    def update_card(self, n: int, card: str) -> None:
        self.do(self.name(n), "update_card", card=card)

    @rule(n=ACCOUNTS, which=WHICH)
    def void(self, n: int, which: int) -> None:
        self.do("support", "void", invoice=self.invoice(n, which))

    @rule(n=ACCOUNTS, which=WHICH)
    def mark_uncollectible(self, n: int, which: int) -> None:
        self.do("support", "mark_uncollectible", invoice=self.invoice(n, which))

    @rule(n=ACCOUNTS)
    def recompute(self, n: int) -> None:
        self.do("support", "recompute", account=self.name(n))

    @rule(n=ACCOUNTS, flag=st.sampled_from(("marketing_opt_in", "email_verified")), on=st.booleans())
    def set_flag(self, n: int, flag: str, on: bool) -> None:
        self.do(self.name(n), "set_flag", flag=flag, on=on)

    @rule(n=ACCOUNTS, account_type=st.sampled_from(TYPES))
    def change_account_type(self, n: int, account_type: str) -> None:
        self.do("support", "change_account_type", account=self.name(n), account_type=account_type)

    @rule(n=ACCOUNTS, result=st.sampled_from(("paid", "declined")))
    def subscribe(self, n: int, result: str) -> None:
        if self.cast(n).account.stripe_customer:
            self.do(self.name(n), "subscribe", plan="addon_monthly", price=500, result=result)

    @rule(n=ACCOUNTS, which=WHICH, via=DOORS, returns_after_s=st.integers(0, 120))
    def pay_challenged(self, n: int, which: int, via: str, returns_after_s: int) -> None:
        if self.cast(n).account.stripe_customer:
            self.do("bank", "challenge", account=self.name(n), returns_after_s=returns_after_s)
            self.do(self.name(n), "pay", invoice=self.invoice(n, which), via=via)

    @rule(n=ACCOUNTS, event=HELD)
    def hold(self, n: int, event: str) -> None:
        self.holding.append({"event": event, "account": self.name(n)})
        self.do("pipe", "hold", **self.holding[-1])

    @precondition(lambda self: self.holding)
    @rule()
    def release(self) -> None:
        self.do("pipe", "release", **self.holding.pop(0))

    @rule(n=ACCOUNTS, event=HELD)
    def duplicate(self, n: int, event: str) -> None:
        self.do("pipe", "duplicate", event=event, account=self.name(n))

    @rule()
    def nightly(self) -> None:
        self.do("cron", "run", job="nightly")

    # -- time passes

    def pass_time(self, ms: int) -> None:
        world = self.world
        assert world is not None
        world.run_until(min(world.kernel.now + ms, TALES.until - HOUR_MS), SLICE)

    @rule(ms=st.integers(1, 8 * SECOND_MS))
    def seconds_pass(self, ms: int) -> None:
        self.pass_time(ms)

    @rule(minutes=st.integers(1, 60))
    def minutes_pass(self, minutes: int) -> None:
        self.pass_time(minutes * MINUTE_MS)

    @rule(hours=st.integers(1, 20))
    def hours_pass(self, hours: int) -> None:
        self.pass_time(hours * HOUR_MS)

    @rule(n=ACCOUNTS, after_ms=st.integers(-2 * SECOND_MS, 4 * SECOND_MS))
    def until_something_happens(self, n: int, after_ms: int) -> None:
        """To the account's next try, boundary or renewal, or else to the next night."""
        assert self.world is not None
        now = self.world.kernel.now
        night = (now // DAY_MS + 1) * DAY_MS + TALES.cron_minute * MINUTE_MS
        moments = sorted([*self.cast(n).moments, night])
        self.pass_time(max(0, moments[min(bisect_right(moments, now), len(moments) - 1)] + after_ms - now))

    # -- the end

    def teardown(self) -> None:
        world = self.world
        if world is None:
            return
        world.run_until(TALES.until, SLICE)
        world.stop_faults()
        world.redrive()
        world.run_until(TALES.end, SLICE)
        drained = world.drain()
        report = world.judge.finish(world.kernel.now)
        found, still_open = list(report.findings), report.open_at_end
        world.close()
        if not drained or found or still_open:
            type(self).met = type(self).met or spent()
            raise AssertionError("it falls")
        # Hypothesis ends at a failure, and only there.
        assert process_time_ns() < self.stop_ns or self.met, "the budget is spent"


class Met(NamedTuple):
    """What came of a search: whether a failure was met, after how many runs, and what it took."""

    found: bool
    runs: int
    took: Spent


class Searched(NamedTuple):
    """A mutant of a half, and the searches for it."""

    half: str
    plain: Sequence[Met]
    ours: Sequence[Met]


def by_machine(engine: str, budget_s: float, number: int) -> Met:
    """One search by the state machine, under a random seed of Hypothesis' own."""
    began = spent()
    about = {"engine": engine, "stop_ns": process_time_ns() + int(budget_s * 1e9), "runs": 0, "met": None}
    machine: Any = seed(number)(type("Searching", (Platforms,), about))
    try:
        run_state_machine_as_test(machine, settings=GENERATING)
    except AssertionError:
        return Met(machine.met is not None, machine.runs, (machine.met or spent()).since(began))
    raise RuntimeError("a million examples, and neither a failure nor the end of the budget")


def by_campaign(mutant: Mutant, budget_s: float, number: int) -> Met:
    """One search by a campaign with the portfolio of strategies."""
    campaign, began = Campaign((TALES,), mutant.engine, number * 10**6, PORTFOLIO_NAME), spent()
    for at in count():
        found = bool(wrong_with(campaign, campaign.run(at))[0])
        took = spent().since(began)
        if found or took.cpu_s > budget_s:
            return Met(found, at + 1, took)
    raise AssertionError("a campaign has no end")


def main() -> None:
    """Print both searches for each mutant, and the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=(*HALVES, "all"), default="all")
    parser.add_argument("--budget", type=float, default=10.0, metavar="SECONDS", help="for one search, of CPU time")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="searches for each mutant; the median counts")
    parser.add_argument("--only", nargs="*", default=[], metavar="MUTANT")
    asked = parser.parse_args()
    searched: list[Searched] = []
    print(f"{'mutant':34}{'state machine':>26}{'campaign':>26}")
    for mutant in [each for each in chosen(asked.only, "" if asked.half == "all" else asked.half) if each.part in DUNNING]:
        plain = [by_machine(mutant.engine, asked.budget, number) for number in range(asked.seeds)]
        ours = [by_campaign(mutant, asked.budget, number) for number in range(asked.seeds)]
        print(f"{mutant.name:34}{told(plain):>26}{told(ours):>26}", flush=True)
        searched.append(Searched(mutant.half, plain, ours))
    for half in HALVES:
        sum_up(half, [each for each in searched if each.half == half])


def told(searches: Sequence[Met]) -> str:
    """The median, and how many searches met nothing."""
    missed = sum(not each.found for each in searches)
    return f"{median(each.runs for each in searches):.0f} runs {middle(searches).cpu_s:7.2f} s" + (f" ({missed} not)" if missed else "")


def middle(searches: Sequence[Met]) -> Spent:
    """The median of what they took."""
    return Spent(median(each.took.cpu_s for each in searches), median(each.took.wall_s for each in searches))


def sum_up(half: str, searched: Sequence[Searched]) -> None:
    """Print what a half of the mutants comes to."""
    if not searched:
        return
    plain, ours = ([middle(each[side]) for each in searched] for side in (1, 2))
    for what, place in (("CPU", 0), ("wall", 1)):
        machine_s, campaign_s = ([took[place] for took in side] for side in (plain, ours))
        ratio = median(theirs / own for theirs, own in zip(machine_s, campaign_s, strict=True))
        medians = f"{median(machine_s):.2f} s and {median(campaign_s):.3f} s, {median(machine_s) / median(campaign_s):.1f} times"
        sums = f"sum {sum(machine_s):.0f} s and {sum(campaign_s):.1f} s, {sum(machine_s) / sum(campaign_s):.1f} times"
        print(f"{half}, {what}: median {medians}; median of the ratios {ratio:.1f}; {sums}")


if __name__ == "__main__":
    main()
