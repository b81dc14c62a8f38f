"""Asking: many queries in flight to OpenAI servers, every answer stored, failures retried or told apart.

Each answer goes to the store in small batches as it comes, so a kill loses at most the last uncommitted batch.
"""

import asyncio
import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import openai

from stages.core.queries import Answer, Query
from stages.edge.endpoints import client_settings
from stages.edge.errors import ServerError
from stages.edge.params import Runtime
from stages.edge.progress import Progress
from stages.edge.store import Store

COMMIT_ROWS = 32
COMMIT_SECONDS = 2.0
ROUNDS_TO_GIVE_UP = 3
"""A run stops when so many times the requests in flight have failed with no answer between: the server is gone."""
LONGEST_BACKOFF = 60.0


class _BadReplyError(Exception):
    """A 200 whose body is no completion: worth another try."""


@dataclass(frozen=True)
class Request:
    """What all queries of one run share: the served model and the sampling fields, sent with every request."""

    model: str
    sampling: Mapping[str, object]
    reasoning_effort: str | None

    def body(self, query: Query) -> dict[str, Any]:
        """Arguments of `chat.completions.create`. vLLM's extra fields travel in `extra_body`."""
        fields = dict(self.sampling)
        named = {key: fields.pop(key) for key in ("temperature", "top_p", "max_tokens")}
        body: dict[str, Any] = {"model": self.model, "messages": list(query.messages), "seed": query.seed, **named}
        if self.reasoning_effort is not None:
            body["reasoning_effort"] = self.reasoning_effort
        return {**body, "extra_body": fields}


class Sampler:
    """Sends queries to `urls`, least in flight first, and stores what comes back."""

    def __init__(
        self, urls: Sequence[str], request: Request, store: Store, runtime: Runtime, progress: Progress
    ) -> None:
        """Nothing is sent before `ask`."""
        self._clients = {url: openai.AsyncOpenAI(**client_settings(url, runtime.request_seconds)) for url in urls}
        self._in_flight = dict.fromkeys(urls, 0)
        self._request, self._store, self._runtime, self._progress = request, store, runtime, progress
        self._unsaved: list[tuple[str, Answer]] = []
        self._saved_at = time.monotonic()
        self._failures_in_a_row = 0

    def ask(self, queries: Iterable[Query]) -> int:
        """Ask every query; return how many failed for good (they are not stored, so a later run asks them again).

        Raises:
            ServerError: the server refuses us altogether, is gone, or fails too often. What was answered is stored.
        """
        return asyncio.run(self._ask(queries))

    async def _ask(self, queries: Iterable[Query]) -> int:
        waiting = iter(queries)
        failed = 0

        async def work() -> None:
            nonlocal failed
            for query in waiting:
                answer = await self._answer(query)
                failed += answer.status == "failed"
                self._keep(query, answer)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._runtime.concurrency * len(self._clients)):
                    group.create_task(work())
        except* ServerError as stopped:
            raise stopped.exceptions[0] from None
        finally:
            self._save()
            for client in self._clients.values():
                await client.close()
        return failed

    def _keep(self, query: Query, answer: Answer) -> None:
        self._progress.answered(answer)
        if answer.status != "failed":
            self._unsaved.append((query.key, answer))
        if len(self._unsaved) >= COMMIT_ROWS or time.monotonic() - self._saved_at > COMMIT_SECONDS:
            self._save()

    def _save(self) -> None:
        self._store.put(self._unsaved)
        self._unsaved, self._saved_at = [], time.monotonic()

    async def _answer(self, query: Query) -> Answer:
        reason = ""
        for attempt in range(self._runtime.max_attempts):
            if attempt:
                await asyncio.sleep(min(LONGEST_BACKOFF, 0.5 * 2**attempt) * random.uniform(0.5, 1.0))
            url = min(self._in_flight, key=lambda each: self._in_flight[each])
            self._in_flight[url] += 1
            try:
                answer = await self._call(url, query)
                self._failures_in_a_row = 0
                return answer
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                return Answer("refused", None, None, None, None, str(error.message))
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise ServerError(f"{url} refuses the key; set OPENAI_API_KEY to one that it takes") from error
            except openai.NotFoundError as error:
                raise ServerError(
                    f"{url} has no model {self._request.model}; serve it there, or unset the URL"
                ) from error
            except (openai.OpenAIError, _BadReplyError) as error:
                reason = f"{type(error).__name__}: {error}"
                self._count_failure(url, reason)
            finally:
                self._in_flight[url] -= 1
        return Answer("failed", None, None, None, None, reason)

    def _count_failure(self, url: str, reason: str) -> None:
        self._failures_in_a_row += 1
        self._progress.retried()
        if self._failures_in_a_row >= ROUNDS_TO_GIVE_UP * self._runtime.concurrency * len(self._clients):
            raise ServerError(
                f"{url} answers no more ({reason[:200]}); every answer so far is stored: mend the server and run again"
            )

    async def _call(self, url: str, query: Query) -> Answer:
        try:
            completion = await self._clients[url].chat.completions.create(**self._request.body(query))
        except json.JSONDecodeError as error:
            raise _BadReplyError("the reply is no JSON") from error
        choices = getattr(completion, "choices", None)
        if not choices or len(choices) != 1 or choices[0].message is None:
            raise _BadReplyError("the reply holds no single choice")
        choice, usage = choices[0], completion.usage
        content, status = choice.message.content, choice.finish_reason
        reasoning = getattr(choice.message, "reasoning", None) or getattr(choice.message, "reasoning_content", None)
        if status not in ("stop", "length"):
            raise _BadReplyError(f"finish_reason {status!r}")
        if status == "stop" and content is None:
            # vLLM loses the answer of a malformed harmony turn this way (vllm#45736); it is a fault, not an abstention.
            raise _BadReplyError("stopped with no content")
        return Answer(
            status,
            _text(content),
            _text(reasoning),
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
            None,
        )


def _text(found: str | None) -> str | None:
    """The text with halves of surrogate pairs joined or replaced: no table or file can hold one alone."""
    return None if found is None else found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
