"""Queries: what is asked of a model, the key under which its answer is stored, and the table of traces.

A *query* is one sample of one problem. Its key is the SHA-256 of everything that determines the answer, so an answer is
reused exactly when asking again would be the same question, and never otherwise.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from stages.core.sampling.channels import split_reasoning as split_reasoning
from stages.core.sampling.prompts import Example, Message, render
from stages.core.tables.traces import TRACES

PROBLEMS_IN = pl.Schema({"problem_id": pl.String(), "topic": pl.String(), "prompt": pl.String()})
BENCHMARKS_IN = pl.Schema({"benchmark": pl.String(), **PROBLEMS_IN})
SEEDS = 2**31
SEED_STEP = 7_919


class Query(NamedTuple):
    """One sample of one problem, ready to be sent. `key` is hex SHA-256; `benchmark` is None outside exams."""

    key: str
    benchmark: str | None
    problem_id: str
    sample: int
    messages: tuple[Message, ...]

    @property
    def seed(self) -> int:
        """The engine's seed for this sample, in [0, 2**31)."""
        return int(self.key[:8], 16) % SEEDS


class Answer(NamedTuple):
    """What came back for a query. `reason` explains a refused or failed one; token counts are the server's.

    `is_raw`: the content is a whole turn of gpt-oss as its server sent it, the reasoning in it; see `replies.split`.
    `seed`: the one that was sent, where it is not the query's own, because the model slipped with that one. `server`:
    name and version of what answered, as far as it told. Neither is part of the key.
    """

    status: str
    content: str | None
    reasoning: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reason: str | None
    is_raw: bool = False
    seed: int | None = None
    server: str | None = None


class Request(NamedTuple):
    """How every problem of a table is asked of a model. What is hashed and what is sent come from this one object.

    `model` is the name that a server lists; in the key `identity` stands for it. `fields` are both hashed and sent:
    every sampling setting, `reasoning_effort` (not sent where it is None), and what only some servers know. `effort` is
    the name under which params.yaml asks, and hashed alone. The number of samples is no part of the key: raising it
    from 4 to 8 asks only for the new four.
    """

    model: str
    identity: Mapping[str, object]
    fields: Mapping[str, object]
    effort: str | None
    num_samples: int
    system: str | None
    suffix: str | None
    examples: Sequence[Example]

    @property
    def max_tokens(self) -> int:
        """Limit of one answer."""
        return int(str(self.fields["max_tokens"]))

    @property
    def reasoning_effort(self) -> str | None:
        """The reasoning effort that is sent; None: none is sent."""
        effort = self.fields.get("reasoning_effort")
        return None if effort is None else str(effort)

    def messages(self, prompt: str, topic: str | None = None) -> tuple[Message, ...]:
        """The chat in which a problem is asked."""
        return render(prompt, topic, self.system, self.suffix, self.examples)

    def key(self, messages: Sequence[Message], sample: int) -> str:
        """Hex SHA-256 of the model's identity, the messages, every field as sent, the effort and the sample's index."""
        return self._keys()(messages, range(sample, sample + 1))[0]

    def _keys(self) -> Callable[[Sequence[Message], range], list[str]]:
        """From messages and indices of samples to keys; what all queries, or all of a problem, share is done once.

        The hashed text is one JSON object with its keys (effort, identity, messages, sample, sampling) in this order.
        """
        head = f'{{"effort":{_json(self.effort)},"identity":{_json(dict(self.identity))},"messages":'
        tail = f',"sampling":{_json(dict(self.fields))}}}'

        def keys(messages: Sequence[Message], samples: range) -> list[str]:
            prefix = hashlib.sha256(f'{head}{_json(list(messages))},"sample":'.encode())
            hashes = []
            for sample in samples:
                digest = prefix.copy()
                digest.update(f"{sample}{tail}".encode())
                hashes.append(digest.hexdigest())
            return hashes

        return keys

    def queries(self, problems: pl.DataFrame) -> Iterator[list[Query]]:
        """The queries of each row of a table of problems (or of benchmarks), by sample."""
        has_benchmark = "benchmark" in problems.columns
        columns = ["problem_id", "topic", "prompt", *(["benchmark"] if has_benchmark else [])]
        keys, samples = self._keys(), range(self.num_samples)
        for problem_id, topic, prompt, *benchmark in problems.select(columns).iter_rows():
            messages = self.messages(prompt, topic)
            name = benchmark[0] if has_benchmark else None
            yield [Query(key, name, problem_id, sample, messages) for sample, key in enumerate(keys(messages, samples))]

    def body(self, queries: Sequence[Query], attempt: int = 0) -> dict[str, Any]:
        """The JSON of a chat completion for samples of one problem, vLLM's extra fields among the others.

        `attempt` counts the replies to it that were no answers: with the same seed the model would slip again.
        """
        first = queries[0]
        seed = (first.seed + attempt * SEED_STEP) % SEEDS
        body: dict[str, Any] = {"model": self.model, "messages": first.messages, "seed": seed, **self.fields}
        if self.reasoning_effort is None:
            body.pop("reasoning_effort", None)
        if len(queries) > 1:
            body["n"] = len(queries)
            body["return_token_ids"] = True  # how many tokens each has; `usage` counts them together
        return body


_json = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode

_MARK = "\uffff"
"""A code point that is no character, so that no text has it but by accident."""


def escape_surrogates(text: str) -> str:
    """The text with each half of a surrogate pair written as U+FFFF and its four hex digits: no table can hold one.

    Halves that belong together are joined first. `unescape_surrogates` undoes it, for any text: a U+FFFF that stood
    there is written the same way.
    """
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return re.sub(f"[\ud800-\udfff{_MARK}]", lambda match: f"{_MARK}{ord(match[0]):04x}", joined)


def unescape_surrogates(text: str) -> str:
    """The text that `escape_surrogates` was given (with pairs joined)."""
    return re.sub(f"{_MARK}([0-9a-f]{{4}})", lambda match: chr(int(match[1], 16)), text)


def traces(
    queries: Sequence[Query], answers: Mapping[str, Answer], model: str, effort: str | None, stopped: Sequence[str]
) -> pl.DataFrame:
    """The traces table, one row a query; a query without an answer has status `failed`.

    `stopped` has for each query why no more samples of its problem were drawn.
    """
    missing = Answer("failed", None, None, None, None, "never answered")
    rows = []
    for query, why in zip(queries, stopped, strict=True):
        answer = answers.get(query.key, missing)
        content, reasoning = split_reasoning(answer.content, answer.reasoning)
        texts = (reasoning, content, answer.reason)
        reasoning, content, reason = (None if text is None else escape_surrogates(text) for text in texts)
        query_fields = (model, effort, query.benchmark, query.problem_id, query.sample, query.key)
        counts = (answer.prompt_tokens, answer.completion_tokens)
        rows.append((*query_fields, reasoning, content, answer.status, *counts, why, reason))
    return pl.DataFrame(rows, schema=TRACES, orient="row")
