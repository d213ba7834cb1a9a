"""An engine that is a program in any language: JSON lines, effect out, result in. `docs/own_engine.md` is the protocol for those who write one.

Strictly in turn: billsim puts a question, `{"n": 7, ...}`, and the program answers it with one line that has the same `n`. So the order in which
it hears of things is the world's, and nothing depends on how fast it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from billsim import __version__
from billsim.core.platform import Platform
from billsim.core.policy import DunningPolicy
from billsim.external.misbehaviour import Misbehaviour, Unavailable
from billsim.external.process import Process
from billsim.external.wire import Wire
from billsim.ports import AccountState, Decides, Decision, Handles, Message, Steps

PROTOCOL = 1
FORMS = ("decide", "handle")


class Program:
    """A program, started and greeted. What it does wrong becomes a finding of the message that it was asked about; it is then killed, and started
    again for the next message, `restarts` times.

    `form` is which of the two it speaks (`handle` if it never greeted well). Raises OSError if it cannot be started at all.
    """

    def __init__(self, command: Sequence[str], policy: DunningPolicy, platform: Platform) -> None:
        self._command = list(command)
        self._policy = policy
        self._platform = platform
        self._process: Process | None = None
        self._failures = 0
        self._ungreeted: Misbehaviour | None = None
        self._asked = 0
        self._tasks = 0
        self.wire = Wire(platform.names)
        self.life = 0
        self.form = ""
        self.kinds: tuple[str, ...] | None = None
        try:
            self._start()
        except Misbehaviour as misbehaviour:
            self._ungreeted, self._failures, self.form = misbehaviour, platform.program.restarts + 1, "handle"

    def engine(self) -> Handles | Decides:
        """The program as an engine, in its form."""
        return Brain(self) if self.form == "decide" else Hands(self)

    def wakes(self, kind: str) -> bool:
        """Whether it asked, in its greeting, to hear of messages of this kind; `stripe.invoice.*` stands for all that begin so."""
        if self.kinds is None:
            return True
        return any(kind == each or (each.endswith("*") and kind.startswith(each[:-1])) for each in self.kinds)

    def begin_task(self) -> str:
        """A name for a message's handling, by which its questions and answers are told apart."""
        self._tasks += 1
        return f"t{self._tasks}"

    def ask(self, question: dict[str, Any], life: int | None = None) -> dict[str, Any]:
        """Put a question and hear the answer. `life`: which life of the program it belongs to (None: any, it is the first of its task).

        Raises Misbehaviour, or Unavailable if the program is given up or was started anew since.
        """
        if self._ungreeted is not None:
            misbehaviour, self._ungreeted = self._ungreeted, None
            raise misbehaviour
        if self._process is None and life is None and self._failures <= self._platform.program.restarts:
            self._start()
        if self._process is None:
            raise Unavailable(f"given up after it misbehaved {self._failures} times")
        if life not in (None, self.life):
            raise Unavailable("it was started anew since it began with this message")
        try:
            return self._exchange(self._process, question, self._platform.program.answer_ms)
        except Misbehaviour as misbehaviour:
            if misbehaviour.finding != "failed":
                self.blame()
            raise

    def blame(self) -> None:
        """It did something wrong: nobody knows what it thinks now, so it is killed."""
        self._failures += 1
        self.close()

    def close(self) -> None:
        """End the program, by force if it does not leave by itself."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _start(self) -> None:
        try:
            process = self._process = Process(self._command, self._platform.program)
        except OSError as failure:
            if not self.life:
                raise
            self._failures += 1
            raise Misbehaviour("dies", f"it could not be started again: {failure.strerror or failure}") from failure
        self.life += 1
        try:
            self._greet(process)
        except BaseException as failure:
            self.close()
            if isinstance(failure, Misbehaviour):
                self._failures += 1
            raise

    def _greet(self, process: Process) -> None:
        names = self._platform.names
        hello = {"billsim": __version__, "protocol": [PROTOCOL], "policy": self._policy, "names": names}
        greeting = self._exchange(process, {"hello": hello}, self._platform.program.start_ms)
        if greeting.get("protocol") != PROTOCOL:
            raise Misbehaviour("greeting", f"it speaks protocol {greeting.get('protocol')!r}, and this version {PROTOCOL}")
        form, kinds = greeting.get("form"), greeting.get("wakes")
        if form not in FORMS or (self.form and form != self.form):
            raise Misbehaviour("greeting", f"its form is {form!r}, and has to be {self.form or ' or '.join(FORMS)}")
        if kinds is not None and not (isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds)):
            raise Misbehaviour("greeting", "its 'wakes' is no list of kinds of messages")
        self.form, self.kinds = form, None if kinds is None else tuple(kinds)

    def _exchange(self, process: Process, question: dict[str, Any], limit_ms: int) -> dict[str, Any]:
        self._asked += 1
        line = process.exchange(msgspec.json.encode({"n": self._asked, **question}), limit_ms)
        try:
            answer = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Misbehaviour("garbage", f"it said {_shown(line)}") from None
        if not isinstance(answer, dict):
            raise Misbehaviour("garbage", f"it said {_shown(line)}")
        if answer.get("n") != self._asked:
            raise Misbehaviour("out_of_turn", f"it was asked n = {self._asked}, and answered n = {answer.get('n')!r}")
        if "error" in answer:
            raise Misbehaviour("failed", str(answer["error"])[:500])
        return answer


class Brain:
    """The decide form."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def decide(self, state: AccountState, now_ms: int, policy: DunningPolicy) -> Decision:
        """What the program decides. Raises Misbehaviour or Unavailable."""
        program = self._program
        answer = program.ask({"decide": {"now_ms": now_ms, **program.wire.state(state)}})
        try:
            return program.wire.decision(answer, state.account)
        except Misbehaviour:
            program.blame()
            raise


class Hands:
    """The handle form: each message is a task of the program's, and several may be under way."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def handle(self, message: Message) -> Steps:
        """Hand the message over, then perform what the program asks for. Raises Misbehaviour or Unavailable."""
        program, task = self._program, self._program.begin_task()
        answer, life = program.ask({"task": task, "message": program.wire.message(message)}), program.life
        while "done" not in answer:
            try:
                effect = self._effect(answer, task, message.account)
            except Misbehaviour:
                program.blame()
                raise
            try:
                said = {"result": program.wire.result(effect, (yield effect))}
            except Exception as failure:
                said = {"raised": program.wire.refusal(failure)}
            answer = program.ask({"task": task, **said}, life)

    def _effect(self, answer: dict[str, Any], task: str, account: str) -> Any:
        if answer.get("task") != task:
            raise Misbehaviour("out_of_turn", f"it was asked for task {task!r}, and answered for {answer.get('task')!r}")
        if "retry" in answer:
            raise Unavailable(f"it wants the message again: {str(answer['retry'])[:200]}")
        return self._program.wire.effect(answer.get("effect"), account)


def _shown(line: bytes) -> str:
    text = line[:80].decode(errors="replace")
    return repr(text) if len(line) <= 80 else f"{text!r}... ({len(line)} bytes)"
