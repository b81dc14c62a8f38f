r"""The last tier: what math-verify decides, what is refused before it, and what its failures become."""

import threading

import pytest
from math_verify.errors import TimeoutException

from stages.core.answers.keys import number
from stages.core.equality.relations import Decision, Tier, accepts_cheaply, accepts_symbolically, same_symbolically
from stages.core.equality.symbolic import check


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
