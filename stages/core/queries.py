"""Queries: what is asked of a model, the key under which its answer is stored, and the table of traces.

A *query* is one sample of one problem. Its key is the SHA-256 of everything that determines the answer, so an answer is
reused exactly when asking again would be the same question, and never otherwise.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import polars as pl

STATUSES = ("stop", "length", "refused", "failed")
TRACES = pl.Schema(
    {
        "model": pl.String(),
        "effort": pl.String(),
        "benchmark": pl.String(),
        "problem_id": pl.String(),
        "sample": pl.Int16(),
        "query_key": pl.String(),
        "reasoning": pl.String(),
        "content": pl.String(),
        "status": pl.Enum(STATUSES),
        "prompt_tokens": pl.Int32(),
        "completion_tokens": pl.Int32(),
    }
)
TRACES_KEY = ["model", "effort", "benchmark", "problem_id", "sample"]
PROBLEMS_IN = pl.Schema({"problem_id": pl.String(), "topic": pl.String(), "prompt": pl.String()})
BENCHMARKS_IN = pl.Schema({"benchmark": pl.String(), **PROBLEMS_IN})

Message = dict[str, str]


class Example(NamedTuple):
    """One worked example shown to the model before the problem.

    `topic` limits it to problems of that topic; None shows it always.
    """

    topic: str | None
    prompt: str
    response: str


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
        return int(self.key[:8], 16) & 0x7FFFFFFF


class Answer(NamedTuple):
    """What came back for a query. `reason` explains a refused or failed one; token counts are the server's."""

    status: str
    content: str | None
    reasoning: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reason: str | None


def render(
    prompt: str, topic: str | None, system: str | None, suffix: str | None, examples: Sequence[Example]
) -> tuple[Message, ...]:
    r"""Chat messages for one problem: system, examples as user/assistant turns, then the problem.

    `suffix` is appended to every user turn after a newline, as ReasonLite appends "Please reason step by step, and put
    your final answer within \boxed{}." to every problem.
    """

    def user(text: str) -> Message:
        return {"role": "user", "content": f"{text}\n{suffix}" if suffix else text}

    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for example in examples:
        if example.topic is None or example.topic == topic:
            messages += [user(example.prompt), {"role": "assistant", "content": example.response}]
    return (*messages, user(prompt))


def query_key(
    identity: Mapping[str, object],
    messages: Sequence[Message],
    sampling: Mapping[str, object],
    effort: str | None,
    sample: int,
) -> str:
    """Hex SHA-256 of the model's identity, the rendered messages, every sampling field as sent, effort and sample.

    The number of samples is deliberately not part of it: raising it from 4 to 8 asks only for the new four.
    """
    whole = {
        "identity": dict(identity),
        "messages": list(messages),
        "sampling": dict(sampling),
        "effort": effort,
        "sample": sample,
    }
    text = json.dumps(whole, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def queries(
    problems: pl.DataFrame,
    *,
    identity: Mapping[str, object],
    sampling: Mapping[str, object],
    effort: str | None,
    num_samples: int,
    system: str | None,
    suffix: str | None,
    examples: Sequence[Example],
) -> Iterator[Query]:
    """All queries for a table of problems (or of benchmarks), in the order of its rows, then by sample."""
    has_benchmark = "benchmark" in problems.columns
    for row in problems.iter_rows(named=True):
        messages = render(row["prompt"], row["topic"], system, suffix, examples)
        for sample in range(num_samples):
            key = query_key(identity, messages, sampling, effort, sample)
            yield Query(key, row["benchmark"] if has_benchmark else None, row["problem_id"], sample, messages)


def split_reasoning(content: str | None, reasoning: str | None) -> tuple[str | None, str | None]:
    """(content, reasoning) with a leading `<think>` block moved to the reasoning, where the server left it in.

    An unclosed block is reasoning only: the model never came to its answer, so the content is None.
    """
    if reasoning is not None or content is None or not content.lstrip().startswith("<think>"):
        return content, reasoning
    thought, closed, rest = content.lstrip().removeprefix("<think>").partition("</think>")
    return (rest.strip() if closed else None), thought.strip()


def traces(asked: Sequence[Query], answers: Mapping[str, Answer], model: str, effort: str | None) -> pl.DataFrame:
    """The traces table, one row a query; a query without an answer has status `failed`."""
    missing = Answer("failed", None, None, None, None, None)
    rows = []
    for query in asked:
        answer = answers.get(query.key, missing)
        content, reasoning = split_reasoning(answer.content, answer.reasoning)
        question = (model, effort, query.benchmark, query.problem_id, query.sample, query.key)
        rows.append((*question, reasoning, content, answer.status, answer.prompt_tokens, answer.completion_tokens))
    return pl.DataFrame(rows, schema=TRACES, orient="row")
