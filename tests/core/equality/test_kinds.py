# ruff: noqa: RUF001
r"""Kinds of answers that graders get wrong, each with its siblings: what is right is credited, what differs stays apart.

The kinds are those of public reports about graders; the pairs were written for this project.
"""

import pytest

from stages.core.answers.conclusions import payload
from stages.core.equality.relations import (
    Decision,
    Tier,
    accepts_cheaply,
    accepts_symbolically,
    same_cheaply,
    same_symbolically,
)

RIGHT = [
    ("12", r"\textbf{(B) }12"), (r"\frac{1}{2}", r"\textbf{(C)}\ \frac12"), ("12", r"\mathbf{(A)}\;12"),
    ("12", r"\boxed{\textbf{(D)}~12}"), ("12", "The answer is 12, because 3 times 4 is 12."),
    ("9", "The answer is 9, as 3*3 is 9."), ("9", "The answer is 9 since 3*3=9."),
    ("9", "The final answer is $9$, which is less than 10."), ("4", "<answer>4</answer>"),
    ("4", r"blah <answer> \boxed{4} </answer>"), ("3.5", r"\boxed 3.5"), ("-3", r"\boxed -3"),
    (r"\frac12", r"\boxed\frac12"), ("7", r"\boxed7"), ("[-2,3]", r"\{x\mid -2\le x\le 3\}"),
    ("[-2,3]", r"\{x \in \mathbb{R} : -2\le x\le 3\}"), (r"(2,\infty)", r"\{y : y>2\}"),
    (r"-2\le x\le 3", r"3\ge x\ge -2"), ("a<b<c", "c>b>a"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\cr 2\end{pmatrix}"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"A=\begin{bmatrix}1&2\\[6pt]3&4\end{bmatrix}"),
    (r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^T"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"(1,2)^{\top}"), (r"\frac{16}{25}", r"\mathbf{\frac{16}{25}}"),
    ("42", r"\color{red}{42}"), ("42", r"{\color{blue} 42}"), ("42", r"\textcolor{red}{\mathbf{42}}"),
    ("42", r"\Large 42"), ("42", r"\fbox{42}"), ("42", r"\colorbox{yellow}{42}"), ("42", r"\underline{\textbf{42}}"),
    ("1024", "x = 1,024"), ("(1000,2000)", "(1,000, 2,000)"), ("1024", "f(10)=1{,}024"), ("答案", "答案"), ("5", "答案：5"),
    ("5", "答案是 5。"), ("5", "答案为：$5$"), ("12", "La réponse est 12."), ("12", "Die Antwort ist 12."),
    ("12", "La respuesta es 12."), ("12", "Ответ: 12."), ("12", "Ответ: $12$."), ("12", "A resposta é 12."),
    ("12", "La risposta è 12."), ("3.5", "La réponse est 3,5."), ("18", "She earns $18."),
    ("70000", "He made a profit of $70,000."), ("64", "The cost is $40 + $24 = $64."),
    (r"(-\infty,\infty)", r"\text{all real numbers}"), (r"\mathbb{R}", "all real numbers"),
    (r"\mathbb{Z}", "all integers"), ("15", r"15\text{ m/s}"), ("15", r"15\,\mathrm{m\cdot s^{-1}}"),
    ("15", r"15\ \mathrm{kg\cdot m/s^2}"), ("15", r"15\text{ (units)}"), ("15", r"15\ \text{sq units}"),
    ("15", r"15\text{ N}\cdot\text{m}"), (r"0.\overline{3}", r"0.\bar{3}"), (r"0.\overline{12}", "0.(12)"),
    (r"0.\overline{3}", r"0.\dot{3}"), (r"\frac13", r"0.333\ldots"), (r"0.\overline{142857}", "1/7"),
    ("1011_2", "1011_{2}"), ("1011_2", r"1011_{\text{two}}"), ("1011_2", "(1011)_2"), ("1011_2", "1011 (base 2)"),
    ("1011_2", r"1011 \text{ in base } 2"), (r"k\pi, k\in\mathbb Z", r"n\pi, n\in\mathbb Z"),
    (r"k\pi, k\in\mathbb Z", r"n\pi \text{ for any integer } n"),
    (r"2k\pi, k\in\mathbb{Z}", r"2\pi n, n \in \mathbb{Z}"),
    (r"x=\frac{\pi}{2}+k\pi, k \in \mathbb{Z}", r"x = \frac{\pi}{2}+n\pi\ (n\in\mathbb{Z})"),
    ("f(x)=x^2", r"f(x)=x^2 \text{ for all } x"), ("f(x)=x^2", r"f(x)=x^2 \text{ for all real } x"),
    ("f(x)=cx", r"f(x)=cx, \text{ where } c \text{ is a constant}"), ("x=1,y=2", r"\begin{cases}x=1\\y=2\end{cases}"),
    ("x=1,y=2", r"\left\{\begin{array}{l}x=1\\y=2\end{array}\right."), (r"\tan x", r"\operatorname{tg} x"),
    (r"\cot x", r"\operatorname{ctg} x"), (r"\cot x", r"\mathrm{ctg}\, x"), ("2", r"\lg 100"), (r"\frac12", "½"),
    (r"\sqrt{2}", "√2"), (r"2\sqrt{3}", "2√3"), ("x^2", "x²"), (r"\lfloor x \rfloor", "⌊x⌋"), ("1", "①"), ("5", "5}"),
    ("5", "{5"), ("7", "seven"), ("21", "twenty-one"), (r"\frac12", "one half"),
    (r"\text{no solution}", r"\emptyset"), (r"\text{no solution}", "There is no solution"),
    (r"\text{no real solutions}", r"\varnothing"), (r"22.5^\circ", r"22^\circ30'"), ("15", r"{6 \choose 2}"),
    ("15", "C_6^2"), ("15", r"\binom62"), ("120", "10C3"), ("-2", "(-8)^{1/3}"), ("-2", r"\sqrt[3]{-8}"),
    ("2500000", "2.5 million dollars"), ("2500000", r"\$2.5 \text{ million}"), (r"\frac{\pi}{3}", r"60^\circ"),
    (r"\frac{\pi}{6}", r"30^\circ"), ("x=5", "5"), ("5", "n=5"), (r"P(A)=\frac12", r"\frac12"), ("S_{10}=55", "55"),
    ("6.46", r"\frac{84}{13}"), ("0.333", r"\frac13"), ("0.667", "2/3"), ("1:2", "0.5"), ("A, C", "C, A"),
    ("ACD", "A, C, D"), ("ACD", "A、C、D"), (r"\text{(A) and (C)}", "AC"), (r"\$5.00", "5"), ("5.00", "5"),
    (r"50\%", r"\frac12"), ("3", r"\text{The value is }3"), ("10", r"10\text{ units squared}"),
    ("x^2+1", "f(x)=x^2+1"), ("y=x+1", "f(x)=x+1"), ("f(x)=x+1", "f(t)=t+1"), (r"\frac{1}{2}\ln 2", r"\ln\sqrt2"),
    ("2^{10}", "1024"), ("3!", "6"), (r"\frac{\sqrt{2}}{2}", r"\sqrt{\frac12}"), (r"\sqrt{8}", r"2\sqrt2"),
    ("e^{2x}", "(e^x)^2"), ("(x+1)(x-1)", "x^2-1"), (r"\frac{x}{2}", "0.5x"), (r"\log 100", "2"),
    (r"\sin^2 x+\cos^2 x", "1"), ("(1,2), (3,4)", "(3,4), (1,2)"), (r"\{1,2\}", "1, 2"), ("1,2,3", "3; 2; 1"),
    (r"10\text{ am}", "10 a.m."), ("3:30 pm", "15:30"), (r"\text{Yes}", "yes"), (r"\text{True}", "true"),
    (r"x\le 3", r"(-\infty,3]"), (r"x\in[1,2]\cup[3,4]", r"1\le x\le 2\text{ or }3\le x\le4"), ("|x|<3", "-3<x<3"),
    ("x^2<9", "(-3,3)"), ("a_n=2n+1", "2n+1"), ("a_n = 2^n", "a_k = 2^k"), (r"5\sqrt{2}\text{ cm}", r"5\sqrt2"),
    (r"120^\circ", "120"), ("45", r"45^{\circ}"), ("0.5", ".5"), ("1,000,000", "10^6"), ("1 000 000", "1000000"),
    ("1.000.000", "1000000"),
]  # fmt: skip
"""(gold, prediction): the prediction says the gold, in another spelling or with words around it."""

DIFFERENT = [
    ("1 2 3", "3 2 1"), ("(1 2)(3 4)", "(1 3)(2 4)"), (r"B\ A\ C", r"A\ B\ C"), (r"1\;2\;3", r"3\;2\;1"),
    ("12 21", "21 12"), ("1 2 3", "6"), ("x=5", "y=5"), ("n=5", "m=5"),
    (r"\sin x=\frac{42}{59}", r"\cos x=\frac{42}{59}"), (r"P(A)=\frac12", r"P(B)=\frac12"), ("AB=5", "AC=5"),
    ("S_{10}=55", "S_{11}=55"), ("f(2)=5", "f(3)=5"), (r"y=-\frac14", r"x=-\frac14"),
    (r"\angle A=60^\circ", r"\angle B=60^\circ"), ("a_1=3", "a_2=3"), (r"x=\sqrt2", r"y=\sqrt2"),
    ("E=mc^2", "F=mc^2"), (r"[\sqrt n]", r"\sqrt n"), ("[x]", "x"), (r"\{x\}", "x"), (r"\{x\}+1", "x+1"),
    (r"\left[\frac{n}{2}\right]", r"\frac{n}{2}"), (r"\lfloor x\rfloor", "x"),
    (r"\lceil x\rceil", r"\lfloor x\rfloor"), ("30", "30'"), ("30", "30''"), ("30'", "30''"), (r"30^\circ", "30'"),
    ("E(X^2)", "E(X)^2"), (r"\pi(100)", r"100\pi"), ("f(x^2)", "f(x)^2"), (r"\sigma(6)", r"6\sigma"),
    (r"\phi(n)", r"n\phi"), ("v(t)", "tv"), ("P(2)", "2P"), ("D(X)", "DX"), (r"\Gamma(5)", r"5\Gamma"),
    ("x=2 or y=3", "x=2, y=3"), ("x=2 or y=3", "x=2 and y=3"), (r"\{\emptyset\}", r"\emptyset"),
    (r"\{\{1\}\}", r"\{1\}"), (r"\{0\}", r"\emptyset"), (r"x \in (0,2) and y \in (1,3)", "1<x<2"),
    (r"x \in (0,2) and y \in (1,3)", "(0,2)"), ("x>1 and y<2", "1<x<2"), (r"\sqrt2", "1.414"), ("1.414", r"\sqrt2"),
    (r"\frac{84}{13}", "6.46"), ("6.46", "6.4615"), ("6.47", r"\frac{84}{13}"), ("0.33", r"\frac13"),
    ("3.14", r"\pi"), ("3.142", r"\pi"), ("12", r"\textbf{(B) }13"), (r"\text{(B)}", r"\textbf{(C) }12"), ("5", "5x"),
    ("5", "5 V x"), ("2N", "2"), (r"5\text{ kg}", r"5\text{ g}"), (r"5\text{ m/s}", r"5\text{ km/h}"),
    (r"90\text{ minutes}", r"15\text{ hours}"), ("1", r"100\%\text{ of } x"), (r"\overline{AB}", "AB+1"),
    (r"\vec{AB}", r"\vec{BA}"), ("f'(x)", "f(x)"), ("x'", "x"), (r"\dot{x}", "x"), ("f^{-1}(x)", r"\frac{1}{f(x)}"),
    ("A^T", "A"), ("A^{-1}", "A"), (r"\bar{A}", "A"), ("n!", "n"), (r"\ln x", r"\log_{10} x"),
    (r"\log_2 8", r"\log_8 2"), ("x>3", r"x\ge3"), ("(1,2]", "[1,2)"), ("x<1 or x>2", "x<1 and x>2"),
    (r"k\pi, k\in\mathbb Z", r"k\pi, k\in\mathbb N"), (r"k\pi, k\in\mathbb Z", r"2k\pi, k\in\mathbb Z"),
    (r"2k+1, k\in\mathbb Z", r"2k, k\in\mathbb Z"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"),
    (r"\begin{cases}x&x>0\\-x&x<0\end{cases}", r"\begin{cases}-x&x>0\\x&x<0\end{cases}"), ("1011_2", "1101_2"),
    ("1011_2", "1011"), ("1011_2", "1011_3"), ("7", "eight"), (r"\text{no solution}", "0"), (r"\emptyset", "0"),
    (r"\text{all real numbers}", r"\emptyset"), (r"\mathbb{R}", r"\mathbb{Q}"),
    (r"\mathbb{R}", r"\mathbb{R}\setminus\{0\}"), ("10C3", "10P3"), ("C_6^2", "C_6^3"),
    (r"22^\circ30'", r"22.3^\circ"), (r"2.5\text{ million}", "2.5"), ("1,024", "1, 24"),
    ("(1,000, 2,000)", "(1,0,2,0)"), ("12,345", "12, 346"), ("1, 2, 3", "1, 2"), (r"1, 2, \ldots, 10", "1, 2, 10"),
    ("A, B", "A"), (r"60^\circ", r"\frac{\pi}{4}"), (r"\frac{\pi}{3}", "60"), ("5", "-5"), ("5", r"\pm5"),
    (r"\{1,2\}", "(1,2)"), ("(1,2)", "[1,2]"), ("(1,2)", "(2,1)"), ("a=1,b=2", "a=2,b=1"), ("1:2", "2:1"),
    (r"\max(a,b)", r"\min(a,b)"), (r"\sum_{k=1}^{10} k", r"\sum_{k=1}^{9} k"), (r"\binom{10}{3}", r"\binom{10}{4}"),
    (r"x\equiv1\pmod3", r"x\equiv2\pmod3"), (r"a\mid b", r"b\mid a"), (r"\text{HHT}", r"\text{THH}"),
    (r"\text{east}", r"\text{west}"), ("yes", "no"), ("even", "odd"), ("10 am", "10 pm"),
    (r"\frac12x", r"\frac{1}{2x}"), ("2^{3^2}", "(2^3)^2"), ("x_1", "x_2"), ("x_1 + 1", "x_{1+1}"), ("|x|", "x"),
    (r"\sqrt{x^2}", "x"), ("i", "1"), ("e^x", "ex"), (r"\frac{d}{dx}f", r"\frac{df}{dy}"),
    (r"\int_0^1 x dx", r"\int_0^2 x dx"), (r"0.\overline{3}", "0.3"), (r"0.\overline{12}", "0.12"),
    (r"0.\overline{12}", r"0.1\overline{2}"), (r"\$5", "€5"), (r"5\%", r"5\text{ dollars}"), ("1/2", "12"),
    (r"3 \frac12", r"\frac32"), ("-2^2", "4"), (r"\alpha", "a"), ("A", "a"), ("AB", "BA"),
    (r"\text{Bob}", r"\text{Rob}"), ("O(n)", "O(n^2)"), (r"\Re(z)", "z"), (r"|\vec a|", r"\vec a"),
    (r"A\cap B", r"A\cup B"), (r"p\land q", r"p\lor q"), (r"\neg p", "p"), (r"a\ne b", "a=b"),
    (r"l\perp m", r"l\parallel m"),
]  # fmt: skip
"""Answers that look alike and differ."""


def judged(gold: str, prediction: str) -> bool | None:
    """By both tiers, in this process; None where neither tells."""
    equal = accepts_cheaply(gold, prediction).equal
    if equal is None:
        try:
            equal = accepts_symbolically(payload(gold), payload(prediction))
        except (ValueError, TimeoutError):
            return None
    return equal


def voted(a: str, b: str) -> bool | None:
    equal = same_cheaply(a, b).equal
    if equal is None:
        try:
            equal = same_symbolically(a, b)
        except (ValueError, TimeoutError):
            return None
    return equal


@pytest.mark.parametrize(("gold", "prediction"), RIGHT)
def test_what_is_right_is_credited(gold: str, prediction: str) -> None:
    assert judged(gold, prediction) is True


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_what_differs_is_joined_neither_by_a_judge_nor_by_a_vote(a: str, b: str) -> None:
    assert not judged(a, b)
    assert not voted(a, b)
    assert not voted(b, a)


@pytest.mark.parametrize(
    ("gold", "prediction", "accepted"),
    [
        ("6.46", r"\frac{84}{13}", True), ("0.333", "1/3", True), ("-1.67", r"-\frac53", True), ("12.3", r"\frac{37}{3}", True),
        # two digits are too few, and the last one has to be right
        ("0.33", r"\frac13", False), ("6.47", r"\frac{84}{13}", False), ("0.334", r"\frac13", False),
        # never the other way, and neither roots nor other decimals
        (r"\frac{84}{13}", "6.46", False), ("1.414", r"\sqrt2", False), ("3.142", r"\pi", False), ("6.46", "6.4615", False),
        ("646", r"\frac{6461}{10}", False),
    ],
)  # fmt: skip
def test_a_decimal_gold_accepts_the_fraction_that_rounds_to_it(gold: str, prediction: str, accepted: bool) -> None:
    decision = accepts_cheaply(gold, prediction)
    assert decision.equal is accepted or (decision.equal is None and not judged(gold, prediction))
    if accepted:
        assert decision == Decision(True, Tier.ROUNDED)
        assert accepts_cheaply(gold, prediction, rounded=False).equal is False
    assert same_cheaply(gold, prediction).equal is not True, "a vote never rounds"


@pytest.mark.parametrize(
    ("gold", "prediction", "tier"),
    [
        ("east", r"\text{east}", Tier.TEXT), ("5", "5.0", Tier.NUMBER), ("1:2", "0.5", Tier.NUMBER), ("1:2", "2:4", Tier.NUMBER),
        ("6.46", "84/13", Tier.ROUNDED), ("a+b", "b+a", Tier.EVALUATED), ("x>3", r"(3,\infty)", Tier.EVALUATED),
        ("(1, a+b)", "(1, b+a)", Tier.EVALUATED), ("90 minutes", "1.5 hours", Tier.NUMBER),
    ],
)  # fmt: skip
def test_the_tier_that_is_named_is_the_one_that_decided(gold: str, prediction: str, tier: Tier) -> None:
    assert accepts_cheaply(gold, prediction) == Decision(True, tier)
