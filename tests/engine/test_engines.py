"""Engines by name."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from billsim.core.policy import DunningPolicy
from billsim.engines import UnknownEngineError, load_engine, modules_of, names
from billsim.legacy.engine import LegacyEngine
from billsim.ports import Message, Steps
from billsim.stripe.settings import StripeSettings


class Mine:
    """A user's engine."""

    def handle(self, message: Message) -> Steps:
        yield from ()


@pytest.fixture(autouse=True)
def their_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("their_billing")
    module.make = Mine  # type: ignore[attr-defined]
    module.instance = Mine()  # type: ignore[attr-defined]
    module.whole = lambda: LegacyEngine(DunningPolicy())  # type: ignore[attr-defined]
    module.number = 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_billing", module)


LISTED = ", ".join(names())


@pytest.mark.parametrize("name", names())
def test_every_engine_that_ships_loads_under_its_name(name: str) -> None:
    assert load_engine(name).name == name


@pytest.mark.parametrize("attribute", ["make", "instance"])
def test_a_users_own(attribute: str) -> None:
    engine = load_engine(f"their_billing:{attribute}")
    assert engine.name == f"their_billing:{attribute}" and "engine" in engine.components


def test_a_users_whole_engine_is_taken_as_it_is() -> None:
    assert load_engine("their_billing:whole").name == "legacy"


def test_legacy_knows_how_the_stripe_account_is_set_up() -> None:
    handler = load_engine("legacy", settings=StripeSettings(final_invoice="mark_uncollectible")).components["invoice_payment_failed"].handle
    assert handler.__self__._marks_uncollectible is True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("recompte", f"unknown engine 'recompte'; there are {LISTED}, package.module:factory, or cmd:program (did you mean 'recompute'?)"),
        ("their_billing:mak", "engine 'their_billing:mak': 'their_billing' has no 'mak' (did you mean 'make'?)"),
        ("no_such_package:make", "engine 'no_such_package:make': cannot import 'no_such_package': No module named 'no_such_package'"),
        ("their_billing:number", "engine 'their_billing:number': int has neither handle(message) nor decide(state, now_ms, policy)"),
        (":make", "engine ':make': cannot import '': Empty module name"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(spec: str, line: str) -> None:
    with pytest.raises(UnknownEngineError) as raised:
        load_engine(spec)
    assert str(raised.value).startswith(line) and "\n" not in str(raised.value)


def test_the_nearest_name_is_the_hint() -> None:
    with pytest.raises(UnknownEngineError) as raised:
        load_engine("legasy")
    assert raised.value.hint == "legacy"


def test_the_modules_of_a_brought_engine_are_its_whole_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lent to it, and a package whose name only begins alike, are not its own."""
    for name in ("their_billing.clock", "their_billing_too"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    spec = "their_billing:whole"
    assert sorted(modules_of(spec, load_engine(spec))) == ["their_billing", "their_billing.clock"]


def test_an_engine_made_elsewhere_brings_the_package_it_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = ModuleType("their_factory")
    factory.make = Mine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_factory", factory)
    here = Mine.__module__.partition(".")[0]
    assert {name.partition(".")[0] for name in modules_of("their_factory:make", load_engine("their_factory:make"))} == {"their_factory", here}


@pytest.mark.parametrize("spec", [*names(), "billsim.engine.degenerate:Noop"])
def test_an_engine_that_ships_brings_no_module(spec: str) -> None:
    assert modules_of(spec, load_engine(spec)) == []
