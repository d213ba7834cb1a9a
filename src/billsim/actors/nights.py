"""What production sees of a platform by night: a world that has a warehouse is mirrored and looked at, and remediation is told what is new."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from billsim.actors.crons import Nightly, run_driftcontrol
from billsim.actors.stage import Stage
from billsim.checks.marks import OF_CLASS
from billsim.core.guard import outside
from billsim.core.policy import DunningPolicy
from billsim.core.time import iso
from billsim.faults.catalogue import Weather
from billsim.ports import Engine
from billsim.remediation.loading import UnknownRemediationError, beside
from billsim.scenario.errors import InputError
from billsim.scenario.plan import Scenario

if TYPE_CHECKING:
    from billsim.warehouse.dataform import Graph
    from billsim.warehouse.nightly import Look, Night, Nights, Seen, Wanted
    from billsim.warehouse.showing import Showing


class House(Stage, Protocol):
    """The world, as its warehouse sees it."""

    scenario: Scenario
    weather: Weather | None
    nightly: Nightly
    policy: DunningPolicy
    marks: dict[str, int]

    def reached(self, mark: str, account: str, task: str) -> None:
        """Something worth reaching was reached."""
        ...


def with_remediation(engine: Engine, scenario: Scenario, policy: DunningPolicy) -> Engine:
    """The engine, with the remediation that a scenario chooses beside it, if it does. Raises InputError for one that cannot be loaded."""
    try:
        return beside(engine, scenario.remediation, policy)
    except UnknownRemediationError as error:
        raise InputError(error.message, scenario.source, key="remediation.mode", hint=error.hint) from error


def open_warehouse(house: House) -> Nights | None:
    """The warehouse of a world, whose first night is on its way; None where its scenario has none. DuckDB and the views are loaded only for one that
    has. Raises InputError, then or on a night, for views that cannot be compiled or run, and where the extra `views` is not installed.
    """
    told = house.scenario.warehouse
    if told is None:
        return None
    from billsim.warehouse.errors import ViewError

    try:
        nights = _opened(house, told.mirror_minute, told.views)
    except (ViewError, ImportError) as error:
        raise InputError(str(error), key="warehouse") from error
    nights.start()
    return nights


def _opened(house: House, minute: int, views: str) -> Nights:
    from billsim.warehouse import bigquery
    from billsim.warehouse.extract import Extract
    from billsim.warehouse.mirror import Mirror
    from billsim.warehouse.nightly import Nights
    from billsim.warehouse.runner import projects_of
    from billsim.warehouse.screening import through
    from billsim.warehouse.showing import Showing

    graph = _graph(house.scenario, views)
    connection = bigquery.connect(projects=projects_of(graph))
    mirror, extract = Mirror(connection), Extract(house.stores, house.stripe.books, house.stripe.prices)
    mirror.follow(house.policy)
    showing = Showing(connection, graph, _asked_after(house.scenario))
    look, tell = partial(_seen, through(connection, graph), showing), partial(_tell, house, [])
    return Nights(house, house.nightly, minute, extract, mirror, look, tell, house.weather)


def _graph(scenario: Scenario, views: str) -> Graph:
    from billsim.warehouse import dataform

    if not views:
        return dataform.shipped()
    with outside():
        return dataform.compile_folder(Path(scenario.source).parent / views)


def _asked_after(scenario: Scenario) -> list[Wanted]:
    """The rows that the scenario expects views to show, under whatever engine."""
    outcomes = [each for expect in scenario.expect.values() for each in (expect.every_order, expect.some_order) if each is not None]
    return [shown.wanted for outcome in outcomes for shown in outcome.shows]


def _seen(look: Look, showing: Showing, now_ms: int) -> Seen:
    """What the views say; one that cannot be run is bad input."""
    from billsim.warehouse.errors import ViewError

    try:
        return look(now_ms)._replace(shown=showing.shown(), classes=showing.classes())
    except ViewError as error:
        raise InputError(str(error), key="warehouse") from error


def _tell(house: House, before: list[int], night: Night) -> None:
    """Start driftcontrol, as the scheduler does once the views have run. `before`: how many accounts were candidates, each night so far.

    What is seen is no event: its marks are counted, and leave no record, so that a platform that is looked at has the trace of one that is not.
    """
    for mark in [OF_CLASS[each] for each in night.classes if each in OF_CLASS]:
        house.marks[mark] = house.marks.get(mark, 0) + 1
    stripe = [each[:3] for each in night.candidates if not each.is_www]
    body: dict[str, Any] = {
        "date": iso(night.taken_ms)[:10],
        "stripe": stripe,
        "www": [each[:3] for each in night.candidates if each.is_www],
        "population": len(house.stores.names),
        "yesterday": before[-1] if before else None,
    }
    before.append(len(dict.fromkeys([account for account, _, _ in stripe])))
    run_driftcontrol(house, f"driftcontrol.{night.name.partition('.')[2]}", body)
