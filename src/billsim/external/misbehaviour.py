"""What a program can do wrong: each is a finding of the run, with a signature of its own, and never the end of billsim."""

from __future__ import annotations

# Every way to misbehave, with what it means. The name is the last part of the finding's signature, `engine_program/<name>`.
KINDS = {
    "hangs": "it did not answer in time",
    "dies": "it ended with an error, or was killed",
    "closes": "it ended, or closed its output, while it was being asked",
    "garbage": "its answer is no JSON object",
    "huge_line": "its answer is longer than a line may be",
    "greeting": "its greeting is none that this version understands",
    "out_of_turn": "it answered another question than the one that was put",
    "wrong_account": "it acted on, or decided about, another account than the one that it was asked about",
    "no_effect": "what it asks for is nothing that an engine can ask for",
    "no_decision": "what it decided is no decision",
    "failed": "it said itself that it failed",
}


class Misbehaviour(Exception):
    """A program did one of `KINDS`. `finding` is its name, under which the checks report it."""

    def __init__(self, finding: str, detail: str) -> None:
        super().__init__(finding, detail)
        self.finding = finding
        self.detail = detail

    def __str__(self) -> str:
        return f"{KINDS[self.finding]}: {self.detail}"


class Unavailable(Exception):
    """The program is not there for this message: it wants it again, was restarted meanwhile, or has been given up.

    Repeating is the cure, if there is one, and what was wrong has been reported: `retry` says that this is no finding of its own.
    """

    retry = True
