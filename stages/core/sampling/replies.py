"""Replies: what of a chat completion is an answer, and how its reasoning and its content come apart.

An answer is stored as the server sent it. What of it is the answer's content is read when traces are assembled, so that
a better reader needs no new answers.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from stages.core.sampling import harmony
from stages.core.sampling.queries import Answer, Request

MOST_TOKENS = 2**31
MOST_SHOWN = 300
_DATED = re.compile(r"[-@:]\d{4}")
"""What a hosted model's name may have behind it: the date of its version."""

Json = Mapping[str, Any]
Encoding = Callable[[], Any]
"""Gives openai-harmony's `HARMONY_GPT_OSS`. Loading it needs a file, so it comes from outside, and only if needed."""


def other_model(completion: Json, model: str) -> str | None:
    """The model that a completion names, if it is not `model`."""
    named = completion.get("model")
    is_same = not isinstance(named, str) or named == model or _DATED.match(named.removeprefix(model))
    return None if is_same else str(named)


def answers(completion: Json, request: Request, num_samples: int, encoding: Encoding) -> list[Answer | None]:
    """The answer of each of `num_samples` choices of a completion, by its index; None for one that is no answer.

    `encoding` reads a raw turn of gpt-oss, which must be whole to be an answer.

    Raises:
        ValueError: it is no completion, or has other choices.
    """
    choices, usage = completion.get("choices"), completion.get("usage")
    if not isinstance(choices, list):
        raise ValueError("the reply is no completion")
    places = [_count(choice.get("index")) if isinstance(choice, Mapping) else None for choice in choices]
    if len(places) != num_samples or set(places) != set(range(num_samples)):
        raise ValueError(f"the reply holds the choices {places} where {num_samples} were asked for"[:MOST_SHOWN])
    # Where no parser is named nobody knows what reads the turns, and gpt-oss's loses malformed ones (vllm#45736): for
    # these, reasoning without content is malformed. For the others it is a model that never ended its reasoning.
    may_lack_content = request.identity.get("reasoning_parser") not in (None, harmony.PARSER)
    counts = usage if isinstance(usage, Mapping) else {}
    answers: list[Answer | None] = [None] * num_samples
    for choice in choices:
        answers[choice["index"]] = _answer(choice, counts, num_samples, may_lack_content, encoding)
    return answers


def _answer(choice: Json, usage: Json, num_samples: int, may_lack_content: bool, encoding: Encoding) -> Answer | None:
    message, status = choice.get("message"), choice.get("finish_reason")
    if not isinstance(message, Mapping) or status not in ("stop", "length"):
        return None
    content = message.get("content")
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    if not all(text is None or isinstance(text, str) for text in (content, reasoning)):
        return None
    final, thinking = content, reasoning
    if is_raw := isinstance(content, str) and harmony.is_raw(content):
        try:
            final, thinking = _split_turn(str(content), encoding)
        except ValueError:
            return None
        reasoning = None  # it is in the turn
    if status == "stop" and final is None and not (may_lack_content and thinking):
        return None
    # The server counts the tokens of all choices together; where there are several, their shares are unknown.
    tokens = usage.get("completion_tokens") if num_samples == 1 else _num_tokens(choice)
    counts = _count(usage.get("prompt_tokens")), _count(tokens)
    return Answer(status, _none_if_blank(content), reasoning, *counts, None, is_raw)


def fingerprint(completion: Json) -> str | None:
    """What a completion says of the system that made it, if it does."""
    told = completion.get("system_fingerprint")
    return told if isinstance(told, str) and told else None


def split(answer: Answer, encoding: Encoding) -> Answer:
    """A stored answer with the reasoning and the content of a raw turn apart; any other as it is.

    A turn that cannot be read (any more) is a failed answer, with the reason.
    """
    if not answer.is_raw or answer.content is None:
        return answer
    try:
        content, reasoning = _split_turn(answer.content, encoding)
    except ValueError as error:
        return answer._replace(status="failed", content=None, reasoning=None, reason=str(error), is_raw=False)
    return answer._replace(content=_none_if_blank(content), reasoning=reasoning, is_raw=False)


def _split_turn(turn: str, encoding: Encoding) -> tuple[str | None, str | None]:
    parsed = harmony.split(turn, encoding())
    return parsed.content, parsed.reasoning


def _none_if_blank(content: str | None) -> str | None:
    """The content, or None if it is blank: that is no answer, and never an empty one."""
    return content if content and content.strip() else None


def _num_tokens(choice: Json) -> int | None:
    ids = choice.get("token_ids")
    return len(ids) if isinstance(ids, list) else None


def _count(value: object) -> int | None:
    """A number of tokens, or None if `value` is no such number."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS
    return value if is_count else None  # type: ignore[return-value]
