"""What a story that was found says of itself: its rule, in one sentence, and what each engine does with it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from billsim.core.trace import DriftRecord
from billsim.explore.signature import slug
from billsim.run import OrdersResult
from billsim.scenario.plan import Expect, ExpectedDrift, Judge, Outcome, Scenario

_RULES = {
    "bad_debt_stuck": "Who owes no bad debt is not held for one who does",
    "bad_debt_missed": "Who owes a bad debt is marked everywhere as one who does",
    "dunning_wrong": "Dunning says what is owed and how often it was tried",
    "debt_flags_inconsistent": "Dunning, flags and metadata agree on whether there is a bad debt",
    "no_successful_payment_stuck": "Who has paid once is one who has paid",
    "no_successful_payment_missed": "Who has tried and never paid is marked as one who never did",
    "entitlement_drift": "Everybody has the products that they pay for, and no others",
    "ledger_drift": "The ledger has every invoice and charge as it came to be",
    "consequence_unjustified": "Nothing is done to a customer that truth does not call for",
    "consequence_missing": "What truth calls for is done",
    "stripe_drift": "What the subscription of record says is what Stripe says",
    "www_drift": "A zone has the plan that its owner has",
    "profile_drift": "Copies of a profile say what the profile says",
    "mapping_drift": "An account is mapped to its own customer at Stripe",
    "account_type_drift": "An account is of one type, wherever that is noted",
    "orphaned_state": "Nothing is kept for what is no more",
    "action_twice": "What is done to a customer is done once",
    "paid_chased": "Once an invoice is paid, nobody is chased for it",
    "ledger_rewritten": "An entry of the ledger is written once",
    "foreign_bits": "An engine leaves alone the flags that are not its own",
    "automatic_write": "What contracts or people settle, no automation writes",
    "refund_exceeds_charge": "No more is refunded than was charged",
    "charged_twice": "No invoice is paid twice",
    "component_failed": "No component falls over what it is sent",
    "ownership": "A store is written by its owner alone",
    "engine_program": "An engine's program answers as it must",
    "engine_failed": "An engine says what each message wakes",
}
_CAUSES = {
    "lost_update": "whoever else writes at the time",
    "stale_read": "however old what a handler has read is by then",
    "stale_event": "however late an event comes",
    "blind_overwrite": "whatever a handler did not look at",
    "partial_apply": "wherever a handler breaks off",
    "missing_handler": "though no event tells of it",
    "duplicate": "however often it is told",
    "wrong_path": "whatever they pay with",
    "manual_write": "whatever somebody wrote by hand",
    "data": "whatever their past was",
}


def rule_of(want: str) -> str:
    """A sentence that the failure `want` breaks, which is a signature's."""
    kind, what, *rest = want.split("/")
    rule = _RULES.get(what, f"{what.replace('_', ' ').capitalize()} does not happen")
    told = _CAUSES.get(rest[0], "") if kind == "drift" and rest else ""
    return f"{rule}, {told}." if told else f"{rule}."


def titled(scenario: Scenario, want: str, from_: str) -> Scenario:
    """The story with a name, a rule, and where it came from; without what it was said to be before."""
    return replace(scenario, id=f"found/{slug(want)}"[:200], rule=rule_of(want), from_=from_, expect={}, judge=Judge(), source="")


def pinned(scenario: Scenario, engine: str, orders: OrdersResult, against: str | None) -> Scenario:
    """The story with what `engine` does with it, as its orders show, and that it holds under `against`."""
    expect = {}
    if against is not None:
        expect[against] = Expect(every_order=Outcome())
    outcomes = [_outcome(run.drift) for _, run in orders.orders]
    if all(outcome == outcomes[0] for outcome in outcomes):
        expect[engine] = Expect(every_order=outcomes[0])
    else:
        expect[engine] = Expect(some_order=next(outcome for outcome in outcomes if outcome.drift))
    return replace(scenario, expect=expect, judge=Judge(red_under=(engine,)))


def _outcome(drift: Sequence[DriftRecord]) -> Outcome:
    """What stands open, each thing once."""
    standing = [ExpectedDrift(account=record.account, code=record.code, cause=record.cause) for record in drift if record.closed_ms is None]
    return Outcome(drift=tuple(dict.fromkeys(standing)))
