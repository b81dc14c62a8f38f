"""Charts: Vega-Lite specifications of a run's results, by Altair. Each holds its data; the page sets the colours."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import altair as alt
import polars as pl

from stages.core.page.gains import Gain
from stages.core.scoring.results import Metrics, PublishedScores, is_resolved

Spec = dict[str, Any]


class Figure(NamedTuple):
    """A chart: its title, how many problems, samples or rows it is made of, and its specification."""

    title: str
    note: str
    spec: Spec


MAX_POINTS = 600
"""Of one curve; a longer one is thinned evenly."""
MAX_KS = 32
HEIGHT, EXAM_PIXELS, STEP_PIXELS = 260, 16, 20
_PERCENT = alt.Axis(format=".0%")


def accuracy(metrics: Metrics, average: str, published: PublishedScores) -> Spec:
    """Every student on every benchmark with its interval, and a diamond where others have published a figure."""
    rows = [
        {
            "student": name,
            "benchmark": benchmark,
            "accuracy": numbers[average],
            "low": numbers["ci_low"],
            "high": numbers["ci_high"],
            "published": _published(published, name, benchmark),
            "num_problems": numbers["num_problems"],
            "num_samples": numbers["num_samples"],
        }
        for name, benchmarks in metrics.items()
        for benchmark, numbers in benchmarks.items()
        if average in numbers
    ]
    base = alt.Chart(_frame(rows)).encode(
        y=alt.Y("student:N", sort=None, title=None), yOffset=alt.YOffset("benchmark:N"), color=alt.Color("benchmark:N")
    )
    x = alt.X("accuracy:Q", title="accuracy, with 95% interval", axis=_PERCENT, scale=alt.Scale(domain=[0, 1]))
    shares = [_as_percent(name) for name in ("accuracy", "low", "high", "published")]
    tooltip = ["student:N", "benchmark:N", *shares, "num_problems:Q", "num_samples:Q"]
    layers = [
        base.mark_rule(strokeWidth=3, opacity=0.5).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=70).encode(x=x, tooltip=tooltip),
    ]
    if any(row["published"] is not None for row in rows):
        diamonds = base.mark_point(shape="diamond", size=90, strokeWidth=2)
        layers.append(diamonds.encode(x="published:Q", tooltip=tooltip).transform_filter("isValid(datum.published)"))
    return _spec(alt.layer(*layers), height=EXAM_PIXELS * len(rows))


def _published(published: PublishedScores, student: str, benchmark: str) -> float | None:
    figures = published.figures.get(student, {}).get(benchmark)
    return None if figures is None else figures[0] / 100


def gains(found: Sequence[Gain]) -> Spec:
    """Each student over the one before it, by exam and as a mean, with intervals; hollow where not resolved."""
    rows = [
        {
            "stage": f"{gain.after} over {gain.before}",
            "exam": gain.exam,
            "gain": 100 * gain.numbers["value"],
            "low": 100 * gain.numbers["ci_low"],
            "high": 100 * gain.numbers["ci_high"],
            "resolved": "yes" if is_resolved(gain.numbers) else "no",
            "num_problems": gain.num_problems,
            "num_samples": gain.num_samples,
        }
        for gain in found
    ]
    exams = alt.Color("exam:N", sort=None)
    base = alt.Chart(_frame(rows)).encode(
        y=alt.Y("stage:N", sort=None, title=None), yOffset=alt.YOffset("exam:N", sort=None), color=exams
    )
    x = alt.X("gain:Q", title="points gained, with 95% interval", axis=alt.Axis(format="+d"))
    numbers = [alt.Tooltip(f"{name}:Q", format="+.1f") for name in ("gain", "low", "high")]
    tooltip = ["stage:N", "exam:N", *numbers, "resolved:N", "num_problems:Q", "num_samples:Q"]
    fill = alt.Fill("exam:N", sort=None, legend=None)
    filled = alt.condition("datum.resolved === 'yes'", alt.value(1), alt.value(0))
    layers = [
        alt.Chart(pl.DataFrame({"zero": [0]})).mark_rule(strokeDash=[4, 4]).encode(x="zero:Q"),
        base.mark_rule(strokeWidth=3, opacity=0.5).encode(x="low:Q", x2="high:Q"),
        base.mark_point(size=80, strokeWidth=2).encode(x=x, tooltip=tooltip, fill=fill, fillOpacity=filled),
    ]
    return _spec(alt.layer(*layers), height=max(80, EXAM_PIXELS * len(rows)))


def tokens(metrics: Metrics, average: str) -> Spec:
    """Accuracy against the tokens that an answer takes."""
    rows = [
        {
            "student": name,
            "benchmark": benchmark,
            "tokens": numbers["mean_tokens"],
            "accuracy": numbers[average],
        }
        for name, benchmarks in metrics.items()
        for benchmark, numbers in benchmarks.items()
        if average in numbers and "mean_tokens" in numbers
    ]
    chart = alt.Chart(_frame(rows)).mark_point(filled=True, size=90)
    return _spec(
        chart.encode(
            x=alt.X("tokens:Q", title="mean tokens of an answer", scale=alt.Scale(type="log", base=2, nice=True)),
            y=alt.Y("accuracy:Q", axis=_PERCENT, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("student:N", sort=None),
            shape="benchmark:N",
            tooltip=["student:N", "benchmark:N", alt.Tooltip("tokens:Q", format=",.0f"), _as_percent("accuracy")],
        )
    )


def by_k(scores: Mapping[str, pl.DataFrame]) -> Spec:
    """pass@k and maj@k of every student for each k, mean over problems and benchmarks.

    `scores` is a `scoring.SCORES` of each student. Problems without a scored sample are left out, and so is each k for
    which one of the others has too few.
    """
    rows = []
    for name, table in scores.items():
        scored = table.filter(pl.col("num_samples") > 0)
        for metric, shown in (("pass_at", "pass@k"), ("maj_at", "maj@k")):
            for k in _spread(int(pl.select(scored["num_samples"].min()).item() or 0)):
                means = scored.group_by("benchmark", maintain_order=True).agg(pl.col(metric).list.get(k - 1).mean())
                rows.append({"student": name, "metric": shown, "k": k, "share": means[metric].mean()})
    return _lines(_frame(rows), "k", "share", "student", dash="metric", percent=True, title="k, number of samples")


def budgets(rows: pl.DataFrame) -> Spec:
    """Accuracy within a budget of tokens, from the rows of `budgets.at_budgets`."""
    title = "tokens that an answer may take"
    return _lines(rows, "budget", "accuracy", "student", dash="benchmark", percent=True, log=True, title=title)


def votes(by_effort: Mapping[str, pl.DataFrame]) -> Spec:
    """How often the vote agrees with the gold, by the share of answers that it has."""
    rows = pl.concat([rows.with_columns(effort=pl.lit(effort)) for effort, rows in by_effort.items()])
    known = rows.filter(pl.col("accuracy").is_not_null())
    line = alt.Chart(known).encode(
        x=alt.X("bin:Q", title="share of the answers that agree", axis=_PERCENT, scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("accuracy:Q", title="agrees with the gold", axis=_PERCENT, scale=alt.Scale(domain=[0, 1])),
        color="effort:N",
    )
    sized = line.mark_point(filled=True, opacity=0.8).encode(
        size=alt.Size("num_problems:Q", title="problems", scale=alt.Scale(range=[20, 400])),
        tooltip=["effort:N", "num_problems:Q", _as_percent("bin"), _as_percent("accuracy")],
    )
    return _spec(alt.layer(line.mark_line(), sized))


def funnel(first: str, num_rows: int, losses: Mapping[str, int]) -> Spec:
    """What is left after each step of `num_rows` rows, named `first`, from the rows that each step takes away."""
    left = [num_rows, *(num_rows - taken for taken in accumulate(losses.values()))]
    rows = pl.DataFrame({"step": [first, *losses], "num_rows": left})
    bars = alt.Chart(rows).encode(x=alt.X("num_rows:Q", title="rows left"), y=alt.Y("step:N", sort=None, title=None))
    shown = bars.mark_bar().encode(tooltip=["step:N", alt.Tooltip("num_rows:Q", format=",")])
    labels = bars.mark_text(align="left", dx=4).encode(text=alt.Text("num_rows:Q", format=","))
    return _spec(alt.layer(shown, labels), height=STEP_PIXELS * rows.height)


def losses(by_stage: Mapping[str, pl.DataFrame]) -> Spec:
    """The loss of each stage by step, and that on rows held out, from logs with `step`, `loss` and `held_out_loss`."""
    tables = []
    for stage, log in by_stage.items():
        for name, kind in (("loss", "training"), ("held_out_loss", "held out")):
            rows = log.select("step", loss=pl.col(name).cast(pl.Float64)).filter(pl.col("loss").is_finite())
            tables.append(_thinned(rows).with_columns(stage=pl.lit(stage), rows=pl.lit(kind)))
    return _lines(pl.concat(tables), "step", "loss", "stage", dash="rows")


def lengths(by_stage: Mapping[str, pl.DataFrame]) -> Spec:
    """How long the rows of each SFT set are, from rows with `tokens` (where a bin begins) and `num_rows`."""
    rows = pl.concat([rows.with_columns(stage=pl.lit(stage)) for stage, rows in by_stage.items()])
    area = alt.Chart(rows).mark_area(opacity=0.5, interpolate="step-after", line=True)
    return _spec(
        area.encode(
            x=alt.X("tokens:Q", title="tokens of a row"),
            y=alt.Y("num_rows:Q", title="rows", stack=None),
            color=alt.Color("stage:N", sort=None),
            tooltip=["stage:N", "tokens:Q", "num_rows:Q"],
        )
    )


def _lines(
    rows: pl.DataFrame,
    x: str,
    y: str,
    colour: str,
    *,
    dash: str,
    percent: bool = False,
    log: bool = False,
    title: str = "",
) -> Spec:
    share = alt.Scale(domain=[0, 1]) if percent else alt.Scale()
    scale = alt.Scale(type="log", base=2) if log else alt.Scale(zero=False)
    points = rows.height <= MAX_POINTS
    return _spec(
        alt.Chart(rows)
        .mark_line(point=points, opacity=0.9)
        .encode(
            x=alt.X(f"{x}:Q", title=title or x, axis=alt.Axis(tickMinStep=1), scale=scale),
            y=alt.Y(f"{y}:Q", axis=_PERCENT if percent else alt.Axis(), scale=share),
            color=alt.Color(f"{colour}:N", sort=None),
            strokeDash=f"{dash}:N",
            tooltip=[f"{colour}:N", f"{dash}:N", f"{x}:Q", _as_percent(y) if percent else f"{y}:Q"],
        )
    )


def _spread(most: int) -> list[int]:
    """1 to `most`, or `MAX_KS` of these."""
    return sorted(
        {round(1 + place * (most - 1) / (MAX_KS - 1)) for place in range(MAX_KS)}
        if most > MAX_KS
        else range(1, most + 1)
    )


def _as_percent(name: str) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", format=".1%")


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(-(-rows.height // MAX_POINTS)) if rows.height > MAX_POINTS else rows


def _frame(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None)


def _spec(chart: Any, height: int = HEIGHT) -> Spec:  # noqa: ANN401 - Altair's kinds of chart
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    spec: Spec = chart.properties(width="container", height=height, autosize=fit).to_dict()
    return spec
