"""The nights of the warehouse: at one minute of the day the mirror is rolled forward, looked at through views, and what these detect is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from billsim.core.choices import Choices
from billsim.core.kernel import Kernel
from billsim.core.time import DAY_MS, MINUTE_MS, day_of
from billsim.warehouse.extract import Delta, Extract
from billsim.warehouse.tables import TABLES, Table

WWW_DRIFT = "www_drift"
MIRROR_WAS_TORN, MIRROR_WAS_MISSING, MIRROR_WAS_LATE = "mirror_was_torn", "mirror_was_missing", "mirror_was_late"

Wanted = tuple[str, tuple[tuple[str, Any], ...]]
"""A row that somebody asks after: the view, and the columns with what they are to hold."""


class Detected(NamedTuple):
    """Drift, as a view tells it: of whom, under which code, of which object, and what is wrong."""

    account: str
    code: str
    entity: str
    detail: str

    @property
    def is_www(self) -> bool:
        """Whether it is what the detector of www's drift looks for; another one looks for all else."""
        return self.code == WWW_DRIFT


class Seen(NamedTuple):
    """All drift that was detected, and what of it was not detected the last time; of the rows that somebody asked after, those that views show; and
    the classes of the line items.
    """

    detected: Sequence[Detected]
    new: Sequence[Detected]
    shown: frozenset[Wanted] = frozenset()
    classes: Sequence[str] = ()


class Night(NamedTuple):
    """What a night came to. Its first table was taken at `taken_ms`, and the views looked at `seen_ms`; `shown` and `classes` as `Seen` has them."""

    name: str
    taken_ms: int
    seen_ms: int
    detected: Sequence[Detected]
    new: Sequence[Detected]
    shown: frozenset[Wanted] = frozenset()
    classes: Sequence[str] = ()

    @property
    def candidates(self) -> list[Detected]:
        """What remediation may take up: new drift, in the order in which it was detected, of accounts that had none of that detector's before.

        The two detectors are independent: what one has seen before keeps the other from nothing.
        """
        new = {each[:3] for each in self.new}
        persistent = {(each.account, each.is_www) for each in self.detected if each[:3] not in new}
        return [each for each in self.new if (each.account, each.is_www) not in persistent]


Look = Callable[[int], Seen]
"""What the views say of the mirror, at an instant (milliseconds); `ops.yesterday_drift` holds what was detected the last time."""


class Picture(Protocol):
    """How a night is mirrored, if it is: `spread_ms` from the first table to the last, and to be looked at `late_ms` after that."""

    @property
    def taken(self) -> bool: ...
    @property
    def spread_ms(self) -> int: ...
    @property
    def late_ms(self) -> int: ...


class Scheduler(Protocol):
    """The faults that mirrors are exposed to."""

    def picture(self, night: str) -> Picture:
        """How a night is mirrored. Asked once for each."""
        ...


class Crons(Protocol):
    """The platform's other jobs: once they are stopped, no night begins any more."""

    stopped: bool


class House(Protocol):
    """The world, as far as the warehouse needs it."""

    kernel: Kernel
    choices: Choices

    def reached(self, mark: str, account: str, task: str) -> None:
        """Something worth reaching was reached."""
        ...


class Mirrored(Protocol):
    """What takes up a night's tables, and what was detected in them."""

    def roll_forward(self, deltas: Sequence[Delta]) -> None:
        """Take what has changed of some tables."""
        ...

    def remember(self, detected: Sequence[tuple[str, str, str, str]]) -> None:
        """The night is over, and this is what it detected."""
        ...


class Nights:
    """Mirrors a platform and looks at it at `minute` of each day (UTC); `nights` keeps what each came to, and `told` hears of it.
    `mirror` may be exchanged between two nights.

    It writes nothing: a platform lives on as if nobody had looked, unless whoever is told acts on it.
    """

    def __init__(
        self,
        house: House,
        crons: Crons,
        minute: int,
        extract: Extract,
        mirror: Mirrored,
        look: Look,
        told: Callable[[Night], None],
        scheduler: Scheduler | None = None,
    ) -> None:
        self.nights: list[Night] = []
        self._crons = crons
        self._house = house
        self._minute_ms = minute * MINUTE_MS
        self._extract = extract
        self._look = look
        self._told = told
        self._scheduler = scheduler
        self.mirror = mirror

    def start(self) -> None:
        """Schedule the first night from now on."""
        now = self._house.kernel.now
        tonight = day_of(now) * DAY_MS + self._minute_ms
        self._await(tonight if tonight >= now else tonight + DAY_MS)

    def _await(self, instant_ms: int) -> None:
        self._at(instant_ms, _name(instant_ms), self._begin, instant_ms)

    def _at(self, instant_ms: int, name: str, function: Callable[[Any], None], argument: Any) -> None:
        self._house.kernel.call_at(instant_ms, self._house.choices.rank(f"e/{name}"), function, argument)

    def _begin(self, instant_ms: Any) -> None:
        if self._crons.stopped:
            return
        self._await(instant_ms + DAY_MS)
        name = _name(instant_ms)
        picture = self._scheduler.picture(name) if self._scheduler is not None else None
        if picture is None:
            self._take(TABLES)
            self._see((name, instant_ms))
            return
        self._expose(name, instant_ms, picture)

    def _expose(self, name: str, instant_ms: int, picture: Picture) -> None:
        """A night that may be torn, late or missing."""
        if not picture.taken:
            self._house.reached(MIRROR_WAS_MISSING, "", name)
            return
        if picture.spread_ms:
            self._house.reached(MIRROR_WAS_TORN, "", name)
            for nth, table in enumerate(TABLES):
                self._at(instant_ms + picture.spread_ms * nth // (len(TABLES) - 1), f"{name}/{table.name}", self._take, (table,))
        else:
            self._take(TABLES)
        if picture.late_ms:
            self._house.reached(MIRROR_WAS_LATE, "", name)
        delay_ms = picture.spread_ms + picture.late_ms
        if delay_ms:
            # A millisecond later, for of what is due at one instant anything may be first.
            self._at(instant_ms + delay_ms + 1, f"{name}/views", self._see, (name, instant_ms))
        else:
            self._see((name, instant_ms))

    def _take(self, tables: Sequence[Table]) -> None:
        self.mirror.roll_forward(self._extract.take(tables))

    def _see(self, night: Any) -> None:
        """Look at the mirror as it is now."""
        name, taken_ms = night
        now = self._house.kernel.now
        seen = _shared(self._look(now), self.nights[-1].detected if self.nights else ())
        self.mirror.remember(seen.detected)
        self.nights.append(Night(name, taken_ms, now, *seen))
        self._told(self.nights[-1])


def _shared(seen: Seen, before: Sequence[Detected]) -> Seen:
    """What was seen, in which drift that the night before had is the same object: what stands for months is kept once, and not once a night."""
    known = {each: each for each in before}
    detected = [known.setdefault(each, each) for each in seen.detected]
    return seen._replace(detected=detected, new=[known.get(each, each) for each in seen.new])


def _name(instant_ms: int) -> str:
    return f"mirror.{day_of(instant_ms)}"
