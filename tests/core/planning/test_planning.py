"""The arithmetic of plans, on numbers worked out by hand, and the numbers that plans start from."""

import re
from pathlib import Path

import pytest

from stages.core.planning import planning, priors
from stages.core.planning.planning import Basis, Checkpoints, Figure, Queries, Source, Speed, Work

ROOT = Path(__file__).parents[3]
HERE = Source("rate", 50.0, "here")
PRIOR = Figure(50, Basis.PRIOR, (HERE,))
BOUND = Figure(100, Basis.BOUND, (), ("tokens",))


def test_what_depends_on_several_figures_is_known_as_its_weakest_and_keeps_every_source() -> None:
    found = planning.product(Figure(3), Figure(2, Basis.MEASURED), PRIOR, BOUND)
    assert found == Figure(3 * 2 * 50 * 100, Basis.BOUND, (HERE,), ("tokens",))
    assert planning.product(Figure(3), PRIOR).basis is Basis.PRIOR
    assert planning.total([Figure(3), Figure(4, Basis.MEASURED)]) == Figure(7, Basis.MEASURED)
    assert planning.quotient(Figure(100), PRIOR) == Figure(2, Basis.PRIOR, (HERE,))


def test_what_depends_on_something_unknown_is_unknown_and_says_what_it_waits_for() -> None:
    for found in (
        planning.product(PRIOR, planning.unknown("rate.x")),
        planning.quotient(Figure(1), planning.unknown("rate.x")),
        planning.total([Figure(1), planning.unknown("rate.x")]),
    ):
        assert (found.value, found.basis, found.missing) == (None, Basis.UNKNOWN, ("rate.x",))


def test_nothing_of_something_unknown_is_nothing() -> None:
    assert planning.product(Figure(0), planning.unknown("rate.x")) == Figure(0)
    assert planning.quotient(Figure(0), planning.unknown("rate.x")) == Figure(0)
    assert planning.total([]) == Figure(0)


def test_a_limit_lowers_what_is_known_and_bounds_what_is_not() -> None:
    assert planning.capped(PRIOR, 60) == PRIOR
    assert planning.capped(PRIOR, 40) == PRIOR._replace(value=40)
    assert planning.capped(planning.unknown("tokens"), 40) == Figure(40, Basis.BOUND, (), ("tokens",))


def asked(speed: Speed, num_stored: int = 0, samples: float = 4) -> Queries:
    return Queries(Figure(10), Figure(samples), Figure(20), Figure(100), speed, num_stored)


def test_only_answers_that_are_not_stored_take_time_and_all_of_them_take_disk() -> None:
    work = planning.asking([asked(Speed(Figure(50), True), num_stored=3)], Figure(2))
    assert work.samples == Figure(40)
    assert work.tokens == Figure(37 * 100)
    assert work.prompt_tokens == Figure(37 * 20)
    assert work.gpu_hours is not None and work.gpu_hours.value == pytest.approx(3700 / 50 / 3600)
    assert work.machine_hours == Figure(0)
    assert work.outs_bytes == work.other_bytes == Figure(40 * 100 * 2)


def test_models_on_gpus_and_on_the_machine_itself_are_added_up_apart() -> None:
    work = planning.asking([asked(Speed(Figure(50), True)), asked(Speed(Figure(25), False), samples=1)], Figure(2))
    assert work.samples == Figure(50)
    assert work.gpu_hours is not None and work.gpu_hours.value == pytest.approx(4000 / 50 / 3600)
    assert work.machine_hours is not None and work.machine_hours.value == pytest.approx(1000 / 25 / 3600)


def test_asking_nobody_takes_nothing() -> None:
    work = planning.asking([], Figure(2))
    assert (work.samples, work.tokens, work.gpu_hours) == (Figure(0), Figure(0), Figure(0))


def test_more_stored_than_asked_for_leaves_nothing_to_ask() -> None:
    assert planning.asking([asked(Speed(Figure(50), True), num_stored=99)], Figure(2)).tokens == Figure(0)


def test_hours_are_an_amount_over_a_rate_a_second() -> None:
    assert planning.hours(Figure(72_000), Figure(20)).value == pytest.approx(1.0)


def test_rows_are_the_kept_share_by_the_weight_of_each_effort_and_no_more_than_a_problem_may_have() -> None:
    answers = {"medium": Figure(100), "high": Figure(60)}
    kept = {"medium": Figure(0.5), "high": Figure(0.5)}
    # medium 50, of which 40 are allowed, with the largest weight; high 30, of which half are taken
    found = planning.rows(answers, kept, {"medium": 2.0, "high": 1.0}, Figure(40))
    assert found == Figure(40 + 15)


def test_rows_of_which_no_share_is_known_are_at_most_all_that_a_problem_may_have() -> None:
    found = planning.rows({"medium": Figure(100)}, {"medium": planning.unknown("kept")}, {"medium": 1.0}, Figure(40))
    assert found == Figure(40, Basis.BOUND, (), ("kept",))
    unknown = planning.rows(
        {"medium": planning.unknown("problems")}, {"medium": Figure(0.5)}, {"medium": 1.0}, Figure(40)
    )
    assert unknown == Figure(40, Basis.BOUND, (), ("problems",))


