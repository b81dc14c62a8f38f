r"""Keys: the spellings of one answer meet under one key, and no two answers do."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.keys import CACHED_CHARS, agree, canonical, is_numeric, number
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


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        # golds of MATH-500
        (r"\frac{270}7\text{ degrees}", "270/7 degree"), (r"137 \frac{1}{2}", "275/2"), (r"\$32,\!348", "32348 dollar"), ("58,500", "58500"),
        (r"864 \mbox{ inches}^2", "864 in^{2}"), ("y = 2x + 3", "y=2x+3"), ("x=5", "5"), ("52_8", "52_{8}"), (r"\text{(C)}", "C"),
        (r"\text{Navin}", "navin"), ("(3,4]", "(3, 4]"), (r"x \in [-2,7]", "x=[-2, 7]"), ("3, 5, 7", "{3, 5, 7}"), ("1,-2", "{-2, 1}"),
        (r"\left( \frac{3}{2}, -13 \right)", "(3/2, -13)"), (r"\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix}", r"\begin{pmatrix}1/5 \\ -18/5\end{pmatrix}"),
        # others
        (r"\{2,1,1\}", "{1, 1, 2}"), ("p=1,q=2;p=3,q=4", "{p=1, q=2, p=3, q=4}"), ("(x,y)=(1,2)", "{x=1, y=2}"), ("y=2, x=1", "{x=1, y=2}"),
        ("2^{1000}", "2^{1000}"), ("10^{60}", "10^{60}"), ("10^{59}", str(10**59)), ("AB", "AB"), ("Yes", "yes"),
    ],
)  # fmt: skip
def test_a_key_says_what_the_answer_is(answer: str, key: str) -> None:
    assert canonical(answer) == key


def test_a_long_answer_has_the_key_of_a_short_one() -> None:
    assert (
        canonical(r"\dfrac12 + " + "x + " * (CACHED_CHARS // 2) + "y")
        == r"\frac{1}{2}+" + "x+" * (CACHED_CHARS // 2) + "y"
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("10%", "0.1"), ("10%", "10"), ("10%", "10%"), ("50%", r"\frac12"), ("5 cm", "5"), ("x=5", "5"), ("AB=5", "5"), ("5 cm", "x=5"),
        ("1/2", "0.5"), ("1,2", "2,1"), ("2, 1", r"\{1,2\}"), (r"\sqrt2", r"\sqrt{2}"), ("Yes", "yes"), ("5 feet", "5 ft"),
    ],
)  # fmt: skip
def test_answers_agree_by_their_key_or_their_number(a: str, b: str) -> None:
    assert agree(a, b) is agree(b, a) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("10%", "1000"), ("10%", "10 cm"), ("10%", "0.10001"), ("5 cm", "5 m"), ("AB=5", "CD=5"), ("5", "6"), ("0.333333", "1/3"),
        ("(1,2)", "(2,1)"), ("(1,2)", r"\{1,2\}"), ("1, 2", "1"), ("x+2", "2+x"), ("x", "5"), ("5", ""), ("", ""), ("?", "?"),
    ],
)  # fmt: skip
def test_answers_of_other_numbers_or_none_do_not_agree(a: str, b: str) -> None:
    assert agree(a, b) is agree(b, a) is False


@given(st.sampled_from(ANSWERS), st.sampled_from(ANSWERS))
def test_agreement_is_symmetric_and_equal_keys_agree(a: str, b: str) -> None:
    assert agree(a, b) is agree(b, a)
    assert agree(a, b) or canonical(a) != canonical(b) or canonical(a) == ""


@pytest.mark.parametrize(
    ("answer", "numeric"),
    [
        ("5", True),
        ("x=5", True),
        ("5 cm", True),
        ("1, 2", True),
        ("(1,2)", True),
        (r"\pm 2", True),
        ("x", False),
        ("1, x", False),
        (r"\sqrt2", False),
        ("", False),
    ],
)
def test_numbers_with_names_and_units_are_numbers(answer: str, numeric: bool) -> None:
    assert is_numeric(answer) is numeric
