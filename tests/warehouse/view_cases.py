"""What is done to accounts on which everything agrees, and what the views are to find of each: for each code that a snapshot can show, accounts
that show it, and accounts that nearly do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.warehouse.platform_rows import BAD_DEBT, DAY_S, NO_SUCCESS, NOW_S, Account, bad

Found = set[tuple[str, str]]  # (code, entity)


class Case(NamedTuple):
    """What is done to an account on which everything agrees, and what the views find: `{}` stands for the account's name."""

    name: str
    change: Callable[[Account], Any]
    found: Found = set()


def item(account: Account, **values: Any) -> Account:
    return account.set("stripe_subscription_items", **values)


def scheduled(account: Account, plan: str, price: int, **change: Any) -> Account:
    """A change of the plan that is not through."""
    account.add(
        "ope_items", account=account.name, subscription=account.ope, stage="scheduled", product="zone_plan", plan=plan, price=price, quantity=1
    )
    return account.set("ope_subscriptions", change_request="w/request", change_interval="month", **change)


def unpriced(account: Account) -> Account:
    """Sold by hand: Stripe has no price of the plan, and none of the product."""
    return account.set("ope_items", product="extra", plan="odd").set("cf_prod", product="extra", plan="odd").drop("stripe_subscription_items")


def another_subscription(account: Account, status: str) -> Account:
    account.add("stripe_subscriptions", id=f"{account.subscription}-2", customer=account.customer, status=status)
    return account.add(
        "stripe_subscription_items",
        id=f"si_{account.name}-2",
        subscription=f"{account.subscription}-2",
        customer=account.customer,
        product="addon",
        unit_amount=500,
        billing_interval="month",
        quantity=1,
    )


def never_paid(account: Account) -> Account:
    """Tried once, failed, and tried again tomorrow: retrying, and told so."""
    account.owe(NOW_S - DAY_S, attempt_count=1, next_payment_attempt=NOW_S + DAY_S).dun("retrying", 1, 1, f'["{account.invoice}/retrying"]')
    account.rows["stripe_charges"].pop()
    return account.book()


def recovered(account: Account, done: str) -> Account:
    """Bad for a day when it was paid, five days ago."""
    account.owe(NOW_S - 13 * DAY_S, status="paid", amount_paid=2000, amount_remaining=0, paid_at=NOW_S - 5 * DAY_S)
    return account.dun("healthy", 0, 0, done)


def second_invoice(account: Account, **values: Any) -> Account:
    """An invoice, made before the one that there is, that is owed as `owe` says."""
    told = {"id": f"in_{account.name}_2", "created": NOW_S - 50 * DAY_S, "finalized_at": NOW_S - 50 * DAY_S}
    return account.add("stripe_invoices", **{**account.rows["stripe_invoices"][0], **told, **values}).book()


def another_attempt(account: Account, failed_s: int) -> Account:
    return account.add("stripe_charges", **{**account.rows["stripe_charges"][0], "id": f"ch_{account.name}_2", "created": failed_s}).book()


def both_sides(account: Account, flags: int, key: str) -> Account:
    """What bit 14 and the metadata say of somebody who never paid."""
    return never_paid(account).set("subs_account", flags=flags).set("stripe_customers", metadata=f'{{"account_type":"self_serve"{key}}}')


def later(account: Account, **values: Any) -> Account:
    """With the next period another line item stands in the place of the one that there is; Stripe has not been asked."""
    scheduled(account, "pro", 2000, change_due=NOW_S + DAY_S, change_asked=False)
    change = {name: value for name, value in values.items() if name.startswith("change_")}
    account.rows["ope_items"][-1].update({name: value for name, value in values.items() if name not in change})
    return account.set("ope_subscriptions", **change)


def untried(account: Account, **invoice: Any) -> Account:
    """No charge was ever made."""
    return never_paid(account).drop("stripe_charges").set("stripe_invoices", **invoice).book()


def credited_in_part(account: Account) -> Account:
    """A credit leaves less to be paid; the ledger has both, of the one second in which the invoice came into its state."""
    account.owe(LAST + 1, amount_due=1500, amount_remaining=1500)
    return account.add("billing_prod", **{**account.rows["billing_prod"][0], "amount_due": 2000, "amount_remaining": 2000})


