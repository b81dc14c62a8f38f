"""Raw harmony turns come apart into reasoning and answer, also those that are cut off or malformed."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from stages.core.answers import extraction
from stages.core.sampling import harmony
from stages.core.sampling.harmony import Turn

DATA = os.environ.get("REASONLITE_TEST_DATA")
pytestmark = pytest.mark.skipif(
    DATA is None, reason="REASONLITE_TEST_DATA is not set: the vocabulary of harmony and real transcripts lie there"
)


@pytest.fixture(scope="module")
def encoding() -> Any:
    import openai_harmony

    os.environ["TIKTOKEN_ENCODINGS_BASE"] = str(Path(str(DATA)) / "tokenizers")
    return openai_harmony.load_harmony_encoding(openai_harmony.HarmonyEncodingName.HARMONY_GPT_OSS)


THOUGHT = "<|channel|>analysis<|message|>R<|end|>"
NEXT = "<|start|>assistant"
FINAL = "<|channel|>final<|message|>\\boxed{42}<|return|>"
PLAIN = Turn("R", "\\boxed{42}", 0)


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        (f"{THOUGHT}{NEXT}<|channel|>final<|message|>\\boxed{{42}}<|return|>", Turn("R", "\\boxed{42}", 0)),
        (f"{NEXT}{THOUGHT}{NEXT}<|channel|>final<|message|>4<|end|>", Turn("R", "4", 0)),
        # vllm#45736: the final channel is opened without <|message|>
        (f"{THOUGHT}{NEXT}<|channel|>final \\boxed{{42}}<|return|>", Turn("R", "\\boxed{42}", 0)),
        (f"<|channel|>analysis thinking<|end|>{NEXT}<|channel|>final<|message|>4", Turn("thinking", "4", 0)),
        ("<|channel|>analysis<|message|>cut in the mid", Turn("cut in the mid", None, 0)),
        (f"{THOUGHT}{NEXT}<|channel|>final<|message|>The answer i", Turn("R", "The answer i", 0)),
        (f"{THOUGHT}{NEXT}<|chan", Turn("R", None, 0)),
        (
            f"{THOUGHT}{NEXT}<|channel|>commentary to=functions.f <|constrain|>json<|message|>{{}}<|call|>",
            Turn("R", None, 1),
        ),
        (f"{THOUGHT}{NEXT}{THOUGHT}{NEXT}<|channel|>final<|message|>4", Turn("R\n\nR", "4", 0)),
        # what gpt-oss writes where a JSON schema is asked for
        (f'{THOUGHT}{NEXT}<|channel|>final <|constrain|>json<|message|>{{"a": 1}}', Turn("R", '{"a": 1}', 0)),
        (f'{THOUGHT}{NEXT}<|channel|>final json<|message|>{{"a": 1}}', Turn("R", '{"a": 1}', 0)),
        # vllm PR #35906, harmony PR #114: a start token missing or doubled, text between messages
        (f"{THOUGHT}assistant{FINAL}", PLAIN),
        (f"{THOUGHT}{FINAL}", PLAIN),
        (f"{THOUGHT}<|start|>{NEXT}{FINAL}", PLAIN),
        (f"{THOUGHT}{NEXT}{NEXT}{FINAL}", PLAIN),
        (f"{THOUGHT}\n{NEXT}{FINAL}", PLAIN),
        (f"{THOUGHT}some words{NEXT}{FINAL}", PLAIN),
        (f"{THOUGHT}{NEXT}{FINAL} and more", PLAIN),
        (f"{THOUGHT}\\boxed{{42}}<|return|>", PLAIN),
        (f"{THOUGHT}{NEXT}\\boxed{{42}}<|return|>", PLAIN),
        # other markers missing or doubled
        (f"<|channel|>analysis<|message|>R{NEXT}{FINAL}", PLAIN),
        (f"<|channel|>analysis<|message|>R{FINAL}", PLAIN),
        (f"<|channel|>analysis<|message|>Rassistant{FINAL}", PLAIN),
        (f"{THOUGHT}<|end|>{NEXT}{FINAL}", PLAIN),
        (f"{THOUGHT}{NEXT}<|channel|>{FINAL}", PLAIN),
        (f"{THOUGHT}{NEXT}<|channel|>final<|message|><|message|>\\boxed{{42}}<|return|>", PLAIN),
        (f"{THOUGHT}{NEXT}final<|message|>\\boxed{{42}}<|return|>", PLAIN),
        (f"{THOUGHT}assistantfinal<|message|>\\boxed{{42}}<|return|>", PLAIN),
        (f"{THOUGHT}<|start|>user<|message|>41?<|end|>{NEXT}{FINAL}", PLAIN),
        # cut off where a header would follow
        (f"{THOUGHT}{NEXT}", Turn("R", None, 0)),
        (f"{THOUGHT}{NEXT}<|channel|>fin", Turn("R", None, 0)),
        (f"{THOUGHT}<|sta", Turn("R", None, 0)),
    ],
)
def test_a_turn_comes_apart(text: str, turn: Turn, encoding: Any) -> None:
    assert harmony.is_raw(text)
    assert harmony.split(text, encoding) == turn


def test_ordinary_text_is_not_taken_for_harmony() -> None:
    assert not harmony.is_raw("The answer is \\boxed{4}, not <|this|>.")


def transcripts() -> list[dict[str, Any]]:
    path = Path(str(DATA)) / "gen/gptoss120b_raw_harmony.jsonl"
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def test_every_real_transcript_comes_apart_and_its_answer_is_found(encoding: Any) -> None:
    """55 turns of gpt-oss-120b with a Python tool, from tonghuikang/aimo3; 23 of them never came to an answer."""
    num_final = 0
    for row in transcripts():
        turn = harmony.split(row["completion_raw"], encoding)
        assert turn.reasoning
        assert (turn.content is None) == ("<|channel|>final" not in row["completion_raw"])
        if turn.content is not None:
            num_final += 1
            assert extraction.extract(turn.content).answer == str(row["final_answer"])
    assert num_final == 32


def test_a_transcript_may_be_cut_at_any_token(encoding: Any) -> None:
    for row in transcripts()[:3]:
        tokens = encoding.encode(row["completion_raw"], allowed_special="all")
        for share in range(1, 20):
            cut = encoding.decode(tokens[: len(tokens) * share // 20])
            turn = harmony.split(cut, encoding)
            assert turn.reasoning and turn.reasoning.split("\n\n")[0][:40] in cut


def test_the_reference_renderings_parse(encoding: Any) -> None:
    with (Path(str(DATA)) / "gen/harmony_reference_texts.jsonl").open(encoding="utf-8") as stream:
        texts = {row["name"]: row["text"] for row in map(json.loads, stream)}
    turn = harmony.split(texts["test_streamable_parser.txt"], encoding)
    assert turn.reasoning and turn.reasoning.startswith('User asks "Who is the current US president?"')
    for name in ("test_simple_reasoning_response.txt", "test_simple_tool_call.txt"):
        tokens = [int(token) for token in texts[name].split()]
        turn = harmony.split(encoding.decode(tokens), encoding)
        assert turn.reasoning and (turn.content is None) == (turn.num_tool_calls > 0)


@pytest.mark.parametrize("text", ["<|start|><|message|>x", "<|start|>nobody<|call|>x", "<|end|>x<|start|>"])
def test_a_text_without_a_message_of_the_assistant_is_no_turn(text: str, encoding: Any) -> None:
    try:
        turn = harmony.split(text, encoding)
    except ValueError:
        return
    assert turn.content is None


@pytest.mark.parametrize("filler", [" ", "\t\n", " json", "to=a ", "<|channel|>final "])
def test_a_header_without_an_end_takes_linear_time(filler: str) -> None:
    text = "<|channel|>final" + filler * (200_000 // len(filler))
    started = time.process_time()
    harmony._UNFINISHED_HEADER.sub("", text)
    assert time.process_time() - started < 20


@pytest.mark.parametrize("filler", [" ", "\n", "assistant", "<|", "<|end|>", "<|channel|>", "<|message|>", "final "])
def test_a_turn_that_is_read_marker_by_marker_takes_linear_time(filler: str) -> None:
    text = THOUGHT + filler * (200_000 // len(filler)) + "x" + FINAL
    started = time.process_time()
    harmony._marker_by_marker(text)
    assert time.process_time() - started < 20
