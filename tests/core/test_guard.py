"""What a world may not do raises inside it, by name, however it is reached; and nothing else is disturbed."""

from __future__ import annotations

import _thread
import copy
import datetime
import logging
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from types import ModuleType

import pytest

from billsim.core import guard, measure
from billsim.core import time as simulated_time
from billsim.core.guard import GuardError, guarded, outside

REFUSED = {
    "time.time": lambda: time.time(),
    "time.time_ns": lambda: time.time_ns(),
    "time.monotonic": lambda: time.monotonic(),
    "time.monotonic_ns": lambda: time.monotonic_ns(),
    "time.perf_counter": lambda: time.perf_counter(),
    "time.perf_counter_ns": lambda: time.perf_counter_ns(),
    "time.process_time": lambda: time.process_time(),
    "time.process_time_ns": lambda: time.process_time_ns(),
    "time.thread_time": lambda: time.thread_time(),
    "time.sleep": lambda: time.sleep(0),
    "time.localtime": lambda: time.localtime(0),
    "time.ctime": lambda: time.ctime(0),
    "time.mktime": lambda: time.mktime((2026, 3, 14, 0, 0, 0, 0, 0, 0)),
    "time.gmtime": lambda: time.gmtime(),
    "time.asctime": lambda: time.asctime(),
    "time.strftime": lambda: time.strftime("%Y"),
    "datetime.datetime.now": lambda: datetime.datetime.now(datetime.UTC),
    "datetime.datetime.utcnow": lambda: datetime.datetime.utcnow(),  # noqa: DTZ003
    "datetime.datetime.today": lambda: datetime.datetime.today(),  # noqa: DTZ002
    "datetime.datetime.fromtimestamp (in the machine's time zone)": lambda: datetime.datetime.fromtimestamp(0),  # noqa: DTZ006
    "datetime.date.today": lambda: datetime.date.today(),  # noqa: DTZ011
    "datetime.date.fromtimestamp (in the machine's time zone)": lambda: datetime.date.fromtimestamp(0),  # noqa: DTZ012
    "random.random": lambda: random.random(),
    "random.randint": lambda: random.randint(1, 6),
    "random.choice": lambda: random.choice("ab"),
    "random.shuffle": lambda: random.shuffle([1, 2]),
    "random.getrandbits": lambda: random.getrandbits(8),
    "random.seed": lambda: random.seed(1),
    "random.Random() without a seed": lambda: random.Random(),
    "uuid.uuid1": lambda: uuid.uuid1(),
    "uuid.uuid4": lambda: uuid.uuid4(),
    "uuid.getnode": lambda: uuid.getnode(),
    "os.urandom": lambda: os.urandom(8),
    "os.times": lambda: os.times(),
    "secrets.token_hex": lambda: secrets.token_hex(),
    "secrets.randbelow": lambda: secrets.randbelow(6),
    "secrets.choice": lambda: secrets.choice("ab"),
    "socket.socket": lambda: socket.socket(),
    "socket.getaddrinfo": lambda: socket.getaddrinfo("localhost", 80),
    "socket.gethostname": lambda: socket.gethostname(),
    "threading.Thread.start": lambda: threading.Thread(target=int).start(),
    "_thread.start_new_thread": lambda: _thread.start_new_thread(int, ()),
    "subprocess.Popen": lambda: subprocess.run([sys.executable, "--version"], check=True),
    "os.system": lambda: os.system("true"),
}


@pytest.mark.parametrize("call", REFUSED)
def test_refused_by_name(call: str) -> None:
    with guarded(), pytest.raises(GuardError) as caught:
        REFUSED[call]()
    assert caught.value.call == call
    assert str(caught.value).startswith(f"{call} was called while a world runs")


def test_system_random_is_refused_where_it_draws() -> None:
    with guarded(), pytest.raises(GuardError, match=r"^os\.urandom"):
        random.SystemRandom().random()