HELD = {("bad_debt_stuck", "subs_account.flags"), ("debt_flags_inconsistent", "bad_debt")}
WAITS = {("dunning_wrong", "subs_dunning"), ("consequence_missing", "in_{}_1/retrying")}
GIVES_UP = {("dunning_wrong", "subs_dunning"), ("consequence_missing", "in_{}_1/delinquent")}
TURNS_BAD = {
    ("bad_debt_missed", "subs_dunning.status"),
    ("bad_debt_missed", "subs_account.flags"),
    ("bad_debt_missed", "cus_{}.bad_debt"),
    ("bad_debt_missed", "cus_{}.bad_debt_since"),
    ("bad_debt_missed", "in_{}_1"),
    ("consequence_missing", "in_{}_1/bad_debt"),
    ("consequence_missing", "in_{}_1/cancel/ope_{}"),
    ("entitlement_drift", "zone_plan"),
    ("www_drift", "{}.example"),
}
IS_BANNED = {
    ("dunning_wrong", "subs_dunning"),
    ("consequence_missing", "in_{}_1/ban"),
    ("entitlement_drift", "zone_plan"),
    ("www_drift", "{}.example"),
}
NEVER_PAID = {("no_successful_payment_missed", "has_no_successful_payment")}
ITEM_DIFFERS = {("stripe_drift", "ope_{}/zone_plan")}
LAST = NOW_S - 7 * DAY_S  # A last attempt that has been bad debt from this very instant on.

