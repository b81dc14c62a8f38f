r"""Formulas made from the grammar that nobody wrote: both relations end in bounded time, and so do their workers."""

import random
import time

import pytest

from stages.core.equality.relations import accepts_cheaply, same_cheaply
from stages.edge.workers.algebra import Symbolic

NUM = 200
SECONDS = 2.0
"""Of the processor, for one pair in both relations."""
ATOMS = ("x", "n", "9", "10^9", "0", r"\pi", "e", "i", r"\infty", "99999999", "0.(3)", "k", "''", r"\emptyset", "1 2")
FRAMES = (
    r"\frac{A}{B}", "A^{B}", r"\sqrt[A]{B}", "(A)(B)", "A!", r"\binom{A}{B}", r"\sum_{k=A}^{B} k",
    r"\prod_{k=1}^{A} B", r"\lfloor A\rfloor",
    "[A]", r"\{A\}", "f(A)", r"\log_{A} B", r"\max(A,B)", r"A \bmod B", "A, B", "(A, B]", r"\{x \mid A<x<B\}",
    "x=A or y=B", r"A\text{ km/h}",
    r"\begin{cases}A&B\\B&A\end{cases}", r"\begin{pmatrix}A&B\end{pmatrix}^T", r"A, k\in\mathbb{Z}", "|A|<B",
    r"\mathbf{\color{red}{A}}",
    r"{A \over B}", "A:B", r"A^\circ B'", r"\gcd(A,B)", r"\overline{A}", r"A \pm B", "(1 2)(A B)", r"A\cup B", "A!!",
    r"\Gamma(A)", r"\zeta(B)",
)  # fmt: skip

pytestmark = pytest.mark.no_cover


def formula(draw: random.Random, depth: int) -> str:
    if depth == 0 or draw.random() < 0.1:
        return draw.choice(ATOMS)
    frame = draw.choice(FRAMES)
    parts = {letter: formula(draw, depth - 1) for letter in "AB" if letter in frame}
    return "".join(parts.get(char, char) for char in frame)


PAIRS = [(formula(random.Random(seed), 4), formula(random.Random(seed + NUM), 3)) for seed in range(NUM)]


def test_the_cheap_tiers_end_soon_and_are_symmetric_in_voting() -> None:
    for a, b in PAIRS:
        started = time.process_time()
        accepts_cheaply(a, b)
        assert same_cheaply(a, b) == same_cheaply(b, a), (a, b)
        assert time.process_time() - started < SECONDS, (a, b)


@pytest.mark.slow
def test_the_workers_stay_within_their_limits() -> None:
    undecided = [pair for pair in PAIRS if accepts_cheaply(*pair).equal is None]
    started = time.monotonic()
    with Symbolic(num_workers=2, seconds=3, memory_gib=3) as workers:
        outcomes = workers.decide(undecided, "accepts")
    assert set(outcomes) == set(undecided)
    assert time.monotonic() - started < 10 * len(undecided) + 60
