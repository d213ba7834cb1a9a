"""An imported incident, as an actor: what real events and store rows tell is put into the world and happens again.

With events alone Stripe holds what they came to, and they arrive as news of its past. With store rows the world starts at the rows' moment: Stripe
stands as it stood then and turns with the events, which arrive when they were delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.core.policy import DunningPolicy
from billsim.core.trace import RemediationRecord, Trace
from billsim.pipe.forwarding import Pipe
from billsim.scenario import incident, rows
from billsim.scenario.given import Truth
from billsim.scenario.imported import ImportedEvent
from billsim.scenario.incident_past import Turn, late_or_new, past_of
from billsim.scenario.plan import Scenario
from billsim.scenario.rows import Attempt, Rows
from billsim.scenario.rows_place import place_rows
from billsim.stores.base import Stores
from billsim.stripe.api import Stripe
from billsim.stripe.objects import Book, Charge, Customer, Emitted, Invoice, PaymentIntent, PaymentMethod, Price, StripeObject, Subscription

_PARTS: dict[type[StripeObject], tuple[str, str]] = {
    PaymentMethod: ("payment_method", "payment_methods"),
    Subscription: ("subscription", "subscriptions"),
    Invoice: ("invoice", "invoices"),
    PaymentIntent: ("payment_intent", "payment_intents"),
    Charge: ("charge", "charges"),
}
_ENDED = {Subscription: ("canceled", "incomplete_expired"), Invoice: ("paid", "void"), PaymentIntent: ("succeeded", "canceled")}


class Scene(Protocol):
    """The world, as an incident needs it."""

    scenario: Scenario
    kernel: Kernel
    choices: Choices
    stores: Stores
    stripe: Stripe
    pipe: Pipe
    policy: DunningPolicy
    trace: Trace

    def changed(self, customer: str, kind: str, id: str, old: Any, new: Any, task: str, cause: str) -> None:
        """Record a change of an object at Stripe."""
        ...


class Incident:
    """What is imported, on its way into the world."""

    def __init__(self, scene: Scene, expected: Truth) -> None:
        self._scene = scene
        self._expected = expected
        self._at_once: dict[int, Turn] = {}

    def begin(self) -> None:
        """Put the past in its place, and what follows on the clock."""
        scenario = self._scene.scenario
        if scenario.rows is not None:
            self._begin_from_rows(rows.rows_of(scenario))
        elif scenario.events is not None:
            events = incident.events_of(scenario)
            self._scene.stripe.seed(*incident.seed_objects(events))
            self._deliver(events)

    def _begin_from_rows(self, told: Rows) -> None:
        scene, start_ms = self._scene, self._scene.scenario.start
        events = incident.events_of(scene.scenario) if scene.scenario.events is not None else []
        past = past_of(events, start_ms)
        place_rows(scene.scenario, told, past.opening, scene.stores, scene.stripe, scene.policy, self._expected)
        following = list(late_or_new(events, start_ms))
        self._at_once = self._turns_with_their_news(past.turns, {event.line: event.at_ms for event in following})
        for nth, attempt in enumerate(told.audit):
            if attempt.at_ms > start_ms:
                scene.kernel.call_at(attempt.at_ms, scene.choices.rank(f"w/incident/audit{nth}"), self._remediated, attempt)
            else:
                self._remediated(attempt)
        if events:
            self._deliver(following)

    def _turns_with_their_news(self, turns: Iterable[Turn], delivered: Mapping[int, int]) -> dict[int, Turn]:
        """By line: the turns that happen in the step that delivers their event, as at Stripe; the others happen by themselves, before their news."""
        scene, found = self._scene, {}
        for turn in turns:
            if delivered.get(turn.line) == turn.at_ms:
                found[turn.line] = turn
            else:
                scene.kernel.call_at(turn.at_ms, scene.choices.rank(f"w/incident/{turn.event}/turn"), self._turn, turn)
        return found

    def _deliver(self, events: list[ImportedEvent]) -> None:
        """They are delivered as they were, and Stripe does nothing of its own."""
        scene = self._scene
        scene.stripe.quiet()
        for event, emitted in zip(events, incident.emit(events), strict=True):
            turn = self._at_once.get(event.line)
            scene.kernel.call_at(emitted.at_ms, scene.choices.rank(f"w/incident/{emitted.name}"), self._arrive, (turn, emitted))

    def _arrive(self, news: tuple[Turn | None, Emitted]) -> None:
        turn, emitted = news
        if turn is not None:
            self._turn(turn)
        self._scene.pipe.emit(emitted)

    def _remediated(self, attempt: Attempt) -> None:
        self._scene.trace.add(RemediationRecord("remediation", attempt.at_ms, attempt.account, attempt.params, attempt.result, attempt.failed))

    def _turn(self, turn: Turn) -> None:
        for found in turn.objects:
            self._put(turn, found)

    def _put(self, turn: Turn, found: StripeObject) -> None:
        """An object becomes what it became, but for its metadata, which is a store of the platform's, and for what an engine has ended meanwhile."""
        stripe = self._scene.stripe
        if isinstance(found, Price):
            stripe.seed(found)
            return
        old = _held(stripe.books.get(turn.customer), found)
        if old is None:
            new = replace(found, metadata=self._ungoverned(found.metadata))
        else:
            new = replace(found, metadata=old.metadata)
            ended = _ENDED.get(type(found), ())
            if old == new or (getattr(old, "status", "") in ended and getattr(new, "status", "") not in ended):
                return
        stripe.seed(new)
        kind = "customer" if isinstance(new, Customer) else _PARTS[type(new)][0]
        self._scene.changed(turn.customer, kind, new.id, old, new, f"w/incident/{turn.event}", f"stripe.{turn.event}")

    def _ungoverned(self, metadata: dict[str, str]) -> dict[str, str]:
        policy = self._scene.policy
        keys = (policy.bad_debt_key, policy.bad_debt_since_key, policy.no_success_key, policy.account_type_key, policy.bad_debt_amount_key)
        return {key: value for key, value in metadata.items() if key not in keys}


def _held(book: Book | None, found: StripeObject) -> Any:
    """What Stripe holds under the object's id."""
    if book is None:
        return None
    return book.customer if isinstance(found, Customer) else getattr(book, _PARTS[type(found)][1]).get(found.id)
