"""Path 8: what the pipe itself writes. Its old handlers of invoice events set the keys of bad debt on the invoice as the event shows it."""

from __future__ import annotations

from billsim.core.policy import DunningPolicy
from billsim.legacy.steps import snapshot
from billsim.ports import CallStripe, Message, Read, Steps
from billsim.stores.subs_account import AccountRow
from billsim.stripe.objects import Invoice

NAME = "pipe_invoice_keys"


class PipeKeys:
    """The component, writing as the pipe."""

    def __init__(self, policy: DunningPolicy) -> None:
        self._policy = policy

    def handle(self, message: Message) -> Steps:
        """An invoice that is bad debt by its snapshot, written off or marked so before, is given the keys, with what remained of it then. One
        that was written off and is paid loses them; of others that are paid, the handler of payments thinks, or does not.
        """
        invoice = snapshot(message)
        keys = self._keys(invoice) if invoice is not None else {}
        if invoice is None or not keys:
            return
        profile: AccountRow | None = yield Read("subs_account", message.account)
        if profile is not None and profile.account_type in self._policy.contract_types:
            return
        yield CallStripe("invoices.update", message.account, invoice.id, {"metadata": keys})

    def _keys(self, invoice: Invoice) -> dict[str, str]:
        policy = self._policy
        if self._is_bad(invoice):
            return {policy.bad_debt_key: "true", policy.bad_debt_amount_key: str(invoice.amount_remaining)}
        written_off = invoice.status_transitions.marked_uncollectible_at is not None
        is_marked = written_off and invoice.status == "paid" and policy.bad_debt_key in invoice.metadata
        return dict.fromkeys((policy.bad_debt_key, policy.bad_debt_amount_key), "") if is_marked else {}

    def _is_bad(self, invoice: Invoice) -> bool:
        owed = invoice.status in ("open", "uncollectible") and invoice.amount_remaining > 0
        return owed and (invoice.status == "uncollectible" or bool(invoice.metadata.get(self._policy.bad_debt_key)))
