"""Selection: which of the rows that may stay are taken, weighed against those of other problems."""

from collections.abc import Collection
from typing import Literal, NamedTuple

import polars as pl

from stages.core.curation import KEY, REASONS


class Selection(NamedTuple):
    """What weighs the rows of different problems against each other."""

    set_apart: Collection[str]
    """Problems whose rows are held out: a student's loss on them is no memory."""
    balance: Literal["source", "difficulty"] | None
    max_share: float
    """Of all rows, that one source, or one difficulty, may have at most."""
    num_rows: int | None
    num_tokens: int | None
    """Rows or tokens to aim for; None takes all."""


def select(decisions: pl.DataFrame, problems: pl.DataFrame, selection: Selection) -> pl.DataFrame:
    """The decisions, in their order, with reasons for the rows that these choices take.

    Rows are taken in the order of the draw. `problems` has the columns of `PROBLEMS_IN`; problems without a difficulty
    are a class of their own.
    """
    apart = pl.col("reason").is_null() & pl.col("problem_id").is_in(list(selection.set_apart))
    found = decisions.with_columns(reason=_marked(apart, "held_out"))
    if selection.balance is not None:
        classes = problems.select("problem_id", of=pl.col(selection.balance).cast(pl.String).fill_null("none"))
        found = found.join(classes, on="problem_id", how="left", maintain_order="left")
        counts = dict(found.filter(pl.col("reason").is_null())["of"].value_counts().iter_rows())
        most = _cap(list(counts.values()), selection.max_share)
        place = pl.col("draw").rank("ordinal").over("of", pl.col("reason").is_null())
        found = found.with_columns(reason=_marked(pl.col("reason").is_null() & (place > most), "balance")).drop("of")
    if selection.num_rows is not None or selection.num_tokens is not None:
        left = found.with_row_index().filter(pl.col("reason").is_null()).sort("draw", *KEY, nulls_last=False)
        is_over = pl.lit(value=False)
        if selection.num_rows is not None:
            is_over |= pl.int_range(pl.len()) >= selection.num_rows
        if selection.num_tokens is not None:
            is_over |= pl.col("num_tokens").cast(pl.Int64).cum_sum() > selection.num_tokens
        over = left.filter(is_over)["index"]
        found = found.with_columns(
            reason=_marked(pl.int_range(pl.len(), dtype=pl.UInt32).is_in(over.implode()), "target")
        )
    return found


def _marked(mask: pl.Expr, reason: str) -> pl.Expr:
    kind = pl.Enum(REASONS)
    return pl.when(mask).then(pl.lit(reason, kind)).otherwise(pl.col("reason").cast(kind))


def _cap(counts: list[int], max_share: float) -> int:
    """The most rows that a class may have so that none has more than `max_share` of what is left.

    With fewer classes than would allow that, each gets as many as the smallest.
    """
    ordered = sorted(counts)
    if not ordered or ordered[-1] <= max_share * sum(ordered):
        return ordered[-1] if ordered else 0
    for num_large in range(1, len(ordered)):
        rest = ordered[: len(ordered) - num_large]
        if num_large * max_share >= 1:
            break
        # Those at the cap c have num_large * c of sum(rest) + num_large * c rows.
        cap = int(max_share * sum(rest) / (1 - num_large * max_share))
        if rest[-1] <= cap:
            return cap
    return ordered[0]
