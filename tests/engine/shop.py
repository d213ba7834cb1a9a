"""Ada at the simulated Stripe, under an engine that is driven by hand: what changes of her subscriptions are tried on.

She pays 20.00 USD a month for `zone_plan`, in a period of 28 days that began on 16 February 2026; it is the middle of it, 2 March 00:00.
"""

from __future__ import annotations

from typing import Any

from billsim.core.policy import DunningPolicy
from billsim.core.time import SECOND_MS
from billsim.engine.recompute import Recompute
from billsim.ports import CallStripe, Message, Send
from billsim.stores.base import Shard
from billsim.stores.cf_prod import EntitlementRow
from billsim.stores.ope import OpeItem, OpeSubscription
from billsim.stores.subs_account import AccountRow
from billsim.stores.subs_customer import CustomerRow
from billsim.stores.subs_dunning import DunningRow
from billsim.stripe.api import CardBehaviour
from billsim.stripe.objects import ItemList, PaymentMethod, Price, Recurring, Subscription, SubscriptionItem
from tests.driver import CrashError, Driver
from tests.stripe.bench import DAY_S, START_S, Bench

BEGAN_S, RENEWS_S = START_S - 13 * DAY_S, START_S + 15 * DAY_S
PRO, BUSINESS = OpeItem("zone_plan", "pro_monthly", 2000), OpeItem("zone_plan", "business_monthly", 5000)
BASIC, YEARLY = OpeItem("zone_plan", "basic_monthly", 500), OpeItem("zone_plan", "pro_yearly", 20000)
PICTURES = OpeItem("images", "images_monthly", 500)
UPGRADE = {"op": "upgrade", "subscription": "ope_ada", "plan": "business_monthly", "price": 5000}
DOWNGRADE = {"op": "downgrade", "subscription": "ope_ada", "plan": "basic_monthly", "price": 500}
TO_YEARLY = {"op": "upgrade", "subscription": "ope_ada", "plan": "pro_yearly", "price": 20000, "interval": "year"}
MORE = {"op": "quantity", "subscription": "ope_ada", "quantity": 3}
CANCEL = {"op": "cancel", "subscription": "ope_ada"}
BUY = {"op": "create", "product": "images", "plan": "images_monthly", "price": 500}
ADD = {**BUY, "subscription": "ope_ada"}
LATER = {"when": "period_end"}
THERE = {"on_session": True}


def ask(body: dict[str, Any], name: str = "m1", kind: str = "domain.change_requested") -> Message:
    """A change that somebody asks for."""
    return Message(name, "e", kind, "ada", 0, None, body)


DUE = ask({}, "due", "domain.change_due")


