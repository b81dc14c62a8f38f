r"""Expressions: what a formula's tree is, and what is no expression."""

import pytest

from stages.core.answers.notation import tidy
from stages.core.equality.expressions import MAX_CHARS, MAX_LENGTH, Tree, read

X, Y, ONE, TWO = ("variable", "x"), ("variable", "y"), ("number", "1"), ("number", "2")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        # golds of MATH-500
        (r"\cot x", ("cot", X)), ("3R^2", ("*", ("number", "3"), ("^", ("variable", "R"), TWO))), ("2k", ("*", TWO, ("variable", "k"))),
        ("6 - 5i", ("-", ("number", "6"), ("*", ("number", "5"), ("i",)))), (r"\pi", ("pi",)), (r"12\pi", ("*", ("number", "12"), ("pi",))),
        (r"\frac{\sqrt{3}}{3}", ("/", ("root", ("number", "3"), TWO), ("number", "3"))),
        # order of operations, and what stands side by side
        ("-x^2", ("neg", ("^", X, TWO))), ("x-y-1", ("-", ("-", X, Y), ONE)), ("x/2y", ("*", ("/", X, TWO), Y)), ("xy", ("*", X, Y)),
        ("x^{-1}", ("^", X, ("neg", ONE))), ("2^{x}", ("^", TWO, X)), ("x!", ("!", X)), ("|x|", ("abs", X)),
        (r"1\frac12", ("+", ONE, ("/", ONE, TWO))), (r"1\frac{x}{2}", ("*", ONE, ("/", X, TWO))),
        # functions
        (r"\sin x y", ("sin", ("*", X, Y))), (r"\sin(x) y", ("*", ("sin", X), Y)), (r"\sin x \cos x", ("*", ("sin", X), ("cos", X))),
        (r"\sin^2 x", ("^", ("sin", X), TWO)), (r"\sin^{-1} x", ("arcsin", X)), (r"\log_2 x", ("log", X, TWO)), ("e^x", ("^", ("e",), X)),
        (r"\sqrt[3]{x}", ("root", X, ("number", "3"))), (r"\binom{x}{2}", ("binom", X, TWO)),
        # functions known by their name, whole and fractional parts, sums
        ("f(x)", ("applied", "f", X)), ("u(2)", ("applied", "u", TWO)), ("B(x,2)", ("applied", "B", X, TWO)), ("E(x^2)", ("applied", "E", ("^", X, TWO))),
        (r"\pi(2)", ("applied", r"\pi", TWO)), (r"2\pi(2)", ("*", ("*", TWO, ("pi",)), TWO)), ("x(x-1)", ("*", X, ("-", X, ONE))),
        ("[x]", ("floor", X)), (r"\lfloor x\rfloor", ("floor", X)), ("[(x)-1]", ("-", X, ONE)), (r"\{x\}", ("part", X)),
        (r"\max(x,2)", ("max", X, TWO)), (r"x \bmod 2", ("mod", X, TWO)), (r"\sum_{x=1}^{2} x", ("sum", "x", ONE, TWO, X)),
        (r"\overline{1+i}", ("conj", ("+", ONE, ("i",)))),
        # names
        ("x_{12}", ("variable", "x_12")), (r"\alpha", ("variable", r"\alpha")), ("e_1", ("variable", "e_1")),
    ],
)  # fmt: skip
def test_a_formula_has_one_tree(text: str, tree: Tree) -> None:
    found = read(tidy(text))
    assert found is not None
    assert found.tree == tree


@pytest.mark.parametrize(
    "text",
    [
        "", "x=1", "x<1", "x,y", "2 3", "x2", "1.5.2", "1e5", "0x10", "5!!", "f'(x)", "dx", "y^{(4)}", r"\overline{ab}", "f(x",
        r"\sinh^{-1} x", r"\int x", "[x", "x+", "(x", "x)", "|x", r"\frac{1}", r"\sqrt", "x_", "2020-01-05", "\u662f",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_not_read(text: str) -> None:
    assert read(tidy(text)) is None


def test_variables_and_logarithms_without_a_base_are_named() -> None:
    found = read(r"x_{1}+\alpha+e+i+\pi")
    assert found is not None
    assert found.variables == {"x_1", r"\alpha"}
    assert [each is not None and each.is_vague for each in map(read, (r"\log x", r"\log_{2} x", r"\ln x"))] == [
        True,
        False,
        False,
    ]


def test_what_is_large_is_refused_at_its_limit() -> None:
    assert read("1" * MAX_CHARS) is not None
    assert read("1" * (MAX_CHARS + 1)) is None
    assert read("+".join("x" * (MAX_LENGTH + 1))) is not None
    assert read("+".join("x" * (MAX_LENGTH + 2))) is None
    assert read("(" * 19 + "x" + ")" * 19) is not None, "each bracket is a sum and a power: two of the 40 layers"
    assert read("(" * 20 + "x" + ")" * 20) is None
