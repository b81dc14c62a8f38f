"""Scoring: from verdicts to the scores of a student on a problem, and from those to the numbers of the result table.

Three levels are kept apart: a verdict a sample, scores a problem, metrics a benchmark. A sample without a verdict is
*unscored*, never wrong, and nothing is divided by samples that were not drawn.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.estimation.bootstrap import SCORE_PRIOR, Interval, bayesian_bootstrap
from stages.core.estimation.estimators import pass_at_k
from stages.core.scoring.scores import SCORES, SCORES_KEY
from stages.core.tables.answers import UNSCORED, VERDICT
from stages.core.tables.traces import STATUSES, UNANSWERED

_SAMPLE = {
    **dict.fromkeys(("model", "effort", "benchmark", "problem_id"), pl.String()),
    "sample": pl.Int16(),
}
VERDICTS_IN = pl.Schema(
    {
        **_SAMPLE,
        "verdict": pl.Enum(VERDICT),
        "answer": pl.String(),
        "answer_class": pl.String(),
        "before_cut": pl.Boolean(),
    }
)
_TRACE = {**_SAMPLE, "status": pl.Enum(STATUSES), "completion_tokens": pl.Int32()}
TEXTS_IN = pl.Schema({**_TRACE, "reasoning": pl.String(), "content": pl.String()})
TRACES_IN = pl.Schema({**_TRACE, "looping": pl.Boolean()})

_ANSWERED = pl.col("answer_class") != ""
"""Of rows in which a class that is missing is empty."""


def scores(verdicts: pl.DataFrame, traces: pl.DataFrame) -> pl.DataFrame:
    """The `SCORES` of every student on every problem, from `VERDICTS_IN` and `TRACES_IN` by sample.

    `num_samples` counts the scored samples; all others are `num_unscored`. Correct, truncated, unanswered and looping
    ones, and those with an answer before their cut, are counted among the scored.

    `majority_correct` is maj@k of one problem: among the classes of answers with the most votes, the share of right
    ones (1 or 0 without a tie, 0 when no sample has an answer, null when none was scored). The classes are those of
    `answer_class`, made before the gold was looked at; one is right if its most frequent answer is, of all scored
    samples (of equally frequent ones the shortest, then by code points). lm-evaluation-harness (`MajorityVoteFilter`)
    and lighteval (`MajAtK`) take the most frequent text after their normalisation, of tied ones the first, and compare
    that alone with the gold. avg@k and maj@k are of the
    first k scored samples, pass@k is estimated from all (`pass_at_k`).

    Raises:
        ValueError: a trace without its verdict or a verdict without its trace, or one that comes twice.
    """
    samples = joined(verdicts, traces).rename({"model": "student"}).with_columns(pl.col("answer_class").fill_null(""))
    tokens = pl.col("completion_tokens")
    counted = samples.group_by(SCORES_KEY).agg(
        num_samples=pl.col("scored").sum(),
        num_correct=pl.col("right").sum(),
        num_unscored=(~pl.col("scored")).sum(),
        num_truncated=(pl.col("scored") & (pl.col("status") == "length")).sum(),
        num_no_answer=(pl.col("scored") & (pl.col("verdict") == "no_answer")).sum(),
        num_before_cut=(pl.col("scored") & pl.col("before_cut")).sum(),
        num_looping=(pl.col("scored") & pl.col("looping")).sum(),
        mean_tokens=tokens.filter("scored").mean(),
        mean_tokens_correct=tokens.filter("right").mean(),
        mean_tokens_wrong=tokens.filter(pl.col("scored") & ~pl.col("right")).mean(),
    )
    table = counted.join(_curves(samples), on=SCORES_KEY, how="left", nulls_equal=True).with_columns(
        **{name: pl.col(name).fill_null(pl.lit([], pl.List(pl.Float64()))) for name in ("avg_at", "maj_at")},
        pass_at=pl.struct("num_samples", "num_correct").map_elements(_passes, pl.List(pl.Float64())),
    )
    majority = pl.col("maj_at").list.last()
    return table.with_columns(majority_correct=majority).select(list(SCORES)).cast(SCORES).sort(SCORES_KEY)


def joined(verdicts: pl.DataFrame, traces: pl.DataFrame) -> pl.DataFrame:
    """Every trace with its verdict, whether it is `scored`, and whether it is `right`.

    Raises:
        ValueError: as `scores`.
    """
    sample = list(_SAMPLE)
    samples = traces.select(list(TRACES_IN)).join(verdicts.select(list(VERDICTS_IN)), on=sample, nulls_equal=True)
    if not samples.height == samples.select(sample).n_unique() == traces.height == verdicts.height:
        raise ValueError(f"every trace needs exactly one verdict: {traces.height} traces, {verdicts.height} verdicts")
    scored = ~pl.col("status").is_in(UNANSWERED) & ~pl.col("verdict").is_in(UNSCORED)
    return samples.with_columns(scored=scored, right=scored & (pl.col("verdict") == "correct"))


def _curves(samples: pl.DataFrame) -> pl.DataFrame:
    """avg@k and maj@k of the problems that have a scored answer, for each k.

    After k samples `most` is the largest number of votes of a class. Every class with that number got its last vote in
    one of the rows since `most` was reached, so the number of such rows is the number of tied classes.
    """
    key, scored = SCORES_KEY, samples.filter("scored").sort(*SCORES_KEY, "sample")
    right = pl.col("right").cast(pl.Int32)
    is_tied = pl.col("votes") == pl.col("most")
    counted = (
        scored.join(_right_classes(scored), on=[*key, "answer_class"], how="left", nulls_equal=True)
        .sort(*key, "sample")
        .with_columns(votes=pl.when(_ANSWERED).then(right.cum_count().over(*key, "answer_class")).otherwise(0))
        .with_columns(
            k=right.cum_count().over(key), num_right=right.cum_sum().over(key), most=pl.col("votes").cum_max().over(key)
        )
        .with_columns(
            tied=is_tied.cast(pl.Int32).cum_sum().over(*key, "most"),
            tied_right=(is_tied & pl.col("class_right").fill_null(False)).cast(pl.Int32).cum_sum().over(*key, "most"),
        )
    )
    share = pl.when(pl.col("most") > 0).then(pl.col("tied_right") / pl.col("tied")).otherwise(0.0)
    return counted.group_by(key, maintain_order=True).agg(avg_at=pl.col("num_right") / pl.col("k"), maj_at=share)


def _right_classes(scored: pl.DataFrame) -> pl.DataFrame:
    """`class_right` of each class of answers to a problem: whether its most frequent answer is right."""
    group = [*SCORES_KEY, "answer_class"]
    spelled = scored.filter(_ANSWERED).group_by(*group, "answer").agg(pl.len(), pl.col("right").first())
    most_frequent = spelled.sort("len", pl.col("answer").str.len_chars(), "answer", descending=[True, False, False])
    return most_frequent.group_by(group).agg(class_right=pl.col("right").first())


def _passes(counts: Mapping[str, int]) -> list[float | None]:
    num_samples = counts["num_samples"]
    return [pass_at_k(num_samples, counts["num_correct"], k) for k in range(1, num_samples + 1)]


class Method(NamedTuple):
    """How scores become numbers.

    `num_samples` of each problem were drawn; or, where `is_open`, at least so many, until the interval was narrow.
    """

    num_samples: int
    pass_k: int
    num_resamples: int
    seed: int
    is_open: bool

    @property
    def average(self) -> str:
        """The key of the average."""
        return average_key(self.num_samples, self.is_open)

    @property
    def majority(self) -> str:
        """The key of the majority's average."""
        return f"maj_at_{self.num_samples}"


