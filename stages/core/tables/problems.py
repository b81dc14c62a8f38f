"""Problems to learn from, one row each."""

import polars as pl

UNGRADABLE = ("missing", "proof", "damaged", "choice", "unreadable")
"""No gold; a proof is asked for; the gold is cut off; a letter of choices that are not there; no judge can read it."""
PROBLEMS = pl.Schema(
    {
        "problem_id": pl.String(),
        "source": pl.String(),
        "source_id": pl.String(),
        "topic": pl.String(),
        "prompt": pl.String(),
        "gold": pl.String(),
        "gradable": pl.Boolean(),
        "ungradable_reason": pl.Enum(UNGRADABLE),
        "gold_in_prompt": pl.Boolean(),
        "difficulty": pl.Float32(),
    }
)
PROBLEMS_KEY = ["problem_id"]
