"""How an invoice's money is taken: on the retry schedule, by request, by the bank's late answer; and what each outcome does to every object."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.ids import short
from billsim.stripe import charges, customers, invoices, payment_intents, pending_updates, setup_intents, subscriptions
from billsim.stripe.backend import Act, Backend
from billsim.stripe.cards import NO_METHOD, PAID, Decline, Outcome
from billsim.stripe.naming import stem
from billsim.stripe.objects import Invoice, InvoicePayment, PaymentIntent, Subscription
from billsim.stripe.params import Types, refusal
from billsim.stripe.retry_schedule import is_used_up, next_attempt

CONFIRM: Types = {"payment_method": str, "off_session": bool}
_TAKES_OPEN = "You can only pass in open invoices. This invoice isn't open."
_WAS_PAID = "Invoices with `paid` payments cannot be voided."
_IS_WRITTEN_OFF = "This invoice has already been marked uncollectible."
PAY: Types = {**CONFIRM, "source": str, "mandate": str, "forgive": bool, "paid_out_of_band": bool}


class Try(NamedTuple):
    """One try to collect an invoice. `charge` is the id that its charge would have.

    `counts`: it raises attempt_count, as the first attempt does and every scheduled one. `is_automatic`: Stripe made it, on its schedule.
    """

    method: str | None
    charge: str
    counts: bool
    is_automatic: bool


class Payment(NamedTuple):
    """A payment method and what charging it comes to."""

    method: str
    outcome: Outcome


def method_of(backend: Backend, invoice: Invoice) -> str | None:
    """What an invoice is collected with: its own payment method, else the subscription's, else the customer's.

    Order: https://docs.stripe.com/billing/subscriptions/overview
    """
    book = backend.books[invoice.customer]
    subscription = book.subscriptions.get(invoice.subscription or "")
    own = invoice.default_payment_method or invoice.says("default_source")
    if own is None and subscription is not None:
        own = subscription.default_payment_method or subscription.says("default_source")
    if own is not None or book.customer is None:
        return own
    return book.customer.invoice_settings.default_payment_method or book.customer.default_source


def default_method_of(backend: Backend, subscription: Subscription) -> str | None:
    """What a subscription's invoices are collected with: its own payment method, else its customer's."""
    customer = backend.customer(subscription.customer)
    own = subscription.default_payment_method or subscription.says("default_source")
    return own or customer.invoice_settings.default_payment_method or customer.default_source


def is_collecting(invoice: Invoice) -> bool:
    """Whether Stripe tries by itself to collect it."""
    return invoice.status == "open" and invoice.auto_advance and invoice.collection_method == "charge_automatically"


# -- the schedule


def attempt(backend: Backend, id: str) -> None:
    """The schedule's next attempt falls due."""
    attempt_by_schedule(backend, backend.invoice(id))


def attempt_by_schedule(backend: Backend, invoice: Invoice) -> None:
    """The schedule's next attempt, with what the invoice is collected with, whatever that comes to."""
    method = method_of(backend, invoice)
    outcome = backend.cards.pay(method, backend.kernel.now)
    task = backend.own_task(invoice.id, f"attempt{invoice.attempt_count + 1}")
    attempt_with(backend, invoice, method, outcome, task, "retry schedule")


def attempt_with(backend: Backend, invoice: Invoice, method: str | None, outcome: Outcome, task: str, cause: str) -> None:
    """A scheduled attempt that comes to `outcome`."""
    number = str(invoice.attempt_count + 1)
    with Act(backend, task, cause, number, f"{invoice.id}.{number}") as act:
        charge = backend.free(f"ch_{stem(invoice.id)}.{number}")
        take(act, invoice, Try(method, charge, counts=True, is_automatic=True), outcome)


def settle(backend: Backend, id: str) -> None:
    """The bank answers for a payment that it has been processing."""
    invoice = backend.invoice(id)
    intent = backend.last_intent(invoice)
    outcome = backend.cards.answer(intent.payment_method if intent else None, backend.kernel.now)
    settle_with(backend, invoice, outcome, backend.own_task(id, f"settle{invoice.attempt_count}"), "bank")


def settle_with(backend: Backend, invoice: Invoice, outcome: Outcome, task: str, cause: str) -> None:
    """The bank's answer for a payment in processing is `outcome`: it ends the attempt that began it."""
    intent = backend.last_intent(invoice)
    assert intent is not None and intent.latest_charge is not None, "a payment in processing has a charge"
    number = f"{invoice.attempt_count}.settled"
    with Act(backend, task, cause, number, f"{invoice.id}.{number}") as act:
        ending = Try(intent.payment_method, intent.latest_charge, counts=False, is_automatic=True)
        take(act, invoice, ending, outcome)
    # The invoice itself may look as before, yet what its timer waits for has come.
    backend.arm(backend.invoice(invoice.id))


# -- by request


