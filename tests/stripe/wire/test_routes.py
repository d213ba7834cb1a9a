"""The table of the API, held against the SDK and against the core."""

from __future__ import annotations

import inspect
import re
from collections import Counter

import pytest
import stripe

from billsim.stripe.methods import METHODS
from billsim.stripe.wire import spec
from billsim.stripe.wire.routes import BY_NAME, ROUTES, Route, find, methods, path_of

# What the sandbox does itself, because it belongs to no customer.
ACCOUNTS_OWN = ("events.", "webhook_endpoints.", "test_helpers.test_clocks.")


def sdk_method(route: Route) -> str:
    """The source of the SDK's method of this name."""
    *services, method = route.name.split(".")
    found: object = stripe.StripeClient("sk_test_1").v1
    for service in services:
        found = getattr(found, service)
    return inspect.getsource(getattr(found, method))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_route_is_the_sdks(route: Route) -> None:
    source = sdk_method(route)
    method, path = re.search(r'_request\(\s*"(\w+)",\s*"([^"]+)"', source).groups()  # type: ignore[union-attr]
    assert method.upper() == route.method
    assert re.sub(r"\{\w+\}", "{}", path) == re.sub(r"\{\w+\}", "{}", route.path)
    assert f'"{route.params}"' in source
    assert "ListObject" in source.partition("->")[2].partition(":")[0] or not route.lists


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_route_has_parameters_and_a_kind_that_the_sdk_knows(route: Route) -> None:
    assert spec.parameters(route.params) is not None
    assert spec.fields(route.answers)["id"]


def test_every_route_is_performed() -> None:
    missing = [route.name for route in ROUTES if route.name not in METHODS and not route.name.startswith(ACCOUNTS_OWN)]
    assert missing == []


def test_every_request_of_the_core_has_a_route() -> None:
    assert [name for name in METHODS if name not in BY_NAME] == []


def test_core_and_table_agree_on_what_reads() -> None:
    assert [name for name, method in METHODS.items() if method.reads != BY_NAME[name].reads] == []


def test_a_name_and_a_request_are_one_route() -> None:
    assert [name for name, count in Counter(route.name for route in ROUTES).items() if count > 1] == []
    twice = [pair for pair, count in Counter((route.method, route.path) for route in ROUTES).items() if count > 1]
    assert twice == [("DELETE", "/v1/customers/{customer}/sources/{id}")]  # the SDK has two names for it


def test_what_stands_literally_goes_before_an_id() -> None:
    preview = find("POST", "/v1/invoices/create_preview")
    assert preview is not None and preview.route.name == "invoices.create_preview" and preview.id == ""
    update = find("POST", "/v1/invoices/in_1")
    assert update is not None and update.route.name == "invoices.update" and update.id == "in_1"


def test_an_owner_in_a_path_is_a_parameter() -> None:
    found = find("GET", "/v1/customers/cus_1/sources/card_1")
    assert found is not None
    assert (found.route.name, found.id, found.owners) == ("customers.payment_sources.retrieve", "card_1", {"customer": "cus_1"})
    assert path_of(found.route, "card_1", {"customer": "cus_1", "limit": 3}) == ("/v1/customers/cus_1/sources/card_1", {"limit": 3})


def test_there_and_back() -> None:
    for route in ROUTES:
        if route.name == "sources.detach":
            continue
        params = {owner: f"its {owner}/?" for owner in route.owners}
        path, rest = path_of(route, "an/id%", {**params, "more": 1})
        found = find(route.method, path)
        assert found is not None
        assert (found.route, found.id, found.owners, rest) == (route, "an/id%" if route.takes_id else "", params, {"more": 1})


def test_what_is_no_route() -> None:
    for method, path in (("GET", "/"), ("GET", ""), ("GET", "/v1/customers/"), ("GET", "/v1/nothing"), ("PUT", "/v1/customers"), ("GET", "/v1//x")):
        assert find(method, path) is None
    assert methods("/v1/customers/cus_1") == ("GET", "POST", "DELETE")
    assert methods("/v1/nothing") == ()
