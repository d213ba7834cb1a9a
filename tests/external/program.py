"""A program to be run as an engine, which does what its first argument says: something wrong, from its first real question on, or something right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any


def say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    mode = sys.argv[1]
    form = "handle" if mode.startswith("handle") else "decide"
    for line in sys.stdin:
        question = json.loads(line)
        n = question["n"]
        if "hello" in question:
            greet(mode, n, form)
        elif form == "decide":
            decide(mode, n, question["decide"])
        else:
            handle(mode, n, question)


def greet(mode: str, n: int, form: str) -> None:
    if mode == "never_greets":
        time.sleep(60)
    if mode == "has_children":
        child = subprocess.Popen(["sleep", "600"])
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {child.pid}")
    greeting: dict[str, Any] = {"n": n, "protocol": 2 if mode == "speaks_protocol_2" else 1, "form": "dance" if mode == "dances" else form}
    if mode == "wakes_wrongly":
        greeting["wakes"] = "everything"
    if mode == "handle_narrow":
        greeting["wakes"] = ["stripe.invoice.*", "request.recompute"]
    say(greeting)


def decide(mode: str, n: int, state: dict[str, Any]) -> None:
    healthy = {"status": "healthy", "metadata": {"account_type": "self_serve"}, "entitlements": {"zone_plan": "pro_monthly"}}
    answer: Any = {"n": n, "account": state["account"], "decision": healthy}
    if mode == "hangs":
        time.sleep(60)
    elif mode == "dies":
        raise ArithmeticError("no such debt")
    elif mode == "is_killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "ends":
        sys.exit(0)
    elif mode == "closes":
        os.close(1)
        time.sleep(60)
    elif mode == "garbage":
        sys.stdout.write("Starting up...\n")
    elif mode == "list":
        answer = [answer]
    elif mode == "bytes":
        sys.stdout.buffer.write(b"\xff\xfe\n")
    elif mode == "huge":
        sys.stdout.write("x" * 3_000_000)
        sys.stdout.flush()
        time.sleep(60)
    elif mode == "twice":
        say(answer)
    elif mode == "wrong_account":
        answer["account"] = "bob"
    elif mode == "no_decision":
        answer["decision"] = {"statos": "healthy"}
    elif mode == "wrong_type":
        answer["decision"]["retry_count"] = "3"
    elif mode == "none":
        del answer["decision"]
    elif mode == "says_so":
        answer = {"n": n, "error": "the moon is full"}
    elif mode == "floods_stderr":
        sys.stderr.write("busy\n" * 100_000)
    elif mode == "dies_once" and not os.path.exists(sys.argv[2]):
        with open(sys.argv[2], "w", encoding="utf-8"):
            pass
        sys.exit(3)
    say(answer)


# What each handling program asks for, one effect after another.
def asked(mode: str, account: str) -> list[dict[str, Any]]:
    return {
        "handle_other": [{"do": "read", "store": "subs_dunning", "account": "bob"}],
        "handle_other_row": [{"do": "transact", "store": "subs_account", "changes": [{"account": "bob", "fields": {"flags": 0}}]}],
        "handle_unknown": [{"do": "reed", "store": "subs_dunning"}],
        "handle_store": [{"do": "read", "store": "subs_duning"}],
        "handle_column": [{"do": "write", "store": "subs_dunning", "fields": {"state": "healthy"}}],
        "handle_version": [{"do": "write", "store": "subs_dunning", "fields": {"version": 9}}],
        "handle_type": [{"do": "write", "store": "subs_dunning", "fields": {"done": "in_ada_1/bad_debt"}}],
        "handle_part": [{"do": "gather", "parts": ["subs_dunnin"]}],
        "handle_sleep": [{"do": "sleep", "ms": "long"}],
        "handle_ask": [{"do": "ask", "kind": "coin"}],
        "handle_nobody": [{"do": "read", "store": "subs_dunning"}],
        "handle_owner": [{"do": "write", "store": "cf_prod", "key": "zone_plan", "fields": {"plan": "free"}}],
        "handle_all": [
            {"do": "gather"},
            {"do": "gather", "parts": ["subs_dunning"]},
            {"do": "read", "store": "subs_dunning"},
            {"do": "read", "store": "ope"},
            {"do": "scan", "store": "subs_dunning", "where": {"status": ["retrying", "delinquent"]}},
            {"do": "compare_and_set", "store": "subs_dunning", "version": 999, "fields": {"done": ["x"]}},
            {"do": "transact", "store": "subs_account", "changes": [{"fields": {"flags": 0}, "version": 999}]},
            {"do": "call_stripe", "method": "invoices.retrieve", "id": "in_nobody_9"},
            {"do": "call_stripe", "method": "customers.retrieve", "id": f"cus_{account}"},
            {"do": "ask", "kind": "coin", "weights": {"0": 1, "1": 1}},
            {"do": "ask", "kind": "wait", "quantiles": [5, 10]},
            {"do": "now"},
            {"do": "sleep", "ms": 5},
            {"do": "start", "component": "invoicing", "kind": "domain.decided"},
            {"do": "send", "kind": "looked_at"} if mode == "handle_all_send" else {"do": "now"},
        ],
    }.get(mode, [])


def handle(mode: str, n: int, question: dict[str, Any], tasks: dict[str, list[Any]] = {}) -> None:  # noqa: B006
    task = question["task"]
    if "message" in question:
        account = question["message"]["account"]
        tasks[task] = asked(mode, account) if account or mode == "handle_nobody" else []
    with open(sys.argv[2], "a", encoding="utf-8") as log:
        log.write(json.dumps(question) + "\n")
    if mode == "handle_wants_again":
        say({"n": n, "task": task, "retry": "not now"})
    elif mode == "handle_other_task":
        say({"n": n, "task": "t0", "effect": {"do": "now"}})
    elif tasks[task]:
        say({"n": n, "task": task, "effect": tasks[task].pop(0)})
    else:
        say({"n": n, "task": task, "done": True})


if __name__ == "__main__":
    main()
