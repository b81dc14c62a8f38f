"""Warnings about the results, and the tables of rows that were left out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stages.core.scoring.results import Metrics, is_resolved

LOOPS = 0.01
"""Share of looping answers above which a student gets a warning."""


class Table(NamedTuple):
    """A small table; the first cell of a row names it."""

    title: str
    heads: list[str]
    rows: list[list[str]]


COLLECTED = ("filtered", "empty", "repeated", "duplicates", "contaminated", "ungradable")
"""What `collect` leaves out, in its order, as `num_NAME`."""


def collect_losses(collected: Mapping[str, Any]) -> dict[str, int]:
    """Rows that each step of `collect` leaves out."""
    return {f"without {name}": collected[f"num_{name}"] for name in COLLECTED}


def curate_losses(curated: Mapping[str, Any]) -> dict[str, int]:
    """Traces that each filter of `curate` leaves out; all are listed, so that the stages' funnels line up."""
    return {f"not {reason}": number for reason, number in curated["rejected"].items()}


def funnels(collected: Mapping[str, Any], curated: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """What `collect` and `curate` left out, by source, from their metrics; the latter by stage."""
    *dropped, ungradable = COLLECTED
    steps = ("rows", *dropped, "problems", ungradable)
    keys = {step: f"num_{step}" for step in steps if f"num_{step}" in collected}
    tables = [_funnel("Problems", keys, collected)]
    for stage, metrics in curated.items():
        reasons = {reason: reason for reason, number in metrics["rejected"].items() if number}
        keys = {"traces": "num_traces", **reasons, "rows to learn from": "num_rows"}
        tables.append(_funnel(f"SFT set of {stage}", keys, metrics))
    return tables


def _funnel(title: str, keys: Mapping[str, str], metrics: Mapping[str, Any]) -> Table:
    """A row for each of `keys`, by its name, of all sources together and of each."""
    counts = [{**each, **each.get("rejected", {})} for each in (metrics, *metrics["by_source"].values())]
    rows = [[name, *(_count(each.get(key, 0)) for each in counts)] for name, key in keys.items()]
    return Table(title, ["", "all", *metrics["by_source"]], rows)


def _count(number: int) -> str:
    return f"{number:,}"


def warnings(
    results: Metrics,
    gains: Mapping[str, Mapping[str, float]],
    judged: Mapping[str, Mapping[str, float]],
    collected: Mapping[str, Any],
    older: Sequence[str],
) -> list[str]:
    """Warnings about numbers that are less certain or comparable than they look.

    Args:
        results: numbers by student and benchmark.
        gains: differences by name.
        judged: metrics of `judge` by effort.
        collected: metrics of `collect`.
        older: exams that are older than the newest problems.
    """
    messages = [
        f"teacher, effort {effort}: a right answer is there in {_count(int(number))} traces but was not extracted."
        for effort, metrics in judged.items()
        if (number := metrics.get("num_right_but_not_extracted", 0))
    ]
    for name, benchmarks in results.items():
        for benchmark, numbers in benchmarks.items():
            for key, most, what in (
                ("truncated_share", 0.0, "hit the limit of tokens"),
                ("looping_share", LOOPS, "go round in circles"),
                ("unscored_share", 0.0, "are unscored: no model answered, or no gold can judge them"),
            ):
                if numbers.get(key, 0.0) > most:
                    messages.append(f"{name}, {benchmark}: {100 * numbers[key]:.1f}% of the answers {what}.")
    messages += [f"{name} is older than the newest problems: its questions may be known." for name in older]
    messages += [
        f"{name.replace('_', ' ')}: not resolved, these exams are too small to tell."
        for name, gain in gains.items()
        if not is_resolved(gain)
    ]
    for key, what in (
        ("num_gold_conflicts", "problems whose copies have other golds"),
        ("num_gold_in_prompt", "problems whose gold stands in their text"),
        ("num_ungradable", "problems whose gold no judge can use"),
    ):
        if collected.get(key):
            messages.append(f"There are {_count(collected[key])} {what}.")
    return messages
