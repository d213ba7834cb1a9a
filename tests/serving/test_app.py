"""The simulated Stripe over a real socket: what it answers to, what it refuses, and that no refusal leaves a trace."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

pytest.importorskip("uvicorn")

import uvicorn

from billsim.serving.app import MOST_BODY, Served, application
from billsim.serving.server import listening
from billsim.stripe.sandbox import Sandbox
from tests.processes import happens

AUTH = {"Authorization": "Bearer sk_test_example"}
FORM = {**AUTH, "Content-Type": "application/x-www-form-urlencoded"}


class Server:
    """A sandbox that is served on a thread."""

    def __init__(self, sandbox: Sandbox, port: int, served: list[Served]) -> None:
        self.sandbox = sandbox
        self.port = port
        self.served = served
        self.url = f"http://127.0.0.1:{port}"


@contextmanager
def serving(*hosts: str) -> Iterator[Server]:
    sandbox, served = Sandbox(seed=7), []
    with listening("127.0.0.1", 0) as opened:
        app: Any = application(sandbox, hosts or ("127.0.0.1", "localhost"), served.append)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        assert happens(lambda: server.started)
        try:
            yield Server(sandbox, opened.getsockname()[1], served)
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def error_of(answer: requests.Response) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_a_customer_is_made_and_found_again(server: Server) -> None:
    made = requests.post(f"{server.url}/v1/customers", headers=AUTH, data={"name": "Ada", "metadata[team]": "blue"}, timeout=10)
    assert (made.status_code, made.json()["name"], made.json()["metadata"]) == (200, "Ada", {"team": "blue"})
    found = requests.get(f"{server.url}/v1/customers/{made.json()['id']}", headers=AUTH, timeout=10)
    assert found.json() == made.json()
    assert found.headers["Request-Id"].startswith("req_") and found.headers["Stripe-Version"]
    assert (server.served[-1].status, server.served[-1].request_id) == (200, found.headers["Request-Id"])


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "", "[::1"])
def test_a_host_that_is_not_ours_is_refused_in_stripes_words(server: Server, host: str) -> None:
    refused = requests.get(f"{server.url}/v1/customers", headers={**AUTH, "Host": host}, timeout=10)
    assert refused.status_code == 400
    assert error_of(refused)["type"] == "invalid_request_error" and "127.0.0.1" in error_of(refused)["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:12121", "127.0.0.1:80"])
def test_its_own_names_are_answered_to_with_any_port(server: Server, host: str) -> None:
    assert requests.get(f"{server.url}/v1/customers", headers={**AUTH, "Host": host}, timeout=10).status_code == 200


def test_who_listens_everywhere_is_reached_by_any_address_and_by_names_that_were_told() -> None:
    with serving("0.0.0.0", "stripe") as server:
        for host, status in (("192.0.2.7:12121", 200), ("[2001:db8::1]", 200), ("stripe", 200), ("example.com", 400)):
            assert requests.get(f"{server.url}/v1/customers", headers={**AUTH, "Host": host}, timeout=10).status_code == status, host


def test_a_body_is_as_long_as_it_may_be_and_no_longer(server: Server) -> None:
    head = b"description="
    longest = requests.post(f"{server.url}/v1/customers", headers=FORM, data=head + b"a" * (MOST_BODY - len(head)), timeout=10)
    assert longest.status_code == 400 and "413" not in longest.text, "it is read, and refused for what is in it"
    longer = requests.post(f"{server.url}/v1/customers", headers=FORM, data=head + b"a" * (MOST_BODY - len(head) + 1), timeout=10)
    assert longer.status_code == 413 and "1,000,000" in error_of(longer)["message"]


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off(server: Server) -> None:
    parts = (b"a" * 100_000 for _ in range(30))
    refused = requests.post(f"{server.url}/v1/customers", headers=FORM, data=parts, timeout=10)
    assert refused.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/customers", b"name=%ff%fe", 400),
        ("POST", "/v1/customers", b"\xff\xfe\x00", 400),
        ("GET", "/v1/customers/%ff%00", b"", 404),
        ("GET", "/v1/nothing", b"", 404),
        ("GET", "/../../etc/passwd", b"", 404),
        ("PUT", "/v1/customers", b"", 404),
        ("PATCH", "/v1/customers/cus_1", b"", 404),
    ],
)
def test_what_makes_no_sense_is_refused_in_stripes_words(server: Server, method: str, path: str, body: bytes, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body, FORM)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert (answer.status, told["error"]["type"]) == (status, "invalid_request_error")


def test_nobody_without_a_key_of_a_sandbox_is_let_in(server: Server) -> None:
    for headers in ({}, {"Authorization": "Bearer sk_live_example"}, {"Authorization": "Basic !!"}, {"Authorization": "Bearer "}):
        refused = requests.get(f"{server.url}/v1/customers", headers=headers, timeout=10)
        assert refused.status_code == 401, headers


def test_ten_thousand_malformed_requests_leave_it_answering_and_unchanged() -> None:
    """Bytes that are hardly HTTP, and HTTP that is hardly a request; of the latter every one is answered, and none with a 5xx."""
    chance = random.Random(7)
    with serving() as server:
        made = requests.post(f"{server.url}/v1/customers", headers=AUTH, data={"name": "Ada"}, timeout=10).json()
        before = server.sandbox.digest()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for number in range(9_500):
            method, path, headers, body = malformed(chance, number, made["id"])
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            told = answer.read()
            assert 400 <= answer.status < 500, (method, path, headers, body, answer.status, told)
            assert method == "HEAD" or "error" in json.loads(told)
        connection.close()
        for _ in range(500):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
                raw.sendall(chance.randbytes(chance.randrange(1, 200)) + chance.choice([b"", b"\r\n\r\n"]))
        assert server.sandbox.digest() == before
        assert requests.get(f"{server.url}/v1/customers/{made['id']}", headers=AUTH, timeout=10).json() == made


def malformed(chance: random.Random, number: int, customer: str) -> tuple[str, str, dict[str, str], bytes]:
    """A request that nothing may come of."""
    bodies = [
        b"name[=1",
        b"metadata[a][b][c]=1",
        b"[]=1",
        b"unknown_parameter=1",
        b"name=%ff",
        b"metadata=notahash",
        b"invoice_settings[default_payment_method]=pm_nobody",
        b"expand[]=nothing",
        b"&".join(b"a[%d]=1" % each for each in range(300)),
        b"balance=" + b"9" * 400,
        b"name[" * 200,
        chance.randbytes(60),
    ]
    match number % 6:
        case 0:
            return "POST", "/v1/customers", FORM, b"preferred_locales=x&" + chance.choice(bodies)
        case 1:
            return "POST", f"/v1/customers/{customer}", FORM, b"preferred_locales=x&" + chance.choice(bodies)
        case 2:
            return "POST", "/v1/customers", {**AUTH, "Content-Type": "application/json"}, b'{"name": "Ada"}'
        case 3:
            path = "/v1/" + "".join(chance.choice("abc/%._~") for _ in range(chance.randrange(1, 40)))
            return chance.choice(["GET", "POST", "DELETE", "PUT"]), path, FORM, b""
        case 4:
            return "POST", "/v1/customers", {"Authorization": "Bearer " + "x" * chance.randrange(200)}, chance.choice(bodies)
        case _:
            query = chance.choice(["limit=0", "limit=many", "starting_after=cus_nobody", "created[gte]=never", "limit[]=1", "expand[]=data.no"])
            return "GET", f"/v1/customers?{query}", AUTH, b""
