"""The pipe: signature, at-least-once, filter, registry, resolution, hold and duplicate."""

from __future__ import annotations

import hmac

import pytest

from billsim.core.at_least_once import Done, Parcel
from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.core.signature import sign
from billsim.core.trace import MessageRecord
from billsim.pipe import ingress
from billsim.pipe.event_filter import REMEMBERED_MS, EventFilter
from billsim.pipe.forwarding import STRIPE_GIVES_UP_MS, Pipe
from billsim.pipe.weather import Journey
from billsim.ports import Message
from billsim.stripe.objects import Customer, Emitted, Event, EventData

START_MS = 1_700_000_000_000


def emitted(name: str = "in_ada_1.paid.1", type: str = "invoice.paid", customer: str = "cus_ada", livemode: bool = True) -> Emitted:
    event = Event(id=f"evt_{name}", created=START_MS // 1000, type=type, livemode=livemode, data=EventData(Customer(id="cus_ada", created=1)))
    return Emitted(event, name, "w", customer, START_MS)


class Rain:
    """An ingress that is down for the first `refusals` POSTs, and nothing else."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.posts: list[tuple[int, int]] = []

    def leaves(self, emitted: Emitted) -> Journey:
        return Journey(emitted)

    def refuses(self, emitted: Emitted, post: int, now_ms: int) -> bool:
        self.posts.append((post, now_ms))
        self.refusals -= 1
        return self.refusals >= 0

    def copies(self, emitted: Emitted) -> int:
        return 0

    def fails(self, parcel: Parcel) -> bool:
        return False


class Town:
    """A receiver with one account, whose engine fails as often as it is told to."""

    def __init__(self, failures: int = 0, accounts: dict[str, tuple[str, ...]] | None = None, weather: Rain | None = None) -> None:
        self.kernel = Kernel(START_MS)
        self.choices = Seeded(3)
        self.accounts = {"cus_ada": ("ada",)} if accounts is None else accounts
        self.failures = failures
        self.messages: list[tuple[Message, int]] = []
        self.steps: list[tuple[str, str]] = []
        self.acknowledgements: list[str] = []
        self.acknowledged_ms: list[int] = []
        self.pending = 0
        self.pipe = Pipe(self.kernel, self.choices, self, secret="whsec_fake", weather=weather)

    def accounts_of(self, customer: str) -> tuple[str, ...]:
        return self.accounts.get(customer, ())

    def forward(self, message: Message, attempt: int, done: Done) -> None:
        self.messages.append((message, attempt))
        failing, self.failures = self.failures > 0, self.failures - 1
        done(RuntimeError("engine") if failing else None)

    def on_the_way(self, customer: str, by: int) -> None:
        self.pending += by

    def acknowledged(self, event: Emitted, at_ms: int) -> None:
        self.acknowledgements.append(event.name)
        self.acknowledged_ms.append(at_ms)

    def record(self, record: MessageRecord) -> None:
        self.steps.append((record.what, record.name))

    passed = record

    def took(self, account: str, ms: int) -> None:
        assert ms >= 0

    def run(self) -> None:
        assert self.kernel.run(self.kernel.now + 10**9, Unwatched(), 10_000)

    def whats(self) -> list[str]:
        return [what for what, _ in self.steps]


def test_an_event_reaches_the_engine_once_and_is_acknowledged() -> None:
    town = Town()
    town.pipe.emit(emitted())
    town.run()
    assert [(m.kind, m.account, attempt) for m, attempt in town.messages] == [("stripe.invoice.paid", "ada", 1)]
    assert town.whats() == ["emitted", "delivered", "finished"]
    assert town.acknowledgements == ["in_ada_1.paid.1"] and town.pending == 0


@pytest.mark.parametrize("event", [emitted(type="payout.paid"), emitted(livemode=False)])
def test_the_filter_drops_what_has_no_handler_and_another_livemode(event: Emitted) -> None:
    town = Town()
    town.pipe.emit(event)
    town.run()
    assert town.messages == [] and town.pipe.counts.delivered == 1 and town.pending == 0
    assert town.whats() == ["emitted", "dropped"] and town.acknowledgements == [event.name], "what is dropped has been answered 2xx"


def test_a_post_and_the_delivery_that_it_leads_to_are_one_step() -> None:
    town = Town()
    town.pipe.emit(emitted())
    town.pipe.emit(emitted("in_ada_1.created.1", "invoice.created"))
    town.run()
    assert town.kernel.events == 1, "and what is dropped is none"
    arrives_ms = town.messages[0][0].at_ms
    posted_ms = town.acknowledged_ms[0]
    assert START_MS + 60 <= posted_ms <= START_MS + 4_000, "as long as a webhook may take"
    assert posted_ms + 8 <= arrives_ms <= posted_ms + 1_200, "and then as long as Pub/Sub may"


def test_an_event_that_was_finished_before_is_dropped_and_counted_as_a_duplicate() -> None:
    town = Town()
    town.pipe.emit(emitted())
    town.run()
    town.pipe.subscription.publish(emitted(), "again", "w", "cus_ada")
    town.pipe.receiver.on_the_way("cus_ada", 1)
    town.run()
    assert len(town.messages) == 1 and town.pipe.counts.duplicates == 1


def test_a_failed_delivery_is_repeated_with_back_off_until_it_succeeds() -> None:
    town = Town(failures=2)
    town.pipe.emit(emitted())
    town.run()
    assert [attempt for _, attempt in town.messages] == [1, 2, 3]
    waited = town.messages[2][0].at_ms - town.messages[0][0].at_ms
    assert 30_000 <= waited <= 30_000 + 2 * 1_000 + 2 * 1_200, "10 s and 20 s of back-off, jitter and latency"
    assert town.pipe.counts.redelivered == 2 and town.pending == 0


def test_after_the_last_attempt_comes_the_dead_letter_and_a_redrive_delivers_it() -> None:
    town = Town(failures=5)
    town.pipe.emit(emitted())
    town.run()
    assert town.whats()[-1] == "dead_letter" and town.pipe.counts.dead_letter == 1 and town.pending == 0
    assert town.pipe.subscription.redrive() == 1
    assert town.pending == 1
    town.run()
    assert town.whats()[-1] == "finished" and len(town.messages) == 6 and town.pending == 0


def test_a_customer_that_no_account_is_known_for_ends_in_the_dead_letter() -> None:
    town = Town(accounts={})
    town.pipe.emit(emitted())
    town.run()
    assert town.messages == [] and town.whats().count("retried") == 4 and town.whats()[-1] == "dead_letter"


def test_a_customer_of_several_accounts_is_ambiguous_and_wakes_nobody() -> None:
    town = Town(accounts={"cus_ada": ("ada", "bob")})
    town.pipe.emit(emitted())
    town.run()
    assert town.messages == [] and "merged" in town.whats()


def test_what_is_held_waits_for_its_release_and_keeps_its_label() -> None:
    town = Town()
    town.pipe.hold("invoice.paid", "ada")
    town.pipe.emit(emitted())
    town.pipe.emit(emitted("in_ada_1.failed.1", "invoice.payment_failed"))
    town.run()
    assert [m.name for m, _ in town.messages] == ["in_ada_1.failed.1"] and town.pending == 1
    town.pipe.release("invoice.paid", "ada")
    town.run()
    assert [m.name for m, _ in town.messages] == ["in_ada_1.failed.1", "in_ada_1.paid.1"] and town.pending == 0
    assert ("w/pipe/in_ada_1.paid.1/post1") in [label for label, _ in town.choices.asked]


def test_a_release_leaves_what_another_rule_holds() -> None:
    town = Town(accounts={"cus_ada": ("ada",), "cus_bob": ("bob",)})
    for account in ("ada", "bob"):
        town.pipe.hold("invoice.paid", account)
        town.pipe.emit(emitted(f"in_{account}_1.paid.1", customer=f"cus_{account}"))
    town.pipe.release("invoice.paid", "bob")
    town.run()
    assert [m.account for m, _ in town.messages] == ["bob"]
    town.pipe.release_all()
    town.run()
    assert [m.account for m, _ in town.messages] == ["bob", "ada"]


def test_a_duplicate_is_a_second_event_object_for_one_change() -> None:
    town = Town()
    town.pipe.duplicate("invoice.paid", "", 2)
    town.pipe.emit(emitted())
    town.pipe.emit(emitted("in_ada_2.paid.1"))
    town.run()
    ids = {m.event.id for m, _ in town.messages}
    assert ids == {"evt_in_ada_1.paid.1", "evt_in_ada_1.paid.1.d2", "evt_in_ada_2.paid.1"}, "only the next event is doubled"


@pytest.mark.parametrize("secret", ["k", "whsec_" + "x" * 58, "whsec_" + "x" * 59, "ß" * 40])
def test_the_signature_is_the_hmac_of_the_standard_library(secret: str) -> None:
    """Also for keys of a whole block (64 bytes) and beyond."""
    mac = hmac.new(secret.encode(), b"1000." + BODY, "sha256").hexdigest()
    assert sign(BODY, secret, 1_000) == f"t=1000,v1={mac}"


BODY = b'{"id":"evt_1"}'


def header(stamp: int = 1_000, secret: str = "whsec_fake", body: bytes = BODY) -> str:
    return sign(body, secret, stamp)


def test_a_signature_verifies_within_the_tolerance() -> None:
    ingress.verify(BODY, header(), "whsec_fake", 1_300)
    ingress.verify(BODY, f"t=1000,v1={'0' * 64},{header().split(',')[1]}", "whsec_fake", 1_000)


SHAPES = ["t={t},v1={v1}", "v1={v1},t={t}", "t={t},v1={v1},v0=00", "t={t},v0=00,v1={v1}", "t={t},v1=,v1={v1}", "x,t={t},v1={v1}"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_header_is_read_in_whatever_order_it_comes(shape: str) -> None:
    mac = header().partition("v1=")[2]
    ingress.verify(BODY, shape.format(t=1_000, v1=mac), "whsec_fake", 1_300)
    for stamp, signature, now_s in ((1_000, mac, 1_301), (1_001, mac, 1_000), (1_000, mac[::-1], 1_000), (1_000, "", 1_000)):
        with pytest.raises(ingress.SignatureError):
            ingress.verify(BODY, shape.format(t=stamp, v1=signature), "whsec_fake", now_s)


@pytest.mark.parametrize(
    ("bad", "now_s"),
    [
        (header(secret="whsec_other"), 1_000),
        (header(body=b"{}"), 1_000),
        (header(), 1_301),
        (header(), 699),
        ("", 1_000),
        ("t=1000", 1_000),
        ("t=soon,v1=00", 1_000),
    ],
)
def test_a_signature_that_is_wrong_old_or_missing_is_refused(bad: str, now_s: int) -> None:
    with pytest.raises(ingress.SignatureError):
        ingress.verify(BODY, bad, "whsec_fake", now_s)


def test_the_header_is_what_stripe_documents() -> None:
    """HMAC-SHA256 of `1000.{}` under the key `k`, computed with `openssl dgst -sha256 -hmac k`."""
    assert sign(b"{}", "k", 1_000) == "t=1000,v1=" + OPENSSL


OPENSSL = "d5690a3867c04543c5fb93338af07f30d5928ffe44304be02fb636f6b46b42c9"


def test_the_filter_forgets_what_is_older_than_stripe_ever_redelivers() -> None:
    event_filter, event = EventFilter(), emitted().event
    event_filter.finished(event, 0)
    assert event_filter.has_finished(event)
    event_filter.finished(emitted("other").event, REMEMBERED_MS + 1)
    assert not event_filter.has_finished(event)


def test_a_message_record_is_made_for_every_step() -> None:
    town = Town()
    town.pipe.emit(emitted())
    town.run()
    assert [name for _, name in town.steps] == ["in_ada_1.paid.1"] * 3


# --- Stripe's own loop ---


def test_stripe_posts_again_until_the_ingress_answers() -> None:
    rain = Rain(refusals=2)
    town = Town(weather=rain)
    town.pipe.emit(emitted())
    town.run()
    assert town.whats() == ["emitted", "refused", "refused", "redelivered", "delivered", "finished"]
    assert [post for post, _ in rain.posts] == [1, 2, 3]
    waits = [later - before for (_, before), (_, later) in zip(rain.posts, rain.posts[1:], strict=False)]
    assert 300_000 <= waits[0] <= 305_000 and 600_000 <= waits[1] <= 605_000, "5 and 10 minutes, jitter of 1 s, latency of up to 4 s"
    assert town.acknowledgements == ["in_ada_1.paid.1"], "only what was answered 2xx"
    assert town.pipe.counts.redelivered == 1 and town.pending == 0


def test_each_try_has_a_stamp_and_a_signature_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tolerance is 300 s, so that a signature of the first try would no longer verify at the second."""
    headers: list[str] = []
    verify = ingress.verify

    def spy(body: bytes, header: str, secret: str, now_s: int) -> None:
        headers.append(header)
        verify(body, header, secret, now_s)

    monkeypatch.setattr(ingress, "verify", spy)
    town = Town(weather=Rain(refusals=1))
    town.pipe.emit(emitted())
    town.run()
    stamps = [int(header.split(",")[0].removeprefix("t=")) for header in headers]
    assert len(set(headers)) == 2 and stamps[1] - stamps[0] >= ingress.TOLERANCE_S


def test_stripe_gives_up_after_three_days_and_the_operator_has_it_sent_again() -> None:
    rain = Rain(refusals=10_000)
    town = Town(weather=rain)
    town.pipe.emit(emitted())
    town.run()
    assert town.whats()[-1] == "undelivered" and town.messages == [] and town.pending == 0
    lasted = rain.posts[-1][1] - START_MS
    assert STRIPE_GIVES_UP_MS - 13 * 3_600_000 < lasted <= STRIPE_GIVES_UP_MS + 5_000, "the last wait is of 12 hours"
    tries, rain.refusals = len(rain.posts), 0
    town.pipe.redrive()
    assert town.pending == 1 and town.pipe.undelivered == []
    town.run()
    assert town.whats()[-3:] == ["redelivered", "delivered", "finished"] and rain.posts[-1][0] == tries + 1
    assert town.pending == 0 and len(town.messages) == 1
    labels = [label for label, _ in town.choices.asked]
    assert len(labels) == len(set(labels))
