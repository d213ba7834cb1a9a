"""Answers that a scenario pins: in every run of it, unless somebody answers otherwise."""

from __future__ import annotations

from msgspec.structs import replace

from billsim.run import look_at, run_orders, run_scenario
from billsim.scenario.orders import offset_label
from billsim.scenario.plan import Scenario
from billsim.scenario.toml_file import find, load, loads

STORY = loads(
    """
    id = "x"
    start = 2026-03-14T00:00:00Z
    given = [ { account = "ada", failed_attempts = 2 } ]
    timeline = [ { at = 2026-03-14T01:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" } ]
    """
)
POST = "w/pipe/in_ada_1.payment_failed.3/post1"



def taped(scenario: Scenario, **how: object) -> dict[str, int]:
    return dict(run_scenario(scenario, keep_tape=True, **how).tape or [])  # type: ignore[arg-type]


def test_a_pinned_answer_is_what_is_answered_and_the_rest_is_the_seeds() -> None:
    free, fixed = taped(STORY), taped(replace(STORY, answers={POST: 77}))
    assert free[POST] != 77 and fixed[POST] == 77
    assert {label for label in free if label.startswith("w/") and free[label] != fixed[label]} == {POST}


def test_explicit_overrides_win() -> None:
    story = replace(STORY, answers={POST: 77})
    assert taped(story, overrides={POST: 88})[POST] == 88
    assert taped(story, overrides={"w/other": 1})[POST] == 77


def test_a_tape_wins_too_and_where_it_ends_the_pin_holds() -> None:
    story = replace(STORY, answers={POST: 77})
    assert taped(story, tape={POST: 99})[POST] == 99
    assert taped(story, tape={"w/other": 1})[POST] == 77
    whole = taped(story)
    assert taped(story, tape=whole, strict=True) == whole
    look_at(story, story.start + 1, lambda world: None, seed=0, engine="recompute", tape=whole, strict=True)


def test_a_fault_that_is_hardly_on_strikes_where_it_is_pinned() -> None:
    text = STORY_WITH_A_FAULT.format(answers='[answers]\n"w/fault/lost/in_ada_1.payment_failed.3/post1" = 1')
    assert run_scenario(loads(text)).data["digest"] != run_scenario(loads(STORY_WITH_A_FAULT.format(answers=""))).data["digest"]
    assert taped(loads(text))["w/pipe/in_ada_1.payment_failed.3/post2"]


STORY_WITH_A_FAULT = """
id = "x"
start = 2026-03-14T00:00:00Z
given = [ {{ account = "ada", failed_attempts = 2 }} ]
timeline = [ {{ at = 2026-03-14T01:00:00Z, by = "stripe", do = "charge", invoice = "ada_1", result = "declined" }} ]
[faults]
lost = {{ ppm = 1 }}
{answers}
"""


def test_an_order_that_is_pinned_is_the_only_one() -> None:
    story = load(find("dunning/void_after_bad_debt"))
    assert [run.verdict for _, run in run_orders(story, engine="legacy").orders] == ["falls", "holds"]
    first, second = ({offset_label(n): at for n, at in enumerate(order, start=_first_racing(story))} for order in ((0, 60_000), (60_000, 0)))
    for answers, verdict in ((first, "falls"), (second, "holds")):
        runs = run_orders(replace(story, answers=answers), engine="legacy").orders
        assert [(overrides, run.verdict) for overrides, run in runs] == [({}, verdict)]


def _first_racing(story: Scenario) -> int:
    instants = [row.at for row in story.timeline]
    return next(n for n, at in enumerate(instants) if instants.count(at) > 1)
