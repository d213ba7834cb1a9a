"""The search against orders counted by hand, and against every order run by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from billsim.explore.orders import Explored, Search
from billsim.explore.stage import Story
from billsim.ports import Act, CallStripe, CompareAndSet, GatherAll, Message, Read, Steps, Write
from billsim.scenario.plan import GivenAccount
from billsim.scenario.toml_file import find, load
from tests.explore.tiny import Handle, Tiny, brute, explored, story


def digests(found: Explored) -> set[str]:
    return {end.digest for end in found.ends}


def counts(field: str = "retry_count", store: str = "subs_dunning") -> Handle:
    """Reads a row, and writes one more than it read: two effects."""

    def handle(message: Message) -> Steps:
        row = yield Read(store, message.account)
        yield Write(store, message.account, {field: (getattr(row, field) if row is not None else 0) + 1})

    return handle


def counts_safely(message: Message) -> Steps:
    """The same by compare-and-set, until it is won."""
    for _ in range(4):
        row = yield Read("subs_dunning", message.account)
        held, version = (row.retry_count, row.version) if row is not None else (0, 0)
        if (yield CompareAndSet("subs_dunning", message.account, version, {"retry_count": held + 1})) is not None:
            return


def sets(store: str, **fields: Any) -> Handle:
    def handle(message: Message) -> Steps:
        yield Write(store, message.account, fields)

    return handle


def test_two_tasks_of_two_effects_have_six_orders() -> None:
    found = brute([counts(), counts()])
    assert found.complete
    assert (found.orders, found.runs) == (6, 6)
    # Both read before either writes in four orders of the six, and then one count is lost.
    assert sorted(found.ends.values()) == [2, 4]


def test_states_that_merge_are_counted_and_not_run() -> None:
    full, merged = brute([counts(), counts()]), explored([counts(), counts()], reduce=False)
    assert merged.ends == full.ends
    assert merged.runs < full.runs


def test_a_lost_update_takes_one_switch() -> None:
    assert len(explored([counts(), counts()], switches=0).ends) == 1
    within_one = explored([counts(), counts()], switches=1)
    assert len(within_one.ends) == 2
    assert within_one.within == 1


def test_compare_and_set_loses_none() -> None:
    assert len(explored([counts_safely, counts_safely], reduce=False).ends) == 1


def test_steps_on_different_stores_commute() -> None:
    apart = [sets("subs_dunning", retry_count=3), sets("subs_account", name="Eve")]
    assert explored(apart, reduce=False).orders == 2
    assert explored(apart, reduce=True).orders == 1


def test_rows_that_race_are_permuted_without_a_switch() -> None:
    found = explored([sets("subs_dunning", retry_count=3)], rows=3, switches=0)
    assert found.orders == 6


def test_steps_of_different_accounts_commute() -> None:
    handles, accounts = [counts()], ("ada", "bob")
    assert explored(handles, 2, accounts=accounts).runs < brute(handles, 2, accounts=accounts).runs
    assert digests(explored(handles, 2, accounts=accounts)) == digests(brute(handles, 2, accounts=accounts))


def sums(message: Message) -> Steps:
    """Gathers two stores, and writes down what it saw of both: a torn read shows."""
    state = yield GatherAll(message.account, ("subs_dunning", "subs_account"))
    seen = (state.dunning.retry_count if state.dunning is not None else 0) * 10 + len(state.profile.name)
    yield Write("subs_account", message.account, {"country": f"saw{seen}"})


def moves_both(message: Message) -> Steps:
    yield Write("subs_dunning", message.account, {"retry_count": 5})
    yield Write("subs_account", message.account, {"name": "Evelyn"})


def plans(handles: Sequence[Handle], **how: Any) -> int:
    return len(explored(handles, **how).ends)


def test_a_gather_sees_each_branch_at_its_own_instant() -> None:
    """The two writes come one after the other, so whoever reads at one instant never sees the second without the first; a torn gather does."""
    # Untorn: neither, the first, both. Torn: the second alone. With each, what was written before the gather began is always seen.
    assert plans([sums, moves_both], reduce=False) == 4
    assert plans([sums, moves_both]) == 4
    assert digests(brute([sums, moves_both])) == digests(explored([sums, moves_both]))


def test_a_torn_read_takes_a_switch() -> None:
    """`sums` is woken first and its gather takes longest: first in, first out it sees both writes, or with a switch misses some."""
    assert plans([sums, moves_both], switches=0) == 1
    assert plans([sums, moves_both], switches=1) > 1


def acts(message: Message) -> Steps:
    row = yield Read("subs_dunning", message.account)
    yield Act("notify", message.account, "in_ada_1", "retrying", "one" if row is None or row.retry_count < 3 else None)


def test_a_path_leads_to_its_end_again() -> None:
    with Story(story(2), lambda _policy: Tiny([acts])).open() as staged:
        found = Search(staged, reduce=False).run()
        assert found.first_failing is not None
        end, record = staged.follow(found.first_failing)
        assert end.signatures
        assert end in found.ends
        assert [step.what for step in record if "notify" in step.what]


STORES = ("subs_dunning", "subs_account")
FIELDS = {"subs_dunning": "retry_count", "subs_account": "email"}


def read(store: str) -> Callable[[Message, list[Any]], Any]:
    def step(message: Message, seen: list[Any]) -> Any:
        row = yield Read(store, message.account)
        seen.append(_field(store, row))

    return step


def write(store: str, number: int) -> Callable[[Message, list[Any]], Any]:
    """Writes something made of all that was seen."""

    def step(message: Message, seen: list[Any]) -> Any:
        yield Write(store, message.account, {FIELDS[store]: _made_of(store, [*seen, number])})

    return step


def exchange(store: str, number: int) -> Callable[[Message, list[Any]], Any]:
    def step(message: Message, seen: list[Any]) -> Any:
        row = yield Read(store, message.account)
        won = yield CompareAndSet(store, message.account, row.version if row is not None else 0, {FIELDS[store]: _made_of(store, [number])})
        seen.append(won is not None)

    return step


def gather(_store: str) -> Callable[[Message, list[Any]], Any]:
    def step(message: Message, seen: list[Any]) -> Any:
        state = yield GatherAll(message.account, STORES)
        seen += [_field("subs_dunning", state.dunning), _field("subs_account", state.profile)]

    return step


def _field(store: str, row: Any) -> Any:
    return getattr(row, FIELDS[store]) if row is not None else None


def _made_of(store: str, seen: list[Any]) -> Any:
    number = sum((place + 1) * (len(each) if isinstance(each, str) else int(each or 0)) for place, each in enumerate(seen)) % 97
    return number if store == "subs_dunning" else "x" * number


def handler(steps: Sequence[Callable[[Message, list[Any]], Any]]) -> Handle:
    def handle(message: Message) -> Steps:
        seen: list[Any] = []
        for step in steps:
            yield from step(message, seen)

    return handle


stores = st.sampled_from(STORES)
numbers = st.integers(1, 9)
one_step = st.one_of(st.builds(read, stores), st.builds(write, stores, numbers), st.builds(exchange, stores, numbers), st.builds(gather, stores))
handlers = st.lists(st.lists(one_step, min_size=1, max_size=2).map(handler), min_size=2, max_size=2)
gathers_and_writes = st.tuples(one_step, st.builds(gather, stores), st.builds(write, stores, numbers)).map(handler)
long_handlers = st.tuples(gathers_and_writes, st.lists(one_step, min_size=2, max_size=3).map(handler)).map(list)


@settings(max_examples=60)
@given(handles=handlers)
def test_what_is_merged_or_left_out_leads_nowhere_else(handles: list[Handle]) -> None:
    full, merged, reduced = brute(handles), explored(handles, reduce=False), explored(handles)
    assert full.complete and merged.complete and reduced.complete
    assert merged.ends == full.ends
    assert digests(reduced) == digests(full)


@settings(max_examples=60)
@given(handles=st.one_of(long_handlers, long_handlers.map(lambda pair: pair[::-1])))
def test_what_begins_later_may_be_torn_by_less(handles: list[Handle]) -> None:
    """A gather after a first step: whether another's write comes before it begins or while it is under way is not all one."""
    merged, reduced = explored(handles, reduce=False), explored(handles)
    assert merged.complete and reduced.complete
    assert digests(reduced) == digests(merged)


