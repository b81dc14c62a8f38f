"""Asking: many queries in flight to OpenAI servers, every answer stored, failures retried or classified.

One loop hands out work: what failed and has waited long enough, then what the backlog gives, each time to the endpoint
that uses the smallest share of its limit. Each answer goes to the store in small batches as it comes, so a kill loses
at most the last uncommitted batch.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import aiohttp
import openai

from stages.core.sampling.queries import Answer, Query, Request
from stages.edge.asking import probes, replies
from stages.edge.asking.backlog import Backlog
from stages.edge.asking.budget import Budget
from stages.edge.asking.clients import client, complete
from stages.edge.asking.copies import CopyWatch, gives_copies
from stages.edge.asking.progress import Progress
from stages.edge.asking.retries import Batch, RecentCalls, Retries
from stages.edge.asking.saving import SECONDS_BETWEEN_LOOKS, Saving
from stages.edge.asking.stalls import Watch
from stages.edge.engines import pool, versions
from stages.edge.engines.pool import Endpoint
from stages.edge.errors import ServerError
from stages.edge.params import Runtime
from stages.edge.store import Store

LONGEST_WAIT = 0.5
SECONDS_BETWEEN_THREADS = 0.0002
STALLED = replies.Failure("server", "the server made no progress")


class Sampler:
    """Sends queries to endpoints and stores what comes back."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        request: Request,
        store: Store,
        runtime: Runtime,
        progress: Progress,
        restart: Callable[[str | None], bool] | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Nothing is sent before `ask`.

        `restart` starts our engines anew, as `endpoints.Serving.revive` does. Nothing more is asked when `budget` is
        spent; None: all is asked.
        """
        self._budget = budget or Budget(None)
        self._endpoints, self._request, self._store = endpoints, request, store
        self._runtime, self._progress, self._restart = runtime, progress, restart
        self._servers: dict[str, str | None] = {}
        self._retries = Retries()
        self._calls = RecentCalls(runtime.max_failed_share)
        self._copies = CopyWatch(request)
        self._failed: dict[str, Answer] = {}
        self._error: Exception | None = None
        progress.watch(endpoints)

    def ask(self, backlog: Backlog) -> dict[str, Answer]:
        """Ask all that the backlog gives; return what failed for good by its key (it is not stored).

        Raises:
            ServerError: a server refuses us or has another model, all are gone, calls fail too often, or a server gives
                copies. What was answered is stored, copies apart.
            BudgetError: it is spent, and queries are left. What was asked is answered and stored.
        """
        # The thread that commits must not keep the loop from handing out work for the usual 5 ms at a time.
        before = sys.getswitchinterval()
        sys.setswitchinterval(SECONDS_BETWEEN_THREADS)
        try:
            return asyncio.run(self._ask(backlog))
        finally:
            sys.setswitchinterval(before)

    async def _ask(self, backlog: Backlog) -> dict[str, Answer]:
        asyncio.get_running_loop().set_exception_handler(_report)
        self._wake, self._saving = asyncio.Event(), Saving(self._store)
        self._tasks: dict[asyncio.Task[None], tuple[Endpoint, Batch]] = {}
        self._backlog = backlog
        self._clients = {endpoint.url: client(endpoint.url) for endpoint in self._endpoints}
        self._alive_at = time.monotonic()
        watches = [Watch(each, self._runtime.stall_seconds, self._on_stall) for each in self._endpoints]
        self._watches = {watch.endpoint.url: watch for watch in watches}
        helpers = [asyncio.create_task(self._save_regularly())]
        try:
            await asyncio.gather(
                *(watch.read_counters() for watch in watches), *map(self._ask_version, self._endpoints)
            )
            helpers += [asyncio.create_task(self._guarded(watch.run())) for watch in watches]
            helpers += [asyncio.create_task(self._guarded(self._recover(each))) for each in self._endpoints]
            await self._hand_out()
        finally:
            for task in [*self._tasks, *helpers]:
                task.cancel()
            await asyncio.gather(*self._tasks, *helpers, return_exceptions=True)
            await self._saving.finish()
            await asyncio.gather(*(client.close() for client in self._clients.values()))
        return self._failed

    async def _hand_out(self) -> None:
        while True:
            if self._error:
                raise self._error
            if self._budget.is_spent:
                if self._tasks:
                    await self._wait()
                    continue
                if not self._retries and self._next() is None:
                    return
                self._budget.check()
            endpoint = pool.least_loaded(self._endpoints)
            batch = self._next() if endpoint else None
            if endpoint and batch:
                endpoint.began()
                task = asyncio.create_task(self._attempt(endpoint, batch))
                self._tasks[task] = endpoint, batch
                task.add_done_callback(self._on_done)
                continue
            if endpoint and not self._tasks and not self._retries:
                return
            self._check_alive()
            await self._wait()

    def _next(self) -> Batch | None:
        if batch := self._retries.take():
            return batch
        queries = self._backlog.take(self._runtime.samples_per_request)
        return Batch(queries, num_bad_replies=self._saving.slips(queries)) if queries else None

    async def _wait(self) -> None:
        """Until a request ends, or the time of a retry or of a paused endpoint comes."""
        self._wake.clear()
        try:
            async with asyncio.timeout(min(self._retries.seconds_to_next(), LONGEST_WAIT)):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _on_done(self, task: asyncio.Task[None]) -> None:
        endpoint, batch = self._tasks.pop(task)
        endpoint.ended()
        self._wake.set()
        if task.cancelled() and self._watches[endpoint.url].stalled:
            self._retry(endpoint, batch, STALLED)  # it never came to its first step
        elif not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._error is None and isinstance(error, Exception):
            self._error = error
        self._wake.set()

    async def _guarded(self, helper: Any) -> None:  # noqa: ANN401
        try:
            await helper
        except Exception as error:
            self._fail(error)

    async def _attempt(self, endpoint: Endpoint, batch: Batch) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(endpoint.deadline(self._request.max_tokens, self._runtime.request_seconds)):
                answers = await self._call(endpoint, batch)
        except asyncio.CancelledError:
            if not self._watches[endpoint.url].stalled:
                raise
            self._retry(endpoint, batch, STALLED)
            return
        except TimeoutError:
            seconds = time.monotonic() - started
            endpoint.was_late()
            self._retry(endpoint, batch, replies.Failure("server", f"no answer after {seconds:.0f} s"))
            return
        except (openai.OpenAIError, replies.BadReplyError, aiohttp.ClientError) as error:  # the last: no HTTP
            self._retry(endpoint, batch, replies.failure(error, endpoint.url, self._request.model))
            return
        self._alive_at = time.monotonic()
        tokens = [answer.completion_tokens or 0 for answer in answers if answer] or [0]
        endpoint.answered(self._alive_at - started, tokens, saturated=endpoint.load >= 1)
        unanswered, is_suspected = [], False
        for query, answer in zip(batch.queries, answers, strict=True):
            if answer is None:
                unanswered.append(query)
            else:
                self._calls.record()
                self._keep(query, answer)
                is_suspected |= self._copies.look(endpoint.url, query, answer)
        if is_suspected:
            await self._check_copies(endpoint, batch)
        if unanswered:
            reason = replies.Failure("reply", "the reply held no answer: no content, or an unknown finish_reason")
            self._retry(endpoint, replace(batch, queries=unanswered), reason)

    async def _check_copies(self, endpoint: Endpoint, batch: Batch) -> None:
        """End the run if the suspicion is confirmed that the endpoint ignores the seed; else look at it no more."""
        client, url = self._clients[endpoint.url], endpoint.url
        if not await gives_copies(self._request, batch.queries, client, self._runtime.request_seconds):
            self._copies.clear(url)
            return
        found = self._copies.copies(url)
        self._saving.forget(found)
        raise ServerError(
            f"{self._copies.reason(url)}; copies are no votes of their own. {len(found)} of them were taken out "
            "of the store, and one answer to each problem stays: mend the server (no cache of responses; "
            "runtime.samples_per_request 1 if it ignores `n`) and run again"
        )

    async def _call(self, endpoint: Endpoint, batch: Batch) -> list[Answer | None]:
        client, body = self._clients[endpoint.url], self._request.body(batch.queries, batch.num_bad_replies)
        watch, number = self._watches[endpoint.url], len(batch.queries)
        if watch.streams:
            completion = await watch.collect(client, body)
            answers = replies.from_completion(completion, endpoint.url, self._request, number)
        else:
            answers = replies.answers(await complete(client, body), endpoint.url, self._request, number)
        seed = body["seed"] if batch.num_bad_replies else None
        name = self._servers.get(endpoint.url)
        return [each and each._replace(seed=seed, server=versions.joined(name, each.server)) for each in answers]

    def _retry(self, endpoint: Endpoint, batch: Batch, failure: replies.Failure) -> None:
        """Ask once more later, on whatever endpoint has room then, or give these queries up."""
        if failure.kind == "busy":
            endpoint.busy(failure.wait)
        if failure.kind in ("busy", "server"):
            endpoint.failed()  # one that is busy and answers nothing at all would draw all work to itself
        else:
            self._calls.record(failure=failure.reason)
        self._progress.retried(failure.reason)
        if self._retries.schedule(batch, failure, self._runtime.max_attempts):
            return
        for query in batch.queries:
            if batch.num_bad_replies:
                self._saving.slipped(query, batch.num_bad_replies)
            status = "refused" if failure.kind == "row" else "failed"
            self._failed[query.key] = Answer(status, None, None, None, None, failure.reason)
            self._settle(query, self._failed[query.key])

    def _check_alive(self) -> None:
        if any(each.is_starting for each in self._endpoints):
            return
        silent = time.monotonic() - max(self._alive_at, *(each.last_token_at for each in self._endpoints))
        if silent > self._runtime.give_up_seconds and not any(each.is_trusted for each in self._endpoints):
            names = ", ".join(each.url for each in self._endpoints)
            raise ServerError(
                f"{names}: no answer for {silent:.0f} s ({self._progress.last_failure}); every answer so far is "
                "stored: mend the server and run again"
            )

    async def _on_stall(self, endpoint: Endpoint) -> None:
        """Pause an endpoint that holds requests and makes no token; they are asked elsewhere."""
        endpoint.pause()
        for task, (where, _) in list(self._tasks.items()):
            if where is endpoint:
                task.cancel()

    async def _recover(self, endpoint: Endpoint) -> None:
        async for is_ours in probes.recoveries(
            endpoint, self._clients[endpoint.url], self._watches[endpoint.url], self._restart
        ):
            await self._ask_version(endpoint)
            if is_ours:
                self._alive_at = time.monotonic()
            self._wake.set()

    async def _ask_version(self, endpoint: Endpoint) -> None:
        self._servers[endpoint.url] = await versions.told(self._clients[endpoint.url], endpoint.url)

    def _keep(self, query: Query, answer: Answer) -> None:
        self._saving.keep(query, answer)
        self._budget.count({query.key: answer})
        self._settle(query, answer)

    def _settle(self, query: Query, answer: Answer) -> None:
        self._progress.answered(answer)
        self._backlog.answered(query, answer)

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            self._progress.show_now_and_then()
            try:
                await self._saving.save_if_due()
            except Exception as error:
                self._fail(error)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # SIGTERM may fall into any task; asyncio would show the end that it asks for as a failure of that one.
    if not isinstance(context.get("exception"), SystemExit | KeyboardInterrupt):
        loop.default_exception_handler(context)
