"""Two hands have reckoned what a change costs, the changes calculator and the simulated Stripe: over thousands of changes they agree to the cent.

Each tale is a subscription that begins on some day, month ends and leap years among them, and is changed several times: plan, quantity, interval,
products added and taken out, on trial and after it, billed at once or with the next period. What the calculator says is compared with Stripe's
invoice, line by line.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.engine import changes_calculator
from billsim.engine.changes_calculator import NOTHING, Bought, Calculation, Term, calculate
from billsim.stores.ope import OpeItem
from billsim.stripe.api import Stripe
from billsim.stripe.objects import Book, Card, Customer, Invoice, InvoiceSettings, PaymentMethod, Price, Recurring, Subscription
from billsim.stripe.settings import StripeSettings
from tests.stripe.bench import Recorder

DAY_S = 86_400
TALES, CHANGES = 900, 2_000
PRICES = (0, 1, 3, 99, 500, 999, 1001, 2000, 3252, 9999, 20_000, 123_457)
DAYS = ((2024, 1, 31), (2024, 2, 29), (2026, 1, 29), (2026, 1, 30), (2026, 1, 31), (2026, 2, 28), (2026, 4, 30), (2026, 12, 31), (2027, 12, 30),
        (2028, 1, 31), (2028, 2, 29), (2099, 12, 31), (2100, 2, 28))  # fmt: skip


class Tale:
    """A subscription and its changes, told to both. `changes`: how many were compared; `kinds`: of which sort they were."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        begins = datetime(*self._day(), self.draw.randrange(24), self.draw.randrange(60), self.draw.randrange(60), tzinfo=UTC)
        self.now_s = int(begins.timestamp())
        self.kernel = Kernel(self.now_s * 1000)
        outbox = Recorder()
        self.stripe = Stripe(self.kernel, Seeded(seed), StripeSettings(), outbox)
        outbox.acknowledges = self.stripe
        self.stripe.seed(
            Customer(id="cus_a", created=0, invoice_settings=InvoiceSettings("pm_a")),
            PaymentMethod(id="pm_a", created=0, customer="cus_a", card=Card()),
        )
        self.bought = NOTHING
        self.term = Term(self.now_s, self.now_s)
        self.waiting: list[int] = []
        self.changes = 0
        self.kinds: set[str] = set()

    def tell(self) -> None:
        """Buy, change a few times, and renew. Raises AssertionError where the two do not agree."""
        self._buy()
        for _ in range(self.draw.randint(2, 5)):
            self._wait()
            self._change()
        self._renew()

    # -- what happens

    def _day(self) -> tuple[int, int, int]:
        if self.draw.random() < 0.5:
            return self.draw.choice(DAYS)
        return self.draw.randint(2024, 2032), self.draw.randint(1, 12), self.draw.randint(1, 28)

    def _buy(self) -> None:
        bought = Bought(tuple(self._item(f"product{n}") for n in range(self.draw.randint(1, 3))), self.draw.choice(("month", "year")))
        told = [{"price": self._price(item, bought.interval), "quantity": item.quantity} for item in bought.items]
        params: dict[str, Any] = {"customer": "cus_a", "items": told}
        trial = self.draw.choice((0, 0, 0, 7, 30))
        if trial:
            params["trial_period_days"] = trial
        self._call("subscriptions.create", "sub_a", params)
        found = calculate(NOTHING, bought, self.term, self.now_s)
        if trial:
            self.term = Term(self.now_s, self.now_s + trial * DAY_S, True)
        else:
            self._compare(found, self._book.invoices["in_a_1"])
            self.term = found.term
        self.bought = bought
        self._agree_on_the_term()

    def _change(self) -> None:
        after, old = self._after(), {item.price.product: item for item in self._subscription.items.data}
        at_once = self.draw.random() < 0.6
        gone = set(old) - {item.product for item in after.items}
        told: list[dict[str, Any]] = [{"id": item.id, "deleted": True} for product, item in old.items() if product in gone]
        for item in after.items:
            named = {"id": old[item.product].id} if item.product in old else {}
            told.append({**named, "price": self._price(item, after.interval), "quantity": item.quantity})
        prorates = self.draw.random() < 0.9
        behaviour = ("always_invoice" if at_once else "create_prorations") if prorates else "none"
        found = calculate(self.bought, after, self.term, self.now_s, prorates=prorates)
        before = set(self._book.invoices)
        params = {"items": told, "proration_behavior": behaviour, "proration_date": self.now_s}
        self._call("subscriptions.update", "sub_a", params, task=f"e/change{self.changes}")
        made = [invoice for id, invoice in self._book.invoices.items() if id not in before]
        self._settle(found, made, at_once=behaviour == "always_invoice")
        self._count(after, found)
        self.bought, self.term = after, found.term
        self._agree_on_the_term()

    def _settle(self, found: Calculation, made: list[Invoice], *, at_once: bool) -> None:
        """Billed now, or waiting for the next period."""
        if found.resets or (at_once and found.amounts):
            assert len(made) == 1
            # A new period takes along what had been waiting; what is billed by itself does not.
            swept, self.waiting = (self.waiting, []) if found.resets else ([], self.waiting)
            self._compare(found, made[0], swept)
        else:
            assert not made
            self.waiting += [each.amount for each in found.amounts]
        assert sorted(item.amount for item in self._book.invoice_items.values() if item.invoice is None) == sorted(self.waiting)

    def _renew(self) -> None:
        """The next period, whole: what stands, and what had been waiting."""
        before = set(self._book.invoices)
        self._move(self.term.end_s)
        made = [invoice for id, invoice in self._book.invoices.items() if id not in before]
        assert [invoice.billing_reason for invoice in made] == ["subscription_cycle"]
        assert made[0].total == self.bought.price + sum(self.waiting)
        self.waiting = []
        item = self._subscription.items.data[0]
        self.term = Term(item.current_period_start, item.current_period_end)

    def _wait(self) -> None:
        """Some time of the period, none of it, or all but a second; or into the next one."""
        left = self.term.end_s - self.now_s
        if self.draw.random() < 0.15:
            self._renew()
        else:
            waits = self.draw.choice((0, 1, left - 1, left // 2, left // 3, *[self.draw.randrange(left) for _ in range(6)]))
            self._move(self.now_s + min(waits, left - 1))

    # -- what is drawn

    def _item(self, product: str) -> OpeItem:
        price = self.draw.choice((*PRICES, self.draw.randrange(100_000)))
        return OpeItem(product, f"plan{price}", price, self.draw.choice((1, 1, 2, 3, 7, 100)))

    def _after(self) -> Bought:
        items, interval = list(self.bought.items), self.bought.interval
        nth = self.draw.randrange(len(items))
        kind = self.draw.choice(("plan", "plan", "quantity", "interval", "add", "remove"))
        if kind == "plan" or (kind == "remove" and len(items) == 1):
            items[nth] = replace(self._item(items[nth].product), quantity=items[nth].quantity)
        elif kind == "quantity":
            items[nth] = replace(items[nth], quantity=self.draw.choice((1, 2, 3, 5, 11)))
        elif kind == "interval":
            interval = "year" if interval == "month" else "month"
            items = [replace(self._item(item.product), quantity=item.quantity) for item in items]
        elif kind == "add":
            items.append(self._item(f"further{self.changes}"))
        else:
            del items[nth]
        return Bought(tuple(items), interval)

    def _count(self, after: Bought, found: Calculation) -> None:
        self.changes += 1
        self.kinds |= {
            "trial" if self.term.on_trial else "paid",
            "resets" if found.resets else "within",
            "up" if found.total > 0 else "down" if found.total < 0 else "even",
            f"{self.bought.interval}->{after.interval}",
        }

    # -- the two

    @property
    def _book(self) -> Book:
        return self.stripe.books["cus_a"]

    @property
    def _subscription(self) -> Subscription:
        return self._book.subscriptions["sub_a"]

    def _price(self, item: OpeItem, interval: str) -> str:
        id = f"price_{item.product}_{item.price}_{interval}"
        if id not in self.stripe.prices:
            self.stripe.seed(Price(id=id, created=0, product=item.product, unit_amount=item.price, recurring=Recurring(interval)))
        return id

    def _call(self, name: str, id: str, params: dict[str, Any], task: str = "e/buy") -> Any:
        return self.stripe.call(name, id, params, key=None, task=task)

    def _move(self, to_s: int) -> None:
        self.kernel.run(to_s * 1000, Unwatched(), 1_000_000)
        self.kernel.move_to(to_s * 1000)
        self.now_s = to_s

    def _compare(self, found: Calculation, invoice: Invoice, waiting: Sequence[int] = ()) -> None:
        lines = [(line.amount, line.period) for line in invoice.lines.data if line.amount]
        expected = [(each.amount, (each.term.start_s, each.term.end_s)) for each in found.amounts]
        there = [(amount, (period.start, period.end)) for amount, period in lines if period]
        missing = [line for line in expected if there.count(line) < expected.count(line)]
        assert not missing, f"the calculator has {missing}, Stripe {there}"
        assert sorted(amount for amount, _ in there) == sorted([amount for amount, _ in expected] + list(waiting))
        assert invoice.total == found.total + sum(waiting)

    def _agree_on_the_term(self) -> None:
        for item in self._subscription.items.data:
            assert (item.current_period_start, item.current_period_end) == self.term[:2]


def test_over_two_thousand_changes_they_agree_to_the_cent() -> None:
    changes, kinds = 0, set[str]()
    for seed in range(TALES):
        tale = Tale(seed)
        tale.tell()
        changes += tale.changes
        kinds |= tale.kinds
    assert changes >= CHANGES
    assert kinds == {"trial", "paid", "resets", "within", "up", "down", "even", "month->month", "month->year", "year->month", "year->year"}


def _down(amount: int, part: int, whole: int) -> int:
    return amount * part // whole if whole else 0


def _to_even(amount: int, part: int, whole: int) -> int:
    units, rest = divmod(amount * part, whole) if whole else (0, 0)
    return units + (2 * rest > whole or (2 * rest == whole and units % 2 == 1))


def _by_the_day(amount: int, part: int, whole: int) -> int:
    return (2 * amount * (part // DAY_S) + whole // DAY_S) // (2 * (whole // DAY_S)) if whole else 0


@pytest.mark.parametrize("share", [_down, _to_even, _by_the_day])
def test_a_calculator_that_rounds_otherwise_is_found(share: Callable[[int, int, int], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_calculator, "share", share)
    with pytest.raises(AssertionError):
        for seed in range(TALES):
            Tale(seed).tell()


# -- they share no code


SOURCE = Path(changes_calculator.__file__).parents[1]


def _imports(module: str) -> dict[str, set[str]]:
    """What a module of billsim imports from others: module -> names."""
    place = SOURCE.parent / module.replace(".", "/")
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("billsim"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (SOURCE.parent / whole.replace(".", "/")).with_suffix(".py").exists()
                found.setdefault(whole if is_module else node.module, set()).add("" if is_module else alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("billsim"):
                    found.setdefault(alias.name, set()).add("")
    return found


def _reached(modules: set[str]) -> set[str]:
    reached, ahead = set[str](), list(modules)
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead += _imports(module)
    return reached


def test_the_two_share_no_code() -> None:
    doors = ("__init__", "sandbox", "sdk", "through_sdk")
    core = {f"billsim.stripe.{file.stem}" for file in (SOURCE / "stripe").glob("*.py") if file.stem not in doors}
    # The calculator takes nothing but the rows that it reads from anywhere.
    assert _imports("billsim.engine.changes_calculator") == {"billsim.stores.ope": {"OpeItem", "OpeSubscription"}}
    assert {"billsim.stripe.prorations", "billsim.stripe.periods", "billsim.core.time"} <= _reached(core)
    assert not [module for module in _reached(core) if module.startswith(("billsim.engine", "billsim.stores"))]
