"""Takes a world back to an earlier moment, in place: what it held is put back into the very objects that held it.

A moment is a shallow copy of everything that can change, found by walking from the world through whatever it refers to; rows, Stripe's objects,
messages and records are values and are not walked. Nobody has to say what changes: what is not named here as constant is kept.
A handler at work cannot be copied: its tape holds what it was answered, and it is begun again and told the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from types import BuiltinMethodType, CellType, FunctionType, MethodType
from typing import Any, NamedTuple

import msgspec

from billsim.core import trace
from billsim.core.choices import Options, Quantiles, Seeded
from billsim.core.histogram import Histogram
from billsim.core.schedule import Schedule
from billsim.ports import Message, Steps
from billsim.runtime.perform import Runtime
from billsim.runtime.task import Task
from billsim.stores.base import Schema, Undo
from billsim.stripe.idempotency import Stored

_CONSTANT: tuple[type, ...] = (
    str, int, float, bool, bytes, type(None), type, frozenset, range, Schema, Undo, Stored, Quantiles, Options, Seeded, Histogram, Schedule,
    trace.Trace, trace.WriteRecord, trace.MessageRecord, trace.DriftRecord, trace.ActionRecord, trace.MarkRecord, trace.LatencyRecord,
    trace.RemediationRecord, msgspec.json.Encoder,
)  # fmt: skip
# Attributes whose tables are filled once, when their owner is made.
_TABLES: dict[type, frozenset[str]] = {Runtime: frozenset({"_begin", "_finish"})}
# Attributes that only grow, by values.
_LOGS: dict[type, frozenset[str]] = {Task: frozenset({"seen"})}


class Moment(NamedTuple):
    """What everything that can change held: (object, how to put it back, what it held)."""

    held: list[tuple[Any, Callable[[Any, Any], None], Any]]


class Tape:
    """A handler at work on a message, as a task steps through it; what it was answered is kept, so that it can be begun again and told the same.

    `answers` holds (answer, failure) in the order in which they were given; the first is None. `heard` is free for whoever digests them.
    """

    __slots__ = ("answers", "heard", "_begin", "_steps", "_told", "_watch")

    def __init__(self, begin: Callable[[], Steps], watch: Callable[[Tape, Any], None]) -> None:
        self.answers: list[tuple[Any, Exception | None]] = []
        self.heard: list[int] = []
        self._begin = begin
        self._steps: Steps | None = None
        self._told = 0
        self._watch = watch

    def send(self, answer: Any) -> Any:
        """The next effect, as a generator's `send`."""
        self.answers.append((answer, None))
        return self._go_on()

    def throw(self, failure: Exception) -> Any:
        """The next effect, as a generator's `throw`."""
        self.answers.append((None, failure))
        return self._go_on()

    def cut(self, length: int) -> None:
        """Forget what was answered after the first `length` answers."""
        del self.answers[length:]
        del self.heard[length:]
        if self._told > length:
            self._steps = None

    def _go_on(self) -> Any:
        if self._steps is None:
            self._steps, self._told = self._begin(), 0
        while self._told < len(self.answers):
            answer, failure = self.answers[self._told]
            self._told += 1
            effect = self._steps.send(answer) if failure is None else self._steps.throw(failure.with_traceback(None))
        self._watch(self, effect)
        return effect


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
            kind = type(thing)
            if kind not in walk:
                walk[kind] = _way_of(kind)
            way = walk[kind]
            if way is None or id(thing) in met:
                continue
            met.add(id(thing))
            way(thing, todo, held)
        return Moment(held)

    @staticmethod
    def rewind(moment: Moment) -> None:
        """Be at that moment again."""
        for thing, put_back, content in moment.held:
            put_back(thing, content)


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
    todo.extend(thing)


def _put_list(thing: list[Any], content: list[Any]) -> None:
    thing[:] = content


def _deque(thing: deque[Any], todo: list[Any], held: list[Any]) -> None:
    held.append((thing, _put_set, tuple(thing)))
    todo.extend(thing)


def _set(thing: set[Any], todo: list[Any], held: list[Any]) -> None:
    held.append((thing, _put_set, frozenset(thing)))


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
    held.append((thing, Tape.cut, len(thing.answers)))


def _attributes(thing: Any, todo: list[Any], held: list[Any]) -> None:
    attributes = thing.__dict__
    held.append((thing, _put_attributes, attributes.copy()))
    tables = _TABLES.get(type(thing))
    todo.extend(attributes.values() if tables is None else [value for name, value in attributes.items() if name not in tables])


def _put_attributes(thing: Any, content: dict[str, Any]) -> None:
    attributes = thing.__dict__
    if len(attributes) != len(content):
        for name in [name for name in attributes if name not in content]:
            del attributes[name]
    attributes.update(content)


def _slots(kind: type, names: tuple[str, ...]) -> Way:
    """How to walk an object that has these attributes and no others."""
    logs = _LOGS.get(kind, frozenset())

    def walk(thing: Any, todo: list[Any], held: list[Any]) -> None:
        content = [getattr(thing, name, _MISSING) for name in names]
        held.append((thing, put_back, content))
        for name, value in zip(names, content, strict=True):
            if name in logs:
                held.append((value, _cut, len(value)))
            else:
                todo.append(value)

    def put_back(thing: Any, content: list[Any]) -> None:
        for name, value in zip(names, content, strict=True):
            if value is not _MISSING:
                setattr(thing, name, value)

    return walk


def _cut(thing: list[Any], length: int) -> None:
    del thing[length:]


_MISSING = frozenset[str]()
# In the order in which they are looked for: what a type derives from first counts.
_WAYS: dict[type, Way] = {
    dict: _dict, list: _list, set: _set, deque: _deque, tuple: _tuple, FunctionType: _function, CellType: _cell, MethodType: _method,
    BuiltinMethodType: _method, partial: _partial, Tape: _tape,
}  # fmt: skip
