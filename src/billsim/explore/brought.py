"""What an engine that does not ship has brought along, and may remember something in: besides its components the variables of its modules and
classes, and what it has put into the platform around it.

Whatever it remembers belongs to a state, and is taken back with the world: else two orders would be taken for one, or one would know of another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from billsim.explore.rewind import COLLECTIONS, Globals
from billsim.ports import Engine
from billsim.world import World

# The mutants are brought too, though they come along with the package: each keeps what it remembers in itself, or in what it has altered.
MUTANTS = "billsim.explore.mutants"
_OURS = "billsim"
_VALUES = (*COLLECTIONS, bool, int, float, str, tuple, type(None))


def brought(engine: Engine, world: World) -> list[Any]:
    """Where an engine may remember something, but for its components: to be walked like any part of a world."""
    things = [type(engine), *[component.handle for component in engine.components.values()]]
    modules = _reached([getattr(thing, "__module__", None) or "" for thing in things])
    packages = dict.fromkeys([module.__name__.partition(".")[0] for module in modules])
    return [*[Globals(module) for module in modules], *_put_into(world, [*packages, MUTANTS])]


def _reached(names: Iterable[str]) -> list[ModuleType]:
    """The modules of these names, and what their code uses of the same packages; none of this package's own."""
    found: dict[str, ModuleType] = {}
    todo = [name for name in names if name and not _is_of(name, (_OURS,))]
    packages = [name.partition(".")[0] for name in todo]
    while todo:
        name = todo.pop()
        module = sys.modules.get(name)
        if module is None or name in found or not _is_of(name, packages):
            continue
        found[name] = module
        todo += [each.__name__ if isinstance(each, ModuleType) else getattr(each, "__module__", None) or "" for each in list(vars(module).values())]
    return list(found.values())


def _is_of(module: str, packages: Sequence[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _put_into(world: World, packages: Sequence[str]) -> list[Any]:
    """What is the engine's own among the parts of the platform: objects of its classes, and what its functions keep."""
    pipe, found = world.pipe, list[Any]()
    for part in (world, world.runtime, world.stripe, world.judge, pipe, pipe.subscription, world.domain_events, world.async_processing):
        for thing in vars(part).values():
            function = thing.__func__ if isinstance(thing, MethodType) else thing
            if isinstance(function, FunctionType):
                found += _kept_by(function) if _is_of(function.__module__, packages) else []
            elif thing is not world.engine and _is_of(type(thing).__module__, packages):
                found.append(thing)
    return found


def _kept_by(function: FunctionType) -> list[CellType]:
    """The variables around a function that hold values, or collections of them: a part of the platform that it knows is met elsewhere."""
    return [cell for cell in function.__closure__ or () if _is_kept(cell)]


def _is_kept(cell: CellType) -> bool:
    try:
        return isinstance(cell.cell_contents, _VALUES)
    except ValueError:
        return False