class Shop(Driver):
    """Ada's account. What an engine sends, and what Stripe emits, waits until `settle`."""

    def __init__(self, *, status: str = "active", quantity: int = 1, bought: OpeItem = PRO, method: str = "card") -> None:
        self.bench = Bench()
        self.bench.stripe.seed(PaymentMethod(id="pm_ada", created=BEGAN_S, customer="cus_ada", type=method))
        item = OpeItem(bought.product, bought.plan, bought.price, quantity)
        self._bill(item, status)
        self.bench.call("customers.update", "cus_ada", {"metadata": {"account_type": "self_serve"}})
        self.bench.stripe.resume()
        self.bench.outbox.events.clear()
        shard = Shard("ada")
        shard.rows["subs_dunning"] = DunningRow("ada", version=1)
        shard.rows["subs_account"] = AccountRow("ada", version=1)
        shard.rows["subs_customer"] = CustomerRow("ada", "cus_ada", version=1)
        shard.many["ope"] = {"ope_ada": OpeSubscription("ada", "ope_ada", stripe_subscription="sub_ada", items=(item,), version=1)}
        shard.many["cf_prod"] = {"zone_plan": EntitlementRow("ada", "zone_plan", item.plan, version=1)}
        shard.stripe = self.bench.book
        super().__init__(Recompute(DunningPolicy()), shard, START_S * SECOND_MS)
        self.at_s = START_S + DAY_S

    def _bill(self, bought: OpeItem, status: str) -> None:
        price = Price(id=f"price_{bought.plan}", created=0, product=bought.product, unit_amount=bought.price)
        period = {"current_period_start": BEGAN_S, "current_period_end": RENEWS_S}
        item = SubscriptionItem(id="si_ada", created=BEGAN_S, price=price, quantity=bought.quantity, subscription="sub_ada", **period)
        trial = {"trial_start": BEGAN_S, "trial_end": RENEWS_S} if status == "trialing" else {}
        fields = {"status": status, "items": ItemList((item,)), "billing_cycle_anchor": BEGAN_S, "start_date": BEGAN_S, **trial}
        yearly = Price(id="price_pro_yearly", created=0, product="zone_plan", unit_amount=20000, recurring=Recurring("year"))
        self.bench.stripe.seed(price, yearly, Subscription(id="sub_ada", created=BEGAN_S, customer="cus_ada", **fields))

    # -- time

    @property
    def now_ms(self) -> int:
        """The simulated instant; to set it lets time pass."""
        return self.bench.kernel.now

    @now_ms.setter
    def now_ms(self, instant_ms: int) -> None:
        self.bench.at(instant_ms // SECOND_MS - START_S)

    @property
    def at_s(self) -> int:
        """The simulated instant, in unix seconds."""
        return self.now_ms // SECOND_MS

    @at_s.setter
    def at_s(self, instant_s: int) -> None:
        self.now_ms = instant_s * SECOND_MS

    # -- what happens

    def _call(self, component: Any, effect: CallStripe) -> Any:
        task = f"e/shop/{len(self.effects)}"
        return self.bench.stripe.call(effect.method, effect.id, effect.params, key=effect.idempotency_key, task=task)

    def change(self, body: dict[str, Any], **more: Any) -> None:
        """Ask for a change, and let everything settle that comes of it."""
        self.deliver(ask({**body, **more}))
        self.settle()

    def settle(self) -> None:
        """Deliver what was sent and emitted, and what comes of that; what is due later waits."""
        for _ in range(20):
            sent, self.sent = self.sent, []
            self.sent = [each for each in sent if each.due_ms > self.now_ms]
            told = [self._message(nth, each) for nth, each in enumerate(each for each in sent if each.due_ms <= self.now_ms)]
            events, self.bench.outbox.events = self.bench.outbox.events, []
            told += [Message(each.name, "e", f"stripe.{each.event.type}", "ada", self.now_ms, each.event) for each in events]
            if not told:
                return
            for each in told:
                self.deliver(each)
        raise AssertionError("it does not come to rest")

    def _message(self, nth: int, sent: Send) -> Message:
        kind = sent.kind if sent.kind == "boundary" else f"domain.{sent.kind}"
        return Message(f"{sent.kind}{len(self.effects)}.{nth}", "e", kind, "ada", self.now_ms, None, sent.body)

    def crashing(self, after: int, message: Message) -> bool:
        """Deliver a message to a process that dies before its next effect but so many. Answer: whether it lived that long."""
        self.effects.clear()
        self.crash_after = after
        try:
            self.deliver(message)
            return False
        except CrashError:
            return True
        finally:
            self.crash_after = None

    def card(self, kind: Any) -> None:
        """How Ada's card answers from now on."""
        self.bench.stripe.behave("pm_ada", CardBehaviour(kind))

    # -- what there is

    @property
    def row(self) -> OpeSubscription:
        """Ada's first subscription of record."""
        return self.rows["ope_ada"]

    @property
    def rows(self) -> dict[str, OpeSubscription]:
        """All of hers, by key."""
        return dict(self.shard.all("ope"))

    @property
    def subscription(self) -> Subscription:
        """Her first subscription at Stripe."""
        return self.book.subscriptions["sub_ada"]

    def billed(self, id: str = "sub_ada") -> list[tuple[str, int, int, str]]:
        """Product, price, quantity and interval of what Stripe bills."""
        items = self.book.subscriptions[id].items.data
        return [(i.price.product, i.price.unit_amount, i.quantity, i.price.recurring.interval if i.price.recurring else "") for i in items]

    def lines(self, id: str) -> list[int]:
        """The amounts of an invoice's lines."""
        return [line.amount for line in self.book.invoices[id].lines.data]

    def charged(self) -> list[int]:
        """What was taken from Ada, in order."""
        return [charge.amount for charge in self.book.charges.values() if charge.status == "succeeded"]

    def plans(self) -> dict[str, str]:
        """What she may use, by product."""
        return {product: row.plan for product, row in self.shard.all("cf_prod").items()}

    def why(self) -> list[str]:
        """Why requests were not taken up, or came to nothing."""
        return [each.body["why"] for each in self.performed(Send) if each.body.get("why")]

    def calls(self) -> list[CallStripe]:
        """The requests to Stripe that were to change something."""
        return [call for call in self.performed(CallStripe) if not call.method.endswith(".retrieve")]

    def agrees(self) -> bool:
        """Whether OPE and Stripe say the same of every subscription, and nothing is on its way."""
        return all(self._agrees(row) for row in self.rows.values())

    def _agrees(self, row: OpeSubscription) -> bool:
        held = self.book.subscriptions.get(row.stripe_subscription)
        live = held is not None and held.status in ("active", "trialing", "past_due")
        if row.scheduled is not None or live != (row.status == "active"):
            return False
        wanted = [(item.product, item.price, item.quantity, row.interval) for item in row.items]
        return not live or sorted(self.billed(row.stripe_subscription)) == sorted(wanted)
