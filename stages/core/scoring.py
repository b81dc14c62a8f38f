"""Scoring: from verdicts to the scores of a student on a problem, and from those to the numbers of the result table.

Three levels are kept apart: a verdict a sample, scores a problem, metrics a benchmark. A sample without a verdict is
*unscored*, never wrong, and nothing is divided by samples that were not drawn.
"""

from collections.abc import Sequence
from math import ceil, comb
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.equivalence import canonical
from stages.core.intervals import DIFFERENCE_PRIOR, SCORE_PRIOR, Interval, bayesian_bootstrap, share_above_zero
from stages.core.judging import VERDICT
from stages.core.queries import STATUSES

SCORES = pl.Schema(
    {
        "student": pl.String(),
        "effort": pl.String(),
        "benchmark": pl.String(),
        "problem_id": pl.String(),
        **dict.fromkeys(("num_samples", "num_correct", "num_unscored", "num_truncated", "num_no_answer"), pl.Int32()),
        "majority_correct": pl.Float64(),
        "mean_tokens": pl.Float64(),
    }
)
SCORES_KEY = ["student", "effort", "benchmark", "problem_id"]
_SAMPLE = {
    **dict.fromkeys(("model", "effort", "benchmark", "problem_id"), pl.String()),
    "sample": pl.Int16(),
}
MARKS_IN = pl.Schema({**_SAMPLE, "answer": pl.String(), "verdict": pl.Enum(VERDICT)})
TRACES_IN = pl.Schema({**_SAMPLE, "status": pl.Enum(STATUSES), "completion_tokens": pl.Int32()})

UNANSWERED = ("refused", "failed")
"""Statuses of requests that no model answered."""
UNSCORED = ("no_label", "unscored")
"""Verdicts that say nothing about the answer. `timeout` is none of them: leaving out an answer that no judge can finish
would raise the score of a model that writes monstrous ones."""


def scores(marks: pl.DataFrame, traces: pl.DataFrame) -> pl.DataFrame:
    """The `SCORES` of every student on every problem, from `MARKS_IN` and `TRACES_IN` joined sample by sample.

    `num_samples` counts the scored samples; all others are `num_unscored`. Correct, truncated and unanswered ones are
    counted among the scored. `majority_correct` is maj@k of one problem: among the classes of answers with the most
    votes, the share of right ones (1 or 0 without a tie, 0 when no sample has an answer, null when none was scored).
    All answers judged correct are one class; the others fall into classes by their canonical key.

    Raises:
        ValueError: a trace without its mark or a mark without its trace, or one that comes twice.
    """
    sample = list(_SAMPLE)
    joined = traces.select(list(TRACES_IN)).join(marks.select(list(MARKS_IN)), on=sample, nulls_equal=True)
    if not joined.height == joined.select(sample).n_unique() == traces.height == marks.height:
        raise ValueError(f"every trace must have exactly one mark: {traces.height} traces, {marks.height} marks")
    keys = {answer: canonical(answer) for answer in joined["answer"].drop_nulls().unique().sort()}
    scored = ~pl.col("status").is_in(UNANSWERED) & ~pl.col("verdict").is_in(UNSCORED)
    samples = joined.rename({"model": "student"}).with_columns(
        scored=scored,
        right=scored & (pl.col("verdict") == "correct"),
        answer_class=pl.col("answer").replace_strict(keys, default="", return_dtype=pl.String),
    )
    counted = samples.group_by(SCORES_KEY).agg(
        num_samples=pl.col("scored").sum(),
        num_correct=pl.col("right").sum(),
        num_unscored=(~pl.col("scored")).sum(),
        num_truncated=(pl.col("scored") & (pl.col("status") == "length")).sum(),
        num_no_answer=(pl.col("scored") & (pl.col("verdict") == "no_answer")).sum(),
        mean_tokens=pl.col("completion_tokens").filter("scored").mean(),
    )
    majority = pl.when(pl.col("num_samples") > 0).then(pl.col("majority_correct").fill_null(0.0))
    with_majority = counted.join(_majorities(samples), on=SCORES_KEY, how="left", nulls_equal=True)
    return with_majority.with_columns(majority_correct=majority).select(list(SCORES)).cast(SCORES).sort(SCORES_KEY)


