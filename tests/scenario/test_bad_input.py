# ruff: noqa: E501 (a table of messages, each on its line)
"""Each kind of broken scenario file meets one clear line: file, line, key, what is wrong, and the nearest valid name."""

from __future__ import annotations

from pathlib import Path

import pytest

from billsim.scenario import documents
from billsim.scenario.errors import InputError, nearest
from billsim.scenario.toml_file import load, loads

HEAD = 'id = "x"\n'
ADA = 'given = [ { account = "ada", failed_attempts = 1 } ]\n'
PAY = '{ at = 2026-03-14T02:00:00Z, by = "ada", do = "pay", invoice = "ada_1" }'


def story(*rows: str) -> str:
    """Four lines of head, then a row a line from line 4 on."""
    return "\n".join([f"{HEAD}{ADA}timeline = [", *(f"{row}," for row in rows), "]\n"])


def tales(told: str) -> str:
    return f"{HEAD}start = 2026-03-14T00:00:00Z\n[tales]\n{told}\n"


def crowd(extra: str) -> str:
    return f"{HEAD}start = 2026-03-14T00:00:00Z\n[population]\naccounts = 3\ndays = 3\n{extra}\n"


def told(extra: str) -> str:
    return f"{HEAD}{ADA}start = 2026-03-14T00:00:00Z\n{extra}\n"


def after_row(extra: str) -> str:
    return f"{story(PAY)}{extra}\n"


