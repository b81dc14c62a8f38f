"""Counts of what collect took, and what it warns of."""

import polars as pl
import pytest

from stages.core.problems import collection, contamination, duplicates
from stages.core.problems.intake import Columns, take
from stages.core.tables.benchmarks import BENCHMARKS
from tests.rules import decontamination


def collected(**golds: list[str | None]) -> dict[str, object]:
    """The metrics of sources with these golds."""
    taken = {
        name: take(
            name,
            [("line", {"q": f"{name} problem {number}?", "a": gold}) for number, gold in enumerate(given)],
            Columns("q", "a"),
            {},
        )
        for name, given in golds.items()
    }
    unique, dropped = duplicates.drop(pl.concat([each.problems for each in taken.values()]), None)
    evidence = contamination.evidence(unique, pl.DataFrame(schema=BENCHMARKS), decontamination())
    return collection.metrics(taken, unique, dropped, evidence, unique)


def test_the_share_of_yes_and_no_is_counted_by_source_and_many_are_flagged() -> None:
    found = collected(
        words=["Yes", r"\text{no}", "5", "6", None],
        numbers=["1", "2", *map(str, range(10, 28)), "No"],
        empty=[None, "N/A"],
    )
    by_source = found["by_source"]
    assert isinstance(by_source, dict)
    shares = {name: each["yes_or_no_share"] for name, each in by_source.items()}
    assert shares == {"words": 0.5, "numbers": pytest.approx(1 / 21, abs=1e-4), "empty": 0.0}
    (flag,) = collection.flags(found)
    assert flag.startswith("source words: 50% of its golds are Yes or No") and "`where`" in flag and "`balance" in flag
