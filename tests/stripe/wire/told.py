"""Stories of one customer on the bench, that together bring Stripe's objects into their states; and everything there is after each of their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel
from billsim.stripe.api import Stripe
from billsim.stripe.invoice_payments import of_invoice
from billsim.stripe.objects import (
    BalanceTransaction,
    Card,
    CustomerBalanceTransaction,
    Dispute,
    EvidenceDetails,
    LegacyCard,
    PaymentMethod,
    Product,
    Source,
    StripeError,
    Subscription,
)
from billsim.stripe.objects.account import TestClock, WebhookEndpoint
from billsim.stripe.settings import StripeSettings
from billsim.stripe.wire.render import Rendered, find, render, render_event
from tests.stripe.bench import BROKE, DAY_S, HOUR_S, START_S, Bench, Recorder
from tests.stripe.wire.views import CoreView, shelves_of

Step = Callable[[Bench], Any]


class WholeBench(Bench):
    """A bench whose Stripe keeps everything, as that of a sandbox does."""

    def __init__(self, settings: StripeSettings) -> None:
        self.kernel = Kernel(START_S * 1000)
        self.outbox = Recorder()
        self.stripe = Stripe(self.kernel, Seeded(1), settings, self.outbox, whole=True)
        self.outbox.acknowledges = self.stripe
        self.call("products.create", "zone_plan", {"name": "Zone"})
        self.seed_ada()


def ask(method: str, id: str = "", **params: Any) -> Step:
    """A request."""
    return lambda bench: bench.call(method, id, params, task=f"e/test/{method}/{len(bench.outbox.changes)}")


def declined(step: Step) -> Step:
    """A request of which the bank declines the payment."""

    def steps(bench: Bench) -> None:
        with pytest.raises(StripeError, match="^402 "):
            step(bench)

    return steps


def days(count: float) -> Step:
    return lambda bench: bench.days(count)


def _broke(bench: Bench) -> None:
    bench.stripe.behave("pm_ada", BROKE)


def _debit(bench: Bench) -> None:
    """Ada pays by debit, and her bank takes its time."""
    bench.stripe.seed(PaymentMethod(id="pm_bank", created=START_S, customer="cus_ada", type="sepa_debit"))
    bench.call("subscriptions.update", "sub_ada", {"default_payment_method": "pm_bank"}, task="e/test/bank")
    bench.at(DAY_S + HOUR_S - 1)
    bench.stripe.attempt_now("in_ada_1", "processing", "w/test/processing")


def _challenged(bench: Bench) -> None:
    bench.stripe.challenge("cus_ada")


def _confirmed_setup(bench: Bench) -> None:
    for intent in bench.book.setup_intents.values():
        bench.stripe.confirm_setup(intent.id, "w/test/confirm")


def _revoked(bench: Bench) -> None:
    for mandate in bench.book.mandates.values():
        bench.stripe.revoke_mandate(mandate.id, "w/test/revoke")


def _settled(bench: Bench) -> None:
    assert bench.stripe.attempt_now("in_ada_1", "declined", "w/test/settle")


def _disputed(bench: Bench) -> None:
    bench.stripe.dispute("ch_ada_1.1", "w/test/dispute", reason="fraudulent")


def _decided(won: bool) -> Step:
    return lambda bench: bench.stripe.decide_dispute("dp_ada_1.1", "w/test/decide", won=won)


PRICE = {"currency": "usd", "product": "zone_plan", "unit_amount": 9000, "recurring": {"interval": "year", "interval_count": 1}}
STORIES: dict[str, tuple[StripeSettings, tuple[Step, ...]]] = {
    "pays, is refunded and credited": (
        StripeSettings(),
        (
            days(1),
            days(2),
            ask("refunds.create", charge="ch_ada_1.1", amount=500, reason="duplicate"),
            ask("credit_notes.create", invoice="in_ada_1", credit_amount=100, reason="order_change", memo="for the wait"),
            ask("credit_notes.create", invoice="in_ada_1", refund_amount=100),
            ask("invoice_items.create", customer="cus_ada", amount=700, currency="usd", description="a visit"),
            ask("subscriptions.update", "sub_ada", items=[{"id": "si_ada", "quantity": 3}], metadata={"team": "blue"}),
            ask("subscriptions.update", "sub_ada", items=[{"id": "si_ada", "quantity": 5}], payment_behavior="pending_if_incomplete",
                proration_behavior="always_invoice"),
            days(40),
            ask("subscriptions.cancel", "sub_ada", invoice_now=True, prorate=True),
        ),
    ),
    "is broke until Stripe gives up": (
        StripeSettings(final_subscription="cancel", final_invoice="mark_uncollectible"),
        (_broke, days(1.1), days(2.5), days(20)),
    ),
    "is broke, unpaid and voided": (
        StripeSettings(final_subscription="mark_unpaid"),
        (_broke, days(20), ask("invoices.void_invoice", "in_ada_1"), days(35), ask("payment_methods.detach", "pm_ada")),
    ),
    "is disputed and wins": (StripeSettings(), (days(2), _disputed, ask("disputes.update", "dp_ada_1.1", evidence={"product_description": "beds"}),
                                                _decided(won=True))),
    "is disputed and gives in": (StripeSettings(), (days(2), _disputed, ask("disputes.close", "dp_ada_1.1"))),
    "confirms at the bank": (
        StripeSettings(),
        (
            _broke, days(1.1), _challenged, ask("invoices.pay", "in_ada_1", off_session=False),
            lambda bench: bench.stripe.confirm("pi_ada_1", "w/test/confirm"),
        ),
    ),
    "pays by debit, which fails": (
        StripeSettings(),
        (_debit, _settled, ask("setup_intents.create", customer="cus_ada", payment_method="pm_bank", confirm=True,
                                  return_url="https://example.com"), _revoked),
    ),
    "sets up cards": (
        StripeSettings(),
        (
            ask("setup_intents.create", customer="cus_ada"),
            ask("setup_intents.create", customer="cus_ada", payment_method="pm_ada"),
            _challenged,
            ask("setup_intents.create", customer="cus_ada", payment_method="pm_ada", confirm=True, usage="on_session",
                return_url="https://example.com"),
            _confirmed_setup,
            lambda bench: [ask("setup_intents.cancel", id)(bench) for id, each in bench.book.setup_intents.items() if each.status != "succeeded"],
        ),
    ),
    "subscribes anew": (
        StripeSettings(),
        (
            ask("prices.create", "price_year", **PRICE),
            ask("customers.create", "cus_bob", name="Bob", email="bob@example.com", metadata={"zone": "9"}),
            ask("payment_methods.create", "pm_bob", type="card", card={"token": "tok_chargeCustomerFail"}),
            ask("payment_methods.attach", "pm_bob", customer="cus_bob"),
            ask("subscriptions.create", "sub_bob", customer="cus_bob", items=[{"price": "price_year", "quantity": 2}],
                default_payment_method="pm_bob"),
            ask("subscriptions.create", "sub_trial", customer="cus_bob", items=[{"price": "price_year"}], trial_end=START_S + 9 * DAY_S),
            days(1.5),
            ask("subscriptions.create", "sub_sent", customer="cus_bob", items=[{"price": "price_year"}], collection_method="send_invoice",
                days_until_due=7),
            ask("subscriptions.update", "sub_sent", cancel_at_period_end=True),
            days(12),
        ),
    ),
    "pays by hand": (
        StripeSettings(),
        (
            ask("payment_intents.create", "pi_1", amount=2000, currency="usd", customer="cus_ada", capture_method="manual",
                payment_method="pm_ada", shipping={"name": "Ada", "address": {"city": "Utrecht"}}, statement_descriptor_suffix="BEDS"),
            ask("payment_intents.confirm", "pi_1", return_url="https://example.com",
                payment_method_options={"card": {"request_three_d_secure": "any"}}),
            ask("payment_intents.capture", "pi_1", amount_to_capture=1500),
            ask("payment_intents.create", "pi_2", amount=2000, currency="usd", automatic_payment_methods={"enabled": True}),
            ask("payment_intents.cancel", "pi_2", cancellation_reason="abandoned"),
            ask("payment_methods.create", "pm_stolen", type="card", card={"token": "tok_visa_chargeDeclinedStolenCard"}),
            declined(ask("payment_intents.create", "pi_3", amount=2000, currency="usd", payment_method="pm_stolen", confirm=True,
                         return_url="https://example.com")),
            ask("payment_methods.create", "pm_asks", type="card", card={"token": "tok_threeDSecureRequired"}),
            ask("payment_intents.create", "pi_4", amount=2000, currency="usd", payment_method="pm_asks", confirm=True,
                return_url="https://example.com"),
            ask("payment_methods.create", "pm_iban", type="sepa_debit", sepa_debit={"iban": "DE89370400440532013000"},
                billing_details={"name": "Ada", "email": "ada@example.com", "address": {"country": "DE"}}),
            ask("payment_intents.create", "pi_5", amount=2000, currency="eur", customer="cus_ada", payment_method="pm_iban", confirm=True,
                payment_method_types=["sepa_debit"], mandate_data={"customer_acceptance": {"type": "online", "online": {
                    "ip_address": "127.0.0.1", "user_agent": "test"}}}),
            days(9),
            ask("refunds.create", payment_intent="pi_5"),
            ask("customers.payment_sources.create", customer="cus_ada", source="tok_mastercard"),
            ask("sources.create", type="card", token="tok_visa", owner={"email": "ada@example.com"}),
            ask("products.create", name="Bed", default_price_data={"currency": "usd", "unit_amount": 500}, images=["https://example.com/a.png"]),
            ask("prices.create", product="zone_plan", currency="usd", unit_amount=100, nickname="once", lookup_key="once"),
        ),
    ),
    "is billed by hand, and pauses": (
        StripeSettings(),
        (
            ask("invoices.create", "in_1", customer="cus_ada", description="a bed", footer="thank you", auto_advance=False,
                custom_fields=[{"name": "PO", "value": "7"}]),
            ask("invoices.add_lines", "in_1", lines=[{"amount": 500, "description": "a bed"}]),
            ask("invoices.finalize_invoice", "in_1"),
            ask("invoices.pay", "in_1", paid_out_of_band=True),
            ask("subscriptions.update", "sub_ada", pause_collection={"behavior": "void"}, description="for the house"),
            ask("subscriptions.update", "sub_ada", cancel_at=START_S + 40 * DAY_S,
                cancellation_details={"comment": "no beds", "feedback": "missing_features"}),
            days(2),
            ask("subscriptions.create", "sub_pauses", customer="cus_ada", items=[{"price": "price_pro_monthly"}], trial_end=START_S + 9 * DAY_S,
                trial_settings={"end_behavior": {"missing_payment_method": "pause"}}),
            ask("customers.update", "cus_ada", invoice_settings={"default_payment_method": ""}),
            days(11),
            days(45),
        ),
    ),
    "is charged directly": (
        StripeSettings(),
        (
            ask("charges.create", "ch_token", amount=500, currency="usd", source="tok_visa", description="a bed", statement_descriptor_suffix="BEDS"),
            declined(ask("charges.create", "ch_stolen", amount=500, currency="usd", source="tok_visa_chargeDeclinedStolenCard")),
            ask("customers.payment_sources.create", customer="cus_ada", source="tok_mastercard"),
            ask("charges.create", "ch_held", amount=500, currency="usd", customer="cus_ada", capture=False, metadata={"bed": "1"}),
            ask("charges.create", "ch_freed", amount=500, currency="usd", customer="cus_ada", capture=False),
            ask("charges.capture", "ch_held", amount=400),
            ask("refunds.create", charge="ch_freed"),
            ask("sources.create", "src_iban", type="sepa_debit", sepa_debit={"iban": "AT611904300234573201"}, owner={"name": "Ada"}),
            ask("charges.create", "ch_debit", amount=500, currency="eur", source="src_iban"),
            days(14),
        ),
    ),
    "pays in parts, and pauses": (
        StripeSettings(),
        (
            ask("subscriptions.create", "sub_flexible", customer="cus_ada", items=[{"price": "price_pro_monthly"}]),
            ask("invoices.create", "in_1", customer="cus_ada", collection_method="send_invoice", days_until_due=30),
            ask("invoices.add_lines", "in_1", lines=[{"amount": 1000, "description": "a bed"}]),
            ask("invoices.finalize_invoice", "in_1"),
            ask("payment_intents.create", "pi_part", amount=400, currency="usd", customer="cus_ada", payment_method="pm_ada"),
            ask("invoices.attach_payment", "in_1", payment_intent="pi_part"),
            ask("payment_intents.confirm", "pi_part", return_url="https://example.com"),
            days(10),
            ask("subscriptions.pause", "sub_flexible", invoicing_behavior="invoice"),
            days(20),
            ask("subscriptions.resume", "sub_flexible"),
        ),
    ),
    "is billed flexibly": (
        StripeSettings(upcoming_days=3, will_be_due_days=2),
        (
            ask("prices.create", "price_calls", product="zone_plan", currency="usd", unit_amount_decimal="0.125",
                recurring={"interval": "month", "interval_count": 3}),
            ask("subscriptions.create", "sub_mixed", customer="cus_ada", items=[{"price": "price_pro_monthly"},
                {"price": "price_calls", "quantity": 999}]),
            days(10),
            ask("subscriptions.update", "sub_mixed", items=[{"id": "si_mixed", "quantity": 2}]),
            days(12),
            ask("subscriptions.update", "sub_mixed", items=[{"id": "si_mixed", "quantity": 1}], proration_behavior="always_invoice"),
            ask("subscriptions.migrate", "sub_ada", billing_mode={"type": "flexible", "flexible": {"proration_discounts": "itemized"}}),
            ask("subscriptions.create", "sub_free", customer="cus_ada", items=[{"price": "price_pro_monthly"}], trial_period_days=30,
                payment_behavior="default_incomplete"),
            ask("subscriptions.update", "sub_free", items=[{"price": "price_calls", "quantity": 8}]),
            ask("subscriptions.create", "sub_past", customer="cus_ada", items=[{"price": "price_calls", "quantity": 8}],
                backdate_start_date=START_S - 100 * DAY_S, collection_method="send_invoice", days_until_due=9),
            days(31),
        ),
    ),
}  # fmt: skip
"""Name -> the account's settings, and the steps."""

