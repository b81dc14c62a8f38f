r"""Styles and symbols: what is typeset around an answer is taken off, whatever its depth."""

import pytest

from stages.core.answers.notation import tidy
from stages.core.answers.styles import MAX_STYLES, unstyled
from stages.core.answers.symbols import plain


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (r"\mathbf{\frac{16}{25}}", r"\frac{16}{25}"), (r"\color{red}{\frac{1}{2}}", r"\frac{1}{2}"),
            (r"{\color{red}42}", "{ 42}"),
        (r"\textcolor{blue}{\textbf{(B)}}", "(B)"), (r"\vphantom{\frac12}5", "5"), (r"\phantom -1", "1"),
            (r"\colorbox{red}{5}", "5"),
        (r"{6 \choose 2}", r"\binom{6}{2}"), (r"1 \over 2", r"\frac{1}{2}"), (r"a+{1 \over 2}", r"a+\frac{1}{2}"),
            ("5}", "5"), ("{5", "5"),
        (r"x_\text{max}", "x_{max}"), (r"\text{A}_1", "A_1"), (r"\{1\}", r"\{1\}"), (r"x^{2}", "x^{2}"),
        # a unit of one letter stays one
        (r"12\text{ V}", r"12 \text{V}"), (r"2\mathrm{V}", r"2 \text{V}"), (r"V\text{ A}", "V  A"), (r"\text{V}", "V"),
    ],
)  # fmt: skip
def test_styles_are_taken_off_at_any_depth(typed: str, text: str) -> None:
    assert unstyled(typed).strip() == text


def test_styles_nested_deeper_than_any_answer_keep_their_braces() -> None:
    nested = r"\text{" * (MAX_STYLES + 50) + "x" + "}" * (MAX_STYLES + 50)
    assert unstyled(nested).strip().strip("{} ") == "x"


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("\u215b", r"\frac{1}{8}"), ("2\u207f", "2^{n}"), ("\u221b2", r"\sqrt[3] 2"), ("\u230ax\u230b",
        r"\lfloor x\rfloor "),
        ("\u2124", r"\mathbb{Z}"), ("60\u00ba", r"60^{\circ}"), ("\u2460\u2462", "1, 3"), ("x\u2081\u2082", "x_{12}"),
        ("30\u2032", "30'"),
        ("\U0001d465", "x"), ("0.3\u0305", r"0.\overline{3}"), ("\u7b54", "\u7b54"),
    ],
)  # fmt: skip
def test_symbols_are_spelled_by_their_names(typed: str, text: str) -> None:
    assert plain(typed) == text


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (r"0.\bar{3}", r"0.\overline{3}"), (r"0.\dot{1}\dot{2}", r"0.\overline{12}"), ("0.(3)", r"0.\overline{3}"),
            (r"0.333\ldots", r"0.\overline{3}"),
        ("1.05(1200)", "1.05(1200)"), (r"3.14\ldots", r"3.14 \ldots"), ("10C3", r"\binom{10}{3}"), ("C_6^2",
        r"\binom{6}{2}"), ("A_5^2", "(5!/3!)"),
        (r"\operatorname{tg} x", r"\tan x"), (r"\lg 5", r"\log_{10} 5"), (r"\root 3 \of {2}", r"\sqrt[3] {2}"),
            ("1011 (base 2)", "1011_{2}"),
        (r"1234_{\text{five}}", "1234_{5}"), ("001101_2", "1101_{2}"), ("(-oo, 3)", r"(-\infty , 3)"), ("x = 1,024",
            "x = 1024"),
        (r"\sqrt{12,345}", r"\sqrt{12345}"), ("(1,234)", "(1,234)"), ("8{:}45 a.m.", "8:45 am"), ("12\\text{ ft/sec}",
            "12 ft/ sec"),
    ],
)  # fmt: skip
def test_notations_of_other_schools_and_programs(typed: str, text: str) -> None:
    assert tidy(typed) == text
