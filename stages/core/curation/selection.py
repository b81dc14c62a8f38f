"""Selection: which of the remaining rows are kept, given those of other problems."""

from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import Literal, Protocol

import polars as pl

from stages.core.answers.keys import canonical
from stages.core.tables.rejects import REASONS


class Balance(Protocol):
    """The share of all rows that one source, one difficulty or one gold may have at most."""

    by: Literal["source", "difficulty", "gold"]
    max_share: float


class Target(Protocol):
    """Rows or tokens to aim for; None takes all."""

    num_rows: int | None
    num_tokens: int | None


def select(
    decisions: Iterable[pl.DataFrame],
    problems: pl.DataFrame,
    held_out: Collection[str],
    balance: Balance | None,
    target: Target,
) -> Iterator[pl.DataFrame]:
    """The decisions, in their order and pieces, with reasons for the rows that the selection rejects.

    Rows are taken in the order of the draw, and of the table where that is the same. `decisions` is gone through twice,
    and of the rows that are left only numbers are held. `problems` has the columns of `PROBLEMS_IN`; problems without a
    difficulty, or without a gold, are a class of their own, and all spellings of a gold are one. The rows of `held_out`
    problems are never trained on, so a student's loss on them measures no memorisation.
    """
    apart = pl.col("reason").is_null() & pl.col("problem_id").is_in(list(held_out))
    marked = pl.col("reason").is_null().alias("left")
    names = problems.select("problem_id", of=_class(problems, balance))
    classes = names.with_columns(of=pl.col("of").cast(pl.Enum(names["of"].unique().sort())))

    def pieces() -> Iterator[pl.DataFrame]:
        for piece in decisions:
            yield piece.with_columns(reason=_with_reason(apart, "held_out")).with_columns(marked)

    if balance is None and target.num_rows is None and target.num_tokens is None:
        yield from (piece.drop("left") for piece in pieces())
        return
    reasons = _selection_reasons(pl.concat(_left(piece, classes) for piece in pieces()), balance, target)
    start = 0
    for piece in pieces():
        places = piece["left"].arg_true()
        filled = piece["reason"].scatter(places, reasons.slice(start, places.len()))
        start += places.len()
        yield piece.drop("left").with_columns(filled)


def _class(problems: pl.DataFrame, balance: Balance | None) -> pl.Series:
    """Of each problem, the class whose share is limited."""
    if balance is None:
        return pl.repeat("all", problems.height, dtype=pl.String, eager=True)
    if balance.by == "gold":
        return pl.Series([gold and canonical(gold) for gold in problems["gold"]], dtype=pl.String).fill_null("none")
    return problems[balance.by].cast(pl.String).fill_null("none")


def _left(piece: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """(of, num_tokens, draw) of the rows that are left in a piece."""
    left = piece.filter("left").select("problem_id", "num_tokens", "draw")
    return left.join(classes, on="problem_id", how="left", maintain_order="left").drop("problem_id")


def _selection_reasons(left: pl.DataFrame, balance: Balance | None, target: Target) -> pl.Series:
    """Why each of the remaining rows is rejected now, or null."""
    rows = left.with_columns(reason=pl.lit(None, pl.Enum(REASONS)))
    if balance is not None:
        counts = dict(rows["of"].value_counts().iter_rows())
        most = _cap(list(counts.values()), balance.max_share)
        place = pl.col("draw").rank("ordinal").over("of")
        rows = rows.with_columns(reason=_with_reason(place > most, "balance"))
    if target.num_rows is not None or target.num_tokens is not None:
        rest = rows.with_row_index().filter(pl.col("reason").is_null()).sort("draw", maintain_order=True)
        is_over = pl.lit(value=False)
        if target.num_rows is not None:
            is_over |= pl.int_range(pl.len()) >= target.num_rows
        if target.num_tokens is not None:
            is_over |= pl.col("num_tokens").cast(pl.Int64).cum_sum() > target.num_tokens
        over = rest.filter(is_over)["index"]
        is_over = pl.int_range(pl.len(), dtype=pl.UInt32).is_in(over.implode())
        rows = rows.with_columns(reason=_with_reason(is_over, "target"))
    return rows["reason"]


def _with_reason(mask: pl.Expr, reason: str) -> pl.Expr:
    kind = pl.Enum(REASONS)
    return pl.when(mask).then(pl.lit(reason, kind)).otherwise(pl.col("reason").cast(kind))


def _cap(counts: list[int], max_share: float) -> int:
    """The most rows that a class may have so that none has more than `max_share` of what is left.

    With fewer classes than would allow that, each gets as many as the smallest. The share is the decimal number of the
    settings, not the binary one nearest to it: of 0.7 and 30 other rows, 70 may stay and not 69.
    """
    ordered, share = sorted(counts), Fraction(str(max_share))
    if not ordered or ordered[-1] <= share * sum(ordered):
        return ordered[-1] if ordered else 0
    for num_large in range(1, len(ordered)):
        rest = ordered[: len(ordered) - num_large]
        if num_large * share >= 1:
            break
        # Those at the cap c have num_large * c of sum(rest) + num_large * c rows.
        cap = floor(share * sum(rest) / (1 - num_large * share))
        if rest[-1] <= cap:
            return cap
    return ordered[0]
