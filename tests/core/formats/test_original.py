"""The rows of the original's files: read, written, and told what is wrong with them."""

import json
import os
from pathlib import Path
from typing import Any

import openai_harmony
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.formats import original
from stages.core.sampling import harmony
from stages.core.sampling.harmony import Turn

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real turns"
)
TURN = "<|channel|>analysis<|message|>Two and two.<|end|><|start|>assistant<|channel|>final<|message|>\\boxed{4}"


def row(**changed: Any) -> dict[str, Any]:
    asked = original.model_input("2+2?\nThink.", "medium")
    found = {"info": {"expected_answer": "4"}, "index": "pol:0_3", "model_input": asked, "model_output": asked + TURN}
    return {**found, "prompt": "2+2?", "answer": TURN, **changed}


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("pol:0_3", ("pol:0", 3)),
        ("open_math_7_12", ("open_math_7", 12)),
        ("open_math_x", ("open_math_x", 0)),
        ("7", ("7", 0)),
        (7, ("7", 0)),
        ("_3", ("_3", 0)),
    ],
)
def test_an_index_is_a_problem_and_a_sample_also_with_underscores(index: object, expected: tuple[str, int]) -> None:
    assert original.split_index(index) == expected


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"index": None}, "has no `index`"),
        ({"info": None}, "has no `info`"),
        ({"prompt": 7}, "has no `info`, `prompt`"),
        ({"answer": ["x"]}, "`answer` is no text"),
        ({"judge": "true"}, "`judge` neither true nor false"),
        ({"info": {"vote": {"4": "many"}}}, "`vote` holds no counts"),
    ],
)
def test_a_row_that_is_none_says_why(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        original.parse_answer(row(**changed))


def test_a_row_holds_what_was_asked_and_what_came() -> None:
    found = original.parse_answer(row(judge=True, info={"expected_answer": 4, "vote": {"4": 3}}))
    assert (found.problem, found.sample, found.expected, found.votes, found.judge) == ("pol:0", 3, "4", {"4": 3}, True)
    assert original.user_turn(found.model_input) == "2+2?\nThink."
    assert original.effort(found.model_input) == "medium"
    assert original.parse_answer(row(answer=None)).raw == TURN, (
        "the answer is what model_output has more than model_input"
    )
    assert original.parse_answer(row(answer=None, model_output=None)).raw is None


@pytest.mark.parametrize(
    ("raw", "turn"),
    [
        (TURN, Turn("Two and two.", "\\boxed{4}", 0)),
        ("<|start|>assistant" + TURN, Turn("Two and two.", "\\boxed{4}", 0)),
        ("<|channel|>final<|message|>4", Turn(None, "4", 0)),
        ("<|channel|>analysis<|message|>Two and", Turn("Two and", None, 0)),
        ("<|channel|>commentary<|message|>x<|end|>" + TURN, None),
        (TURN + "<|end|><|start|>assistant<|channel|>final<|message|>5", None),
        ("4", None),
        ("", None),
    ],
)
def test_a_turn_of_the_usual_shape_is_read_at_once_and_any_other_is_left_to_the_parser(
    raw: str, turn: Turn | None
) -> None:
    assert original.plain_turn(raw) == turn


TEXTS = st.none() | st.text(st.characters(codec="utf-8")).filter(lambda text: "<|" not in text and text != "")


@given(TEXTS, TEXTS)
def test_what_is_written_as_a_turn_is_read_again(reasoning: str | None, content: str | None) -> None:
    if reasoning is None and content is None:
        return
    assert original.plain_turn(original.raw_turn(reasoning, content)) == (reasoning, content, 0)


@pytest.mark.parametrize(
    ("text", "reasoning", "content", "status"),
    [
        ("It is 4.", None, "It is 4.", "stop"),
        ("<think>Two.</think>4", "Two.", "4", "stop"),
        ("<think>Two", "Two", None, "length"),
    ],
)
def test_a_model_without_harmony_thinks_in_tags(
    text: str, reasoning: str | None, content: str | None, status: str
) -> None:
    found = original.plain_answer(original.parse_answer(row(answer=text)))
    assert (found.reasoning, found.content, found.status) == (reasoning, content, status)


def test_a_vote_is_counted_from_the_row() -> None:
    prompt, vote = original.vote({"prompt": "2+2?", "expected_answer": "4", "vote": {"5": 2, "4": 2, "x": 1}})
    histogram = [{"answer": "4", "votes": 2}, {"answer": "5", "votes": 2}, {"answer": "x", "votes": 1}]
    assert (prompt, vote) == ("2+2?", (5, 5, "4", 2, 0.4, True, histogram, "4", "gold"))
    assert original.vote({"prompt": "2+2?", "vote": {}})[1] == (0, 0, None, 0, 0.0, False, [], None, "none")


@needs_data
def test_real_turns_of_gpt_oss_read_at_once_are_those_that_openai_harmony_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIKTOKEN_ENCODINGS_BASE", str(DATA / "tokenizers"))
    encoding = openai_harmony.load_harmony_encoding(openai_harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    num_plain = 0
    with (DATA / "gen/gptoss120b_raw_harmony.jsonl").open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            raw = json.loads(line)["completion_raw"].removesuffix("<|return|>")
            turn = original.plain_turn(raw)
            if turn is not None:
                num_plain += 1
                parsed = harmony.split(raw, encoding)
                assert (turn.content, turn.num_tool_calls) == (parsed.content, parsed.num_tool_calls)
                assert (turn.reasoning or "").strip() == (parsed.reasoning or "").strip()
    assert num_plain > 0