def _majorities(samples: pl.DataFrame) -> pl.DataFrame:
    """`majority_correct` of the problems that have a scored answer."""
    votes = (
        samples.filter(pl.col("right") | (pl.col("scored") & (pl.col("answer_class") != "")))
        .with_columns(answer_class=pl.when(~pl.col("right")).then("answer_class"))
        .group_by(*SCORES_KEY, "right", "answer_class")
        .agg(votes=pl.len())
    )
    top = votes.filter(pl.col("votes") == pl.col("votes").max().over(SCORES_KEY))
    return top.group_by(SCORES_KEY).agg(majority_correct=pl.col("right").mean())


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float | None:
    """The chance that at least one of k samples is right, drawn without replacement from those of one problem.

    The unbiased estimator 1 - C(n - c, k) / C(n, k) of Chen et al. (2021), "Evaluating Large Language Models Trained on
    Code"; None with fewer than k samples, from which it cannot be estimated.

    Raises:
        ValueError: k below 1, or not 0 <= num_correct <= num_samples.
    """
    if k < 1 or not 0 <= num_correct <= num_samples:
        raise ValueError(f"pass@k needs k >= 1 and 0 <= correct <= samples, not k={k}, {num_correct} of {num_samples}")
    if num_samples < k:
        return None
    return 1.0 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def metrics(table: pl.DataFrame, num_samples: int, pass_k: int, num_resamples: int, seed: int) -> dict[str, float]:
    """The numbers of one student on one benchmark, from its `SCORES`: finite ones only, absent where there is none.

    `avg_at_{num_samples}` is the mean over problems of the share of right samples, `ci_low` and `ci_high` its 95%
    interval, `maj_at_{num_samples}` the mean of `majority_correct`, `mean_tokens` the mean over problems of the tokens
    of a sample. A problem without a scored sample is left out of these and of `num_problems`. `pass_at_{pass_k}` is
    absent as soon as any problem has fewer than `pass_k` scored samples: the rest would be another benchmark.
    `truncated_share` and `no_answer_share` are of the `num_samples` scored ones, `unscored_share` is of those drawn.

    Raises:
        ValueError: more than one student, effort or benchmark, or a problem for which not exactly `num_samples` were
            drawn, so that the metric would not be what its key says.
    """
    _only_one(table, ["student", "effort", "benchmark"])
    table = table.sort("problem_id")
    drawn = (table["num_samples"] + table["num_unscored"]).to_list()
    if set(drawn) - {num_samples}:
        raise ValueError(
            f"avg_at_{num_samples} needs {num_samples} samples a problem, not {min(drawn)} to {max(drawn)}"
        )
    scored = table.filter(pl.col("num_samples") > 0)
    total = int(scored["num_samples"].sum())
    found: dict[str, float] = {"num_problems": scored.height, "num_samples": total}
    if average := bayesian_bootstrap([_shares(scored)], SCORE_PRIOR, num_resamples, seed):
        found |= {f"avg_at_{num_samples}": average.value, "ci_low": average.low, "ci_high": average.high}
        found[f"maj_at_{num_samples}"] = fmean(scored["majority_correct"])
        found["truncated_share"] = int(scored["num_truncated"].sum()) / total
        found["no_answer_share"] = int(scored["num_no_answer"].sum()) / total
    if drawn:
        found["unscored_share"] = int(table["num_unscored"].sum()) / sum(drawn)
    passed = [pass_at_k(n, c, pass_k) for n, c in table.select("num_samples", "num_correct").iter_rows()]
    estimates = [value for value in passed if value is not None]
    if estimates and len(estimates) == len(passed):
        found[f"pass_at_{pass_k}"] = fmean(estimates)
    if tokens := scored["mean_tokens"].drop_nulls().to_list():
        found["mean_tokens"] = fmean(tokens)
    return found


