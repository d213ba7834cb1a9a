"""Requests as bytes: who may ask, what is no request, what was answered before, and that nothing malformed changes anything."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from billsim.stripe.objects import API_VERSION
from billsim.stripe.sandbox import Sandbox
from billsim.stripe.settings import StripeSettings
from billsim.stripe.wire.door import Request, Response

KEY = {"Authorization": "Bearer sk_test_123"}
FORM = {**KEY, "Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(seed=7)


def get(sandbox: Sandbox, path: str, query: str = "", **headers: str) -> Response:
    return sandbox.handle(Request("GET", path, query, {**KEY, **_headers(headers)}))


def post(sandbox: Sandbox, path: str, form: str = "", **headers: str) -> Response:
    return sandbox.handle(Request("POST", path, "", {**FORM, **_headers(headers)}, form.encode()))


def _headers(given: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


def error(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.body)["error"]
    return found


def body(response: Response) -> dict[str, Any]:
    assert response.status == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


# -- who may ask


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "sk_test_123", "Digest sk_test_1", "Basic !!!"])
def test_without_a_key(sandbox: Sandbox, authorization: str) -> None:
    answer = sandbox.handle(Request("GET", "/v1/customers", "", {"Authorization": authorization}))
    assert (answer.status, error(answer)["type"]) == (401, "invalid_request_error")
    assert error(answer)["message"].startswith("You did not provide an API key.")


@pytest.mark.parametrize("key", ["pk_test_123", "hello", "rk_live_1234567890123456", "sk_live_1234567890123456"])
def test_with_a_key_that_opens_nothing(sandbox: Sandbox, key: str) -> None:
    answer = sandbox.handle(Request("GET", "/v1/customers", "", {"authorization": f"Bearer {key}"}))
    assert answer.status == 401
    assert error(answer)["message"].startswith("Invalid API Key provided: ")
    assert key not in error(answer)["message"]


@pytest.mark.parametrize("authorization", ["Bearer sk_test_1", "bearer rk_test_1", "Basic c2tfdGVzdF8xMjM6"])
def test_with_a_key(sandbox: Sandbox, authorization: str) -> None:
    assert sandbox.handle(Request("POST", "/v1/customers", "", {"Authorization": authorization})).status == 200


def test_only_the_current_version_is_rendered(sandbox: Sandbox) -> None:
    answer = post(sandbox, "/v1/customers", stripe_version=API_VERSION)
    assert (answer.status, answer.headers["Stripe-Version"]) == (200, API_VERSION)
    old = post(sandbox, "/v1/customers", stripe_version="2020-08-27")
    assert (old.status, "2020-08-27" in error(old)["message"], API_VERSION in error(old)["message"]) == (400, True, True)


def test_nobody_acts_for_another_account(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/v1/customers", stripe_account="acct_1")
    assert (answer.status, error(answer)["code"]) == (400, "not_simulated")


# -- what is asked


def test_an_unknown_path(sandbox: Sandbox) -> None:
    for method, path in (("GET", "/v1/nothing"), ("PUT", "/v1/customers"), ("GET", "/v2/customers"), ("POST", "/v1/customers/cus_1/x"), ("GET", "")):
        answer = sandbox.handle(Request(method, path, "", KEY))
        assert (answer.status, error(answer)["type"]) == (404, "invalid_request_error")
        assert error(answer)["message"].startswith(f"Unrecognized request URL ({method}: {path}).")


def test_what_is_not_form_encoded(sandbox: Sandbox) -> None:
    for kind in ("application/json", "multipart/form-data; boundary=x", ""):
        answer = post(sandbox, "/v1/customers", '{"email": "a@example.com"}', Content_Type=kind)
        assert answer.status == 400
        assert "check that your POST content type is application/x-www-form-urlencoded" in error(answer)["message"]


def test_errors_say_what_and_where(sandbox: Sandbox) -> None:
    answer = post(sandbox, "/v1/customers", "address[lin]=x")
    number = answer.headers["Request-Id"]
    assert error(answer) == {
        "code": "parameter_unknown",
        "doc_url": "https://stripe.com/docs/error-codes/parameter-unknown",
        "message": error(answer)["message"],
        "param": "address[lin]",
        "request_log_url": f"https://dashboard.stripe.com/test/logs/{number}",
        "type": "invalid_request_error",
    }


def test_what_is_not_there(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/v1/customers/cus_nobody")
    told = error(answer)
    assert (answer.status, told["code"], told["message"]) == (404, "resource_missing", "No such customer: 'cus_nobody'")
    assert told["param"] == "id"


def test_what_is_not_simulated_names_itself(sandbox: Sandbox) -> None:
    answer = post(sandbox, "/v1/customers", "tax_id_data[0][type]=eu_vat&tax_id_data[0][value]=x")
    assert (answer.status, error(answer)["code"], error(answer)["param"]) == (400, "not_simulated", "tax_id_data")
    assert error(answer)["message"].startswith("billsim does not simulate `tax_id_data`")
    assert post(sandbox, "/v1/customers", "tax_exempt=none").status == 200


def test_pages_go_on_where_they_ended(sandbox: Sandbox) -> None:
    made = [body(post(sandbox, "/v1/customers"))["id"] for _ in range(5)]
    first = body(get(sandbox, "/v1/customers", "limit=2"))
    assert ([each["id"] for each in first["data"]], first["has_more"], first["url"]) == (made[:2:-1], True, "/v1/customers")
    last = body(get(sandbox, "/v1/customers", f"limit=3&starting_after={made[3]}"))
    assert ([each["id"] for each in last["data"]], last["has_more"]) == (made[2::-1], False)
    before = body(get(sandbox, "/v1/customers", f"limit=2&ending_before={made[1]}"))
    assert ([each["id"] for each in before["data"]], before["has_more"]) == ([made[3], made[2]], True)
    for wrong in ("limit=0", "limit=101", "starting_after=cus_nobody"):
        assert get(sandbox, "/v1/customers", wrong).status in (400, 404)


# -- what was answered before


def test_the_same_request_under_its_key_is_answered_the_same(sandbox: Sandbox) -> None:
    first = post(sandbox, "/v1/customers", "email=a%40example.com&metadata[a]=1", Idempotency_Key="k")
    again = post(sandbox, "/v1/customers", "metadata[a]=1&email=a@example.com", Idempotency_Key="k")
    assert again.body == first.body
    assert (again.headers["Idempotent-Replayed"], again.headers["Original-Request"]) == ("true", first.headers["Request-Id"])
    assert again.headers["Request-Id"] != first.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.headers and first.headers["Idempotency-Key"] == "k"
    assert len(body(get(sandbox, "/v1/customers"))["data"]) == 1


def test_a_key_is_of_one_request(sandbox: Sandbox) -> None:
    made = body(post(sandbox, "/v1/customers", "email=a%40example.com", Idempotency_Key="k"))
    other = post(sandbox, "/v1/customers", "email=b%40example.com", Idempotency_Key="k")
    assert (other.status, error(other)["type"]) == (400, "idempotency_error")
    assert error(other)["message"].startswith("Keys for idempotent requests can only be used with the same parameters")
    elsewhere = post(sandbox, f"/v1/customers/{made['id']}", "email=a%40example.com", Idempotency_Key="k")
    endpoints = f"('/v1/customers/{made['id']}' vs '/v1/customers')"
    assert f"can only be used for the same endpoint they were first used for {endpoints}." in error(elsewhere)["message"]


def test_what_failed_once_it_had_begun_is_kept(sandbox: Sandbox) -> None:
    for _ in range(2):
        assert post(sandbox, "/v1/customers/cus_nobody", "name=x", Idempotency_Key="k").status == 404
    assert post(sandbox, "/v1/customers/cus_nobody", "name=x", Idempotency_Key="k").headers["Idempotent-Replayed"] == "true"


def test_what_was_malformed_is_not(sandbox: Sandbox) -> None:
    assert post(sandbox, "/v1/customers", "nam=x", Idempotency_Key="k").status == 400
    assert post(sandbox, "/v1/customers", "name=x", Idempotency_Key="k").status == 200


def test_keys_are_short_kept_for_a_day_and_for_posts(sandbox: Sandbox) -> None:
    assert post(sandbox, "/v1/customers", Idempotency_Key="k" * 256).status == 400
    first = body(post(sandbox, "/v1/customers", Idempotency_Key="k" * 255))["id"]
    sandbox.advance(hours=23)
    assert body(post(sandbox, "/v1/customers", Idempotency_Key="k" * 255))["id"] == first
    sandbox.advance(hours=1)
    assert body(post(sandbox, "/v1/customers", Idempotency_Key="k" * 255))["id"] != first
    assert get(sandbox, "/v1/customers", "limit=1", Idempotency_Key="k").status == 200
    assert get(sandbox, "/v1/customers", "limit=2", Idempotency_Key="k").status == 200


def test_too_many_requests_are_told_so_and_may_come_again() -> None:
    sandbox = Sandbox(settings=StripeSettings(requests_per_second=2))
    assert [post(sandbox, "/v1/customers", Idempotency_Key=f"k{n}").status for n in range(3)] == [200, 200, 429]
    limited = post(sandbox, "/v1/customers", Idempotency_Key="k2")
    assert (limited.headers["Stripe-Rate-Limited-Reason"], error(limited)["code"]) == ("global-rate", "rate_limit")
    sandbox.advance(seconds=1)
    assert post(sandbox, "/v1/customers", Idempotency_Key="k2").status == 200


# -- what is malformed


def malformed(rng: random.Random, known: str) -> Iterator[Request]:
    """Requests that are all wrong, each in its own way."""
    posts = ["/v1/customers", f"/v1/customers/{known}", "/v1/subscriptions", "/v1/payment_intents", "/v1/prices", "/v1/invoices/in_1/pay"]
    gets = ["/v1/customers", f"/v1/customers/{known}", "/v1/invoices", "/v1/events"]
    while True:
        junk = "".join(rng.choices("abc[]%&=;/?\u00e9\u0000 \"'{}", k=rng.randrange(1, 30)))
        noise = rng.randbytes(rng.randrange(1, 60))
        path, read = rng.choice(posts), rng.choice(gets)
        yield Request("GET", read, "", {"Authorization": junk})
        yield Request("POST", path, "", {"Authorization": f"Bearer sk_live_{junk}", "Content-Type": FORM["Content-Type"]}, b"email=x")
        yield Request(junk, path, "", KEY)
        yield Request("GET", f"/v1/{junk}", "", KEY)
        yield Request("POST", path, "", {**KEY, "Content-Type": junk}, noise)
        yield Request("POST", path, "", {**FORM, "Stripe-Version": junk or "x"}, b"")
        yield Request("POST", path, "", FORM, b"zz" + noise + b"=1")
        yield Request("POST", path, "", FORM, b"metadata[" * rng.randrange(1, 40) + noise)
        yield Request("POST", path, "", FORM, b"name=%" + rng.choice([b"", b"f", b"zz", b"ff", b"00"]))
        yield Request("POST", path, "", FORM, f"no_such_parameter{rng.randrange(99)}=1".encode())
        yield Request("POST", path, "", FORM, b"metadata=" + str(rng.random()).encode())
        yield Request("POST", path, "expand[]=" + rng.choice(["x", "a.b.c.d.e", "metadata", "."]), FORM, b"")
        yield Request("POST", path, "", {**FORM, "Idempotency-Key": "k" * rng.randrange(256, 999)}, b"")
        yield Request("POST", "/v1/prices", "", FORM, b"currency=usd&unit_amount=" + str(rng.random()).encode())
        yield Request("POST", "/v1/customers/cus_nobody", "", {**FORM, "Idempotency-Key": "k" * 256}, b"name=x")
        yield Request("GET", read, "limit=" + rng.choice(["0", "101", "-1", "x", "1e3", str(10**30)]), KEY)
        yield Request("DELETE", f"/v1/customers/{junk}", "", KEY)


def test_10_000_malformed_requests_change_nothing(sandbox: Sandbox) -> None:
    known = body(post(sandbox, "/v1/customers", "email=a%40example.com"))["id"]
    before, requests = sandbox.digest(), malformed(random.Random(0), known)
    seen = set()
    for _ in range(10_000):
        request = next(requests)
        answer = sandbox.handle(request)
        assert 400 <= answer.status < 500, (request, answer)
        told = error(answer)
        assert told["type"] in ("invalid_request_error", "idempotency_error") and told["message"], (request, answer)
        seen.add((answer.status, told.get("code")))
    assert sandbox.digest() == before
    assert {status for status, _ in seen} == {400, 401, 404}
    assert body(get(sandbox, f"/v1/customers/{known}"))["email"] == "a@example.com"


def test_the_digest_sees_a_change(sandbox: Sandbox) -> None:
    made = body(post(sandbox, "/v1/customers"))["id"]
    before = sandbox.digest()
    post(sandbox, f"/v1/customers/{made}", "name=Ada")
    assert sandbox.digest() != before