CASES = [
    Case("agrees", lambda a: a),
    # --- bad debt held, and nothing is bad
    Case("status_stuck", lambda a: a.dun("bad_debt", 0, 0), {("bad_debt_stuck", "subs_dunning.status"), ("debt_flags_inconsistent", "bad_debt")}),
    Case("bit_stuck", lambda a: a.set("subs_account", flags=1 | BAD_DEBT), HELD),
    Case(
        "key_stuck",
        lambda a: a.set("stripe_customers", metadata='{"account_type":"self_serve","bad_debt":"true"}'),
        {("bad_debt_stuck", "cus_{}.bad_debt"), ("debt_flags_inconsistent", "bad_debt")},
    ),
    Case(
        "since_stuck",
        lambda a: a.set("stripe_customers", metadata='{"account_type":"self_serve","bad_debt_since":"1"}'),
        {("bad_debt_stuck", "cus_{}.bad_debt_since")},
    ),
    Case("invoice_key_stuck", lambda a: a.set("stripe_invoices", metadata='{"bad_debt_amount":"2000"}'), {("bad_debt_stuck", "in_{}_1")}),
    Case("empty_is_absent", lambda a: a.set("stripe_invoices", metadata='{"bad_debt":""}')),
    # --- the ladder; boundaries belong to what they begin
    Case("turns_bad_now", lambda a: a.owe(LAST), TURNS_BAD),
    Case("bad_in_a_second", lambda a: a.owe(LAST + 1), GIVES_UP),
    Case("retried_tomorrow", lambda a: a.owe(LAST, next_payment_attempt=NOW_S + DAY_S), WAITS),
    Case("bank_is_asked", lambda a: a.owe(LAST, payment_intent_status="requires_action"), WAITS),
    Case("all_know", lambda a: bad(a, NOW_S - DAY_S)),
    Case("wrong_since", lambda a: bad(a, NOW_S - DAY_S).owe(LAST - 2 * DAY_S, metadata='{"bad_debt":"true","bad_debt_amount":"2000"}'),
         {("bad_debt_missed", "cus_{}.bad_debt_since")}),
    Case("wrong_amount", lambda a: bad(a, NOW_S).set("stripe_invoices", metadata='{"bad_debt":"true","bad_debt_amount":"9"}'),
         {("bad_debt_missed", "in_{}_1")}),
    Case("wrong_level", lambda a: bad(a, NOW_S).set("subs_dunning", escalation_level=2), {("dunning_wrong", "subs_dunning")}),
    Case("ban_is_due", lambda a: bad(a, NOW_S - 30 * DAY_S), IS_BANNED),
    Case("given_up", lambda a: a.owe(NOW_S, status="uncollectible", marked_uncollectible_at=NOW_S), TURNS_BAD),
    Case("paypal_has_longer", lambda a: a.owe(LAST).set("stripe_charges", payment_method_type="paypal"), GIVES_UP),
    Case("sent_and_due", lambda a: a.owe(LAST, collection_method="send_invoice", due_date=NOW_S, attempt_count=0, attempted=False), GIVES_UP),
    Case("sent_and_not_due", lambda a: a.owe(LAST, collection_method="send_invoice", due_date=NOW_S + 1, attempt_count=0, attempted=False)),
    Case("cancelled_later", lambda a: a.owe(LAST, attempt_count=3).end().set("stripe_subscriptions", canceled_at=LAST + 1), GIVES_UP),
    # --- owed, and no debt
    Case("never_asked_for", lambda a: a.owe(LAST, attempt_count=0, attempted=False)),
    Case("abandoned", lambda a: a.owe(LAST, billing_reason="subscription_create").set("stripe_subscriptions", status="incomplete")),
    Case("pending_update", lambda a: a.owe(LAST, billing_reason="subscription_update").set("stripe_subscriptions", pending_update="{}")),
    Case("first_is_processing", lambda a: a.owe(LAST, payment_intent_status="processing").set("stripe_charges", status="pending")),
    Case("processing_after_failure", lambda a: a.owe(LAST + 1, payment_intent_status="processing"), GIVES_UP),
    Case("credited", lambda a: a.owe(LAST, status="paid", amount_remaining=0, amount_due=0, attempt_count=1)),
    # --- no payment ever succeeded
    Case("success_bit_stuck", lambda a: a.set("subs_account", flags=NO_SUCCESS), {("no_successful_payment_stuck", "has_no_successful_payment")}),
    Case("never_paid", never_paid, NEVER_PAID),
    Case("paid_at_braintree", lambda a: never_paid(a).set("subs_customer", braintree_paid=True)),
    # --- consequences
    Case("recovery_not_told", lambda a: recovered(a, "[]"), {("consequence_missing", "in_{}_1/recovered")}),
    Case("recovery_told", lambda a: recovered(a, f'["in_{a.name}_1/recovered"]')),
    Case("ban_not_lifted", lambda a: a.dun("healthy", 0, 0, f'["in_{a.name}_1/ban"]'), {("consequence_missing", "in_{}_1/unban")}),
    Case("ban_lifted", lambda a: a.dun("healthy", 0, 0, f'["in_{a.name}_1/ban","in_{a.name}_1/unban"]')),
    # --- what is held twice
    Case("higher_plan", lambda a: a.set("cf_prod", plan="biz"), {("entitlement_drift", "zone_plan")}),
    Case("no_entitlement", lambda a: a.drop("cf_prod"), {("entitlement_drift", "zone_plan")}),
    Case("never_bought", lambda a: a.add("cf_prod", account=a.name, product="addon", plan="big"), {("entitlement_drift", "addon")}),
    Case("free_for_all", lambda a: a.add("cf_prod", account=a.name, product="addon", plan="free")),
    Case("zone_left_behind", lambda a: a.set("www_zones", plan="free"), {("www_drift", "{}.example")}),
    Case("not_in_ledger", lambda a: a.drop("billing_prod"), {("ledger_drift", "in_{}_1"), ("ledger_drift", "ch_{}_1")}),
    Case("old_in_ledger", lambda a: a.set("billing_prod", amount_paid=1), {("ledger_drift", "in_{}_1")}),
    Case("unknown_in_ledger", lambda a: a.add("billing_prod", account=a.name, object_id="in_x", sequence=9), {("ledger_drift", "in_x")}),
    Case("credited_in_part", credited_in_part, GIVES_UP),
    Case("other_name", lambda a: a.set("subs_account", name="Ada"), {("profile_drift", "name")}),
    Case("no_email", lambda a: a.set("subs_account", email=None), {("profile_drift", "email")}),
    Case("other_card", lambda a: a.set("subs_customer", payment_method="pm_old"), {("profile_drift", "payment_method")}),
    Case("card_not_noted", lambda a: a.set("subs_customer", payment_method=None)),
    Case("other_type", lambda a: a.set("stripe_customers", metadata='{"account_type":"msp"}'), {("account_type_drift", "cus_{}.account_type")}),
    Case("no_type", lambda a: a.set("stripe_customers", metadata="{}"), {("account_type_drift", "cus_{}.account_type")}),
    # --- whose it is
    Case("not_mapped", lambda a: a.set("subs_customer", stripe_customer=None), {("mapping_drift", "subs_customer")}),
    Case("customer_gone", lambda a: a.drop("stripe_customers"), {("mapping_drift", "cus_{}")}),
    Case("shares", lambda a: a.set("subs_customer", stripe_customer="cus_shared_with"), {("mapping_drift", "cus_shared_with")}),
    Case("shared_with", lambda a: a, {("mapping_drift", "cus_shared_with")}),
    Case("no_profile", lambda a: a.drop("subs_account"), {("orphaned_state", "account")}),
    Case("counterpart_gone", lambda a: a.drop("stripe_subscriptions", "stripe_subscription_items"),
         {("orphaned_state", "ope_{}"), ("stripe_drift", "ope_{}/zone_plan")}),
    Case("invoice_gone", lambda a: a.dun("healthy", 0, 0, '["in_gone/retrying","pm_old/expires"]'), {("orphaned_state", "in_gone")}),
    # --- OPE beside Stripe
    Case("not_billed", lambda a: a.drop("stripe_subscription_items"), ITEM_DIFFERS),
    Case("ended_at_stripe", lambda a: a.set("stripe_subscriptions", status="canceled"), ITEM_DIFFERS),
    Case("ended_and_owed_for", lambda a: a.owe(LAST + 1).set("stripe_subscriptions", status="canceled"), GIVES_UP),
    Case("ghost", lambda a: another_subscription(a, "active"), {("stripe_drift", "sub_{}-2/addon")}),
    Case("ghost_after_cancel", lambda a: a.end().set("stripe_subscriptions", status="past_due"), {("stripe_drift", "sub_{}/zone_plan")}),
    Case("not_paid_up_yet", lambda a: another_subscription(a, "incomplete")),
    Case("ended_ghost", lambda a: another_subscription(a, "canceled")),
    Case("other_quantity", lambda a: item(a, quantity=2), ITEM_DIFFERS),
    Case("other_price", lambda a: item(a, unit_amount=2500), ITEM_DIFFERS),
    Case("yearly_at_stripe", lambda a: item(a, billing_interval="year"), ITEM_DIFFERS),
    Case("no_price", unpriced),
    Case("upgrade_paid_ahead", lambda a: item(scheduled(a, "biz", 20000, change_grows=True), unit_amount=20000).owe(LAST + 1), GIVES_UP),
    Case("upgrade_not_owed_for", lambda a: item(scheduled(a, "biz", 20000, change_grows=True), unit_amount=20000), ITEM_DIFFERS),
    Case("next_period", lambda a: item(scheduled(a, "biz", 20000, change_due=NOW_S + DAY_S, change_asked=True), unit_amount=20000)),
    Case("next_period_not_asked", lambda a: scheduled(a, "biz", 20000, change_due=NOW_S + DAY_S, change_asked=False)),
    # --- several of a kind
    Case("worst_decides", lambda a: second_invoice(a.owe(LAST + 1), attempt_count=3, next_payment_attempt=NOW_S + DAY_S)
         .dun("delinquent", 8, 2, f'["in_{a.name}_1/delinquent"]')),
    Case("earlier_is_spoken_of", lambda a: second_invoice(a.owe(LAST + 1, next_payment_attempt=NOW_S + DAY_S))
         .dun("retrying", 8, 1, f'["in_{a.name}_2/retrying"]')),
    Case("oldest_tells_since", lambda a: second_invoice(bad(a, NOW_S - 9 * DAY_S), finalized_at=NOW_S - 8 * DAY_S)),
    Case("tried_again", lambda a: another_attempt(a.owe(LAST + 1), LAST), GIVES_UP),
    Case("paid_keeps_its_key", lambda a: second_invoice(bad(a, NOW_S), status="paid", amount_remaining=0, attempt_count=1),
         {("bad_debt_missed", "in_{}_2")}),
    Case("flag_of_an_old_episode", lambda a: second_invoice(
        bad(a, NOW_S).dun("bad_debt", 8, 3, f'["in_{a.name}_2/bad_debt"]'), status="paid", amount_remaining=0, attempt_count=1, metadata="{}",
        paid_at=NOW_S - 40 * DAY_S), {("consequence_missing", "in_{}_1/bad_debt")}),
    Case("flag_of_this_episode", lambda a: second_invoice(
        bad(a, NOW_S).dun("bad_debt", 8, 3, f'["in_{a.name}_2/bad_debt"]'), status="paid", amount_remaining=0, attempt_count=1, metadata="{}",
        paid_at=NOW_S)),
    Case("latest_recovery_counts", lambda a: second_invoice(recovered(a, f'["in_{a.name}_1/recovered"]'), paid_at=NOW_S - 6 * DAY_S)),
    Case("ledger_has_a_past", lambda a: a.set("billing_prod", sequence=8).add(
        "billing_prod", **{**a.rows["billing_prod"][0], "sequence": 7, "status": "open", "amount_paid": 0, "amount_remaining": 2000})),
    # --- what is not known
    Case("no_charge_known", lambda a: a.owe(LAST, finalized_at=LAST).set("stripe_charges", status="pending").book(), TURNS_BAD),
    Case("of_no_subscription", lambda a: a.owe(LAST, subscription=None), TURNS_BAD),
    Case("tried_by_hand", lambda a: a.owe(LAST, attempt_count=0, attempted=True), TURNS_BAD),
    Case("tried_by_schedule", lambda a: a.owe(LAST, attempt_count=1, attempted=False), TURNS_BAD),
    Case("nothing_left", lambda a: a.owe(LAST, amount_remaining=0)),
    Case("ended_with_nothing_left", lambda a: a.owe(LAST, amount_remaining=0).set("stripe_subscriptions", status="canceled"), ITEM_DIFFERS),
    Case("written_off_and_paid", lambda a: recovered(a, "[]").set("stripe_invoices", attempt_count=2, marked_uncollectible_at=NOW_S - 6 * DAY_S),
         {("consequence_missing", "in_{}_1/recovered")}),
    Case("no_dunning_row", lambda a: a.drop("subs_dunning").set("subs_account", flags=BAD_DEBT), HELD),
    Case("no_mapping", lambda a: a.drop("subs_customer"), {("mapping_drift", "subs_customer")}),
    Case("bought_nothing", lambda a: a.set("subs_customer", stripe_customer=None).drop("ope_subscriptions", "ope_items", "stripe_customers",
         "stripe_subscriptions", "stripe_subscription_items", "stripe_invoices", "stripe_charges")),
    Case("only_a_trial_paid", lambda a: never_paid(a).add("stripe_charges", **{**a.rows["stripe_charges"][0], "id": "ch_0", "amount": 0,
         "status": "succeeded"}).book(), NEVER_PAID),
    Case("no_charge_of_attempts", untried, NEVER_PAID),
    Case("no_charge_by_hand", lambda a: untried(a, attempt_count=0).dun("retrying", 0, 1, f'["in_{a.name}_1/retrying"]'), NEVER_PAID),
    Case("no_charge_by_schedule", lambda a: untried(a, attempted=False), NEVER_PAID),
    Case("no_charge_of_nothing", lambda a: untried(a, total=0)),
    Case("no_invoice_of_attempts", lambda a: a.drop("stripe_invoices").set("stripe_charges", status="failed").book(), NEVER_PAID),
    # --- one side of two
    Case("never_paid_known", lambda a: both_sides(a, NO_SUCCESS, ',"has_no_successful_payment":"true"')),
    Case("never_paid_bit_only", lambda a: both_sides(a, NO_SUCCESS, ""), NEVER_PAID),
    Case("never_paid_key_only", lambda a: both_sides(a, 0, ',"has_no_successful_payment":"true"'), NEVER_PAID),
    Case("invoice_key_says_else", lambda a: bad(a, NOW_S).set("stripe_invoices", metadata='{"bad_debt":"yes","bad_debt_amount":"2000"}'),
         {("bad_debt_missed", "in_{}_1")}),
    Case("wrong_retries", lambda a: bad(a, NOW_S).set("subs_dunning", retry_count=7), {("dunning_wrong", "subs_dunning")}),
    Case("wrong_status", lambda a: a.owe(LAST + 1).dun("retrying", 8, 2, f'["in_{a.name}_1/delinquent"]'), {("dunning_wrong", "subs_dunning")}),
    # --- changes on their way
    Case("more_of_it_later", lambda a: later(a, quantity=2)),
    Case("dearer_later", lambda a: later(a, price=3000)),
    Case("other_plan_later", lambda a: later(a, plan="biz")),
    Case("yearly_later", lambda a: later(a, change_interval="year")),
    Case("other_product_later", lambda a: later(a, product="addon")),
    Case("same_later", later),
    # --- others set its state
    Case("contract", lambda a: item(a.set("subs_account", account_type="ibm", flags=BAD_DEBT), quantity=9).dun("bad_debt", 3, 3).drop("cf_prod")),
]  # fmt: skip


def accounts(cases: list[Case] = CASES) -> list[Account]:
    made = [Account(case.name) for case in cases]
    for account, case in zip(made, cases, strict=True):
        case.change(account)
    return made
