"""What is sent to a model server, and the client that sends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from stages.core.sampling.queries import Query
from stages.edge.engines.endpoints import client_settings

SECONDS_TO_CONNECT = 30.0
SEEDS = 2**31
SEED_STEP = 7_919
NO_LIMIT = 0
"""aiohttp's word for it: None would be its default of 100 connections."""


@dataclass(frozen=True)
class Request:
    """What all queries of one run share: the served model and the sampling fields, sent with every request."""

    model: str
    sampling: Mapping[str, object]
    reasoning_effort: str | None
    extra_body: Mapping[str, object]
    may_say_nothing: bool = False
    """As `Served.may_say_nothing`."""

    @property
    def max_tokens(self) -> int:
        """Limit of one answer."""
        return int(str(self.sampling["max_tokens"]))

    def body(self, queries: Sequence[Query], attempt: int = 0) -> dict[str, Any]:
        """The JSON of a chat completion for samples of one problem, vLLM's extra fields among the others.

        `attempt` counts the replies to it that were no answers: with the same seed the model would slip again.
        """
        first = queries[0]
        seed = (first.seed + attempt * SEED_STEP) % SEEDS
        body = {"model": self.model, "messages": first.messages, "seed": seed, **self.sampling, **self.extra_body}
        if self.reasoning_effort is not None:
            body["reasoning_effort"] = self.reasoning_effort
        if len(queries) > 1:
            body["n"] = len(queries)
            body["return_token_ids"] = True  # how many tokens each has; `usage` counts them together
        return body


def client(url: str) -> openai.AsyncOpenAI:
    """A client on aiohttp, which costs half of what httpx does; without limits of its own but on connecting."""
    timeout = openai.Timeout(None, connect=SECONDS_TO_CONNECT)
    http = openai.DefaultAioHttpClient(timeout=timeout, limits=httpx2.Limits(max_connections=NO_LIMIT))
    return openai.AsyncOpenAI(**{**client_settings(url, 0.0), "timeout": timeout, "http_client": http})


async def complete(client: openai.AsyncOpenAI, body: Mapping[str, Any]) -> bytes:
    """The body of a chat completion. The client's typed method costs twice the CPU, all of it on looking at types."""
    reply = await client.post("/chat/completions", cast_to=httpx2.Response, body=body)
    return bytes(reply.content)
