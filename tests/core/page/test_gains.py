import polars as pl
import pytest

from stages.core.page import charts, counts, gains
from stages.core.scoring import results
from stages.core.scoring.scores import SCORES
from stages.core.scoring.scoring import Method

METHOD = Method(num_samples=4, pass_k=1, num_resamples=500, seed=1, is_open=False)


def scores(student: str, right: dict[str, list[int | None]]) -> pl.DataFrame:
    """Of four samples of each problem so many are right; None: none was scored."""
    made = [
        {"student": student, "benchmark": exam, "problem_id": f"p{place}"}
        | {"num_samples": 0 if number is None else 4, "num_correct": number or 0}
        for exam, numbers in right.items()
        for place, number in enumerate(numbers)
    ]
    return pl.DataFrame([{**dict.fromkeys(SCORES), **each} for each in made], schema=SCORES)


BASE = scores("base", {"easy": [0, 2, 0, None], "hard": [0, 0, 0, 0]})
TURBO = scores("turbo", {"easy": [4, 4, 2, 4], "hard": [0, 0, 0, 2]})
FINAL = scores("final", {"easy": [4, 4, 4, 4], "hard": [4, 0, 0, 2]})
STUDENTS = {"base": BASE, "turbo": TURBO, "final": FINAL, "teacher": BASE}


def test_each_student_is_compared_with_the_one_before_it_on_all_exams_and_on_each() -> None:
    found = gains.of_stages(STUDENTS, ["base", "turbo", "final"], METHOD)
    assert [(each.after, each.before, each.exam) for each in found] == [
        ("turbo", "base", "mean"), ("turbo", "base", "easy"), ("turbo", "base", "hard"),
        ("final", "turbo", "mean"), ("final", "turbo", "easy"), ("final", "turbo", "hard"),
    ]  # fmt: skip
    # Of the easy problems three are scored for both: 8 more right answers of 12. Of the hard ones 2 of 16.
    assert found[1].numbers["value"] == pytest.approx(8 / 12)
    assert found[2].numbers["value"] == pytest.approx(2 / 16)
    assert found[0].numbers["value"] == pytest.approx((8 / 12 + 2 / 16) / 2)
    assert (found[0].num_problems, found[0].num_samples) == (7, 56)
    assert found[3].numbers == results.difference(TURBO, FINAL, METHOD)
    assert list(gains.means(found)) == ["turbo_over_base", "final_over_turbo"]


def test_a_student_without_scores_is_skipped_and_one_alone_gains_nothing() -> None:
    found = gains.of_stages({"base": BASE, "final": FINAL}, ["base", "turbo", "final"], METHOD)
    assert list(gains.means(found)) == ["final_over_base"]
    assert gains.of_stages({"base": BASE}, ["base"], METHOD) == []


def test_an_exam_that_nobody_has_scored_answers_of_takes_the_mean_with_it() -> None:
    unscored = scores("turbo", {"easy": [None] * 4, "hard": [4, 4, 4, 4]})
    assert [each.exam for each in gains.of_stages({"base": BASE, "turbo": unscored}, ["base", "turbo"], METHOD)] == [
        "hard"
    ]


def test_the_chart_of_gains_names_its_problems_and_that_it_is_for_these_weights() -> None:
    found = gains.of_stages(STUDENTS, ["base", "turbo"], METHOD)
    assert counts.gains(found) == (
        "On the same problems, for these weights: turbo over base 7 problems, 56 samples of both. Hollow: not resolved."
    )
    points = [row["gain"] for data in charts.gains(found)["datasets"].values() for row in data if "gain" in row]
    assert points == pytest.approx([100 * each.numbers["value"] for each in found])


def test_counts_are_a_range_where_students_differ() -> None:
    base = {"easy": {"num_problems": 40, "num_samples": 160}, "hard": {"num_problems": 0, "num_samples": 0}}
    turbo = {"easy": {"num_problems": 44, "num_samples": 704}}
    metrics: results.Metrics = {"base": base, "turbo": turbo}  # type: ignore[dict-item]
    assert (
        counts.exams(metrics)
        == "Of each student: easy 40 to 44 problems x 4 to 16 samples, hard 0 problems x 0 samples."
    )
    assert counts.of_each({"turbo": 1234, "final": 5}, "rows") == "turbo 1,234 rows, final 5 rows."