def average_key(num_samples: int, is_open: bool) -> str:
    """The key of the average in `metrics`: avg@k promises one k to every student and benchmark."""
    return "avg" if is_open else f"avg_at_{num_samples}"


def spoken(key: str) -> str:
    """The name of a metric for a reader: avg@16."""
    return key.replace("_at_", "@")


def metrics(table: pl.DataFrame, method: Method) -> dict[str, float]:
    """The numbers of one student on one benchmark, from its `SCORES`: finite ones only, absent where there is none.

    `method.average` is the mean over problems of the share of right samples, `ci_low` and `ci_high` its 95% interval,
    `method.majority` the mean of maj@k over the first `num_samples`, `mean_tokens` the mean over problems of the tokens
    of a sample, `mean_tokens_correct` and `mean_tokens_wrong` that of the right and the wrong ones. A problem without a
    scored sample is left out of these and of `num_problems`. `pass_at_{pass_k}` is absent as soon as any problem has
    fewer than `pass_k` scored samples: the rest would be another benchmark. Of the `num_samples` scored ones are
    `truncated_share`, `no_answer_share`, `before_cut_share` (cut off, with an answer before the cut) and
    `looping_share`; `unscored_share` is of those drawn, of which there were `samples_drawn` a problem (present where
    the method is open).

    Raises:
        ValueError: more than one student, effort or benchmark, or a problem for which other than `num_samples` were
            drawn (fewer, where the method is open), so that its key would be wrong.
    """
    only_one(table, ["student", "effort", "benchmark"])
    num_samples, pass_k = method.num_samples, method.pass_k
    table = table.sort("problem_id")
    drawn = (table["num_samples"] + table["num_unscored"]).to_list()
    if drawn and (min(drawn) < num_samples or (max(drawn) > num_samples and not method.is_open)):
        raise ValueError(f"{method.average} needs {num_samples} samples a problem, not {min(drawn)} to {max(drawn)}")
    scored = table.filter(pl.col("num_samples") > 0)
    total = int(scored["num_samples"].sum())
    numbers: dict[str, float] = {"num_problems": scored.height, "num_samples": total}
    if average := bayesian_bootstrap([shares(scored)], SCORE_PRIOR, method.num_resamples, method.seed):
        numbers |= {method.average: average.value, "ci_low": average.low, "ci_high": average.high}
        numbers[method.majority] = fmean(scored["maj_at"].list.head(num_samples).list.last())
        numbers["truncated_share"] = int(scored["num_truncated"].sum()) / total
        numbers["no_answer_share"] = int(scored["num_no_answer"].sum()) / total
        numbers["before_cut_share"] = int(scored["num_before_cut"].sum()) / total
        numbers["looping_share"] = int(scored["num_looping"].sum()) / total
    if drawn and method.is_open:
        numbers["samples_drawn"] = max(drawn)
    if drawn:
        numbers["unscored_share"] = int(table["num_unscored"].sum()) / sum(drawn)
    passed = [pass_at_k(n, c, pass_k) for n, c in table.select("num_samples", "num_correct").iter_rows()]
    estimates = [value for value in passed if value is not None]
    if estimates and len(estimates) == len(passed):
        numbers[f"pass_at_{pass_k}"] = fmean(estimates)
    for name in ("mean_tokens", "mean_tokens_correct", "mean_tokens_wrong"):
        if tokens := scored[name].drop_nulls().to_list():
            numbers[name] = fmean(tokens)
    return numbers