def summary(marks: pl.DataFrame, traces: pl.DataFrame, num_resamples: int, seed: int) -> dict[str, Any]:
    """The numbers of one student on one benchmark whose problems may have different numbers of samples.

    `avg` is the mean over problems of the share of right samples, with `ci_low` and `ci_high`. `pass_at` and `maj_at`
    have every k for which each problem has that many scored samples; maj@k is that of its first k. `problems` are the
    counts of each. Takes what `scores` takes.
    """
    table = scores(marks, traces)
    _only_one(table, ["student", "effort", "benchmark"])
    scored = table.filter(pl.col("num_samples") > 0)
    found: dict[str, Any] = {"num_problems": scored.height, "num_samples": int(scored["num_samples"].sum())}
    if average := bayesian_bootstrap([_shares(scored)], SCORE_PRIOR, num_resamples, seed):
        found |= {"avg": average.value, "ci_low": average.low, "ci_high": average.high}
    most = int(pl.select(table["num_samples"].min()).item() or 0)
    counts = list(table.select("num_samples", "num_correct").iter_rows())
    ks = range(1, most + 1)
    found["pass_at"] = {str(k): fmean(pass_at_k(n, c, k) or 0.0 for n, c in counts) for k in ks}
    found["maj_at"] = {str(k): fmean(_first(k, marks, traces)["majority_correct"]) for k in ks}
    drawn = int(table["num_unscored"].sum()) + int(table["num_samples"].sum())
    found["unscored_share"] = int(table["num_unscored"].sum()) / drawn if drawn else 0.0
    found["problems"] = {
        problem_id: {"num_samples": number, "num_correct": right, "num_unscored": unscored}
        for problem_id, number, right, unscored in table.select(
            "problem_id", "num_samples", "num_correct", "num_unscored"
        ).iter_rows()
    }
    return found


def _first(k: int, marks: pl.DataFrame, traces: pl.DataFrame) -> pl.DataFrame:
    """The scores of the first k scored samples of each problem."""
    sample = list(_SAMPLE)
    is_scored = ~pl.col("status").is_in(UNANSWERED) & ~pl.col("verdict").is_in(UNSCORED)
    joined = traces.join(marks.select(*sample, "verdict"), on=sample, nulls_equal=True).filter(is_scored)
    kept = joined.filter(pl.col("sample").rank("ordinal").over("problem_id") <= k).select(sample)
    return scores(*(each.join(kept, on=sample, how="semi", nulls_equal=True) for each in (marks, traces)))


def mean_over_benchmarks(table: pl.DataFrame, num_resamples: int, seed: int) -> Interval | None:
    """The mean over benchmarks of one student's average, each benchmark weighing the same.

    Problems are resampled within their benchmark, for the choice of benchmarks is fixed. None when there is no
    benchmark, or one without a scored problem: the mean of the others would be the mean of something else.

    Raises:
        ValueError: more than one student or effort.
    """
    _only_one(table, ["student", "effort"])
    shares = [_shares(part.filter(pl.col("num_samples") > 0)) for part in _by_benchmark(table)]
    return bayesian_bootstrap(shares, SCORE_PRIOR, num_resamples, seed)


