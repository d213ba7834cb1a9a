"""The rows that callers have in a told story: each does at Stripe and in the stores what it says; nonsense is refused with one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from billsim.run import RunResult, run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.toml_file import load

STORY = """
id = "callers/one"
rule = "What is asked for is done."
from = "hand"
start = 2026-03-20T00:00:00Z
until = 2026-03-21T00:00:00Z
given = [
  {{ account = "ada", price = 2000 }},
  {{ account = "bob", card = "good", invoices = [{{ invoice = "bob_1", failed_attempts = 8, last_attempt = 2026-03-10T06:00:00Z }}] }},
]
timeline = [ {rows} ]
"""


def told(tmp_path: Path, *rows: str, engine: str = "recompute") -> RunResult:
    """A run of a story of these rows, an hour apart."""
    path = tmp_path / "story.toml"
    path.write_text(STORY.format(rows=", ".join(f"{{ at = 2026-03-20T{n + 1:02}:00:00Z, {row} }}" for n, row in enumerate(rows))))
    return run_scenario(load(path), engine=engine, keep_records=True, bodies=False)


def last(run: RunResult, store: str, key: str = "") -> Any:
    """A row or object as it was last written; without a key, whichever of its store that was."""
    return [record.new for record in run.records if record[0] == "writes" and record.store == store and key in ("", record.key)][-1]


def answers(run: RunResult) -> list[str]:
    """What the facade answered, in order."""
    written = [record for record in run.records if record[0] == "writes" and record.store == "facade_cache"]
    return [record.new.value["outcome"] for record in written if record.key.startswith("answer/")]


def items(run: RunResult, key: str = "ope_ada") -> list[tuple[str, int, int]]:
    return [(item.plan, item.price, item.quantity) for item in last(run, "ope", key).items]


CHANGES = [
    ('by = "ada", do = "change_plan", plan = "business_monthly", price = 20000', [("business_monthly", 20000, 1)], "month"),
    ('by = "ada", do = "change_plan", plan = "tiny", price = 500, quantity = 2', [("tiny", 500, 2)], "month"),
    ('by = "ada", do = "change_plan", plan = "pro_yearly", price = 20000, interval = "year"', [("pro_yearly", 20000, 1)], "year"),
    ('by = "iapi", do = "change", account = "ada", op = "quantity", quantity = 3', [("pro_monthly", 2000, 3)], "month"),
    ('by = "iapi", do = "change", account = "ada", op = "upgrade", plan = "plus", price = 3000', [("plus", 3000, 1)], "month"),
    ('by = "product_team", do = "change", account = "ada", op = "downgrade", plan = "tiny", price = 500', [("tiny", 500, 1)], "month"),
]


@pytest.mark.parametrize(("row", "bought", "interval"), CHANGES)
def test_a_change_stands_in_ope_and_at_stripe(tmp_path: Path, row: str, bought: list[tuple[str, int, int]], interval: str) -> None:
    run = told(tmp_path, row)
    subscription = last(run, "stripe.subscription", "sub_ada")
    assert items(run) == bought and last(run, "ope", "ope_ada").interval == interval
    assert [(item.price.unit_amount, item.quantity, item.price.recurring.interval) for item in subscription.items.data] == [
        (price, quantity, interval) for _, price, quantity in bought
    ]
    assert run.verdict == "holds"


SALES = [
    ('by = "catalog", do = "sell", account = "ada", plan = "images", price = 700, quantity = 2', "addon", 1400),
    ('by = "ada", do = "checkout", plan = "images", price = 900, product = "images"', "images", 900),
    ('by = "iapi", do = "change", account = "ada", op = "create", product = "logs", plan = "logs", price = 300', "logs", 300),
    ('by = "product_team", do = "change", account = "ada", op = "create", plan = "logs", price = 300', "addon", 300),
]


@pytest.mark.parametrize(("row", "product", "charged"), SALES)
def test_what_is_sold_is_paid_for_and_may_be_used(tmp_path: Path, row: str, product: str, charged: int) -> None:
    run = told(tmp_path, row)
    assert [item.product for item in last(run, "ope", "ope_ada-2").items] == [product]
    charges = [record.new for record in run.records if record[0] == "writes" and record.store == "stripe.charge"]
    assert [(charge.amount, charge.status) for charge in charges] == [(charged, "succeeded")]
    assert last(run, "cf_prod", product).plan == last(run, "ope", "ope_ada-2").items[0].plan and run.verdict == "holds"


def test_to_cancel_now_ends_it_and_at_the_periods_end_it_is_noted(tmp_path: Path) -> None:
    now = told(tmp_path, 'by = "ada", do = "cancel"')
    assert last(now, "ope", "ope_ada").status == last(now, "stripe.subscription", "sub_ada").status == "canceled"
    later = told(tmp_path, 'by = "ada", do = "cancel", when = "period_end"')
    assert last(later, "stripe.subscription", "sub_ada").cancel_at_period_end and last(later, "ope", "ope_ada").status == "active"
    smaller = told(tmp_path, 'by = "ada", do = "change_plan", plan = "tiny", price = 500, when = "period_end"')
    assert [item.plan for item in last(smaller, "ope", "ope_ada").scheduled.items] == ["tiny"]


@pytest.mark.parametrize("do", ["retry", "pay"])
def test_to_pay_on_the_dashboard_ends_the_debt(tmp_path: Path, do: str) -> None:
    run = told(tmp_path, f'by = "bob", do = "{do}", invoice = "bob_1"')
    assert last(run, "stripe.invoice", "in_bob_1").status == "paid" and last(run, "subs_dunning").status == "healthy"


def test_cards_are_attached_and_removed(tmp_path: Path) -> None:
    added = told(tmp_path, 'by = "ada", do = "attach_card", card = "good", instrument = "paypal"')
    assert last(added, "stripe.customer").invoice_settings.default_payment_method == "pm_ada.row0"
    assert last(added, "stripe.payment_method", "pm_ada.row0").type == "paypal" and answers(added) == ["ok"]
    assert answers(told(tmp_path, 'by = "ada", do = "attach_card", card = "lost"')) == ["declined"]
    assert answers(told(tmp_path, 'by = "ada", do = "remove_card"')) == ["in_use"]
    removed = told(tmp_path, 'by = "bob", do = "remove_card"')
    assert answers(removed) == ["ok"] and last(removed, "stripe.payment_method", "pm_bob").customer is None


def test_a_card_is_set_up_once_the_customer_has_confirmed_at_the_bank(tmp_path: Path) -> None:
    """The bank asks, the customer is back after ten seconds, and the bank has heard from them after five; or only the webhook ends it."""
    for seconds, answer in ((10, "ok"), (2, "not_confirmed")):
        challenge = f'by = "bank", do = "challenge", account = "ada", returns_after_s = {seconds}'
        run = told(tmp_path, challenge, 'by = "ada", do = "attach_card", card = "good"')
        statuses = [record.new.status for record in run.records if record[0] == "writes" and record.store == "stripe.setup_intent"]
        assert "requires_action" in statuses and statuses[-1] == "succeeded" and answers(run) == [answer]
        assert last(run, "stripe.customer").invoice_settings.default_payment_method == "pm_ada.row1" and run.verdict == "holds"


def test_a_profile_is_changed_field_by_field(tmp_path: Path) -> None:
    run = told(
        tmp_path,
        'by = "ada", do = "update_profile", field = "name", value = "Eve"',
        'by = "iapi", do = "update_profile", account = "ada", field = "country", value = "GB"',
        'by = "ada", do = "update_profile", field = "marketing_opt_in", value = true',
        'by = "ada", do = "update_profile", field = "country", value = "gb"',
    )
    profile = last(run, "subs_account")
    assert (profile.name, profile.country, bool(profile.flags & 8)) == ("Eve", "GB", True)
    assert answers(run) == ["ok", "ok", "ok", "invalid_country"] and last(run, "stripe.customer").name == "Eve"


def test_the_platform_lists_invoices_to_services(tmp_path: Path) -> None:
    run = told(tmp_path, 'by = "iapi", do = "list_invoices", account = "ada"')
    assert [line["id"] for line in last(run, "facade_cache", "invoices").value] == ["in_ada_0"]


CLEAR = 'by = "ninjapanel", do = "clear_flag", account = "bob", flag = "bad_debt"'
CREDIT = 'by = "ninjapanel", do = "credit", account = "bob", invoice = "bob_1", amount = {}'


def test_a_flag_that_is_cleared_by_hand_comes_back_where_somebody_looks(tmp_path: Path) -> None:
    assert told(tmp_path, CLEAR).verdict == "holds"
    legacy = told(tmp_path, CLEAR, engine="legacy")
    assert {(drift.code, drift.cause) for drift in legacy.drift} == {
        ("debt_flags_inconsistent", "manual_write"), ("bad_debt_missed", "manual_write"),
    }  # fmt: skip


def test_a_credit_takes_off_what_is_owed_and_what_is_beyond_it_is_kept_for_later(tmp_path: Path) -> None:
    part = told(tmp_path, CREDIT.format(500))
    assert (last(part, "stripe.invoice", "in_bob_1").amount_remaining, last(part, "subs_dunning").status) == (1500, "bad_debt")
    whole = told(tmp_path, CREDIT.format(2000))
    assert last(whole, "stripe.invoice", "in_bob_1").status == "paid" and last(whole, "subs_dunning").status == "healthy"
    paid = told(tmp_path, 'by = "ninjapanel", do = "credit", account = "ada", invoice = "ada_0", amount = 300')
    assert last(paid, "stripe.customer").balance == -300 and part.verdict == whole.verdict == paid.verdict == "holds"
    assert answers(told(tmp_path, CREDIT.format(2300))) == ["amount_too_large"]


def test_a_refund_gives_back_part_of_a_charge_and_never_more_than_all(tmp_path: Path) -> None:
    refund = 'by = "ninjapanel", do = "refund", account = "ada", invoice = "ada_0", amount = {}'
    run = told(tmp_path, refund.format(500), refund.format(1600))
    assert last(run, "stripe.charge", "ch_ada_0.1").amount_refunded == 500 and answers(run) == ["ok", "amount_too_large"]


def test_nobody_is_credited_for_what_is_somebody_elses(tmp_path: Path) -> None:
    assert answers(told(tmp_path, 'by = "ninjapanel", do = "credit", account = "ada", invoice = "bob_1", amount = 1')) == ["not_yours"]


@pytest.mark.parametrize(("result", "moved"), [("won", [-2000, 2000]), ("lost", [-2000])])
def test_a_dispute_is_answered_and_decided(tmp_path: Path, result: str, moved: list[int]) -> None:
    run = told(tmp_path, f'by = "ninjapanel", do = "dispute", account = "ada", charge_of = "ada_0", result = "{result}"')
    dispute = last(run, "stripe.dispute", "dp_ada_0.1")
    assert dispute.status == result and [each.amount for each in dispute.balance_transactions] == moved
    assert answers(run) == ["ok"] and run.verdict == "holds"


def test_any_line_of_the_table_can_be_told(tmp_path: Path) -> None:
    run = told(tmp_path, 'by = "iapi", do = "call", account = "ada", operation = "set_quantity"', 'by = "ada", do = "call", operation = "upgrade"')
    assert items(run) == [("pro_monthly_plus", 4000, 2)] and run.verdict == "holds"


NONSENSE = [
    ('by = "ada", do = "change_plan", plan = "x"', "'price' is missing: change_plan needs it"),
    ('by = "ada", do = "change_plan", plan = "x", price = 1, interval = "week"', "'week' is not one of month, year"),
    ('by = "ada", do = "cancel", when = "later"', "'later' is not one of now, period_end"),
    ('by = "ada", do = "retry", invoice = "bob_1"', "'bob_1' is not an invoice of ada"),
    ('by = "ada", do = "update_profile", field = "nam", value = "x"', "'nam' is not one of name, email, country"),
    ('by = "ada", do = "update_profile", field = "name", value = 3', "must be text"),
    ('by = "ada", do = "call", operation = "upgrad"', "did you mean 'upgrade'?"),
    ('by = "ninjapanel", do = "clear_flag", account = "bo", flag = "bad_debt"', "there is no account 'bo' (did you mean 'bob'?)"),
    ('by = "ninjapanel", do = "credit", account = "bob", invoice = "bob_1", amount = -1', "must not be negative"),
    ('by = "iapi", do = "change", account = "ada", op = "grow"', "'grow' is not one of create, upgrade, downgrade, cancel, quantity"),
    ('by = "catlog", do = "sell", account = "ada", plan = "x", price = 1', "unknown actor 'catlog' (did you mean 'catalog'?)"),
]


@pytest.mark.parametrize(("row", "wrong"), NONSENSE)
def test_nonsense_is_refused_with_one_line(tmp_path: Path, row: str, wrong: str) -> None:
    with pytest.raises(InputError) as refused:
        told(tmp_path, row)
    assert wrong in str(refused.value) and "\n" not in str(refused.value)
