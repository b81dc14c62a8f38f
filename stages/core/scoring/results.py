"""Results: the numbers of every student by benchmark, their differences, and the printed table."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from stages.core.estimation.bootstrap import Interval
from stages.core.scoring import differences, scoring
from stages.core.scoring.scoring import Method

Metrics = dict[str, dict[str, dict[str, float]]]
"""student -> benchmark -> metric -> value."""


class PublishedScores(Protocol):
    """Scores that others have published for the same exams."""

    source: str | None
    figures: dict[str, dict[str, tuple[float, float]]]
    """avg and pass in percent, by student and benchmark."""


def students(scores: pl.DataFrame, method: Method, order: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Scores by student, those of `order` first, then the others by name; of several efforts the better mean counts."""
    first = {name: place for place, name in enumerate(order)}
    names = sorted(scores["student"].unique(), key=lambda name: (first.get(name, len(first)), name))
    tables = {}
    for name in names:
        efforts = scores.filter(pl.col("student") == name).partition_by("effort", maintain_order=True)
        tables[name] = max(efforts, key=lambda table: mean.value if (mean := _mean(table, method)) else 0.0)
    return tables


def metrics(table: pl.DataFrame, method: Method) -> dict[str, dict[str, float]]:
    """A student's numbers by benchmark."""
    parts = table.sort("benchmark").partition_by("benchmark", maintain_order=True)
    return {part["benchmark"][0]: scoring.metrics(part, method) for part in parts}


def bars(metrics: Metrics, average: str) -> list[dict[str, object]]:
    """A row for each bar of the plot: benchmark by benchmark, in each the students in their order."""
    rows = [
        (benchmark, {"exam": f"{benchmark}, {name}", "accuracy": numbers[average]})
        for name, benchmarks in metrics.items()
        for benchmark, numbers in benchmarks.items()
        if average in numbers
    ]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _mean(table: pl.DataFrame, method: Method) -> Interval | None:
    """The mean over benchmarks; None where one of them has no scored answer."""
    return scoring.mean_over_benchmarks(table, method.num_resamples, method.seed)


def summary(scores: pl.DataFrame, tables: Mapping[str, pl.DataFrame], method: Method, order: Sequence[str]) -> Metrics:
    """Means over the benchmarks, and how much the last student is above each other one on the same problems.

    `tables` is the result of `students` on `scores`, and the last student the last of `order` that has scores: `final`,
    or whatever it is called. `effort` has the means of students with the teacher's prompt, by effort.
    """
    means = {name: _mean(table, method) for name, table in tables.items()}
    result: Metrics = {"mean": {name: _named(mean) for name, mean in means.items() if mean}, "difference": {}}
    asked_as_teacher = scores.filter(pl.col("effort").is_not_null()).sort("student", "effort")
    for (name, effort), table in asked_as_teacher.group_by("student", "effort", maintain_order=True):
        if mean := _mean(table, method):
            result.setdefault("effort", {}).setdefault(str(name), {})[str(effort)] = mean.value
    last = next((name for name in reversed(order) if name in tables), None)
    for name, table in tables.items():
        if last is not None and name != last:
            gain = difference(table, tables[last], method)
            if gain:
                result["difference"][f"{last}_over_{name}"] = gain
    return result


def difference(before: pl.DataFrame, after: pl.DataFrame, method: Method) -> dict[str, float] | None:
    """The paired difference with its interval, the probability that it is above zero, and what would resolve it.

    Raises:
        ValueError: as `differences.paired_difference`.
    """
    paired = differences.paired_difference(before, after, method.num_resamples, method.seed)
    if paired is None:
        return None
    needed = {"needed_problems": paired.needed_problems, "needed_samples": paired.needed_samples}
    known = {name: float(value) for name, value in needed.items() if value is not None}
    return _named(paired.interval) | {"probability": paired.probability} | known


def _named(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}


