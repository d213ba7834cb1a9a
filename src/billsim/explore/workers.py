"""Worker processes: each serves orders, one at a time, and ends with whoever started it.

What is served must be picklable, and so must be orders and answers. With one job the caller serves itself.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from billsim.core.choices import ChoicesError
from billsim.scenario.errors import InputError

MOST_JOBS = 64
Serve = Callable[[Any], Any]


class Workers:
    """`jobs` processes that serve; to be used in a `with`, at whose end they are ended, whatever they are doing."""

    def __init__(self, jobs: int, serve: Serve) -> None:
        self.jobs = jobs
        self._serve = serve
        self._own: deque[tuple[Any, Any]] = deque()
        self._idle: list[Connection[Any, Any]] = []
        self._busy: dict[Connection[Any, Any], Any] = {}
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def __enter__(self) -> Workers:
        if self.jobs > 1:
            context = multiprocessing.get_context("spawn")
            with _uninterrupted():
                for _ in range(self.jobs):
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_work, args=(theirs, self._serve), daemon=True)
                    process.start()
                    theirs.close()
                    self._idle.append(ours)
                    self._processes.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        for connection in (*self._idle, *self._busy):
            connection.close()

    @property
    def free(self) -> bool:
        """Whether another order would be begun at once."""
        return bool(self._idle) if self.jobs > 1 else not self._own

    @property
    def working(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._busy or self._own)

    def put(self, ticket: Any, order: Any) -> None:
        """Give an order to a free worker; `ticket` comes back with the answer."""
        if self.jobs == 1:
            self._own.append((ticket, order))
            return
        connection = self._idle.pop()
        self._busy[connection] = ticket
        connection.send(order)

    def take(self) -> tuple[Any, Any]:
        """(ticket, answer) of the next order that is done. Raises what serving it raised, and InputError for a worker that is gone."""
        if self.jobs == 1:
            ticket, order = self._own.popleft()
            return ticket, self._serve(order)
        connection: Any = wait(list(self._busy))[0]
        ticket = self._busy.pop(connection)
        try:
            failed, answer = connection.recv()
        except (EOFError, OSError):
            raise InputError("a worker process was killed, perhaps for want of memory: fewer --jobs need less") from None
        self._idle.append(connection)
        if failed:
            raise answer
        return ticket, answer


def serve_all(workers: Workers, orders: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Give out all orders, (ticket, order) each; yield (ticket, answer) as they are done."""
    left = True
    while left or workers.working:
        while left and workers.free:
            following = next(orders, None)
            left = following is not None
            if following is not None:
                workers.put(*following)
        if workers.working:
            yield workers.take()


def _work(orders: Connection[Any, Any], serve: Serve) -> None:
    """The life of a worker: it ends when nobody is at the other end any more. Ctrl-C is its parent's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            order = orders.recv()
            try:
                answer = (False, serve(order))
            except (Exception, ChoicesError) as failure:
                answer = (True, failure)
            orders.send(answer)
    except (EOFError, OSError):
        return


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started inside is deaf to Ctrl-C from its first instruction on."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # only the main thread hears signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
