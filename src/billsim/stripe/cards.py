"""What becomes of a payment: how each payment method behaves, and what its bank says when it declines."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from billsim.core.choices import Choices, Options, chance
from billsim.core.time import day_of
from billsim.stripe.card_numbers import FRAUDULENT, FUNDS, GOOD, LOST, STOLEN, Behaviour, Decline

__all__ = ["Behaviour", "CardBehaviour", "Cards", "Decline", "Outcome"]

OutcomeStatus = Literal["paid", "failed", "requires_action", "processing"]


class CardBehaviour(NamedTuple):
    """How a payment method answers. `until_s`: the bad behaviour ends at this instant, unix seconds (None: never).

    `daily_decline_ppm`: the chance, in parts per million, that a good one lacks the funds on a given day.
    """

    kind: Literal["good", "insufficient_funds", "lost"]
    until_s: int | None = None
    daily_decline_ppm: int = 0


class Outcome(NamedTuple):
    """What a payment came to; `decline` says why where it failed."""

    status: OutcomeStatus
    decline: Decline | None = None


INSUFFICIENT_FUNDS = FUNDS
LOST_CARD = LOST
HARD_DECLINES = frozenset({LOST.decline_code, STOLEN.decline_code, FRAUDULENT.decline_code})
NO_METHOD = Decline("", "There is no payment method to charge.", code="payment_intent_payment_method_missing")
NOT_AUTHENTICATED = Decline(
    "",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    code="payment_intent_authentication_failure",
)
# The bank wants a confirmation, and the customer is not there to give it.
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required", "Your card was declined. This transaction requires authentication.", code="authentication_required"
)

PAID = Outcome("paid")
DECLINED = Outcome("failed", INSUFFICIENT_FUNDS)
LOST_OUTCOME = Outcome("failed", LOST_CARD)
MISSING = Outcome("failed", NO_METHOD)
REQUIRES_ACTION = Outcome("requires_action")
PROCESSING = Outcome("processing")

# What a told story may force.
RESULTS = {"paid": PAID, "declined": DECLINED, "lost_card": LOST_OUTCOME, "requires_action": REQUIRES_ACTION, "processing": PROCESSING}

_GOOD = CardBehaviour("good")


class Cards:
    """Every payment method's behaviour, and which customers their bank will challenge next.

    How a payment method behaves is told by the world (`behave`), or by the test number that it was made with (`made_with`).
    """

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._behaviours: dict[str, CardBehaviour] = {}
        self._chances: dict[int, Options] = {}
        self._challenged: set[str] = set()
        self._numbers: dict[str, Behaviour] = {}
        self._set_up: set[str] = set()
        self._spent: set[str] = set()
        self._authenticated: set[str] = set()

    def behave(self, payment_method: str, behaviour: CardBehaviour) -> None:
        """From now on `payment_method` answers like this."""
        self._behaviours[payment_method] = behaviour

    def made_with(self, payment_method: str, behaviour: Behaviour) -> None:
        """`payment_method` was made with a test number that behaves like this."""
        if behaviour is not GOOD:
            self._numbers[payment_method] = behaviour

    def number(self, payment_method: str | None) -> Behaviour:
        """How the test number behaves that a payment method was made with; well, where it was none."""
        return self._numbers.get(payment_method or "", GOOD)

    def set_up(self, payment_method: str) -> None:
        """The customer has confirmed at the bank that `payment_method` may be used off session."""
        if payment_method in self._numbers:
            self._set_up.add(payment_method)

    def spend(self, payment_method: str) -> None:
        """`payment_method` may not be used again: it was detached, or used without a customer."""
        self._spent.add(payment_method)

    def is_spent(self, payment_method: str) -> bool:
        """Whether it may not be used again."""
        return payment_method in self._spent

    def authenticate(self, payment_intent: str) -> None:
        """The customer has confirmed a payment at the bank that is to be confirmed once more by request."""
        self._authenticated.add(payment_intent)

    def is_authenticated(self, payment_intent: str) -> bool:
        """Whether the customer has confirmed a payment at the bank."""
        return payment_intent in self._authenticated

    def challenge(self, customer: str) -> None:
        """The customer's next on-session payment needs the customer's confirmation at the bank."""
        self._challenged.add(customer)

    def memory(self) -> list[Any]:
        """How payment methods behave, and who will be challenged."""
        told = (self._challenged, self._numbers, self._set_up, self._spent, self._authenticated)
        return [sorted(self._behaviours.items()), *[sorted(each) for each in told]]

    def pay(self, payment_method: str | None, now_ms: int, *, on_session: bool = False) -> Outcome:
        """What a charge of this payment method comes to. Whether it has the funds is a fact of the day, whoever asks and however often."""
        if payment_method is None:
            return MISSING
        behaviour = self._behaviours.get(payment_method, _GOOD)
        if behaviour.kind != "good" and (behaviour.until_s is None or now_ms < behaviour.until_s * 1000):
            return LOST_OUTCOME if behaviour.kind == "lost" else DECLINED
        if behaviour.daily_decline_ppm and self._broke(payment_method, behaviour.daily_decline_ppm, now_ms):
            return DECLINED
        if self._numbers and payment_method in self._numbers:
            return self._by_number(payment_method, on_session)
        return PAID

    def pay_for(self, customer: str, payment_method: str, now_ms: int, *, on_session: bool) -> Outcome:
        """As `pay`; with the customer at hand, a challenge that is due is put now, once."""
        if on_session and customer in self._challenged:
            self._challenged.discard(customer)
            return REQUIRES_ACTION
        return self.pay(payment_method, now_ms, on_session=on_session)

    def confirmed(self, payment_method: str | None) -> Outcome:
        """What a payment comes to once the customer has confirmed it at the bank."""
        declined = self.number(payment_method).then
        return Outcome("failed", declined) if declined is not None else PAID

    def answer(self, payment_method: str | None, now_ms: int) -> Outcome:
        """What a payment comes to that the bank has been processing."""
        behaviour = self.number(payment_method)
        if behaviour.settles_s == 0:
            return self.pay(payment_method, now_ms)
        return Outcome("failed", behaviour.decline) if behaviour.decline is not None else PAID

    def set_up_for(self, customer: str, payment_method: str, now_ms: int) -> Outcome:
        """What it comes to when a payment method is set up for later, with the customer at hand: nothing is charged, so that only a card is declined
        that is no good at all. One that the world made good or bad is asked as `pay_for` asks.
        """
        outcome = self.pay_for(customer, payment_method, now_ms, on_session=True)
        behaviour = self.number(payment_method)
        if behaviour is GOOD or outcome.status == "requires_action":
            return outcome if outcome.status == "requires_action" or (outcome.decline is not None and outcome.decline.hard) else PAID
        return Outcome("failed", behaviour.decline) if behaviour.decline is not None and not behaviour.attaches else PAID

    def _by_number(self, payment_method: str, on_session: bool) -> Outcome:
        behaviour = self._numbers[payment_method]
        asks = behaviour.asks
        if asks == "unless_set_up" and not on_session and payment_method in self._set_up:
            asks = ""
        if asks and (on_session or asks != "on_session"):
            return REQUIRES_ACTION
        if behaviour.settles_s != 0:
            return PROCESSING
        return Outcome("failed", behaviour.decline) if behaviour.decline is not None else PAID

    def _broke(self, payment_method: str, parts_per_million: int, now_ms: int) -> bool:
        table = self._chances.get(parts_per_million)
        if table is None:
            table = self._chances[parts_per_million] = chance("funds", parts_per_million)
        return self._choices.fact(f"w/fact/funds/{payment_method}/{day_of(now_ms)}", table) == 1