@settings(max_examples=25)
@given(handles=handlers, third=st.lists(one_step, min_size=1, max_size=1).map(handler))
def test_three_tasks(handles: list[Handle], third: Handle) -> None:
    merged, reduced = explored([*handles, third], reduce=False), explored([*handles, third])
    assert merged.complete and reduced.complete
    assert digests(reduced) == digests(merged)
    within = explored([*handles, third], switches=2)
    assert digests(within) <= digests(merged)


@settings(max_examples=25)
@given(handles=handlers)
def test_the_bounds_grow_up_to_everything(handles: list[Handle]) -> None:
    found = [explored(handles, switches=bound) for bound in (0, 1, 2, 40)]
    assert [each.orders for each in found] == sorted(each.orders for each in found)
    assert found[-1].ends == explored(handles, reduce=False).ends


@settings(max_examples=40)
@given(handles=handlers, rows=st.integers(1, 2))
def test_what_is_spared_is_counted_all_the_same(handles: list[Handle], rows: int) -> None:
    for bound in (1, 2):
        tried, spared = explored(handles, rows, switches=bound, spare=False), explored(handles, rows, switches=bound)
        assert spared.ends == tried.ends
        assert (spared.orders, spared.within, spared.complete) == (tried.orders, bound, True)
        assert spared.runs <= tried.runs


