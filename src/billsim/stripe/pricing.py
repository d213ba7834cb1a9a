"""The price that a request names for an item or a line: one that exists, or one that it draws up beside (`price_data`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from msgspec import UNSET

from billsim.core.ids import short
from billsim.stripe.backend import Act, Backend
from billsim.stripe.objects import Price, Recurring, with_kept
from billsim.stripe.params import Types, check, kept_of, refusal

_DATA: Types = {
    "currency": str,
    "product": str,
    "unit_amount": int,
    "unit_amount_decimal": str | Decimal | int,
    "recurring": dict,
    "tax_behavior": ("exclusive", "inclusive", "unspecified"),
}
# Under which name a price, whose `unit_amount` is 0 then, keeps what a unit costs where that is no whole number of minor units.
DECIMAL = "unit_amount_decimal"
_PLACES = 12
_RECURRING: Types = {"interval": ("day", "week", "month", "year"), "interval_count": int}


def price_for(backend: Backend, wanted: Mapping[str, Any], path: str, task: str, *, recurs: bool) -> Price:
    """The price that `wanted` names by `price` or draws up by `price_data`; `recurs` says of which type it has to be. `path` is where in the request
    it stands (`items[0]`). One that was drawn up is at Stripe once it is `kept`. Raises StripeError.
    """
    if ("price" in wanted) == ("price_data" in wanted):
        if "price" in wanted:
            raise refusal("parameter_invalid", "You may only specify one of these parameters: price, price_data.", param=f"{path}[price]")
        raise refusal("parameter_missing", f"Missing required param: {path}[price].", param=f"{path}[price]")
    price = backend.price(wanted["price"]) if "price" in wanted else _drawn_up(backend, wanted["price_data"], f"{path}[price_data]", task)
    if (price.recurring is not None) != recurs:
        is_, takes = ("one_time", "recurring") if recurs else ("recurring", "one_time")
        message = f"The price specified is set to `type={is_}` but this field only accepts prices with `type={takes}`."
        raise refusal("parameter_invalid", message, param=f"{path}[price]")
    if not price.active and "price" in wanted:
        raise refusal("resource_missing", "The price specified is inactive. This field only accepts active prices.", param=f"{path}[price]")
    return price


LONGEST_TRIAL_DAYS = 730
# Nothing recurs less often (https://docs.stripe.com/api/prices/create).
_MOST = {"day": 1095, "week": 156, "month": 36, "year": 3}


def check_interval(recurring: Mapping[str, Any], path: str) -> None:
    """Raise StripeError for an interval of nothing, and for one of more than three years."""
    count, interval = recurring.get("interval_count", 1), recurring.get("interval", "month")
    if count < 1:
        raise refusal("parameter_invalid_integer", "This value must be greater than or equal to 1.", param=f"{path}[interval_count]")
    if count > _MOST[interval]:
        message = f"You cannot specify a recurring price with an interval of more than {_MOST[interval]} {interval}s."
        raise refusal("", message, param=f"{path}[interval_count]")


def _drawn_up(backend: Backend, data: Any, path: str, task: str) -> Price:
    check(data, _DATA, ("currency", "product"), within=path)
    recurring, exact = data.get("recurring"), _amount(data, path)
    check(recurring or {}, _RECURRING, ("interval",) if recurring is not None else (), within=f"{path}[recurring]")
    if backend.is_whole:
        backend.product(data["product"])
    if recurring is not None:
        check_interval(recurring, f"{path}[recurring]")
    return Price(
        id=backend.free(f"price_{short(f'{task}/{path}')}"),
        created=backend.now_s,
        active=False,
        currency=data["currency"],
        product=data["product"],
        type="recurring" if recurring is not None else "one_time",
        recurring=Recurring(**recurring) if recurring is not None else None,
        **unit_fields(backend, exact, kept_of(data, ("tax_behavior",)), f"{path}[{DECIMAL}]"),
    )


def _amount(data: Mapping[str, Any], path: str) -> Decimal:
    given = [name for name in ("unit_amount", DECIMAL) if data.get(name) is not None]
    if len(given) != 1:
        code, may = ("parameters_exclusive", "may only") if given else ("parameter_missing", "must")
        message = f"You {may} specify one of these parameters: unit_amount, unit_amount_decimal."
        raise refusal(code, message, param=f"{path}[unit_amount]")
    return Decimal(data["unit_amount"]) if given == ["unit_amount"] else decimal_of(data[DECIMAL], f"{path}[{DECIMAL}]")


def decimal_of(given: Any, param: str) -> Decimal:
    """A number of minor units, with at most 12 decimal places. Raises StripeError."""
    try:
        number = Decimal(given)
    except InvalidOperation:
        raise refusal("parameter_invalid", f"Invalid decimal: {given}", param=param) from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** _PLACES:
        raise refusal("parameter_invalid", f"Invalid decimal: {given}", param=param)
    if number != number.quantize(Decimal(1).scaleb(-_PLACES)):
        raise refusal("parameter_invalid", f"Invalid decimal: {given}; must contain at maximum twelve decimal places.", param=param)
    return number


def unit_fields(backend: Backend, exact: Decimal, kept: Any, param: str) -> dict[str, Any]:
    """`unit_amount`, and what is `kept` beside it, of a price that costs so much a unit. Raises StripeError for a fraction in a world, whose engines
    count in whole units.
    """
    if exact == int(exact):
        return {"unit_amount": int(exact), "kept": kept}
    if not backend.is_whole:
        raise refusal("not_simulated", "billsim does not simulate fractions of a minor unit in worlds.", param=param)
    return {"unit_amount": 0, "kept": with_kept(kept, {DECIMAL: f"{exact.normalize():f}"})}


def cost(price: Price, quantity: int) -> int:
    """What so many of a price cost, to the nearest minor unit; half a unit counts as one (assumed)."""
    exact = None if price.kept is UNSET else price.kept.get(DECIMAL)
    return price.unit_amount * quantity if exact is None else rounded(Decimal(exact) * quantity)


def rounded(exact: Decimal) -> int:
    """An amount to the nearest minor unit."""
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def is_free(price: Price) -> bool:
    """Whether it costs nothing, however many."""
    return not price.unit_amount and not price.says(DECIMAL)


def keep(act: Act, prices: Iterable[Price]) -> None:
    """Prices that a request drew up are at Stripe from now on."""
    for price in prices:
        if price.id not in act.backend.prices:
            act.backend.prices[price.id] = price
            act.tell("price.created", price)


def details_of(price: Price) -> dict[str, Any]:
    """`pricing` of a line or an invoice item, as the API writes it."""
    named = {"price": price.id, "product": price.product}
    return {"price_details": named, "type": "price_details", "unit_amount_decimal": str(price.says(DECIMAL, price.unit_amount))}
