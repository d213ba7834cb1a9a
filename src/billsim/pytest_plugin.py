"""The pytest plugin: scenario files are tests, and a `billsim` fixture runs worlds from tests written by hand.

Files called `*.billsim.toml` (or as the ini option `billsim_files` says) are collected. A scenario passes if its engine does what the file expects
of it, in every order of what races; where the file expects nothing of that engine, if the verdict holds. A failure ends with the one command that
repeats it. `@billsim.fuzz` (`billsim.pytest_fuzz`) gives a test one world after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from billsim.compare import Comparison
    from billsim.core.platform import Platform
    from billsim.run import OrdersResult, RunResult
    from billsim.scenario.plan import Scenario

PATTERN = "*.billsim.toml"
DEFAULT_ENGINE = "recompute"


class NotAsExpected(AssertionError):
    """A run that fell, or was not what its scenario expects; the text is all that pytest shows of it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--billsim-engine`, `--billsim-policy`, `--billsim-seeds`, and ini options for the first two and for what is collected."""
    group = parser.getgroup("billsim", "billing scenarios (billsim)")
    group.addoption("--billsim-engine", metavar="NAME", help="Engine of the scenarios: a name, package.module:factory, or cmd:program.")
    group.addoption("--billsim-policy", metavar="FILE", help="What your platform has otherwise (TOML).")
    group.addoption("--billsim-seeds", metavar="N", type=int, default=1, help="Run each scenario under the seeds 0 to N-1.")
    parser.addini("billsim_engine", "Engine of the scenarios.", default=DEFAULT_ENGINE)
    parser.addini("billsim_policy", "Policy file, relative to the root directory.", default="")
    parser.addini("billsim_files", "Patterns of the names of scenario files.", type="args", default=[PATTERN])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take scenario files."""
    patterns: list[str] = parent.config.getini("billsim_files")
    if any(fnmatch(file_path.name, pattern) for pattern in patterns):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


@pytest.fixture(scope="session")
def billsim(request: pytest.FixtureRequest) -> Billsim:
    """Runs scenarios under the engine and policy of this test session."""
    return Billsim.of(request.config)


class Billsim:
    """The `billsim` fixture. A scenario is a `Scenario`, the name of one that ships, or a file.

    `engine` is that of `--billsim-engine` where a call names no other.
    """

    def __init__(self, engine: str = DEFAULT_ENGINE, policy: Path | None = None) -> None:
        self.engine = engine
        self.policy = policy

    @classmethod
    def of(cls, config: pytest.Config) -> Billsim:
        """As the command line and the ini file of a test session say."""
        named = config.getoption("--billsim-policy")
        policy = config.invocation_params.dir / named if named else config.rootpath / config.getini("billsim_policy")
        has_policy = bool(named or config.getini("billsim_policy"))
        return cls(config.getoption("--billsim-engine") or config.getini("billsim_engine"), policy if has_policy else None)

    def run(self, scenario: Scenario | str | Path, *, engine: str | None = None, seed: int = 0) -> RunResult:
        """One run."""
        from billsim.run import run_scenario

        return run_scenario(_loaded(scenario), seed=seed, engine=engine or self.engine, platform=self.platform())

    def orders(self, scenario: Scenario | str | Path, *, engine: str | None = None, seed: int = 0) -> OrdersResult:
        """A run in each order of the rows that race, and the story's control. Raises TooManyOrdersError."""
        from billsim.run import run_orders

        return run_orders(_loaded(scenario), seed=seed, engine=engine or self.engine, platform=self.platform())

    def compare(self, scenario: Scenario | str | Path, engines: Iterable[str], *, seed: int = 0) -> Comparison:
        """The same world under several engines."""
        from billsim.compare import compare

        return compare(_loaded(scenario), list(engines), seed=seed, platform=self.platform())

    def assert_converges(self, scenario: Scenario | str | Path, *, engine: str | None = None, seeds: Iterable[int] = (0,)) -> None:
        """No drift stands open at the end and nothing was found, in any order, under any of the seeds. Raises NotAsExpected."""
        told = _loaded(scenario)
        for seed in seeds:
            orders = self.orders(told, engine=engine, seed=seed)
            if orders.verdict != "holds":
                raise NotAsExpected(_explained(orders, told, _name(scenario, told), engine or self.engine, seed))

    def assert_as_expected(self, scenario: Scenario | str | Path, *, engine: str | None = None, seeds: Iterable[int] = (0,)) -> None:
        """The engine does what the scenario expects of it; where it expects nothing, the verdict holds. Raises NotAsExpected."""
        told = _loaded(scenario)
        for seed in seeds:
            orders = self.orders(told, engine=engine, seed=seed)
            as_expected = orders.verdict == "holds" if orders.as_expected is None else orders.as_expected
            if not as_expected or orders.verdict == "unknown":
                raise NotAsExpected(_explained(orders, told, _name(scenario, told), engine or self.engine, seed))

    def platform(self) -> Platform:
        """What the policy file of this test session says."""
        from billsim.core.platform import Platform
        from billsim.scenario.policy_file import load_policy

        return load_policy(_shortest(self.policy)) if self.policy is not None else Platform()


class ScenarioFile(pytest.File):
    """A scenario file: one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """The test that runs it, under the name of its file."""
        yield ScenarioItem.from_parent(self, name=self.path.name.split(".", 1)[0])


class ScenarioItem(pytest.Item):
    """A scenario as a test."""

    def runtest(self) -> None:
        """Run it, in every order, under each seed."""
        seeds = range(self.config.getoption("--billsim-seeds"))
        Billsim.of(self.config).assert_as_expected(self.path, seeds=seeds)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What people need, and no traceback through billsim's insides; a bug of billsim's own shows one."""
        from billsim.engines import UnknownEngineError
        from billsim.scenario.errors import InputError
        from billsim.scenario.orders import TooManyOrdersError

        if isinstance(excinfo.value, NotAsExpected | InputError | UnknownEngineError | TooManyOrdersError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        return self.path, 0, f"scenario {self.name}"


def _loaded(scenario: Scenario | str | Path) -> Scenario:
    from billsim.scenario.plan import Scenario
    from billsim.scenario.toml_file import find, load

    return scenario if isinstance(scenario, Scenario) else load(find(str(scenario)))


def _name(named: Scenario | str | Path, scenario: Scenario) -> str:
    """How a command names the scenario: as the test did, a file from where pytest was called."""
    if isinstance(named, str):
        return named
    return str(_shortest(Path(scenario.source))) if scenario.source else scenario.id


def _shortest(path: Path) -> Path:
    """A path from where pytest was called, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def _explained(orders: OrdersResult, scenario: Scenario, name: str, engine: str, seed: int) -> str:
    """The summary that `billsim run` would print, which ends with the command that repeats it."""
    from rich.console import Console

    from billsim import summary

    text = StringIO()
    out = Console(file=text, markup=False, highlight=False, emoji=False, width=160, force_terminal=False, color_system=None)
    if orders.as_expected is False:
        where = _shortest(Path(scenario.source)) if scenario.source else scenario.id
        summary.say(out, f"{where}: not what its [expect] says of {engine}")
    if len(orders.orders) == 1 and orders.control is None:
        summary.show_run(out, orders.orders[0][1], name, None)
    else:
        summary.show_orders(out, orders, scenario, name, engine, seed)
    return text.getvalue().rstrip()
