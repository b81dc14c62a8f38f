"""A look at what a run would ask and get, before it costs anything."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import openai

from stages.core.sampling import channels
from stages.core.sampling.harmony import PARSER
from stages.core.sampling.queries import Answer, Query, Request
from stages.edge.asking import copies, replies
from stages.edge.asking.clients import client, complete
from stages.edge.engines.pool import Endpoint
from stages.edge.errors import ServerError

ROWS_SHOWN_IN_FULL = 2
MOST_SHOWN = 600
SECONDS_TO_RENDER = 10.0
SECONDS_PER_HOUR = 3600


def show(
    request: Request,
    queries: Sequence[Query],
    endpoints: Sequence[Endpoint],
    num_queries: int,
    timeout: float,
    *,
    tries_seeds: bool = True,
) -> list[tuple[str, Answer]]:
    """Ask `queries`, `timeout` seconds each, and print prompts, answers, tokens and the time of `num_queries`.

    Returns the answers by their keys; nothing is stored. `tries_seeds`: say so if the server ignores the seed, which
    costs two short requests; a run that follows sees it by itself (`copies`).

    Raises:
        ServerError: the server renders two reasoning efforts alike, or answers none of the queries.
    """
    return asyncio.run(_show(request, queries, endpoints, num_queries, timeout, tries_seeds))


async def _show(
    request: Request,
    queries: Sequence[Query],
    endpoints: Sequence[Endpoint],
    num_queries: int,
    timeout: float,
    tries_seeds: bool,
) -> list[tuple[str, Answer]]:
    endpoint = endpoints[0]
    async with client(endpoint.url) as server:
        await check_effort(request, queries[0], endpoint.url, server, timeout)
        prompt = await _rendered(request, queries[0], endpoint.url)
        _print(f"The first prompt, as {endpoint.url} renders it:\n{_printable(prompt)}")
        if tries_seeds:
            await check_seed(request, queries[0], endpoint.url, server, timeout)
        started = time.monotonic()
        slots = asyncio.Semaphore(endpoint.limit)
        results = await asyncio.gather(
            *(_ask_timed(request, query, endpoint.url, server, slots, timeout) for query in queries)
        )
    answers = [(query, *each) for query, each in zip(queries, results, strict=True) if each is not None]
    if not answers:
        raise ServerError(f"{endpoint.url} answered none of {len(queries)} queries; see its log")
    for query, answer, seconds in answers[:ROWS_SHOWN_IN_FULL]:
        _print(f"{query.problem_id}: {_printable(query.messages[-1]['content'])}")
        shown = replies.split({query.key: answer})[query.key]
        content, reasoning = channels.split_reasoning(shown.content, shown.reasoning)
        _print(f"reasoning: {_cut(reasoning)}\ncontent: {_cut(content)}")
        _print(f"{answer.status}, {answer.completion_tokens} tokens in {seconds:.1f} s\n")
    _say_if_unparsed([answer for _, answer, _ in answers], endpoint.url)
    tokens = [answer.completion_tokens or 0 for _, answer, _ in answers]
    rate = sum(tokens) / max(time.monotonic() - started, 1e-3)
    per_stream = sum(tokens) / max(sum(seconds for _, _, seconds in answers), 1e-3)
    num_at_once = sum(each.limit for each in endpoints)
    mean = sum(tokens) / len(tokens)
    truncated = sum(answer.status == "length" for _, answer, _ in answers)
    total = mean * num_queries
    _print(
        f"{len(answers)} of {len(queries)} answered, {mean:.0f} tokens each, {truncated} truncated. "
        f"{num_queries:,} queries are about {total / 1e6:,.1f}M tokens: "
        f"{_hours(total, per_stream * num_at_once)} if {num_at_once} at once are each as fast as these, "
        f"{_hours(total, rate * len(endpoints))} if these were all that a server can do."
    )
    return [(query.key, answer) for query, answer, _ in answers]


def _say_if_unparsed(answers: Sequence[Answer], url: str) -> None:
    """Say so if the server does not take reasoning and content apart."""
    if raw := sum(answer.is_raw for answer in answers):
        _print(
            f"{url} has no reasoning parser: {raw} of {len(answers)} answers are raw turns of gpt-oss, which are read "
            f"here (vLLM has --reasoning-parser {PARSER})"
        )
    parts = [(answer.content, answer.reasoning) for answer in answers if not answer.is_raw]
    if unparsed := sum(channels.is_unparsed(*each) for each in parts):
        _print(
            f"{url} has no reasoning parser: {unparsed} of {len(answers)} answers hold their reasoning in the content. "
            "What stands in tags, or before a closing one, is taken as reasoning. Better set reasoning_parser "
            "(vLLM: --reasoning-parser)"
        )


def _hours(tokens: float, rate: float) -> str:
    return f"{tokens / max(rate, 1e-3) / SECONDS_PER_HOUR:,.1f} h"


async def _ask_timed(
    request: Request, query: Query, url: str, server: openai.AsyncOpenAI, slots: asyncio.Semaphore, timeout: float
) -> tuple[Answer, float] | None:
    async with slots:
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                raw = await complete(server, request.body([query]))
            (answer,) = replies.answers(raw, url, request, 1)
        except TimeoutError:
            _print(f"{query.problem_id}: no answer after {timeout:.0f} s")
            return None
        except (openai.OpenAIError, replies.BadReplyError, aiohttp.ClientError) as error:
            _print(f"{query.problem_id}: {replies.failure(error, url, request.model).reason}")
            return None
    return None if answer is None else (answer, time.monotonic() - started)


async def check_effort(request: Request, query: Query, url: str, server: openai.AsyncOpenAI, timeout: float) -> None:
    """Refuse a server that ignores the reasoning effort (vllm#22809): the same answers would be paid for twice.

    Raises:
        ServerError: the prompts of the efforts low and high have the same tokens, or the server refuses us.
    """
    if request.reasoning_effort is None:
        return
    prompts = []
    for effort in ("low", "high"):
        fields = {"reasoning_effort": effort, "max_tokens": 1, "return_token_ids": True}
        prompts.append(await _prompt_tokens(server, request.body([query]) | fields, url, timeout))
    if None in prompts:
        _print(f"{url} does not show how it renders a prompt: it is unknown whether it uses the reasoning effort")
    elif prompts[0] == prompts[1]:
        raise ServerError(
            f"{url} renders the reasoning efforts low and high of {request.model} alike: set reasoning_effort to null "
            "and let the efforts differ by their system prompt, examples or max_tokens"
        )


async def check_seed(request: Request, query: Query, url: str, server: openai.AsyncOpenAI, timeout: float) -> None:
    """Say so if the server gives two samples of one prompt the same text at a temperature at which nothing repeats."""
    if not copies.is_sampled(request.fields):
        return
    texts = await copies.probed(request, [query], server, timeout)
    if texts and texts[0] == texts[1] and len(texts[0]) >= copies.SHORTEST_PROBE:
        _print(
            f"{url} gives the same text to two seeds at temperature {copies.PROBE_TEMPERATURE:g}: it ignores `seed`, "
            "or answers from a cache. Its samples are copies, which are no votes of their own, and a run would stop: "
            "mend the server first"
        )


async def _prompt_tokens(
    server: openai.AsyncOpenAI, body: Mapping[str, Any], url: str, timeout: float
) -> object | None:
    """The tokens of the prompt, or None if the server does not list them or does not answer."""
    try:
        async with asyncio.timeout(timeout):
            payload = json.loads(await complete(server, body))
    except (TimeoutError, ValueError, RecursionError) as error:
        _print(f"{url}: {type(error).__name__}")
        return None
    except (openai.OpenAIError, aiohttp.ClientError) as error:
        _print(f"{url}: {replies.failure(error, url, str(body['model'])).reason}")
        return None
    return payload.get("prompt_token_ids") if isinstance(payload, Mapping) else None


async def _rendered(request: Request, query: Query, url: str) -> str:
    """The prompt as the server's template renders it for this request, or the messages if it cannot."""
    model, messages = request.model, list(query.messages)
    root = url.removesuffix("/").removesuffix("/v1")
    timeout = aiohttp.ClientTimeout(total=SECONDS_TO_RENDER)
    try:
        async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session:
            fields = request.fields.get("chat_template_kwargs")
            fields = dict(fields) if isinstance(fields, Mapping) else {}
            if request.reasoning_effort is not None:
                fields["reasoning_effort"] = request.reasoning_effort
            body = {"model": model, "messages": messages, "add_generation_prompt": True, "chat_template_kwargs": fields}
            async with session.post(f"{root}/tokenize", json=body) as response:
                tokens = (await response.json())["tokens"]
            async with session.post(f"{root}/detokenize", json={"model": model, "tokens": tokens}) as response:
                return str((await response.json())["prompt"])
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        return "\n".join(f"[{message['role']}] {message['content']}" for message in messages)


def _printable(text: str) -> str:
    """The text without control sequences, which must not reach a terminal from a dataset or a model."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _cut(text: str | None) -> str:
    """The beginning of a text, for a terminal."""
    if text is None:
        return "none"
    shown = _printable(text)
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]} ... ({len(text)} characters)"


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
