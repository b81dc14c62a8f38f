"""Words: answers in language rather than formulas."""

import re

from stages.core.answers.notation import squeeze

_CAPITALS = re.compile(r"[A-Z]{2,}|no|on|up|in|by")
_NAMED_BY_POINTS = re.compile(r"(?!(?:NO|YES|ODD|ALL|ANY|ONE|TWO|SIX|TEN)$)[A-Z]{2,3}")
_WORD = re.compile(r"[^\W\d_]{3,}|[^\x00-\x7f]")
_NOT_WORDS = re.compile(r"\\(?:begin|end)\{[a-z]+\*?\}|\\[a-zA-Z]+|_\{[^{}]*\}")
_FIGURE = re.compile(r"(\\angle|\\overline)\s*\{?([a-zA-Z]{2,3})\}?")
_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)


def folded(text: str) -> str:
    """Words without their case, but for the two or three capitals of a segment or a triangle: AB is not ab."""
    return text if _NAMED_BY_POINTS.fullmatch(text) else text.casefold()


def is_words(text: str) -> bool:
    """Whether a tidied text is language rather than a formula: a run of three letters outside macros, or of capitals.

    AB is no product that commutes, and IV no VI.
    """
    return bool(_CAPITALS.fullmatch(text) or _WORD.search(_NOT_WORDS.sub(" ", text)))


def key(text: str, lenient: bool) -> str:
    """Words without case and, for a judge, without their article; an angle and a triangle from either end."""
    text = folded(squeeze(text))
    if not lenient:
        return text
    if match := _FIGURE.fullmatch(text):
        return match[1] + min(match[2], match[2][::-1])
    return _ARTICLE.sub("", text)
