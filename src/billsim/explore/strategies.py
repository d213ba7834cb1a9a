"""Ways to search the orders of a world: who goes first among what waits, run after run.

Each strategy is a function of a seed alone, so a run is repeated by its seed. Sources: PCT is Burckhardt and others, "A Randomized Scheduler with
Probabilistic Guarantees of Finding Bugs" (ASPLOS 2010); few preemptions after Emmi and others, "Delay-Bounded Scheduling" (POPL 2011); swarm
after Groce and others, "Swarm Testing" (ISSTA 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from billsim.core.kernel import Wake
from billsim.core.schedule import WINDOW_MS, Schedule
from billsim.scenario.plan import Scenario

# How many choices a run is thought to have at least, and how often that may be doubled: told stories have a dozen, tales fifty, populations hundreds.
_CHOICES = 8
_DOUBLINGS = 6
_BITS = 1 << 64


def _bits(seed: int, what: str) -> int:
    return xxh3_64_intdigest(what.encode(), seed)


def _below(seed: int, what: str, bound: int) -> int:
    """An integer of 0 or more, below `bound`."""
    return _bits(seed, what) * bound // _BITS


def _choices(seed: int) -> int:
    """How many choices this run is thought to have: each order of size alike, for nobody knows before it is over."""
    return _CHOICES << _below(seed, "choices", _DOUBLINGS)


class RandomWalk(Schedule):
    """Whatever waits may go first, each with equal chance."""

    def __init__(self, seed: int, window_ms: int = WINDOW_MS) -> None:
        super().__init__(window_ms)
        self._seed = seed

    def first(self, waiting: Sequence[Wake]) -> int:
        return _below(self._seed, str(self.steps), len(waiting))


class Preempting(Schedule):
    """First in, first out, but for `times` steps, at each of which something else goes first."""

    def __init__(self, seed: int, times: int, choices: int | None = None, window_ms: int = WINDOW_MS) -> None:
        super().__init__(window_ms)
        self._seed = seed
        choices = choices or _choices(seed)
        self._at = {_below(seed, f"at {n}", choices) for n in range(times)}

    def first(self, waiting: Sequence[Wake]) -> int:
        return 1 + _below(self._seed, str(self.steps), len(waiting) - 1) if self.steps in self._at else 0


class Pct(Schedule):
    """Each task and each message has a priority of its own; the highest goes first. At `depth` - 1 steps what would go first falls behind all others.

    A fault that needs `depth` things in one order among n tasks and k steps is met with a chance of at least 1 / (n * k ** (depth - 1)).
    """

    def __init__(self, seed: int, depth: int, choices: int | None = None, window_ms: int = WINDOW_MS) -> None:
        super().__init__(window_ms)
        self._seed = seed
        choices = choices or _choices(seed)
        self._priorities: dict[str, int] = {}
        self._changes = {_below(seed, f"change {n}", choices): n for n in range(depth - 1)}

    def first(self, waiting: Sequence[Wake]) -> int:
        threads = [_thread(wake) for wake in waiting]
        highest = self._highest(threads)
        change = self._changes.pop(self.steps, None)
        if change is not None:
            self._priorities[threads[highest]] = -1 - change
            highest = self._highest(threads)
        return highest

    def _highest(self, threads: Sequence[str]) -> int:
        """The last of those with the highest priority."""
        known, found = self._priorities, []
        for thread in threads:
            priority = known.get(thread)
            if priority is None:
                priority = known[thread] = _bits(self._seed, thread)
            found.append(priority)
        return len(found) - 1 - found[::-1].index(max(found))


def _thread(wake: Wake) -> str:
    """What a wake belongs to: its task, or the message that it is."""
    return wake.label.partition("/gather")[0] if wake.label else ""


def fifo(seed: int) -> Schedule | None:
    """The latencies as the seed has them."""
    return None


# Name -> the schedule of a run's seed; None: none is needed.
STRATEGIES: Mapping[str, Callable[[int], Schedule | None]] = {
    "fifo": fifo,
    "random": RandomWalk,
    "few": lambda seed: Preempting(seed, 1 + seed % 3),
    **{f"pct{depth}": (lambda seed, depth=depth: Pct(seed, depth)) for depth in range(1, 6)},  # type: ignore[misc]
}
# What the portfolio plays in turn.
PORTFOLIO = ("fifo", "random", "pct3", "few", "pct1", "random", "pct2", "pct5")


def swarm(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with about half of its kinds of fault off, and the others on as it has them."""
    kept = {name: dial for name, dial in scenario.faults.items() if _bits(seed, f"swarm {name}") & 1}
    return replace(scenario, faults=kept)
