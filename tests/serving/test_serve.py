"""`billsim serve --stripe` as its users meet it: the SDK over HTTP, webhooks that verify, test clocks, Ctrl-C, and what is said of mistakes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from billsim.cli import answer
from tests.processes import happens, started

stripe = pytest.importorskip("stripe")
pytest.importorskip("uvicorn")

SECRET = "whsec_example"


class Receiver:
    """An endpoint of the user's: verifies what it is posted with the SDK, as users do, and refuses the first `refuses` posts."""

    def __init__(self, refuses: int) -> None:
        self.events: list[Any] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = stripe.Webhook.construct_event(body, self.headers["Stripe-Signature"], SECRET)
                status = 500 if len(receiver.statuses) < refuses else 200
                receiver.statuses.append(status)
                if status == 200:
                    receiver.events.append(event)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks"


@contextmanager
def receiver(refuses: int = 0) -> Iterator[Receiver]:
    made = Receiver(refuses)
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@contextmanager
def serving(folder: Path, *arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = started("serve", "--stripe", "--port", 0, *arguments, cwd=folder)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, process.stderr and process.stderr.read())
        yield found[0], process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def client(url: str) -> Any:
    return stripe.StripeClient("sk_test_example", base_addresses={"api": url}, max_network_retries=0)


def test_the_official_sdk_renews_a_subscription_by_a_test_clock_and_every_webhook_verifies(tmp_path: Path) -> None:
    with receiver() as endpoint, serving(tmp_path, "--webhook", endpoint.url, "--webhook-secret", SECRET) as (url, _):
        api = client(url).v1
        clock = api.test_helpers.test_clocks.create({"frozen_time": 1_767_225_600})
        customer = api.customers.create({"name": "Ada", "test_clock": clock.id})
        card = api.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        api.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
        product = api.products.create({"name": "Pro"})
        price = api.prices.create({"product": product.id, "currency": "usd", "unit_amount": 2_000, "recurring": {"interval": "month"}})
        made = api.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
        assert made.status == "active"
        month = 1_767_225_600 + 31 * 86_400 + 2 * 3_600
        advanced = api.test_helpers.test_clocks.advance(clock.id, {"frozen_time": month})
        assert advanced.status in ("advancing", "ready")
        invoices = list(api.invoices.list({"customer": customer.id}).auto_paging_iter())
        assert [(each.status, each.billing_reason, each.amount_paid) for each in invoices] == [
            ("paid", "subscription_cycle", 2_000),
            ("paid", "subscription_create", 2_000),
        ]
        told = [each.id for each in api.events.list({"limit": 100}).auto_paging_iter()][::-1]
        assert happens(lambda: len(endpoint.events) >= len(told))
        assert [each.id for each in endpoint.events] == told
        renewed = [each for each in endpoint.events if each.type == "invoice.paid"]
        assert [each.data.object["id"] for each in renewed] == [each.id for each in invoices[::-1]]


def test_an_endpoint_that_fails_is_asked_again_and_has_the_event_in_the_end(tmp_path: Path) -> None:
    with receiver(refuses=2) as endpoint:
        options = ("--webhook", endpoint.url, "--webhook-secret", SECRET, "--webhook-retry", "0.05,0.1")
        with serving(tmp_path, *options) as (url, _):
            client(url).v1.customers.create({"name": "Ada"})
            assert happens(lambda: len(endpoint.events) == 1)
        assert endpoint.statuses == [500, 500, 200]
        assert endpoint.events[0].type == "customer.created"


def test_faults_of_a_scenario_befall_the_webhooks_the_same_under_the_same_seed(tmp_path: Path) -> None:
    told = tmp_path / "twins.toml"
    told.write_text(
        'id = "twins"\nrule = "Many a change is told by two events, or late."\nfrom = "hand"\n'
        "start = 2026-03-01T00:00:00Z\nuntil = 2026-03-02T00:00:00Z\n"
        'given = [ { account = "ada", price = 2000 } ]\n[faults]\ntwin = { ppm = 500000 }\nlate = { ppm = 500000, minutes = 240 }\n',
        encoding="utf-8",
    )

    def arrivals() -> list[str]:
        with receiver() as endpoint, serving(tmp_path, "--webhook", endpoint.url, "--webhook-secret", SECRET, "--seed", 3, told) as (url, _):
            api = client(url).v1
            for number in range(8):
                made = api.customers.create({"name": f"Ada {number}"})
            assert made.created == 1_772_323_200, "the start of the scenario"
            seen: list[int] = []

            def nothing_more_comes() -> bool:
                """For longer than a server waits before it lets go what is late."""
                seen.append(len(endpoint.events))
                return len(seen) > 100 and seen[-100] == seen[-1] >= 8

            assert happens(nothing_more_comes)
            return [each.id for each in endpoint.events]

    first = arrivals()
    assert len(first) > 8 and first != sorted(first, key=first.index)[::-1]
    assert arrivals() == first


def test_the_same_requests_are_answered_with_the_same_bytes_by_two_servers(tmp_path: Path) -> None:
    def answers() -> list[Any]:
        with serving(tmp_path, "--seed", 5) as (url, _):
            api = client(url).v1
            made = api.customers.create({"name": "Ada"}, {"idempotency_key": "one"})
            return [str(made), str(api.customers.retrieve(made.id)), made.last_response.headers["request-id"]]

    assert answers() == answers()


def test_ctrl_c_ends_it_in_good_order(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, process):
        client(url).v1.customers.create({"name": "Ada"})
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert "Traceback" not in err, err
        assert process.returncode in (0, 130), (out, err)


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert answer(["serve", "--stripe", "--port", str(taken.getsockname()[1])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--port" in line and "in use" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--stripe"),
        (["--stripe", "--port", "70000"], "0 to 65535"),
        (["--stripe", "--seed", "-1"], "--seed"),
        (["--stripe", "--webhook", "nowhere"], "http://127.0.0.1:8000/webhooks"),
        (["--stripe", "--webhook-retry", "soon"], "--webhook-retry"),
        (["--stripe", "--start", "tomorrow"], "--start"),
        (["--stripe", "--host", "no.such.host.invalid"], "cannot listen"),
        (["--stripe", "dunning/no_such_story"], "no_such_story"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["serve", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_an_error_is_one_json_object_for_who_asks_over_http(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _), pytest.raises(stripe.InvalidRequestError) as caught:
        client(url).v1.customers.retrieve("cus_nobody")
    assert caught.value.code == "resource_missing" and json.loads(caught.value.http_body)["error"]["type"] == "invalid_request_error"