# What no story of a core makes.
BESIDE = (
    BalanceTransaction(id="txn_other", amount=-1, fee=0, net=-1, created=START_S, currency="usd"),
    Dispute(id="dp_asked", created=START_S, amount=5, charge="ch_gone", currency="usd", status="warning_needs_response",
            evidence_details=EvidenceDetails(START_S + DAY_S)),
    CustomerBalanceTransaction(id="cbtxn_1", created=START_S, amount=-500, currency="usd", customer="cus_ada", ending_balance=-500),
    LegacyCard(id="card_ada", created=START_S, customer="cus_ada", card=Card("amex", "0005")),
    Product(id="prod_bed", created=START_S, name="Bed"),
    Source(id="src_ada", created=START_S, customer="cus_ada", card=Card()),
    Source(id="src_bank", created=START_S, type="sepa_debit", kept={"sepa_debit": {"last4": "3000"}, "owner": {"email": "ada@example.com"}}),
    *[
        PaymentMethod(id=f"pm_{kind}", created=START_S, customer="cus_ada", type=kind)
        for kind in ("paypal", "link", "us_bank_account", "sepa_debit")
    ],
    TestClock(id="clock_1", created=START_S, frozen_time=START_S, deletes_after=START_S + 30 * DAY_S),
    TestClock(id="clock_2", created=START_S, frozen_time=START_S, deletes_after=START_S, status="advancing", advances_to=START_S + DAY_S),
    WebhookEndpoint(id="we_1", created=START_S, url="https://example.com", enabled_events=("*",), secret="whsec_1"),
)  # fmt: skip


