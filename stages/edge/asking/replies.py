"""What comes back from a model server: answers, or a failure and whose fault it is.

A failure is told apart by what helps: asking again, asking nobody else the same, or stopping the run.
"""

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Literal, NamedTuple

import openai
import openai_harmony

from stages.core.sampling import harmony
from stages.core.sampling.queries import Answer
from stages.edge.errors import ServerError
from stages.edge.track.events import redacted

HARMONY_FAULTS = ("harmonyerror", "unexpected tokens remaining in message header", "openai_harmony")
"""What vLLM says when it cannot parse a turn that gpt-oss wrote (vllm#23567): the model's slip, not a wrong request."""
BUSY = (429, 503)
WORTH_ANOTHER_TRY = (408, 409, 425)
MOST_SHOWN = 300
MOST_TOKENS = 2**31
_DATED = re.compile(r"[-@:]\d{4}")
"""What a hosted model's name may have behind it: the date of its version."""

Payload = Mapping[str, Any]


class BadReplyError(Exception):
    """A reply with status 200 that holds no completion."""


class Failure(NamedTuple):
    """Why a request brought no answer.

    `kind`: "server" is a server's or the network's fault, "busy" a server that has too much to do, "reply" a reply that
    is no answer; all three may succeed elsewhere or later. "row" never will, whoever is asked. `wait` is the server's
    Retry-After in seconds.
    """

    kind: Literal["server", "busy", "reply", "row"]
    reason: str
    wait: float | None = None


def failure(error: Exception, url: str, model: str) -> Failure:
    """What an exception of the client means.

    Raises:
        ServerError: nothing that is asked there will be answered: the key is refused, or the model is not there.
    """
    if not isinstance(error, openai.APIStatusError):
        kind: Literal["server", "reply"] = "reply" if isinstance(error, BadReplyError) else "server"
        return Failure(kind, _plain(f"{type(error).__name__}: {error}"))
    told = error.body.get("message") if isinstance(error.body, Mapping) else None
    status, said = error.status_code, _plain(str(told or error.message))
    if status in (401, 403):
        raise ServerError(f"{url} refuses the key; set OPENAI_API_KEY to one that it takes") from error
    if status == 404:
        raise ServerError(f"{url} has no model {model}; serve it there, or unset the URL") from error
    if status in BUSY:
        return Failure("busy", f"{status}: {said}", _seconds(error.response.headers.get("retry-after")))
    slip = any(fault in said.lower() for fault in HARMONY_FAULTS)
    if 400 <= status < 500 and status not in WORTH_ANOTHER_TRY and not slip:
        return Failure("row", f"{status}: {said}")
    return Failure("reply" if slip else "server", f"{status}: {said}")


def _plain(text: str) -> str:
    """What a server says, short enough to be shown and stored. It may repeat the key that it was given."""
    return redacted(text)[:MOST_SHOWN]


def _seconds(value: str | None) -> float | None:
    """Retry-After is a number of seconds or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def answers(
    body: bytes | str, url: str, model: str, num_samples: int, may_say_nothing: bool = False
) -> list[Answer | None]:
    """The answer of each choice of a completion, None for a choice that is no answer.

    `may_say_nothing`: reasoning without content is an answer, as `endpoints.Served` tells.

    Raises:
        BadReplyError: the body is no completion, or has another number of choices.
        ServerError: another model answered.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadReplyError("the reply is no JSON") from error
    return from_payload(payload, url, model, num_samples, may_say_nothing)


def from_payload(
    payload: object, url: str, model: str, num_samples: int, may_say_nothing: bool = False
) -> list[Answer | None]:
    """As `answers`, from the parsed body."""
    if not isinstance(payload, Mapping) or not isinstance(payload.get("choices"), list):
        raise BadReplyError("the reply is no completion")
    named = payload.get("model")
    if isinstance(named, str) and not (named == model or _DATED.match(named.removeprefix(model))):
        raise ServerError(f"{url} was asked for {model} and answered as {named}; serve {model} there, or unset the URL")
    choices = payload["choices"]
    places = [_count(choice.get("index")) if isinstance(choice, Mapping) else None for choice in choices]
    if len(places) != num_samples or set(places) != set(range(num_samples)):
        raise BadReplyError(f"the reply holds the choices {places} where {num_samples} were asked for"[:MOST_SHOWN])
    usage = payload.get("usage")
    counts = usage if isinstance(usage, Mapping) else {}
    found: list[Answer | None] = [None] * num_samples
    for choice in choices:
        found[choice["index"]] = _answer(choice, counts, num_samples, may_say_nothing)
    return found


def _answer(choice: Payload, usage: Payload, num_samples: int, may_say_nothing: bool) -> Answer | None:
    message, status = choice.get("message"), choice.get("finish_reason")
    if not isinstance(message, Mapping) or status not in ("stop", "length"):
        return None
    content = message.get("content")
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    if not all(text is None or isinstance(text, str) for text in (content, reasoning)):
        return None
    if content and harmony.is_raw(content):
        try:
            reasoning, content, _ = harmony.split(content, harmony_encoding())
        except ValueError:
            return None
    if status == "stop" and content is None and not (may_say_nothing and reasoning):
        return None
    if content is not None and not content.strip():
        content = None  # the model had nothing to say: no answer, and never an empty one
    # The server counts the tokens of all choices together; where there are several, nobody says whose they are.
    tokens = usage.get("completion_tokens") if num_samples == 1 else _num_tokens(choice)
    return Answer(status, content, reasoning, _count(usage.get("prompt_tokens")), _count(tokens), None)


@cache
def harmony_encoding() -> Any:  # noqa: ANN401
    """What openai-harmony reads gpt-oss's raw turns with.

    Raises:
        ServerError: its vocabulary is neither here nor can it be fetched.
    """
    try:
        return openai_harmony.load_harmony_encoding(openai_harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    except (openai_harmony.HarmonyError, OSError) as error:
        raise ServerError(
            f"the server passes on gpt-oss's raw turns, and the vocabulary to read them is missing ({error}): serve it "
            "with --reasoning-parser openai_gptoss, or put o200k_base.tiktoken into a folder and name that in "
            "TIKTOKEN_ENCODINGS_BASE"
        ) from error


def _num_tokens(choice: Payload) -> int | None:
    ids = choice.get("token_ids")
    return len(ids) if isinstance(ids, list) else None


def _count(value: object) -> int | None:
    """A number of tokens, or None for what is none."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS
    return value if is_count else None  # type: ignore[return-value]
