"""What a reply means, where the sampler's tests do not show it."""

import json
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from stages.core.sampling.queries import Answer
from stages.edge.asking import replies
from stages.edge.asking.replies import BadReplyError
from stages.edge.errors import ServerError
from tests.edge.asking.test_sampler import request

RAW = "<|channel|>analysis<|message|>R<|end|><|start|>assistant<|channel|>final<|message|>\\boxed{42}<|return|>"


def body(**changes: Any) -> str:
    choice = {"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    return json.dumps({"model": "m", "choices": [choice], "usage": usage, **changes})


def message(**fields: Any) -> list[dict[str, Any]]:
    return [{"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}]


def read(text: str, num_samples: int = 1) -> list[Answer | None]:
    return replies.answers(text, "http://x/v1", request(), num_samples)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (body(), Answer("stop", "4", None, 1, 2, None)),
        (body(usage=None), Answer("stop", "4", None, None, None, None)),
        (body(usage={"prompt_tokens": "1", "completion_tokens": True}), Answer("stop", "4", None, None, None, None)),
        (body(model="m-2025-01-01"), Answer("stop", "4", None, 1, 2, None)),
        (body(choices=message(content="", reasoning="R")), Answer("stop", None, "R", 1, 2, None)),
        (body(choices=message(content=" \n")), Answer("stop", None, None, 1, 2, None)),
        (body(model="m@20250101"), Answer("stop", "4", None, 1, 2, None)),
        (body(choices=message(content="4", reasoning_content="R")), Answer("stop", "4", "R", 1, 2, None)),
        (body(choices=message(content=None, reasoning="R")), None),
        (body(choices=message(content=["4"])), None),
        (body(choices=[{"index": 0, "message": None, "finish_reason": "stop"}]), None),
    ],
)
def test_a_completion_is_an_answer_or_none(text: str, answer: Answer | None) -> None:
    assert read(text) == [answer]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{}",
        body(choices=[]),
        body(choices=[None]),
        body(choices=[*message(content="4"), None]),
        body(choices=[*message(content="4"), "x"]),
        body(choices=[*message(content="4"), {}]),
        body(choices=[*message(content="4"), {"index": None}]),
        body(choices=[{**message(content="4")[0], "index": True}]),
        "[" * 200_000,
        body(choices=message(content="4") * 2),
        "{" * 10**5,
    ],
)
def test_what_is_no_completion_is_a_bad_reply(text: str) -> None:
    with pytest.raises(BadReplyError):
        read(text)


def test_choices_are_told_apart_by_their_index_not_by_their_order() -> None:
    choices = [{**message(content=str(place))[0], "index": place} for place in (2, 0, 1)]
    answers = read(body(choices=choices), 3)
    assert [answer and answer.content for answer in answers] == ["0", "1", "2"]
    assert [answer and answer.completion_tokens for answer in answers] == [None, None, None]


def test_a_model_with_more_behind_its_name_than_a_date_is_another_model() -> None:
    for name in ("m-Base", "mm", "m-2b", "n"):
        with pytest.raises(ServerError, match=f"answered as {name}"):
            read(body(model=name))


def test_retry_after_may_be_a_date_and_a_reason_never_holds_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123")
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    busy = replies.failure(status_error(429, "slow, sk-very-secret-0123", {"retry-after": later}), "http://x/v1", "m")
    assert busy.kind == "busy" and busy.wait == pytest.approx(90, abs=5)
    assert "slow" in busy.reason and "secret" not in busy.reason


def status_error(status: int, message: str, headers: dict[str, str]) -> openai.APIStatusError:
    request = httpx2.Request("POST", "http://x/v1/chat/completions")
    response = httpx2.Response(status, headers=headers, request=request)
    return openai.APIStatusError(message, response=response, body={"message": message})


def test_raw_harmony_is_read_where_its_vocabulary_is(monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.environ.get("REASONLITE_TEST_DATA")
    if data is None:
        pytest.skip("REASONLITE_TEST_DATA is not set: the vocabulary of harmony lies there")
    monkeypatch.setenv("TIKTOKEN_ENCODINGS_BASE", str(Path(data) / "tokenizers"))
    replies.harmony_encoding.cache_clear()
    (stored,) = read(body(choices=message(content=RAW, reasoning="none of the turn's")))
    assert stored == Answer("stop", RAW, None, 1, 2, None, is_raw=True), "as it came"
    assert replies.split({"k": stored}) == {"k": Answer("stop", "\\boxed{42}", "R", 1, 2, None)}
    (cut,) = read(body(choices=[{**message(content=RAW.partition("<|end|>")[0])[0], "finish_reason": "length"}]))
    assert cut and replies.split({"k": cut})["k"][:3] == ("length", None, "R")
    assert read(body(choices=message(content="<|start|>nobody<|call|>"))) == [None]


def test_raw_harmony_without_a_vocabulary_stops_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_ENCODINGS_BASE", str(tmp_path))
    replies.harmony_encoding.cache_clear()
    with pytest.raises(ServerError, match=r"--reasoning-parser openai_gptoss, or .*TIKTOKEN_ENCODINGS_BASE"):
        read(body(choices=message(content=RAW)))


def test_reasoning_that_never_ended_is_an_answer_where_the_parser_tells_it_from_a_slip_of_the_server() -> None:
    """vLLM's parser of Qwen3 gives such a text as reasoning without content; as a fault it would be drawn again, till
    a better one comes."""
    unclosed = body(choices=message(content=None, reasoning="2 + 2 is"))
    with_parser = request(identity={"model": "m", "reasoning_parser": "qwen3"})
    assert replies.answers(unclosed, "http://x/v1", with_parser, 1) == [Answer("stop", None, "2 + 2 is", 1, 2, None)]
    gpt_oss = request(identity={"model": "m", "reasoning_parser": "openai_gptoss"})
    assert replies.answers(unclosed, "http://x/v1", gpt_oss, 1) == [None], "a turn that was lost is a slip"
    assert read(unclosed) == [None]
    assert replies.answers(body(choices=message(content=None)), "http://x/v1", with_parser, 1) == [None]


@pytest.mark.parametrize("number", [2**31, 10**25, -1])
def test_a_number_of_tokens_that_no_answer_has_is_none(number: int) -> None:
    answers = read(body(usage={"prompt_tokens": number, "completion_tokens": number}))
    assert answers == [Answer("stop", "4", None, None, None, None)]


def test_a_turn_that_cannot_be_read_any_more_is_a_failed_answer_and_one_stored_in_its_parts_stays_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Answer("stop", "x", "y", 1, 2, None)
    monkeypatch.setenv("TIKTOKEN_ENCODINGS_BASE", str(tmp_path))
    replies.harmony_encoding.cache_clear()
    assert replies.split({"k": whole, "raw": whole._replace(content=RAW)}) == {
        "k": whole, "raw": whole._replace(content=RAW),
    }, "no vocabulary is needed, and a text about harmony stays as it is"  # fmt: skip
    if (data := os.environ.get("REASONLITE_TEST_DATA")) is None:
        pytest.skip("REASONLITE_TEST_DATA is not set: the vocabulary of harmony lies there")
    monkeypatch.setenv("TIKTOKEN_ENCODINGS_BASE", str(Path(data) / "tokenizers"))
    broken = Answer("stop", "<|start|><|message|>x", None, 1, 2, None, is_raw=True)
    answer = replies.split({"k": broken})["k"]
    assert answer.status == "failed" and answer.content is None and "no harmony text" in str(answer.reason)
