"""The real stripe-mock, and what engines ask of the simulated Stripe in every scenario that ships."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from xxhash import xxh3_128

import billsim
from billsim.oracle import Mock, NoMockError, Seen, shipped, stripe_mock

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="package")
def mock() -> Iterator[Mock]:
    """A stripe-mock; without one there is nothing to be held against, which continuous integration does not let pass."""
    found = stripe_mock()
    try:
        opened = found.__enter__()
    except NoMockError as none:
        if os.environ.get("CI") == "true":
            pytest.fail(str(none))
        pytest.skip(str(none))
    yield opened
    found.__exit__(None, None, None)


@pytest.fixture(scope="package")
def seen(request: pytest.FixtureRequest) -> list[Seen]:
    """What either engine asks in any scenario that ships: recorded once, and again when any code or scenario has changed."""
    cache, now = request.config.cache, _of_all_sources()
    assert cache is not None
    kept = cache.get("billsim/asked-of-stripe", None)
    if kept is not None and kept["of"] == now:
        return msgspec.json.decode(b64decode(kept["seen"]), type=list[Seen])
    recorded = shipped()
    cache.set("billsim/asked-of-stripe", {"of": now, "seen": b64encode(msgspec.json.encode(recorded)).decode()})
    return recorded


def _of_all_sources() -> str:
    package = Path(billsim.__file__).parent
    files = sorted([*package.rglob("*.py"), *package.rglob("*.toml"), *(ROOT / "scenarios").rglob("*.toml")])
    digest = xxh3_128()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
