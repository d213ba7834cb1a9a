"""The folder of a campaign: what it is of, a line for each batch of runs, and the stories that were found.

    campaign.json   what it is of; another campaign is refused
    runs.jsonl      a line for each batch, in the order of the runs: after a kill a torn last line is cut off, and those runs are played again
    result.json     what `--json` prints, once the campaign has ended
    found/          a scenario file for each distinct failure
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import msgspec
from xxhash import xxh3_128, xxh3_128_hexdigest

from billsim import __version__
from billsim.engines import PROGRAM, installed
from billsim.explore.campaign import Batch, Campaign
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import unplaced

ABOUT, RUNS, RESULT, FOUND, LOCK = "campaign.json", "runs.jsonl", "result.json", "found", "lock"


class About(msgspec.Struct, frozen=True):
    """What a campaign is of: two with equal values have equal runs. `code` is a digest of billsim's own sources and of a brought engine's."""

    billsim: str
    scenarios: tuple[str, ...]
    content: str
    engine: str
    seed: int
    strategy: str
    policy: str
    code: str


_SAID = {"billsim": "under billsim", "content": "of scenarios that have changed", "code": "of code that has changed", "policy": "under policy"}


def about(campaign: Campaign) -> About:
    """What a campaign is of."""
    content = msgspec.json.encode([unplaced(scenario) for scenario in campaign.scenarios])
    names = tuple(scenario.id for scenario in campaign.scenarios)
    policy = xxh3_128_hexdigest(msgspec.json.encode(campaign.platform, order="deterministic"))
    strategy, engine = campaign.strategy, campaign.engine
    return About(__version__, names, xxh3_128_hexdigest(content), engine, campaign.seed, strategy, policy, _code_of(engine))


class Folder:
    """A campaign's folder, for whoever has it open: see `opened`."""

    def __init__(self, path: Path, lines: IO[bytes]) -> None:
        self.path = path
        self._lines = lines

    @property
    def found(self) -> Path:
        """Where the stories lie that were found."""
        return self.path / FOUND

    def batches(self) -> Iterator[Batch]:
        """What has been played, in the order of the runs; what a kill left of a last line is cut off.

        Raises InputError for a folder that is damaged.
        """
        self._lines.seek(0)
        whole, following = 0, 0
        for number, line in enumerate(self._lines, 1):
            batch = _read(line)
            if batch is None and not self._lines.read(1):
                break
            if batch is None or batch.first != following:
                raise InputError("is not the line that follows; the folder is damaged, begin another", str(self.path / RUNS), number)
            whole, following = whole + len(line), batch.end
            yield batch
        self._lines.truncate(whole)
        self._lines.seek(whole)

    def keep(self, batch: Batch) -> None:
        """Add what has been played."""
        self._lines.write(msgspec.json.encode(batch) + b"\n")
        self._lines.flush()

    def end(self, result: dict[str, Any]) -> None:
        """Write what the campaign came to."""
        _write(self.path / RESULT, msgspec.json.format(msgspec.json.encode(result), indent=1))


@contextmanager
def opened(path: Path, campaign: Campaign) -> Iterator[Folder]:
    """Begin a campaign in a folder, or go on with it. Raises InputError for a folder that holds something else, or in which one is under way."""
    asked = about(campaign)
    _is_one(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / LOCK).open("w")
    except OSError as failure:
        raise InputError(f"cannot be written: {failure.strerror}", str(path), key="--out") from None
    with lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except OSError:
            raise InputError("another campaign is under way in it", str(path), key="--out") from None
        if (path / ABOUT).exists():
            _check_same(path, asked)
        else:
            _write(path / ABOUT, msgspec.json.format(msgspec.json.encode(asked), indent=1))
        with (path / RUNS).open("a+b") as lines:
            yield Folder(path, lines)


def _is_one(path: Path) -> None:
    """Raise InputError where the folder is none, or is somebody's own."""
    if path.exists() and not path.is_dir():
        raise InputError("is a file, not a folder", str(path), key="--out")
    if path.is_dir() and not (path / ABOUT).exists() and any(each.name != LOCK for each in path.iterdir()):
        raise InputError("is not empty, and holds no campaign", str(path), key="--out")


def _check_same(path: Path, asked: About) -> None:
    try:
        held = msgspec.json.decode((path / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.DecodeError):
        raise InputError("cannot be read as what a campaign is of; begin another folder", str(path / ABOUT), key="--out") from None
    for field in About.__struct_fields__:
        was, now = getattr(held, field), getattr(asked, field)
        if was != now:
            what = _SAID.get(field, f"with {field}")
            shown = "" if field in ("content", "code", "policy") else f" {_plain(was)}, not {_plain(now)}"
            raise InputError(f"holds a campaign {what}{shown}; begin another folder", str(path), key="--out")


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _read(line: bytes) -> Batch | None:
    """The batch of a line; None for one that is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        return msgspec.json.decode(line, type=Batch)
    except msgspec.DecodeError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Write a file whole, or not at all."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(content + b"\n")
    beside.replace(path)


def _code_of(engine: str) -> str:
    """A digest of the sources that a run depends on, as far as they are files: billsim's, and those of the engine's package or program."""
    digest = xxh3_128()
    for path in (*_sources(Path(__file__).parents[1]), *_brought(engine)):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def _brought(engine: str) -> list[Path]:
    if engine.startswith(PROGRAM):
        words = shlex.split(engine.removeprefix(PROGRAM))
        program = shutil.which(words[0]) or ""
        return [path for path in map(Path, (program, *words[1:])) if path.is_file()]
    place = engine if ":" in engine else entry.value if (entry := installed().get(engine)) else ""
    spec = find_spec(place.partition(":")[0].partition(".")[0]) if place.partition(":")[0] else None
    if spec is None or not spec.origin or not os.path.isfile(spec.origin):
        return []
    origin = Path(spec.origin)
    return _sources(origin.parent) if origin.name == "__init__.py" else [origin]
