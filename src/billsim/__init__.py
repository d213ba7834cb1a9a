"""billsim: a deterministic simulation and replay harness for a subscription-billing platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from billsim.pytest_fuzz import fuzz as fuzz

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`billsim.fuzz`, the decorator of tests, is loaded where it is used: it takes pytest and Hypothesis, which a run does not."""
    if name == "fuzz":
        try:
            from billsim.pytest_fuzz import fuzz
        except ModuleNotFoundError as missing:
            raise ImportError(f"billsim.fuzz needs {missing.name}: pip install 'billsim[hypothesis]' pytest") from missing
        return fuzz
    raise AttributeError(f"module 'billsim' has no attribute '{name}'")
