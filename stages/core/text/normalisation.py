"""The words of a problem, so that copies of it that differ in typesetting have the same ones."""

import re
import unicodedata

NUMERALS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
MASK = "#"

_WORD = re.compile(r"\d+|[^\W\d_]+")
"""A number or a run of letters. Copies space formulas freely, so `2x` is cut as `2 x` is, `r_1` as `r_{1}`."""
_OTHER_SIGNS = "".join(chr(code) for code in range(0x80, 0x2C00) if unicodedata.category(chr(code)) == "Sm") + "\u00b7"
_SIGN = re.compile(rf"\d+|[^\W\d_]+|[-+*/^=<>!|%()\[\]{re.escape(_OTHER_SIGNS)}]")
_OPERATOR = re.compile(r"[-+*/=<>]")
_DISPLAY = re.compile(r"\\[()\[\]]")
_BRACED = re.compile(r"\{([^{}]*)\}")
"""Braces around one thing are typesetting, `r_{1}`; around a sum they are brackets, `e^{x+1}`."""
_LETTERS_APART = re.compile(r"(?<=\b[^\W\d_]) (?=[^\W\d_]\b)")
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL | re.IGNORECASE)
_TYPESETTING = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|text(?:bf|it|rm)?|math(?:rm|bf|it|bb|cal)|mbox|displaystyle|operatorname|[dt]?frac|"
    r"quad|qquad|begin|end|overline|sqrt|cdot|ldots|dots|le[q]?|ge[q]?|ne[q]?|in|times|angle|triangle|circ|hspace|"
    r"vspace|smallskip|medskip|bigskip|item|label|ref)\b"
)
_MASKED = re.compile(rf"{MASK}(?: {MASK})+")


def words(prompt: str) -> list[str]:
    """Numbers and words in order, in lower case; letters side by side (`A B C`) are one word, as in `ABC`."""
    return _joined(_WORD.findall(prompt.lower()))


def words_and_signs(prompt: str) -> list[str]:
    """`words` with operators, relations and brackets between them: `7 + 5` is not `7 - 5`, nor `(1+2)/3` `1+(2/3)`."""
    text = _DISPLAY.sub(" ", prompt.lower().replace("\N{MINUS SIGN}", "-"))
    text = _BRACED.sub(lambda braced: f"({braced[1]})" if _OPERATOR.search(braced[1]) else f" {braced[1]} ", text)
    return _joined(_SIGN.findall(text))


def _joined(tokens: list[str]) -> list[str]:
    return _LETTERS_APART.sub("", " ".join(tokens)).split(" ") if tokens else []


def prose(prompt: str) -> list[str]:
    """`words` without drawings and typesetting commands, which unrelated problems share."""
    return words(_TYPESETTING.sub(" ", _DRAWING.sub(" ", prompt)))


def template(prompt: str) -> list[str]:
    """`prose` with each number (in digits or spelled out), or several side by side, as one `#`."""
    text = " ".join(MASK if token in NUMERALS or token.isdigit() else token for token in prose(prompt))
    return _MASKED.sub(MASK, text).split(" ") if text else []


def runs(tokens: list[str], size: int) -> set[str]:
    """Every run of `size` words; of a text that has fewer, the whole."""
    return {" ".join(tokens[start : start + size]) for start in range(max(1, len(tokens) - size + 1))}


def jaccard(one: set[str], other: set[str]) -> float:
    """Jaccard similarity: the size of the intersection over that of the union."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