def trained(rows: float, batch_size: int, epochs: int) -> Work:
    scratch = Checkpoints(bytes_per_token=4, bytes_per_weight=4, copies_of_weights=14)
    speed = Speed(Figure(1000), True)
    return planning.training(Figure(rows), Figure(10), epochs, batch_size, speed, Figure(5), 2, scratch)


def test_training_is_counted_in_whole_steps_of_every_epoch() -> None:
    work = trained(rows=25, batch_size=8, epochs=3)
    assert work.steps == Figure(4 * 3)
    assert work.tokens == Figure(25 * 10 * 3)
    assert work.gpu_hours is not None and work.gpu_hours.value == pytest.approx(750 / 1000 / 3600)
    assert work.outs_bytes == Figure(5 * 2)
    assert work.other_bytes == Figure(14 * 5 * 4 + 25 * 10 * 4)


def test_the_recipes_steps_are_those_that_its_configuration_implies() -> None:
    assert trained(rows=4.3e6, batch_size=256, epochs=8).steps == Figure(134_376)  # 16,797 an epoch, the last not full
    assert trained(rows=1.8e6, batch_size=512, epochs=8).steps == Figure(28_128)


def test_gpus_share_their_hours_and_the_machine_does_not() -> None:
    work = Work(gpu_hours=Figure(8), machine_hours=Figure(0.5))
    assert planning.wall_hours(work, 4) == Figure(2.5)
    assert planning.wall_hours(Work(), 4) == Figure(0)


def test_a_cost_is_gpu_hours_by_a_price_and_there_is_none_without_one() -> None:
    assert planning.cost(Work(gpu_hours=Figure(8)), 2.5) == Figure(20)
    assert planning.cost(Work(gpu_hours=Figure(8)), None) is None
    assert planning.cost(Work(machine_hours=Figure(8)), 2.5) is None


def test_settings_that_differ_are_named_by_their_dotted_key() -> None:
    one = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": 1}, {"e": 2}], "f": [1], "g": {}}
    other = {"a": {"b": 1, "c": [1, 3]}, "d": [{"e": 1}, {"e": 4}], "f": [1, 2], "g": {"h": 1}, "i": None, "j": 2}
    assert planning.differences(one, other) == {
        "a.c.1": (2, 3),
        "d.1.e": (2, 4),
        "f": ([1], [1, 2]),
        "g": ({}, {"h": 1}),
        "j": (None, 2),
    }
    assert planning.differences(one, one) == {}


# what plans start from


def every() -> list[priors.Prior | priors.Rate]:
    found: list[priors.Prior | priors.Rate] = []
    for value in vars(priors).values():
        inner = value.values() if isinstance(value, dict) else [value]
        found += [each for each in inner if isinstance(each, priors.Prior | priors.Rate)]
    return found


def test_every_number_that_a_plan_starts_from_has_a_source() -> None:
    assert len(every()) > 20
    assert all(each.value > 0 and len(each.source) > 10 for each in every())


def test_a_number_that_was_measured_here_stands_where_its_source_says() -> None:
    measured = (ROOT / "perf/README.md").read_text().replace(",", "")
    here = [each for each in every() if "perf/README.md" in each.source]
    assert len(here) >= 7
    for each in here:
        numbers = re.findall(r"\d[\d.]*\d", each.source.replace(",", ""))
        told = [*numbers, f"{each.value:g}"] if isinstance(each, priors.Rate) else numbers
        assert set(told) - {"13800"} <= set(re.findall(r"\d[\d.]*\d", measured)), each  # worked out: a mean length


def test_rates_that_were_divided_out_of_a_measurement_are_what_it_comes_to() -> None:
    assert pytest.approx(343_000 / 98, rel=0.01) == priors.COLLECTED.value
    assert pytest.approx(8_918_000 / (0.53 * 60), rel=0.01) == priors.JUDGED.value
    assert pytest.approx(8_918_000 / (0.67 * 60), rel=0.01) == priors.VOTED.value
    assert pytest.approx(2_167 * 664, rel=0.01) == priors.CURATED.value
    assert pytest.approx(185_022 / 818.2, rel=0.01) == priors.WRITING[priors.BASE_PACKAGE, 1].value
    assert pytest.approx(46_172 / 322.2, rel=0.01) == priors.TRAINING[priors.BASE_PACKAGE].value


def test_the_length_of_long_reasoning_follows_from_the_size_of_the_published_set() -> None:
    text_bytes = 44.7e9 * 114_433_190_944 / 49_585_391_985  # OpenMathReasoning's card: data set and download
    tokens = text_bytes / 3.13
    medium = priors.WRITTEN["openai/gpt-oss-120b", "medium"].value
    assert tokens == pytest.approx(32.9e9, rel=0.01)
    assert (tokens - 4.3e6 * medium) / 1.8e6 == pytest.approx(
        priors.WRITTEN["openai/gpt-oss-120b", "high"].value, rel=0.02
    )
    assert 44.7e9 / tokens == pytest.approx(priors.PARQUET_BYTES_PER_TOKEN.value, rel=0.01)


def test_the_recipes_sources_come_to_the_number_of_problems_that_was_published() -> None:
    assert sum(each.value for each in priors.PROBLEMS.values()) == 343_000
    assert priors.KEPT_SHARE["medium"].value * 343_000 * 16 == pytest.approx(4.3e6)
    assert priors.KEPT_SHARE["high"].value * 343_000 * 16 == pytest.approx(1.8e6)