def summary(verdicts: pl.DataFrame, traces: pl.DataFrame, num_resamples: int, seed: int) -> dict[str, Any]:
    """The numbers of one student on one benchmark whose problems may have different numbers of samples.

    `avg` is the mean over problems of the share of right samples, with `ci_low` and `ci_high`. `pass_at` and `maj_at`
    have every k for which each problem has that many scored samples; maj@k is that of its first k. `problems` are the
    counts of each. Takes what `scores` takes.
    """
    table = scores(verdicts, traces)
    only_one(table, ["student", "effort", "benchmark"])
    scored = table.filter(pl.col("num_samples") > 0)
    numbers: dict[str, Any] = {"num_problems": scored.height, "num_samples": int(scored["num_samples"].sum())}
    if average := bayesian_bootstrap([shares(scored)], SCORE_PRIOR, num_resamples, seed):
        numbers |= {"avg": average.value, "ci_low": average.low, "ci_high": average.high}
    most = int(pl.select(table["num_samples"].min()).item() or 0)
    ks = range(1, most + 1)
    for name in ("pass_at", "maj_at"):
        numbers[name] = {str(k): fmean(table[name].list.get(k - 1)) for k in ks}
    drawn = int(table["num_unscored"].sum()) + int(table["num_samples"].sum())
    numbers["unscored_share"] = int(table["num_unscored"].sum()) / drawn if drawn else 0.0
    numbers["problems"] = {
        problem_id: {"num_samples": number, "num_correct": right, "num_unscored": unscored}
        for problem_id, number, right, unscored in table.select(
            "problem_id", "num_samples", "num_correct", "num_unscored"
        ).iter_rows()
    }
    return numbers


def mean_over_benchmarks(table: pl.DataFrame, num_resamples: int, seed: int) -> Interval | None:
    """The mean over benchmarks of one student's average, each benchmark weighing the same.

    Problems are resampled within their benchmark, for the choice of benchmarks is fixed. None when there is no
    benchmark, or one without a scored problem: the mean of the others would be the mean of something else.

    Raises:
        ValueError: more than one student or effort.
    """
    only_one(table, ["student", "effort"])
    parts = [shares(part.filter(pl.col("num_samples") > 0)) for part in by_benchmark(table)]
    return bayesian_bootstrap(parts, SCORE_PRIOR, num_resamples, seed)


def shares(table: pl.DataFrame, suffix: str = "") -> NDArray[np.float64]:
    """The share of right samples of each problem; every one must have a scored sample."""
    return (table[f"num_correct{suffix}"] / table[f"num_samples{suffix}"]).to_numpy().astype(np.float64)


def by_benchmark(table: pl.DataFrame) -> list[pl.DataFrame]:
    """Benchmark by benchmark, sorted, so that the resampling does not depend on the order of rows."""
    return table.sort("benchmark", "problem_id").partition_by("benchmark", maintain_order=True)


def only_one(table: pl.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table that has several values in these columns with a ValueError."""
    if table.select(columns).n_unique() > 1:
        raise ValueError(f"these scores must be of one {', one '.join(columns)}")
