"""Plays a story from its beginning, under a guide: the world of a run, without what a run leaves."""

from __future__ import annotations

from collections.abc import Callable

from billsim.checks.judge import Report
from billsim.core.choices import Seeded
from billsim.core.platform import Platform
from billsim.core.schedule import Schedule
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.explore.orders import End, Guide
from billsim.explore.states import States
from billsim.run import SHIPPED, _live
from billsim.scenario.plan import Scenario
from billsim.world import World


class Story:
    """A story, an engine and a seed: what is played again and again."""

    def __init__(self, scenario: Scenario, engine: str, seed: int = 0, platform: Platform = SHIPPED) -> None:
        self._scenario = scenario
        self._engine = engine
        self._seed = seed
        self._platform = platform
        self._policy = platform.dunning(scenario.stripe.max_attempts)

    def play(self, guide: Guide) -> End:
        """As the protocol says."""
        world = self._world(guide)
        states = States(world)
        guide.name = states.name
        try:
            _live(world, lambda _phase: None)
            report = world.judge.finish(world.kernel.now)
            return End(states.ending(), signatures(report))
        finally:
            world.close()

    def _world(self, order: Schedule) -> World:
        choices = Seeded(self._seed)
        choices.taped = False
        engine = load_engine(self._engine, self._policy, self._scenario.stripe, self._platform)
        return World(self._scenario, engine, choices, Trace(), self._policy, bodies=False, order=order)


def signatures(report: Report) -> tuple[str, ...]:
    """What was wrong in the end, or ever: `finding/<signature>` and `drift/<account>/<code>` of what stands open."""
    wrong = {f"finding/{finding.signature}" for finding in report.findings}
    wrong |= {f"drift/{drift.account}/{drift.code}" for drift in report.drift if drift.closed_ms is None}
    return tuple(sorted(wrong))


Player = Callable[[Guide], End]
