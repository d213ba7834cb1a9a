"""The guard: while a world runs, what would make it differ from one run to the next raises inside the world's code.

A world may not look at the clock or the machine's time zone, draw from the global random state, make a uuid, open a socket, start a thread or a
process: whatever is open is asked of `Choices`, and time is the kernel's. In a guarded thread each such call raises GuardError, by name; other
threads (a progress bar's) go on as always, and so does the harness's own measuring under `outside()`.

Each guarded call has one *stand-in*, made when this module is imported: it raises in a guarded thread and else passes the call on. Entering the
first guard puts the stand-ins in place of the originals, in their own modules and wherever a module of the world has captured an original
(`from time import time`); leaving the last one puts the originals back. A module that is first imported meanwhile keeps a stand-in for good,
which is harmless. Sockets, threads and processes are met by an audit hook instead, which sees them however they are reached.
Out of reach: an original that was captured in a default argument, a closure or a class body.
"""

from __future__ import annotations

import _thread
import datetime
import os
import random
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from functools import wraps
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, NamedTuple, NoReturn


class GuardError(RuntimeError):
    """A world's code called something that would make it differ between runs. `call` is its name: `time.time`, `socket.connect`."""

    def __init__(self, call: str) -> None:
        super().__init__(call)
        self.call = call

    def __str__(self) -> str:
        return f"{self.call} was called while a world runs: time is the kernel's, and what is open is asked of Choices"


class guarded:
    """Within this context, and in this thread only, the calls named above raise GuardError.

    `world_modules` names the modules of the world's code, a brought engine's among them: references that they have captured are guarded as well,
    except billsim's own clock (`clock_ns`), which only the harness's measuring uses. A name that is not imported is passed over. May be nested,
    and entered in several threads at once.
    """

    def __init__(self, world_modules: Iterable[str] = ()) -> None:
        self._modules = tuple(world_modules)
        self._before: list[bool] = []

    def __enter__(self) -> None:
        _install([module for name in self._modules if isinstance(module := sys.modules.get(name), ModuleType)])
        self._before.append(_this.guarded)
        _this.guarded = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _this.guarded = self._before.pop()
        _uninstall()


class outside:
    """Within this context, and in this thread only, the guard is off: for what the harness does beside a world, such as measuring and writing."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_this.guarded)
        _this.guarded = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _this.guarded = self._before.pop()


class _Thread(threading.local):
    """Whether the running thread is a guarded world's."""

    guarded = False


class _Site(NamedTuple):
    """A module or class, and what some of its names hold: while no guard is on, and while one is."""

    owner: Any
    originals: dict[str, Any]
    stand_ins: dict[str, Any]


_this = _Thread()
_lock = threading.Lock()
_sites: list[_Site] = []
_guards = 0
_hooked = False


def _install(modules: Iterable[ModuleType]) -> None:
    global _guards, _hooked
    with _lock:
        if not _hooked:
            sys.addaudithook(_audit)
            _hooked = True
        _guards += 1
        entered = list(_OWN_SITES) if _guards == 1 else []
        for site in entered:
            _hold(site.owner, site.stand_ins)
        for module in modules:
            if module.__name__ != __name__ and (site := _captured(module)).originals:  # here the originals must stay what they are
                _hold(module, site.stand_ins)
                entered.append(site)
        _sites.extend(entered)


def _uninstall() -> None:
    global _guards
    with _lock:
        _guards -= 1
        if _guards:
            return
        for owner, originals, stand_ins in _sites:
            held = vars(owner)
            _hold(owner, {name: originals[name] for name, stand_in in stand_ins.items() if held.get(name) is stand_in})
        _sites.clear()


def _hold(owner: Any, values: dict[str, Any]) -> None:
    """Give names of a module or class these values."""
    if isinstance(owner, ModuleType):
        vars(owner).update(values)
    else:
        for name, value in values.items():
            setattr(owner, name, value)


_CAPTURABLE = frozenset({BuiltinFunctionType, FunctionType, MethodType, type})


def _captured(module: ModuleType) -> _Site:
    """The names by which a module of the world holds an original."""
    own_clock = "clock_ns" if module.__name__.startswith("billsim.") else ""
    found = {
        name: value for name, value in vars(module).items() if type(value) in _CAPTURABLE and value in _STAND_INS and name != own_clock
    }
    return _Site(module, found, {name: _STAND_INS[value] for name, value in found.items()})


def _refuse(call: str) -> NoReturn:
    raise GuardError(call)


# Sockets, threads and processes, by the names of their audit events: https://docs.python.org/3/library/audit_events.html
# Python 3.11 starts threads without one, so they have stand-ins too.
_REFUSED_EVENTS = {
    "_thread.start_new_thread": "threading.Thread.start",
    "_thread.start_joinable_thread": "threading.Thread.start",
    "os.exec": "os.exec",
    "os.fork": "os.fork",
    "os.forkpty": "os.forkpty",
    "os.posix_spawn": "os.posix_spawn",
    "os.startfile": "os.startfile",
    "os.system": "os.system",
    "subprocess.Popen": "subprocess.Popen",
}


def _audit(event: str, _arguments: tuple[Any, ...]) -> None:
    if not _guards or not _this.guarded:
        return
    if event in _REFUSED_EVENTS:
        _refuse(_REFUSED_EVENTS[event])
    if event.startswith("socket."):
        _refuse("socket.socket" if event == "socket.__new__" else event)


# What logging stamps on a record never comes back into the world, so a brought engine may log.
_STAMPS = "logging"

