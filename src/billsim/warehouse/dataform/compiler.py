"""From a folder to a graph: by QuickJS and the folder's own @dataform/core, else by Dataform's command line, else as it ships."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from billsim.warehouse.dataform import cli, sandbox
from billsim.warehouse.dataform.compiled import graph_of
from billsim.warehouse.dataform.folder import COMPILED, CORE, Folder, core_bundle, read_folder
from billsim.warehouse.dataform.graph import Graph, dump, load
from billsim.warehouse.dataform.sandbox import Limits, TooOld
from billsim.warehouse.errors import ViewError

SHIPPED = Path(__file__).parents[1] / "views"


@cache
def shipped() -> Graph:
    """The compiled graph of our own views. Whoever changes them compiles them again; a test says so where they forget."""
    return load((SHIPPED / COMPILED).read_bytes(), COMPILED)


def ship(packages: Path) -> Path:
    """Compiles our own views by the packages in a `node_modules`, and writes the graph that `shipped` reads. Returns its path."""
    path = SHIPPED / COMPILED
    fresh = path.with_name(f"{COMPILED}.new")
    fresh.write_text(dump(compile_folder(SHIPPED, packages=packages)), encoding="utf-8")
    fresh.replace(path)
    shipped.cache_clear()
    return path


def compile_folder(root: Path, *, packages: Path | None = None, limits: Limits | None = None) -> Graph:
    """The graph of the Dataform project in a folder.

    The @dataform/core in `packages` compiles it (default: the folder's own node_modules). Where there is none, a `compiled.json` of ours is as good,
    if nothing has changed since. Raises ViewError, in one line, for a folder that is no project, for what Dataform finds wrong in it, and where
    nothing is there that could compile it.
    """
    folder = read_folder(root)
    core = core_bundle(packages or root / "node_modules")
    if packages is not None and not core:
        raise ViewError(f"there is no {CORE} in it", str(packages))
    if not core and (ready := _ready(folder)):
        return ready
    sources = folder.digest
    if core and sandbox.installed():
        try:
            return graph_of(sandbox.compile_in_sandbox(folder, core, limits or Limits()), sources=sources, folder=str(root))
        except TooOld as old:
            told = f"its {CORE} {old} is older than 3: npm install --prefix {root} {CORE}@3"
    elif core:
        told = "compiling it needs QuickJS: pip install 'billsim[views]'"
    else:
        told = _how_to_install(folder)
    dataform = cli.command_line(folder)
    if dataform and (core or folder.asks_for_core):
        return graph_of(cli.compile_by_command(dataform, folder), sources=sources, folder=str(root))
    raise ViewError(told, str(root))


def _how_to_install(folder: Folder) -> str:
    named = CORE in folder.texts.get("package.json", "")
    stale = f", and its {COMPILED} is of other files" if (folder.root / COMPILED).is_file() else ""
    return f"its {CORE} is not installed{stale}: npm install --prefix {folder.root}{'' if named else f' {CORE}@3'}"


def _ready(folder: Folder) -> Graph | None:
    """The graph that the folder holds already, if it was compiled from these very files."""
    path = folder.root / COMPILED
    if not path.is_file():
        return None
    graph = load(path.read_bytes(), str(path))
    return graph if graph.sources == folder.digest else None
