"""Replies of a model server: answers, or a failure and its cause. `core/sampling/replies.py` decides what is an answer.

A failure is classified by its remedy: ask again, give the query up, or stop the run.
"""

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar

import openai
import openai_harmony

from stages.core.sampling import replies
from stages.core.sampling.queries import Answer, Request
from stages.core.sampling.replies import MOST_SHOWN
from stages.edge.errors import ServerError
from stages.edge.track.events import redacted

SLIPS = re.compile(
    r"harmony"
    r"|while expecting start token|unknown role\b|channel marker present|\bmessage header\b|could not decode header"
    r"|(?:error|failed|unable|could not) (?:to )?pars(?:e|ing) (?:the )?"
    r"(?:tool|function|reasoning|response|model|output|input at pos)"
    r"|does not match the expected \S+ format",
    re.IGNORECASE,
)
"""Words of a server that cannot parse what the model wrote: a malformed answer, not a wrong request, whatever the
status (vllm#22515, #22519, #23567, harmony#60). Sources: the messages of openai/harmony's `StreamableParser` in
src/encoding.rs, which vLLM passes on with 400 or 500, and those of parsers of tool calls (Ollama, llama.cpp)."""
BUSY = (429, 503)
WORTH_ANOTHER_TRY = (408, 409, 425)


Key = TypeVar("Key")


class BadReplyError(Exception):
    """A reply with status 200 that holds no completion."""


class Failure(NamedTuple):
    """Why a request brought no answer.

    `kind`: "server" is a server's or the network's fault, "busy" a server that has too much to do, "reply" a reply that
    is no answer; all three may succeed elsewhere or later. "row" is a query that every server refuses. `wait` is the
    server's Retry-After in seconds.
    """

    kind: Literal["server", "busy", "reply", "row"]
    reason: str
    wait: float | None = None


def failure(error: Exception, url: str, model: str) -> Failure:
    """What an exception of the client means.

    Raises:
        ServerError: the server can answer nothing: it refuses the key, or does not have the model.
    """
    if not isinstance(error, openai.APIStatusError):
        kind: Literal["server", "reply"] = "reply" if isinstance(error, BadReplyError) else "server"
        return Failure(kind, _shortened(f"{type(error).__name__}: {error}"))
    message = error.body.get("message") if isinstance(error.body, Mapping) else None
    status, text = error.status_code, _shortened(str(message or error.message))
    if status in (401, 403):
        raise ServerError(f"{url} refuses the key; set OPENAI_API_KEY to one that it takes") from error
    if status == 404:
        raise ServerError(f"{url} has no model {model}; serve it there, or unset the URL") from error
    if status in BUSY:
        return Failure("busy", f"{status}: {text}", _seconds(error.response.headers.get("retry-after")))
    is_slip = SLIPS.search(text) is not None
    if 400 <= status < 500 and status not in WORTH_ANOTHER_TRY and not is_slip:
        return Failure("row", f"{status}: {text}")
    return Failure("reply" if is_slip else "server", f"{status}: {text}")


def _shortened(text: str) -> str:
    """A server's message, short enough to be shown and stored, without the key that it may repeat."""
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


def answers(body: bytes | str, url: str, request: Request, num_samples: int) -> list[Answer | None]:
    """The answer of each choice of a completion, None for a choice that is no answer.

    Raises:
        BadReplyError: the body is no completion, or has another number of choices.
        ServerError: another model answered.
    """
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadReplyError("the reply is no JSON") from error
    return from_completion(completion, url, request, num_samples)


def from_completion(completion: object, url: str, request: Request, num_samples: int) -> list[Answer | None]:
    """As `answers`, from the parsed body."""
    if not isinstance(completion, Mapping):
        raise BadReplyError("the reply is no completion")
    model = request.model
    if other := replies.other_model(completion, model):
        raise ServerError(f"{url} was asked for {model} and answered as {other}; serve {model} there, or unset the URL")
    try:
        found = replies.answers(completion, request, num_samples, harmony_encoding)
    except ValueError as error:
        raise BadReplyError(str(error)) from error
    told = replies.fingerprint(completion)
    return [answer and answer._replace(server=told) for answer in found]


def split(stored: Mapping[Key, Answer]) -> dict[Key, Answer]:
    """Answers as they are stored, with the reasoning and the content of gpt-oss's raw turns apart."""
    return {key: replies.split(answer, harmony_encoding) for key, answer in stored.items()}


@cache
def harmony_encoding() -> Any:  # noqa: ANN401
    """The encoding with which openai-harmony reads raw turns of gpt-oss.

    Raises:
        ServerError: its vocabulary is not here and cannot be fetched.
    """
    try:
        return openai_harmony.load_harmony_encoding(openai_harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    except (openai_harmony.HarmonyError, OSError) as error:
        raise ServerError(
            f"the server passes on gpt-oss's raw turns, and the vocabulary to read them is missing ({error}): serve it "
            "with --reasoning-parser openai_gptoss, or put o200k_base.tiktoken into a folder and name that in "
            "TIKTOKEN_ENCODINGS_BASE"
        ) from error
