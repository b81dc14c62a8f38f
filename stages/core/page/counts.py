"""How many problems, samples or rows a chart is made of, in words: a figure is worth as much as its n."""

from collections.abc import Mapping, Sequence

import polars as pl

from stages.core.page.gains import MEAN, Gain
from stages.core.scoring.results import Metrics, benchmarks


def exams(metrics: Metrics) -> str:
    """Problems and scored samples of each exam, as a range where the students' differ."""
    parts = []
    for name in benchmarks(metrics):
        numbers = [each[name] for each in metrics.values() if name in each]
        num_problems = _range([each["num_problems"] for each in numbers])
        a_problem = [each["num_samples"] / each["num_problems"] for each in numbers if each["num_problems"]]
        parts.append(f"{name} {num_problems} problems x {_range(a_problem)} samples")
    return f"Of each student: {', '.join(parts)}." if parts else "No exam has a scored answer."


def gains(found: Sequence[Gain]) -> str:
    """Problems that are compared, and for what a gain holds."""
    parts = [
        f"{each.after} over {each.before} {each.num_problems} problems, {each.num_samples:,} samples of both"
        for each in found
        if each.exam == MEAN
    ]
    if not parts:
        return "No two students to compare."
    return f"On the same problems, for these weights: {'; '.join(parts)}. Hollow: not resolved."


def of_each(numbers: Mapping[str, int], what: str) -> str:
    """`what` of each name, such as rows."""
    return f"{', '.join(f'{name} {number:,} {what}' for name, number in numbers.items())}." if numbers else "None."


def total(tables: Mapping[str, pl.DataFrame], column: str) -> dict[str, int]:
    """The sum of a column in each table."""
    return {name: int(table[column].sum()) for name, table in tables.items()}


def _range(numbers: Sequence[float]) -> str:
    least, most = (f"{each:,.1f}".removesuffix(".0") for each in (min(numbers, default=0), max(numbers, default=0)))
    return least if least == most else f"{least} to {most}"
