"""Requests made up from the SDK's types, about whatever there is: each is answered or refused, and none finds a fault of ours."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

import pytest

from billsim.stripe.methods import METHODS
from billsim.stripe.sandbox import START_S, Sandbox
from billsim.stripe.sdk import client
from billsim.stripe.wire import forms, spec
from billsim.stripe.wire.message import Request, Response
from billsim.stripe.wire.routes import ROUTES, Route, path_of

REQUESTS = 3_000
HEADERS = {"Authorization": "Bearer sk_test_1", "Content-Type": "application/x-www-form-urlencoded"}
# What a parameter of this name names.
NAMES = {"default_payment_method": "payment_method", "default_source": "card", "source": "card", "subscription_item": "subscription_item"}
WORDS = {"currency": ("usd", "usd", "eur"), "token": ("tok_visa",), "iban": ("AT611904300234573201",), "payment_method": ("pm_card_visa",)}
USUAL = {"customer", "items", "amount", "invoice", "price", "charge", "payment_intent", "subscription", "currency", "unit_amount", "recurring"}
DESTROYS = ("customers.delete", "test_helpers.test_clocks.delete", "products.delete", "webhook_endpoints.create")


class Asker:
    """Makes requests up, and remembers the ids that it is told."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.sandbox = Sandbox(seed=seed)
        self.ids: dict[str, list[str]] = defaultdict(list)

    def handle(self, request: Request) -> Response:
        answer = self.sandbox.handle(request)
        assert answer.status < 500, (request, answer)
        if answer.status == 200:
            self._learn(json.loads(answer.body))
        return answer

    def begin(self) -> None:
        """A customer, perhaps on a clock of its own, with a subscription in one state or another."""
        v1, rng = client(self).v1, self.rng
        interval = rng.choice(["day", "week", "month"])
        price = v1.prices.create({"currency": "usd", "unit_amount": 2000, "recurring": {"interval": interval}, "product_data": {"name": "P"}}).id
        clock = {"test_clock": v1.test_helpers.test_clocks.create({"frozen_time": self.sandbox.now_s}).id} if rng.random() < 0.4 else {}
        method = rng.choice(["pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"])
        ada = v1.customers.create({"payment_method": method, "invoice_settings": {"default_payment_method": method}, **clock}).id
        kinds: tuple[dict[str, Any], ...] = ({}, {"trial_period_days": 3}, {"payment_behavior": "default_incomplete"})
        v1.subscriptions.create({"customer": ada, "items": [{"price": price}], "expand": ["latest_invoice.payments"], **rng.choice(kinds)})
        for service in (v1.charges, v1.payment_intents, v1.payment_methods):
            service.list({"customer": ada})

    def ask(self, route: Route) -> int:
        """One request; its status."""
        known = METHODS[route.name].params if route.name in METHODS else spec.parameters(route.params)
        params = self._hash(route.params, 0, set(known))
        params.update({owner: self._id(owner) for owner in route.owners})
        kind = "test_helpers.test_clock" if route.answers == "test_clock" else route.answers
        path, rest = path_of(route, self._id(kind) if route.takes_id else "", params)
        form, posts = forms.encode(rest), route.method == "POST"
        return self.handle(Request(route.method, path, "" if posts else form, HEADERS, form.encode() if posts else b"")).status

    def _hash(self, name: str, depth: int, known: set[str] | None = None) -> dict[str, Any]:
        made = {}
        for field, parameter in spec.hash_fields(name).items():
            likely = (0.08 if depth == 0 else 0.3 if depth < 3 else 0.1) if known is None or field in known else 0.001
            likely = 0.6 if depth == 0 and field in USUAL else likely
            if field != "expand" and (parameter.required or self.rng.random() < likely):
                made[field] = "" if parameter.unsets and self.rng.random() < 0.1 else self._value(parameter.node, field, depth)
        return {field: value for field, value in made.items() if field != "price_data" or "price" not in made}

    def _value(self, node: spec.Node, name: str, depth: int) -> Any:
        rng = self.rng
        if isinstance(node, spec.Many):
            return [self._value(node.each, name, depth + 1) for _ in range(rng.choice([1, 1, 2]))]
        if isinstance(node, spec.Map):
            return {"k": self._value(node.each, name, depth + 1)}
        if isinstance(node, spec.Hash):
            return self._hash(node.name, depth + 1)
        if isinstance(node, spec.Either):
            return self._value(rng.choice(node.of), name, depth)
        if node.type == "integer":
            return rng.choice([0, 1, 2, 100, 2000, -5, START_S, self.sandbox.now_s + rng.randrange(60 * 86_400)])
        if node.type != "string" or node.values:
            return rng.choice(node.values or {"boolean": ("true", "false")}.get(node.type, ("1.5", "2")))
        if self.ids.get(NAMES.get(name, name)):
            return self._id(NAMES.get(name, name))
        return rng.choice(WORDS.get(name, ("x", "2024", "usd", "tok_visa")))

    def _id(self, kind: str) -> str:
        return self.rng.choice(self.ids[kind]) if self.ids.get(kind) else "x_1"

    def _learn(self, told: Any) -> None:
        if isinstance(told, dict):
            if isinstance(told.get("id"), str) and isinstance(told.get("object"), str) and told["id"] not in self.ids[told["object"]]:
                self.ids[told["object"]] = [*self.ids[told["object"]][-11:], told["id"]]
            told = list(told.values())
        for each in told if isinstance(told, list) else ():
            self._learn(each)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_request_is_answered_or_refused(seed: int) -> None:
    asker = Asker(seed)
    statuses: dict[int, int] = defaultdict(int)
    performed = set()
    for number in range(REQUESTS):
        if number % 150 == 0:
            asker.begin()
        if number % 100 == 99:
            asker.sandbox.advance(days=asker.rng.choice([1, 3, 10]))
        route = asker.rng.choice(ROUTES)
        if route.name in DESTROYS and asker.rng.random() < 0.8:
            continue
        status = asker.ask(route)
        statuses[status] += 1
        if status == 200:
            performed.add(route.name)
    assert set(statuses) <= {200, 400, 402, 404}
    assert statuses[200] > REQUESTS / 4 and len(performed) > 60