@settings(max_examples=8)
@given(handles=handlers)
def test_what_another_account_does_is_left_to_its_turn(handles: list[Handle]) -> None:
    """Also beside a step that may touch any account; an order that takes no account's turn for another's costs no more switches."""
    accounts = ("ada", "bob")
    mixed, apart = (explored(handles, 2, accounts=accounts, soon=1, switches=2, apart=each) for each in (False, True))
    assert mixed.complete and apart.complete
    assert digests(mixed) <= digests(apart)


@pytest.mark.parametrize("engine", ["recompute", "legacy"])
@pytest.mark.parametrize("name", ["dunning/late_failed_after_paid", "dunning/void_after_bad_debt", "dunning/delinquent_paid_incomplete"])
def test_a_told_story_ends_the_same_with_nothing_spared(name: str, engine: str) -> None:
    def found(*, spare: bool) -> tuple[Explored, int]:
        with Story(load(find(name)), engine).open() as story:
            search = Search(story, switches=2, spare=spare)
            return search.run(), search.spared

    (tried, none), (spared, some) = found(spare=False), found(spare=True)
    assert spared.ends == tried.ends and spared.complete
    assert none == 0 < some
    assert spared.runs + some == tried.runs


RACES = ("void_pay_card_recompute", "newest_paid_in_two_tabs", "two_customers_at_once")


@pytest.mark.parametrize("name", RACES)
def test_a_race_ends_the_same_by_the_cheap_search_and_by_the_dear_one(name: str) -> None:
    """Nothing spared, and (where that differs) accounts in turn or all mixed."""

    def found(**how: Any) -> Explored:
        with Story(load(find(f"races/{name}")), "recompute").open() as story:
            return Search(story, switches=1, **how).run()

    cheap, dear, mixed = found(), found(spare=False), found(spare=False, apart=False)
    assert cheap.ends == dear.ends and cheap.complete
    assert digests(mixed) <= digests(dear)
    assert cheap.runs < dear.runs <= mixed.runs


def test_a_trail_leads_to_the_same_as_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    trailing = explored([counts(), sums, moves_both], switches=3)
    monkeypatch.setattr("billsim.explore.orders.LONGEST_TRAIL", 0)
    assert explored([counts(), sums, moves_both], switches=3) == trailing


def test_an_engine_that_remembers_is_not_merged_by_mistake() -> None:
    """What it remembers is part of the state: without that, the two orders of the first two steps would be taken for one."""

    class Remembers:
        def __init__(self) -> None:
            self.first = ""

        def handle(self, name: str) -> Handle:
            def handle(message: Message) -> Steps:
                yield Read("cf_prod", message.account)
                self.first = self.first or name
                yield Read("cf_prod", message.account)
                yield Write("subs_account", message.account, {"name": self.first})

            return handle

    def make() -> list[Handle]:
        remembers = Remembers()
        return [remembers.handle("one"), remembers.handle("two")]

    assert len(brute(make()).ends) == 2
    assert digests(explored(make(), reduce=False)) == digests(brute(make()))


SEEN: dict[str, str] = {}
LATEST = ""


class Noting:
    """Handlers that note who was first, one in each place where an engine can remember something."""

    kept: dict[str, str] = {}

    @staticmethod
    def in_module(message: Message, name: str) -> str:
        return SEEN.setdefault(message.account, name)

    @staticmethod
    def in_variable(_message: Message, name: str) -> str:
        global LATEST
        LATEST = LATEST or name
        return LATEST

    @staticmethod
    def in_default(message: Message, name: str, kept: dict[str, str] = {}) -> str:  # noqa: B006 - that it is kept is what is tried
        return kept.setdefault(message.account, name)

    @classmethod
    def in_class(cls, message: Message, name: str) -> str:
        return cls.kept.setdefault(message.account, name)


@pytest.mark.parametrize("note", [Noting.in_module, Noting.in_variable, Noting.in_default, Noting.in_class])
def test_what_is_remembered_anywhere_is_part_of_the_state(note: Callable[[Message, str], str]) -> None:
    def noting(name: str) -> Handle:
        def handle(message: Message) -> Steps:
            yield Read("cf_prod", message.account)
            first = note(message, name)
            yield Read("cf_prod", message.account)
            yield Write("subs_account", message.account, {"name": first})

        return handle

    full, merged = brute([noting("one"), noting("two")]), explored([noting("one"), noting("two")], reduce=False)
    assert len(full.ends) == 2
    assert digests(merged) == digests(full)
    assert (SEEN, LATEST, Noting.kept) == ({}, "", {})


