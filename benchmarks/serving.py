"""The simulated Stripe over HTTP beside localstripe (https://pypi.org/project/localstripe/), on the same calls, in one run, in turns.

`python -m benchmarks.serving [ROUNDS]`: each server in a process of its own on loopback, one client that keeps one connection to each and waits for
each answer. localstripe is installed for it into a folder that is removed afterwards. Its store is written to disk with every change; ours is not,
as nothing of a simulation has to outlive it. Requests a second by wall clock, and the ratio, ours to theirs: above 1 is faster.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

LOCALSTRIPE = "localstripe==1.15.10"
CARD = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123"}
TURNS = 5
Ask = Callable[..., dict[str, Any]]


def main(rounds: int = 150) -> None:
    """Print requests a second for each call, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        theirs = install(Path(folder))
        with served([theirs, "--from-scratch", "--port", "{port}"], folder) as their_url, served(OURS, folder) as our_url:
            took: dict[str, dict[str, list[float]]] = {name: {"ours": [], "theirs": []} for name in CALLS}
            for _ in range(TURNS):
                for who, url in (("ours", our_url), ("theirs", their_url)):
                    for name, seconds in turn(asking(url), rounds).items():
                        took[name][who].append(seconds)
    ratios = []
    for name, found in took.items():
        ours, theirs_s = statistics.median(found["ours"]), statistics.median(found["theirs"])
        ratios.append(theirs_s / ours)
        print(f"{name:28} {rounds / ours:8.0f} a second, localstripe {rounds / theirs_s:8.0f}: {theirs_s / ours:5.2f} times")
    print(f"{'geometric mean':28} {statistics.geometric_mean(ratios):.2f} times, least {min(ratios):.2f}")


OURS = [sys.executable, "-m", "billsim.cli", "serve", "--stripe", "--quiet", "--port", "{port}"]


def customers_create(ask: Ask, _made: dict[str, str], number: int) -> None:
    """A customer, with metadata."""
    ask("POST", "/v1/customers", {"email": f"ada{number}@example.com", "name": "Ada", "metadata[account]": str(number)})


def customers_retrieve(ask: Ask, made: dict[str, str], _number: int) -> None:
    """A customer that is there."""
    ask("GET", f"/v1/customers/{made['customer']}")


def customers_update(ask: Ask, made: dict[str, str], number: int) -> None:
    """Its name and a key of its metadata."""
    ask("POST", f"/v1/customers/{made['customer']}", {"name": f"Ada {number}", "metadata[seen]": str(number)})


def methods_create_and_attach(ask: Ask, made: dict[str, str], _number: int) -> None:
    """A card, and to whom it belongs: two requests."""
    method = ask("POST", "/v1/payment_methods", CARD)["id"]
    ask("POST", f"/v1/payment_methods/{method}/attach", {"customer": made["customer"]})


def products_create(ask: Ask, _made: dict[str, str], number: int) -> None:
    """A product."""
    ask("POST", "/v1/products", {"name": f"Product {number}"})


def intents_create(ask: Ask, made: dict[str, str], _number: int) -> None:
    """A payment that is to be confirmed."""
    ask("POST", "/v1/payment_intents", {"amount": "1000", "currency": "usd", "customer": made["customer"], "payment_method": made["method"]})


def items_create(ask: Ask, made: dict[str, str], _number: int) -> None:
    """An invoice item."""
    ask("POST", "/v1/invoiceitems", {"customer": made["customer"], "amount": "1000", "currency": "usd"})


def methods_list(ask: Ask, made: dict[str, str], _number: int) -> None:
    """What the customer pays with: a page of ten."""
    ask("GET", f"/v1/payment_methods?customer={made['customer']}&type=card&limit=10")


CALLS: dict[str, Callable[[Ask, dict[str, str], int], None]] = {
    "customers.create": customers_create,
    "customers.retrieve": customers_retrieve,
    "customers.update": customers_update,
    "payment_methods, attach": methods_create_and_attach,
    "payment_methods.list": methods_list,
    "products.create": products_create,
    "payment_intents.create": intents_create,
    "invoice_items.create": items_create,
}


def turn(ask: Ask, rounds: int) -> dict[str, float]:
    """Seconds that so many rounds of each call take, on a customer who is new."""
    customer = ask("POST", "/v1/customers", {"email": "ada@example.com"})["id"]
    method = ask("POST", "/v1/payment_methods", CARD)["id"]
    ask("POST", f"/v1/payment_methods/{method}/attach", {"customer": customer})
    made, took = {"customer": customer, "method": method}, {}
    for name, call in CALLS.items():
        call(ask, made, rounds)
        began = time.perf_counter()
        for number in range(rounds):
            call(ask, made, number)
        took[name] = time.perf_counter() - began
    return took


def asking(url: str) -> Ask:
    """A client of a server, on one connection."""
    session = requests.Session()
    session.trust_env = False
    session.auth = ("sk_test_example", "")

    def ask(method: str, path: str, data: dict[str, str] | None = None) -> dict[str, Any]:
        answer = session.request(method, url + path, data=data, timeout=30)
        if answer.status_code != 200:
            raise SystemExit(f"{method} {path} at {url}: {answer.status_code} {answer.text[:500]}")
        return dict(answer.json())

    return ask


@contextmanager
def served(command: list[str], folder: str) -> Iterator[str]:
    """A server in a process of its own, on a port that is free; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOME": folder}
    started = [part.format(port=port) for part in command]
    with subprocess.Popen(started, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"the server did not start: {process.args}")


def install(folder: Path) -> str:
    """localstripe, in an environment of its own; its command."""
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check", LOCALSTRIPE]
    subprocess.run(pip, check=True)
    found = shutil.which("localstripe", path=str(folder / "venv" / "bin"))
    assert found is not None, "pip has installed its command"
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
