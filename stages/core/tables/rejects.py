"""Traces that became no row, with the reason."""

import polars as pl

from stages.core.tables.sft import SFT, SFT_KEY

REASONS = (
    "failed", "truncated", "no_answer", "unjudged", "incorrect",
    "empty", "unclosed", "control_token", "conflicting_boxes", "repetition", "language", "meta",
    "pass_rate", "mixture", "too_short", "too_long", "near_duplicate", "over_cap",
    "held_out", "balance", "target",
)  # fmt: skip
"""Filters in the order in which they run: cheap ones first, the answer's own flaws before our choices."""
REJECTS = pl.Schema({**{name: SFT[name] for name in SFT_KEY}, "reason": pl.Enum(REASONS)})
