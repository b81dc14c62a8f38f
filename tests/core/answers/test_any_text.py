r"""Whatever a model writes, each reader of an answer ends without an error, and in time linear in the text."""

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.core.answers import (
    boxes,
    brackets,
    conclusions,
    extraction,
    forms,
    keys,
    notation,
    numerals,
    quantities,
    reading,
    structures,
    styles,
    symbols,
    units,
    words,
)
from stages.core.equality import expressions, measures, phrases
from tests.hostile import CODE, FUNCTIONS, HOSTILE, TOWERS, UNICODE

pytestmark = pytest.mark.no_cover

READERS: dict[str, Callable[[str], object]] = {
    "boxes.last": boxes.last,
    "boxes.boxed": boxes.boxed,
    "brackets.bare": brackets.bare,
    "brackets.split": brackets.split,
    "brackets.ratio": brackets.ratio,
    "brackets.unbracket": brackets.unbracket,
    "extraction.extract": extraction.extract,
    "conclusions.payload": conclusions.payload,
    "conclusions.conclusion": conclusions.conclusion,
    "forms.read": forms.read,
    "forms.split_name": forms.split_name,
    "keys.canonical": keys.canonical,
    "keys.number": keys.number,
    "keys.is_numeric": keys.is_numeric,
    "notation.tidy": notation.tidy,
    "notation.squeeze": notation.squeeze,
    "numerals.evaluate": numerals.evaluate,
    "quantities.quantity": quantities.quantity,
    "quantities.without_unit": quantities.without_unit,
    "quantities.join_thousands": quantities.join_thousands,
    "measures.same_time": lambda text: measures.same_time(text, "8:34 PM", lenient=True),
    "reading.read": reading.read,
    "structures.condition": structures.condition,
    "structures.cycles": structures.cycles,
    "structures.family": structures.family,
    "structures.lines": structures.lines,
    "structures.listed": structures.listed,
    "structures.numbered": lambda text: structures.numbered([text, text]),
    "structures.oriented": structures.oriented,
    "structures.row": structures.row,
    "styles.unstyled": styles.unstyled,
    "symbols.plain": symbols.plain,
    "units.read": units.read,
    "words.is_words": words.is_words,
    "expressions.read": expressions.read,
    "phrases.along_axes": lambda text: phrases.along_axes(text, 3),
    "phrases.constant": phrases.constant,
    "phrases.in_symbols": phrases.in_symbols,
    "phrases.unqualified": phrases.unqualified,
    "words.key": lambda text: words.key(text, lenient=True),
}
FRAGMENTS = [
    r"\boxed{", "}", "{", "(", ")", "[", "]", r"\{", r"\}", r"\frac", r"\sqrt", r"\pm", r"\begin{pmatrix}", r"\end{pmatrix}", "&", r"\\",
    "the answer is ", "Answer:", "####", "$", r"\(", r"\)", "**", "and ", "or ", ",", ";", ":", "=", "<", r"\le ", r"\cup", "^", "_", "!", "'",
    "%", " cm", "USD ", " PM", "12", "3.5", "1,234", "x", "f", "\u00b2", "\u03c0", "\n", " ", ".", "-", "+", "/", r"\text{", r"\overline{",
]  # fmt: skip
TEXTS = st.text(max_size=200) | st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)
CHARS = 40_000
LARGE = sorted({text[:CHARS] for text in HOSTILE if len(text) > 1_000}, key=len)
SECONDS = 2
"""Of the processor: many times what the slowest takes, so that a busy machine fails nothing; a square would take longer."""


@pytest.mark.parametrize("name", READERS)
def test_no_text_breaks_a_reader(name: str) -> None:
    @given(TEXTS)
    @example("\ud800")
    def reads(text: str) -> None:
        READERS[name](text)

    reads()
    for text in (*TOWERS, *FUNCTIONS, *UNICODE, *CODE):
        READERS[name](text)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_linear_time_on_hostile_texts(name: str) -> None:
    for text in LARGE:
        started = time.process_time()
        READERS[name](text)
        assert time.process_time() - started < SECONDS, f"{name} of {text[:20]!r} and so on"
