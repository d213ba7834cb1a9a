"""What becomes of a payment: how each payment method behaves, and what its bank says when it declines."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from billsim.core.choices import Choices, Options, chance
from billsim.core.time import day_of

OutcomeStatus = Literal["paid", "failed", "requires_action", "processing"]


class CardBehaviour(NamedTuple):
    """How a payment method answers. `until_s`: the bad behaviour ends at this instant, unix seconds (None: never).

    `daily_decline_ppm`: the chance, in parts per million, that a good one lacks the funds on a given day.
    """

    kind: Literal["good", "insufficient_funds", "lost"]
    until_s: int | None = None
    daily_decline_ppm: int = 0


class Decline(NamedTuple):
    """A bank's refusal, as in https://docs.stripe.com/declines/codes. A `hard` one is not tried again with the same payment method."""

    decline_code: str
    message: str
    hard: bool = False
    code: str = "card_declined"


class Outcome(NamedTuple):
    """What a payment came to; `decline` says why where it failed."""

    status: OutcomeStatus
    decline: Decline | None = None


INSUFFICIENT_FUNDS = Decline("insufficient_funds", "Your card has insufficient funds.")
LOST_CARD = Decline("lost_card", "Your card was declined.", hard=True)
HARD_DECLINES = frozenset({LOST_CARD.decline_code})
NO_METHOD = Decline("", "There is no payment method to charge.", code="payment_intent_payment_method_missing")

PAID = Outcome("paid")
DECLINED = Outcome("failed", INSUFFICIENT_FUNDS)
LOST = Outcome("failed", LOST_CARD)
MISSING = Outcome("failed", NO_METHOD)
REQUIRES_ACTION = Outcome("requires_action")
PROCESSING = Outcome("processing")

# What a told story may force.
RESULTS = {"paid": PAID, "declined": DECLINED, "lost_card": LOST, "requires_action": REQUIRES_ACTION, "processing": PROCESSING}

# Tokens of https://docs.stripe.com/testing with which a payment method can be created; those not named here behave well.
TOKENS = {
    "tok_visa": CardBehaviour("good"),
    "tok_visa_chargeDeclinedInsufficientFunds": CardBehaviour("insufficient_funds"),
    "tok_visa_chargeDeclinedLostCard": CardBehaviour("lost"),
}

_GOOD = CardBehaviour("good")


class Cards:
    """Every payment method's behaviour, and which customers their bank will challenge next."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._behaviours: dict[str, CardBehaviour] = {}
        self._chances: dict[int, Options] = {}
        self._challenged: set[str] = set()

    def behave(self, payment_method: str, behaviour: CardBehaviour) -> None:
        """From now on `payment_method` answers like this."""
        self._behaviours[payment_method] = behaviour

    def challenge(self, customer: str) -> None:
        """The customer's next on-session payment needs the customer's confirmation at the bank."""
        self._challenged.add(customer)

    def memory(self) -> list[Any]:
        """How payment methods behave, and who will be challenged."""
        return [sorted(self._behaviours.items()), sorted(self._challenged)]

    def pay(self, payment_method: str | None, now_ms: int) -> Outcome:
        """What a charge of this payment method comes to. Whether it has the funds is a fact of the day, whoever asks and however often."""
        if payment_method is None:
            return MISSING
        behaviour = self._behaviours.get(payment_method, _GOOD)
        if behaviour.kind != "good" and (behaviour.until_s is None or now_ms < behaviour.until_s * 1000):
            return LOST if behaviour.kind == "lost" else DECLINED
        if behaviour.daily_decline_ppm and self._broke(payment_method, behaviour.daily_decline_ppm, now_ms):
            return DECLINED
        return PAID

    def pay_for(self, customer: str, payment_method: str, now_ms: int, *, on_session: bool) -> Outcome:
        """As `pay`; with the customer at hand, a challenge that is due is put now, once."""
        if on_session and customer in self._challenged:
            self._challenged.discard(customer)
            return REQUIRES_ACTION
        return self.pay(payment_method, now_ms)

    def _broke(self, payment_method: str, parts_per_million: int, now_ms: int) -> bool:
        table = self._chances.get(parts_per_million)
        if table is None:
            table = self._chances[parts_per_million] = chance("funds", parts_per_million)
        return self._choices.fact(f"w/fact/funds/{payment_method}/{day_of(now_ms)}", table) == 1