BROUGHT = "brought.engine"
CAPTURED = """
from datetime import date, datetime
from os import urandom
from random import Random, random, randint as dice
from secrets import token_hex
from time import perf_counter_ns, sleep, time
from uuid import uuid4
import time as clock
def nothing(): pass
"""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of a brought engine that has captured references before any guard was on."""
    module = ModuleType(BROUGHT)
    monkeypatch.setitem(sys.modules, BROUGHT, module)
    exec(CAPTURED, vars(module))
    return module


@pytest.mark.parametrize(
    ("expression", "call"),
    [
        ("time()", "time.time"),
        ("clock.time()", "time.time"),
        ("sleep(0)", "time.sleep"),
        ("perf_counter_ns()", "time.perf_counter_ns"),
        ("datetime.now()", "datetime.datetime.now"),
        ("date.today()", "datetime.date.today"),
        ("random()", "random.random"),
        ("dice(1, 6)", "random.randint"),
        ("Random()", "random.Random() without a seed"),
        ("uuid4()", "uuid.uuid4"),
        ("urandom(1)", "os.urandom"),
        ("token_hex()", "secrets.token_hex"),
    ],
)
def test_captured_references_are_refused(world: ModuleType, expression: str, call: str) -> None:
    with guarded([BROUGHT]), pytest.raises(GuardError) as caught:
        eval(expression, vars(world))
    assert caught.value.call == call


def test_everything_is_restored(world: ModuleType) -> None:
    held = dict(vars(world))
    originals = (time.time, datetime.datetime, datetime.date, random.random, uuid.uuid4, os.urandom, random.Random.seed, vars(random)["_urandom"])
    with pytest.raises(KeyError), guarded([BROUGHT]):
        assert time.time is not originals[0]
        assert world.time is not held["time"]
        raise KeyError("the world fell")
    assert (
        time.time,
        datetime.datetime,
        datetime.date,
        random.random,
        uuid.uuid4,
        os.urandom,
        random.Random.seed,
        vars(random)["_urandom"],
    ) == originals
    assert all(vars(world)[name] is value for name, value in held.items())
    assert time.time() > 0 and datetime.datetime.now(datetime.UTC).year > 2000 and uuid.uuid4()
    threading.Thread(target=int).start()
    socket.socket().close()


def test_a_name_given_anew_inside_is_left_alone(world: ModuleType) -> None:
    with guarded([BROUGHT]):
        world.time = world.nothing
    assert world.time is world.nothing


def test_a_module_that_is_not_imported_is_passed_over() -> None:
    with guarded(["no.such.module"]), pytest.raises(GuardError):
        time.time()


@pytest.mark.parametrize("entry", [None, object()])
def test_what_is_no_module_is_passed_over(entry: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.modules` may hold None, for what must not be imported, and whatever a package has put there in its own place."""
    monkeypatch.setitem(sys.modules, BROUGHT, entry)  # type: ignore[arg-type]
    with guarded([BROUGHT]), pytest.raises(GuardError):
        time.time()


def test_nested(world: ModuleType) -> None:
    with guarded():
        with guarded([BROUGHT]):
            pass
        with pytest.raises(GuardError):
            world.time()  # captured references stay refused until the outermost guard ends
        with pytest.raises(GuardError):
            time.time()
    assert world.time() > 0


def test_one_guard_entered_twice() -> None:
    guard_of_a_world = guarded()
    with guard_of_a_world:
        with guard_of_a_world:
            pass
        with pytest.raises(GuardError):
            time.time()
    assert time.time() > 0


def test_outside_lets_the_harness_measure(world: ModuleType) -> None:
    with guarded([BROUGHT]):
        with outside():
            assert time.perf_counter_ns() > 0
            assert world.time() > 0
            socket.socket().close()
            with guarded(), pytest.raises(GuardError):
                time.time()
            assert time.time() > 0
        with pytest.raises(GuardError):
            time.time()


def test_outside_ends_with_an_exception() -> None:
    with guarded():
        with pytest.raises(KeyError), outside():
            raise KeyError
        with pytest.raises(GuardError):
            time.time()


def test_outside_without_a_guard_changes_nothing() -> None:
    with outside():
        assert time.time() > 0
    assert time.time() > 0


