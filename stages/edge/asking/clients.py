"""The client that sends requests to a model server."""

from collections.abc import Mapping
from typing import Any

import httpx2
import openai

from stages.edge.engines.endpoints import client_settings

SECONDS_TO_CONNECT = 30.0
NO_LIMIT = 0
"""Of connections, for aiohttp; None would be its default of 100."""


def client(url: str) -> openai.AsyncOpenAI:
    """A client on aiohttp, which costs half of what httpx does. Only connecting has a time limit."""
    timeout = openai.Timeout(None, connect=SECONDS_TO_CONNECT)
    http = openai.DefaultAioHttpClient(timeout=timeout, limits=httpx2.Limits(max_connections=NO_LIMIT))
    return openai.AsyncOpenAI(**{**client_settings(url, 0.0), "timeout": timeout, "http_client": http})


async def complete(client: openai.AsyncOpenAI, body: Mapping[str, Any]) -> bytes:
    """The body of a chat completion. The client's typed method costs twice the CPU, all of it on checking types."""
    reply = await client.post("/chat/completions", cast_to=httpx2.Response, body=body)
    return bytes(reply.content)
