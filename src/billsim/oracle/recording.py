"""What engines ask of Stripe in the scenarios that ship, as the official SDK sends it, and what is answered: one exchange of every shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import replace

from billsim.run import run_scenario
from billsim.runtime.gather import on_the_books
from billsim.runtime.perform import Sight
from billsim.scenario.plan import Scenario
from billsim.stores.base import Shard
from billsim.stripe.objects import Book
from billsim.stripe.through_sdk import Exchange, ThroughSdk
from billsim.stripe.wire import routes, spec
from billsim.stripe.wire.spec import Either, Hash, Many, Map, Node, Scalar
from billsim.world import World

ENGINES = ("recompute", "legacy")
# So many accounts of a population, and days of it, show what more of them would.
ACCOUNTS, DAYS = 120, 3
_INDEX = re.compile(r"\[\d+\]")


class Seen(msgspec.Struct, frozen=True):
    """An exchange, and where it was first seen."""

    exchange: Exchange
    scenario: str
    engine: str
    shape: str


def shape_of(exchange: Exchange) -> str:
    """A request by its name and the form of its parameters: which there are, and the value of each that is a word of the API's."""
    request, params = exchange.request, routes.BY_NAME[exchange.name].params
    told = parse_qsl(request.query or request.body.decode(), keep_blank_values=True)
    forms = {f"{_INDEX.sub('[]', name)}={_form_of(params, name, value)}" for name, value in told}
    about_nothing = ["(about nothing)"] if "//" in request.path or request.path.endswith("/") else []
    return " ".join([exchange.name, *about_nothing, *sorted(forms)])


def _form_of(params: str, name: str, value: str) -> str:
    if value == "" or name.startswith("expand") or _is_chosen(params, _INDEX.sub("[]", name)):
        return value
    return "#" if value.lstrip("-").isdecimal() else "*"


@cache
def _is_chosen(params: str, name: str) -> bool:
    """Whether a parameter, `items[][price]`, has one of a few values."""
    first, *rest = [part.rstrip("]") for part in name.split("[")]
    known = spec.parameters(params).get(first)
    nodes = [known.node] if known is not None else []
    for part in rest:
        nodes = [inner for node in nodes for inner in _within(node, part)]
    return any(isinstance(each, Scalar) and (each.values or each.type == "boolean") for node in nodes for each in _each_of(node))


def _within(node: Node, part: str) -> Iterator[Node]:
    for each in _each_of(node):
        if isinstance(each, Many | Map):
            yield each.each
        elif isinstance(each, Hash) and (known := spec.hash_fields(each.name).get(part)) is not None:
            yield known.node


def _each_of(node: Node) -> tuple[Node, ...]:
    return node.of if isinstance(node, Either) else (node,)


def record(scenarios: Iterable[Scenario], engines: Iterable[str] = ENGINES, *, seed: int = 0) -> list[Seen]:
    """Run each scenario under each engine with everything that is asked of Stripe going through the SDK: of each shape of request, the first exchange
    for each form of answer.
    """
    recorder, engines = _Recorder(), tuple(engines)
    for scenario in scenarios:
        for engine in engines:
            recorder.record(small(scenario), engine, seed)
    return list(recorder.found.values())


def small(scenario: Scenario) -> Scenario:
    """The scenario with few accounts for a few days, and not handed over, where it has a population: what engines ask does not turn on that."""
    people = scenario.population
    if people is None:
        return scenario
    return replace(scenario, population=replace(people, accounts=min(people.accounts, ACCOUNTS), days=min(people.days, DAYS)), before=None)


class _Recorder:
    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Seen] = {}
        self._looked: set[str] = set()

    def record(self, scenario: Scenario, engine: str, seed: int) -> None:
        def hear(exchange: Exchange) -> None:
            shape = shape_of(exchange)
            key = shape, f"{exchange.response.status} {form_of(msgspec.json.decode(exchange.response.body))}"
            if key not in self.found:
                self.found[key] = Seen(exchange, scenario.id, engine, shape)

        def attend(world: World) -> None:
            through = ThroughSdk(world.stripe, lambda: world.kernel.now, hear)
            world.runtime.go_through(through, self._looking_at_what_is_new(through.look))

        run_scenario(scenario, seed=seed, engine=engine, bodies=False, attend=attend)

    def _looking_at_what_is_new(self, look: Sight) -> Sight:
        """A gather asks for the same again and again; it is sent on where an account has what none had before."""

        def sight(shard: Shard, wanted: tuple[bool, ...]) -> list[Any]:
            form = f"{wanted} {_form_of_book(shard.stripe)}"
            if form in self._looked:
                return on_the_books(shard)
            self._looked.add(form)
            return look(shard, wanted)

        return sight


def _form_of_book(book: Book | None) -> str:
    if book is None:
        return ""
    shelves = (book.payment_methods, book.subscriptions, book.invoices, book.payment_intents, book.charges)
    return " ".join(sorted({_form_of_lean(thing) for shelf in shelves for thing in shelf.values()} | {_form_of_lean(book.customer)}))


def _form_of_lean(thing: Any) -> str:
    if thing is None:
        return "gone"
    return f"{thing.object}.{getattr(thing, 'status', '')}." + "".join(["1" if getattr(thing, name) else "0" for name in thing.__struct_fields__])


def form_of(value: Any) -> str:
    """The form of an answer: which fields there are and of which type, whatever they hold."""
    if isinstance(value, dict):
        return "{" + ",".join([f"{name}:{form_of(inner)}" for name, inner in value.items() if name != "metadata"]) + "}"
    if isinstance(value, list):
        return "[" + "|".join(sorted({form_of(each) for each in value})) + "]"
    return type(value).__name__[0]
