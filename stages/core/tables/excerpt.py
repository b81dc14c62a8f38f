"""Traces to read on the page, with all that became of them."""

import polars as pl

from stages.core.tables.answers import VERDICTS
from stages.core.tables.traces import TRACES, TRACES_KEY

TRACE_COLUMNS = (*TRACES_KEY, "reasoning", "content", "status", "completion_tokens")
VERDICT_COLUMNS = ("answer", "extracted_by", "verdict", "decided_by")
EXCERPT = pl.Schema(
    {
        "part": pl.String(),
        **{name: TRACES[name] for name in TRACE_COLUMNS},
        **{name: VERDICTS[name] for name in VERDICT_COLUMNS},
        **dict.fromkeys(("set", "prompt", "gold", "label", "label_source", "fate"), pl.String()),
    }
)
"""`part` is the stage that asked for the trace, `set` the problem's source or benchmark, `label` what the vote made of
its gold, and `fate` what the SFT sets did with it."""
EXCERPT_KEY = TRACES_KEY
