"""Answers sampled by other programs, from the lines of their files.

Ours are `{"problem_id", "sample", "text"}`, one a sample, text null where no answer came back, or rows of the table of
traces. Read too: the samples of lm-evaluation-harness (`doc_id`, `target`, `resps`), the details of lighteval (`doc`,
`model_response`, `metric`), and ReasonLite's `generation.jsonl` (`response`, `answer`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stages.core.sampling.queries import escape_surrogates
from stages.core.tables.traces import UNANSWERED

QUESTIONS = ("problem", "Problem", "question", "Question", "prompt")
"""Fields of a document of lm-eval that hold its question."""


class Generation(NamedTuple):
    """One sample of a problem; `text` is None where no answer came back."""

    problem_id: str
    sample: int
    text: str | None


class Parsed(NamedTuple):
    """The samples of a line, and the problem's gold where the line has it."""

    generations: list[Generation]
    gold: str | None
    name: str
    """The problem's."""
    view: str | None = None
    """Which of several views of the same answers it is: lm-eval writes each sample once for each of its filters."""
    question: str | None = None
    metrics: Mapping[str, float] | None = None
    """What the other program made of the answers, by its names; None where the line does not say."""


def parse(row: Mapping[str, Any], number: int) -> Parsed:
    """The samples of one line; `number` is its place, which names a problem that has no id.

    Raises:
        ValueError: its form is unknown, or its values are invalid.
    """
    if "text" in row and "sample" in row:
        own = _ours(row)
        return Parsed([own], None, own.problem_id)
    if "content" in row and "sample" in row and "status" in row:
        own = _ours({**row, "text": None if row["status"] in UNANSWERED else row["content"] or ""})
        return Parsed([own], None, own.problem_id)
    if "resps" in row and "doc_id" in row:
        parsed = _several(row["doc_id"], _flat(row["resps"]), row.get("target"), row.get("filter"))
        return parsed._replace(question=_question(row.get("doc")), metrics=_lm_eval_metrics(row))
    if isinstance(row.get("model_response"), Mapping) and isinstance(row.get("doc"), Mapping):
        doc = row["doc"]
        name = next((doc[key] for key in ("id", "doc_id", "query") if doc.get(key) not in (None, "")), number)
        parsed = _several(name, row["model_response"].get("text"), _choice(doc))
        query, metric = doc.get("query"), row.get("metric")
        question = escape_surrogates(query) if isinstance(query, str) else None
        return parsed._replace(question=question, metrics=_numbers(metric) if isinstance(metric, Mapping) else None)
    if isinstance(row.get("response"), list):
        name = next(
            (row[key] for key in ("problem_id", "id", "index", "unique_id") if row.get(key) is not None), number
        )
        return _several(name, row["response"], row.get("answer", row.get("expected_answer")))
    raise ValueError(
        f"has the fields {', '.join(map(str, row))}: neither problem_id, sample and text nor those of lm-eval, "
        "lighteval or ReasonLite"
    )


def _ours(row: Mapping[str, Any]) -> Generation:
    name, sample, text = row.get("problem_id"), row["sample"], row["text"]
    if name is None or isinstance(name, dict | list):
        raise ValueError("has no `problem_id`")
    if not isinstance(sample, int) or isinstance(sample, bool) or not 0 <= sample < 2**15:
        raise ValueError(f"`sample` is {sample!r}, not a number from 0 on")
    if not isinstance(text, str | None):
        raise ValueError("`text` is neither text nor null")
    return Generation(escape_surrogates(str(name)), sample, None if text is None else escape_surrogates(text))


def _several(name: object, texts: object, gold: object, view: object = None) -> Parsed:
    if not isinstance(texts, list) or not all(isinstance(text, str | None) for text in texts):
        raise ValueError("its answers are no list of texts")
    named = escape_surrogates(str(name))
    clean = [None if text is None else escape_surrogates(text) for text in texts]
    generations = [Generation(named, sample, text) for sample, text in enumerate(clean)]
    if isinstance(gold, list):
        gold = gold[0] if len(gold) == 1 else None
    gold_text = None if gold is None else escape_surrogates(str(gold))
    return Parsed(generations, gold_text, named, None if view is None else str(view))


def _question(document: object) -> str | None:
    """The question of a document of lm-eval."""
    texts = [document.get(name) for name in QUESTIONS] if isinstance(document, Mapping) else []
    found = next((text for text in texts if isinstance(text, str) and text.strip()), None)
    return None if found is None else escape_surrogates(found)


def _lm_eval_metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """Newer files name their metrics; in older ones they are the numbers beside the document's."""
    names = row.get("metrics")
    rest = {name: value for name, value in row.items() if name not in ("doc_id", "target")}
    return _numbers({name: rest.get(name) for name in names} if isinstance(names, list) else rest)


def _numbers(values: Mapping[str, object]) -> dict[str, float]:
    """Those that are finite numbers; whether something is right counts as 1 or 0."""
    numbers = {str(name): float(value) for name, value in values.items() if isinstance(value, bool | int | float)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _flat(answers: object) -> object:
    """lm-eval nests a list for each request."""
    if not isinstance(answers, list):
        return answers
    return [text for each in answers for text in (each if isinstance(each, list) else [each])]


def _choice(doc: Mapping[str, Any]) -> object:
    """The gold of a lighteval document: of several the first, as its own metrics take it."""
    choices, index = doc.get("choices"), doc.get("gold_index")
    first = index[0] if isinstance(index, Sequence) and index else index
    if not isinstance(choices, list) or not isinstance(first, int) or not 0 <= first < len(choices):
        return None
    return choices[first]
