"""Rows of an SFT set that somebody published: what a row is, under which key, and what is decided on it.

They are judged already, so that of the rules only those on length and the random draw apply.
"""

import hashlib
import json
from typing import NamedTuple

import polars as pl

from stages.core.curation import filtering
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.text.identity import problem_id

ROWS = pl.Schema(
    {"problem_id": pl.String(), "answer_digest": pl.String(), "digest": pl.String(), "messages": SFT["messages"]}
)
DIGITS = 16
"""Hexadecimal digits of a digest."""


class Conversation(NamedTuple):
    """A row of `ROWS`: the problem of its last question, digests of the answer and of all, and the messages."""

    problem_id: str
    answer_digest: str
    digest: str
    messages: list[dict[str, str]]


def conversation(value: object) -> Conversation:
    """The row of what a data set holds.

    Raises:
        ValueError: it is no conversation that ends in an answer.
    """
    messages = value if isinstance(value, list) else []
    if len(messages) < 2 or not all(
        isinstance(each, dict) and isinstance(each.get("role"), str) and isinstance(each.get("content"), str)
        for each in messages
    ):
        raise ValueError("is no list of messages with role and content")
    if messages[-1]["role"] != "assistant" or messages[-2]["role"] != "user":
        raise ValueError("does not end in a user's question and an assistant's answer")
    kept = [{"role": each["role"], "content": each["content"]} for each in messages]
    question, answer = kept[-2]["content"], kept[-1]["content"]
    return Conversation(problem_id(question), _digest(answer), _digest(json.dumps(kept)), kept)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def numbered(rows: pl.DataFrame, dataset: str, config: str | None) -> pl.DataFrame:
    """`SFT` without the tokens, of all rows of some problems, given as `ROWS` in any order.

    The samples of a problem are numbered by their answers, and of equal answers one counts.
    """
    ordered = rows.sort("problem_id", "answer_digest", "digest")
    return ordered.unique(["problem_id", "answer_digest"], keep="first", maintain_order=True).select(
        model=pl.lit(dataset),
        effort=pl.lit(config or "default"),
        problem_id="problem_id",
        sample=pl.int_range(pl.len(), dtype=pl.Int16).over("problem_id"),
        messages="messages",
    )


def decisions(sft: pl.DataFrame, rules: filtering.Rules) -> pl.DataFrame:
    """`filtering.DECISIONS` on rows of `SFT`."""
    rows = [
        (*key, filtering.length_reason(length, rules.filters), length, filtering.draw(rules.seed, key))
        for *key_list, length in sft.select(*SFT_KEY, "num_tokens").iter_rows()
        for key in [tuple(key_list)]
    ]
    return pl.DataFrame(rows, schema=filtering.DECISIONS, orient="row")
