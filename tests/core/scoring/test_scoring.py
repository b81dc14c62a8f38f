import json
import math
import os
import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean, median
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.keys import canonical
from stages.core.equality.relations import Pair, same_symbolically
from stages.core.estimation.estimators import pass_at_k
from stages.core.labelling import answer_classes
from stages.core.scoring.differences import gained_and_lost, paired_difference
from stages.core.scoring.looping import without_texts
from stages.core.scoring.scores import SCORES, SCORES_KEY
from stages.core.scoring.scoring import TEXTS_IN, TRACES_IN, VERDICTS_IN, Method, mean_over_benchmarks, metrics, scores

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", "")) / "gen"
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real transcripts"
)
RESAMPLING: dict[str, Any] = {"num_resamples": 200, "seed": 1}


Sample = tuple[str | None, str, str, int | None]
"""Answer, verdict, status and tokens."""
Problems = dict[str, list[Sample]] | list[list[Sample]]


def sample(answer: str | None, verdict: str, status: str = "stop", tokens: int | None = 100) -> Sample:
    return answer, verdict, status, tokens


def right(answer: str = "7") -> Sample:
    return sample(answer, "correct")


def wrong(answer: str) -> Sample:
    return sample(answer, "incorrect")


SILENT = sample(None, "no_answer")
CUT = sample(None, "no_answer", "length", 300)
LOST = sample(None, "unscored", "failed", None)


