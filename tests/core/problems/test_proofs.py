"""Which problems demand a proof alone."""

import pytest

from stages.core.problems.proofs import asks_for_proof


@pytest.mark.parametrize(
    "prompt",
    [
        "Prove that x > 0.",
        "Let f be continuous. Show that f is bounded.",
        "Let f be continuous on [0, 1], which is compact. Show\nthat f is bounded, where M is its maximum.",
        "1. Prove that n is even.",
        "(a) Show that a = b. (b) Hence show that b = c.",
        "Please prove that x > 0",
        "If x > 0, show that x + 1 > 1.",
        "Let $h$ be the median. Prove that\n\n$$h^2 = 1$$",
        "Use induction to prove that 2^n > n.",
        "Define the sequence a_n and prove that it converges.",
        "Can you show that 3 divides n?",
        "Solve the following problem: Prove that x > 0.",
        "Problem 3: Demonstrate that the sum is odd.",
    ],
)
def test_a_demand_for_a_proof_is_one(prompt: str) -> None:
    assert asks_for_proof(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "What is the smallest n for which one can show that n! > 1000?",
        "If records show that the home team has won three matches, how many matches have both teams played?",
        "Records show that 30 of them left. How many are left?",
        "When will the census show that the number of wrens is less than ten?",
        "Find all n such that n + 1 is prime, and prove that there are no others.",
        "Prove that there is one solution and find it.",
        "Show that f is linear. Determine f(2).",
        "(a) Prove that a = b.\n(b) Compute a + b.",
        "It can be shown that there is one such n. Find n.",
        "Studies show that 40 % of 200 students like maths.",
        "What does the graph show? Prove it to your neighbour.",
        "",
    ],
)
def test_a_value_that_is_asked_for_makes_it_none(prompt: str) -> None:
    assert not asks_for_proof(prompt)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", ["use a to ", "(a) ", "and ", "1. ", "show that ", "\n\n", "; a ", "? "])
def test_a_long_prompt_takes_no_time(piece: str) -> None:
    asks_for_proof(piece * 20_000)
