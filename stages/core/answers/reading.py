"""Reading: the answer of a response, with its key and the rule that found it."""

from typing import Literal, NamedTuple

from stages.core.answers.extraction import extract
from stages.core.answers.keys import canonical


class Reading(NamedTuple):
    """An answer, its key, and the rule that found it; None and "none" where a response has no answer."""

    answer: str | None
    key: str | None
    rule: Literal["box", "stated", "none"]


NOTHING = Reading(None, None, "none")


def read(content: str | None) -> Reading:
    """The final answer of a response's content; an empty box is no answer."""
    if content is None:
        return NOTHING
    extracted = extract(content)
    key = canonical(extracted.answer) if extracted.answer else ""
    return Reading(extracted.answer, key, extracted.rule) if key else NOTHING


def answer_of(content: str | None) -> str | None:
    """`read`, the answer alone."""
    return read(content).answer
