"""Whether the simulated Stripe is Stripe's: stripe-mock is asked what engines ask, and its answers are laid beside those of the simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from billsim.oracle.checking import Found, Row, Wrong, check
from billsim.oracle.mock import URL_VARIABLE, VERSION, Answer, Mock, NoMockError, stripe_mock
from billsim.oracle.recording import ENGINES, Seen, record, shape_of
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load, names

__all__ = [
    "ENGINES",
    "URL_VARIABLE",
    "VERSION",
    "Answer",
    "Found",
    "Mock",
    "NoMockError",
    "Row",
    "Seen",
    "Wrong",
    "check",
    "examine",
    "record",
    "shape_of",
    "shipped",
    "stripe_mock",
]


def examine(url: str = "", progress: Callable[[str], None] | None = None) -> Found:
    """Run every scenario that ships under both engines, and hold what they ask of Stripe, and what it answers, against the stripe-mock at `url`, or
    one that is brought up. `progress` is told each scenario's name. Raises NoMockError.
    """
    with stripe_mock(url) as mock:
        return check(shipped(progress), mock)


def shipped(progress: Callable[[str], None] | None = None) -> list[Seen]:
    """What either engine asks of Stripe in any scenario that ships, and what is answered."""
    return record(_each(progress))


def _each(progress: Callable[[str], None] | None) -> Iterator[Scenario]:
    for name in names():
        yield load(find(name))
        if progress is not None:
            progress(name)
