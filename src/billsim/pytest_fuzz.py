"""`@billsim.fuzz`: a test that is given one world after another, until one falls; then the smallest that Hypothesis can make of it.

    @billsim.fuzz(runs=500)
    def test_nobody_is_chased_who_has_paid(run):
        assert run.verdict == "holds"

The test has a parameter `run` (a `RunResult`) or `scenario` (the told story), or both; any other is a fixture. Stories are drawn on Hypothesis' own
choice sequence (`billsim.strategies`), so its shrinker, its database of examples and its settings work as ever.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from msgspec.structs import replace

from billsim.core.platform import Platform
from billsim.pytest_plugin import Billsim
from billsim.run import RunResult, run_scenario
from billsim.scenario.plan import Judge, Scenario
from billsim.scenario.toml_file import dump
from billsim.strategies import TALES, Played, worlds

FOUND = Path(".billsim")
_DRAWN = ("run", "scenario")
# A world takes longer than the examples that these were made for, and fixtures may well be shared by all worlds of a test.
_UNCHECKED = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large, HealthCheck.large_base_example)

# All but `explain`, which traces every line of every run for a remark about lines.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)

Test = Callable[..., Any]


def fuzz(scenario: Scenario | str = TALES, *, runs: int = 200, engine: str | None = None, orders: bool = True) -> Callable[[Test], Test]:
    """Give a test up to `runs` worlds of a scenario: its tales, each time another one, or a told story or population of which only chance differs.

    `engine` is that of the test session where none is named. `orders`: what waits goes in other orders than first in, first out, too.
    A failure ends with the shrunk story, which is left in `.billsim/`, and the one command that repeats it.
    Raises TypeError for a test that takes neither `run` nor `scenario`.
    """

    def decorate(test: Test) -> Test:
        return _Fuzzed(test, scenario, runs, engine, orders).as_test()

    return decorate


class _Fuzzed:
    """A test and the worlds that it is given; `last` holds the one that it was given last, once there was one."""

    def __init__(self, test: Test, scenario: Scenario | str, runs: int, engine: str | None, orders: bool) -> None:
        self.test = test
        self.params = inspect.signature(test).parameters
        self.drawn = [name for name in _DRAWN if name in self.params]
        if not self.drawn:
            raise TypeError(f"{test.__qualname__}: a test under @billsim.fuzz has a parameter 'run' or 'scenario'")
        self.worlds = worlds(scenario, orders=orders)
        self.runs = runs
        self.engine = engine
        self.last: list[Played] = []

    def as_test(self) -> Test:
        """What pytest runs: it asks for the fixtures that the test asks for, and for `billsim`."""
        attempts = settings(max_examples=self.runs, deadline=None, phases=_PHASES, suppress_health_check=_UNCHECKED)(
            given(world=self.worlds)(self._attempt())
        )

        @wraps(self.test)
        def fuzzed(*args: Any, **fixtures: Any) -> None:
            __tracebackhide__ = True
            self.last.clear()
            try:
                attempts(*args, **fixtures)
            except Exception as failure:
                for world in self.last:
                    failure.add_note(self._told(world, fixtures["billsim"]))
                raise

        fuzzed.__signature__ = inspect.Signature(self._asked())  # type: ignore[attr-defined]
        return fuzzed

    def _asked(self) -> list[inspect.Parameter]:
        """The parameters that pytest is to fill."""
        names = dict.fromkeys([*(name for name in self.params if name not in _DRAWN), "billsim"])
        return [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]

    def _attempt(self) -> Test:
        """One call of the test, in one world."""
        names = [param.name for param in self._asked()]

        @wraps(self.test)
        def attempt(*args: Any, world: Played, **fixtures: Any) -> None:
            __tracebackhide__ = True
            self.last[:] = [world]
            given = {**dict(zip(names, args, strict=False)), **fixtures}
            session: Billsim = given["billsim"]
            if "run" in self.drawn:
                given["run"] = world.run(self.engine or session.engine, session.platform())
            given["scenario"] = world.story
            self.test(**{name: given[name] for name in self.params})

        world = inspect.Parameter("world", inspect.Parameter.KEYWORD_ONLY)
        attempt.__signature__ = inspect.Signature([*self._asked(), world])  # type: ignore[attr-defined]
        return attempt

    def _told(self, world: Played, billsim: Billsim) -> str:
        """The story of a failure, kept as a file; what happens in it; and the command that repeats it."""
        engine, platform = self.engine or billsim.engine, billsim.platform()
        name = self.test.__name__
        story = replace(world.pinned(engine, platform), id=f"found/{name}", from_=f"pytest {name}", judge=Judge())
        path, text = FOUND / f"{name}.toml", dump(story)
        FOUND.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return f"\nThe smallest story that was found, in {path}:\n\n{text}\n{_summary(story, path, engine, world.seed, platform)}"


def _summary(story: Scenario, path: Path, engine: str, seed: int, platform: Platform) -> str:
    """What `billsim run` says of it, which ends with the command."""
    from rich.console import Console

    from billsim import summary

    text = StringIO()
    out = Console(file=text, markup=False, highlight=False, emoji=False, width=160, force_terminal=False, color_system=None)
    result: RunResult = run_scenario(story, seed=seed, engine=engine, platform=platform)
    summary.show_run(out, result, str(path), None)
    return text.getvalue().rstrip()
