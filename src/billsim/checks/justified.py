"""What justifies that something ends at an authority, besides the policy's call for it and a person's request."""

from __future__ import annotations

from billsim.checks.copies import ENDED
from billsim.core.trace import WriteRecord
from billsim.stores.base import Shard


def mirrors_stripe(shard: Shard, record: WriteRecord) -> bool:
    """OPE follows a subscription that has ended at Stripe already: what justified that cancel was asked then. Or Stripe follows OPE, where nobody
    has bought it, or where it has ended.
    """
    if record.store == "stripe.subscription":
        return not any(row.stripe_subscription == record.key and row.status != "canceled" for row in shard.all("ope").values())
    if record.store != "ope" or shard.stripe is None:
        return False
    subscription = shard.stripe.subscriptions.get(record.new.stripe_subscription)
    return subscription is not None and subscription.status in ENDED


def falls_with_its_subscription(shard: Shard, record: WriteRecord) -> bool:
    """Stripe voids by itself what a waiting change was to cost when its subscription is cancelled: it is that cancel which needs to be justified."""
    invoice = record.new
    if record.store != "stripe.invoice" or invoice.billing_reason != "subscription_update" or shard.stripe is None:
        return False
    subscription = shard.stripe.subscriptions.get(invoice.subscription)
    return subscription is not None and subscription.status in ENDED and subscription.canceled_at == record.at_ms // 1000
