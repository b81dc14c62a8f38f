"""Curation: judged traces -> SFT rows and rejects, each reject with the first filter that took it."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import polars as pl

from stages.core import chat
from stages.core.judging import VERDICT
from stages.core.queries import STATUSES

REASONS = (
    "failed", "truncated", "no_answer", "unjudged", "incorrect", "malformed", "mixture", "too_long", "over_cap",
    "held_out",
)  # fmt: skip
"""Filters in the order in which they are asked: cheap before dear, the answer's faults before our choices."""
KEY = ["model", "effort", "problem_id", "sample"]
REJECTS = pl.Schema({**{name: chat.SFT[name] for name in KEY}, "reason": pl.Enum(REASONS)})
TRACES_IN = pl.Schema(
    {
        **{name: chat.SFT[name] for name in KEY},
        "reasoning": pl.String(),
        "content": pl.String(),
        "status": pl.Enum(STATUSES),
    }
)
VERDICTS_IN = pl.Schema({**{name: chat.SFT[name] for name in KEY}, "verdict": pl.Enum(VERDICT)})
PROBLEMS_IN = pl.Schema({"problem_id": pl.String(), "prompt": pl.String()})

Messages = list[dict[str, str]]


class Loss(NamedTuple):
    """A filter and the rows that it took."""

    reason: str
    num_rows: int


def curate(
    candidates: pl.DataFrame,
    *,
    mixture: Mapping[str, float],
    any_verdict: bool,
    max_tokens: int,
    max_per_problem: int,
    set_apart: Collection[str],
    seed: int,
    render: Callable[[str], Messages],
    count_tokens: Callable[[Messages], int],
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(sft, held_out, rejects) of candidates with the columns of traces and verdicts, and `prompt`.

    The rows of `held_out` are among the rejects.

    Args:
        candidates: one row a trace of the efforts in `mixture`.
        mixture: weight of each effort; the largest keeps every row, the others the share weight / largest.
        any_verdict: keep wrong and unjudged answers too (an ablation).
        max_tokens: longest row, in the student's tokens; longer ones are rejected, never cut.
        max_per_problem: rows of one problem and effort that may stay.
        set_apart: ids of the problems whose rows are held out: a student's loss on them is no memory.
        seed: of the order in which mixture and cap choose; it is an order by hash, so adding rows moves no other.
        render: from a problem's prompt to the messages that come before the answer.
        count_tokens: length of a whole conversation.
    """
    largest = max(mixture.values())
    faults = candidates.with_columns(
        reason=_fault(any_verdict),
        draw=pl.Series([_draw(seed, key) for key in candidates.select(KEY).iter_rows()], dtype=pl.Float64),
        keep_share=pl.col("effort").replace_strict({effort: w / largest for effort, w in mixture.items()}, default=0.0),
    ).with_columns(
        reason=pl.coalesce("reason", pl.when(pl.col("draw") >= pl.col("keep_share")).then(pl.lit("mixture")))
    )
    rows = [
        _row(row, render, count_tokens) if row["reason"] is None else (None, None)
        for row in faults.iter_rows(named=True)
    ]
    rendered = faults.with_columns(
        messages=pl.Series([messages for messages, _ in rows], dtype=chat.SFT["messages"]),
        num_tokens=pl.Series([length for _, length in rows], dtype=pl.Int32),
    ).with_columns(reason=pl.coalesce("reason", pl.when(pl.col("num_tokens") > max_tokens).then(pl.lit("too_long"))))
    place = pl.col("draw").rank("ordinal").over("model", "effort", "problem_id", pl.col("reason").is_null())
    over = pl.col("reason").is_null() & (place > max_per_problem)
    decided = rendered.with_columns(reason=pl.when(over).then(pl.lit("over_cap")).otherwise("reason"))
    apart = pl.col("reason").is_null() & pl.col("problem_id").is_in(list(set_apart))
    decided = decided.with_columns(reason=pl.when(apart).then(pl.lit("held_out")).otherwise("reason"))
    held_out = decided.filter(pl.col("reason") == "held_out").select(list(chat.SFT))
    sft = decided.filter(pl.col("reason").is_null()).select(list(chat.SFT))
    rejects = decided.filter(pl.col("reason").is_not_null()).select(list(REJECTS)).cast(REJECTS)
    return sft, held_out, rejects


def chosen(problem_ids: Iterable[str], num: int, seed: int) -> set[str]:
    """`num` problems to set apart, by hash: the same for every stage of a seed, whatever problems are added."""
    return set(sorted(problem_ids, key=lambda problem_id: _draw(seed, ("held out", problem_id)))[:num])


def _fault(any_verdict: bool) -> pl.Expr:
    """The answer's own fault, or null."""
    verdict, malformed = pl.col("verdict"), pl.struct("reasoning", "content").map_elements(
        lambda text: chat.is_malformed(text["reasoning"], text["content"]), return_dtype=pl.Boolean
    )  # fmt: skip
    wrong = pl.lit(not any_verdict)
    return (
        pl.when(pl.col("status").is_in(["refused", "failed"])).then(pl.lit("failed"))
        .when(pl.col("status") == "length").then(pl.lit("truncated"))
        .when(wrong & (verdict == "no_answer")).then(pl.lit("no_answer"))
        .when(wrong & (verdict == "incorrect")).then(pl.lit("incorrect"))
        .when(wrong & (verdict != "correct")).then(pl.lit("unjudged"))
        .when(malformed).then(pl.lit("malformed"))
    )  # fmt: skip


def _draw(seed: int, key: tuple[object, ...]) -> float:
    """A number in [0, 1) that depends on the seed and the row's key alone."""
    digest = hashlib.sha256(repr((seed, *key)).encode()).digest()
    # 48 bits are exact in a float; with more, the highest would round up to 1.
    return int.from_bytes(digest[:6], "big") / 2**48


def _row(
    row: Mapping[str, str], render: Callable[[str], Messages], count_tokens: Callable[[Messages], int]
) -> tuple[Messages, int]:
    answer = {"role": "assistant", "content": chat.assistant_text(row["reasoning"], row["content"])}
    messages = [*render(row["prompt"]), answer]
    return messages, count_tokens(messages)


def losses(rejects: pl.DataFrame) -> list[Loss]:
    """Rows that each filter took, in the order of the filters."""
    return [Loss(reason, rejects.filter(pl.col("reason") == reason).height) for reason in REASONS]
