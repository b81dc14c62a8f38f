"""Traces to read on the page, with their verdicts, labels and use."""

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
"""`part` is the stage that sampled the trace, `set` the problem's source or benchmark, `label` its label after the
vote, and `fate` the trace's use in the SFT sets."""
EXCERPT_KEY = TRACES_KEY
