"""Counts of the rows of the sources, step by step."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from stages.core.problems.golds import is_yes_or_no
from stages.core.problems.intake import Intake

STEPS = (
    ("chosen", "num_filtered"),
    ("with a prompt", "num_empty"),
    ("said once", "num_repeated"),
    ("distinct", "num_duplicates"),
    ("in no exam", "num_contaminated"),
    ("gradable", "num_ungradable"),
)
"""Each step from a row to a problem, and the count of the rows that it removes."""
MANY_YES_OR_NO = 0.1
"""Share of a source's golds from which on it is flagged: every second guess is right on them."""


def metrics(
    taken: Mapping[str, Intake], unique: pl.DataFrame, dropped: pl.DataFrame, evidence: pl.DataFrame, kept: pl.DataFrame
) -> dict[str, Any]:
    """Counts of every step, together and `by_source`, of the reasons and of the rules by benchmark.

    `yes_or_no_share` is that of the source's kept golds which are Yes, No, True or False; 0 where none is kept.

    Args:
        taken: the problems of each source, by its name.
        unique: the problems without duplicates.
        dropped: `duplicates.DUPLICATES`.
        evidence: `contamination.EVIDENCE`.
        kept: the problems that are left.
    """
    seen = unique.join(evidence.filter(~pl.col("kept")), on="problem_id", how="semi")
    by_source = {
        name: {
            "num_rows": each.num_rows,
            "num_filtered": each.num_filtered,
            "num_empty": each.num_empty,
            "num_repeated": each.num_repeated,
            "num_duplicates": dropped.filter(source=name).height,
            "num_contaminated": seen.filter(source=name).height,
            "num_problems": kept.filter(source=name).height,
            "num_ungradable": kept.filter(pl.col("source") == name, ~pl.col("gradable")).height,
        }
        for name, each in taken.items()
    }
    totals = {name: sum(each[name] for each in by_source.values()) for name in next(iter(by_source.values()))}
    shares = {name: yes_or_no_share(kept.filter(source=name)) for name in by_source}
    contaminated: dict[str, dict[str, int]] = {}
    by_rule = evidence.group_by("rule", "benchmark").agg(pl.col("problem_id").n_unique()).sort("rule", "benchmark")
    for rule, benchmark, number in by_rule.iter_rows():
        contaminated.setdefault(rule, {})[benchmark] = number
    reasons = kept["ungradable_reason"].drop_nulls().value_counts().sort("ungradable_reason")
    return {
        **totals,
        "num_gold_conflicts": int(dropped["conflict"].sum()),
        "num_gold_in_prompt": int(kept["gold_in_prompt"].sum()),
        "num_kept_by_hand": evidence.filter("kept")["problem_id"].n_unique(),
        "ungradable": dict(reasons.iter_rows()),
        "contaminated": contaminated,
        "by_source": {name: {**counts, "yes_or_no_share": shares[name]} for name, counts in by_source.items()},
    }


def yes_or_no_share(problems: pl.DataFrame) -> float:
    """Share of the golds that are one of two words; `problems` has `gold`, which may be null."""
    golds = problems["gold"].drop_nulls()
    return round(sum(map(is_yes_or_no, golds)) / len(golds), 4) if len(golds) else 0.0


def flags(counts: Mapping[str, Any]) -> list[str]:
    """What a person should look at before paying for traces; `counts` are `metrics`."""
    return [
        f"source {name}: {each['yes_or_no_share']:.0%} of its golds are Yes or No, where every second guess is right; "
        "leave some out with `where`, or cap them with `balance: {by: gold, ...}` in curate"
        for name, each in counts["by_source"].items()
        if each["yes_or_no_share"] >= MANY_YES_OR_NO
    ]


def funnel(counts: Mapping[str, Any]) -> list[dict[str, object]]:
    """Rows left after each step, of all sources together, for a plot; `counts` are `metrics`."""
    left = counts["num_rows"]
    steps: list[dict[str, object]] = [{"step": "rows", "num_rows": left}]
    for step, lost in STEPS:
        left -= counts[lost]
        steps.append({"step": step, "num_rows": left})
    return steps
