"""The table of answers: each trace's text is read once, for voting, judging and scoring."""

import polars as pl

from stages.core.answers.conclusions import conclusion
from stages.core.answers.reading import NOTHING, read
from stages.core.tables.answers import ANSWERS
from stages.core.tables.traces import TRACES, TRACES_KEY

TRACES_IN = pl.Schema({name: TRACES[name] for name in (*TRACES_KEY, "content", "status")})


def read_answers(traces: pl.DataFrame, *, answer_before_cut: bool = False) -> pl.DataFrame:
    """`ANSWERS` of traces with the columns of `TRACES_IN`, in their order.

    A text that the limit of tokens cut off (status `length`) has no final answer: its last box may be a guess that the
    next sentence would have taken back (vllm PR #35230). It has one here only with `answer_before_cut`. Either way
    `before_cut` says where an answer stands before the cut.
    """
    is_cut = (traces["status"] == "length").to_list()
    found = [read(content) for content in traces["content"]]
    before_cut = [cut and each.answer is not None for cut, each in zip(is_cut, found, strict=True)]
    is_whole = [answer_before_cut or not cut for cut in is_cut]
    readings = [each if whole else NOTHING for each, whole in zip(found, is_whole, strict=True)]
    contents = [content if whole else None for content, whole in zip(traces["content"], is_whole, strict=True)]
    conclusions = [
        conclusion(content) if content and each.answer is None else None
        for content, each in zip(contents, readings, strict=True)
    ]
    return traces.with_columns(
        answer=pl.Series([each.answer for each in readings], dtype=pl.String),
        answer_key=pl.Series([each.key for each in readings], dtype=pl.String),
        extracted_by=pl.Series([each.rule for each in readings], dtype=ANSWERS["extracted_by"]),
        conclusion=pl.Series(conclusions, dtype=pl.String),
        before_cut=pl.Series(before_cut, dtype=pl.Boolean),
    ).select(list(ANSWERS))