def tables(
    problems: Problems, student: str = "final", effort: str | None = None, benchmark: str = "aime24"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Marks and traces of {problem_id: samples} or of a list of those."""
    named = problems if isinstance(problems, dict) else {f"p{place}": rows for place, rows in enumerate(problems)}
    marks, traces = [], []
    for problem_id, samples in named.items():
        for index, (answer, verdict, status, tokens) in enumerate(samples):
            key = (student, effort, benchmark, problem_id, index)
            answer_key = (answer and canonical(answer)) or None
            marks.append((*key, verdict, answer, answer_key, status == "length" and answer is not None))
            traces.append((*key, status, tokens, status == "length"))
    table = pl.DataFrame(marks, schema=VERDICTS_IN, orient="row").rename({"answer_class": "answer_key"})
    classes = answer_classes.classes([table], by_algebra)
    classed = table.join(classes, on=[*answer_classes.GROUP, "answer_key"], how="left", nulls_equal=True)
    return classed.select(list(VERDICTS_IN)), pl.DataFrame(traces, schema=TRACES_IN, orient="row")


def by_algebra(pairs: Sequence[Pair]) -> dict[Pair, str]:
    """What the worker processes would decide of pairs of short answers."""
    return {pair: "equal" if same_symbolically(*pair) else "different" for pair in pairs}


def table(problems: Problems, **names: str) -> pl.DataFrame:
    return scores(*tables(problems, **names))


def measure(problems: Problems, num_samples: int, pass_k: int = 1) -> dict[str, float]:
    return metrics(table(problems), Method(num_samples, pass_k, **RESAMPLING, is_open=False))


def measure_open(problems: Problems, num_samples: int, pass_k: int = 1) -> dict[str, float]:
    return metrics(table(problems), Method(num_samples, pass_k, **RESAMPLING, is_open=True))


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def judged(preds: list[str], correct: list[bool]) -> list[Sample]:
    return [right(answer) if is_right else wrong(answer) for answer, is_right in zip(preds, correct, strict=True)]


# scores: one row a problem


def test_each_problem_is_counted_in_one_row_of_the_declared_schema() -> None:
    one = table([[right(), wrong("8"), SILENT, CUT, LOST, sample("7", "no_label", tokens=9999)]])
    assert one.schema == SCORES
    assert one.row(0, named=True) == {
        "student": "final", "effort": None, "benchmark": "aime24", "problem_id": "p0",
        "num_samples": 4, "num_correct": 1, "num_unscored": 2, "num_truncated": 1, "num_no_answer": 2,
            "num_before_cut": 0, "num_looping": 1,
        "majority_correct": 0.5, "mean_tokens": 150.0, "mean_tokens_correct": 100.0, "mean_tokens_wrong": 500 / 3,
        "avg_at": [1.0, 0.5, 1 / 3, 0.25], "pass_at": [0.25, 0.5, 0.75, 1.0], "maj_at": [1.0, 0.5, 0.5, 0.5],
    }  # fmt: skip


def test_scores_are_there_for_each_k_up_to_the_scored_samples_of_each_problem_and_for_none_beyond() -> None:
    several = table({"a": [wrong("8"), LOST, right(), right()], "b": [LOST, LOST, LOST, right()], "c": [LOST] * 4})
    assert several["avg_at"].to_list() == [[0, 1 / 2, 2 / 3], [1], []]
    assert several["maj_at"].to_list() == [[0, 0.5, 1], [1], []]
    assert several["pass_at"].to_list() == [[pytest.approx(2 / 3), 1, 1], [1], []]
    assert several["majority_correct"].to_list() == [1, 1, None]


@given(st.lists(st.sampled_from([right(), wrong("8"), wrong("9"), SILENT, LOST]), min_size=1, max_size=9))
def test_the_scores_at_k_are_those_of_an_exam_of_the_first_k_scored_samples(samples: list[Sample]) -> None:
    row = table([samples]).row(0, named=True)
    scored = [each for each in samples if each != LOST]
    assert len(row["avg_at"]) == len(row["maj_at"]) == len(row["pass_at"]) == len(scored)
    for k in range(1, len(scored) + 1):
        first = scored[:k]
        votes = Counter("right" if each == right() else each[0] for each in first if each[0] is not None)
        leaders = [answer for answer, number in votes.items() if number == max(votes.values())]
        assert row["maj_at"][k - 1] == pytest.approx(("right" in leaders) / max(1, len(leaders)))
        assert row["avg_at"][k - 1] == pytest.approx(first.count(right()) / k)
        assert row["pass_at"][k - 1] == pass_at_k(len(scored), scored.count(right()), k)


def test_a_trace_that_goes_round_in_circles_is_found_in_its_reasoning_and_in_its_answer() -> None:
    said = ["and so on we go round and round once more " * 30, "Add 3 and 4, then halve that, for each of the sums."]
    texts = [(None, said[0]), (said[0], "7"), (said[1], "7"), (None, None)]
    rows = [("m", None, "b", "p", place, "stop", 9, *pair) for place, pair in enumerate(texts)]
    found = without_texts(pl.DataFrame(rows, schema=TEXTS_IN, orient="row"), 0.3)
    assert found.schema == TRACES_IN
    assert found["looping"].to_list() == [True, True, False, False]


@pytest.mark.parametrize("verdict", ["incorrect", "no_answer", "unparsable", "timeout"])
def test_an_answer_that_is_not_shown_to_be_right_is_scored_and_not_correct(verdict: str) -> None:
    row = table([[sample("x", verdict)]]).row(0, named=True)
    assert (row["num_samples"], row["num_correct"], row["num_unscored"]) == (1, 0, 0)


@pytest.mark.parametrize(
    "lost",
    [LOST, sample(None, "unscored", "refused"), sample("7", "no_label"), sample(None, "no_answer", "failed")],
)
def test_a_sample_that_no_model_answered_or_no_label_can_judge_is_unscored_and_moves_no_score(lost: Sample) -> None:
    with_it, without_it = measure([[right(), wrong("8"), lost]], 3), measure([[right(), wrong("8")]], 2)
    assert with_it["avg_at_3"] == without_it["avg_at_2"] == 0.5
    assert with_it["maj_at_3"] == without_it["maj_at_2"]
    assert with_it["num_samples"] == 2
    assert with_it["unscored_share"] == pytest.approx(1 / 3)


def test_a_truncated_answer_that_is_right_all_the_same_is_correct_and_truncated() -> None:
    row = table([[sample("7", "correct", "length")]]).row(0, named=True)
    assert (row["num_correct"], row["num_truncated"]) == (1, 1)


def test_students_efforts_and_benchmarks_are_kept_apart() -> None:
    parts = [
        tables([[right()]], student="base"),
        tables([[wrong("1")]], student="final"),
        tables([[right()]], student="final", effort="high"),
        tables([[right()]], student="final", benchmark="amc23"),
    ]
    found = scores(pl.concat([marks for marks, _ in parts]), pl.concat([traces for _, traces in parts]))
    assert found.select(SCORES_KEY).n_unique() == 4
    assert found["num_correct"].sum() == 3


def test_a_trace_without_a_mark_a_mark_without_a_trace_and_a_double_are_refused() -> None:
    marks, traces = tables([[right(), right()]])
    for bad in ((marks.head(1), traces), (marks, traces.head(1)), (pl.concat([marks] * 2), pl.concat([traces] * 2))):
        with pytest.raises(ValueError, match="exactly one verdict"):
            scores(*bad)


# majority


@pytest.mark.parametrize(
    ("samples", "majority"),
    [
        ([right(), right(), wrong("8")], 1.0),
        ([right(), wrong("8"), wrong("8")], 0.0),
        ([right(), wrong("8")], 0.5),
        ([right(), wrong("8"), wrong("9")], 1 / 3),
        ([wrong("8"), wrong("9")], 0.0),
        ([right("1/2"), right(r"\frac{x}{2x}"), wrong("8"), wrong("8"), right("0.5")], 1.0),
        ([right(), right(), wrong("1/3"), wrong(r"\frac13"), wrong(r"\dfrac{1}{3}")], 0.0),
        ([right(), SILENT, SILENT, CUT], 1.0),
        ([right(), sample("", "no_answer"), sample("  ", "no_answer")], 1.0),
        ([SILENT, CUT], 0.0),
        ([LOST], None),
        # gold 1: three spellings of one wrong answer meet as right ones do (eureka-ml-insights#81)
        ([right("1"), right("1"), wrong(r"\sqrt{12}"), wrong(r"2\sqrt3"), wrong(r"\frac6{\sqrt3}")], 0.0),
        ([right("1"), right("1"), wrong(r"\sqrt{12}"), wrong(r"2\sqrt3")], 0.5),
        # right by the judge, each in its own way, and two numbers all the same
        ([right("0.33"), right(r"\frac13"), wrong("2"), wrong("2")], 0.0),
        # a class is right as its most frequent answer is
        ([right("1/2"), right("1/2"), sample("0.5", "timeout"), wrong("3")], 1.0),
        # two right classes tie with each other
        ([right("0.33"), right(r"\frac13")], 1.0),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value),
)
def test_the_majority_is_of_classes_of_answers_and_a_tie_counts_the_share_of_right_ones(
    samples: list[Sample], majority: float | None
) -> None:
    assert table([samples])["majority_correct"].to_list() == [pytest.approx(majority) if majority else majority]


# pass@k


@given(st.integers(0, 9), st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_draws_of_k_samples_with_a_right_one(
    num_samples: int, k: int, data: st.DataObject
) -> None:
    num_correct = data.draw(st.integers(0, num_samples))
    draws = list(combinations([True] * num_correct + [False] * (num_samples - num_correct), k))
    expected = fmean(any(draw) for draw in draws) if draws else None
    assert pass_at_k(num_samples, num_correct, k) == pytest.approx(expected)


@given(st.integers(1, 64), st.data())
def test_pass_at_k_begins_at_the_average_and_never_falls_with_k(num_samples: int, data: st.DataObject) -> None:
    num_correct = data.draw(st.integers(0, num_samples))
    passed = [pass_at_k(num_samples, num_correct, k) for k in range(1, num_samples + 1)]
    assert passed[0] == pytest.approx(num_correct / num_samples)
    assert passed == sorted(passed, key=lambda share: share or 0.0)
    assert passed[-1] == float(num_correct > 0)


@pytest.mark.parametrize(("num_samples", "num_correct", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0)])
def test_pass_at_k_of_impossible_counts_is_refused(num_samples: int, num_correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@k needs"):
        pass_at_k(num_samples, num_correct, k)


def test_pass_at_k_is_missing_as_soon_as_one_problem_has_fewer_scored_samples() -> None:
    whole, short = [right(), wrong("8"), wrong("9")], [right(), LOST, LOST]
    assert "pass_at_2" in measure([whole, whole], 3, pass_k=2)
    assert "pass_at_2" not in measure([whole, short], 3, pass_k=2)
    assert measure([whole, short], 3, pass_k=1)["pass_at_1"] == pytest.approx((1 / 3 + 1) / 2)


# metrics: one student, one benchmark


def test_the_metrics_of_an_exam_have_these_names_and_values() -> None:
    found = measure([[right(), right()], [right(), wrong("8")], [CUT, SILENT], [wrong("1"), LOST]], 2, pass_k=1)
    low, high = found.pop("ci_low"), found.pop("ci_high")
    assert 0 <= low < found["avg_at_2"] < high <= 1
    assert found == {
        "avg_at_2": (1 + 0.5 + 0 + 0) / 4,
        "maj_at_2": (1 + 0.5 + 0 + 0) / 4,
        "pass_at_1": (1 + 0.5 + 0 + 0) / 4,
        "num_problems": 4,
        "num_samples": 7,
        "truncated_share": pytest.approx(1 / 7),
        "no_answer_share": pytest.approx(2 / 7),
        "before_cut_share": 0.0,
        "looping_share": pytest.approx(1 / 7),
        "unscored_share": 1 / 8,
        "mean_tokens": (100 + 100 + 200 + 100) / 4,
        "mean_tokens_correct": 100,
        "mean_tokens_wrong": (100 + 200 + 100) / 3,
    }


def test_a_problem_without_a_scored_sample_is_left_out_and_not_counted_as_failed() -> None:
    found = measure([[right(), wrong("8")], [LOST, LOST]], 2)
    assert (found["avg_at_2"], found["maj_at_2"], found["num_problems"], found["unscored_share"]) == (0.5, 0.5, 1, 0.5)
    assert "pass_at_1" not in found


def test_what_cannot_be_measured_is_absent_and_never_a_nan() -> None:
    assert measure([[LOST, LOST]], 2) == {"num_problems": 0, "num_samples": 0, "unscored_share": 1.0}
    assert measure([], 2) == {"num_problems": 0, "num_samples": 0}
    assert "mean_tokens" not in measure([[sample("7", "correct", tokens=None)]], 1)


@pytest.mark.parametrize("num_samples", [16, 1])
def test_an_average_over_more_or_fewer_samples_than_were_drawn_is_refused(num_samples: int) -> None:
    with pytest.raises(ValueError, match=f"avg_at_{num_samples} needs {num_samples} samples a problem, not 2 to 2"):
        measure([[right(), LOST], [right(), right()]], num_samples)


def test_metrics_of_two_students_or_benchmarks_at_once_are_refused() -> None:
    for other in ({"student": "base"}, {"effort": "high"}, {"benchmark": "amc23"}):
        both = pl.concat([table([[right()]]), table([[right()]], **other)])
        with pytest.raises(ValueError, match="must be of one student"):
            metrics(both, Method(1, 1, **RESAMPLING, is_open=False))


SAMPLES = st.sampled_from([right(), right("14/2"), wrong("8"), wrong("9"), SILENT, CUT, LOST])
EXAMS = st.integers(1, 5).flatmap(lambda k: st.lists(st.lists(SAMPLES, min_size=k, max_size=k), min_size=1, max_size=6))


@given(EXAMS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing_and_that_of_samples_only_the_scores_of_the_first_k(
    exam: list[list[Sample]], rng: random.Random
) -> None:
    marks, traces = tables(exam)
    shuffled = scores(marks.sample(fraction=1, shuffle=True, seed=rng.randrange(100)), traces.reverse())
    permuted = table([rng.sample(samples, len(samples)) for samples in exam])
    expected = scores(marks, traces)
    assert shuffled.equals(expected)
    firsts = ["avg_at", "maj_at"]
    assert permuted.drop(firsts).equals(expected.drop(firsts))
    for name in firsts:
        assert permuted[name].list.last().to_list() == pytest.approx(expected[name].list.last().to_list())
    upside_down = metrics(expected.reverse(), Method(len(exam[0]), 1, **RESAMPLING, is_open=False))
    assert upside_down == metrics(expected, Method(len(exam[0]), 1, **RESAMPLING, is_open=False))


@given(EXAMS)
def test_all_metrics_are_finite_the_shares_in_0_to_1_and_pass_at_1_is_the_average(exam: list[list[Sample]]) -> None:
    found = measure(exam, len(exam[0]))
    assert all(math.isfinite(value) for value in found.values())
    shares = {name: value for name, value in found.items() if not name.startswith(("num_", "mean_tokens"))}
    assert all(0 <= value <= 1 for value in shares.values())
    if "pass_at_1" in found:
        assert found["pass_at_1"] == pytest.approx(found[f"avg_at_{len(exam[0])}"])


# over benchmarks, and between students


def two_benchmarks(student: str, easy: Problems, hard: Problems) -> pl.DataFrame:
    return pl.concat([table(easy, student=student, benchmark="easy"), table(hard, student=student, benchmark="hard")])


def test_the_mean_over_benchmarks_weighs_each_the_same_and_its_interval_holds_it() -> None:
    both = two_benchmarks("final", [[right()]] * 10, [[wrong("1")], [right()]])
    found = mean_over_benchmarks(both, **RESAMPLING)
    assert found is not None
    value, low, high = found
    assert value == 0.75
    assert 0 <= low < value < high <= 1
    assert mean_over_benchmarks(both.reverse(), **RESAMPLING) == (value, low, high)


def test_the_mean_over_one_benchmark_is_its_average_with_the_same_interval() -> None:
    one = table([[right()], [wrong("1")], [right()]])
    found = metrics(one, Method(1, 1, **RESAMPLING, is_open=False))
    assert mean_over_benchmarks(one, **RESAMPLING) == (found["avg_at_1"], found["ci_low"], found["ci_high"])


def test_there_is_no_mean_over_benchmarks_where_one_is_unscored() -> None:
    assert mean_over_benchmarks(two_benchmarks("final", [[right()]], [[LOST]]), **RESAMPLING) is None
    assert mean_over_benchmarks(table([]), **RESAMPLING) is None


def test_a_mean_over_the_benchmarks_of_two_students_is_refused() -> None:
    with pytest.raises(ValueError, match="must be of one student"):
        mean_over_benchmarks(pl.concat([table([[right()]]), table([[right()]], student="base")]), **RESAMPLING)


def test_a_paired_difference_is_above_nothing_where_two_separate_intervals_overlap() -> None:
    draw = random.Random(0)
    solved = [draw.randint(0, 12) for _ in range(30)]
    exams = {
        name: table([[right()] * (num + more) + [wrong("1")] * (16 - num - more) for num in solved], student=name)
        for name, more in (("turbo", 0), ("final", 2))
    }
    turbo, final = (metrics(exams[name], Method(16, 8, **RESAMPLING, is_open=False)) for name in ("turbo", "final"))
    assert turbo["ci_high"] > final["ci_low"]
    difference = paired_difference(exams["turbo"], exams["final"], **RESAMPLING)
    assert difference.interval.value == pytest.approx(2 / 16)
    assert difference.interval.low > 0 and difference.probability > 0.99
    assert difference.needed_problems is None and difference.needed_samples is None
    back = paired_difference(exams["final"], exams["turbo"], **RESAMPLING)
    assert back.interval.value == -difference.interval.value
    assert back.interval.high < 0 and back.probability == pytest.approx(1 - difference.probability, abs=0.02)


def test_a_difference_in_doubt_says_how_many_problems_or_samples_would_tell() -> None:
    draw = random.Random(1)

    def exam(name: str, chance: float, num_problems: int, num_samples: int) -> pl.DataFrame:
        drawn = [
            [right() if draw.random() < chance else wrong("1") for _ in range(num_samples)] for _ in range(num_problems)
        ]
        return table(drawn, student=name)

    # Of equal problems all doubt comes from the samples: four times as many of either are as good.
    found = paired_difference(exam("turbo", 0.45, 40, 4), exam("final", 0.52, 40, 4), **RESAMPLING)
    assert found.interval.low < 0 < found.interval.high and 0.5 < found.probability < 0.975
    assert found.needed_problems > 40 and found.needed_samples > 4
    assert found.needed_samples / 4 == pytest.approx(found.needed_problems / 40, rel=0.5)
    more = found.needed_problems * 3
    enough = paired_difference(exam("turbo", 0.45, more, 4), exam("final", 0.52, more, 4), **RESAMPLING)
    assert enough.interval.low > 0


def test_the_samples_that_would_tell_are_of_both_students_however_often_each_was_asked() -> None:
    def needed(seed: int, *num_samples: int) -> int | None:
        draw = random.Random(seed)
        exams = [
            table([[right() if draw.random() < chance else wrong("1") for _ in range(num)] for _ in range(40)])
            for chance, num in zip((0.45, 0.5), num_samples, strict=True)
        ]
        found: int | None = paired_difference(exams[0], exams[1], num_resamples=500, seed=1).needed_samples
        return found

    both, *one = (
        median(number for seed in range(20) if (number := needed(seed, *num_samples)))
        for num_samples in ((16, 16), (64, 4), (4, 64))
    )
    assert all(0.5 < other / both < 2 for other in one), (both, one)


def test_no_number_of_samples_tells_what_depends_on_which_problems_were_taken() -> None:
    base = table([[right()] * 8] * 5 + [[wrong("1")] * 8] * 6, student="base")
    final = table([[wrong("1")] * 8] * 5 + [[right()] * 8] * 6)
    found = paired_difference(base, final, **RESAMPLING)
    assert (
        found.interval.low <= 0 <= found.interval.high and found.needed_problems > 11 and found.needed_samples is None
    )


def test_a_student_is_not_told_from_itself_and_the_doubt_is_the_same_on_both_sides() -> None:
    exam = table([[right()], [wrong("1")]] * 10)
    difference = paired_difference(exam, exam, num_resamples=4000, seed=1)
    value, low, high = difference.interval
    assert difference.probability == pytest.approx(0.5, abs=0.05) and difference.needed_problems is None
    assert value == 0
    assert low < 0 < high
    assert -low == pytest.approx(high, rel=0.3)


def test_a_problem_that_either_student_has_unscored_is_left_out_of_their_difference() -> None:
    base = table([[right()], [right()], [wrong("1")]], student="base")
    final = table([[right()], [LOST], [right()]])
    assert paired_difference(base, final, **RESAMPLING).interval.value == 0.5
    assert paired_difference(base.head(1), table([[LOST]]), **RESAMPLING) is None


def test_a_difference_over_benchmarks_weighs_each_the_same() -> None:
    base = two_benchmarks("base", [[wrong("1")]] * 4, [[wrong("1")]])
    final = two_benchmarks("final", [[right()]] * 4, [[wrong("1")]])
    assert paired_difference(base, final, **RESAMPLING).interval.value == 0.5


def test_a_problem_that_is_unscored_for_one_of_two_is_neither_gained_nor_lost() -> None:
    before, after = (
        table({"a": [LOST], "b": [wrong("8")], "c": [right()]}),
        table({"a": [right()], "b": [right()], "c": [LOST]}),
    )
    assert gained_and_lost(before, after) == (["b"], [])
    assert gained_and_lost(after, before) == ([], ["b"])


def test_a_paired_difference_on_other_problems_or_among_several_students_is_refused() -> None:
    one, other = table({"a": [right()]}), table({"b": [right()]})
    with pytest.raises(ValueError, match="the same problems"):
        paired_difference(one, other, **RESAMPLING)
    with pytest.raises(ValueError, match="must be of one student"):
        paired_difference(one, pl.concat([one, table({"a": [right()]}, student="base")]), **RESAMPLING)


# numbers that others have published for the same samples


@needs_data
def test_pass_and_majority_of_s1_on_two_aime_problems_are_those_of_its_log() -> None:
    rows = lines("s1.1-7B_aime24_2x8.jsonl")
    for row in rows:
        for k in (2, 4, 8):
            assert measure([judged(row["preds"], row["correct"])], 8, k)[f"pass_at_{k}"] == pytest.approx(
                row[f"pass@{k}"]
            )
    assert rows[0]["pass@2"] == 0.9642857142857143
    # On the first, six of eight agree. On the second all eight differ, and the log's majority took a wrong one of them.
    majorities = table([judged(row["preds"], row["correct"]) for row in rows])["majority_correct"].to_list()
    assert majorities == [rows[0]["maj@8"], 1 / 8]


@needs_data
def test_average_and_pass_of_gemini_on_otis_mock_aime_are_the_published_ones() -> None:
    problems: dict[str, Any] = {}
    for row in lines("otis_mock_aime/gemini-2.0-flash_x16.jsonl"):
        problems.setdefault(row["problem_id"], []).append(right() if row["graded"] == "C" else wrong("1"))
    found = measure(problems, 16, 16)
    assert (found["num_problems"], found["num_samples"]) == (45, 720)
    assert found["avg_at_16"] == pytest.approx(0.3111111111111111)
    assert found["pass_at_16"] == pytest.approx(0.5111111111111111)
    assert found["ci_low"] < found["avg_at_16"] < found["ci_high"]


@needs_data
def test_scores_of_qwen_math_on_a_hundred_problems_are_those_of_its_labels() -> None:
    exam = [judged(row["preds"], row["correct"]) for row in lines("qwen25math_math100x8.jsonl")]
    found = [measure(exam, 8, k) for k in (2, 4, 8)]
    assert found[0]["avg_at_8"] == pytest.approx(0.910)
    passed = [one[f"pass_at_{k}"] for k, one in zip((2, 4, 8), found, strict=True)]
    assert passed == pytest.approx([0.9329, 0.9510, 0.9600], abs=5e-5)
    # Taking the first answer in case of a tie gives 0.93. Four problems are tied, three of them with the right answer.
    majorities = table(exam)["majority_correct"].to_list()
    assert [majorities.count(value) for value in (0.5, 1.0)] == [3, 91]
    assert found[0]["maj_at_8"] == pytest.approx(0.925)


def test_an_exam_that_went_on_has_an_average_without_a_k_and_the_majority_of_its_first_samples() -> None:
    problems = [[right(), right(), wrong("5"), wrong("5"), wrong("5")], [wrong("5"), right(), right(), LOST, right()]]
    found = measure_open(problems, 2)
    assert found["avg"] == fmean([2 / 5, 3 / 4]) and not any(name.startswith("avg_at_") for name in found)
    assert found["maj_at_2"] == measure([rows[:2] for rows in problems], 2)["maj_at_2"] == fmean([1, 0.5])
    assert found["pass_at_1"] == found["avg"], "pass@k is estimated from all that were drawn"
    assert (found["samples_drawn"], found["num_samples"], found["unscored_share"]) == (5, 9, 0.1)


def test_an_exam_that_went_on_has_at_least_the_samples_of_the_protocol_and_one_that_did_not_exactly_those() -> None:
    problems = [[right()] * 3, [wrong("5")] * 3]
    assert measure_open(problems, 3)["avg"] == measure(problems, 3)["avg_at_3"] == 0.5
    with pytest.raises(ValueError, match="avg needs 4 samples a problem, not 3 to 3"):
        measure_open(problems, 4)
    with pytest.raises(ValueError, match="avg_at_2 needs 2 samples a problem, not 3 to 3"):
        measure(problems, 2)
    assert "samples_drawn" not in measure(problems, 3)