BROKEN: dict[str, tuple[str, str]] = {
    "empty": ("", "s.toml: the file is empty"),
    "only_blanks": ("\n \n", "s.toml: the file is empty"),
    "syntax": ('id = "x"\nrule = \n', "s.toml:2: is not TOML: Invalid value"),
    "syntax_at_the_end": ('id = "x"\ngiven = [ {', "s.toml:2: is not TOML: "),
    "duplicate_key": ('id = "x"\nid = "y"\n', "s.toml:2: is not TOML: Cannot overwrite a value"),
    "missing_key": (ADA, "s.toml:1: 'id' is missing"),
    "missing_start": (f"{HEAD}{ADA}", "s.toml:1: 'start' is missing: without a timeline, say when it begins"),
    "nobody": (f"{HEAD}start = 2026-03-14T00:00:00Z\n", "s.toml:1: there is nobody in it: it needs 'given' accounts, a 'population', 'tales' or 'events'"),
    "bad_id": (told("").replace('"x"', '"a b"'), "s.toml:1: id: 'a b' is no id: letters, digits and _ . / - are allowed, as in dunning/late_failed_after_paid"),
    "wrong_type": (told("").replace("failed_attempts = 1", 'failed_attempts = "1"'), "s.toml:2: given[0].failed_attempts: must be a whole number, not text"),
    "decimal": (told("calm_hours = 1.5"), "s.toml:4: calm_hours: must be a whole number, not a decimal number"),
    "bool_for_a_number": (told("calm_hours = true"), "s.toml:4: calm_hours: must be a whole number, not true or false"),
    "negative": (told("calm_hours = -1"), "s.toml:4: calm_hours: must not be negative, is -1"),
    "too_large": (told("calm_hours = 9007199254740993"), "s.toml:4: calm_hours: is too large, at most 9007199254740992"),
    "table_for_a_list": (f"{HEAD}[given]\n", "s.toml:2: given: must be a list, not a table"),
    "list_for_a_table": (told("judge = []"), "s.toml:4: judge: must be a table, not a list"),
    "unknown_key": (told("calm_hour = 3"), "s.toml:4: calm_hour: unknown key (did you mean 'calm_hours'?)"),
    "unknown_key_deep": (told("[expect.legacy]\nevery_order = { drifts = [] }"), "s.toml:5: expect.legacy.every_order.drifts: unknown key (did you mean 'drift'?)"),
    "unknown_key_in_an_account": (told("").replace("failed_attempts", "failed_atempts"), "s.toml:2: given[0].failed_atempts: unknown key (did you mean 'failed_attempts'?)"),
    "unknown_key_far_from_all": (told("zzz = 3"), "s.toml:4: zzz: unknown key"),
    "the_file_s_own_name": (told('source = "y"'), "s.toml:4: source: unknown key"),
    "naive_date": (story(PAY.replace("00Z", "00")), "s.toml:4: timeline[0].at: has no time zone: add Z, as in 2026-03-14T02:00:00Z"),
    "date_without_time": (told("until = 2026-03-15"), "s.toml:4: until: must be a date and time such as 2026-03-14T01:00:00Z, not a date"),
    "date_as_text": (told('until = "2026-03-15"'), "s.toml:4: until: must be a date and time such as 2026-03-14T01:00:00Z, not text"),
    "year_1": (told("until = 0001-01-01T00:00:00Z"), "s.toml:4: until: lies outside the years 2001 to 2198"),
    "too_fine": (story(PAY.replace("00Z", "00.000001Z")), "s.toml:4: timeline[0].at: is finer than a millisecond"),
    "end_before_start": (told("until = 2026-03-13T00:00:00Z"), "s.toml:4: until: is not after the start"),
    "row_before_start": (f"{story(PAY)}".replace(HEAD, f"{HEAD}start = 2026-03-15T00:00:00Z\n"), "s.toml:5: timeline[0].at: lies in the past of the story, before its start"),
    "row_before_the_row_above": (story(PAY, PAY.replace("02:00", "01:00")), "s.toml:5: timeline[1].at: lies in the past of the story, before the row above it"),
    "row_after_the_end": (f"{story(PAY)}".replace(HEAD, f"{HEAD}until = 2026-03-14T01:00:00Z\n"), "s.toml:5: timeline[0].at: lies after the story's end, see 'until'"),
    "started_later": (told("").replace("failed_attempts = 1", "started = 2026-03-14T00:00:00Z"), "s.toml:2: given[0].started: is not before the story's start"),
    "unknown_actor": (story(PAY.replace('"ada", do', '"stipe", do')), "s.toml:4: timeline[0].by: unknown actor 'stipe' (did you mean 'stripe'?)"),
    "unknown_action": (story(PAY.replace('"pay"', '"pey"')), "s.toml:4: timeline[0].do: ada has no action 'pey' (did you mean 'pay'?)"),
    "action_of_another": (story(PAY.replace('"ada", do', '"bank", do')), "s.toml:4: timeline[0].do: bank has no action 'pay'"),
    "unknown_parameter": (story(PAY.replace(" }", ', vla = "hosted" }')), "s.toml:4: timeline[0].vla: unknown key (did you mean 'via'?)"),
    "missing_parameter": (story(PAY.replace(', invoice = "ada_1"', "")), "s.toml:4: timeline[0]: 'invoice' is missing: pay needs it"),
    "missing_at": (story('{ by = "ada", do = "update_card" }'), "s.toml:4: timeline[0]: 'at' is missing"),
    "bad_choice": (story(PAY.replace(" }", ', via = "hostd" }')), "s.toml:4: timeline[0].via: 'hostd' is not one of dashboard, hosted (did you mean 'hosted'?)"),
    "list_as_parameter": (story(PAY.replace('"ada_1"', "[]")), "s.toml:4: timeline[0].invoice: must be text, a whole number, or true or false, not a list"),
    "number_as_parameter": (story(PAY.replace('"ada_1"', "1")), "s.toml:4: timeline[0].invoice: must be text"),
    "negative_parameter": (
        story('{ at = 2026-03-14T02:00:00Z, by = "bank", do = "challenge", account = "ada", returns_after_s = -1 }'),
        "s.toml:4: timeline[0].returns_after_s: must not be negative",
    ),
    "unknown_event_type": (
        story('{ at = 2026-03-14T02:00:00Z, by = "pipe", do = "hold", event = "invoice.payd" }'),
        "s.toml:4: timeline[0].event: 'invoice.payd' is not a known event type (did you mean 'invoice.paid'?)",
    ),
    "unknown_account": (
        story('{ at = 2026-03-14T02:00:00Z, by = "support", do = "recompute", account = "adda" }'),
        "s.toml:4: timeline[0].account: there is no account 'adda' (did you mean 'ada'?)",
    ),
    "unknown_invoice": (story(PAY.replace("ada_1", "bob_1")), "s.toml:4: timeline[0].invoice: there is no invoice 'bob_1': no account 'bob'"),
    "invoice_that_cannot_be": (story(PAY.replace("ada_1", "ada_99")), "s.toml:4: timeline[0].invoice: there is no invoice 'ada_99' in the story's time (did you mean 'ada_1'?)"),
    "invoice_of_no_subscription": (
        story(PAY.replace("ada_1", "ada-2_1")),
        "s.toml:4: timeline[0].invoice: there is no invoice 'ada-2_1': 'ada' has no such subscription (did you mean 'ada_1'?)",
    ),
    "no_invoice_name": (story(PAY.replace("ada_1", "in_1x")), "s.toml:4: timeline[0].invoice: 'in_1x' names no invoice: <account>_<number>, as in ada_1"),
    "invoice_of_another": (
        story(PAY.replace('by = "ada"', 'by = "bob"')).replace("] \n", "").replace("failed_attempts = 1 }", 'failed_attempts = 1 }, { account = "bob" }'),
        "s.toml:4: timeline[0].invoice: 'ada_1' is not an invoice of bob",
    ),
    "duplicate_account": (told("").replace(" ]", ', { account = "ada" } ]'), "s.toml:2: given[1].account: duplicate account 'ada'"),
    "account_named_as_an_actor": (told("").replace('"ada"', '"stripe"'), "s.toml:2: given[0].account: 'stripe' is an actor's name, not an account's"),
    "bad_account_name": (told("").replace('"ada"', '"ada-2"'), "s.toml:2: given[0].account: 'ada-2' is no account name: up to 40 of a-z, 0-9 and _, a letter first"),
    "duplicate_invoice": (
        told("").replace("failed_attempts = 1", 'invoices = [{ invoice = "ada_1" }, { invoice = "ada_1" }]'),
        "s.toml:2: given[0].invoices[1].invoice: duplicate invoice 'ada_1'",
    ),
    "invoices_out_of_order": (
        told("").replace("failed_attempts = 1", 'invoices = [{ invoice = "ada_2" }, { invoice = "ada_1" }]'),
        "s.toml:2: given[0].invoices[1].invoice: invoices stand in the order of their numbers",
    ),
    "foreign_invoice": (
        told("").replace("failed_attempts = 1", 'invoices = [{ invoice = "bob_1" }]'),
        "s.toml:2: given[0].invoices[0].invoice: 'bob_1' must be 'ada_<number>', counted from 1",
    ),
    "both_short_and_long": (
        told("").replace("failed_attempts = 1", 'failed_attempts = 1, invoices = [{ invoice = "ada_1" }]'),
        "s.toml:2: given[0].failed_attempts: and 'invoices' exclude each other: say it for each invoice",
    ),
    "too_many_attempts": (told("").replace("failed_attempts = 1", "failed_attempts = 9"), "s.toml:2: given[0].failed_attempts: the retry schedule makes 8 attempts in all, not 9"),
    "overdue_retry": (
        told("").replace("failed_attempts = 1", 'invoices = [{ invoice = "ada_1", failed_attempts = 1, last_attempt = 2026-03-10T00:00:00Z }]'),
        "s.toml:2: given[0].invoices[0].last_attempt: the schedule would have tried again 1 days later, before the story's start",
    ),
    "bad_instrument": (told("").replace("failed_attempts = 1", 'instrument = "card2"'), "s.toml:2: given[0].instrument: unknown instrument 'card2' (did you mean 'card'?)"),
    "bad_currency": (told("").replace("failed_attempts = 1", 'currency = "USD"'), "s.toml:2: given[0].currency: 'USD' is no currency: three small letters, as in usd"),
    "two_prices": (
        told("").replace(" ]", ', { account = "bob", price = 1 } ]'),
        "s.toml:2: given[1].price: plan 'pro_monthly' already has the price 2000 usd: a plan has one",
    ),
    "unknown_store": (told("").replace("failed_attempts = 1", "rows = { subs_dunnin = {} }"), "s.toml:2: given[0].rows.subs_dunnin: unknown store 'subs_dunnin' (did you mean 'subs_dunning'?)"),
    "unknown_field": (
        told("").replace("failed_attempts = 1", 'rows = { subs_dunning = { statu = "healthy" } }'),
        "s.toml:2: given[0].rows.subs_dunning.statu: unknown field 'statu' (did you mean 'status'?)",
    ),
    "field_of_wrong_type": (
        told("").replace("failed_attempts = 1", 'rows = { subs_account = { flags = "bad" } }'),
        "s.toml:2: given[0].rows.subs_account.flags: must be a whole number, not text",
    ),
    "unknown_status": (
        told("").replace("failed_attempts = 1", 'rows = { subs_dunning = { status = "helthy" } }'),
        "s.toml:2: given[0].rows.subs_dunning.status: unknown status 'helthy' (did you mean 'healthy'?)",
    ),
    "planted_ledger": (
        told("").replace("failed_attempts = 1", "rows = { billing_prod = {} }"),
        "s.toml:2: given[0].rows.billing_prod: billing_prod is an audit trail: what it says follows from the invoices",
    ),
    "metadata_of_no_invoice": (
        told("").replace("failed_attempts = 1", 'failed_attempts = 1, rows = { stripe_metadata = { "ada_2/bad_debt" = "true" } }'),
        "s.toml:2: given[0].rows.stripe_metadata.ada_2/bad_debt: there is no invoice 'ada_2' (did you mean 'ada_1'?)",
    ),
    "unknown_engine": (after_row("[expect.recomput]"), "s.toml:6: expect.recomput: unknown engine 'recomput': legacy, recompute, noop, all_healthy, all_bad, cancel_all, void_all, package.module:factory or cmd:program (did you mean 'recompute'?)"),
    "unknown_code": (
        after_row('[expect.legacy]\nsome_order = { drift = [\n{ account = "ada", code = "bad_dept_stuck" } ] }'),
        "s.toml:8: expect.legacy.some_order.drift[0].code: unknown drift code 'bad_dept_stuck' (did you mean 'bad_debt_stuck'?)",
    ),
    "unknown_cause": (
        after_row('[expect.legacy]\nsome_order = { drift = [{ account = "ada", code = "bad_debt_stuck", cause = "stale" }] }'),
        "s.toml:7: expect.legacy.some_order.drift[0].cause: unknown cause 'stale' (did you mean 'stale_read'?)",
    ),
    "drift_of_nobody": (
        after_row('[expect.legacy]\nsome_order = { drift = [{ account = "bob", code = "bad_debt_stuck" }] }'),
        "s.toml:7: expect.legacy.some_order.drift[0].account: there is no account 'bob'",
    ),
    "control_without_nothing": (after_row('[expect.legacy]\ncontrol = { without = ["holds"] }'), "s.toml:7: expect.legacy.control.without[0]: unknown action 'holds' (did you mean 'hold'?)"),
    "control_that_changes_nothing": (after_row("[expect.legacy]\ncontrol = {}"), "s.toml:7: expect.legacy.control: changes nothing: it needs 'without', 'without_invoices' or 'apart_minutes'"),
    "control_without_no_invoice": (
        after_row('[expect.legacy]\ncontrol = { without_invoices = ["ada_1"] }').replace("failed_attempts = 1", 'invoices = [{ invoice = "ada_2" }]'),
        "s.toml:7: expect.legacy.control.without_invoices[0]: unknown given invoice 'ada_1' (did you mean 'ada_2'?)",
    ),
    "closed_drift_of_unknown_code": (
        after_row('[expect.legacy]\nevery_order = { drift = [], closed = [{ account = "ada", code = "www" }] }'),
        "s.toml:7: expect.legacy.every_order.closed[0].code: unknown drift code 'www' (did you mean 'www_drift'?)",
    ),
    "unknown_mark": (after_row('[judge]\nsometimes = ["stale_event_ignord"]'), "s.toml:7: judge.sometimes[0]: unknown mark 'stale_event_ignord' (did you mean 'stale_event_ignored'?)"),
    "bad_setting": (
        after_row('[stripe]\nfinal_invoice = "leave_opn"'),
        "s.toml:7: stripe.final_invoice: 'leave_opn' is not one of leave_open, mark_uncollectible (did you mean 'leave_open'?)",
    ),
    "falling_retry_days": (after_row("[stripe]\nretry_days = [3, 1]"), "s.toml:7: stripe.retry_days: must be days after the first attempt, from 1, rising"),
    "no_accounts": (crowd("").replace("accounts = 3", "accounts = 0"), "s.toml:4: population.accounts: must be 1 to 1000000"),
    "too_many_shares": (crowd("declines = 900\nlost = 200"), "s.toml:6: population.declines: parts per thousand: declines + lost + never_paid must be at most 1000"),
    "tales_of_nobody": (tales("accounts = 0"), "s.toml:4: tales.accounts: must be 1 to 8"),
    "tales_too_long": (tales("rows = 201"), "s.toml:4: tales.rows: must be 0 to 200"),
    "tales_of_bursts": (tales("bursts = 1001"), "s.toml:4: tales.bursts: must be 0 to 1000"),
    "tales_of_no_state": (tales("states = { retryng = 1 }"), "s.toml:4: tales.states.retryng: unknown state 'retryng' (did you mean 'retrying'?)"),
    "tales_of_no_action": (tales("actions = { refund = 1 }"), "s.toml:4: tales.actions.refund: unknown action 'refund'"),
    "tales_without_weight": (tales("actions = { pay = 0 }"), "s.toml:4: tales.actions: needs a weight above 0"),
    "tales_beside_a_story": (told("[tales]"), "s.toml:2: given: and 'tales' exclude each other: tales say for themselves who there is and what happens"),
    "answer_to_no_question": (after_row("[answers]\nstory = 1"), "s.toml:7: answers.story: is no label of a choice: it begins with w/ or e/, as in w/story/row0/offset"),
    "answer_of_text": (after_row('[answers]\n"w/x" = "1"'), "s.toml:7: answers.w/x: must be a whole number, not text"),
    "answer_below_nothing": (after_row('[answers]\n"w/x" = -1'), "s.toml:7: answers.w/x: must not be negative, is -1"),
    "missing_days": (crowd("").replace("days = 3", ""), "s.toml:3: population: 'days' is missing"),
    "minute_of_no_day": (told("cron_minute = 1440"), "s.toml:4: cron_minute: is the minute of a day, 0 to 1439"),
}


