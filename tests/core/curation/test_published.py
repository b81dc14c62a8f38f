"""Rows of published SFT sets."""

import random

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from stages.core.curation import published


def turns(*texts: str) -> list[dict[str, str]]:
    roles = ["system", "user", "assistant"][-len(texts) :]
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]


def test_rows_are_numbered_by_their_answers_in_whatever_order_they_come() -> None:
    """Of equal answers the same one counts each time, though their system prompts differ."""
    rows = [turns(f"p{place % 3}", f"q{place % 4}", f"a{place % 5}") for place in range(60)]
    tables = []
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        found = pl.DataFrame([published.conversation(row) for row in rows], schema=published.ROWS, orient="row")
        tables.append(published.numbered(found, "some/set", None))
    assert tables[0].height == 20 and tables[0]["effort"].unique().to_list() == ["default"]
    assert tables[0].group_by("problem_id").agg(pl.col("sample").sort())["sample"].to_list() == [[0, 1, 2, 3, 4]] * 4
    for each in tables[1:]:
        assert_frame_equal(each, tables[0])


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (None, "is no list of messages"),
        (turns("q", "a")[:1], "is no list of messages"),
        ([{"role": "user", "content": None}] * 2, "is no list of messages"),
        ([*turns("q", "a"), *turns("q", "a")[:1]], "does not end in a user's question"),
    ],
)
def test_what_is_no_conversation_is_an_error(value: object, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        published.conversation(value)
