"""Performs what components yield, and records it with its provenance.

A task runs until its first effect that takes time, waits for it in the kernel's queue, and runs on. The label of an effect's latency is the
task's name and what the effect touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from billsim.core.choices import Choices, Quantiles
from billsim.core.histogram import Histogram
from billsim.core.kernel import Kernel
from billsim.core.latency import OUTBOUND, STORE, STRIPE_ANSWER, STRIPE_READ, STRIPE_WRITE
from billsim.core.measure import clock_ns
from billsim.core.trace import ActionRecord, MarkRecord, Trace, WriteRecord, as_record
from billsim.ports import (
    Act,
    Ask,
    CallStripe,
    CompareAndSet,
    Component,
    GatherAll,
    Message,
    Now,
    Read,
    Scan,
    Send,
    Sleep,
    Start,
    Transact,
    Write,
)
from billsim.runtime.gather import branches, gathered, read_instants
from billsim.runtime.hazards import READS, Exposure, Hazards, Late, ProcessDied
from billsim.runtime.stale import Behind, StaleReads
from billsim.runtime.stripe_client import Again, Look, Sent, Setbacks, StripeClient, Unheard
from billsim.runtime.task import Answered, Ended, Host, Task
from billsim.stores import stripe_metadata
from billsim.stores.base import Shard, Stores, Written

WAITING = object()
_THROUGH = object()
# What a task waits for before its first step: nothing.
_BEGUN = object()

_AUTHORITIES = frozenset({"ope", "subs_customer"})


Sight = Callable[[Shard, tuple[bool, ...]], list[Any]]
"""What Stripe has of an account now, in the order of a StripeState; of each kind of object, whether it is asked for."""


class Payments(Protocol):
    """The simulated Stripe, as a runtime calls it."""

    def call(self, method: str, id: str, params: dict[str, Any], *, key: str | None, task: str) -> Any:
        """Perform a request now; raises StripeError."""
        ...

    def break_off(self, name: str, id: str, params: dict[str, Any], *, key: str) -> Any:
        """Begin a request, and fail before anything is done; raises StripeError."""
        ...

    def key_of_another(self, key: str) -> str | None:
        """An idempotency key that some other request came with."""
        ...


class Runtime:
    """Starts tasks and performs their effects.

    `caller` is the task whose Stripe request is being performed; `over` holds the tasks that ended in the running step, and the world clears it.
    """

    def __init__(self, kernel: Kernel, choices: Choices, stores: Stores, payments: Payments, trace: Trace, host: Host) -> None:
        self.kernel = kernel
        self.choices = choices
        self.stores = stores
        self.payments = payments
        self.trace = trace
        self.host = host
        self.look: Sight | None = None
        self.caller: Task | None = None
        self.stripe_trips = 0
        self.store_trips = 0
        self.recomputes = 0
        self.compute_us = Histogram()
        self.whole_us = Histogram()
        self.running: dict[str, Task] = {}
        self.over: dict[str, Task] = {}
        self._begin: dict[type, Callable[[Task, Any], Any]] = {
            Read: self._wait_for_store,
            Write: self._wait_for_store,
            CompareAndSet: self._wait_for_store,
            Transact: self._wait_for_transaction,
            GatherAll: self.begin_gather,
            Scan: self._wait_for_scan,
            CallStripe: self._begin_call,
            Send: self._send,
            Start: self._start,
            Act: self._wait_for_act,
            Sleep: self._sleep,
            Ask: self._ask,
            Now: self._now,
        }
        self._finish: dict[type, Callable[[Task, Any], Any]] = {
            Read: self._read,
            Write: self._write,
            CompareAndSet: self._compare_and_set,
            Transact: self._transact,
            GatherAll: self._gather,
            Scan: self._scan,
            CallStripe: self._call,
            Answered: self._answered,
            Act: self._act,
            Sleep: self._slept,
        }

    # -- tasks ---------------------------------------------------------------------------------------------------------------------

    def start(self, component: Component, message: Message, name: str, ended: Ended) -> Task:
        """Run a component on a message until its first effect that takes time; `ended` is called when it is through, or has failed."""
        shard = self.stores.shard(message.account) if message.account else None
        task = self.running[name] = Task(self._go_on, component, message, name, shard, ended)
        self.host.occupied(shard, 1)
        if task.measured:
            self.recomputes += 1
        self._go_on(task, _BEGUN)
        return task

    def expose(self, hazards: Hazards) -> None:
        """From now on tasks are exposed to hazards."""
        exposed = Exposure(hazards, self.kernel, self.choices, self._begin, lambda name: self.line_of(name)[-1], WAITING)
        self._begin = dict.fromkeys(self._begin, exposed.begin)
        self._finish[Late] = exposed.at_last

    def mislead(self, behind: Behind) -> None:
        """From now on reads may be answered with what is no longer so."""
        stale = StaleReads(behind, self.stores, self._finish, self._mark, lambda: self.kernel.now)
        self._finish.update({Read: stale.read, Scan: stale.scan, GatherAll: stale.gather})

    def unsettle(self, setbacks: Setbacks) -> None:
        """From now on requests to Stripe may come to nothing."""
        client = StripeClient(self, setbacks, self._finish[GatherAll], WAITING)
        self._begin[CallStripe] = client.begin
        self._finish |= {Sent: client.arrived, GatherAll: client.gathered, Look: client.gathered, Unheard: client.unheard, Again: client.again}

    def go_through(self, payments: Payments, look: Sight) -> None:
        """From now on Stripe is asked through `payments`, and gathers ask `look` for what it has."""
        self.payments, self.look = payments, look

    def key_of_another(self, key: str) -> str | None:
        """The idempotency key of some other request."""
        return self.payments.key_of_another(key)

    def line_of(self, name: str) -> list[Task]:
        """The task of this name, who started it, and so on up to the one that a message woke; without those that had ended before this step."""
        line = []
        while name:
            known = self.running.get(name) or self.over.get(name)
            if known is not None:
                line.append(known)
            name = name.rpartition("/")[0]
        return line

    def _go_on(self, task: Task, effect: Any) -> None:
        """Perform what a task has waited for, which is due, and run on from effect to effect until it waits again or is through."""
        performers, steps, measured = self._finish, task.steps, task.measured
        began_ns = clock_ns() if measured else 0
        while True:
            answer, failure = None, None  # type: Any, Exception | None
            try:
                if effect is not _BEGUN:
                    answer = performers[type(effect)](task, effect)
            except ProcessDied as died:
                effect, failure = _THROUGH, died
                break
            except Exception as refused:
                # Stripe's refusal, say, or a store that there is not: the component is told where it asked.
                failure = refused if type(effect) in performers else _no_effect(task, effect)
            if answer is WAITING:
                break
            resumed_ns = clock_ns() if measured else 0
            try:
                effect = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration:
                effect, failure = _THROUGH, None
            except Exception as raised:
                effect, failure = _THROUGH, raised
            if measured:
                task.spent_ns += clock_ns() - resumed_ns
            if effect is _THROUGH:
                break
            task.effect, performers = effect, self._begin
            if task.shard is None:
                self._turn_to(task, getattr(effect, "account", task.working_on))
        if measured:
            task.whole_ns += clock_ns() - began_ns
        if effect is _THROUGH:
            self._end(task, failure)

    def _end(self, task: Task, failure: Exception | None) -> None:
        self.over[task.name] = self.running.pop(task.name)
        if task.measured:
            self.compute_us.add(task.spent_ns // 1000)
            self.whole_us.add(task.whole_ns // 1000)
        if failure is not None:
            self.host.failed(task, failure)
        task.ended(task, failure)
        self.host.occupied(self._shard(task.working_on), -1)

    def _turn_to(self, task: Task, account: str) -> None:
        """A job that walks over accounts is on its way for the one that it is at."""
        if account != task.working_on:
            left, task.working_on = task.working_on, account
            self.host.occupied(self._shard(account), 1)
            self.host.occupied(self._shard(left), -1)

    def _shard(self, account: str) -> Shard | None:
        return self.stores.shard(account) if account else None

    def _wait(self, task: Task, what: str, table: Quantiles) -> Any:
        label = task.name_of(what)
        delay, rank = self.choices.when(label, table)
        self.kernel.after(delay, rank, task, label)
        return WAITING

    # -- stores --------------------------------------------------------------------------------------------------------------------

    def _wait_for_store(self, task: Task, effect: Any) -> Any:
        self.store_trips += 1
        return self._wait(task, f"{effect.store}/{effect.key or effect.account}", STORE)

    def _read(self, task: Task, effect: Read) -> Any:
        row = self.stores.read(effect.store, effect.account, effect.key)
        task.seen.append((self.kernel.now, effect, row))
        return row

    def _write(self, task: Task, effect: Write) -> Any:
        read_version = task.known_version(effect.store, effect.account, effect.key or "")
        return self._commit(task, effect.store, effect.account, effect.key, effect.fields, read_version)

    def _compare_and_set(self, task: Task, effect: CompareAndSet) -> Any:
        if self.stores.version(effect.store, effect.account, effect.key) != effect.version:
            self._mark("compare_and_set_lost", task)
            return None
        written = self._commit(task, effect.store, effect.account, effect.key, effect.fields, effect.version)
        return written if written is not None else self.stores.read(effect.store, effect.account, effect.key)

    def _wait_for_transaction(self, task: Task, effect: Transact) -> Any:
        self.store_trips += 1
        return self._wait(task, f"{effect.store}/transaction/{effect.account}", STORE)

    def _transact(self, task: Task, effect: Transact) -> Any:
        written = self.stores.transact(task.component.writer, effect.store, effect.changes, self.kernel.now)
        if written is None:
            self._mark("compare_and_set_lost", task)
            return False
        for change, outcome in zip(effect.changes, written, strict=True):
            if outcome is not None:
                at = (effect.store, change.account, change.key or "")
                read_version = change.version if change.version is not None else task.known_version(*at)
                self._record_write(task, *at, read_version, outcome)
        return True

    def _commit(self, task: Task, store: str, account: str, key: str | None, fields: Mapping[str, Any], read_version: int) -> Any:
        written = self.stores.write(task.component.writer, store, account, key, fields, self.kernel.now)
        return None if written is None else self._record_write(task, store, account, key or "", read_version, written)

    def _record_write(self, task: Task, store: str, account: str, key: str, read_version: int, written: Written) -> Any:
        old, new = written
        task.wrote(store, account, key, new.version)
        shard = self.stores.shard(account)
        if store in _AUTHORITIES or (store == "subs_account" and (old is None or old.account_type != new.account_type)):
            shard.authority += 1
        now = self.kernel.now
        told = ("writes", now, task.component.name, task.name, task.cause, store, account, key, read_version, old, new)
        self.record(shard, as_record(WriteRecord, told))
        return new

    def record(self, shard: Shard, record: WriteRecord | ActionRecord) -> None:
        """Add a record to the trace and to what its account's checks will look at."""
        self.trace.add(record)
        shard.fresh.append(record)
        self.host.touched(shard, record)

    def _wait_for_scan(self, task: Task, effect: Scan) -> Any:
        self.store_trips += 1
        return self._wait(task, f"{effect.store}/scan", STORE)

    def _scan(self, task: Task, effect: Scan) -> Any:
        rows = tuple(self.stores.scan(effect.store, effect.where))
        task.seen.append((self.kernel.now, effect, rows))
        return rows

    # -- gather --------------------------------------------------------------------------------------------------------------------

    def begin_gather(self, task: Task, effect: GatherAll) -> Any:
        """Begin to read an account, each row at its own instant."""
        read = branches(effect.parts)
        self.stripe_trips += read.stripe_trips
        self.store_trips += read.store_trips
        shard = self.stores.shard(effect.account)
        shard.gathers += 1
        label = task.name_of("gather")
        task.begun = (label, self.kernel.now, shard)
        delay, rank = self.choices.when(label, read.slowest)
        self.kernel.after(delay, rank, task, label)
        return WAITING

    def _gather(self, task: Task, effect: GatherAll) -> Any:
        (label, began_ms, shard), now = task.begun, self.kernel.now
        read_at = read_instants(shard.undo, effect.parts, label, began_ms, now, self.choices) if shard.undo else {}
        mapping = shard.rows.get("subs_customer")
        sharers = self.stores.by_customer.get(mapping.stripe_customer, ()) if mapping is not None else ()
        objects = self.look(shard, branches(effect.parts).objects) if self.look is not None else None
        state = gathered(shard, effect.parts, read_at, sharers, objects)
        task.seen.append(((now, read_at), effect, state))
        return state

    # -- Stripe --------------------------------------------------------------------------------------------------------------------

    def _begin_call(self, task: Task, effect: CallStripe) -> Any:
        self.stripe_trips += 1
        table = STRIPE_READ if effect.method.endswith(READS) else STRIPE_WRITE
        return self._wait(task, f"{effect.method}/{effect.id}", table)

    def _call(self, task: Task, effect: CallStripe) -> Any:
        return self.tell(task, effect, self.ask_stripe(task, effect))

    def tell(self, task: Task, effect: CallStripe, answered: Answered) -> Any:
        """Let a task know what came of its request."""
        task.seen.append((self.kernel.now, effect, answered.answer))
        if effect.method.endswith(READS):
            return self._answered(task, answered)
        # What Stripe did is done; the caller learns of it a little later, and its webhook may be faster.
        task.effect = answered
        return self._wait(task, f"{effect.method}/{effect.id}/answer", STRIPE_ANSWER)

    def ask_stripe(self, task: Task, effect: CallStripe, *, breaks: bool = False) -> Answered:
        """Have Stripe perform a request now; or, where it `breaks`, begin it and fail. Raises OwnershipError for metadata of another's."""
        if "metadata" in effect.params:
            stripe_metadata.check_writer(task.component.writer)
        self.caller, outer = task, self.caller
        try:
            if breaks:
                return Answered(self.payments.break_off(effect.method, effect.id, effect.params, key=effect.idempotency_key or ""), None)
            return Answered(self.payments.call(effect.method, effect.id, effect.params, key=effect.idempotency_key, task=task.name), None)
        except Exception as failure:
            return Answered(None, failure)
        finally:
            self.caller = outer

    def _answered(self, _task: Task, effect: Answered) -> Any:
        if effect.failure is not None:
            raise effect.failure
        return effect.answer

    # -- the rest ------------------------------------------------------------------------------------------------------------------

    def _send(self, task: Task, effect: Send) -> Any:
        self.host.send(task, effect, task.name_of(f"send/{effect.kind}"))
        return None

    def _start(self, task: Task, effect: Start) -> Any:
        component = self.host.components.get(effect.component)
        if component is None:
            self.host.failed(task, LookupError(f"{task.component.name} started {effect.component}, which this engine does not have"))
            return None
        name = task.name_of(effect.component)
        message = Message(name.removeprefix("e/"), "e", effect.kind, effect.account, self.kernel.now, effect.event, effect.body)
        if not effect.wait:
            self.start(component, message, name, _nobody_waits)
            return None
        outcome: list[Exception | None] = []
        waiting = False

        def ended(child: Task, failure: Exception | None) -> None:
            task.writes += child.writes
            if waiting:
                self._go_on(task, Answered(None, failure))
            else:
                outcome.append(failure)

        self.start(component, message, name, ended)
        if outcome:
            return self._answered(task, Answered(None, outcome[0]))
        waiting = True
        return WAITING

    def _wait_for_act(self, task: Task, effect: Act) -> Any:
        return self._wait(task, f"{effect.kind}/{effect.debt}/{effect.step}", OUTBOUND)

    def _act(self, task: Task, effect: Act) -> Any:
        shard = self.stores.shard(effect.account)
        keyed = f"key {effect.key}"
        executed = effect.key is None or keyed not in shard.actions
        if executed:
            what = f"{effect.kind}|{effect.debt}|{effect.step}"
            shard.actions[what] = shard.actions.get(what, 0) + 1
            if effect.key is not None:
                shard.actions[keyed] = 1
            shard.authority += 1
        about = (effect.kind, effect.account, effect.debt, effect.step, effect.key or "")
        self.record(shard, ActionRecord("actions", self.kernel.now, *about, task.component.name, task.name, executed))
        return executed

    def _sleep(self, task: Task, effect: Sleep) -> Any:
        self.kernel.after(max(0, effect.ms), self.choices.rank(f"{task.name}/sleep"), task)
        return WAITING

    def _slept(self, _task: Task, _effect: Sleep) -> Any:
        return None

    def _ask(self, task: Task, effect: Ask) -> Any:
        return self.choices.ask(task.name_of(effect.kind), effect.table)

    def _now(self, _task: Task, _effect: Now) -> Any:
        return self.kernel.now

    def _mark(self, mark: str, task: Task) -> None:
        self.mark(mark, task.message.account, task.name)

    def mark(self, mark: str, account: str, task: str) -> None:
        """Record that something worth reaching was reached."""
        self.host.marks[mark] = self.host.marks.get(mark, 0) + 1
        self.trace.add(as_record(MarkRecord, ("marks", self.kernel.now, mark, account, task)))


def _nobody_waits(_task: Task, _failure: Exception | None) -> None:
    """The end of a task that was started and left to itself."""


def _no_effect(task: Task, effect: Any) -> TypeError:
    return TypeError(f"{task.component.name} yielded {effect!r}, which is no effect")
