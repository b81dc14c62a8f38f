"""Which server answers: its name and version, as far as it tells.

vLLM, SGLang and llama.cpp name themselves as the owner of the models that they list at `/v1/models`; vLLM tells its
version at `/version`. A completion may name its `system_fingerprint` besides. All of it is recorded beside the answers
and decides nothing: a version that answered is no part of a query's key.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import httpx2
import openai

from stages.edge.track.events import redacted

SECONDS_TO_TELL = 5.0
MOST_LETTERS = 80
_WEB_SERVERS = re.compile(
    r"uvicorn|hypercorn|gunicorn|granian|daphne|werkzeug|nginx|openresty|cloudflare|caddy|envoy|istio|apache|basehttp|"
    r"awselb|kestrel|python|aiohttp|tornado",
    re.IGNORECASE,
)
"""Names in the header `Server` that do not say what runs the model."""


async def told(client: openai.AsyncOpenAI, url: str) -> str | None:
    """Name and version of the server at `url`, such as "vllm 0.11.0"; None if it tells neither."""
    root = url.removesuffix("/").removesuffix("/v1")
    models, _ = await _asked(client, f"{url.removesuffix('/')}/models")
    versions, header = await _asked(client, f"{root}/version")
    listed = models.get("data")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], Mapping) else {}
    name = first.get("owned_by") or (None if not header or _WEB_SERVERS.match(header) else header)
    return joined(name, versions.get("version"))


def joined(*parts: object) -> str | None:
    """Those parts that are texts, as one line that is short and may be shown; None if there is none."""
    words = " ".join(part for part in parts if isinstance(part, str)).split()
    line = "".join(letter for letter in " ".join(words) if letter.isprintable())
    return redacted(line)[:MOST_LETTERS] or None


async def _asked(client: openai.AsyncOpenAI, url: str) -> tuple[Mapping[str, Any], str | None]:
    """The JSON object at `url`, empty if there is none, and the header `Server`."""
    try:
        async with asyncio.timeout(SECONDS_TO_TELL):
            reply = await client.get(url, cast_to=httpx2.Response)
        document = reply.json()
    except (openai.OpenAIError, aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
        return {}, None
    return (document if isinstance(document, Mapping) else {}), reply.headers.get("server")
