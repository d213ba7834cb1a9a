"""What docs/stripe.md shows is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("stripe")

PAGE = Path(__file__).parents[3] / "docs" / "stripe.md"


def test_the_example_in_process_runs_and_its_webhooks_verify() -> None:
    shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    blocks = [block for block in shown if "base_addresses" not in block]
    assert len(blocks) >= 3
    told: dict[str, Any] = {}
    exec("import time\n" + "\n".join(blocks), told)
    sandbox, stripe, ada, price = (told[name] for name in ("sandbox", "stripe", "ada", "price"))
    card = stripe.v1.payment_methods.list({"customer": ada.id}).data[0]
    made = stripe.v1.subscriptions.create(
        {"customer": ada.id, "items": [{"price": price.id}], "default_payment_method": card.id}
    )
    assert made.status == "active"
    exec(blocks[-1].partition("\n")[2], told)
    assert told["event"].type == "invoice.paid"
    sandbox.advance(days=32)
    assert len(sandbox.deliveries()) == 1, "the renewal is paid"
