"""Verdicts of the exams -> metrics, plots and the table of results, which is printed too.

python -m stages.report results --marks data/marks --exams data/exams --scores data/scores.parquet \
    --eval metrics/eval.json --summary metrics/summary.json --table metrics/results.md --plot metrics/plots/accuracy.csv
python -m stages.report trace 581570a1931beb0a     # the life of one problem
python -m stages.report compare main my-experiment  # what another revision does better, on the same problems
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from stages.core import scoring
from stages.core.intervals import Interval
from stages.edge import cli, lineage, params, revisions, tables, track
from stages.edge.errors import InputError

SHOWN = 5
"""Ids of problems gained or lost that are named."""
SHOWN_CHARS = 60

Metrics = dict[str, dict[str, dict[str, float]]]
"""student -> benchmark -> metric -> value."""


def results(args: argparse.Namespace) -> None:
    """Score every student, and the better effort of every baseline."""
    protocol = params.load(params.Protocol, "exam.protocol")
    settings = params.load(params.Report, "report")
    with track.stage("report", settings.model_dump()) as run:
        marks = tables.read(args.marks, scoring.MARKS_IN)
        traces = tables.read(args.exams, scoring.TRACES_IN)
        try:
            scores = scoring.scores(marks, traces)
            students = _students(scores, settings)
            metrics = {name: _metrics(table, protocol, settings) for name, table in students.items()}
            summary = _summary(students, settings)
        except ValueError as error:
            raise InputError(
                f"{args.exams} and {args.marks} cannot be scored: {error}; run `dvc repro`, which makes both anew"
            ) from error
        tables.write(scores, args.scores, scoring.SCORES, scoring.SCORES_KEY)
        cli.write_metrics(metrics, args.eval)
        cli.write_metrics(summary, args.summary)
        cli.write_csv(_bars(metrics, f"avg_at_{protocol.num_samples}"), args.plot)
        table = _table(metrics, summary, protocol, settings.published)
        args.table.write_text(table, encoding="utf-8")
        run.metrics(metrics)
        run.metrics(summary)
        for path in (args.eval, args.table):
            run.artifact(path)
    print(table)


def _students(scores: pl.DataFrame, settings: params.Report) -> dict[str, pl.DataFrame]:
    """Scores by student: base, turbo, final, then the baselines; of several efforts the better mean counts."""
    first = {"base": 0, "turbo": 1, "final": 2}
    names = sorted(scores["student"].unique(), key=lambda name: (first.get(name, len(first)), name))
    found = {}
    for name in names:
        efforts = scores.filter(pl.col("student") == name).partition_by("effort", maintain_order=True)
        found[name] = max(efforts, key=lambda table: _mean(table, settings).value)
    return found


def _metrics(table: pl.DataFrame, protocol: params.Protocol, settings: params.Report) -> dict[str, dict[str, float]]:
    """A student's numbers by benchmark."""
    return {
        part["benchmark"][0]: scoring.metrics(
            part, protocol.num_samples, protocol.pass_k, settings.num_resamples, settings.seed
        )
        for part in table.sort("benchmark").partition_by("benchmark", maintain_order=True)
    }


def _bars(metrics: Metrics, average: str) -> list[dict[str, object]]:
    """A row for each bar of the plot: benchmark by benchmark, in each the students in their order."""
    found = [
        (benchmark, {"exam": f"{benchmark}, {name}", "accuracy": numbers[average]})
        for name, benchmarks in metrics.items()
        for benchmark, numbers in benchmarks.items()
        if average in numbers
    ]
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _mean(table: pl.DataFrame, settings: params.Report) -> Interval:
    """The mean over benchmarks, or (0, 0, 1), which says nothing, where one of them has no scored answer."""
    found = scoring.mean_over_benchmarks(table, settings.num_resamples, settings.seed)
    return found or Interval(0.0, 0.0, 1.0)


def _summary(students: dict[str, pl.DataFrame], settings: params.Report) -> dict[str, dict[str, dict[str, float]]]:
    """Means over the benchmarks, and how much `final` is above each other student on the same problems."""
    means = {name: _named(_mean(table, settings)) for name, table in students.items()}
    differences = {}
    for name, table in students.items():
        if name != "final" and "final" in students:
            found = scoring.paired_difference(table, students["final"], settings.num_resamples, settings.seed)
            if found:
                differences[f"final_over_{name}"] = _named(found.interval) | _certainty(found)
    return {"mean": means, "difference": differences}


def _named(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}


def _certainty(found: scoring.Difference) -> dict[str, float]:
    """The probability that it is better, and what it would take to know, where that is not known."""
    needed = {"needed_problems": found.needed_problems, "needed_samples": found.needed_samples}
    return {"probability": found.probability, **{name: value for name, value in needed.items() if value is not None}}


def _gain(gain: Mapping[str, float]) -> str:
    interval = f"[{_points(gain['ci_low'])}, {_points(gain['ci_high'])}]"
    return f"{_points(gain['value'])} points {interval}, {_verdict(gain)}"