def test_what_an_engine_puts_into_the_platform_is_part_of_the_state() -> None:
    """A filter of its own, which remembers more than the platform's."""

    class Altering(Tiny):
        def alter(self, world: Any) -> None:
            heard: list[str] = []

            def request(kind: str, account: str, name: str, body: dict[str, Any]) -> None:
                heard.append(name)
                ask(kind, account, name, body)

            ask, world.request, self.heard = world.request, request, heard

    with Story(story(2), lambda _policy: Altering([counts()])).open() as staged:
        staged.begin(None)
        heard = staged._remembered()
        assert "row0" in heard and "row1" in heard
        staged.rest()
        assert staged._remembered() == ""


def test_what_a_handler_went_by_is_not_looked_up_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that handlers share: one that is begun again must not find in it what came later."""

    def caching() -> list[Handle]:
        cache: dict[str, int] = {}

        def handle(message: Message) -> Steps:
            yield Read("cf_prod", message.account)
            if "seen" not in cache:
                row = yield Read("subs_dunning", message.account)
                cache["seen"] = row.retry_count if row is not None else 0
            yield Write("subs_dunning", message.account, {"retry_count": cache["seen"] + 1})

        return [handle, handle, sets("subs_dunning", retry_count=7)]

    found = explored(caching(), reduce=False)
    monkeypatch.setattr("billsim.explore.orders.MOST_MOMENTS", 0)
    assert found == explored(caching(), reduce=False)
    assert len(found.ends) > 2


@pytest.mark.parametrize("rows", [1, 2])
def test_an_endless_run_is_told(rows: int) -> None:
    def spins(message: Message) -> Steps:
        while True:
            yield Read("subs_dunning", message.account)

    found = explored([spins], rows, switches=0, most_runs=1)
    assert [end.signatures for end in found.ends] == [("finding/endless",)]


@pytest.mark.parametrize("engine", ["recompute", "legacy"])
@pytest.mark.parametrize("name", ["crash_between_writes", "duplicate_failed_counts_twice", "newest_paid_older_owed"])
def test_a_told_story_by_the_reduced_search_ends_as_by_the_full_one(name: str, engine: str) -> None:
    def found(*, reduce: bool) -> Explored:
        with Story(load(find(f"dunning/{name}")), engine).open() as story:
            return Search(story, reduce=reduce).run()

    full, reduced = found(reduce=False), found(reduce=True)
    assert full.complete and reduced.complete
    assert set(reduced.ends) == set(full.ends)
    assert reduced.runs <= full.runs < full.orders


def test_without_moments_a_branch_is_tried_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    handles = [counts(), sums, moves_both]
    kept = explored(handles, switches=3)
    monkeypatch.setattr("billsim.explore.orders.MOST_MOMENTS", 0)
    assert explored(handles, switches=3) == kept


def test_a_gather_that_can_be_torn_in_too_many_ways_is_owned_up_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billsim.explore.guide.MOST_TEARS", 1)
    with Story(story(1), lambda _policy: Tiny([sums, moves_both])).open() as staged:
        Search(staged, reduce=False).run()
        assert staged.guide.torn_short


def test_no_more_tears_are_looked_for_than_there_are_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two branches can be torn, in three ways: in two of them one branch alone."""
    monkeypatch.setattr("billsim.explore.guide.MOST_TEARS", 2)
    for switches, short in ((None, True), (1, False)):
        with Story(story(1), lambda _policy: Tiny([sums, moves_both])).open() as staged:
            assert Search(staged, switches=switches, reduce=False).run().complete
            assert staged.guide.torn_short is short


def test_accounts_of_one_customer_are_one() -> None:
    """Two accounts on one Stripe customer meet there, so which of them goes first is told apart."""

    def asks(message: Message) -> Steps:
        state = yield GatherAll(message.account, ("stripe.customer",))
        held = state.stripe.customer.metadata.get("seen", "")
        yield CallStripe("customers.update", message.account, state.stripe.customer.id, {"metadata": {"seen": held + message.account}})

    merged = replace(story(2, ("ada", "bob")), given=(GivenAccount(account="ada"), GivenAccount(account="bob", rows=ON_ADAS_CUSTOMER)))
    with Story(merged, lambda _policy: Tiny([asks])).open() as staged:
        found = Search(staged).run()
    assert len({end.authorities for end in found.ends}) == 1 < len(found.ends)


ON_ADAS_CUSTOMER = {"subs_customer": {"stripe_customer": "cus_ada"}}