class _Call(NamedTuple):
    """A guarded call: whose it is, its name there, the original and its stand-in."""

    owner: Any
    name: str
    original: Any
    stand_in: Any


Original = Callable[..., Any]
Make = Callable[[str, Original], Original]


def _never(call: str, original: Original) -> Original:
    """A stand-in that refuses every call."""

    @wraps(original)
    def stand_in(*arguments: Any, **named: Any) -> Any:
        if _this.guarded and sys._getframe(1).f_globals.get("__name__") != _STAMPS:
            _refuse(call)
        return original(*arguments, **named)

    return stand_in


def _not_without(position: int, keyword: str = "") -> Make:
    """Makes stand-ins that refuse only a call without this argument, in place of which it would look outside the world."""

    def make(call: str, original: Original) -> Original:
        @wraps(original)
        def stand_in(*arguments: Any, **named: Any) -> Any:
            given = arguments[position] if len(arguments) > position else named.get(keyword)
            if given is None and _this.guarded:
                _refuse(call)
            return original(*arguments, **named)

        return stand_in

    return make


class _Same(type):
    """The type of the two classes' stand-ins: an instance of the original is an instance of its stand-in."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__base__ or cls) if cls in (_Date, _Datetime) else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.__base__ or cls) if cls in (_Date, _Datetime) else super().__subclasscheck__(subclass)


class _Date(datetime.date, metaclass=_Same):
    """Stands in for `datetime.date`, and makes originals: no instance of it is ever seen."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        return _DATE(*arguments, **named) if cls is _Date else super().__new__(cls, *arguments, **named)

    @classmethod
    def today(cls) -> Any:
        if _this.guarded:
            _refuse("datetime.date.today")
        return super().today()

    @classmethod
    def fromtimestamp(cls, timestamp: float, /) -> Any:
        if _this.guarded:
            _refuse("datetime.date.fromtimestamp (in the machine's time zone)")
        return super().fromtimestamp(timestamp)


class _Datetime(datetime.datetime, metaclass=_Same):
    """Stands in for `datetime.datetime`, and makes originals: no instance of it is ever seen."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        return _DATETIME(*arguments, **named) if cls is _Datetime else super().__new__(cls, *arguments, **named)

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        if _this.guarded:
            _refuse("datetime.datetime.now")
        return super().now(tz)

    @classmethod
    def utcnow(cls) -> Any:
        if _this.guarded:
            _refuse("datetime.datetime.utcnow")
        return super().utcnow()

    @classmethod
    def today(cls) -> Any:
        if _this.guarded:
            _refuse("datetime.datetime.today")
        return super().today()

    @classmethod
    def fromtimestamp(cls, timestamp: float, tz: Any = None) -> Any:
        if tz is None and _this.guarded:
            _refuse("datetime.datetime.fromtimestamp (in the machine's time zone)")
        return super().fromtimestamp(timestamp, tz)


_DATE, _DATETIME = datetime.date, datetime.datetime


def _all_of(module: ModuleType, make: Make, names: str) -> list[_Call]:
    """A stand-in for each of a module's calls that this platform and Python version have."""
    present = [(name, getattr(module, name)) for name in names.split() if hasattr(module, name)]
    return [_Call(module, name, original, make(f"{module.__name__}.{name}", original)) for name, original in present]


def _own_calls() -> list[_Call]:
    calls = [
        *_all_of(time, _never, "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time"),
        *_all_of(time, _never, "thread_time_ns clock_gettime clock_gettime_ns sleep localtime ctime mktime"),
        *_all_of(time, _not_without(0), "gmtime asctime"),
        *_all_of(time, _not_without(1), "strftime"),
        *_all_of(random, _never, "random uniform triangular randint choice randrange sample shuffle choices normalvariate lognormvariate"),
        *_all_of(random, _never, "expovariate vonmisesvariate gammavariate gauss betavariate binomialvariate paretovariate weibullvariate"),
        *_all_of(random, _never, "getstate setstate getrandbits randbytes seed"),
        *_all_of(uuid, _never, "uuid1 uuid4 uuid6 uuid7 uuid8 getnode"),
        *_all_of(secrets, _never, "choice randbelow randbits token_bytes token_hex token_urlsafe"),
        *_all_of(os, _never, "urandom getrandom times"),
        *_all_of(_thread, _never, "start_new_thread"),
        _Call(threading.Thread, "start", threading.Thread.start, _never("threading.Thread.start", threading.Thread.start)),
        _Call(random.Random, "seed", random.Random.seed, _not_without(1, "a")("random.Random() without a seed", random.Random.seed)),
        _Call(datetime, "date", _DATE, _Date),
        _Call(datetime, "datetime", _DATETIME, _Datetime),
    ]
    urandom = next(call for call in calls if call.original is os.urandom)
    return [*calls, _Call(random, "_urandom", urandom.original, urandom.stand_in)]  # by which SystemRandom draws


def _sites_of(calls: Iterable[_Call]) -> tuple[_Site, ...]:
    """The calls by the module or class that has them."""
    sites: list[_Site] = []
    for call in calls:
        site = next((site for site in sites if site.owner is call.owner), None)
        if site is None:
            sites.append(site := _Site(call.owner, {}, {}))
        site.originals[call.name] = call.original
        site.stand_ins[call.name] = call.stand_in
    return tuple(sites)


_CALLS = _own_calls()
_OWN_SITES = _sites_of(_CALLS)
_STAND_INS = {call.original: call.stand_in for call in _CALLS}
