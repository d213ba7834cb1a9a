"""Drives components by hand: performs what they yield against stores and a book in memory, at once and in order, without a kernel.

What an engine orders of itself through async-processing is delivered once the component has ended, and redelivered after a crash.

`effects` is what was performed. `before` is called ahead of each effect, so that a test can let someone else act in between; `crash_after` ends
everything after so many effects, as a killed process would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from billsim import stores as all_stores
from billsim.engine.orders import ANNOUNCED
from billsim.ports import (
    AccountState,
    Act,
    CallStripe,
    CompareAndSet,
    Component,
    Effect,
    Engine,
    GatherAll,
    Message,
    Now,
    Read,
    Scan,
    Send,
    Sleep,
    Start,
    StripeState,
    Transact,
    Write,
)
from billsim.stores import stripe_metadata
from billsim.stores.base import Shard
from billsim.stripe.lists import Page
from billsim.stripe.objects import Book, Event, EventData, EventRequest, StripeError
from tests.truth_table import Expectation, TruthRow

Rows = Mapping[str, Any]


class CrashError(Exception):
    """The process was killed."""


def shard_of(**facts: Any) -> Shard:
    """An account built from facts in the notation of the truth table."""
    return TruthRow("made", "made", facts, Expectation("", 0, 0, False, False, {}, {}, {}, (), None, True)).shard()


def message(kind: str, *, account: str = "ada", thing: Any = None, at_ms: int = 0, name: str = "m1", by_call: bool = False, **body: Any) -> Message:
    """A message; with `thing`, it carries an event about it that was made at `at_ms`."""
    event = None
    if thing is not None:
        request = EventRequest("req_1") if by_call else EventRequest()
        event = Event(id=f"evt_{name}", created=at_ms // 1000, data=EventData(thing), request=request, type=kind.removeprefix("stripe."))
    return Message(name, "w", kind, account, at_ms, event, body)


class Driver:
    """One account's world (`ada`) under an engine."""

    def __init__(self, engine: Engine, shard: Shard, now_ms: int) -> None:
        self.engine = engine
        self.now_ms = now_ms
        self.shard = shard
        self.stores = all_stores.empty()
        self.stores.shards[shard.account] = shard
        self.book: Book = shard.stripe or Book("")
        self.effects: list[Effect] = []
        self.sent: list[Send] = []
        self.announced: list[Send] = []
        self.queued: list[Message] = []
        self.acts: list[Act] = []
        self.declines = False
        self.before: Callable[[Effect], None] = lambda effect: None
        self.crash_after: int | None = None
        self._stored: dict[str, Any] = {}

    # -- running -------------------------------------------------------------------------------------------------------------------

    def deliver(self, what: Message) -> None:
        """Run every component that a message wakes, one after the other."""
        for name in self.engine.wakes(what):
            self.run(name, what)

    def run(self, component: str, what: Message) -> None:
        """Run one component to its end, and then whatever it has ordered."""
        self._drive(self.engine.components[component], what)
        while self.queued:
            for name in self.engine.wakes(self.queued[0]):
                self._drive(self.engine.components[name], self.queued[0])
            self.queued.pop(0)

    def _drive(self, component: Component, what: Message) -> None:
        steps = component.handle(what)
        answer, failure = None, None
        while True:
            try:
                effect = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration:
                return
            self.before(effect)
            if self.crash_after is not None and len(self.effects) >= self.crash_after:
                raise CrashError
            self.effects.append(effect)
            answer, failure = None, None
            try:
                answer = self._perform(component, effect, what)
            except CrashError:
                raise
            except Exception as raised:
                failure = raised

    def performed(self, *kinds: type) -> list[Any]:
        """The effects of these kinds that were performed."""
        return [effect for effect in self.effects if isinstance(effect, kinds)]

    def changing(self) -> list[Effect]:
        """The effects that were meant to change something."""
        calls = [call for call in self.performed(CallStripe) if not call.method.endswith((".retrieve", ".list"))]
        return [*self.performed(Write, CompareAndSet, Transact, Act, Send), *calls]

    def held(self) -> dict[str, Any]:
        """Everything stored and done, without versions and instants of writing: what two histories can be compared by."""
        rows = {store: replace(row, version=0) for store, row in self.shard.rows.items()}
        rows["subs_dunning"] = replace(rows["subs_dunning"], done=tuple(sorted(rows["subs_dunning"].done)))
        many = {store: {key: replace(row, version=0) for key, row in kept.items()} for store, kept in self.shard.many.items()}
        metadata = {id: invoice.metadata for id, invoice in self.book.invoices.items()}
        customer = self.book.customer.metadata if self.book.customer is not None else {}
        statuses = {id: subscription.status for id, subscription in self.book.subscriptions.items()}
        stripe = {"invoices": metadata, "customer": customer, "subscriptions": statuses}
        return {"rows": rows, "many": many, "stripe": stripe, "actions": dict(self.shard.actions)}

    # -- effects -------------------------------------------------------------------------------------------------------------------

    def _perform(self, component: Component, effect: Any, what: Message) -> Any:
        match effect:
            case Read():
                return self.stores.read(effect.store, effect.account, effect.key)
            case Write():
                written = self.stores.write(component.writer, effect.store, effect.account, effect.key, effect.fields, self.now_ms)
                return written.new if written else None
            case CompareAndSet():
                return self._compare_and_set(component, effect)
            case Transact():
                return self.stores.transact(component.writer, effect.store, effect.changes, self.now_ms) is not None
            case GatherAll():
                return self.gathered()
            case Scan():
                return tuple(self.stores.scan(effect.store, effect.where))
            case CallStripe():
                return self._call(component, effect)
            case Send(kind=kind) if kind.startswith("async."):
                self.queued.append(Message(f"{what.name}.{kind}.{len(self.effects)}", "e", kind, effect.account, self.now_ms, None, effect.body))
            case Send(kind=kind) if kind in ANNOUNCED.values():
                self.announced.append(effect)
            case Send():
                self.sent.append(effect)
            case Start():
                child = Message(f"{what.name}/{effect.component}", "e", effect.kind, effect.account, self.now_ms, effect.event, effect.body)
                self._drive(self.engine.components[effect.component], child)
            case Act():
                return self._act(effect)
            case Sleep():
                self.now_ms += effect.ms
            case Now():
                return self.now_ms
            case _:
                raise TypeError(f"no effect: {effect!r}")
        return None

    def _compare_and_set(self, component: Component, effect: CompareAndSet) -> Any:
        if self.stores.version(effect.store, effect.account, effect.key) != effect.version:
            return None
        self.stores.write(component.writer, effect.store, effect.account, effect.key, effect.fields, self.now_ms)
        return self.stores.read(effect.store, effect.account, effect.key)

    def gathered(self) -> AccountState:
        """The account as a gather reads it now."""
        shard, book = self.shard, self.book
        return AccountState(
            shard.account,
            shard.one("subs_dunning"),
            shard.one("subs_account"),
            shard.one("subs_customer"),
            dict(shard.all("billing_prod")),
            dict(shard.all("cf_prod")),
            dict(shard.all("ope")),
            dict(shard.all("www")),
            StripeState(
                book.customer, *(dict(kind) for kind in (book.payment_methods, book.subscriptions, book.invoices, book.payment_intents, book.charges))
            ),
            tuple(account for account in self.stores.by_customer.get(book.id, ()) if account != shard.account),
        )

    def _act(self, effect: Act) -> bool:
        key = f"key {effect.key}"
        if effect.key is not None and key in self.shard.actions:
            return False
        self.shard.actions[key if effect.key is not None else f"{effect.kind}|{effect.debt}|{effect.step}"] = 1
        self.acts.append(effect)
        return True

    # -- Stripe --------------------------------------------------------------------------------------------------------------------

    def _call(self, component: Component, effect: CallStripe) -> Any:
        if "metadata" in effect.params:
            stripe_metadata.check_writer(component.writer)
        if effect.idempotency_key in self._stored:
            return self._stored[effect.idempotency_key]
        answer = getattr(self, "_" + effect.method.replace(".", "_"))(effect)
        if effect.idempotency_key is not None:
            self._stored[effect.idempotency_key] = answer
        return answer

    def _set_metadata(self, thing: Any, effect: CallStripe) -> Any:
        merged = {key: value for key, value in {**thing.metadata, **effect.params["metadata"]}.items() if value}
        return replace(thing, metadata=merged)

    def _customers_update(self, effect: CallStripe) -> Any:
        self.book.customer = self._set_metadata(self.book.customer, effect)
        return self.book.customer

    def _invoices_update(self, effect: CallStripe) -> Any:
        self.book.invoices[effect.id] = self._set_metadata(self.book.invoices[effect.id], effect)
        return self.book.invoices[effect.id]

    def _invoices_retrieve(self, effect: CallStripe) -> Any:
        if effect.id not in self.book.invoices:
            raise StripeError(404, "invalid_request_error", "resource_missing", effect.id)
        return self.book.invoices[effect.id]

    def _invoices_list(self, effect: CallStripe) -> Any:
        return Page(tuple(sorted(self.book.invoices.values(), key=lambda each: -each.created)), False, "/v1/invoices")

    def _invoices_pay(self, effect: CallStripe) -> Any:
        invoice = self._invoices_retrieve(effect)
        if invoice.status not in ("open", "uncollectible"):
            raise StripeError(400, "invalid_request_error", "invoice_not_open", effect.id)
        if self.declines:
            raise StripeError(402, "card_error", "card_declined", effect.id)
        return self.pay(effect.id)

    def pay(self, id: str) -> Any:
        """The customer's money has arrived."""
        invoice = self.book.invoices[id]
        at = replace(invoice.status_transitions, paid_at=self.now_ms // 1000)
        paid = {"status": "paid", "amount_paid": invoice.amount_due, "amount_remaining": 0, "next_payment_attempt": None, "status_transitions": at}
        self.book.invoices[id] = replace(invoice, **paid)
        intent = invoice.payments[-1].payment_intent
        charge = next(iter(self.book.charges.values()))
        fields = {"amount": invoice.amount_due, "status": "succeeded", "paid": True, "payment_intent": intent, "created": self.now_ms // 1000}
        self.book.charges[f"ch_{id}"] = replace(charge, id=f"ch_{id}", **fields)
        return self.book.invoices[id]

    def _invoices_void_invoice(self, effect: CallStripe) -> Any:
        return self.void(effect.id)

    def void(self, id: str) -> Any:
        """The invoice is void."""
        invoice = self.book.invoices[id]
        if invoice.status not in ("open", "uncollectible"):
            raise StripeError(400, "invalid_request_error", "invoice_not_open", id)
        at = replace(invoice.status_transitions, voided_at=self.now_ms // 1000)
        self.book.invoices[id] = replace(invoice, status="void", next_payment_attempt=None, status_transitions=at)
        return self.book.invoices[id]

    def _subscriptions_retrieve(self, effect: CallStripe) -> Any:
        return self.book.subscriptions[effect.id]

    def _subscriptions_cancel(self, effect: CallStripe) -> Any:
        subscription = self.book.subscriptions[effect.id]
        if subscription.status == "canceled":
            raise StripeError(404, "invalid_request_error", "resource_missing", effect.id)
        self.book.subscriptions[effect.id] = replace(subscription, status="canceled", canceled_at=self.now_ms // 1000)
        return self.book.subscriptions[effect.id]

    def _payment_intents_retrieve(self, effect: CallStripe) -> Any:
        return self.book.payment_intents[effect.id]

    def _charges_retrieve(self, effect: CallStripe) -> Any:
        return self.book.charges[effect.id]

    def _charges_list(self, effect: CallStripe) -> Any:
        found = [each for each in self.book.charges.values() if each.payment_intent == effect.params["payment_intent"]]
        return Page(tuple(sorted(found, key=lambda each: -each.created)), False, "/v1/charges")

    def _payment_methods_retrieve(self, effect: CallStripe) -> Any:
        return self.book.payment_methods[effect.id]
