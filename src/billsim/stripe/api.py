"""The simulated Stripe as the rest of the world sees it: seeded with a past, called by engines, moved by its own timers, heard through its outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from billsim.core.choices import Choices
from billsim.core.ids import short
from billsim.core.kernel import Kernel
from billsim.core.time import DAY_S, MINUTE_MS
from billsim.stripe import (
    billing_cycle,
    collection,
    direct_charges,
    disputes,
    mandates,
    pausing,
    paying,
    pending_updates,
    refunds,
    setup_intents,
    upcoming,
)
from billsim.stripe.backend import FOREVER_MS, Act, Backend
from billsim.stripe.cards import RESULTS, CardBehaviour
from billsim.stripe.idempotency import IdempotencyKeys
from billsim.stripe.kinds import Outbox
from billsim.stripe.lists import Page, page_of
from billsim.stripe.methods import Method, method
from billsim.stripe.objects import Book, Dispute, Emitted, Invoice, Mandate, Price, Product, SetupIntent, StripeError, StripeObject
from billsim.stripe.params import check, missing_reference
from billsim.stripe.rate_limits import RateLimits
from billsim.stripe.retry_schedule import is_used_up
from billsim.stripe.settings import StripeSettings

__all__ = ["CardBehaviour", "Outbox", "Page", "Stripe"]

# What Stripe does by itself when a timer falls due.
_STEPS = {
    "attempt": collection.attempt,
    "settle": collection.settle,
    "cycle": billing_cycle.cycle,
    "finalize": billing_cycle.finalize,
    "due": billing_cycle.overdue,
    "expire": billing_cycle.expire,
    "trial_will_end": billing_cycle.trial_will_end,
    "collect_again": pausing.collect_again,
    "give_up_resuming": pausing.give_up,
    "lapse": pending_updates.lapse,
    "upcoming": upcoming.tell,
    "will_be_due": upcoming.tell_of_due_date,
    "lose": disputes.lose,
    "judge": disputes.judge,
    "disputed": disputes.arise,
    "refund": refunds.settle,
    "pay": paying.answer,
    "let_go": paying.let_go,
    "answer_charge": direct_charges.answer,
    "expire_charge": direct_charges.expire,
}


class Stripe:
    """Stripe, with the account settings of one platform.

    Every change replaces a frozen object in its customer's book and is told to the outbox, then its events are. What Stripe does by itself are tasks
    `w/stripe/<object>/<step>`; what is done by request is named by the caller's task. `books` holds each customer's objects, by customer id: a book
    is one object for good, and may be kept. `prices` holds the prices, by id. `whole`: objects keep also what nobody in a world asks for: what a line
    was priced by, why a subscription ended; and the events that go with that leave. `beside`: another part of the same account, on a clock of its
    own.
    """

    def __init__(
        self, kernel: Kernel, choices: Choices, settings: StripeSettings, outbox: Outbox, *, whole: bool = False, beside: Stripe | None = None
    ) -> None:
        self._backend = Backend(kernel, choices, settings, outbox, _STEPS)
        self._backend.is_whole = whole
        if whole:
            self._backend.upcoming_s, self._backend.will_be_due_s = settings.upcoming_days * DAY_S, settings.will_be_due_days * DAY_S
        if beside is not None:
            self._backend.share(beside._backend)
        self._keys = IdempotencyKeys()
        self._limits = RateLimits(settings)
        self.books: dict[str, Book] = self._backend.books
        self.prices: dict[str, Price] = self._backend.prices
        self.products: dict[str, Product] = self._backend.products
        self.unattached: Book = self._backend.unattached

    # -- the past

    def seed(self, *objects: StripeObject) -> None:
        """Place objects of the time before the story: no record, no event, no timer."""
        self._backend.seed(objects)

    def take(self, book: Book) -> None:
        """Place a whole customer of the time before the story, of whom nothing was placed so far."""
        self._backend.take(book)

    def expect(self, subscription: str, instant_ms: int) -> None:
        """A customer who sleeps has a subscription that renews at this instant: `resume` waits for it as if it were there."""
        self._backend.expect(subscription, instant_ms)

    def asleep(self, wake: Callable[[str], None]) -> None:
        """There are customers who sleep. `wake` is told of an id that Stripe does not know before it is called missing, and `take`s its customer;
        '' means all of them.
        """
        self._backend.wake = wake

    def resume(self, horizon_ms: int = FOREVER_MS) -> None:
        """Take up, once, everything that was seeded: renewals, finalisations, attempts, due dates, expiries that lie ahead.

        `horizon_ms`: the world ends here, and what falls due later is not waited for.
        """
        self._backend.horizon_ms = horizon_ms
        self._backend.resume()

    def forget(self, customer: str) -> None:
        """A customer leaves, with everything that was to happen for it; nobody sleeps on it."""
        self._backend.forget(customer)

    # -- requests

    def call(self, name: str, id: str, params: dict[str, Any], *, key: str | None, task: str, once: bool = True) -> Any:
        """Perform the request `name` (`invoices.pay`) on the object `id` now; answers the object, or a Page of them.

        For a `create`, `id` may name the new object; empty, it is derived from `task`. `key` is the idempotency key; without `once` the caller sees
        to it that nothing is performed twice under it. Raises StripeError.
        """
        if self._limits.is_set:
            self._limits.admit(name, self._backend.kernel.now)
        asked = method(name)
        check(params, asked.params, asked.required)
        if asked.reads or key is None or not once:
            return self._perform(asked, name, id, params, key, task)
        return self._keys.once(key, (name, id, params), self._backend.kernel.now, partial(self._perform, asked, name, id, params, key, task))

    def break_off(self, name: str, id: str, params: dict[str, Any], *, key: str) -> Any:
        """Begin the request `name`, and fail inside of Stripe before anything is done: the 500 is kept under its key, as any answer is
        (https://docs.stripe.com/api/idempotent_requests). Raises StripeError, but answers a request that was performed before.
        """
        asked = method(name)
        check(params, asked.params, asked.required)
        return self._keys.once(key, (name, id, params), self._backend.kernel.now, _fail)

    def key_of_another(self, key: str) -> str | None:
        """An idempotency key that some other request came with, where one did."""
        return self._keys.latest(besides=key)

    def find(self, id: str) -> Any | None:
        """The object of this id, of whatever kind, or None; a customer who sleeps is not woken for it."""
        return self._backend.find(id)

    def _perform(self, asked: Method, name: str, id: str, params: dict[str, Any], key: str | None, task: str) -> Any:
        try:
            with Act.of_call(self._backend, task, name, key) as act:
                return asked.perform(act, id, params)
        except StripeError as refused:
            # Where something is missing it is told whether the path names it or a parameter.
            if refused.status in (400, 404) and refused.code == "resource_missing" and not refused.param:
                raise missing_reference(refused, id, params) from None
            raise

    def home(self, id: str) -> Book | None:
        """The book that an object of the account is in, whichever of its clocks it lives by; that of nobody's objects has the id ''. None for no
        object.
        """
        return self._backend.home(id)

    def page(self, found: Iterable[Any], params: dict[str, Any], url: str) -> Page:
        """A page of objects that the account keeps elsewhere, newest first. Raises StripeError."""
        return page_of(self._backend, found, params, url)

    # -- the world around

    def has_price(self, plan: str) -> bool:
        """Whether there is a price of this plan."""
        return f"price_{plan}" in self._backend.prices

    def behave(self, payment_method: str, behaviour: CardBehaviour) -> None:
        """From now on `payment_method` answers like this; one that was never told behaves well."""
        self._backend.home(payment_method)
        self._backend.cards.behave(payment_method, behaviour)

    def challenge(self, customer: str) -> None:
        """The customer's next on-session payment stops at `requires_action`."""
        self._backend.cards.challenge(customer)

    def confirm(self, payment_intent: str, task: str, *, succeeds: bool = True) -> None:
        """The customer has confirmed at the bank: the payment goes through, unless it was overtaken; or could not confirm it.

        Raises StripeError (404).
        """
        intent = self._backend.payment_intent(payment_intent)
        with self._at_the_bank(task) as act:
            paying.confirmed_by_bank(act, intent, succeeds=succeeds)

    def confirm_setup(self, setup_intent: str, task: str, *, succeeds: bool = True) -> None:
        """The customer has confirmed at the bank that a payment method may be used, or could not; nothing where that was not asked.

        Raises StripeError (404).
        """
        intent: SetupIntent = self._backend.found("setup_intent", setup_intent)
        with self._at_the_bank(task) as act:
            if intent.status == "requires_action" and succeeds:
                setup_intents.succeed(act, intent)
            elif intent.status == "requires_action":
                setup_intents.refused_by_bank(act, intent)

    def revoke_mandate(self, mandate: str, task: str) -> Mandate:
        """The customer takes back the leave to debit a payment method: debits fail from now on. Raises StripeError (404)."""
        found: Mandate = self._backend.found("mandate", mandate)
        with self._at_the_bank(task) as act:
            return mandates.revoke(act, found)

    def dispute(self, charge: str, task: str, *, amount: int | None = None, reason: str = "general") -> Dispute:
        """The customer disputes a charge, all of it that was not refunded where no `amount` is given; the bank takes that back until it has decided.

        Raises StripeError where there is no such charge, and where it cannot be disputed.
        """
        found = self._backend.charge(charge)
        with self._at_the_bank(task) as act:
            return disputes.open_dispute(act, found, amount, reason)

    def decide_dispute(self, dispute: str, task: str, *, won: bool) -> Dispute:
        """The bank decides for the platform (`won`) or for the customer. Raises StripeError where it has decided already."""
        found: Dispute = self._backend.found("dispute", dispute)
        with self._at_the_bank(task) as act:
            return disputes.decide(act, found, won=won)

    def _at_the_bank(self, task: str) -> Act:
        tag = short(task)
        return Act(self._backend, task, "bank", tag, tag)

    def attempt_now(self, invoice: str, result: str, task: str) -> bool:
        """Make the schedule's next attempt of an invoice now, with this result; its planned one gives way to the one after it.

        While the bank is processing a payment, this is its answer. False, and nothing done, where it can be none, and where the schedule has nothing
        left to attempt (paid, void, no longer collected, used up).
        Raises StripeError (404), and ValueError for an unknown result.
        """
        backend = self._backend
        if result not in RESULTS:
            raise ValueError(f"{result!r} is no result of a charge: {', '.join(RESULTS)}")
        outcome = RESULTS[result]
        if backend.invoice(invoice).status == "draft":
            billing_cycle.open_draft(backend, backend.invoice(invoice))
        found = backend.invoice(invoice)
        intent = backend.last_intent(found)
        if found.status == "open" and intent is not None and intent.status == "processing":
            answers = outcome.status in ("paid", "failed")
            if answers:
                collection.settle_with(backend, found, outcome, task, "bank")
            return answers
        if not collection.is_collecting(found) or is_used_up(found, backend.settings):
            return False
        collection.attempt_with(backend, found, collection.method_of(backend, found), outcome, task, "retry schedule")
        return True

    def acknowledged(self, emitted: Emitted, at_ms: int) -> None:
        """The endpoint answers 2xx at an instant, now or soon: a renewal's draft is finalised an hour after the first answer to its
        `invoice.created`.
        """
        if emitted.event.type != "invoice.created":
            return
        backend, told = self._backend, emitted.event.data.object
        draft = backend.books[emitted.customer].invoices.get(told.id) if isinstance(told, Invoice) and emitted.customer in backend.books else None
        if draft is not None and draft.status == "draft" and not draft.says("automatically_finalizes_at"):
            backend.finalize_by(draft.id, at_ms + backend.settings.finalize_after_minutes * MINUTE_MS)
            backend.arm(draft)

    def memory(self) -> list[Any]:
        """What becomes of later requests by, apart from the books: cards, the keys and number of requests, when drafts are finalised and
        resumptions given up.
        """
        backend = self._backend
        planned = [sorted(backend.finalizes_at.items()), sorted(backend.resumes.items()), sorted(backend.attached.items()), backend.balance_moves]
        return [backend.cards.memory(), self._keys.memory(), self._limits.memory(), *planned]

    def close(self) -> None:
        """Forget every object and timer: nothing happens at Stripe any more."""
        self.books.clear()
        vars(self._backend).clear()

    def quiet(self) -> None:
        """From now on Stripe starts nothing by itself; it still answers requests."""
        self._backend.is_quiet = True


def _fail() -> Any:
    # Repeating it would bring the same answer, and Stripe says so.
    raise StripeError(500, "api_error", "api_error", "An error occurred inside of Stripe.", should_retry=False)
