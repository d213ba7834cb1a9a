"""A request's strings as the values that the API means by them, and what is wrong with them, in the API's words.

What the API knows and this simulation does not do is refused (`not_simulated`), unless it asks for what is so anyway: see `NO_OPS`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from billsim.stripe.objects import StripeError
from billsim.stripe.wire.currencies import currency_of
from billsim.stripe.wire.errors import invalid
from billsim.stripe.wire.forms import listed
from billsim.stripe.wire.spec import Either, Hash, Many, Map, Node, Parameter, Scalar, hash_fields, parameters

LONGEST_STRING = 5000
_BIGGEST = 2**63 - 1
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)

# Parameters that change nothing where they have these values, because it is so in this simulation whatever one asks for. By name wherever they stand.
NO_OPS: Mapping[str, tuple[Any, ...]] = {
    "application_fee_percent": ("",),  # no platform takes a share
    "automatic_tax": ({"enabled": False},),  # there are no taxes
    "automatic_payment_methods": ({"enabled": False},),
    "billing_mode": ({"type": "classic"},),
    "billing_scheme": ("per_unit",),
    "billing_thresholds": ("",),
    "capture_method": ("automatic", "automatic_async"),
    "confirmation_method": ("automatic",),
    "default_tax_rates": ("", []),
    "discounts": ("", []),  # there are no coupons
    "error_on_requires_action": (False,),
    "issuer": ({"type": "self"},),  # there is one account
    "on_behalf_of": ("",),
    "pending_invoice_item_interval": ("",),
    "tax_behavior": ("unspecified",),
    "tax_exempt": ("none",),
    "tax_rates": ("", []),
    "transfer_data": ("",),
    "trial_from_plan": (False,),
    "usage_type": ("licensed",),  # nothing is metered
    "use_stripe_sdk": (True, False),  # it tells browsers how to ask, and there are none
    "validate": (False,),
}

# What this version of the API has come to call otherwise, by its name now.
_RENAMED = {"allowed_payment_method_types": "payment_method_types"}


def typed(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The parameters of a request, of which `name` is the SDK's TypedDict. Raises StripeError."""
    return _hash(given, parameters(name), "")


