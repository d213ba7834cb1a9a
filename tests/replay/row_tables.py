"""Tables of a small platform's stores at one moment, as people have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOMENT = "2026-03-10T06:00:00Z"
MOMENT_S = 1_773_122_400
HOUR = 3_600
DAY = 86_400

DUNNING = """account,status,retry_count,escalation_level,since_ms
1001,healthy,0,0,2026-01-01T00:00:00Z
1002,healthy,0,0,2026-03-10T06:00:00Z
"""
PROFILES = """account,name,email,country,account_type,flags
1001,Jane Roe,jane.roe@corp.test,US,self_serve,1
1002,Bob Smith-Jones,bob@corp.test,DE,self_serve,1
"""
MAPPING = """account,stripe_customer,checkout_plan,braintree_paid
1001,cus_RealOne,pro_monthly,false
1002,cus_RealTwo,pro_monthly,
"""
LEDGER = """account,object_id,status,amount_due,amount_paid
1001,ch_Real1,succeeded,2000,2000
1001,in_Real1,paid,2000,2000
1002,ch_Real2,succeeded,2000,2000
1002,in_Real2,paid,2000,2000
"""
ACCESS = """account,product,plan
1001,zone_plan,pro_monthly
1002,zone_plan,pro_monthly
"""
BOUGHT = """account,key,status,stripe_subscription,product,plan,price
1001,ope-1,active,sub_Real1,zone_plan,pro_monthly,2000
1002,ope-2,active,sub_Real2,zone_plan,pro_monthly,2000
"""
METADATA = """object_id,account_type,bad_debt
cus_RealOne,self_serve,
cus_RealTwo,self_serve,
"""
ZONES = """account,zone,plan
1001,roe.test,pro_monthly
1002,smith-jones.test,pro_monthly
"""
STORES: dict[str, str] = {
    "subs_dunning": DUNNING,
    "subs_account": PROFILES,
    "subs_customer": MAPPING,
    "billing_prod": LEDGER,
    "cf_prod": ACCESS,
    "ope": BOUGHT,
    "stripe_metadata": METADATA,
    "www": ZONES,
}


def tables(folder: Path, changed: Mapping[str, str | None] | None = None) -> list[Path]:
    """A CSV file a store; `changed` replaces a store's text, None leaves its file out."""
    texts = {**STORES, **(changed or {})}
    paths = []
    for store, text in texts.items():
        if text is not None:
            path = folder / f"{store}.csv"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
    return paths


def event(n: int, type: str, payload: dict[str, Any], created: int, **data: Any) -> dict[str, Any]:
    """An event of the incident."""
    return {
        "id": f"evt_Real{n}",
        "object": "event",
        "api_version": "2024-06-20",
        "created": created,
        "data": {"object": payload, **data},
        "livemode": True,
        "type": type,
    }


def invoice(**fields: Any) -> dict[str, Any]:
    """A renewal of 1002, made an hour after the moment, whose first attempt has failed."""
    return {
        "id": "in_Real3",
        "object": "invoice",
        "customer": "cus_RealTwo",
        "subscription": "sub_Real2",
        "status": "open",
        "amount_due": 2000,
        "amount_paid": 0,
        "amount_remaining": 2000,
        "attempt_count": 1,
        "attempted": True,
        "billing_reason": "subscription_cycle",
        "created": MOMENT_S + HOUR,
        "next_payment_attempt": MOMENT_S + DAY,
        "currency": "usd",
        **fields,
    }


PAID = {"status": "paid", "amount_paid": 2000, "amount_remaining": 0, "attempt_count": 2, "next_payment_attempt": None}


def story(folder: Path, events: list[dict[str, Any]] | None = None) -> Path:
    """The events file: a renewal fails, and is paid a day later."""
    told = events or [
        event(1, "invoice.payment_failed", invoice(), MOMENT_S + 2 * HOUR),
        event(2, "invoice.paid", invoice(**PAID), MOMENT_S + DAY),
    ]
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in told), encoding="utf-8")
    return path