def told(name: str) -> Iterator[tuple[Bench, CoreView]]:
    """The bench after each step of a story."""
    settings, steps = STORIES[name]
    bench = WholeBench(settings)
    bench.stripe.resume()
    view = CoreView(bench.stripe, clock="clock_1")
    for step in (lambda _: None, *steps):
        step(bench)
        yield bench, view


def things_of(bench: Bench) -> list[Any]:
    """Every lean object there is."""
    found: list[Any] = [*bench.stripe.prices.values(), *bench.stripe.products.values()]
    for book in (*bench.stripe.books.values(), bench.stripe.unattached):
        found += [thing for thing in (book.customer, *[thing for shelf in shelves_of(book) for thing in shelf.values()]) if thing is not None]
    items = [item for thing in found if isinstance(thing, Subscription) for item in thing.items.data]
    lines = [line for thing in found if thing.object == "invoice" for line in thing.lines.data]
    payments = [payment for thing in found if thing.object == "invoice" for payment in of_invoice(bench.stripe.books[thing.customer], thing)]
    return [*found, *items, *lines, *payments]


def everything() -> Iterator[tuple[Any, Rendered, CoreView]]:
    """Every object as it stood after each step of each story, rendered then; and every event, rendered as it was emitted."""
    for name in STORIES:
        for bench, view in told(name):
            for thing in things_of(bench):
                yield thing, render(thing, view), view
            moved = [find(f"txn_{thing.id.partition('_')[2]}", view) for thing in things_of(bench) if thing.object in ("charge", "refund")]
            yield from ((each, render(each, view), view) for each in moved if each is not None)
            for emitted in bench.outbox.events:
                yield emitted, render_event(emitted, view), view
            bench.outbox.events.clear()
    bench = Bench()
    view = CoreView(bench.stripe)
    yield from ((thing, render(thing, view), view) for thing in BESIDE)
