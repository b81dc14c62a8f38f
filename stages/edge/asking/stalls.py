"""Detecting a server that holds requests and makes no token: a stuck engine still answers /v1/models and /health.

vLLM counts its tokens at /metrics; a server without that is asked to stream, so that every piece is a sign of life.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import openai

from stages.edge.asking.replies import BadReplyError
from stages.edge.engines.pool import Endpoint

READS_PER_STALL = 6
LONGEST_BETWEEN_READS = 10.0
SECONDS_TO_READ = 10.0
WAITING = re.compile(r"^vllm:num_requests_waiting(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
TOKENS = re.compile(r"^vllm:(?:generation|prompt)_tokens_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Watch:
    """Watches one endpoint while it is asked."""

    def __init__(
        self, endpoint: Endpoint, stall_seconds: float | None, on_stall: Callable[[Endpoint], Awaitable[None]]
    ) -> None:
        """`on_stall` is called when requests made no progress for `stall_seconds`; None: never."""
        self.endpoint, self._seconds, self._on_stall = endpoint, stall_seconds, on_stall
        self.streams = False
        self.stalled = False
        self._num_tokens: float | None = None

    async def read_counters(self) -> None:
        """Read the server's counters once; without them, have the answers streamed."""
        if self._seconds is None:
            return
        num_tokens = await self._read()
        self.streams = num_tokens is None
        self._num_tokens = num_tokens

    async def run(self) -> None:
        """Read the counters regularly, for ever."""
        if self._seconds is None:
            return
        while True:
            await asyncio.sleep(min(self._seconds / READS_PER_STALL, LONGEST_BETWEEN_READS))
            endpoint, now = self.endpoint, self.endpoint.clock()
            if endpoint.state == "paused" or not endpoint.in_flight:
                endpoint.progressed_at = now
                continue
            num_tokens = await self._read()
            self.streams = num_tokens is None  # it may have been out of reach at first
            if num_tokens is not None and num_tokens != self._num_tokens:
                self._num_tokens = num_tokens
                endpoint.progressed()
            if now - endpoint.progressed_at > self._seconds:
                self.stalled = True
                await self._on_stall(endpoint)

    async def _read(self) -> float | None:
        """Number of tokens that the server has read and made; None if it does not count them."""
        url = f"{self.endpoint.url.removesuffix('/').removesuffix('/v1')}/metrics"
        try:
            timeout = aiohttp.ClientTimeout(total=SECONDS_TO_READ)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError):
            return None
        waiting, tokens = WAITING.findall(text), TOKENS.findall(text)
        self.endpoint.num_waiting = int(sum(map(float, waiting))) if waiting else None
        return sum(map(float, tokens)) if tokens else None

    async def collect(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for a stream and join its chunks to the body of an answer that was not streamed."""
        rest = {key: value for key, value in body.items() if key not in ("model", "messages")}
        stream = await client.chat.completions.create(
            model=body["model"], messages=body["messages"], extra_body=rest, stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        choices: dict[int, dict[str, Any]] = {}
        usage: dict[str, Any] | None = None
        model = fingerprint = None
        try:
            async for chunk in stream:
                self.endpoint.progressed()
                model, usage = chunk.model or model, chunk.usage.model_dump() if chunk.usage else usage
                fingerprint = chunk.system_fingerprint or fingerprint
                for choice in chunk.choices or ():  # the last chunk of some servers has none
                    _add(choices, choice)
        except (ValueError, AttributeError, TypeError) as error:
            raise BadReplyError(f"the stream breaks off: {error}") from error
        told = {"model": model, "system_fingerprint": fingerprint, "usage": usage}
        return {**told, "choices": list(choices.values())}


def _add(choices: dict[int, dict[str, Any]], part: Any) -> None:  # noqa: ANN401
    choice = choices.setdefault(
        part.index, {"index": part.index, "message": {"content": None, "reasoning": None}, "finish_reason": None}
    )
    choice["finish_reason"] = part.finish_reason or choice["finish_reason"]
    if ids := getattr(part, "token_ids", None):
        choice.setdefault("token_ids", []).extend(ids)
    delta = part.delta
    pieces = {
        "content": getattr(delta, "content", None),
        "reasoning": getattr(delta, "reasoning", None) or getattr(delta, "reasoning_content", None),
    }
    for name, text in pieces.items():
        if text:  # a stream begins with an empty piece, also where no text follows
            choice["message"][name] = (choice["message"][name] or "") + text
