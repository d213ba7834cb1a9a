"""Takes a world back to an earlier moment, in place: what it held is put back into the very objects that held it.

A moment is a shallow copy of everything that can change, found by walking from the world through whatever it refers to; rows, Stripe's objects,
messages and records are values and are not walked. Nobody has to say what changes: what is not named here as constant is kept.
A handler at work cannot be copied: its tape holds what it was answered, and it is begun again and told the same. That leads to the same place if it
goes by its answers alone; one that looks at what its engine remembers is begun again while that is as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from types import BuiltinMethodType, CellType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import msgspec

from billsim.checks.codes import Fields
from billsim.checks.copies import Copies
from billsim.checks.judge import Judge, Watch
from billsim.core import trace
from billsim.core.at_least_once import Parcel
from billsim.core.choices import Options, Quantiles, Seeded
from billsim.core.histogram import Histogram
from billsim.core.schedule import Schedule
from billsim.pipe.event_filter import EventFilter
from billsim.ports import Message, Steps
from billsim.runtime.perform import Runtime
from billsim.runtime.task import Task
from billsim.stores.base import Schema, Shard, Undo
from billsim.stripe.backend import Backend
from billsim.stripe.idempotency import IdempotencyKeys, Stored
from billsim.stripe.objects import Book
from billsim.world import World

_CONSTANT: tuple[type, ...] = (
    str, int, float, bool, bytes, type(None), type, frozenset, range, Schema, Undo, Stored, Quantiles, Options, Seeded, Histogram, Schedule,
    trace.Trace, trace.WriteRecord, trace.MessageRecord, trace.DriftRecord, trace.ActionRecord, trace.MarkRecord, trace.LatencyRecord,
    trace.RemediationRecord, msgspec.json.Encoder,
)  # fmt: skip
# Attributes that hold nothing that is changed in place: tables that are filled once, what is replaced with every write, and what is met elsewhere.
_KEPT: dict[type, frozenset[str]] = {
    Runtime: frozenset({"_begin", "_finish", "kernel", "choices", "stores", "payments", "trace", "host"}),
    World: frozenset({"scenario", "engine", "components", "choices", "trace", "policy"}),
    Shard: frozenset({"rows", "many"}),
    Book: frozenset(Book.__slots__),
    Task: frozenset({"component", "message", "name", "shard", "effect", "begun", "_go_on"}),
    Parcel: frozenset({"topic", "item", "name", "origin", "account"}),
    Copies: frozenset(Copies.__slots__) - {"accepted"},
    Fields: frozenset(Fields.__slots__),
}
# Attributes that hold values, or what is met elsewhere: these are copied, and what they hold is not walked.
_FLAT: dict[type, frozenset[str]] = {
    Task: frozenset({"seen", "_used", "_written"}),
    Shard: frozenset({"timers", "actions", "undo"}),
    Watch: frozenset({"past"}),
    Judge: frozenset({"_opened", "_standing", "_findings", "_kept", "_still_open", "_clock"}),
    Backend: frozenset({"_homes", "prices", "products", "deleted", "settles", "resumes", "finalizes_at", "_names", "_made_by_engine", "made"}),
    IdempotencyKeys: frozenset({"_stored", "_order"}),
    EventFilter: frozenset({"_finished", "_order"}),
}
_NONE = frozenset[str]()
COLLECTIONS = (dict, list, set, deque)
_CODE = (type, ModuleType, FunctionType, BuiltinMethodType)


class Moment(NamedTuple):
    """What everything that can change held: (object, how to put it back, what it held)."""

    held: list[tuple[Any, Callable[[Any, Any], None], Any]]


class Said:
    """What a handler was answered, after `before`: an answer to `effect`, or the failure that it was thrown. `digest` is for whoever names what was
    said, 0 until then.
    """

    __slots__ = ("before", "effect", "answer", "failure", "digest")

    def __init__(self, before: Said | None, effect: Any, answer: Any, failure: Exception | None) -> None:
        self.before = before
        self.effect = effect
        self.answer = answer
        self.failure = failure
        self.digest = 0


class Tape:
    """A handler at work on a message, as a task steps through it. `said` is the latest that it was answered, with all before it: so it can be begun
    again and told the same. `asked` is the effect that it waits for.
    """

    __slots__ = ("said", "asked", "_begin", "_steps", "_told", "_watch")

    def __init__(self, begin: Callable[[], Steps], watch: Callable[[Tape, Any], None]) -> None:
        self.said: Said | None = None
        self.asked: Any = None
        self._begin = begin
        self._steps: Any = None
        self._told: Said | None = None
        self._watch = watch

    def send(self, answer: Any) -> Any:
        """The next effect, as a generator's `send`."""
        return self._hear(Said(self.said, self.asked, answer, None))

    def throw(self, failure: Exception) -> Any:
        """The next effect, as a generator's `throw`."""
        return self._hear(Said(self.said, self.asked, None, failure))

    def catch_up(self) -> None:
        """Begin again now if that is necessary, and not only when the next answer comes."""
        if self.said is not None and self._told is not self.said:
            self._begin_again(self.said)

    def _begin_again(self, said: Said | None) -> None:
        self._steps, self._told = self._begin(), said
        for each in conversation(said):
            _tell(self._steps, each)

    def _hear(self, said: Said) -> Any:
        if self._steps is None or self._told is not said.before:
            self._begin_again(said.before)
        self.said = self._told = said
        self.asked = _tell(self._steps, said)
        self._watch(self, self.asked)
        return self.asked


