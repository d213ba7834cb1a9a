"""Short stories, each of which some mutant cannot bear and `recompute` can: TOML as in a scenario file, without what all have in common."""

from __future__ import annotations

from pathlib import Path

from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load, loads

SHIPPED = "dunning/"
FOLDER = Path(__file__).with_name("mutants")
FILES = tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


def story(name: str) -> Scenario:
    """A story of this page or of its folder, or one that ships."""
    if name in FILES:
        return load(FOLDER / f"{name}.toml")
    if name.startswith(SHIPPED):
        return load(find(name))
    return loads(f'id = "mutants/{name}"\nstart = 2026-03-14T00:00:00Z\n{STORIES[name]}', f"{name}.toml")


def _at(time: str, rest: str, day: int = 14) -> str:
    return f"  {{ at = 2026-03-{day:02}T{time}Z, {rest} }},\n"


def _flags_all_the_time() -> str:
    """A customer who cannot make up their mind, from when a payment fails until long after the brain has heard of it."""
    return "".join(_at(f"10:00:{ms // 1000:02}.{ms % 1000:03}", _flag(ms)) for ms in range(40, 5000, 40))


def _flag(ms: int) -> str:
    return f'by = "ada", do = "set_flag", flag = "marketing_opt_in", on = {"true" if ms % 80 else "false"}'


