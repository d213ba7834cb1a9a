"""stripe-mock, Stripe's own mock of its API (https://github.com/stripe/stripe-mock): found, or brought up for as long as it is needed.

First a URL that somebody gives, then Docker Compose where an engine answers, then Go, which builds the pinned version once and keeps it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

VERSION = "v0.203.0"
MODULE = f"github.com/stripe/stripe-mock@{VERSION}"
URL_VARIABLE = "BILLSIM_STRIPE_MOCK"
SERVICE, COMPOSED = "stripe-mock", "http://127.0.0.1:12111"
BUILD_S, COMPOSE_S, ANSWER_S = 600, 300, 30
# With port 0 the machine chooses; without the second address it would open HTTPS to everybody.
_ADDRESSES = ("-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0")
_LISTENS = re.compile(r"Listening for HTTP at address: (\S+)")


class NoMockError(Exception):
    """There is no stripe-mock here, nor what would bring one; says what was tried."""


class Answer(msgspec.Struct, frozen=True):
    """What stripe-mock answers: the HTTP status and the object."""

    status: int
    body: dict[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether the request is one that Stripe takes."""
        return 200 <= self.status < 300

    @property
    def complaint(self) -> str:
        """Its error message, '' for none. Addresses in memory differ each time that it is started, and are left out."""
        message = str(self.body.get("error", {}).get("message", "")) if not self.accepted else ""
        return re.sub(r"0x[0-9a-fA-F]+", "0x...", message)


class Mock:
    """A stripe-mock that answers at a URL. `origin`: how it came to be there. Used in a `with`, or closed by hand."""

    def __init__(self, url: str, origin: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NoMockError(f"{url!r} is no address of a stripe-mock: it looks like http://127.0.0.1:12111")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.url, self.origin = url, origin
        self._connection = kind(parts.hostname, parts.port, timeout=ANSWER_S)
        self._base = parts.path.rstrip("/")

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Have it answer a request. Raises NoMockError where it does not answer, or with what is no JSON."""
        target = f"{self._base}{path}{f'?{query}' if query else ''}"
        # A POST without a content type is refused, were it ever so empty.
        sent = {"Authorization": "Bearer sk_test_123", "Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        try:
            self._connection.request(method, target, body=body or None, headers=sent)
            answer = self._connection.getresponse()
            return Answer(answer.status, msgspec.json.decode(answer.read(), type=dict[str, Any]))
        except (OSError, HTTPException, msgspec.DecodeError) as failure:
            self._connection.close()
            raise NoMockError(f"{self.url} does not answer as stripe-mock does: {failure}") from None

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@contextmanager
def stripe_mock(url: str = "") -> Iterator[Mock]:
    """A stripe-mock: at `url` or $BILLSIM_STRIPE_MOCK, from Docker Compose, or built with Go; what was started for this ends with it.

    Raises NoMockError.
    """
    given = url or os.environ.get(URL_VARIABLE, "")
    found: AbstractContextManager[Mock]
    if given:
        found = closing(Mock(given, "given"))
    else:
        compose = _compose_file()
        found = _composed(compose) if compose is not None else _built()
    with found as mock:
        _require_it_is_one(mock)
        yield mock


def _require_it_is_one(mock: Mock) -> None:
    answer = mock.ask("GET", "/v1/customers/cus_1")
    if answer.body.get("object") != "customer":
        raise NoMockError(f"{mock.url} answers, but not as stripe-mock does")


# -- Docker Compose


def _compose_file() -> Path | None:
    """The compose.yaml of a clone, where a Docker engine answers."""
    file = Path(__file__).parents[3] / "compose.yaml"
    return file if file.is_file() and _succeeds("docker", "info") and _succeeds("docker", "compose", "version") else None


def _succeeds(*command: str) -> bool:
    try:
        return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True, timeout=ANSWER_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextmanager
def _composed(file: Path) -> Iterator[Mock]:
    compose = ("docker", "compose", "--file", str(file))
    was_up = bool(_run((*compose, "ps", "--status", "running", "--quiet", SERVICE), ANSWER_S).strip())
    if not was_up:
        _run((*compose, "up", "--detach", "--wait", SERVICE), COMPOSE_S)
    mock = Mock(COMPOSED, f"docker compose, {SERVICE} {VERSION}")
    try:
        yield mock
    finally:
        mock.close()
        if not was_up:
            _run((*compose, "rm", "--stop", "--force", SERVICE), ANSWER_S)


def _run(command: tuple[str, ...], seconds: int, **environment: str) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env={**os.environ, **environment})
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise NoMockError(f"{' '.join(command[:3])} did not work: {failure}") from None
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        raise NoMockError(f"{' '.join(command[:3])} did not work: {last}")
    return ended.stdout


# -- Go


@contextmanager
def _built() -> Iterator[Mock]:
    process = subprocess.Popen((str(_binary()), *_ADDRESSES), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        mock = Mock(f"http://{_address(process)}", f"go install {MODULE}")
        try:
            yield mock
        finally:
            mock.close()
    finally:
        process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if (found := _LISTENS.search(line)) is not None:
            return found[1]
    raise NoMockError(f"stripe-mock {VERSION} ended as soon as it was started")


def _binary() -> Path:
    """The program, built where it has not been yet."""
    folder = _folder()
    program = folder / "stripe-mock"
    if not program.is_file():
        if shutil.which("go") is None:
            raise NoMockError(
                f"there is no stripe-mock here: set {URL_VARIABLE} to the URL of one (docker run -p 12111:12111 stripe/stripe-mock:{VERSION}), "
                "or install Docker Compose or Go"
            )
        _run(("go", "install", MODULE), BUILD_S, GOBIN=str(folder))
    return program


def _folder() -> Path:
    """Where the built one is kept: in the virtual environment, or else in the user's cache."""
    in_venv = sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(sys.prefix) / "share" / "billsim" if in_venv else cache / "billsim") / f"stripe-mock-{VERSION}"
