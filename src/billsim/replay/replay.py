"""Replay: run a recorded run again from its tape, and say whether the same happened, and from which record on it did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from billsim.core.choices import NotOnTapeError
from billsim.core.platform import Platform
from billsim.replay.tape import Recorded, read, record
from billsim.run import Progress, RunResult
from billsim.rundir import Difference, first_difference
from billsim.scenario.errors import InputError


class Replayed(NamedTuple):
    """The new run, whether its trace has the digest of the recorded one, and the first record in which they differ."""

    recorded: Recorded
    result: RunResult
    same_digest: bool
    first_difference: dict[str, Any] | None

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of `replay`: that of a run, and the comparison."""
        return {**self.result.data, "run_dir": None, "same_digest": self.same_digest, "first_difference": self.first_difference}


def replay(
    path: Path,
    *,
    engine: str | None = None,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    platform: Platform | None = None,
) -> Replayed:
    """Run what the run directory `path` holds again, under its own engine or another, on its own platform or another.

    The new run is answered from the tape; a question that is not on it is answered from the seed or, when `strict`, is an error. Raises InputError.
    """
    recorded = read(path)
    with TemporaryDirectory(prefix="billsim-replay-") as folder:
        out = Path(folder) / "run"
        try:
            result = record(
                recorded.scenario,
                out,
                seed=recorded.seed,
                engine=engine or recorded.engine,
                progress=progress,
                tape=recorded.answers,
                strict=strict,
                platform=platform or recorded.platform,
            )
        except NotOnTapeError as error:
            message = f"the world asked what is not on the tape: {error}; without --strict such a question is answered from the seed"
            raise InputError(message, str(path), key="--strict") from None
        same = result.data["digest"] == recorded.digest
        return Replayed(recorded, result, same, None if same else _as_json(first_difference(path, out)))


def _as_json(difference: Difference | None) -> dict[str, Any] | None:
    """The first difference: the record's ordinal, and its row in each of the two runs (null: it has none there)."""
    if difference is None:
        return None
    builtins: dict[str, Any] = msgspec.to_builtins({"n": difference.n, "recorded": difference.one, "replayed": difference.other})
    return builtins