def gain(numbers: Mapping[str, float], *, over_seeds: bool = False) -> str:
    """A difference as text: points with their interval, whether it is resolved, and for what.

    Of one training each, a difference is about these weights: the same recipe trained with another seed has others.
    `over_seeds` is for an interval that covers that too.
    """
    interval = f"[{_points(numbers['ci_low'])}, {_points(numbers['ci_high'])}]"
    scope = "over training seeds" if over_seeds else "for these weights"
    return f"{_points(numbers['value'])} points {interval}, {_verdict(numbers, scope)}"


def is_resolved(numbers: Mapping[str, float]) -> bool:
    """Whether the interval of a difference leaves out zero."""
    return numbers["ci_low"] > 0 or numbers["ci_high"] < 0


def _verdict(numbers: Mapping[str, float], scope: str) -> str:
    """Whether a difference is resolved; if not, its probability and what would resolve it, where they are known."""
    if is_resolved(numbers):
        return f"resolved {scope}"
    if "probability" not in numbers:
        return f"not resolved {scope}"
    text = f"not resolved {scope}: better with probability {numbers['probability']:.2f}"
    if "needed_problems" not in numbers:
        return text
    samples = f", or {numbers['needed_samples']:.0f} samples of each" if "needed_samples" in numbers else ""
    return f"{text}; {numbers['needed_problems']:.0f} problems{samples} would tell"


def cells(
    metrics: Metrics, means: Metrics, method: Method, published: PublishedScores, marked: Sequence[str]
) -> list[list[str]]:
    """The table of results, its heads first: avg@k with its interval, pass@j, the mean, what others published.

    `means` is the result of `summary`; the names of students `marked` get an asterisk.
    """
    names = benchmarks(metrics)
    known = [name for name in names if any(name in each for each in published.figures.values())]
    average = scoring.spoken(method.average)
    number = ", samples" if method.is_open else ""
    heads = ["student", *(f"{name} {average} / pass@{method.pass_k}{number}" for name in names), "mean avg"]
    lines = [heads + [f"{name} published" for name in known]]
    for name, numbers in metrics.items():
        mean = means["mean"].get(name)
        lines.append(
            [
                f"{name} *" if name in marked else name,
                *(_cell(numbers.get(benchmark, {}), method) for benchmark in names),
                f"{_percent(mean['value'])} [{_percent(mean['ci_low'])}, {_percent(mean['ci_high'])}]"
                if mean
                else "unscored",
                *(_figures(published.figures.get(name, {}).get(benchmark)) for benchmark in known),
            ]
        )
    return lines


def benchmarks(metrics: Metrics) -> list[str]:
    """The benchmarks that any student sat."""
    return list(dict.fromkeys(name for each in metrics.values() for name in each))


def dates(exams: pl.DataFrame, sat: Sequence[str]) -> dict[str, tuple[str | None, bool | None]]:
    """(date, whether it is younger than all problems) of the exams that were sat, from `problems.BENCHMARKS`."""
    known = exams.select("benchmark", "published", "younger_than_sources").unique(maintain_order=True)
    return {
        name: (None if date is None else date.isoformat(), is_younger)
        for name, date, is_younger in known.iter_rows()
        if name in sat
    }


def notes(
    metrics: Metrics,
    method: Method,
    published: PublishedScores,
    exams: Mapping[str, tuple[str | None, bool | None]],
    *,
    answer_before_cut: bool,
) -> list[str]:
    """Notes on the whole table.

    Args:
        metrics: the table's numbers.
        method: how they were made.
        published: what stands beside them.
        exams: (date of publication, whether all problems to learn from are older, None where that is unknown) by
            benchmark.
        answer_before_cut: whether an answer before the cut of a text that was cut off counts.
    """
    lines = ["Percent; in brackets 95% intervals over problems."]
    counts = {name: max(int(each[name]["num_problems"]) for each in metrics.values() if name in each) for name in exams}
    narrowed = " or more, until the interval was narrow or more would not have helped" if method.is_open else ""
    each = f"{method.num_samples} samples{narrowed}"
    asked = [f"{name} {count} problems x {each}" for name, count in counts.items()]
    lines += [f"{', '.join(asked)}."] if asked else []
    lines += [_cut_note(metrics, list(counts), answer_before_cut)] if asked else []
    for student, numbers in metrics.items():
        scored = {name: int(numbers[name]["num_problems"]) for name in counts if name in numbers}
        fewer = [f"{number} of {name}" for name, number in scored.items() if number < counts[name]]
        lines += [f"{student} has scored answers to {', '.join(fewer)} only."] if fewer else []
    if published.source and any(name in each for each in published.figures.values() for name in exams):
        lines.append(f"Published: {published.source}.")
    for word, verdict in (("older", False), ("younger", True)):
        such = [f"{name} ({date})" for name, (date, is_younger) in exams.items() if is_younger is verdict]
        if such:
            than = "and may be among them" if word == "older" else "and cannot be among them"
            lines.append(f"{word.capitalize()} than the newest problems, {than}: {', '.join(such)}.")
    return lines


