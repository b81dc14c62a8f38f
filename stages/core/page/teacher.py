"""The teacher's traces to read, with their labels, and what became of them."""

from collections.abc import Mapping

import polars as pl

from stages.core.page.excerpt import rows
from stages.core.tables.answers import VERDICTS_KEY
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.votes import VOTES

KEPT = "row"

PROBLEMS_IN = pl.Schema({name: PROBLEMS[name] for name in ("problem_id", "source", "prompt", "gold")})
VOTES_IN = pl.Schema({name: VOTES[name] for name in ("problem_id", "label", "label_source")})
SFT_IN = pl.Schema({name: SFT[name] for name in SFT_KEY})


def outcomes(
    rejects: Mapping[str, pl.DataFrame], kept: Mapping[str, pl.DataFrame], as_kept: pl.Expr | None = None
) -> pl.DataFrame:
    """By the key of a trace, what each SFT set did with it: "turbo: row" (or `as_kept`), or the reason against it.

    `rejects` has `REJECTS` and `kept` `SFT_IN`, by stage.
    """
    reason = pl.col("reason").cast(pl.String)
    parts = [
        frame.select(*SFT_KEY, fate=pl.lit(f"{stage}: ") + each)
        for each, tables in ((reason, rejects), (pl.lit(KEPT) if as_kept is None else as_kept, kept))
        for stage, frame in tables.items()
    ]
    empty = pl.DataFrame(schema={**SFT_IN, "fate": pl.String()})
    return pl.concat([empty, *parts]).group_by(SFT_KEY).agg(pl.col("fate").sort().str.join("; "))


def teacher_excerpt(
    name: str,
    traces: pl.DataFrame,
    verdicts: pl.DataFrame,
    problems: pl.DataFrame,
    votes: pl.DataFrame,
    outcomes: pl.DataFrame,
) -> pl.DataFrame:
    """`EXCERPT` of the teacher's `TRACES_IN` at an effort or of a pool of this name, with the other `_IN` tables and
    `outcomes`."""
    is_own = pl.col("effort").eq_missing(name)
    return rows(
        pl.when(is_own).then(pl.lit(f"teach@{name}")).otherwise(pl.lit(f"pool@{name}")),
        traces.join(verdicts, on=VERDICTS_KEY, how="left", nulls_equal=True)
        .join(problems.rename({"source": "set"}), on="problem_id", how="left")
        .join(votes, on="problem_id", how="left")
        .join(outcomes, on=SFT_KEY, how="left", nulls_equal=True),
    )