STORIES: dict[str, str] = {
    # -- what is owed
    "older_owed_newer_written_off": """
        given = [ { account = "ada", invoices = [
          { invoice = "ada_1", failed_attempts = 3, last_attempt = 2026-03-13T06:00:00Z },
          { invoice = "ada_2", failed_attempts = 1, last_attempt = 2026-03-13T18:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_2" } ]
    """,
    "older_written_off": """
        given = [ { account = "ada", invoices = [
          { invoice = "ada_1", failed_attempts = 3, last_attempt = 2026-03-13T06:00:00Z },
          { invoice = "ada_2", failed_attempts = 1, last_attempt = 2026-03-13T18:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" } ]
        until = 2026-03-14T16:00:00Z
        calm_hours = 1
    """,
    "first_try_in_processing": """
        given = [ { account = "ada", instrument = "sepa_debit", invoices = [ { invoice = "ada_1", failed_attempts = 0 } ] } ]
        timeline = [
          { at = 2026-03-14T00:30:00Z, by = "stripe",  do = "charge",    invoice = "ada_1", result = "processing" },
          { at = 2026-03-14T00:40:00Z, by = "support", do = "recompute", account = "ada" },
        ]
    """,
    "last_try_waits_for_the_customer": """
        given = [ { account = "ada", invoices = [ { invoice = "ada_1", failed_attempts = 7, last_attempt = 2026-03-04T06:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "requires_action" } ]
        stripe = { retry_days = [1, 2, 3, 4, 5, 6, 26] }
    """,
    "newer_debt_after_the_cancellation": """
        calm_hours = 140
        given = [ { account = "ada", invoices = [
          { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-08T06:00:00Z },
          { invoice = "ada_2", failed_attempts = 1, last_attempt = 2026-03-13T18:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" } ]
        until = 2026-03-16T00:00:00Z
    """,
    "declined_once_more_by_hand": """
        given = [ { account = "ada", invoices = [ { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-08T06:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "ada", do = "pay", invoice = "ada_1", via = "hosted" } ]
        until = 2026-03-17T00:00:00Z
    """,
    # -- the clock
    "two_graces": """
        calm_hours = 2
        given = [ { account = "ada", invoices = [
          { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-08T06:00:00Z },
          { invoice = "ada_2", failed_attempts = 8, last_attempt = 2026-03-09T18:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" } ]
        until = 2026-03-18T00:00:00Z
    """,
    "from_the_last_try_to_the_ban": """
        given = [ { account = "ada", failed_attempts = 7 } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" } ]
        until = 2026-04-22T00:00:00Z
    """,
    "written_off_unheard": """
        given = [ { account = "ada", failed_attempts = 3 } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "pipe",    do = "hold",    event = "invoice.marked_uncollectible" },
          { at = 2026-03-14T10:00:00Z, by = "pipe",    do = "hold",    event = "customer.subscription.updated" },
          { at = 2026-03-14T10:00:01Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" },
          { at = 2026-03-14T10:00:30Z, by = "pipe",    do = "release", event = "invoice.marked_uncollectible" },
          { at = 2026-03-14T10:00:30Z, by = "pipe",    do = "release", event = "customer.subscription.updated" },
        ]
    """,
    # -- what follows
    "banned_and_paid": """
        given = [ { account = "ada", card = "good", invoices = [
          { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-02-01T06:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "ada", do = "pay", invoice = "ada_1", via = "hosted" } ]
    """,
    "addon_in_bad_debt": """
        given = [ { account = "ada", failed_attempts = 3 } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "ada",     do = "subscribe", plan = "workers_paid", price = 500 },
          { at = 2026-03-14T12:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" },
        ]
    """,
    "first_money": """
        given = [ { account = "ada", failed_attempts = 3, paid_before = false, card = "good" } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" },
          { at = 2026-03-14T12:00:00Z, by = "ada",     do = "pay", invoice = "ada_1", via = "hosted" },
        ]
    """,
    "never_paid": """
        given = [ { account = "ada", failed_attempts = 3, paid_before = false } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" } ]
    """,
    "paid_at_braintree": """
        given = [ { account = "ada", failed_attempts = 3, paid_before = false, rows = { subs_customer = { braintree_paid = true } } } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" } ]
    """,
    "contract_account": """
        given = [ { account = "ada", account_type = "jdc", failed_attempts = 3 } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" } ]
    """,
    "shared_customer": """
        given = [
          { account = "ada", failed_attempts = 3 },
          { account = "bob", rows = { subs_customer = { stripe_customer = "cus_ada" } } },
        ]
        timeline = [
          { at = 2026-03-14T09:00:00Z, by = "stripe",  do = "charge",    invoice = "ada_1", result = "declined" },
          { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" },
        ]
    """,
    "contract_ends": """
        given = [ { account = "ada", account_type = "jdc", invoices = [
          { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-01T06:00:00Z } ] } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "support", do = "change_account_type", account = "ada", account_type = "self_serve" },
        ]
        until = 2026-03-14T20:00:00Z
        calm_hours = 1
    """,
    # -- races
    "flags_while_failing": f"""
        given = [ {{ account = "ada", failed_attempts = 3, paid_before = false, card = "good" }} ]
        timeline = [
        {_at("10:00:00", 'by = "ada", do = "pay", invoice = "ada_1", via = "hosted"')}{_flags_all_the_time()}]
    """,
    "paid_a_little_after_it_failed": """
        given = [ { account = "ada", failed_attempts = 3, card = "good" } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" },
          { at = 2026-03-14T10:00:09Z, by = "ada",    do = "pay", invoice = "ada_1", via = "hosted" },
        ]
    """,
    "bad_debt_twice_in_a_day": """
        given = [ { account = "ada", card = "good", invoices = [
          { invoice = "ada_1", failed_attempts = 3, last_attempt = 2026-03-13T06:00:00Z },
          { invoice = "ada_2", failed_attempts = 1, last_attempt = 2026-03-13T18:00:00Z } ] } ]
        timeline = [
          { at = 2026-03-14T08:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" },
          { at = 2026-03-14T09:00:00Z, by = "ada",     do = "pay", invoice = "ada_1", via = "hosted" },
          { at = 2026-03-14T10:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_2" },
          { at = 2026-03-14T11:00:00Z, by = "ada",     do = "pay", invoice = "ada_2", via = "hosted" },
        ]
        until = 2026-03-14T20:00:00Z
        calm_hours = 1
    """,
    "ledger_hears_late_of_a_new_invoice": """
        given = [ { account = "ada", started = 2026-02-14T06:00:00Z, card = "good" } ]
        timeline = [
          { at = 2026-03-14T05:00:00Z, by = "pipe", do = "hold",    event = "invoice.finalized" },
          { at = 2026-03-14T12:00:00Z, by = "pipe", do = "release", event = "invoice.finalized" },
        ]
    """,
    # Two that look after a declined charge are overtaken by each other, and by a void that both have seen.
    "ledger_overtaken": """
        given = [ { account = "ada", failed_attempts = 3 } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "ada",     do = "pay",  invoice = "ada_1", via = "hosted" },
          { at = 2026-03-14T10:00:01Z, by = "support", do = "void", invoice = "ada_1" },
        ]
        until = 2026-03-14T20:00:00Z
        calm_hours = 1

        [answers]
        "w/pubsub/in_ada_1.payment_failed.1b0txycr7zxc/attempt1" = 1016
        "e/in_ada_1.payment_failed.1b0txycr7zxc/invoicing/billing_prod/transaction/ada" = 435
        "e/ch_ada_1.1b0txycr7zxc.failed.1b0txycr7zxc/invoicing/billing_prod/transaction/ada" = 811
    """,
    # -- consequences
    "delinquent_looked_at": """
        given = [ { account = "ada", invoices = [ { invoice = "ada_1", failed_attempts = 8, last_attempt = 2026-03-13T06:00:00Z } ] } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" } ]
        calm_hours = 1
    """,
    "two_failures": """
        given = [ { account = "ada", failed_attempts = 3 } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" },
          { at = 2026-03-14T12:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" },
        ]
        calm_hours = 1
    """,
    # -- faults
    "mail_that_comes_twice": """
        given = [ { account = "ada", started = 2026-02-14T06:00:00Z, card = "declines" } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" } ]
        faults = { redelivery = { ppm = 1000000 } }
        calm_hours = 1
    """,
    "mail_that_waits": """
        given = [ { account = "ada", started = 2026-02-14T06:00:00Z, card = "declines" } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "ada", do = "update_card", card = "good" },
          { at = 2026-03-14T10:01:00Z, by = "ada", do = "pay", invoice = "ada_1", via = "hosted" },
        ]
        faults = { poison = { ppm = 1000000 } }
    """,
    "mail_poisoned": """
        given = [ { account = "ada", started = 2026-02-14T06:00:00Z, card = "declines" } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "recompute", account = "ada" } ]
        faults = { poison = { ppm = 1000000 } }
        until = 2026-03-14T20:00:00Z
        calm_hours = 1
    """,
    "poisoned": """
        given = [ { account = "ada", failed_attempts = 7 } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" } ]
        until = 2026-03-22T00:00:00Z
        faults = { poison = { ppm = 1000000 } }
    """,
    "dead_letters": """
        given = [ { account = "ada", failed_attempts = 3 } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" } ]
        faults = { dead_letter = { ppm = 1000000 } }
        calm_hours = 1
    """,
    "lost": """
        given = [ { account = "ada", failed_attempts = 3 } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" } ]
        faults = { lost = { ppm = 1000000 } }
        calm_hours = 12
    """,
    "crashes_on_the_first_failure": """
        given = [ { account = "ada", started = 2026-02-14T06:00:00Z, card = "declines" } ]
        timeline = [ { at = 2026-03-14T12:00:00Z, by = "support", do = "recompute", account = "ada" } ]
        faults = { crash = { ppm = 500000 } }
        until = 2026-03-14T20:00:00Z
        calm_hours = 1
    """,
    "crashes": """
        given = [ { account = "ada", started = 2026-02-14T06:00:00Z, card = "declines" } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" } ]
        faults = { crash = { ppm = 500000 } }
        calm_hours = 1
    """,
    "crashes_on_the_last_try": """
        given = [ { account = "ada", failed_attempts = 7 } ]
        timeline = [ { at = 2026-03-14T10:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" } ]
        until = 2026-03-22T00:00:00Z
        faults = { crash = { ppm = 500000 } }
    """,
    "slow_while_paying": """
        given = [ { account = "ada", failed_attempts = 3, card = "good" } ]
        timeline = [
          { at = 2026-03-14T10:00:00Z, by = "support", do = "mark_uncollectible", invoice = "ada_1" },
          { at = 2026-03-14T10:00:06Z, by = "ada",     do = "pay", invoice = "ada_1", via = "hosted" },
        ]
        faults = { slow_handler = { ppm = 500000 } }
    """,
}
