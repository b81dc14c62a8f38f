"""Channels: what of a text is reasoning and what is the answer, where a server did not take them apart.

Servers without a parser pass on what the model wrote: a thought in tags, a thought that was opened by the prompt and is
only closed (vllm PR #34937), or a turn of gpt-oss whose special tokens were dropped, so that the names of its channels
run into the text (`analysis...assistantfinal...`).
"""

import re

from stages.core.sampling.markers import CLOSING, OPENING, SOLUTION, TAG, THOUGHTS

_NAMES = r"(analysis|commentary|final)"
_NEXT_CHANNEL = re.compile(rf"assistant\s*{_NAMES}")
_FIRST_CHANNEL = re.compile(rf"\s*(?:assistant\s*)?{_NAMES}")
_RUNS_ON = re.compile(r"[A-Z0-9\\$*(\[]")
"""How a text goes on that runs into the channel's name: no sentence begins with `analysisWe`."""


def split_reasoning(content: str | None, reasoning: str | None) -> tuple[str | None, str | None]:
    """(content, reasoning) with the thought moved to the reasoning, where the server left it in the content.

    A thought stands between the tags of one of `markers.FAMILIES` at the beginning, or before a closing tag that was
    never opened. One that is not closed is reasoning only: the model never came to its answer, so the content is None.
    A text without a thought stays as it is, also one with tags further on: curation rejects it.
    """
    if reasoning is not None or content is None:
        return content, reasoning
    if (parts := _without_markers(content)) is not None:
        return parts
    if opened := OPENING.match(content):
        thought, closed, rest = content[opened.end() :].partition(THOUGHTS[opened[1]])
        return (_answer(rest) if closed else None), thought.strip()
    first = TAG.search(content)
    if first and CLOSING.fullmatch(first[0]):
        return _answer(content[first.end() :]), content[: first.start()].strip()
    return content, None


def is_unparsed(content: str | None, reasoning: str | None) -> bool:
    """Whether a server left a thought in the content: it has no parser for its model."""
    return split_reasoning(content, reasoning) != (content, reasoning)


def _answer(rest: str) -> str:
    opening, closing = SOLUTION
    return rest.strip().removeprefix(opening).removesuffix(closing).strip()


def _without_markers(content: str) -> tuple[str | None, str | None] | None:
    """(content, reasoning) of a turn of gpt-oss without its special tokens; None if it is no such turn."""
    first = _FIRST_CHANNEL.match(content)
    if not first:
        return None
    starts = [first, *_NEXT_CHANNEL.finditer(content, first.end())]
    is_final = [start[1] == "final" for start in starts]
    if len(starts) == 1 and not (_RUNS_ON.match(content, first.end()) and first[0].strip() != "final"):
        return None
    if len(starts) > 1 and not (any(is_final) or _RUNS_ON.match(content, first.end())):
        return None
    ends = [*(start.start() for start in starts[1:]), len(content)]
    texts = [content[start.end() : end].strip() for start, end in zip(starts, ends, strict=True)]
    thoughts = [text for text, start in zip(texts, starts, strict=True) if start[1] == "analysis" and text]
    finals = [text for text, final in zip(texts, is_final, strict=True) if final]
    return (finals[-1] if finals else None), "\n\n".join(thoughts)
