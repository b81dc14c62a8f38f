"""The answer that each trace gives, read out of its text once."""

import polars as pl

from stages.core.tables.traces import TRACES, TRACES_KEY

EXTRACTION_RULES = ("box", "stated", "none")
"""A box; a statement such as "the answer is"; neither."""
ANSWERS = pl.Schema(
    {
        **{name: TRACES[name] for name in (*TRACES_KEY, "status")},
        "answer": pl.String(),
        "answer_key": pl.String(),
        "extracted_by": pl.Enum(EXTRACTION_RULES),
        "conclusion": pl.String(),
    }
)
"""`answer_key` is the same for all spellings of an answer. `conclusion` is what the last sentence of a trace without an
answer comes to, and no answer. Each is null where there is none."""
ANSWERS_KEY = TRACES_KEY