def cut_rule(answer_before_cut: bool) -> str:
    """What an answer before the cut is worth, as a sentence without its stop."""
    counts = "counts" if answer_before_cut else "does not count"
    return f"An answer that stands before the cut of a text that was cut off {counts}"


def _cut_note(metrics: Metrics, exams: Sequence[str], answer_before_cut: bool) -> str:
    """What an answer before the cut is worth, and the share of samples of each student that have one, where any has."""
    rule = cut_rule(answer_before_cut)
    shares = {
        student: [f"{_percent(share)} of {name}" for name in exams if (share := _before_cut(numbers, name))]
        for student, numbers in metrics.items()
    }
    listed = "; ".join(f"{student} {', '.join(each)}" for student, each in shares.items() if each)
    return f"{rule}: {listed}." if listed else f"{rule}."


def _before_cut(numbers: Mapping[str, Mapping[str, float]], benchmark: str) -> float:
    return numbers.get(benchmark, {}).get("before_cut_share", 0.0)


def footnotes(departures: Mapping[str, Mapping[str, object]], efforts: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Why the names of some students have an asterisk.

    `departures` has the settings in which a student's exam is not the protocol's, by student; `efforts` the means of
    those with the teacher's prompt, by name and effort.
    """
    lines = []
    for name, fields in departures.items():
        other = ", ".join(f"{key} {value}" for key, value in fields.items())
        lines.append(f"{name} was asked with {other}, not as the protocol says.")
    for name, means in efforts.items():
        listed = ", ".join(f"{effort} {_percent(mean)}" for effort, mean in means.items())
        better = f"; of the means at {listed} the better is shown" if len(means) > 1 else f", at {listed}"
        lines.append(f"{name} was asked as it teaches, with the teacher's prompt and examples{better}.")
    return lines


def markdown(
    lines: Sequence[Sequence[str]],
    notes: Sequence[str],
    footnotes: Sequence[str],
    gains: Mapping[str, Mapping[str, float]],
) -> str:
    """The table, the notes and the differences; columns are padded, so that it reads well in a terminal too."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [list(lines[0]), ["-" * width for width in widths], *map(list, lines[1:])]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    table = "\n".join("| " + " | ".join(row) + " |" for row in padded)
    listed = [f"- {key.replace('_', ' ')}: {gain(numbers)}" for key, numbers in gains.items()]
    head = ["On the same problems, mean over the benchmarks:", "", *listed, ""] if listed else []
    return "\n".join([table, "", " ".join(notes), "", *(f"\\* {each}\n" for each in footnotes), *head])


def _figures(figures: tuple[float, float] | None) -> str:
    return "-" if figures is None else f"{figures[0]:.1f} / {figures[1]:.1f}"


def _cell(numbers: Mapping[str, float], method: Method) -> str:
    average, passed = method.average, f"pass_at_{method.pass_k}"
    if average not in numbers:
        return "unscored"
    interval = f"[{_percent(numbers['ci_low'])}, {_percent(numbers['ci_high'])}]"
    one_right = _percent(numbers[passed]) if passed in numbers else "-"
    number = f", {numbers['samples_drawn']:.0f}" if method.is_open else ""
    return f"{_percent(numbers[average])} {interval} / {one_right}{number}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
