"""Webhooks to real endpoints: order, signature, retries, what is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from billsim.pipe.ingress import verify
from billsim.serving import webhooks
from billsim.serving.webhooks import Courier, Delivery, Parcel

NOW = 1_900_000_000


def parcel(number: int, lost: frozenset[int] = frozenset()) -> Parcel:
    return Parcel(f"evt_{number}", "invoice.paid", b'{"id":%d}' % number, "http://127.0.0.1:1/hook", "whsec_example", lost)


def carry(
    parcels: list[Parcel], answer: Callable[[bytes, int], int], retry_s: tuple[float, ...] = (0.0, 0.0, 0.0)
) -> tuple[list[tuple[bytes, str]], list[Delivery]]:
    """What the endpoint is posted, with the signature, and what the courier tells; `answer(body, nth)` is the endpoint's."""
    posted: list[tuple[bytes, str]] = []
    told: list[Delivery] = []

    def post(url: str, body: bytes, headers: dict[str, str]) -> int:
        assert url == "http://127.0.0.1:1/hook"
        assert headers["Content-Type"] == "application/json; charset=utf-8"
        posted.append((body, headers["Stripe-Signature"]))
        return answer(body, sum(body == each for each, _ in posted))

    async def go() -> None:
        courier = Courier(post, told.append, retry_s, now_s=lambda: NOW + len(posted))
        courier.take(parcels)
        running = asyncio.create_task(courier.run())
        while not courier.idle:
            await asyncio.sleep(0.001)
        running.cancel()

    asyncio.run(go())
    return posted, told


def test_events_arrive_one_after_another_in_their_order_and_signed() -> None:
    posted, told = carry([parcel(1), parcel(2), parcel(3)], lambda body, nth: 200)
    assert [body for body, _ in posted] == [b'{"id":1}', b'{"id":2}', b'{"id":3}']
    for number, (body, header) in enumerate(posted):
        verify(body, header, "whsec_example", NOW + number)
    assert [(each.parcel.event, each.attempt, each.status, each.is_delivered) for each in told] == [
        ("evt_1", 1, 200, True),
        ("evt_2", 1, 200, True),
        ("evt_3", 1, 200, True),
    ]


@pytest.mark.parametrize("status", [301, 400, 500, 0])
def test_whatever_is_no_2xx_is_tried_again_with_a_new_stamp_and_then_given_up(status: int) -> None:
    posted, told = carry([parcel(1)], lambda body, nth: status)
    assert [each.attempt for each in told] == [1, 2, 3, 4]
    assert [each.again_s for each in told] == [0.0, 0.0, 0.0, None]
    assert len({header for _, header in posted}) == 4


def test_an_event_that_failed_comes_after_those_that_did_not_wait() -> None:
    posted, _ = carry([parcel(1), parcel(2)], lambda body, nth: 500 if body == b'{"id":1}' and nth == 1 else 204, retry_s=(0.05,))
    assert [body for body, _ in posted] == [b'{"id":1}', b'{"id":2}', b'{"id":1}']


def test_an_attempt_that_is_lost_reaches_nobody() -> None:
    posted, told = carry([parcel(1, frozenset({1, 2}))], lambda body, nth: 200)
    assert len(posted) == 1
    assert [(each.attempt, each.status) for each in told] == [(1, 0), (2, 0), (3, 200)]


def test_what_is_too_much_to_keep_is_given_up_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_WAITING", 2)
    posted, told = carry([parcel(1), parcel(2), parcel(3)], lambda body, nth: 200)
    assert [body for body, _ in posted] == [b'{"id":1}', b'{"id":2}']
    assert [each.parcel.event for each in told if not each.attempt] == ["evt_3"]
