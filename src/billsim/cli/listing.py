"""`billsim scenarios`, `billsim engines`, `billsim faults` and `billsim touchpoints`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billsim.cli.options import Json, load
from billsim.cli.output import print_json, print_names
from billsim.scenario.errors import InputError

ENGINES = {
    "recompute": "gathers the whole account, decides once, and applies by compare-and-set until nothing differs",
    "legacy": "one blind handler an event, and dunning paths that race: what drifts, and why",
    "noop": "does nothing: every check must see it",
    "all_healthy": "calls every account healthy",
    "all_bad": "calls every account bad debt",
    "cancel_all": "cancels every subscription",
    "void_all": "voids every debt, so that none is left",
}


def scenarios(json: Json = False) -> int:
    """List the scenarios that ship and those in ./scenarios."""
    from billsim.scenario.toml_file import names

    found = {name: _rule(name) for name in names()}
    if json:
        print_json({"scenarios": [{"name": name, "rule": rule} for name, rule in found.items()]})
    else:
        print_names(found)
    return 0


def engines(json: Json = False) -> int:
    """List the engines that ship, and those that installed packages bring."""
    from billsim.engines import installed, names

    found = {name: ENGINES.get(name, "") for name in names()} | {name: f"installed: {entry.value}" for name, entry in installed().items()}
    if json:
        print_json({"engines": [{"name": name, "what": what} for name, what in found.items()]})
    else:
        print_names(found)
    return 0


def faults(json: Json = False) -> int:
    """List the faults that a scenario can set under [faults], as in `late = { ppm = 1000 }`: what its rate is of, what narrows it, how it heals, and
    the scenario that tells it.
    """
    from billsim.faults.catalogue import described
    from billsim.scenario.toml_file import names

    told = set(names())
    found = [{**fault, "story": story if (story := f"faults/{fault['name']}") in told else None} for fault in described()]
    if json:
        print_json({"faults": found})
    else:
        print_names({fault["name"]: _in_words(fault) for fault in found})
    return 0


def touchpoints(json: Json = False) -> int:
    """List where callers touch the platform: caller, operation, the message it sends, and the stores that may be written because of it.

    A story's rows `call` them, and a population's `callers` say how often.
    """
    from billsim.scenario.touchpoints import touchpoints as table

    found = table().values()
    if json:
        lines = [{"caller": point.caller, "operation": point.operation, "entry": point.entry, "stores": list(point.stores)} for point in found]
        print_json({"touchpoints": lines})
    else:
        print_names({point.name: f"{point.entry} (writes: {', '.join(point.stores)})" for point in found})
    return 0


def _in_words(fault: Mapping[str, Any]) -> str:
    narrowed = f"; narrowed by {' and '.join(fault['scope'])}" if fault["scope"] else ""
    told = f"; told: {fault['story']}" if fault["story"] else ""
    return f"{fault['what']} (of each {fault['of_each']}{narrowed}; heals: {fault['heals']}{told})"


def _rule(name: str) -> str:
    """What a scenario is about, or what is wrong with it: one that is broken hides no other."""
    try:
        return load(name).rule
    except InputError as error:
        return f"broken: {error}"
