"""All rows of all views over every night of a small run, digested in the order in which they come: `python -m tests.warehouse.digest_of_views`."""

from __future__ import annotations

import sys
from hashlib import blake2b

from msgspec.structs import replace

from billsim.core.time import DAY_MS
from billsim.grading.watching import watch
from billsim.scenario.toml_file import find, load
from billsim.warehouse import dataform
from billsim.warehouse.screening import Screen

ACCOUNTS, DAYS = 100, 1


def main() -> None:
    """Print how many views, nights, rows and drifts there were, and the digest of the rows."""
    story = load(find("load/faulty_small"))
    assert story.population is not None
    people = replace(story.population, accounts=ACCOUNTS, days=DAYS)
    watched = watch(replace(story, population=people, until=story.start + DAYS * DAY_MS), seed=1, engine="all_bad")
    screen = Screen(dataform.shipped())
    summed, counted, detected = blake2b(digest_size=16), 0, 0
    for snapshot in watched.snapshots:
        detected += len(screen.look(snapshot).detected)
        for view in screen.views.graph.views:
            rows = screen.views.rows(view.name)
            counted += len(rows)
            summed.update(repr((view.name, screen.views.columns(view.name), rows)).encode())
        summed.update(repr([str(each) for each in screen.broken()]).encode())
    sys.stdout.write(f"{len(screen.views.graph.views)} {len(watched.snapshots)} {counted} {detected} {summed.hexdigest()}\n")


if __name__ == "__main__":
    main()
