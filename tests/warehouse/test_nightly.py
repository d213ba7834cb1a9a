"""The nights: when the mirror is taken, what befalls it, what views see of it, and what is handed on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from billsim.core.choices import Seeded
from billsim.core.kernel import Kernel, Unwatched
from billsim.core.policy import DunningPolicy
from billsim.core.time import DAY_MS, HOUR_MS, MINUTE_MS
from billsim.core.trace import Trace
from billsim.engines import load_engine
from billsim.explore.edits import without_settings
from billsim.explore.explored import explore
from billsim.faults.base import Dial, Picture
from billsim.faults.catalogue import weather_of
from billsim.rehearsal import chosen
from billsim.run import run_scenario
from billsim.scenario.errors import InputError
from billsim.scenario.plan import TimelineRow, Warehouse
from billsim.scenario.toml_file import dump, find, load, loads, unplaced
from billsim.stores.base import Stores
from billsim.warehouse import bigquery
from billsim.warehouse.dataform import SHIPPED
from billsim.warehouse.extract import Extract
from billsim.warehouse.mirror import Mirror
from billsim.warehouse.nightly import Detected, Night, Nights, Seen
from billsim.world import World
from tests.warehouse.hand import platform

ALWAYS = 1_000_000
ADA = Detected("ada", "bad_debt_stuck", "ada", "why")
ZONE = Detected("ada", "www_drift", "ada.example", "why")


# --- candidates ---


def night(detected: list[Detected], new: list[Detected]) -> Night:
    return Night("mirror.1", 0, 0, detected, new)


def test_new_drift_is_a_candidate_unless_its_account_drifts_already() -> None:
    other = Detected("ada", "stripe_drift", "sub_ada", "why")
    assert night([ADA, other], [ADA, other]).candidates == [ADA, other]
    assert night([ADA, other], [other]).candidates == []


def test_the_detector_of_zones_and_the_other_one_keep_nothing_from_each_other() -> None:
    assert night([ADA, ZONE], [ZONE]).candidates == [ZONE]
    assert night([ADA, ZONE], [ADA]).candidates == [ADA]


def test_drift_whose_wording_has_changed_is_the_same_drift() -> None:
    assert night([ADA], [ADA._replace(detail="other")]).candidates == [ADA._replace(detail="other")]


# --- when ---


class House:
    """A kernel with a platform of one account, whose flags and zone are written together once an hour, at half past."""

    stopped = False

    def __init__(self, faults: dict[str, Dial] | None = None, answers: dict[str, int] | None = None) -> None:
        self.kernel = Kernel(0)
        self.choices = Seeded(1, overrides=answers or {})
        self.marks: list[tuple[str, str]] = []
        held = platform()
        self.stores: Stores = held[0]
        connection = bigquery.connect()
        mirror = Mirror(connection)
        self.seen: list[tuple[int, int, str]] = []

        def look(now_ms: int) -> Seen:
            query = "SELECT flags, www_zones.plan FROM billsim.raw.subs_account JOIN billsim.raw.www_zones USING (account)"
            self.seen += [(now_ms // MINUTE_MS, *row) for row in connection.execute(query).fetchall()]
            return Seen([ADA], [])

        self.told: list[Night] = []
        weather = weather_of(faults or {}, self.choices, lambda _: ())
        self.nights = Nights(self, self, 60, Extract(*held), mirror, look, self.told.append, weather)
        self.nights.start()
        for hour in range(3 * 24):
            self.kernel.call_at(hour * HOUR_MS + 30 * MINUTE_MS, 0, self._write, hour)

    def _write(self, hour: Any) -> None:
        self.stores.write("engine", "subs_account", "ada", None, {"flags": hour}, self.kernel.now)
        self.stores.write("www_sync", "www", "ada", "ada.example", {"plan": str(hour)}, self.kernel.now)

    def reached(self, mark: str, account: str, task: str) -> None:
        self.marks.append((mark, task))

    def run(self, until_ms: int = 3 * DAY_MS) -> House:
        assert self.kernel.run(until_ms, Unwatched(), 10_000)
        return self


def test_each_night_at_its_minute_the_mirror_shows_what_is() -> None:
    house = House().run()
    assert house.seen == [(60, 0, "0"), (1500, 24, "24"), (2940, 48, "48")]
    assert house.told == house.nights.nights and house.told[1] == Night("mirror.1", DAY_MS + HOUR_MS, DAY_MS + HOUR_MS, [ADA], [])
    assert house.marks == []


def test_once_the_crons_are_stopped_no_night_begins() -> None:
    house = House().run(DAY_MS)
    house.stopped = True
    assert len(house.run().told) == 1


def test_a_night_may_be_missing_and_the_next_has_all() -> None:
    label = "w/fault/mirror_missing/mirror.1"
    house = House({"mirror_missing": Dial(ppm=1)}, {label: 1}).run()
    assert house.seen == [(60, 0, "0"), (2940, 48, "48")] and house.marks == [("mirror_was_missing", "mirror.1")]


def test_a_night_may_be_looked_at_late_and_shows_what_was() -> None:
    label = "w/fault/mirror_late/mirror.1"
    house = House({"mirror_late": Dial(ppm=1)}, {label: 1, f"{label}/by": 23 * HOUR_MS // 2}).run()
    assert house.seen == [(60, 0, "0"), (1500 + 690, 24, "24"), (2940, 48, "48")] and house.marks == [("mirror_was_late", "mirror.1")]
    assert house.told[1].taken_ms == DAY_MS + HOUR_MS and house.told[1].seen_ms == DAY_MS + HOUR_MS + 23 * HOUR_MS // 2 + 1


def test_a_torn_night_shows_apart_what_was_written_together() -> None:
    """14 tables in 143 minutes, one every 11: the ninth, www_zones, at 02:28, subs_account at 02:39; hour 26 is written at 02:30."""
    label = "w/fault/mirror_torn/mirror.1"
    house = House({"mirror_torn": Dial(ppm=1, minutes=360)}, {label: 1, f"{label}/over": 143 * MINUTE_MS}).run()
    assert house.seen == [(60, 0, "0"), (1500 + 143, 26, "25"), (2940, 48, "48")]
    assert house.marks == [("mirror_was_torn", "mirror.1")]


def test_a_torn_night_that_passes_midnight_asks_nothing_twice() -> None:
    house = House({"mirror_torn": Dial(ppm=ALWAYS, minutes=360), "mirror_late": Dial(ppm=ALWAYS, minutes=720)}).run(4 * DAY_MS)
    assert len(house.told) == 4


@pytest.mark.parametrize("name", ["mirror_torn", "mirror_missing", "mirror_late"])
def test_a_mirror_fault_strikes_by_its_rate_under_its_label_and_stops(name: str) -> None:
    choices = Seeded(1)
    weather = weather_of({name: Dial(ppm=500_000)}, choices, lambda _: ())
    assert weather is not None
    struck = [weather.picture(f"mirror.{n}") != Picture() for n in range(200)]
    assert 60 < sum(struck) < 140 and choices.asked[0][0] == f"w/fault/{name}/mirror.0"
    weather.stopped = True
    assert weather.picture("mirror.200") == Picture()


def test_a_missing_mirror_is_neither_torn_nor_late() -> None:
    weather = weather_of({name: Dial(ppm=ALWAYS) for name in ("mirror_torn", "mirror_missing", "mirror_late")}, Seeded(1), lambda _: ())
    assert weather is not None
    picture = weather.picture("mirror.0")
    assert not picture.taken and picture.late_ms == 0


# --- in a world ---

STORY = """
id = "x/nights"
given = [
  { account = "ada", rows = { subs_account = { flags = 32768 } } },
  { account = "bob" },
]
timeline = [ { at = 2026-03-14T12:00:00Z, by = "bob", do = "set_flag", flag = "marketing_opt_in", on = true } ]
until = 2026-03-16T12:00:00Z
[warehouse]
mirror_minute = 150
"""


def world_of(text: str, requests: list[tuple[str, str, dict[str, Any]]]) -> World:
    scenario, policy = loads(text), DunningPolicy()
    world = World(scenario, load_engine("noop", policy, scenario.stripe), Seeded(1), Trace(), policy)
    asked = world.request

    def request(kind: str, account: str, name: str, body: dict[str, Any]) -> None:
        requests.append((kind, name, body))
        asked(kind, account, name, body)

    world.request = request  # type: ignore[method-assign]
    world.run_until(scenario.timeline[0].at, 10**6)
    world.put("somebody", "facade", "w/by_hand", "subs_account", "bob", None, {"flags": 32768})
    world.run_until(scenario.until, 10**6)
    return world


def test_the_views_see_drift_and_driftcontrol_is_told_of_it_once() -> None:
    requests: list[tuple[str, str, dict[str, Any]]] = []
    world = world_of(STORY, requests)
    assert world.warehouse is not None
    first, second, third = world.warehouse.nights
    assert {each.account for each in first.detected} == {"ada"} and {each.account for each in second.new} == {"bob"}
    assert {each.account for each in third.detected} == {"ada", "bob"} and third.new == []
    told = [(name, body) for kind, name, body in requests if kind == "cron.driftcontrol"]
    assert [name for name, _ in told] == ["driftcontrol.20526", "driftcontrol.20527", "driftcontrol.20528"]
    assert [(body["date"], {row[0] for row in body["stripe"]}, body["www"], body["population"], body["yesterday"]) for _, body in told] == [
        ("2026-03-14", {"ada"}, [], 2, None),
        ("2026-03-15", {"bob"}, [], 2, 1),
        ("2026-03-16", set(), [], 2, 1),
    ]
    assert ("ada", "bad_debt_stuck") in {row[:2] for row in told[0][1]["stripe"]}
    world.close()


def test_remediation_of_somebodys_choice_has_a_mirror_to_find_its_candidates() -> None:
    story = replace(loads(STORY), warehouse=None)
    mirrored = chosen(story, "on")
    assert mirrored.warehouse == Warehouse() and chosen(story, "off").warehouse is None
    healed = run_scenario(mirrored, engine="noop").data["drift"]
    assert healed["closed"] == 2 and healed["open_at_end"] == 0 and run_scenario(story, engine="noop").data["drift"]["open_at_end"] == 2
    row = TimelineRow(at=story.start, by="cron", do="driftcontrol", params={"stripe": "ada bad_debt_stuck"})
    assert chosen(replace(story, timeline=(row,)), "on").warehouse is None


def test_orders_of_a_story_that_is_mirrored_are_not_searched() -> None:
    with pytest.raises(InputError, match="a mirror cannot be taken back"):
        explore(loads(STORY))


def test_a_shrunk_story_is_tried_without_its_mirror() -> None:
    story = loads(STORY + "[faults]\nmirror_torn = { ppm = 1 }\nlate = { ppm = 1 }")
    plainer = [each for each in without_settings(story) if each.warehouse is None]
    assert [[*each.faults] for each in plainer] == [["late"]]


def test_a_run_keeps_its_nights_and_they_are_the_same_every_time() -> None:
    first, second = (run_scenario(loads(STORY), engine="noop", seed=5).nights for _ in range(2))
    assert first == second and [each.name for each in first] == [f"mirror.{day}" for day in range(20526, 20531)]
    assert run_scenario(replace(loads(STORY), warehouse=None)).nights == []


def test_a_folder_of_views_beside_the_scenario_is_looked_through(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "views", ignore=shutil.ignore_patterns("node_modules"))
    text = f'{STORY}views = "views"'
    assert run_scenario(loads(text, str(tmp_path / "x.toml")), engine="noop").nights[0].detected
    with pytest.raises(InputError, match="warehouse: .*elsewhere"):
        run_scenario(loads(text.replace('"views"', '"elsewhere"'), str(tmp_path / "x.toml")))


@pytest.mark.parametrize("engine", ["recompute", "legacy"])
def test_a_population_sleeps_as_if_nobody_had_looked(engine: str) -> None:
    scenario = load(find("load/small"))
    looked, alone = (run_scenario(each, engine=engine).data for each in (replace(scenario, warehouse=Warehouse()), scenario))
    assert looked["digest"] == alone["digest"] and looked["drift"] == alone["drift"]


@pytest.mark.parametrize("engine", ["recompute", "legacy"])
def test_a_platform_lives_on_as_if_nobody_had_looked(engine: str) -> None:
    scenario = loads(STORY)
    looked, alone = (run_scenario(each, engine=engine).data for each in (scenario, replace(scenario, warehouse=None)))
    assert looked["digest"] == alone["digest"] and looked["drift"] == alone["drift"]


def test_the_key_survives_being_written_and_is_checked() -> None:
    scenario = loads(STORY)
    assert "[warehouse]\nmirror_minute = 150" in dump(scenario) and unplaced(loads(dump(scenario))) == unplaced(scenario)
    with pytest.raises(InputError, match="is the minute of a day"):
        loads(STORY.replace("150", "1440"))
    with pytest.raises(InputError, match="strikes the nightly mirror, and there is none"):
        loads(STORY.partition("[warehouse]")[0] + "[faults]\nmirror_torn = { ppm = 1 }")
    with pytest.raises(InputError, match="'mirror_missing' has no duration"):
        loads(STORY + "[faults]\nmirror_missing = { ppm = 1, minutes = 3 }")
