"""What is rendered is read back as it was: `parse(render(thing)) == thing` for what stories leave, but for what the API does not tell."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from billsim.run import run_scenario
from billsim.scenario.toml_file import find, load
from billsim.stripe.lists import Page
from billsim.stripe.objects import Book, LineList
from billsim.stripe.through_sdk import WorldAccount
from billsim.stripe.wire.parse import INCLUDED, KINDS, Gone, parse
from billsim.stripe.wire.render import deleted, included, list_object, render
from billsim.world import World

STORIES = ("subscriptions/upgrade_payment_pending", "dunning/pay_bad_debt_vs_webhook", "dunning/flag_cleared_by_hand", "faults/missing_price")

TOLD = ("customer", "payment_method", "subscription", "invoice", "invoiceitem", "payment_intent", "charge", "dispute", "credit_note")


@pytest.fixture(scope="module")
def left() -> list[tuple[Any, dict[str, Any]]]:
    """Every object that stands when stories end, and as the API writes it."""
    found: list[tuple[Any, dict[str, Any]]] = []

    def attend(world: World) -> None:
        close = world.stripe.close

        def close_after_looking() -> None:
            account = WorldAccount(world.stripe, lambda: 0)
            found.extend((thing, wired(thing, account)) for book in world.stripe.books.values() for thing in things_of(book))
            close()

        world.stripe.close = close_after_looking  # type: ignore[method-assign]

    for name in STORIES:
        run_scenario(load(find(name)), attend=attend)
    return found


def things_of(book: Book) -> list[Any]:
    shelves = [shelf for name in Book.__slots__ if isinstance(shelf := getattr(book, name), dict)]
    return [book.customer, *[thing for shelf in shelves for thing in shelf.values() if thing.object in KINDS]]


def wired(thing: Any, account: WorldAccount) -> dict[str, Any]:
    wire = render(thing, account)
    more = {name: included(thing, name, account) for name in INCLUDED.get(thing.object, ())}
    whole: dict[str, Any] = msgspec.json.decode(msgspec.json.encode({**wire, **more}))
    return whole


def untold(thing: Any) -> Any:
    """Without what the API does not tell, or tells of everything."""
    thing = replace(thing, kept=msgspec.UNSET)
    if thing.object == "invoice":
        lines = [replace(line, created=0, period=None, kept=msgspec.UNSET) for line in thing.lines.data]
        return replace(thing, lines=LineList(tuple(lines)))
    if thing.object in ("payment_intent", "setup_intent") and thing.next_action is not None:
        return replace(thing, next_action={"type": thing.next_action["type"]})
    return thing


def test_it_is_read_back_as_it_was(left: list[tuple[Any, dict[str, Any]]]) -> None:
    assert {thing.object for thing, _ in left} >= set(TOLD)
    for thing, wire in left:
        assert untold(parse(wire)) == untold(thing)


def test_a_field_that_is_lost_on_the_way_is_found(left: list[tuple[Any, dict[str, Any]]]) -> None:
    thing, wire = next((thing, wire) for thing, wire in left if thing.object == "invoice" and thing.payments)
    assert untold(parse({**wire, "payments": None})) != untold(thing)
    assert untold(parse({**wire, "amount_paid": wire["amount_paid"] + 1})) != untold(thing)


def test_what_was_expanded_is_named_by_its_id(left: list[tuple[Any, dict[str, Any]]]) -> None:
    customers = {thing.id: wire for thing, wire in left if thing.object == "customer"}
    thing, wire = next((thing, wire) for thing, wire in left if thing.object == "charge" and thing.customer)
    assert untold(parse({**wire, "customer": customers[thing.customer]})) == untold(thing)


def test_a_list_is_a_page(left: list[tuple[Any, dict[str, Any]]]) -> None:
    charges = [wire for thing, wire in left if thing.object == "charge"][:2]
    page = parse(list_object(charges, "/v1/charges", True))
    assert isinstance(page, Page) and page.has_more and [each.id for each in page.data] == [wire["id"] for wire in charges]


def test_what_was_deleted_is_gone() -> None:
    with pytest.raises(Gone, match="No such customer: 'cus_1'"):
        parse(deleted("cus_1", "customer"))


def test_a_kind_without_a_lean_object_and_a_wrong_type_are_told_of() -> None:
    with pytest.raises(KeyError):
        parse({"id": "x", "object": "account"})
    with pytest.raises(msgspec.ValidationError):
        parse({"id": "ch_1", "object": "charge", "amount": "much", "created": 1})
