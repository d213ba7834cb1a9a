"""Serves a request of a customer's, or of a service's: not too often, and what changes something once, with an answer that is kept.

A request is named, and a browser that sends it again gets the answer that it got. What went wrong in a way that the caller can do something about is
an answer too, never an error of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from billsim.core.ids import short
from billsim.core.time import DAY_MS, MINUTE_MS
from billsim.facade.cache import STORE, Loading
from billsim.ports import CompareAndSet, Effect, Message, Now, Read, Steps
from billsim.stores.facade_cache import CacheRow

TRIES = 8
KEPT_MS = DAY_MS
# Requests for an account a minute, by the door that they come through: assumed. The gateway between services is trusted with more.
LIMITS = {"dashboard": 30, "ninjapanel": 60, "iapi": 600}
OK, TOO_MANY, NO_ACCOUNT = "ok", "rate_limited", "no_such_account"

Answer = dict[str, Any]
Serving = Generator[Effect, Any, Answer]


class Refusal(Exception):
    """The request is answered with a `code`, and nothing more is done for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RowsMovedError(Exception):
    """Rows kept moving under every try. `retry`: repeating is the cure, so that this is no finding."""

    retry = True

    def __init__(self, account: str, store: str) -> None:
        super().__init__(account, store)

    def __str__(self) -> str:
        account, store = self.args
        return f"{store} of {account} did not come to rest within {TRIES} tries"


def served(message: Message, serve: Callable[[Message], Serving]) -> Steps:
    """Serve a request and keep its answer, `{"request", "outcome", ...}`, in the cache under `answer/<operation>`; the last one of each operation.

    An account without a profile gets none: there is nobody to keep it for.
    """
    account, key = message.account, f"answer/{message.kind.removeprefix('request.')}"
    if (yield Read("subs_account", account)) is None and message.kind != "request.create_profile":
        return
    kept: CacheRow | None = yield Read(STORE, account, key)
    now_ms: int = yield Now()
    if kept is not None and now_ms < kept.until_ms and kept.value["request"] == message.name:
        return
    answer = yield from _answer_to(message, serve, now_ms)
    yield from _keep(account, key, {"request": message.name, **answer}, kept)


def shown(message: Message, serve: Callable[[Message], Serving]) -> Serving:
    """Show something: nothing changes, so that no answer is kept, and what the cache holds is shown however often it is asked for."""
    try:
        return (yield from serve(message))
    except Refusal as refusal:
        return answered(refusal.code)


def looked_up(message: Message, load: Callable[[str], Loading]) -> Callable[[], Loading]:
    """`load`, for what the cache does not hold. Raises Refusal for an account without a profile, and for too many requests."""

    def loading() -> Loading:
        if (yield Read("subs_account", message.account)) is None:
            raise Refusal(NO_ACCOUNT)
        now_ms: int = yield Now()
        if not (yield from _is_admitted(message, now_ms)):
            raise Refusal(TOO_MANY)
        return (yield from load(message.account))

    return loading


def answered(outcome: str = OK, **details: Any) -> Answer:
    """An answer: its outcome, and what it shows."""
    return {"outcome": outcome, **details}


def key_of(message: Message, step: str) -> str:
    """The idempotency key of one step of a request, the same however often the request comes."""
    return f"facade-{short(f'{message.account}/{message.kind}/{message.name}/{step}')}"


def _answer_to(message: Message, serve: Callable[[Message], Serving], now_ms: int) -> Serving:
    if not (yield from _is_admitted(message, now_ms)):
        return answered(TOO_MANY)
    try:
        return (yield from serve(message))
    except Refusal as refusal:
        return answered(refusal.code)


def _is_admitted(message: Message, now_ms: int) -> Generator[Effect, Any, bool]:
    """Whether the door has some of its requests of this minute left; counts this one."""
    via = str(message.body.get("via", "dashboard"))
    door = via if via in LIMITS else "dashboard"
    minute, key = now_ms // MINUTE_MS, f"limit/{door}"
    for _ in range(TRIES):
        row: CacheRow | None = yield Read(STORE, message.account, key)
        spent = row.value["requests"] if row is not None and row.value["minute"] == minute else 0
        if spent >= LIMITS[door]:
            return False
        fields = {"value": {"minute": minute, "requests": spent + 1}, "until_ms": (minute + 1) * MINUTE_MS}
        if (yield CompareAndSet(STORE, message.account, row.version if row is not None else 0, fields, key)) is not None:
            return True
    return True


def _keep(account: str, key: str, answer: Answer, kept: CacheRow | None) -> Steps:
    for _ in range(TRIES):
        now_ms: int = yield Now()
        fields = {"value": answer, "until_ms": now_ms + KEPT_MS}
        if (yield CompareAndSet(STORE, account, kept.version if kept is not None else 0, fields, key)) is not None:
            return
        kept = yield Read(STORE, account, key)