class Globals:
    """The variables of a module that can change, and those of its classes and functions."""

    __slots__ = ("held", "shared", "_package")

    def __init__(self, module: ModuleType) -> None:
        self.held = vars(module)
        classes = [each for each in self.held.values() if isinstance(each, type) and each.__module__ == module.__name__]
        of_classes = [getattr(each, "__func__", each) for kind in classes for each in vars(kind).values()]
        functions = [each for each in (*self.held.values(), *of_classes) if isinstance(each, FunctionType)]
        defaults = [each for function in functions for each in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())]
        self.shared = [each for each in (*of_classes, *defaults) if isinstance(each, COLLECTIONS)]
        self._package = module.__name__.partition(".")[0]

    def now(self) -> dict[str, Any]:
        """What they hold; functions, classes and modules are nobody's memory."""
        return {name: each for name, each in self.held.items() if not name.startswith("__") and not isinstance(each, _CODE)}

    def is_own(self, thing: Any) -> bool:
        """Whether it is a collection, or an object of a class of the same package."""
        return isinstance(thing, COLLECTIONS) or type(thing).__module__.partition(".")[0] == self._package


def conversation(said: Said | None) -> list[Said]:
    """All that was said, up to and including this."""
    told = []
    while said is not None:
        told.append(said)
        said = said.before
    return told[::-1]


def _tell(steps: Steps, said: Said) -> Any:
    return steps.send(said.answer) if said.failure is None else steps.throw(said.failure.with_traceback(None))


def taped(handle: Callable[[Message], Steps], watch: Callable[[Tape, Any], None]) -> Callable[[Message], Generator[Any, Any, None]]:
    """A handler whose work can be taken back; `watch` is shown each effect that it asks for."""

    def begin(message: Message) -> Any:
        return Tape(partial(handle, message), watch)

    return begin


class Rewinder:
    """Takes back whatever can be reached from `roots`."""

    def __init__(self, roots: Sequence[Any]) -> None:
        self._roots = list(roots)
        self._walk: dict[type, Any] = dict.fromkeys(_CONSTANT)

    def save(self) -> Moment:
        """The moment that is now."""
        held: list[Any] = []
        met: set[int] = set()
        todo, walk = self._roots[:], self._walk
        while todo:
            thing = todo.pop()
            try:
                way = walk[type(thing)]
            except KeyError:
                way = walk[type(thing)] = _way_of(type(thing))
            if way is not None and (address := id(thing)) not in met:
                met.add(address)
                way(thing, todo, held)
        return Moment(held)

    @staticmethod
    def rewind(moment: Moment) -> None:
        """Be at that moment again."""
        for thing, put_back, content in moment.held:
            put_back(thing, content)


def changed(moment: Moment) -> list[Any]:
    """What everything that is not as it was at that moment holds now."""
    held = [(content, take(thing)) for thing, put_back, content in moment.held if (take := _TAKE.get(put_back)) is not None]
    return [now for was, now in held if was != now]


Way = Callable[[Any, list[Any], list[Any]], None]


def _way_of(kind: type) -> Way | None:
    """How to walk an object of this type: None where nothing in it changes."""
    if issubclass(kind, _CONSTANT):
        return None
    for base, way in _WAYS.items():
        if issubclass(kind, base):
            return way
    if issubclass(kind, msgspec.Struct):
        return None if kind.__struct_config__.frozen else _slots(kind, kind.__struct_fields__)
    slots = [name for base in kind.__mro__ for name in _names(vars(base).get("__slots__", ()))]
    if slots:
        return _slots(kind, tuple(name for name in slots if name not in ("__dict__", "__weakref__")))
    return _attributes if kind.__dictoffset__ else None


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _dict(thing: dict[Any, Any], todo: list[Any], held: list[Any]) -> None:
    held.append((thing, _put_dict, thing.copy()))
    todo.extend(thing.values())


def _put_dict(thing: dict[Any, Any], content: dict[Any, Any]) -> None:
    thing.clear()
    thing.update(content)


def _list(thing: list[Any], todo: list[Any], held: list[Any]) -> None:
    held.append((thing, _put_list, thing[:]))
    if thing:
        todo.extend(thing)


def _put_list(thing: list[Any], content: list[Any]) -> None:
    thing[:] = content


