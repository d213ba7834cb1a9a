"""Subscriptions that begin in the past (https://docs.stripe.com/billing/subscriptions/backdating): what is billed of the time that has gone by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.stripe.objects import Recurring, SubscriptionItem
from billsim.stripe.params import refusal
from billsim.stripe.periods import Counted, cycle_around, period_end

PARAM = "backdate_start_date"
MOST_LINES = 250


class Backdated(NamedTuple):
    """Items in the period that they are in by now, and what is billed: see `invoices.lines_of_spans`."""

    items: tuple[SubscriptionItem, ...]
    spans: tuple[tuple[SubscriptionItem, int], ...]


def asked_for(params: Mapping[str, Any], now_s: int, trial_end: int | None) -> int | None:
    """When a subscription began, None for now. Raises StripeError."""
    start: int | None = params.get(PARAM) or None
    if start is None or start == now_s:
        return None
    if start > now_s:
        raise refusal("parameter_invalid", f"`{PARAM}` must be in the past.", param=PARAM)
    if trial_end is not None:
        raise refusal("not_simulated", f"billsim does not simulate `{PARAM}` together with a trial.", param=PARAM)
    return start


def by_periods(items: Iterable[SubscriptionItem], start_s: int, now_s: int, counted: Counted, *, prorates: bool) -> Backdated:
    """As flexible subscriptions bill it: each period since then by itself. Unless it `prorates` nothing of what has gone by is billed, nor of a
    period that has begun (assumed). Raises StripeError for too many lines.
    """
    now, spans = [], []
    for item in items:
        begun, past = start_s, []
        while True:
            cycle = cycle_around(item.price.recurring or Recurring(), begun, counted.anchor, counted.day)
            span = replace(item, current_period_start=begun, current_period_end=cycle.end)
            past.append((span, cycle.end - cycle.start if begun != cycle.start else 0))
            if len(past) > MOST_LINES:
                raise refusal("parameter_invalid", f"Backdating is not supported for more than {MOST_LINES} invoice lines.", param=PARAM)
            if cycle.end > now_s:
                break
            begun = cycle.end
        now.append(span)
        spans += past if prorates else past[-1:] if begun == now_s else []
    if len(spans) > MOST_LINES:
        raise refusal("parameter_invalid", f"Backdating is not supported for more than {MOST_LINES} invoice lines.", param=PARAM)
    return Backdated(tuple(now), tuple(spans))


def at_once(
    items: Iterable[SubscriptionItem], spans: list[tuple[SubscriptionItem, int]], start_s: int, now_s: int, *, to_anchor: bool
) -> list[tuple[SubscriptionItem, int]]:
    """As classic subscriptions bill it: the time since then in one share of a period that would have begun then, up to now, or (`to_anchor`) to the
    anchor, in place of what is billed up to there.
    """
    past = []
    for item in items:
        imagined = period_end(item.price.recurring or Recurring(), start_s, start_s) - start_s
        until = item.current_period_end if to_anchor else now_s
        past.append((replace(item, current_period_start=start_s, current_period_end=until), imagined))
    return past if to_anchor else [*past, *spans]
