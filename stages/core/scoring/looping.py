"""Traces that repeat themselves."""

import polars as pl

from stages.core.scoring import scoring
from stages.core.text.repetition import repeated_share


def without_texts(texts: pl.DataFrame, max_repeated_share: float) -> pl.DataFrame:
    """`scoring.TRACES_IN` from `TEXTS_IN`: a trace loops where more than this share of it stood there before."""
    text = pl.concat_str("reasoning", "content", separator="\n", ignore_nulls=True)
    looping = [repeated_share(each) > max_repeated_share for each in texts.select(text).to_series()]
    return texts.with_columns(looping=pl.Series(looping, dtype=pl.Boolean())).select(list(scoring.TRACES_IN))
