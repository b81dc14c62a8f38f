r"""The last tier: what math-verify decides, what is refused before it, and what its failures become."""

import threading

import pytest
from math_verify.errors import TimeoutException

from stages.core.answers.keys import number
from stages.core.equality.relations import Decision, Tier, accepts_cheaply, accepts_symbolically, same_symbolically
from stages.core.equality.symbolic import MAX_CHARS, MAX_DEPTH, MAX_TERMS, check, formulas_equal


@pytest.mark.parametrize(
    "text",
    ["10^{10^{10}}", "x^{99999}", "(10^7)!", "12345!", r"\binom{100000}{5}", r"\sum_{k=1}^{100000} k", "(x+y)^{200}",
     "x+" * 150 + "x", "1+((((((((((x))))))))))", "1+" * 100, "2^{2^{100}}", "9**9", r"7^{9} \bmod 10", "(x",
        r"\log\log\log x"],
)  # fmt: skip
def test_what_could_hang_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        check(text)
    if number(text) is None:
        with pytest.raises(ValueError):
            accepts_symbolically("x+1", text)


def test_what_cannot_be_read_is_an_error_not_a_verdict() -> None:
    with pytest.raises(ValueError, match="not a formula"):
        accepts_symbolically("x+1", "x+*/")
    assert accepts_symbolically("", "5") is False
    with pytest.raises(ValueError, match="too long"):
        same_symbolically(", ".join(f"x+{n}" for n in range(70)), ", ".join(f"x-{n}" for n in range(70)))


def test_off_the_main_thread_is_an_error_never_incorrect() -> None:
    raised: list[Exception] = []

    def judge() -> None:
        try:
            accepts_symbolically(r"\frac{x}{3}", r"\boxed{\frac{2x}{6}}")
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=judge)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert accepts_cheaply(r"\frac{1}{3}", r"\boxed{\frac{1}{3}}") == Decision(
        True, Tier.NUMBER
    )  # needs no main thread


def test_math_verifys_own_limit_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its alarm is an exception inside sympy, which swallows one now and then and goes on for ever: only the limit of a
    # worker process, tested with the workers, is sure. So the alarm is raised here, not waited for.
    def out_of_time(*_: object, **__: object) -> bool:
        raise TimeoutException

    monkeypatch.setattr("stages.core.equality.symbolic.verify", out_of_time)
    with pytest.raises(TimeoutError, match="out of time"):
        accepts_symbolically("1+x-x", "x")
    with pytest.raises(TimeoutError, match="out of time"):
        same_symbolically("x", "1+x-x")


def test_a_comparison_that_recurses_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def recurses(*_: object, **__: object) -> bool:
        raise RecursionError

    monkeypatch.setattr("stages.core.equality.symbolic.verify", recurses)
    with pytest.raises(ValueError, match="nested"):
        accepts_symbolically("x+1", "1+x")


@pytest.mark.parametrize(
    ("gold", "prediction", "equal"),
    [
        ("x+1", "1+x", True), ("2a", "2b", False), (r"\sqrt{2}", r"-\sqrt{2}", False), ("1+i", "1-i", False), ("2i", r"2\sqrt{-1}", True),
        ("x^2+y^2=4", "x^2+y^2-4=0", True), (r"\sin 30^{\circ}", r"\frac{1}{2}", True), (r"\sum_{k=1}^{4} k", "10", True),
        # math-verify alone takes these for equal
        (r"\frac{1}{2^{99}\sqrt{2}}", r"\frac{1}{2^{98}\sqrt{2}}", False), ("x^2+1=0", "x^2+x+1=0", False), ("x^2+1=0", "y^2+1=0", False),
    ],
)  # fmt: skip
def test_formulas_are_equal_by_algebra(gold: str, prediction: str, equal: bool) -> None:
    assert formulas_equal(gold, prediction) is equal


def test_a_decimal_stands_for_a_constant_where_it_may() -> None:
    assert formulas_equal(r"\pi", "3.14159265") is True
    assert formulas_equal(r"\pi", "3.14159265", rounding=False) is False
    assert formulas_equal(r"\pi", "3.1416") is False


def test_two_equations_without_a_solution_in_sight_are_not_decided() -> None:
    with pytest.raises(ValueError, match="solution"):
        formulas_equal("e^x=-1", "e^x=-2")


def test_what_is_as_large_as_allowed_is_not_refused() -> None:
    check("(" * MAX_DEPTH + "x" + ")" * MAX_DEPTH)
    check("+".join("x" * (MAX_TERMS + 1)))
    check("x" * MAX_CHARS)
    for text, words in (
        ("(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1), "nested deeper"),
        ("+".join("x" * (MAX_TERMS + 2)), "terms"),
        ("x" * (MAX_CHARS + 1), "longer"),
        ("x=y=2", "chain"),
        ("2020-01-05", "a date"),
        (r"\frac{dy}{dx}", "derivative"),
        ("1:2", "ratio"),
    ):
        with pytest.raises(ValueError, match=words):
            check(text)