def test_other_threads_go_on(world: ModuleType) -> None:
    enter, leave, seen = threading.Event(), threading.Event(), []

    def progress() -> None:
        enter.wait()
        seen.extend([time.time(), world.time(), datetime.datetime.now(datetime.UTC), random.random(), uuid.uuid4()])
        socket.socket().close()
        helper = threading.Thread(target=int)
        helper.start()
        helper.join()
        seen.append("done")
        leave.set()

    thread = threading.Thread(target=progress)
    thread.start()
    with guarded([BROUGHT]):
        enter.set()
        leave.wait()
    thread.join()
    assert len(seen) == 6 and seen[-1] == "done"


def test_two_worlds_in_two_threads_at_once(world: ModuleType) -> None:
    inside, over, refused = threading.Event(), threading.Event(), []

    def second_world() -> None:
        with guarded([BROUGHT]):
            inside.set()
            over.wait()
            try:
                world.time()
            except GuardError as error:
                refused.append(error.call)

    thread = threading.Thread(target=second_world)
    with guarded([BROUGHT]):
        with outside():
            thread.start()
        inside.wait()
    over.set()
    thread.join()
    assert refused == ["time.time"]
    assert world.time() > 0


def test_what_is_a_function_of_its_arguments_passes() -> None:
    with guarded([simulated_time.__name__]):
        assert time.gmtime(0).tm_year == 1970
        assert time.strftime("%Y", (1970, 1, 1, 0, 0, 0, 3, 1, 0)) == "1970"
        assert random.Random(5).random() == pytest.approx(0.6229016948897019)
        assert uuid.uuid5(uuid.NAMESPACE_DNS, "billsim").version == 5
        assert datetime.datetime.fromtimestamp(0, datetime.UTC).year == 1970
        assert simulated_time.iso(1_773_450_000_000) == "2026-03-14T01:00:00Z"
        assert simulated_time.add_months(1_769_817_600, 1, 31) == 1_772_236_800  # 31 January to 28 February 2026


def test_datetimes_made_inside_are_ordinary() -> None:
    ordinary, ordinary_date = datetime.datetime, datetime.date
    with guarded():
        made = datetime.datetime(2026, 3, 14, tzinfo=datetime.UTC)
        read = datetime.datetime.fromisoformat("2026-03-14T00:00:00+00:00")
        day = datetime.date(2026, 3, 14)
        assert isinstance(made, datetime.datetime) and isinstance(made, datetime.date) and isinstance(day, datetime.date)
        assert not isinstance(day, datetime.datetime) and not isinstance("2026", datetime.date)
        assert issubclass(ordinary, datetime.date) and not issubclass(ordinary_date, datetime.datetime)
        assert copy.deepcopy(made) == made
    assert type(made) is type(read) is ordinary and type(day) is ordinary_date
    assert made == read


def test_a_subclass_of_datetime_made_inside_works() -> None:
    with guarded():

        class Moment(datetime.datetime):
            """A brought engine's own."""

        moment = Moment(2026, 3, 14)
        assert type(moment) is Moment and isinstance(moment, Moment)
        assert not isinstance(datetime.datetime(2026, 3, 14), Moment)  # noqa: DTZ001
        with pytest.raises(GuardError):
            Moment.now()
    assert Moment.now().year > 2000


def test_a_brought_engine_may_log(caplog: pytest.LogCaptureFixture) -> None:
    with guarded():
        logging.getLogger("brought.engine").warning("recomputed %s", "ada")
    assert caplog.messages == ["recomputed ada"]


def test_billsims_own_clock_is_left_alone() -> None:
    with guarded([measure.__name__]):
        assert measure.clock_ns() > 0


def test_the_guard_does_not_guard_itself() -> None:
    with guarded([guard.__name__]):
        assert datetime.date(2026, 3, 14).day == 14


def test_a_thread_refused_leaves_no_trace() -> None:
    before = threading.enumerate()
    with guarded(), pytest.raises(GuardError):
        threading.Thread(target=int).start()
    assert threading.enumerate() == before


def test_the_error_survives_being_rebuilt_from_its_arguments() -> None:
    error = GuardError("time.time")
    rebuilt = type(error)(*error.args)
    assert (rebuilt.call, str(rebuilt)) == (error.call, str(error))