@pytest.mark.parametrize(("text", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_one_clear_line(text: str, line: str) -> None:
    with pytest.raises(InputError) as error:
        loads(text, "s.toml")
    said = str(error.value)
    assert said.startswith(line) if line.endswith(": ") else said == line
    assert "\n" not in said


def test_the_stories_that_were_broken_were_whole() -> None:
    for text in (story(PAY), crowd(""), told("")):
        loads(text)


def test_the_parts_of_an_error() -> None:
    with pytest.raises(InputError) as error:
        loads(BROKEN["unknown_key"][0], "s.toml")
    found = error.value
    assert (found.message, found.file, found.line, found.key, found.hint) == ("unknown key", "s.toml", 4, "calm_hour", "calm_hours")


# --- files --------------------------------------------------------------------------------------------------------------------


def failure(path: Path) -> str:
    with pytest.raises(InputError) as error:
        load(path)
    return str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.toml"
    assert failure(path) == f"{path}: there is no such file"


def test_folder(tmp_path: Path) -> None:
    assert failure(tmp_path) == f"{tmp_path}: is a folder, not a scenario file"


def test_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b'id = "x"\nrule = "caf\xe9"\n')
    assert failure(path) == f"{path}:2: is not UTF-8: byte 0xe9"


def test_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.toml"
    with path.open("wb") as file:
        file.truncate(documents.LIMIT_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    assert failure(path) == f"{path}: is too large: 8388609 bytes, at most 8388608 are read"


def test_deep_nesting(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f"id = {'[' * 100_000}{']' * 100_000}\n")
    assert failure(path) == f"{path}: is nested too deeply"


def test_circular_reference(tmp_path: Path) -> None:
    for name, named in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.toml").write_text(f'extends = "{named}.toml"\n')
    assert failure(tmp_path / "a.toml") == f"{tmp_path / 'c.toml'}:1: extends: circular reference: a.toml -> b.toml -> c.toml -> a.toml"


def test_extends_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('id = "x"\nextends = "a.toml"\n')
    assert failure(path) == f"{path}:2: extends: circular reference: a.toml -> a.toml"


def test_extends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('extends = "b.toml"\n')
    assert failure(path) == f"{path}:1: extends: there is no file {tmp_path / 'b.toml'}"
    path.write_text("extends = 3\n")
    assert failure(path) == f"{path}:1: extends: must be text, the path of a scenario file"


def test_nearest() -> None:
    assert nearest("healty", ("healthy", "bad_debt")) == "healthy"
    assert nearest("zzz", ("healthy", "bad_debt")) == ""


def test_lines_of_tables_and_rows_written_the_long_way() -> None:
    text = """\
id = "x"
start = 2026-03-14T00:00:00Z
rule = '''
[given]
[[given]]
'''

[[given]]
account = "ada"   # { account = "bob" }
rows."subs_dunning".retry_count = 1

[[given.invoices]]
invoice = "ada_1"

[[given.invoices]]
invoice = "ada_2"
amount = -1
"""
    with pytest.raises(InputError) as error:
        loads(text, "s.toml")
    assert str(error.value) == "s.toml:17: given[0].invoices[1].amount: must not be negative, is -1"
