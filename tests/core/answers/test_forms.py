r"""Forms: the kind of an answer, its parts and their names."""

import pytest

from stages.core.answers.brackets import MAX_LAYERS, SET
from stages.core.answers.forms import (
    LIST,
    MATRIX,
    MAX_CHARS,
    SCALAR,
    TUPLE,
    Form,
    point,
    read,
    spelled,
    split_name,
)


def unnamed(brackets: str, *parts: str) -> Form:
    return Form(brackets, parts, ("",) * len(parts))


def matrix(num_columns: int, *parts: str) -> Form:
    return unnamed(MATRIX, *parts)._replace(num_columns=num_columns)


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        # golds of MATH-500
        ("3, 5, 7", unnamed(LIST, "3", "5", "7")), ("(6,31,-1)", unnamed(TUPLE, "6", "31", "-1")), ("(3,4]", unnamed("(]", "3", "4")),
        (r"\left(\frac{3}{5},\frac{8}{3}\right]", unnamed("(]", r"\frac{3}{5}", r"\frac{8}{3}")), ("58,500", unnamed(SCALAR, "58500")),
        (r"(-\infty, 0]", unnamed("(]", r"-\infty", "0")), ("x=5", Form(SCALAR, ("5",), ("x",))), ("y = 2x + 3", Form(SCALAR, ("2x + 3",), ("y",))),
        (r"x \in [-2,7]", Form(SCALAR, ("[-2,7]",), ("x",))), (r"1 \pm \sqrt{19}", unnamed(LIST, r"1 + \sqrt{19}", r"1 - \sqrt{19}")),
        (r"\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix}", matrix(1, "1/5", "-18/5")),
        (r"\begin{pmatrix} -1 & 0 \\ 0 & -1 \end{pmatrix}", matrix(2, "-1", "0", "0", "-1")),
        (r"5x - 7y + 11z + 4 = 0", unnamed(SCALAR, "5x - 7y + 11z + 4 = 0")),
        # others
        (r"\{1,2\}", unnamed(SET, "1", "2")), (r"\{5\}", unnamed(SET, "5")), ("(5)", unnamed(SCALAR, "5")), ("((1,2))", unnamed(TUPLE, "1", "2")),
        ("(x,y)=(3,4)", Form(LIST, ("3", "4"), ("x", "y"))), ("a=1, b=2", Form(LIST, ("1", "2"), ("a", "b"))),
        ("(1,2), (3,4)", unnamed(LIST, "(1,2)", "(3,4)")), (r"x = 1 \pm 2", Form(LIST, ("1 + 2", "1 - 2"), ("x", "x"))),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", unnamed(SCALAR, r"\begin{vmatrix}1&2\\3&4\end{vmatrix}")),
        (r"\begin{pmatrix}1&2\\3\end{pmatrix}", unnamed(SCALAR, r"\begin{pmatrix}1&2\\3\end{pmatrix}")),
        ("", Form(SCALAR, (), ())), (" ?! ", Form(SCALAR, (), ())), (r"\ldots", Form(SCALAR, (), ())),
    ],
)  # fmt: skip
def test_an_answer_is_taken_apart(answer: str, form: Form) -> None:
    assert read(answer) == form
    assert not form.parts or read(spelled(form)) == form, "its spelling says the same"


@pytest.mark.parametrize("answer", ["1, " * MAX_CHARS, "(" * (MAX_LAYERS + 1) + "1, 2" + ")" * (MAX_LAYERS + 1)])
def test_what_is_too_long_or_too_deep_stays_in_one_piece(answer: str) -> None:
    assert read(answer) == unnamed(SCALAR, " ".join(answer.split()))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("x=5", "x", "5"), ("5=x", "x", "5"), (r"x \approx 5", "x", "5"), (r"\frac{22}{7} \approx 3.14", "", r"\frac{22}{7}"),
        (r"\approx 8", "", "8"), ("x=2+3=5", "x", "5"), ("2+3=5", "", "5"), ("x_1=5", "x_1", "5"), ("(x,y)=(1,2)", "(x,y)", "(1,2)"),
        (r"\angle ABC = 5", r"\angle ABC", "5"), ("AB=5", "AB", "5"), ("5", "", "5"), ("x=y=5", "", "x=y=5"), ("x<5", "", "x<5"),
        ("x+y=5", "", "x+y=5"), ("x=", "", "x="), ("=", "", "="), (r"\sum_{k=1}^{3} k", "", r"\sum_{k=1}^{3} k"), ("", "", ""),
    ],
)  # fmt: skip
def test_a_name_is_split_from_its_value(text: str, name: str, value: str) -> None:
    assert split_name(text) == (name, value)


@pytest.mark.parametrize(
    ("text", "plain"), [("P(3,4)", "(3,4)"), ("C(5,2)", "C(5,2)"), ("U(0,1)", "U(0,1)"), ("P(3)", "P(3)"), ("(3,4)", "(3,4)"), ("", "")]
)  # fmt: skip
def test_the_name_of_a_point_is_dropped_and_that_of_a_function_is_not(text: str, plain: str) -> None:
    assert point(text) == plain
