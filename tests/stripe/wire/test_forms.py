"""Forms: nested values there and back, and what is no form."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe._encode import _api_encode

from billsim.stripe.objects import StripeError
from billsim.stripe.wire.forms import DEEPEST, MOST_PAIRS, decode, encode, listed

_text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)
_name = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
_value = st.recursive(
    _text, lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(_name, inner, min_size=1, max_size=3), max_leaves=8
)


def whole(value: Any) -> Any:
    """A decoded value with lists for hashes whose keys are numbers."""
    if isinstance(value, dict):
        inner = {key: whole(each) for key, each in value.items()}
        many = listed(inner) if inner else None
        return inner if many is None else many
    return value


@given(st.dictionaries(_name, _value, max_size=4))
def test_there_and_back(params: dict[str, Any]) -> None:
    assert {name: whole(value) for name, value in decode(encode(params)).items()} == params


@given(st.dictionaries(_name, _value, max_size=4))
def test_as_the_sdk_writes_it(params: dict[str, Any]) -> None:
    assert decode(urlencode(list(_api_encode(params)))) == decode(encode(params))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        decode(body)
    except StripeError as refused:
        assert (refused.status, refused.type) == (400, "invalid_request_error")


def test_what_values_look_like() -> None:
    assert encode({"a": True, "b": None, "c": 3, "d": {"e": ["x y", "&"]}}) == "a=true&c=3&d[e][0]=x+y&d[e][1]=%26"


def test_nesting() -> None:
    assert decode("items[0][price]=p&items[0][quantity]=2&items[1][price]=q") == {
        "items": {"0": {"price": "p", "quantity": "2"}, "1": {"price": "q"}},
    }
    assert decode("expand[]=a&expand[]=b.c") == {"expand": ["a", "b.c"]}
    assert decode("metadata%5Ba%5D=1+2&metadata[b]=%C3%A9&email=") == {"metadata": {"a": "1 2", "b": "é"}, "email": ""}
    assert decode("") == {}


def test_a_list_is_in_the_order_of_its_numbers() -> None:
    assert listed({"10": "c", "2": "b", "0": "a"}) == ["a", "b", "c"]
    assert listed({"0": "a", "x": "b"}) is None


@pytest.mark.parametrize(
    "form",
    [
        "a[b=1", "a]b=1", "[a]=1", "a[b]c=1", "a[[b]]=1", "=1", "a[b][=1",  # brackets that do not match
        "a=1&a[b]=2", "a[b]=1&a=2", "a[]=1&a[b]=2", "a[b]=1&a[]=2", "a=1&a=2",  # two kinds of value in one place
        "a[][b]=1",  # a list of hashes is numbered
        "a" + "[b]" * DEEPEST + "=1",
        "a=%zz", "a=%f", "a=%ff", "%00=1", "a=%00",
        "&".join(f"a[{n}]=1" for n in range(MOST_PAIRS + 1)),
    ],
)  # fmt: skip
def test_what_is_no_form(form: str) -> None:
    with pytest.raises(StripeError) as refused:
        decode(form)
    assert refused.value.status == 400