def _deque(thing: deque[Any], todo: list[Any], held: list[Any]) -> None:
    held.append((thing, _put_set, tuple(thing)))
    todo.extend(thing)


def _set(thing: set[Any], todo: list[Any], held: list[Any]) -> None:
    held.append((thing, _put_set, frozenset(thing)))


def _content(thing: Any) -> Any:
    return thing.copy() if isinstance(thing, set) else tuple(thing)


def _put_set(thing: Any, content: Any) -> None:
    thing.clear()
    thing.update(content) if isinstance(thing, set) else thing.extend(content)


def _tuple(thing: tuple[Any, ...], todo: list[Any], _held: list[Any]) -> None:
    todo.extend(thing)


def _function(thing: FunctionType, todo: list[Any], _held: list[Any]) -> None:
    if thing.__closure__:
        todo.extend(thing.__closure__)


def _cell(thing: CellType, todo: list[Any], held: list[Any]) -> None:
    try:
        content = thing.cell_contents
    except ValueError:
        return
    held.append((thing, _put_cell, content))
    todo.append(content)


def _put_cell(thing: CellType, content: Any) -> None:
    thing.cell_contents = content


def _method(thing: Any, todo: list[Any], _held: list[Any]) -> None:
    todo.append(thing.__self__)


def _partial(thing: partial[Any], todo: list[Any], _held: list[Any]) -> None:
    todo.append(thing.func)
    todo.extend(thing.args)
    todo.extend(thing.keywords.values())


def _tape(thing: Tape, _todo: list[Any], held: list[Any]) -> None:
    held.append((thing, _put_said, (thing.said, thing.asked)))


def _put_said(thing: Tape, content: tuple[Said | None, Any]) -> None:
    thing.said, thing.asked = content


def _globals(thing: Globals, todo: list[Any], held: list[Any]) -> None:
    content = thing.now()
    held.append((thing, _put_globals, content))
    todo.extend([each for each in content.values() if thing.is_own(each)])
    todo.extend(thing.shared)


def _put_globals(thing: Globals, content: dict[str, Any]) -> None:
    for name in [name for name in thing.now() if name not in content]:
        del thing.held[name]
    thing.held.update(content)


def _attributes(thing: Any, todo: list[Any], held: list[Any]) -> None:
    attributes = thing.__dict__
    held.append((thing, _put_attributes, attributes.copy()))
    kept, flat = _KEPT.get(type(thing), _NONE), _FLAT.get(type(thing), _NONE)
    if not kept and not flat:
        todo.extend(attributes.values())
        return
    for name, value in attributes.items():
        if name in flat:
            _copy(value, held)
        elif name not in kept:
            todo.append(value)


def _copy(thing: Any, held: list[Any]) -> None:
    put_back = _put_dict if isinstance(thing, dict) else _put_list if isinstance(thing, list) else _put_set
    held.append((thing, put_back, _TAKE[put_back](thing)))


def _put_attributes(thing: Any, content: dict[str, Any]) -> None:
    attributes = thing.__dict__
    if len(attributes) != len(content):
        for name in [name for name in attributes if name not in content]:
            del attributes[name]
    attributes.update(content)


def _slots(kind: type, names: tuple[str, ...]) -> Way:
    """How to walk an object that has these attributes and no others."""
    kept, flat = _KEPT.get(kind, _NONE), _FLAT.get(kind, _NONE)
    walked = [index for index, name in enumerate(names) if name not in kept and name not in flat]
    copied = [index for index, name in enumerate(names) if name in flat]

    def walk(thing: Any, todo: list[Any], held: list[Any]) -> None:
        content = [getattr(thing, name, _MISSING) for name in names]
        held.append((thing, put_back, content))
        todo.extend([content[index] for index in walked])
        for index in copied:
            _copy(content[index], held)

    def put_back(thing: Any, content: list[Any]) -> None:
        for name, value in zip(names, content, strict=True):
            if value is not _MISSING:
                setattr(thing, name, value)

    _TAKE[put_back] = lambda thing: [getattr(thing, name, _MISSING) for name in names]
    return walk


_MISSING = _NONE
# What something holds now, by how it is put back.
_TAKE: dict[Callable[[Any, Any], None], Callable[[Any], Any]] = {
    _put_dict: dict,
    _put_list: list,
    _put_set: _content,
    _put_cell: lambda cell: cell.cell_contents,
    _put_attributes: lambda thing: dict(vars(thing)),
    _put_globals: Globals.now,
}
# In the order in which they are looked for: what a type derives from first counts.
_WAYS: dict[type, Way] = {
    dict: _dict, list: _list, set: _set, deque: _deque, tuple: _tuple, FunctionType: _function, CellType: _cell, MethodType: _method,
    BuiltinMethodType: _method, partial: _partial, Tape: _tape, Globals: _globals,
}  # fmt: skip
