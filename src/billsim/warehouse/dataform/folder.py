"""A Dataform project on disk, read once and wholly: what its JavaScript may see, and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from billsim.warehouse.errors import ViewError

SETTINGS = ("workflow_settings.yaml", "dataform.json")
COMPILED = "compiled.json"
CORE = "@dataform/core"
# What Dataform compiles or requires. A lock file and our own graph say nothing about what it compiles to.
READ = (".js", ".cjs", ".json", ".sql", ".sqlx", ".yaml", ".yml", ".md", ".ipynb")
NOT_SOURCES = ("package-lock.json", "npm-shrinkwrap.json", COMPILED)
MOST_FILES = 5_000
MOST_BYTES = 32 << 20


class Folder(NamedTuple):
    """A project's files: `texts` by their path below `root`, in order of path, without its node_modules."""

    root: Path
    texts: dict[str, str]

    @property
    def digest(self) -> str:
        """Of the names and texts of all files: equal as long as nothing changes."""
        summed = blake2b(digest_size=16)
        for path, text in self.texts.items():
            summed.update(f"{path}\0{len(text)}\0{text}".encode())
        return summed.hexdigest()

    @property
    def asks_for_core(self) -> bool:
        """Whether its settings name a version of @dataform/core, which has Dataform's command line fetch it."""
        return "dataformCoreVersion" in self.texts.get(SETTINGS[0], "")


def read_folder(root: Path) -> Folder:
    """The project in the folder `root`. Raises ViewError where there is none, and for files that cannot be read as a project's."""
    if not root.is_dir():
        raise ViewError("not a folder" if root.exists() else "no such folder", str(root))
    if not any((root / name).is_file() for name in SETTINGS):
        raise ViewError(f"not a Dataform project: it has no {SETTINGS[0]} (nor a {SETTINGS[1]})", str(root))
    return Folder(root, dict(texts(root, root)))


def package(root: Path, name: str, asked_from: str) -> dict[str, str]:
    """The files of the npm package that holds the module `name`, for the file in the folder `asked_from`; none where it is not installed.

    The keys are paths below `root`.
    """
    parts = name.split("/")
    held_by = "/".join(parts[: 2 if name.startswith("@") else 1])
    if name.startswith(".") or ".." in parts or not held_by:
        return {}
    below = Path(asked_from)
    for place in (below, *below.parents):
        folder = root / place / "node_modules" / held_by
        if (folder / "package.json").is_file():
            return dict(texts(root, folder))
    return {}


def texts(root: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """(path below `root`, text) of the files in `folder`, without hidden ones and node_modules.

    Raises ViewError for too many, for what is no text, and for a link out of `root`.
    """
    size = 0
    for count, path in enumerate(_paths(folder)):
        name = path.relative_to(root).as_posix()
        if not path.resolve().is_relative_to(root.resolve()):
            raise ViewError("a link that leads out of the project's folder", name)
        if path.exists() and not path.is_file():
            raise ViewError("cannot be read: not a regular file", name)  # a pipe would be waited for
        try:
            size += path.stat().st_size
            if count >= MOST_FILES or size > MOST_BYTES:
                raise ViewError(f"more than a Dataform project: over {MOST_FILES} files or {MOST_BYTES >> 20} MB", str(folder))
            yield name, path.read_text(encoding="utf-8")
        except UnicodeDecodeError as wrong:
            raise ViewError(f"not UTF-8 at byte {wrong.start}", name) from None
        except OSError as wrong:
            raise ViewError(f"cannot be read: {wrong.strerror}", name) from None


def _paths(folder: Path) -> Iterator[Path]:
    """What Dataform may read below `folder`, in order of path."""
    found: list[Path] = []
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        found += [Path(at) / name for name in names if name.endswith(READ) and not name.startswith(".") and name not in NOT_SOURCES]
    return iter(sorted(found))


def core_bundle(packages: Path) -> dict[str, str]:
    """The two files of the @dataform/core in a `node_modules` that compiling takes, as the project's own; none where it is not installed."""
    folder = packages / CORE
    names = ("package.json", "bundle.js")
    if not all((folder / name).is_file() for name in names):
        return {}
    try:
        return {f"node_modules/{CORE}/{name}": (folder / name).read_text(encoding="utf-8") for name in names}
    except (OSError, UnicodeDecodeError) as wrong:
        raise ViewError(f"cannot be read: {wrong}", str(folder)) from None
