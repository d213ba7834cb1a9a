"""What the warehouse costs: the nightly mirror of a population, rolled forward with 2 % of the accounts changed, and all views over it.

`python -m benchmarks.warehouse [ACCOUNTS] [TIMES]`: 50,000 accounts, and the same TIMES over (1) under other names, for the views alone. CPU seconds,
those of the process that compiles included; compiling takes Dataform's core, which `make views` fetches.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.policy import DunningPolicy
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.scenario.toml_file import find, load
from billsim.warehouse import bigquery, dataform
from billsim.warehouse.extract import Extract
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.runner import Views, projects_of
from billsim.warehouse.tables import TABLES
from billsim.world import World

SCENARIO = "load/day_50k"
CHANGED = 50
PACKAGES = Path(".venv/dataform/node_modules")


def main(accounts: int = 50_000, times: int = 1) -> None:
    """Print each figure on a line of its own."""
    scenario, policy = load(find(SCENARIO)), DunningPolicy()
    assert scenario.population is not None
    scenario = replace(scenario, population=replace(scenario.population, accounts=accounts))
    world = World(scenario, load_engine("recompute", policy, scenario.stripe), Seeded(0), Trace(), policy)
    world.stores.wake_all()
    graph = dataform.shipped()
    connection = bigquery.connect(projects=projects_of(graph))
    mirror, extract = Mirror(connection), Extract(world.stores, world.stripe.books, world.stripe.prices)
    deltas = timed(f"extract {accounts} accounts", extract.take)
    timed(f"load {sum(len(delta.rows) for delta in deltas)} rows", lambda: mirror.roll_forward(deltas))
    _change(world, accounts)
    timed("roll forward, 2 % changed", lambda: mirror.roll_forward(extract.take()))
    timed("roll forward, nothing changed", lambda: mirror.roll_forward(extract.take()))
    for time in range(1, times):
        for table in TABLES:
            names = [f"replace({column.name}, 'acct_', 'acct_{time}_')" if column.type == "STRING" else column.name for column in table.columns]
            source, kept = mirror.name_of(table), "NOT LIKE '%acct\\__\\_%' ESCAPE '\\'"
            if table.owner:
                connection.execute(f"INSERT INTO {source} SELECT {', '.join(names)} FROM {source} WHERE {table.owner_column} {kept}")
    if (PACKAGES / "@dataform" / "core").is_dir():
        timed(f"compile {len(graph.views)} views", lambda: dataform.compile_folder(dataform.SHIPPED, packages=PACKAGES))
    views = timed(f"translate {len(graph.views)} views", lambda: Views(connection, graph))
    for _ in range(3):
        found = timed(f"{len(graph.views)} views over {accounts * times} accounts", lambda: views.run(scenario.start))
    print(f"{sum(found.values())} rows, {found.get('drift.detected_drift')} of drift")


def timed(what: str, function: Callable[[], Any]) -> Any:
    """Do it, and say what it took."""
    began = _spent_s()
    made = function()
    print(f"{_spent_s() - began:7.2f} s  {what}", flush=True)
    return made


def _spent_s() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def _change(world: World, accounts: int) -> None:
    """Write a row of, and touch the customer of, one account in fifty."""
    for number in range(1, accounts + 1, CHANGED):
        account = f"acct_{number:05d}"
        world.stores.write("engine", "subs_dunning", account, None, {"retry_count": 1}, world.kernel.now)
        book = world.stripe.books[world.customer_of(account)]
        book.invoices = dict(book.invoices)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