def pay(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """Collect an invoice now. `off_session` is true by default, as at Stripe. `paid_out_of_band`: the customer has paid, and not by Stripe.

    Where the bank wants a confirmation, the invoice is answered still open.
    Raises StripeError: 402 `card_declined` after a decline, which is recorded; 400 where the invoice or its payment does not allow it.
    """
    backend = act.backend
    invoice = backend.invoice(id)
    invoices.require_status(invoice, "open", "uncollectible", "draft", says=_TAKES_OPEN if invoice.status == "void" else "")
    invoices.refuse_processing(backend.last_intent(invoice))
    if params.get("paid_out_of_band"):
        return _paid_elsewhere(act, invoice)
    method = params.get("payment_method") or params.get("source") or method_of(backend, invoice)
    if method is None:
        raise refusal("resource_missing", "There is no payment method to charge: invoice, subscription and customer have no default.")
    backend.owned_method(invoice.customer, method)
    if invoice.status == "draft":
        invoice = invoices.finalize(act, invoice)
        if invoice.status == "paid":
            subscriptions.invoice_paid(act, invoice)
            return invoice
    return pay_with(act, invoice, method, on_session=params.get("off_session") is False)


def _paid_elsewhere(act: Act, invoice: Invoice) -> Invoice:
    if invoice.status == "draft":
        invoice = invoices.finalize(act, invoice)
    if invoice.status != "paid":
        intent = act.backend.last_intent(invoice)
        if intent is not None:
            payment_intents.abandon(act, intent)
        invoice = invoices.set_paid(act, invoice, counts=False, off_stripe=True)
    subscriptions.invoice_paid(act, invoice)
    customers.set_delinquent(act, invoice.customer, False)
    return invoice


def pay_by_request(act: Act, invoice: Invoice, payment: Payment) -> None:
    """The payment that comes with a request, recorded whatever it comes to."""
    charge = act.backend.free(f"ch_{stem(invoice.id)}.{short(act.task)}")
    take(act, invoice, Try(payment.method, charge, counts=invoice.attempt_count == 0, is_automatic=False), payment.outcome)


def pay_with(act: Act, invoice: Invoice, method: str, *, on_session: bool) -> Invoice:
    """As `pay`, once it is known what to pay and with what."""
    outcome = act.backend.cards.pay_for(invoice.customer, method, act.backend.kernel.now, on_session=on_session)
    pay_by_request(act, invoice, Payment(method, outcome))
    if outcome.decline is not None:
        intent = act.backend.last_intent(act.backend.invoice(invoice.id))
        raise payment_intents.refusal_of(act, intent.id if intent is not None else "", outcome.decline, method)
    return act.backend.invoice(invoice.id)


def confirm_by_request(act: Act, id: str, params: dict[str, Any]) -> PaymentIntent:
    """Pay a payment intent, on session where `off_session` is not set. Raises StripeError as `pay` does."""
    intent = act.backend.payment_intent(id)
    invoice = act.backend.invoice_of(intent)
    if invoice is None or intent.status not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        raise refusal("payment_intent_unexpected_state", f"{id} has a status of {intent.status}: there is nothing to confirm.")
    method = params.get("payment_method") or intent.payment_method or method_of(act.backend, invoice)
    if method is None:
        raise refusal("payment_intent_unexpected_state", f"{id} has no payment method to confirm with.")
    pay_with(act, invoice, method, on_session=not params.get("off_session"))
    return act.backend.payment_intent(id)


def confirmed_by_bank(act: Act, intent: PaymentIntent, outcome: Outcome = PAID) -> None:
    """The customer has confirmed, or the bank has processed: the payment goes through, unless its `outcome` is another. One that was overtaken comes
    to nothing.
    """
    invoice = act.backend.invoice_of(intent)
    if invoice is None or intent.status not in ("requires_action", "processing"):
        return
    pending = intent.latest_charge if intent.status == "processing" else None
    charge = pending or act.backend.free(f"ch_{stem(invoice.id)}.{short(act.task)}")
    take(act, invoice, Try(intent.payment_method, charge, counts=invoice.attempt_count == 0, is_automatic=False), outcome)


def void(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """It is not owed after all. Raises StripeError."""
    invoice = act.backend.invoice(id)
    invoices.require_status(invoice, "open", "uncollectible", says=_WAS_PAID if invoice.status == "paid" and invoice.amount_paid else _TAKES_OPEN)
    if invoice.amount_paid:
        raise refusal("", _WAS_PAID)
    invoices.refuse_processing(act.backend.last_intent(invoice))
    voided = invoices.set_void(act, invoice)
    subscriptions.invoice_voided(act, voided)
    return voided


def mark_uncollectible(act: Act, id: str, params: dict[str, Any]) -> Invoice:
    """It is written off. Raises StripeError."""
    invoice = act.backend.invoice(id)
    invoices.require_status(invoice, "open", says=_IS_WRITTEN_OFF if invoice.status == "uncollectible" else _TAKES_OPEN)
    bad = invoices.set_uncollectible(act, invoice)
    subscriptions.invoice_written_off(act, bad)
    customers.set_delinquent(act, invoice.customer, False)
    return bad


# -- outcomes


def take(act: Act, invoice: Invoice, tried: Try, outcome: Outcome) -> None:
    """What an outcome does: to charge, payment intent, invoice, subscription and customer, in this order."""
    intent = act.backend.last_intent(invoice)
    if intent is None or intent.status in ("succeeded", "canceled"):
        intent = payment_intents.open_for(act, invoice)
        invoice = replace(invoice, payments=(*invoice.payments, InvoicePayment(intent.id)))
    if outcome.status == "paid":
        _paid(act, invoice, intent, tried)
    elif outcome.status == "requires_action":
        _requires_action(act, invoice, intent, tried)
    elif outcome.status == "processing":
        _processing(act, invoice, intent, tried)
    else:
        _failed(act, invoice, intent, tried, outcome.decline or NO_METHOD)


def _paid(act: Act, invoice: Invoice, intent: PaymentIntent, tried: Try) -> None:
    charges.record(act, tried.charge, invoice, intent.id, tried.method, "succeeded")
    payment_intents.succeed(act, intent, tried.method, tried.charge)
    paid = invoices.set_paid(act, invoice, counts=tried.counts)
    if act.backend.is_whole:
        _remember(act, paid, tried.method)
    subscriptions.invoice_paid(act, paid)
    customers.set_delinquent(act, invoice.customer, False)


def _remember(act: Act, invoice: Invoice, method: str | None) -> None:
    """What paid a subscription is its own from then on, where it is told so."""
    subscription = act.backend.books[invoice.customer].subscriptions.get(invoice.subscription or "")
    fields = setup_intents.remembered(act, subscription, method) if subscription is not None else {}
    if subscription is not None and fields and subscription.status not in subscriptions.ENDED:
        act.update("customer.subscription.updated", subscription, **fields)


def _failed(act: Act, invoice: Invoice, intent: PaymentIntent, tried: Try, decline: Decline) -> None:
    hopeless = tried.is_automatic and tried.method is not None and payment_intents.is_declined_for_good(act, intent, tried.method)
    if tried.method is not None and not hopeless:
        charges.record(act, tried.charge, invoice, intent.id, tried.method, "failed", decline)
        payment_intents.fail(act, intent, tried.charge, decline)
    failed = _tried(act, invoice, tried)
    act.emit("invoice.payment_failed", failed)
    _after_failure(act, failed, tried)


def _requires_action(act: Act, invoice: Invoice, intent: PaymentIntent, tried: Try) -> None:
    payment_intents.require_action(act, intent, tried.method)
    waiting = _tried(act, invoice, tried)
    act.emit("invoice.payment_action_required", waiting)
    if tried.is_automatic:
        act.emit("invoice.payment_failed", waiting)
        _after_failure(act, waiting, tried, gives_up=False)


def _processing(act: Act, invoice: Invoice, intent: PaymentIntent, tried: Try) -> None:
    charges.record(act, tried.charge, invoice, intent.id, tried.method, "pending")
    payment_intents.process(act, intent, tried.method, tried.charge)
    act.arm(_tried(act, invoice, tried))
    subscriptions.payment_begun(act, invoice)


def _tried(act: Act, invoice: Invoice, tried: Try) -> Invoice:
    """The invoice after a try that did not bring the money: counted where it counts, and scheduled anew."""
    backend = act.backend
    stood = backend.invoice(invoice.id)
    count, planned = invoice.attempt_count + tried.counts, invoice.next_payment_attempt
    if tried.counts or tried.is_automatic:
        retried = is_collecting(invoice) and not _is_left_to_the_customer(backend, invoice)
        planned = next_attempt(invoice, count, backend.settings, act.now_s) if retried else None
    updated: Invoice = act.update(
        "invoice.updated", stood, attempted=True, attempt_count=count, next_payment_attempt=planned, payments=invoice.payments
    )
    return updated


def _is_left_to_the_customer(backend: Backend, invoice: Invoice) -> bool:
    """A purchase or a change that stands only once it is paid: Stripe does not try again by itself."""
    subscription = backend.books[invoice.customer].subscriptions.get(invoice.subscription or "")
    return subscription is not None and (subscription.status == "incomplete" or pending_updates.waits_for(subscription, invoice.id))


def _after_failure(act: Act, invoice: Invoice, tried: Try, *, gives_up: bool = True) -> None:
    """Only the schedule's failures make a customer delinquent and a subscription past due; its last one brings the final actions."""
    if not tried.is_automatic:
        return
    if gives_up and is_collecting(invoice) and is_used_up(invoice, act.backend.settings) and not _is_left_to_the_customer(act.backend, invoice):
        if act.backend.settings.final_invoice == "mark_uncollectible":
            invoices.set_uncollectible(act, invoice)
        subscriptions.give_up(act, invoice)
    else:
        subscriptions.invoice_failed(act, invoice)
    customers.set_delinquent(act, invoice.customer, True)