class Difference(NamedTuple):
    """How much one student is above another on the same problems, and what it would take to be sure.

    `probability` is that of its being above zero. `needed_problems` and `needed_samples` are None where the interval
    leaves out zero; `needed_samples`, of each problem, also where no number of samples of these problems would do.
    """

    interval: Interval
    probability: float
    needed_problems: int | None
    needed_samples: int | None

    @property
    def is_resolved(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval.low > 0 or self.interval.high < 0


def paired_difference(first: pl.DataFrame, second: pl.DataFrame, num_resamples: int, seed: int) -> Difference | None:
    """How much the second student is above the first on the same problems, as a mean over benchmarks.

    Pairing takes the difficulty of the problems, most of the variance, out of the interval. A problem that is unscored
    for either is left out for both; None when a benchmark keeps none.

    Raises:
        ValueError: more than one student or effort in a table, or tables of different problems.
    """
    for table in (first, second):
        _only_one(table, ["student", "effort"])
    both = first.join(second, on=["benchmark", "problem_id"], nulls_equal=True, suffix="_second")
    if not both.height == first.height == second.height:
        shared = f"{both.height} of {first.height} and {second.height}"
        raise ValueError(f"a paired difference needs the same problems, and these share {shared}")
    kept = (pl.col("num_samples") > 0) & (pl.col("num_samples_second") > 0)
    parts = [part.filter(kept) for part in _by_benchmark(both)]
    differences = [_shares(part, "_second") - _shares(part) for part in parts]
    found = bayesian_bootstrap(differences, DIFFERENCE_PRIOR, num_resamples, seed)
    above = share_above_zero(differences, DIFFERENCE_PRIOR, num_resamples, seed)
    if found is None or above is None:
        return None
    return Difference(found, above, *_needed(found, parts, differences))


def gained_and_lost(first: pl.DataFrame, second: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Problems that the second student solves more often than not and the first does not, and the other way round."""
    both = first.join(second, on=["benchmark", "problem_id"], nulls_equal=True, suffix="_second").sort("problem_id")
    before, after = (pl.col(f"num_correct{name}") * 2 > pl.col(f"num_samples{name}") for name in ("", "_second"))
    return both.filter(~before & after)["problem_id"].to_list(), both.filter(before & ~after)["problem_id"].to_list()


def _needed(
    found: Interval, parts: Sequence[pl.DataFrame], differences: Sequence[NDArray[np.float64]]
) -> tuple[int | None, int | None]:
    """(problems, samples of each) with which the interval of this difference would leave out zero.

    Its width goes with the root of the variance, which is that among problems plus that of the samples, p (1 - p) / k.
    """
    distance = abs(found.value)
    width = found.value - found.low if found.value > 0 else found.high - found.value
    if width < distance or not distance:
        return None, None
    num_problems = sum(part.height for part in parts)
    squared = (width / distance) ** 2
    total = sum(float(np.var(each)) / len(each) for each in differences)
    sampled = sum(
        float(np.mean([_sampling_variance(part, name).mean() for name in ("", "_second")])) * 2 / part.height
        for part in parts
    )
    share = min(1.0, sampled / total) if total else 0.0
    room = 1 - squared * (1 - share)
    most = max(int(pl.select(part["num_samples"].max()).item()) for part in parts)
    return ceil(num_problems * squared), ceil(most * share * squared / room) if room > 0 else None


def _sampling_variance(part: pl.DataFrame, suffix: str) -> NDArray[np.float64]:
    """The variance of each problem's share of right samples from drawing them, unbiased: p (1 - p)/(k - 1)."""
    shares, counts = _shares(part, suffix), part[f"num_samples{suffix}"].to_numpy()
    return np.asarray(shares * (1 - shares) / np.maximum(1, counts - 1), dtype=np.float64)


def _shares(table: pl.DataFrame, suffix: str = "") -> NDArray[np.float64]:
    """The share of right samples of each problem; every one must have a scored sample."""
    return (table[f"num_correct{suffix}"] / table[f"num_samples{suffix}"]).to_numpy().astype(np.float64)


def _by_benchmark(table: pl.DataFrame) -> list[pl.DataFrame]:
    """Benchmark by benchmark in an order that the rows' does not touch, for the resampling must not depend on it."""
    return table.sort("benchmark", "problem_id").partition_by("benchmark", maintain_order=True)


def _only_one(table: pl.DataFrame, columns: Sequence[str]) -> None:
    if table.select(columns).n_unique() > 1:
        raise ValueError(f"these scores must be of one {', one '.join(columns)}")
