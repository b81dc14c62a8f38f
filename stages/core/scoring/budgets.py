"""Budgets: the score of a student with fewer tokens, computed from its answers with more."""

import polars as pl

from stages.core.estimation.bootstrap import SCORE_PRIOR, bayesian_bootstrap
from stages.core.scoring.scoring import by_benchmark, joined

NUM_HALVINGS = 6
BUDGETS = pl.Schema(
    {
        "student": pl.String(),
        "benchmark": pl.String(),
        "budget": pl.Int64(),
        **dict.fromkeys(("accuracy", "ci_low", "ci_high"), pl.Float64()),
    }
)
"""`budget` in tokens."""


def at_budgets(
    verdicts: pl.DataFrame, traces: pl.DataFrame, max_tokens: int, num_resamples: int, seed: int
) -> pl.DataFrame:
    """`BUDGETS`: the average of one student on each benchmark at its budget of tokens, at half of it, and so on.

    Takes the tables of `scoring.scores`. A smaller budget changes no token before its end, so a right answer within it
    stays right. A longer one counts as wrong: a score may be too low, where a sample stated its answer early, but never
    too high. Samples without a count of tokens are unscored here.
    """
    budgets = [budget for halvings in range(NUM_HALVINGS + 1) if (budget := max_tokens >> halvings)]
    scored = joined(verdicts, traces).filter("scored", pl.col("completion_tokens").is_not_null())
    rows: list[dict[str, object]] = []
    for part in by_benchmark(scored):
        for budget in reversed(budgets):
            within = pl.col("right") & (pl.col("completion_tokens") <= budget)
            shares = part.group_by("problem_id", maintain_order=True).agg(share=within.mean())["share"]
            average = bayesian_bootstrap([shares.to_numpy()], SCORE_PRIOR, num_resamples, seed)
            if average:
                named = {"accuracy": average.value, "ci_low": average.low, "ci_high": average.high}
                rows.append({"student": part["model"][0], "benchmark": part["benchmark"][0], "budget": budget} | named)
    return pl.DataFrame(rows, schema=BUDGETS)