def _verdict(gain: Mapping[str, float]) -> str:
    """Resolved, or how sure it is and what it would take."""
    if gain["ci_low"] > 0 or gain["ci_high"] < 0:
        return "resolved"
    told = f"not resolved: better with probability {gain['probability']:.2f}"
    if "needed_problems" not in gain:
        return told
    samples = f", or {gain['needed_samples']:.0f} samples of each" if "needed_samples" in gain else ""
    return f"{told}; {gain['needed_problems']:.0f} problems{samples} would tell"


def _table(
    metrics: Metrics,
    summary: dict[str, dict[str, dict[str, float]]],
    protocol: params.Protocol,
    published: params.PublishedFigures,
) -> str:
    """The table of results in Markdown: avg@k with its 95% interval, pass@j, what others published, and the mean."""
    k, j = protocol.num_samples, protocol.pass_k
    benchmarks = list(dict.fromkeys(name for each in metrics.values() for name in each))
    known = [name for name in benchmarks if any(name in each for each in published.figures.values())]
    heads = ["student", *(f"{name} avg@{k} / pass@{j}" for name in benchmarks), "mean avg"]
    heads += [f"{name} published" for name in known]
    lines = [heads]
    for name, found in metrics.items():
        mean = summary["mean"][name]
        cells = [_cell(found.get(benchmark, {}), k, j) for benchmark in benchmarks]
        lines.append(
            [
                name,
                *cells,
                f"{_percent(mean['value'])} [{_percent(mean['ci_low'])}, {_percent(mean['ci_high'])}]",
                *(_figures(published.figures.get(name, {}).get(benchmark)) for benchmark in known),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = [[cell.ljust(width) for cell, width in zip(cells, widths, strict=True)] for cells in lines]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in padded)
    counts = {name: int(next(iter(metrics.values()))[name]["num_problems"]) for name in benchmarks}
    asked = ", ".join(f"{name} {count} problems x {k} samples" for name, count in counts.items())
    gains = [f"- {key.replace('_', ' ')}: {_gain(gain)}" for key, gain in summary["difference"].items()]
    told = f" Published: {published.source}." if known and published.source else ""
    note = f"Percent; in brackets 95% intervals over problems. {asked}.{told}"
    return "\n".join([table, "", note, "", "On the same problems, mean over the benchmarks:", "", *gains, ""])


def _figures(figures: tuple[float, float] | None) -> str:
    return "-" if figures is None else f"{figures[0]:.1f} / {figures[1]:.1f}"


def _cell(numbers: dict[str, float], k: int, j: int) -> str:
    if f"avg_at_{k}" not in numbers:
        return "unscored"
    passed = _percent(numbers[f"pass_at_{j}"]) if f"pass_at_{j}" in numbers else "-"
    return (
        f"{_percent(numbers[f'avg_at_{k}'])} [{_percent(numbers['ci_low'])}, {_percent(numbers['ci_high'])}] / {passed}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def trace(args: argparse.Namespace) -> None:
    """Show the life of a problem: source, copies, samples, votes, label, verdicts, rows or reasons."""
    print("\n".join(lineage.lines(Path.cwd(), args.problem_id)))


def compare(args: argparse.Namespace) -> None:
    """Show how much better the students of revision B are than A's, problems gained and lost, settings that differ."""
    settings = params.load(params.Report, "report")
    one, other = (revisions.load(Path.cwd(), name, "report", scoring.SCORES) for name in (args.a, args.b))
    before, after = (_students(each.table, settings) for each in (one, other))
    print(f"{args.b} against {args.a}, mean over the benchmarks, on the same problems:\n")
    for name in [name for name in before if name in after]:
        try:
            found = scoring.paired_difference(before[name], after[name], settings.num_resamples, settings.seed)
        except ValueError as error:
            raise InputError(f"{args.a} and {args.b} had other exams: {error}") from error
        if found is None:
            print(f"- {name}: unscored")
            continue
        gain = _named(found.interval) | _certainty(found)
        if before[name].drop("mean_tokens").equals(after[name].drop("mean_tokens")):
            print(f"- {name}: no difference")
            continue
        gained, lost = scoring.gained_and_lost(before[name], after[name])
        print(f"- {name}: {_gain(gain)}; {len(gained)} problems gained, {len(lost)} lost")
        for word, ids in (("gained", gained), ("lost", lost)):
            if ids:
                print(f"    {word} {', '.join(ids[:SHOWN])}{', ...' if len(ids) > SHOWN else ''}")
    print("\nsettings that differ:\n")
    for key, (left, right) in revisions.differing(one, other).items():
        print(f"- {key}: {_brief(left)} -> {_brief(right)}")


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


def main() -> None:
    """Dispatch to results, trace or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    command = verbs.add_parser("results", help=results.__doc__)
    command.set_defaults(verb=results)
    for option in ("marks", "exams", "scores", "eval", "summary", "table", "plot"):
        command.add_argument(f"--{option}", type=Path, required=True)
    command = verbs.add_parser("trace", help=trace.__doc__)
    command.set_defaults(verb=trace)
    command.add_argument("problem_id")
    command = verbs.add_parser("compare", help=compare.__doc__)
    command.set_defaults(verb=compare)
    for name in ("a", "b"):
        command.add_argument(name, help="commit, branch, experiment, or `workspace`")
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    cli.run(main, is_stage="results" in sys.argv)
