"""Looking after an endpoint that is left alone: an engine of our own is started anew, a server asked if it is back."""

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
    """For ever: one item each time that the endpoint is taken back, true when its engine was started anew for that.

    Raises:
        ServerError: our engine does not come up any more.
    """
    while True:
        await asyncio.sleep(PROBE_SECONDS)
        if endpoint.state != "paused" or time.monotonic() < endpoint.retry_at:
            continue
        hangs = endpoint.url if watch.stalled else None
        endpoint.is_starting = restart is not None
        try:
            is_new = restart is not None and await _aside(partial(restart, hangs))
            is_back = await _answers(client)
        finally:
            endpoint.is_starting = False
        if is_back:
            watch.stalled = False
            endpoint.readmit()
            yield is_new
        else:
            endpoint.pause()


async def _answers(client: openai.AsyncOpenAI) -> bool:
    try:
        async with asyncio.timeout(SECONDS_TO_PROBE):
            await client.models.list()
    except (openai.OpenAIError, aiohttp.ClientError, TimeoutError, ValueError, AttributeError, TypeError):
        # The last three are what the client meets in a body of another kind, as of a proxy's own page.
        return False
    return True


async def _aside(work: Callable[[], bool]) -> bool:
    """Run `work` in a thread that nobody waits for at the end: starting an engine takes minutes, an interrupt none."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def tell(found: bool, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(found)
        else:
            done.set_exception(error)

    def run() -> None:
        found, error = False, None
        try:
            found = work()
        except Exception as raised:  # told to who waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, found, error)

    threading.Thread(target=run, daemon=True).start()
    return await done
