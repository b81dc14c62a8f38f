r"""Keys: the spellings of one answer meet under one key, and no two answers do."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.keys import canonical, number
from tests.spellings import ANSWERS, INTEGER_STYLES, THOUSANDS_STYLES


@given(st.integers(0, 10**12), st.sampled_from(INTEGER_STYLES))
def test_spellings_of_one_integer_have_one_key(value: int, style: str) -> None:
    assert canonical(style.format(value)) == str(value)


@given(st.integers(1000, 10**12), st.sampled_from(THOUSANDS_STYLES))
def test_thousands_are_one_number(value: int, style: str) -> None:
    text = style.format(value)
    for separated in (text, text.replace(",", "{,}"), text.replace(",", r",\!"), text.replace(",", r"\,")):
        assert number(separated) == value


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_key_of_a_key_is_itself(answer: str) -> None:
    assert canonical(canonical(answer)) == canonical(answer)


@pytest.mark.parametrize("text", ["", " . ", r"\,", "$$", "?", "\n"])
def test_an_empty_answer_has_no_key(text: str) -> None:
    assert canonical(text) == ""


SPACED = [
    r"5<>", r"<>\frac<>{3}<>{4}", "x<>^2<>+<>1", "(<>1<>,<>2<>)", r"\{<>1<>,<>2<>\}", "[<>0<>,<>1<>)", "x<>=<>5",
    r"(<>-\infty<>,<>3<>]", r"3<>\sqrt<>{2}", "y<>=<>2x<>+<>1", r"0<>\le <>x<>\le <>1", "1<>:<>2", "10<>^{<>3<>}",
        r"2<>\pi",
]  # fmt: skip


@given(st.sampled_from(SPACED), st.data())
def test_spacing_and_bracket_sizes_mean_nothing(answer: str, data: st.DataObject) -> None:
    """`<>` marks where a space may stand."""
    first, *rest = answer.split("<>")
    space = st.sampled_from(["", " ", "  ", r"\,", r"\;", r"\quad ", "\n", r"\ "])
    spaced = first + "".join(data.draw(space) + piece for piece in rest)
    sized = re.sub(r"(?<!\\)[(\[]", lambda found: rf"\left{found[0]}", spaced)
    sized = re.sub(r"(?<!\\)[)\]]", lambda found: rf"\right{found[0]}", sized)
    assert canonical(spaced) == canonical(sized) == canonical(answer.replace("<>", ""))


def test_numbers_are_exact_or_nothing() -> None:
    assert number(r"\frac{22}{7}") == Fraction(22, 7)
    assert number("1e-7") == Fraction(1, 10**7)
    assert number(r"\binom{6}{2}") == 15
    assert number("2^{6} 3^{5}") == 64 * 243
    for text in ("", "x", "x=5", "5 cm", "1/0", "0^0", "2^{1/2}", "10^{10^{10}}", "99999!", "5!!", "(-1)!", "(" * 60,
                 r"\binom{2}{5}", "1, 2", "2 3", "2*", r"2\frac{3}{2}",
        "9" * 3_000, "(" * 90 + "1" + ")" * 90, "10^{9999}"):  # fmt: skip
        assert number(text) is None, text


def test_an_approximation_is_read_by_its_exact_side() -> None:
    assert canonical(r"\frac{22}{7} \approx 3.14") == "22/7"
    assert canonical(r"\approx 8.24 \text{ mph}") == "206/25 mph"


def test_careless_decoding_of_escapes_is_undone() -> None:
    assert canonical("\frac{1}{2}") == canonical("\x0crac{1}{2}") == "1/2"
    assert canonical("\text{Yes}") == "yes"