def without_no_ops(params: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """`params` without what changes nothing; at the top what the core knows (`known`) is its own to judge."""
    return {name: _pruned(value) for name, value in params.items() if name in known or not _is_no_op(name, value)}


def as_the_core_says(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by the names that the core has for them."""
    return {_RENAMED.get(name, name): value for name, value in params.items()}


# What the API calls the id in a path where it tells that there is nothing of that id, if not `id`; by the beginning of a request's name.
_IN_PATHS = {
    "payment_intents.": "intent", "setup_intents.": "intent", "payment_methods.": "payment_method", "prices.": "price",
    "invoices.retrieve": "invoice", "invoices.send_invoice": "invoice", "invoices.add_lines": "invoice", "invoices.remove_lines": "invoice",
    "invoices.update_lines": "invoice", "invoices.delete": "invoice",
}  # fmt: skip


def as_the_api_says(refused: StripeError, name: str) -> StripeError:
    """A refusal by the core of a request of this name, about a parameter by its name in the API."""
    if refused.status == 404 and refused.param == "id":
        refused = refused.again()
        refused.param = next((param for begins, param in _IN_PATHS.items() if name.startswith(begins)), "id")
    if name == "refunds.create" and refused.code == "amount_too_large":
        refused = refused.again()
        refused.code = ""
    for now, before in _RENAMED.items():
        if refused.param.startswith(before):
            refused = refused.again()
            refused.param = now + refused.param.removeprefix(before)
            refused.message = refused.message.replace(before, now)
    return refused


def _pruned(value: Any) -> Any:
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    if isinstance(value, dict):
        return {name: _pruned(each) for name, each in value.items() if not _is_no_op(name, each)}
    return value


def _is_no_op(name: str, value: Any) -> bool:
    return any(type(value) is type(no_op) and value == no_op for no_op in NO_OPS.get(name, ()))


def not_simulated(refused: StripeError, params: Mapping[str, Any]) -> StripeError:
    """What the core calls unknown, and the API knows: this simulation does not do it."""
    param = refused.param or _named_in(refused.message, params)
    what = f"`{param}`" if param else "this parameter"
    return invalid(f"billsim does not simulate {what}. See docs/stripe.md for what it does.", code="not_simulated", param=param)


def _named_in(message: str, params: Mapping[str, Any]) -> str:
    said = message.partition("parameter: ")[2].split(".")[0]
    return said if re.fullmatch(r"[\w\[\]]+", said) or said in params else ""


def string_list(value: Any, param: str) -> list[str]:
    """The strings of a list such as `expand`. Raises StripeError."""
    found: list[str] = _value(value, Many(Scalar("string")), param)
    return found


# -- one value


def _hash(given: Any, fields: Mapping[str, Parameter], param: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise _wrong("object", given, param)
    unknown = [name for name in given if name not in fields]
    if unknown:
        raise _unknown(unknown, fields, param)
    found = {name: _parameter(value, fields[name], _within(param, name)) for name, value in given.items()}
    for name, parameter in fields.items():
        if parameter.required and found.get(name) in (None, ""):
            missing = _within(param, name)
            raise invalid(f"Missing required param: {missing}.", code="parameter_missing", param=missing)
    return found


def _within(param: str, name: str) -> str:
    return f"{param}[{name}]" if param else name


def _unknown(names: list[str], fields: Mapping[str, Parameter], param: str) -> StripeError:
    told = [_within(param, name[:80]) for name in names]
    replaced = next((now for now, before in _RENAMED.items() if before in names and now in fields), None)
    if replaced is not None:
        before = _RENAMED[replaced]
        message = f"`{before}` is no longer supported by this version of the API. Use `{replaced}`, or what is switched on in your Dashboard."
        raise invalid(message, code=f"{before}_no_longer_supported", param=_within(param, before))
    near = get_close_matches(names[0], list(fields), 1)
    if len(names) > 1:
        return invalid(f"Received unknown parameters: {', '.join(told)}", code="parameter_unknown", param=told[0])
    return invalid(f"Received unknown parameter: {told[0]}{f'. Did you mean {near[0]}?' if near else ''}", code="parameter_unknown", param=told[0])


def _parameter(value: Any, parameter: Parameter, param: str) -> Any:
    if value == "" and isinstance(value, str):
        if parameter.unsets or _takes_empty(parameter.node):
            return ""
        name = param.rpartition("[")[2].rstrip("]")
        message = (
            f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; however '{param}' cannot be "
            f"unset. You should remove '{name}' from your request or supply a non-empty value."
        )
        raise invalid(message, code="parameter_invalid_empty", param=param)
    if isinstance(value, str) and f"[{param}".replace("]", "").rpartition("[")[2] == "currency" and parameter.node == Scalar("string"):
        return currency_of(value, param)
    return _value(value, parameter.node, param)


def _takes_empty(node: Node) -> bool:
    """A string without an enumeration, which the core takes to be unset, or not."""
    return any(form in (Scalar("string"), Scalar("string", ("",))) for form in (node.of if isinstance(node, Either) else (node,)))


def _value(value: Any, node: Node, param: str) -> Any:
    if isinstance(node, Scalar):
        return _scalar(value, node, param)
    if isinstance(node, Hash):
        return _hash(value, hash_fields(node.name), param)
    if isinstance(node, Many):
        many = listed(value) if isinstance(value, dict) else value if isinstance(value, list) else None
        if many is None:
            raise _wrong("array", value, param)
        return [_value(each, node.each, f"{param}[{index}]") for index, each in enumerate(many)]
    if isinstance(node, Map):
        if not isinstance(value, dict):
            raise _wrong("object", value, param)
        return {key: _value(each, node.each, f"{param}[{key}]") for key, each in value.items()}
    return _either(value, node, param)


def _either(value: Any, node: Either, param: str) -> Any:
    """The first form that the value has, or what is wrong with it as the first form that could be meant."""
    is_nested = isinstance(value, dict | list)
    meant = [form for form in node.of if isinstance(form, Scalar) != is_nested] or list(node.of)
    wrong: StripeError | None = None
    for form in meant:
        try:
            return _value(value, form, param)
        except StripeError as error:
            wrong = wrong or error
    raise wrong or _wrong("object", value, param)


def _scalar(value: Any, node: Scalar, param: str) -> Any:
    if not isinstance(value, str):
        raise _wrong(node.type, value, param)
    if node.values and value not in node.values:
        raise invalid(f"Invalid {param}: must be one of {_either_of(node.values)}", param=param)
    return _READ[node.type](value, param)


def _either_of(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])}{',' if len(values) > 2 else ''} or {values[-1]}"


def _string(value: str, param: str) -> str:
    if len(value) > LONGEST_STRING:
        raise invalid(f"Invalid string: {value[:32]}...; must be at most {LONGEST_STRING} characters", param=param)
    return value


def _integer(value: str, param: str) -> int:
    if not _INTEGER.fullmatch(value) or abs(int(value)) > _BIGGEST:
        raise invalid(f"Invalid integer: {value[:80]}", code="parameter_invalid_integer", param=param)
    return int(value)


def _boolean(value: str, param: str) -> bool:
    if value not in ("true", "false"):
        raise _wrong("boolean", value, param)
    return value == "true"


def _float(value: str, param: str) -> float:
    if not _DECIMAL.fullmatch(value) or not math.isfinite(float(value)):
        raise _wrong("decimal", value, param)
    return float(value)


def _decimal(value: str, param: str) -> str:
    if not _DECIMAL.fullmatch(value):
        raise _wrong("decimal", value, param)
    return value


_READ: Mapping[str, Callable[[str, str], Any]] = {
    "string": _string,
    "integer": _integer,
    "boolean": _boolean,
    "float": _float,
    "decimal": _decimal,
}


def _wrong(wanted: str, value: Any, param: str) -> StripeError:
    told = str(value)
    return invalid(f"Invalid {wanted}" if wanted in ("object", "array") else f"Invalid {wanted}: {told[:80]}", param=param)
