"""An answer is a function of seed and label: nothing that is asked besides can shift it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsim.core.choices import MAX_SEED, AskedTwiceError, NotOnTapeError, Options, Quantiles, Recorded, Seeded, chance

BITS = st.integers(min_value=0, max_value=2**64 - 1)
ALL = 2**64 - 1
HALF, QUARTER = 1 << 63, 1 << 62
LATENCY = Quantiles("latency", (0, 1_000_000))


class TestQuantiles:
    @pytest.mark.parametrize(
        ("bits", "answer"),
        [(0, 0), (QUARTER, 5), (HALF, 10), (HALF + QUARTER, 15), (ALL, 19)],  # the last quantile itself is the open end
    )
    def test_interpolates(self, bits: int, answer: int) -> None:
        assert Quantiles("q", (0, 10, 20)).answer(bits) == answer

    def test_negative_values(self) -> None:
        assert Quantiles("q", (-10, 10)).answer(HALF) == 0

    @given(st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=12).map(sorted), BITS, BITS)
    def test_stays_within_and_rises(self, values: list[int], first: int, second: int) -> None:
        table = Quantiles("q", values)
        low, high = sorted([first, second])
        assert values[0] <= table.answer(low) <= table.answer(high) <= values[-1]

    @pytest.mark.parametrize(("value", "eighths"), [(-1, 0), (0, 0), (5, 1), (9, 1), (10, 4), (12, 5), (14, 6), (17, 7), (20, 8), (99, 8)])
    def test_how_many_are_up_to_a_value(self, value: int, eighths: int) -> None:
        """A quarter is between 0 and 10, another is 10."""
        assert Quantiles("q", (0, 10, 10, 14, 20)).share(value) >> 29 == eighths

    @given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=12).map(sorted), BITS)
    def test_an_answer_has_the_share_that_its_bits_say(self, values: list[int], bits: int) -> None:
        table = Quantiles("q", values)
        answer = table.answer(bits)
        assert table.share(answer - 1) <= bits >> 32 <= table.share(answer + 1)

    @pytest.mark.parametrize("values", [(), (1,), (2, 1)])
    def test_refuses_what_is_no_distribution(self, values: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"^q: quantiles"):
            Quantiles("q", values)


class TestOptions:
    def test_shares(self) -> None:
        table = Options("o", {7: 1, 8: 2, 9: 1})
        assert [table.answer(n << 62) for n in range(4)] == [7, 8, 8, 9]
        assert table.answer(QUARTER - 1) == 7 and table.answer(ALL) == 9

    def test_an_option_without_weight_is_never_taken(self) -> None:
        table = Options("o", {0: 0, 1: 5})
        assert {table.answer(bits) for bits in (0, HALF, ALL)} == {1}

    @pytest.mark.parametrize("weights", [{}, {1: 0}, {1: -1, 0: 2}])
    def test_refuses_what_is_no_choice(self, weights: dict[int, int]) -> None:
        with pytest.raises(ValueError, match=r"^o: weights"):
            Options("o", weights)

    def test_chance(self) -> None:
        quarter = chance("c", 250_000)
        assert [quarter.answer(QUARTER - 1), quarter.answer(QUARTER)] == [1, 0]
        assert chance("c", 0).answer(0) == 0
        assert chance("c", 1_000_000).answer(ALL) == 1


class TestSeeded:
    def test_pinned(self) -> None:
        choices = Seeded(7)
        assert choices.ask("w/in_ada_1/attempt1/latency", LATENCY) == 583790
        assert choices.rank("w/in_ada_1/attempt1") == 130713137

    @given(st.permutations([f"w/{n}" for n in range(6)]))
    def test_the_order_of_asking_shifts_nothing(self, labels: list[str]) -> None:
        straight, shuffled = Seeded(1), Seeded(1)
        expected = {label: straight.when(label, LATENCY) for label in sorted(labels)}
        assert {label: shuffled.when(label, LATENCY) for label in labels} == expected

    def test_further_questions_shift_nothing(self) -> None:
        few, many = Seeded(1), Seeded(1)
        for n in range(100):
            many.ask(f"e/{n}", LATENCY)
        assert few.ask("w/a", LATENCY) == many.ask("w/a", LATENCY)

    def test_the_seed_decides(self) -> None:
        assert Seeded(1).ask("w/a", LATENCY) != Seeded(2).ask("w/a", LATENCY)

    def test_labels_beyond_ascii(self) -> None:
        assert 0 <= Seeded(1).ask("w/\u00e4da", LATENCY) < 1_000_000

    def test_an_event_is_asked_once(self) -> None:
        choices = Seeded(1)
        choices.ask("w/a", LATENCY)
        with pytest.raises(AskedTwiceError, match="w/a"):
            choices.ask("w/a", LATENCY)
        with pytest.raises(AskedTwiceError):
            choices.when("w/a", LATENCY)

    def test_a_fact_may_be_asked_by_anyone(self) -> None:
        choices = Seeded(1)
        first = choices.fact("w/fact/funds/pm_ada/20000", LATENCY)
        assert choices.fact("w/fact/funds/pm_ada/20000", LATENCY) == first
        assert choices.asked == [("w/fact/funds/pm_ada/20000", first)]

    def test_a_fact_is_the_same_where_no_tape_is_kept(self) -> None:
        kept, free = Seeded(1), Seeded(1)
        free.taped = False
        assert free.fact("w/fact/c", LATENCY) == kept.fact("w/fact/c", LATENCY) == free.fact("w/fact/c", LATENCY)
        assert free.asked == []

    def test_a_rank_may_be_asked_again_and_is_not_on_the_tape(self) -> None:
        choices = Seeded(1)
        assert choices.rank("w/a") == choices.rank("w/a")
        assert choices.asked == []

    def test_the_rank_of_an_answer_is_the_rank_of_its_label(self) -> None:
        choices = Seeded(1)
        assert choices.when("w/a", LATENCY)[1] == choices.rank("w/a")

    def test_the_tape_holds_what_was_asked_in_order(self) -> None:
        choices = Seeded(1)
        answers = [choices.ask("w/b", LATENCY), choices.when("w/a", LATENCY)[0], choices.fact("w/fact/c", LATENCY)]
        assert choices.asked == [("w/b", answers[0]), ("w/a", answers[1]), ("w/fact/c", answers[2])]

    def test_an_override_answers_its_label_alone_and_keeps_its_rank(self) -> None:
        plain, planted = Seeded(1), Seeded(1, overrides={"w/a": 42})
        rank = plain.when("w/a", LATENCY)[1]
        assert planted.when("w/a", LATENCY) == (42, rank)
        assert planted.ask("w/b", LATENCY) == plain.ask("w/b", LATENCY)
        assert planted.asked[0] == ("w/a", 42)

    @pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
    def test_a_seed_outside_its_range(self, seed: int) -> None:
        with pytest.raises(ValueError, match=rf"^seed {seed} is outside 0\.\."):
            Seeded(seed)

    def test_the_ends_of_the_range(self) -> None:
        assert Seeded(0).ask("w/a", LATENCY) != Seeded(MAX_SEED).ask("w/a", LATENCY)


class TestRecorded:
    def test_answers_from_the_tape(self) -> None:
        original = Seeded(1)
        asked = [original.ask("w/a", LATENCY), original.fact("w/fact/b", LATENCY)]
        again = Recorded(1, dict(original.asked), strict=True)
        assert [again.ask("w/a", LATENCY), again.fact("w/fact/b", LATENCY)] == asked
        assert again.asked == original.asked and again.off_tape == 0

    def test_the_tape_and_not_the_seed_decides(self) -> None:
        assert Recorded(1, {"w/a": 42}, strict=True).ask("w/a", LATENCY) == 42

    def test_strict_is_loud_off_the_tape(self) -> None:
        choices = Recorded(1, {}, strict=True)
        with pytest.raises(NotOnTapeError, match="w/a"):
            choices.ask("w/a", LATENCY)
        with pytest.raises(NotOnTapeError, match="w/fact/b"):
            choices.fact("w/fact/b", LATENCY)

    def test_best_effort_goes_on_from_the_seed_and_counts(self) -> None:
        choices = Recorded(1, {}, strict=False)
        assert choices.ask("w/a", LATENCY) == Seeded(1).ask("w/a", LATENCY)
        assert choices.off_tape == 1

    def test_an_event_is_asked_once_here_too(self) -> None:
        choices = Recorded(1, {"w/a": 1}, strict=True)
        choices.ask("w/a", LATENCY)
        with pytest.raises(AskedTwiceError):
            choices.ask("w/a", LATENCY)
