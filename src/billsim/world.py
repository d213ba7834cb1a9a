"""The world: every part, wired in the order that data takes. The only place where the loop engine -> Stripe -> pipe -> engine closes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from billsim import stores as all_stores
from billsim.actors.asking import ask
from billsim.actors.crons import Nightly, run_nightly
from billsim.actors.crowd import Callers
from billsim.actors.customer import Customers
from billsim.actors.incident import Incident
from billsim.actors.mishaps import Mishaps
from billsim.actors.nights import open_warehouse, with_remediation
from billsim.actors.story import Storyteller
from billsim.checks import marks
from billsim.checks.judge import Judge
from billsim.checks.successor import Successor
from billsim.checks.truth import Expected, truth
from billsim.core.at_least_once import Done, Parcel
from billsim.core.choices import Choices
from billsim.core.histogram import Histogram
from billsim.core.ids import short
from billsim.core.kernel import Kernel, Order
from billsim.core.latency import ROW_OFFSET
from billsim.core.policy import DunningPolicy
from billsim.core.time import HOUR_MS
from billsim.core.trace import BATCH, ActionRecord, LatencyRecord, MessageRecord, RemediationRecord, Trace, WriteRecord, as_record
from billsim.faults.catalogue import Weather, weather_of
from billsim.pipe.forwarding import DeliveryError, Pipe
from billsim.ports import Component, Engine, Message, Send
from billsim.queues import async_processing, domain_events
from billsim.runtime import Runtime, Task
from billsim.scenario import given, orders, population
from billsim.scenario.plan import Scenario, TimelineRow
from billsim.stores import cfbill_migrations_audit
from billsim.stores.base import OwnershipError, Shard
from billsim.stripe.api import Stripe
from billsim.stripe.objects import Emitted, StripeError

DRAIN_MS = HOUR_MS
AUDIT = cfbill_migrations_audit.SCHEMA.name
# What a customer is told of by Stripe, by mail or in the browser.
_MAILED = frozenset({"invoice.payment_failed", "payment_intent.requires_action", "setup_intent.requires_action"})


class World:
    """One simulated platform under one engine. `bodies`: encode and sign every webhook. `order`: which of the things that race goes first.

    An engine that has a method `alter(world)` may change the platform around it, once it stands.
    """

    def __init__(
        self,
        scenario: Scenario,
        engine: Engine,
        choices: Choices,
        trace: Trace,
        policy: DunningPolicy,
        *,
        bodies: bool = True,
        order: Order | None = None,
    ) -> None:
        self.scenario = scenario
        self.engine = engine if scenario.before is not None else with_remediation(engine, scenario, policy)
        self.components: Mapping[str, Component] = self.engine.components
        self.choices = choices
        self.trace = trace
        self.policy = policy
        self.marks: dict[str, int] = {}
        self.pipe_latency_ms = Histogram()
        self.pending = 0
        self._dirty: dict[str, Shard] = {}
        # By customer: the events that somebody handles and that are under way.
        self._under_way: dict[str, int] = {}
        self._actor = ""
        self._cause = ""
        self._misbehaved: Exception | None = None
        self._records = trace.waiting
        self.passed: Callable[[MessageRecord], None] = trace.add

        self.kernel = Kernel(scenario.start, order)
        self.stores = all_stores.empty()
        self.stripe = Stripe(self.kernel, choices, scenario.stripe, self)
        self.acknowledged = self.stripe.acknowledged
        self.weather = weather_of(scenario.faults, choices, self.accounts_of)
        self.pipe = Pipe(self.kernel, choices, self, secret=scenario.stripe.webhook_secret, bodies=bodies, weather=self.weather)
        loses_ack = self.weather.loses_ack if self.weather is not None else None
        self.domain_events = domain_events.queue(self.kernel, choices, self._consume, self._log_message, loses_ack=loses_ack)
        self.async_processing = async_processing.queue(self.kernel, choices, self._consume, self._log_message, loses_ack=loses_ack)
        self.runtime = Runtime(self.kernel, choices, self.stores, self.stripe, trace, self)
        self._over = self.runtime.over
        if self.weather is not None:
            self._expose(self.weather)
        self.judge = Judge(self.stores, policy, trace) if scenario.before is None else Successor(self.stores, policy, trace)
        self.clock = self.judge
        self.judge.blame.line_of = self.runtime.line_of
        self.judge.writer_of = self._writer_of
        self.judge.has_price = self.stripe.has_price
        self.storyteller = Storyteller(self)
        self.customers = Customers(self, scenario.population) if scenario.population else None
        self.callers = Callers(self.storyteller, scenario)
        self.nightly = Nightly(self, scenario.cron_minute, self.weather)
        self.mishaps = Mishaps(self)
        self.warehouse = open_warehouse(self)
        self._furnish()
        if alter := getattr(engine, "alter", None):
            alter(self)

    def _expose(self, weather: Weather) -> None:
        """Let faults strike where components work; each only where one is on."""
        if weather.misleads_reads:
            self.runtime.mislead(weather)
        if weather.strikes_requests:
            self.runtime.unsettle(weather)
        # Last: whoever begins an effect is to live to do so.
        if weather.strikes_tasks:
            self.runtime.expose(weather)

    # -- the beginning ---------------------------------------------------------------------------------------------------------------

    def _furnish(self) -> None:
        """Place the backstory, then let Stripe, the crons and the timeline begin."""
        scenario = self.scenario
        given.place(scenario, self.stores, self.stripe, self.policy, self._expected)
        if scenario.population is not None:
            population.populate(scenario, self.stores, self.stripe, self.choices, self.policy, self._expected)
        Incident(self, self._expected).begin()
        for shard in self.stores.awake():
            shard.stripe = self.stripe.books.get(self.customer_of(shard.account))
        self.judge.begin(self.kernel.now)
        self.stripe.resume(scenario.end)
        self._await_boundaries()
        self.nightly.start()
        self.callers.start()
        if self.weather is not None:
            self.mishaps.start(self.weather, self.stores.names, scenario.until - scenario.start)
        racing = {index for group in orders.racing_groups(scenario.timeline) for index in group}
        for index, row in enumerate(scenario.timeline):
            self._schedule_row(index, row, racing=index in racing)

    def _expected(self, shard: Shard, now_ms: int) -> Expected:
        mapping = shard.one("subs_customer")
        return truth(shard, self.policy, now_ms, mapping is not None and len(self.accounts_of(mapping.stripe_customer)) > 1)

    def _schedule_row(self, index: int, row: TimelineRow, *, racing: bool) -> None:
        label = orders.offset_label(index) if racing else ""
        offset, rank = self.choices.when(label, ROW_OFFSET) if racing else (0, index)
        self.kernel.call_at(row.at + offset, rank, self._perform_row, index, label=label, open_ms=offset)

    def _perform_row(self, index: int) -> None:
        self.storyteller.perform(index, self.scenario.timeline[index])

    def _await_boundaries(self) -> None:
        """A backstory whose truth moves by the clock has a delayed message on its way, under an engine that listens to such. Where one that does not
        will hand the platform over, none was ever ordered.
        """
        for shard in self.stores.awake():
            account, dunning = shard.account, shard.one("subs_dunning")
            due_ms = dunning.next_boundary_ms if dunning is not None else None
            if due_ms is not None and self.engine.wakes(Message("", "e", "boundary", account, 0)):
                self._publish(f"{account}.boundary.given", "boundary", account, {}, due_ms)
            elif due_ms is not None and self.scenario.before is not None:
                shard.rows = {**shard.rows, "subs_dunning": replace(dunning, next_boundary_ms=None)}

    def exchange(self, engine: Engine) -> None:
        """From now on another engine runs the platform. What it would have ordered, had it run it before, it has not."""
        self.engine = with_remediation(engine, self.scenario, self.policy)
        self.components = self.engine.components
        self.marks.clear()
        if alter := getattr(engine, "alter", None):
            alter(self)

    # -- steps of the kernel -----------------------------------------------------------------------------------------------------------

    def run_until(self, instant_ms: int, most: int) -> bool:
        """Let at most `most` things happen up to an instant; True when nothing is due before it any more."""
        if self.kernel.run(instant_ms, self, most):
            self.kernel.move_to(instant_ms)
            return True
        return False

    def strike(self, instant_ms: int) -> None:
        """Truth changes by the clock alone: the checks look, and the world does nothing."""
        self.judge.tick(instant_ms)

    def after_step(self) -> None:
        """The checks look at every account that the step touched."""
        if self._dirty:
            dirty, self._dirty = self._dirty, {}
            now, look = self.kernel.now, self.judge.look
            for shard in dirty.values():
                look(shard, now)
            if len(self._records) >= BATCH:
                self.trace.flush()
        if self._over:
            self._over.clear()

    def stop_faults(self) -> None:
        """The storm is over: nothing fails or is held any more, and customers do nothing new."""
        if self.weather is not None:
            self.weather.stopped = True
        self.mishaps.end()
        self.pipe.release_all()
        self.callers.stopped = True
        if self.customers is not None:
            self.customers.stop()

    def redrive(self) -> None:
        """The operator sends every dead letter once more."""
        self.pipe.redrive()
        self.domain_events.redrive()
        self.async_processing.redrive()

    def drain(self, until_ms: int | None = None) -> bool:
        """Stripe and the crons start nothing more, after one last night; run until nothing is on its way. False when that takes over an hour, or
        beyond `until_ms`.
        """
        limit = self.last_night()
        return self.run_dry(min(limit, until_ms or limit))

    def last_night(self) -> int:
        """Stripe and the crons start nothing more, after one last night; until when what is on its way may take."""
        self.stripe.quiet()
        self.nightly.stopped = True
        run_nightly(self, "nightly.last")
        return self.kernel.now + DRAIN_MS

    def run_dry(self, limit: int) -> bool:
        """Run until nothing is on its way; False when that takes longer than until `limit`."""
        while self.pending and self.kernel.now < limit:
            if self.kernel.run(limit, self, 1):
                break
        return not self.pending

    def close(self) -> None:
        """Let go of everything at once.

        A world is full of cycles; left to the garbage collector, a large one would stay, and slow down whatever runs after it.
        """
        self.kernel.clear()
        self.stores.close()
        self.stripe.close()
        for part in (self.runtime, self.judge, self.pipe, self.domain_events, self.async_processing):
            vars(part).clear()
        vars(self).clear()

    # -- what happens at Stripe (Outbox) -----------------------------------------------------------------------------------------------

    def changed(self, customer: str, kind: str, id: str, old: Any, new: Any, task: str, cause: str) -> None:
        """Record a change of an object at Stripe, as the act of whoever called."""
        now, caller, store = self.kernel.now, self.runtime.caller, f"stripe.{kind}"
        if caller is None:
            component, why = self._actor or "stripe", self._cause or cause
        else:
            component, why = caller.component.name, caller.cause
            caller.writes += 1
        for account in self.stores.by_customer.get(customer) or ("",):
            record = as_record(WriteRecord, ("writes", now, component, task, why, store, account, id, -1, old, new))
            self.trace.add(record)
            if account:
                shard = self.stores.shard(account)
                if shard.gathers:
                    shard.remember(now, store, id, old)
                shard.authority += 1
                shard.fresh.append(record)
                self._dirty[account] = shard

    def emitted(self, emitted: Emitted) -> None:
        """Stripe has an event: the pipe carries it, and a customer may be mailed."""
        self.pipe.emit(emitted)
        if emitted.event.type not in _MAILED:
            return
        self.storyteller.hear(emitted)
        if self.customers is not None:
            # Of several accounts on one customer, the address is that of whoever was there first.
            for account in self.accounts_of(emitted.customer)[:1]:
                self.customers.hear(emitted, account)

    # -- what the pipe delivers (Receiver) ---------------------------------------------------------------------------------------------

    def accounts_of(self, customer: str) -> tuple[str, ...]:
        """The accounts that subs_customer maps to a Stripe customer."""
        return self.stores.by_customer.get(customer, ())

    def forward(self, message: Message, attempt: int, done: Done) -> None:
        """Start every component that a message wakes; `done` hears of the first failure when all have ended."""
        doubled = self.weather is not None and attempt == 1 and self.weather.doubles(message)
        try:
            woken = list(map(self.components.__getitem__, self.engine.wakes(message)))
        except Exception as failure:
            self._engine_failed(message, failure)
            done(failure)
            return
        if not woken:
            done(None)
            return
        prefix = f"e/{message.name}" if attempt == 1 else f"e/{message.name}/attempt{attempt}"
        prefixes = (prefix, f"{prefix}/instance2") if doubled else (prefix,)
        left, first = len(woken) * len(prefixes), None
        if doubled:
            self.runtime.mark(marks.TWO_AT_WORK, message.account, prefix)

        def ended(task: Task, failure: Exception | None) -> None:
            nonlocal left, first
            left -= 1
            first = first or failure
            if failure is None:
                mark = marks.of_task(task.message, task.shard.stripe if task.shard else None, task.writes > 0)
                if mark is not None:
                    self.runtime.mark(mark, task.message.account, task.name)
            if not left:
                done(first)

        start = self.runtime.start
        for prefix in prefixes:
            for component in woken:
                start(component, message, f"{prefix}/{component.name}", ended)

    def _engine_failed(self, message: Message, failure: Exception) -> None:
        what = f"{self.engine.name} could not say what {message.kind} wakes: {type(failure).__name__}: {failure}"
        self.judge.find("engine_failed", message.account, self.kernel.now, what, f"engine_failed/{type(failure).__name__}")

    def on_the_way(self, customer: str, by: int) -> None:
        """A message for the customer's accounts has set out or ended."""
        self._under_way[customer] = self._under_way.get(customer, 0) + by
        for account in self.stores.by_customer.get(customer, ()):
            self.occupied(self.stores.shard(account), by)

    def _moved_house(self, account: str, left: str, joined: str) -> None:
        """An account is on another customer: what is on the way for the one that it left is not for it any more."""
        for customer, times in ((left, -1), (joined, 1)):
            if customer and (under_way := self._under_way.get(customer, 0)):
                self.busy(account, times * under_way)

    def record(self, record: MessageRecord) -> None:
        """Add to the trace what moved in the pipe or a queue; of what does not go its usual way there may be a mark."""
        self.trace.add(record)
        mark = marks.OF_MESSAGE.get(record.what)
        if mark is not None:
            self.runtime.mark(mark, record.account, record.name)

    def took(self, account: str, ms: int) -> None:
        """An event reached the engine this long after Stripe made it."""
        self.pipe_latency_ms.add(ms)
        self.trace.add(as_record(LatencyRecord, ("latency", self.kernel.now, "pipe", account, ms)))

    # -- what the engine's tasks need (Host) -------------------------------------------------------------------------------------------

    def touched(self, shard: Shard, record: WriteRecord | ActionRecord) -> None:
        """An account's checks have something to look at after this step; and what was done may be a mark."""
        self._dirty[shard.account] = shard
        if isinstance(record, ActionRecord):
            mark = marks.of_action(record)
        else:
            mark = marks.of_write(record)
            if record.store == "subs_customer":
                shard.stripe = self.stripe.books.get(record.new.stripe_customer)
                left = record.old.stripe_customer if record.old is not None else ""
                if left != record.new.stripe_customer:
                    self._moved_house(shard.account, left, record.new.stripe_customer)
            elif record.store == AUDIT:
                self._attempted(shard.account, record)
        if mark is not None:
            self.runtime.mark(mark, shard.account, record.task)

    def _attempted(self, account: str, record: WriteRecord) -> None:
        """Remediation has entered an attempt to mend the account."""
        row = record.new
        self.trace.add(RemediationRecord("remediation", record.at_ms, account, row.params, row.result, row.failed))
        for mark in marks.of_attempt(row):
            self.runtime.mark(mark, account, record.task)

    def busy(self, account: str, by: int) -> None:
        """Something is on its way for the account (1), or has ended (-1)."""
        self.occupied(self.stores.shard(account) if account else None, by)

    def occupied(self, shard: Shard | None, by: int) -> None:
        """As `busy`, of the account that a shard is of; None is nobody's."""
        self.pending += by
        if shard is not None:
            shard.pending += by
            if not shard.pending:
                self._dirty[shard.account] = shard

    def send(self, task: Task, effect: Send, label: str) -> None:
        """Publish a domain event, or work for async-processing; a delayed one counts as a timer of its account until it is due."""
        as_named = effect.kind == "boundary" or effect.kind.startswith(async_processing.KIND)
        kind = effect.kind if as_named else f"domain.{effect.kind}"
        self._publish(f"{effect.account}.{effect.kind}.{short(label)}", kind, effect.account, effect.body, effect.due_ms)

    def _publish(self, name: str, kind: str, account: str, body: dict[str, Any], due_ms: int) -> None:
        message, delay_ms = Message(name, "e", kind, account, self.kernel.now, None, body), max(0, due_ms - self.kernel.now)
        if delay_ms:
            self.stores.shard(account).timers.append(due_ms)
        else:
            self.busy(account, 1)
        queue = self.async_processing if kind.startswith(async_processing.KIND) else self.domain_events
        queue.publish((message, due_ms if delay_ms else 0), name, "e", account, delay_ms)

    def _consume(self, parcel: Parcel, done: Done) -> None:
        message, delayed_to_ms = parcel.item
        if delayed_to_ms:
            self.stores.shard(message.account).timers.remove(delayed_to_ms)
            self.busy(message.account, 1)
            parcel.item = (message, 0)
        if self.weather is not None and self.weather.fails_message(parcel):
            done(DeliveryError(parcel.name))
            return
        self.forward(message, parcel.attempt, done)

    def _log_message(self, what: str, parcel: Parcel) -> None:
        message = parcel.item[0]
        self.record(MessageRecord("messages", self.kernel.now, what, parcel.name, message.kind, message.account, parcel.attempt))
        if what in ("finished", "dead_letter"):
            self.busy(message.account, -1)
        elif what == "redriven":
            self.busy(message.account, 1)

    def failed(self, task: Task, failure: Exception) -> None:
        """A component raised. Stripe's refusals and lost races are repeated by delivery; anything else is a finding as well, also by the name of
        what a program did wrong (`finding`).
        """
        if task.writes and task.shard is not None:
            self.judge.broke_off(task.shard, task.name)
        if isinstance(failure, StripeError) or getattr(failure, "retry", False):
            return
        if misbehaviour := getattr(failure, "finding", ""):
            if failure is self._misbehaved:  # of a component that another waited for, which it has gone through
                return
            self._misbehaved, summary = failure, f"{self.engine.name}: {failure}"
            self.judge.find("engine_program", task.message.account, self.kernel.now, summary, f"engine_program/{misbehaviour}")
            return
        check = "ownership" if isinstance(failure, OwnershipError) else "component_failed"
        name = type(failure).__name__
        summary = f"{task.component.name} raised {name}: {failure}"
        self.judge.find(check, task.message.account, self.kernel.now, summary, f"{check}/{task.component.name}/{name}")

    # -- what actors do (Stage) --------------------------------------------------------------------------------------------------------

    def request(self, kind: str, account: str, name: str, body: dict[str, Any]) -> None:
        """Send a request to the platform."""
        ask(self, Message(name, "e", kind, account, self.kernel.now, None, body))

    def announce(self, what: str, account: str, task: str, body: dict[str, Any] | None = None) -> None:
        """Publish the domain event that something of an account has changed, or is to."""
        self._publish(f"{account}.{what}.{short(task)}", f"domain.{what}", account, body or {}, 0)

    def act(self, actor: str, task: str, function: Callable[[], Any]) -> Any:
        """Do something as `actor`; Stripe's refusal is recorded and is its answer's end."""
        self._actor, self._cause = actor, f"request.{actor} {task}"
        try:
            return function()
        except StripeError as refusal:
            self.trace.add(MessageRecord("messages", self.kernel.now, f"refused {refusal.code}", task, f"request.{actor}", "", 1))
            return None
        finally:
            self._actor = self._cause = ""

    def is_at_work(self, name: str) -> bool:
        """Whether what a message of this name woke has not come to its end."""
        return any([task.startswith(f"e/{name}/") for task in self.runtime.running])

    def reached(self, mark: str, account: str, task: str) -> None:
        """Something worth reaching was reached."""
        self.runtime.mark(mark, account, task)

    def customer_of(self, account: str) -> str:
        """The Stripe customer of an account; '' for one that Stripe does not know."""
        row = self.stores.read("subs_customer", account)
        return row.stripe_customer if row is not None else ""

    def flags_of(self, account: str) -> int:
        """The flags of an account's profile."""
        row = self.stores.read("subs_account", account)
        return row.flags if row is not None else 0

    def put(self, actor: str, writer: str, task: str, store: str, account: str, key: str | None, fields: dict[str, Any]) -> None:
        """Write a row at once, as an actor whose own handling is not modelled."""
        read_version = self.stores.version(store, account, key)
        written = self.stores.write(writer, store, account, key, fields, self.kernel.now)
        if written is None:
            return
        shard = self.stores.shard(account)
        if store != "cf_prod":
            shard.authority += 1
        at, cause = (store, account, key or ""), f"request.{actor} {task}"
        self.runtime.record(shard, WriteRecord("writes", self.kernel.now, actor, task, cause, *at, read_version, written.old, written.new))

    def _writer_of(self, component: str) -> str:
        """For the checks: `engine` or `facade` for a component of the running engine, `world` for everybody else."""
        known = self.components.get(component)
        return "world" if known is None else "facade" if known.writer == "facade" else "engine"
