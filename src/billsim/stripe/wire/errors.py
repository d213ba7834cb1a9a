"""A refusal as the API words it: body, status and headers (https://docs.stripe.com/api/errors, https://docs.stripe.com/error-low-level)."""

from __future__ import annotations

from typing import Any

import msgspec

from billsim.stripe.objects import API_VERSION, StripeError
from billsim.stripe.wire.message import Response
from billsim.stripe.wire.render import View, render

_DOCUMENTED = "https://stripe.com/docs/error-codes/"
_LOGS = "https://dashboard.stripe.com/test/logs/"
# Stripe gives its errors no code where nothing but the message tells them apart. The core's names for them are not told.
UNCODED = frozenset({
    "", "api_error", "parameter_invalid", "idempotency_error", "idempotency_key_invalid", "url_invalid", "not_allowed", "invoice_already_paid",
    "invoice_not_draft", "invoice_not_open", "charge_not_refundable", "metadata_key_invalid", "metadata_too_many_keys", "metadata_value_too_long",
})  # fmt: skip
# Codes of ours, which Stripe's documentation does not know.
OURS = frozenset({"not_simulated"})
# What a refusal of a payment brings along, whole.
_BROUGHT = ("payment_intent", "setup_intent", "payment_method")


def invalid(message: str, *, code: str = "", param: str = "", status: int = 400) -> StripeError:
    """An `invalid_request_error`, without a code unless one is given."""
    return StripeError(status, "invalid_request_error", code, message, param=param)


def response(error: StripeError, request: str = "", view: View | None = None) -> Response:
    """The whole answer, of whoever refuses a request; `request` is its id."""
    return Response(error.status, {**headers_of(request), **more_headers(error)}, body_of(error, request, view))


def body_of(error: StripeError, request: str, view: View | None) -> bytes:
    """`{"error": {...}}`, with what is known of it; a charge by id, an intent and a payment method whole, where there is a `view` to render them."""
    told: dict[str, Any] = {"code": error.code} if error.code not in UNCODED else {}
    if told and error.code not in OURS:
        told["doc_url"] = _DOCUMENTED + error.code.replace("_", "-")
    for name in ("decline_code", "charge", "param"):
        if getattr(error, name):
            told[name] = getattr(error, name)
    for name in _BROUGHT:
        brought = getattr(error, name)
        if brought is not None and view is not None:
            told[name] = render(brought, view)
    told["message"] = error.message
    if request:
        told["request_log_url"] = f"{_LOGS}{request}"
    told["type"] = error.type
    return msgspec.json.encode({"error": dict(sorted(told.items()))})


def headers_of(request: str) -> dict[str, str]:
    """The headers that every answer has."""
    headers = {"Content-Type": "application/json", "Stripe-Version": API_VERSION}
    return {**headers, "Request-Id": request} if request else headers


def more_headers(error: StripeError) -> dict[str, str]:
    """The headers that only refusals have."""
    headers = {}
    if error.should_retry is not None:
        headers["Stripe-Should-Retry"] = "true" if error.should_retry else "false"
    if error.limited_by:
        headers["Stripe-Rate-Limited-Reason"] = error.limited_by
    return headers


def check_version(version: str) -> None:
    """Raise StripeError for a version of the API that is not the one that is rendered; '' stands for that one."""
    if version and version != API_VERSION:
        raise invalid(f"Invalid Stripe API version: {version}. billsim answers as of {API_VERSION} only.")


def check_key(authorization: str) -> None:
    """Raise StripeError (401) unless a secret or restricted key of a sandbox is given; a live one is refused, whatever it is."""
    scheme, _, given = authorization.strip().partition(" ")
    key = given.strip() if scheme.lower() == "bearer" else _of_basic(given) if scheme.lower() == "basic" else ""
    if not key:
        raise _unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth "
            "(e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://docs.stripe.com/api#authentication for details."
        )
    if key.startswith(("sk_live_", "rk_live_")):
        raise _unauthorized(f"Invalid API Key provided: {_masked(key)}. This is a live key, and billsim is a simulation: give it a key of a sandbox.")
    if not key.startswith(("sk_test_", "rk_test_")):
        raise _unauthorized(f"Invalid API Key provided: {_masked(key)}")


def _of_basic(given: str) -> str:
    """The key that stands as the user name of HTTP's basic authentication, as `curl -u sk_test_...:` sends it."""
    import binascii

    try:
        return binascii.a2b_base64(given, strict_mode=True).decode().partition(":")[0]
    except ValueError:
        return ""


def _masked(key: str) -> str:
    """A key with no more of it than what kind it is and how it ends."""
    head = "_".join(key.split("_")[:2])[:7]
    return f"{head}_{'*' * 8}{key[-4:]}" if len(key) > 15 else "*" * len(key)


def _unauthorized(message: str) -> StripeError:
    return StripeError(401, "invalid_request_error", "", message)
