"""Recovery of a paused endpoint: an engine of our own is started anew, another server is probed until it answers."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import aiohttp
import openai

from stages.edge.asking.stalls import Watch
from stages.edge.engines.pool import Endpoint

SECONDS_TO_PROBE = 30.0
PROBE_SECONDS = 0.1


async def recoveries(
    endpoint: Endpoint, client: openai.AsyncOpenAI, watch: Watch, restart: Callable[[str | None], bool] | None
) -> AsyncIterator[bool]:
    """Yield each time that the endpoint recovers, for ever: true if its engine was started anew for that.

    Raises:
        ServerError: our engine does not come up any more.
    """
    while True:
        await asyncio.sleep(PROBE_SECONDS)
        if endpoint.state != "paused" or time.monotonic() < endpoint.retry_at:
            continue
        hung_url = endpoint.url if watch.stalled else None
        endpoint.is_starting = restart is not None
        try:
            is_new = restart is not None and await _in_thread(partial(restart, hung_url))
            is_back = await _is_up(client)
        finally:
            endpoint.is_starting = False
        if is_back:
            watch.stalled = False
            endpoint.readmit()
            yield is_new
        else:
            endpoint.pause()


async def _is_up(client: openai.AsyncOpenAI) -> bool:
    try:
        async with asyncio.timeout(SECONDS_TO_PROBE):
            await client.models.list()
    except (openai.OpenAIError, aiohttp.ClientError, TimeoutError, ValueError, AttributeError, TypeError):
        # The last three are what the client meets in a body of another kind, as of a proxy's own page.
        return False
    return True


async def _in_thread(work: Callable[[], bool]) -> bool:
    """Run `work` in a daemon thread: starting an engine takes minutes, and an interrupt must not wait for it."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[bool] = loop.create_future()

    def set_outcome(result: bool, error: Exception | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)

    def run() -> None:
        result, error = False, None
        try:
            result = work()
        except Exception as raised:  # passed on to who waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(set_outcome, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await outcome
