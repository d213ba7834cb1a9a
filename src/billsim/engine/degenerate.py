"""Engines that are wrong on purpose, each in one way. A judge that lets one of them pass is no judge."""

from __future__ import annotations

import msgspec

from billsim.core.policy import BAD_DEBT, HEALTHY, DunningPolicy
from billsim.engine.decide import decide
from billsim.ports import AccountState, Consequence, Decision, Message, Steps
from billsim.stores.cf_prod import FREE


class Noop:
    """Handles everything by doing nothing."""

    def handle(self, message: Message) -> Steps:
        """Nothing."""
        yield from ()


class AllHealthy:
    """Calls everybody healthy: whoever owes is never chased."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        """Healthy, whatever is owed."""
        truth = decide(state, now_ms, policy)
        return _healthy(state, truth, policy) if truth.applies else truth


class AllBad:
    """Calls everybody bad debt since their first day: flagged, on the free plan."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        """Bad debt, whatever was paid."""
        truth = decide(state, now_ms, policy)
        if not truth.applies:
            return truth
        since_s = str(state.stripe.customer.created)
        flag = Consequence("flag", _some_invoice(state), BAD_DEBT, f"{_some_invoice(state)}/{BAD_DEBT}")
        return msgspec.structs.replace(
            truth,
            status=BAD_DEBT,
            escalation_level=3,
            bad_debt=True,
            metadata={**truth.metadata, policy.bad_debt_key: "true", policy.bad_debt_since_key: since_s},
            entitlements=dict.fromkeys(truth.entitlements, FREE),
            consequences=() if flag.key in _done(state) else (flag,),
        )


class CancelAll:
    """Decides by the rules, and cancels every subscription besides."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        """The rules' decision, with a cancellation of whatever is active."""
        truth = decide(state, now_ms, policy)
        if not truth.applies:
            return truth
        debt = _some_invoice(state)
        active = [key for key, bought in state.ope.items() if bought.status == "active"]
        cancels = tuple(Consequence("cancel", debt, BAD_DEBT, f"{debt}/cancel/{key}", key) for key in active)
        return msgspec.structs.replace(truth, consequences=tuple(each for each in cancels if each.key not in _done(state)))


class VoidAll:
    """Voids each invoice that is owed, and then everybody is healthy: it converges, and the money is gone."""

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        """Healthy, and every open invoice void."""
        truth = decide(state, now_ms, policy)
        if not truth.applies:
            return truth
        owed = tuple(id for id, invoice in state.stripe.invoices.items() if invoice.status == "open")
        return msgspec.structs.replace(_healthy(state, truth, policy), voids=owed)


def _healthy(state: AccountState, truth: Decision, policy: DunningPolicy) -> Decision:
    governed = (policy.bad_debt_key, policy.bad_debt_since_key)
    return Decision(
        HEALTHY,
        no_successful_payment=truth.no_successful_payment,
        metadata={key: value for key, value in truth.metadata.items() if key not in governed},
        invoice_metadata=dict.fromkeys(truth.invoice_metadata, {}),
        entitlements={item.product: item.plan for bought in state.ope.values() if bought.status == "active" for item in bought.items},
    )


def _some_invoice(state: AccountState) -> str:
    return next(reversed(state.stripe.invoices), "none")


def _done(state: AccountState) -> tuple[str, ...]:
    return state.dunning.done if state.dunning is not None else ()
