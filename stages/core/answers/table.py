"""The table of answers: each trace's text is read once, for voting, judging and scoring."""

import polars as pl

from stages.core.answers.extraction import conclusion
from stages.core.answers.reading import read
from stages.core.tables.answers import ANSWERS
from stages.core.tables.traces import TRACES, TRACES_KEY

TRACES_IN = pl.Schema({name: TRACES[name] for name in (*TRACES_KEY, "content", "status")})


def read_answers(traces: pl.DataFrame) -> pl.DataFrame:
    """`ANSWERS` of traces with the columns of `TRACES_IN`, in their order."""
    contents = traces["content"].to_list()
    readings = [read(content) for content in contents]
    conclusions = [
        conclusion(content) if content and each.answer is None else None
        for content, each in zip(contents, readings, strict=True)
    ]
    return traces.with_columns(
        answer=pl.Series([each.answer for each in readings], dtype=pl.String),
        answer_key=pl.Series([each.key for each in readings], dtype=pl.String),
        extracted_by=pl.Series([each.rule for each in readings], dtype=ANSWERS["extracted_by"]),
        conclusion=pl.Series(conclusions, dtype=pl.String),
    ).select(list(ANSWERS))
