"""Worker processes: orders are served, failures come back, and nobody is left over."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest

from billsim.explore.workers import Workers, serve_all
from billsim.scenario.errors import InputError
from tests.processes import gone, looks_at_processes


def twice(most: int, order: int) -> tuple[int, int]:
    """Twice the order; one that is too large is an input error, and a larger one the worker's end."""
    if order > 10 * most:
        os.kill(os.getpid(), signal.SIGKILL)
    if order > most:
        raise InputError(f"{order} is too large", "a.toml", 3)
    return 2 * order, os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_order_is_served_once(jobs: int) -> None:
    with Workers(jobs, partial(twice, 1_000)) as workers:
        served = dict(serve_all(workers, ((f"ticket {order}", order) for order in range(20))))
    assert {ticket: answer for ticket, (answer, _) in served.items()} == {f"ticket {order}": 2 * order for order in range(20)}
    assert (os.getpid() in {pid for _, pid in served.values()}) == (jobs == 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_worker_raises_is_raised_here(jobs: int) -> None:
    with Workers(jobs, partial(twice, 1)) as workers:
        workers.put("a", 5)
        with pytest.raises(InputError, match="a.toml:3: 5 is too large"):
            workers.take()
        assert workers.free and not workers.working
        workers.put("b", 1)
        assert workers.take()[1][0] == 2


def test_a_worker_that_was_killed_is_told_in_one_line() -> None:
    with Workers(2, partial(twice, 1)) as workers:
        workers.put("a", 11)
        with pytest.raises(InputError, match="a worker process was killed"):
            workers.take()


@looks_at_processes
def test_workers_end_with_the_block() -> None:
    with Workers(2, partial(twice, 1_000)) as workers:
        pids = {pid for _, (_, pid) in serve_all(workers, enumerate(range(8)))}
    assert pids and gone(pids)
