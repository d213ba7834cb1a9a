"""Tales: told stories that a seed makes up.

What is open about a story is asked as facts under `w/tale/...`, so a seed tells the same story under every engine, on every machine. In each table of
answers the plainest comes first: whoever answers with small numbers gets a plain story, and a shrinker need know nothing of billing.

A story is good at finding faults if much of it meets: accounts are found near an edge (the next try, the end of the grace, a renewal), rows come in
bursts or at just the instant when Stripe or the clock moves, and what is held in the pipe is let go beside a later row.
"""

from __future__ import annotations

from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.scenario.plan import Scenario
from billsim.scenario.tale_cast import Casting, Facts, evenly
from billsim.scenario.tale_rows import Telling


def told(scenario: Scenario, seed: int) -> Scenario:
    """The story that a seed tells, as a file would have it; a scenario without tales is its own story."""
    if scenario.tales is None:
        return scenario
    return replace(tell(scenario, Seeded(seed)), from_=f"tale seed={seed}")


def tell(scenario: Scenario, facts: Facts) -> Scenario:
    """The scenario with its tale told, as `facts` answers; a scenario without tales as it is."""
    tales = scenario.tales
    if tales is None:
        return scenario
    casting = Casting(scenario, tales, facts)
    casts = [casting.cast(n) for n in range(1 + facts.fact("w/tale/accounts", evenly("accounts", tales.accounts)))]
    timeline = Telling(scenario, tales, facts, casts).tell()
    return replace(scenario, tales=None, given=tuple(cast.account for cast in casts), timeline=tuple(timeline))
