"""A program as a process of its own: one line to it, one line back, within a time limit, and killed at the end with all that it has started.

All of this is done outside the guard: what a program says takes part in a world only by the effects that come of it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Sequence

from billsim.core.guard import outside
from billsim.core.measure import clock_ns
from billsim.core.platform import ProgramLimits
from billsim.external.misbehaviour import Misbehaviour

_CHUNK = 65_536
_TAIL = 4_000
_LAST_WORDS_MS = 1_000
_FAREWELL_MS = 500
_NS = 1_000_000
_COMPLAINT = re.compile(r"error|exception|panic|fatal", re.IGNORECASE)


class Process:
    """A running program. Raises OSError if it cannot be started."""

    def __init__(self, command: Sequence[str], limits: ProgramLimits) -> None:
        self._limits = limits
        self._heard = bytearray()
        self._complaints = bytearray()
        with outside():
            # A group of its own: Ctrl-C at the terminal is billsim's to handle, and what the program starts ends with it.
            self._popen = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True
            )
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        self._to, self._from, self._errors = (pipe.fileno() if pipe is not None else -1 for pipe in pipes)
        for descriptor in (self._to, self._from, self._errors):
            os.set_blocking(descriptor, False)
        self._open_errors = True

    def exchange(self, line: bytes, limit_ms: int) -> bytes:
        """Say one line and hear one. Raises Misbehaviour: hangs, dies, closes or huge_line."""
        with outside():
            return self._exchange(memoryview(line + b"\n"), limit_ms)

    def end(self) -> None:
        """Close its input, give it a moment to leave, and kill whatever is left of it."""
        with outside():
            if self._popen.stdin is not None:
                self._popen.stdin.close()
            self._wait_for_end_of_output(_FAREWELL_MS)
            self._kill()
            self._popen.wait()
            for pipe in (self._popen.stdout, self._popen.stderr):
                if pipe is not None:
                    pipe.close()

    def _exchange(self, unsaid: memoryview, limit_ms: int) -> bytes:
        deadline_ns, searched = clock_ns() + limit_ms * _NS, 0
        while True:
            found = self._heard.find(b"\n", searched)
            searched = found if found >= 0 else len(self._heard)
            if searched > self._limits.line_bytes:
                raise Misbehaviour("huge_line", f"more than {self._limits.line_bytes} bytes")
            if found >= 0 and not unsaid:
                line = bytes(self._heard[:found])
                del self._heard[: found + 1]
                return line
            left_ms = (deadline_ns - clock_ns()) // _NS
            if left_ms <= 0:
                raise Misbehaviour("hangs", f"nothing came within {limit_ms} ms{self._last_words()}")
            unsaid = self._attend(unsaid, left_ms)

    def _attend(self, unsaid: memoryview, wait_ms: int) -> memoryview:
        """Wait until something can be said or heard, and do so. Answer: what is still to be said."""
        ready = self._ready(bool(unsaid), wait_ms)
        if self._errors in ready:
            self._hear_errors()
        if self._to in ready:
            unsaid = self._say(unsaid)
        if self._from in ready:
            chunk = _read(self._from)
            if chunk == b"":
                raise self._gone()
            self._heard += chunk or b""
        return unsaid

    def _ready(self, saying: bool, wait_ms: int) -> set[int]:
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        if self._open_errors:
            poll.register(self._errors, select.POLLIN)
        if saying:
            poll.register(self._to, select.POLLOUT)
        return {descriptor for descriptor, _ in poll.poll(wait_ms)}

    def _say(self, unsaid: memoryview) -> memoryview:
        try:
            return unsaid[os.write(self._to, unsaid[:_CHUNK]) :]
        except BlockingIOError:
            return unsaid
        except BrokenPipeError:  # it listens no more; whether it is gone is seen by its output
            return unsaid[:0]

    def _hear_errors(self) -> None:
        chunk = _read(self._errors)
        if chunk == b"":
            self._open_errors = False
        self._complaints += chunk or b""
        del self._complaints[:-_TAIL]

    def _gone(self) -> Misbehaviour:
        """Its output has ended: how, and what it said last."""
        try:
            code = self._popen.wait(_LAST_WORDS_MS / 1000)
        except subprocess.TimeoutExpired:
            return Misbehaviour("closes", f"its output is closed, and it goes on{self._last_words()}")
        if code == 0:
            return Misbehaviour("closes", f"it ended with exit code 0{self._last_words()}")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return Misbehaviour("dies", f"it ended with {how}{self._last_words()}")

    def _last_words(self) -> str:
        """What it last complained of on standard error, as the end of a message; '' if it did not."""
        while self._open_errors and _readable(self._errors):
            self._hear_errors()
        lines = [line.strip() for line in self._complaints.decode(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if _COMPLAINT.search(line)] or lines
        return f"; it said: {telling[-1][:200]}" if telling else ""

    def _wait_for_end_of_output(self, limit_ms: int) -> None:
        deadline_ns = clock_ns() + limit_ms * _NS
        while (left_ms := (deadline_ns - clock_ns()) // _NS) > 0:
            ready = self._ready(False, left_ms)
            if self._errors in ready:
                self._hear_errors()
            if self._from in ready and _read(self._from) == b"":
                return

    def _kill(self) -> None:
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._popen.kill()


def _read(descriptor: int) -> bytes | None:
    """What is there to be read; b"" at the end, None for nothing yet."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
