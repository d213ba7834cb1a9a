"""What production sees of a platform by night: a world that has a warehouse is mirrored and looked at, and remediation is told what is new."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from billsim.actors.crons import Nightly
from billsim.actors.stage import Stage
from billsim.core.time import iso
from billsim.faults.catalogue import Weather
from billsim.scenario.plan import Scenario

if TYPE_CHECKING:
    from billsim.warehouse.nightly import Night, Nights

JOB = "cron.driftcontrol"


class House(Stage, Protocol):
    """The world, as its warehouse sees it."""

    scenario: Scenario
    weather: Weather | None
    nightly: Nightly

    def reached(self, mark: str, account: str, task: str) -> None:
        """Something worth reaching was reached."""
        ...


def open_warehouse(house: House) -> Nights | None:
    """The warehouse of a world, whose first night is on its way; None where its scenario has none. DuckDB and the views are loaded only for one that
    has.

    Raises ViewError where the views cannot be run, and ImportError where the extra `views` is not installed.
    """
    told = house.scenario.warehouse
    if told is None:
        return None
    from billsim.warehouse import bigquery, dataform
    from billsim.warehouse.extract import Extract
    from billsim.warehouse.looking import through
    from billsim.warehouse.mirror import Mirror
    from billsim.warehouse.nightly import Nights
    from billsim.warehouse.runner import projects_of

    graph = dataform.shipped()
    connection = bigquery.connect(projects=projects_of(graph))
    mirror, extract = Mirror(connection), Extract(house.stores, house.stripe.books, house.stripe.prices)
    look, tell = through(connection, graph), partial(_tell, house, [])
    nights = Nights(house, house.nightly, told.mirror_minute, extract, mirror, look, tell, house.weather)
    nights.start()
    return nights


def _tell(house: House, before: list[int], night: Night) -> None:
    """Start driftcontrol, as the scheduler does once the views have run. `before`: how many accounts were candidates, each night so far."""
    stripe = [each[:3] for each in night.candidates if not each.is_www]
    body: dict[str, Any] = {
        "date": iso(night.taken_ms)[:10],
        "stripe": stripe,
        "www": [each[:3] for each in night.candidates if each.is_www],
        "population": len(house.stores.names),
        "yesterday": before[-1] if before else None,
    }
    before.append(len(dict.fromkeys([account for account, _, _ in stripe])))
    house.request(JOB, "", f"driftcontrol.{night.name.partition('.')[2]}", body)
