"""Golds as sources give them: what is taken off, what cannot be graded against, what is told in the question."""

import pytest

from stages.core.problems.golds import is_in_prompt, is_yes_or_no, normalise_gold, ungradable_reason
from stages.core.problems.problems import gold_of


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        ("$5$", "5"),
        ("$$\\frac{1}{2}$$", "\\frac{1}{2}"),
        ("\\boxed{336}", "336"),
        ("$\\boxed{336}$", "336"),
        ("\\boxed{$336$}", "336"),
        ("\\boxed{\\frac{\\sqrt{3}}{4}}", "\\frac{\\sqrt{3}}{4}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("336^\\circ", "336"),
        ("$336^{\\circ}$", "336"),
        ("-40 ^ \\circ", "-40"),
        (" 033 ", "033"),
        ("", ""),
    ],
)
def test_what_is_around_all_of_a_gold_is_taken_off(gold: str, expected: str) -> None:
    assert normalise_gold(gold.strip()) == expected


@pytest.mark.parametrize(
    "gold",
    [
        "$1$ and $2$",
        "\\boxed{1} and \\boxed{2}",
        "\\boxed{1}, \\boxed{2}",
        "$5",
        "x = \\boxed{3}",
        "20^\\circ C",
        "\\boxed{1",
    ],
)
def test_what_is_around_a_part_of_a_gold_only_stays(gold: str) -> None:
    assert normalise_gold(gold) == gold


@pytest.mark.parametrize(
    ("prompt", "gold", "reason"),
    [
        ("Find x.", None, "missing"),
        ("Find x.", "", "missing"),
        ("Prove that x > 0.", None, "missing"),
        ("Prove that x > 0.", "x > 0", "proof"),
        ("Show\n that x > 0.", "1", "proof"),
        ("DEMONSTRATE THAT x > 0.", "1", "proof"),
        ("Find x.", "^2=\\frac{1}{3}", "damaged"),
        ("Find x.", "_1", "damaged"),
        ("Find x.", "= 5", "damaged"),
        ("Find x.", "5 +", "damaged"),
        ("Find x.", "1/", "damaged"),
        ("Find x.", "x^", "damaged"),
        ("Find x.", "5\\", "damaged"),
        ("Find x.", "\\frac{1}{2", "damaged"),
        ("Find x.", "\\{1, 2", "damaged"),
        ("Find x.", "1, 2\\}", "damaged"),
        ("Solve it.", "\\left\\{\\begin{array}{l} x=1 \\\\ y=2", "damaged"),
        ("Find x.", "\\frac1}{2}", "damaged"),
        ("Which of these is prime?", "C", "choice"),
        ("Which of these is prime?", "(B)", "choice"),
        ("Which of these is prime?", "$\\text{(E)}$", "choice"),
        ("A train leaves. Which of these is prime?", "A", "choice"),
        ("Which is it? (A) 1 (B) 2", "D", "choice"),
        ("Find x.", "\\text{}", "unreadable"),
        ("Find x.", "\\quad", "unreadable"),
        ("Find x.", "...", "unreadable"),
    ],
)
def test_a_gold_that_nothing_can_be_graded_against_says_why(prompt: str, gold: str | None, reason: str) -> None:
    assert ungradable_reason(prompt, gold) == reason


@pytest.mark.parametrize(
    ("prompt", "gold"),
    [
        ("Find x.", "5"),
        ("Find x.", "-5"),
        ("Find x.", "+5"),
        ("Find x.", "5!"),
        ("Find x.", "\\frac{1}{2}"),
        ("Find x.", "\\mathbb{R}^+"),
        ("Find x.", "0^-"),
        ("The teacher can prove the theorem. How many pages does the show take?", "12"),
        ("Improve that.", "1"),
        ("Which is it? (A) 1 (B) 2", "A"),
        ("Which is it? $\\textbf{(A)}\\ 1 \\textbf{(B)}\\ 2$", "\\textbf{(B)}"),
        ("Which is it?\nA. 1\nB. 2", "B"),
        ("Which is larger, $A$ or $B$?", "B"),
        ("What is the 1992nd letter in the sequence ABCDEDCBA...?", "C"),
        ("What is Dana's grade?", "F"),
        ("Find x.", "2x + 1"),
        ("Find x.", "(1, 2]"),
        ("Who won?", "\\text{Evelyn}"),
        ("Solve it.", "\\left\\{\\begin{array}{l} x=1 \\\\ y=2 \\end{array}\\right."),
        ("Solve it.", "\\left\\{\\begin{array}{l} x=1 \\\\ y=2 \\end{array}"),
        ("Solve it.", "\\{\\begin{cases} x=1 \\\\ y=2 \\end{cases}"),
        ("Find x.", "\\{1, 2\\}"),
        ("Find x.", "\\left\\{1, 2\\right\\}"),
        ("How many are there?", "\\text{None}"),
        ("Find x.", "\\text{no solution}"),
        ("Find x.", "undefined"),
        ("Find the number.", "nano"),
    ],
)
def test_any_other_gold_can_be_graded_against(prompt: str, gold: str) -> None:
    assert ungradable_reason(prompt, gold) is None


@pytest.mark.parametrize(
    "gold",
    [
        *(
            "nan",
            "NaN",
            "N/A",
            "n/a",
            "None",
            "NA",
            "null",
            "unknown",
            "Unknown.",
            "TBD",
            r"\text{N/A}",
            "$\\text{nan}$",
        ),
        *(
            "see solution",
            "See the solution above.",
            "(see explanation)",
            "Refer to the attached figure",
            "in the proof",
        ),
        *(
            "not available",
            "Answer not provided",
            "No answer given",
            "Proof omitted",
            "Proof",
            "the proof",
            "答案略",
            "见解析",
        ),
    ],
)
def test_what_sources_write_where_they_have_no_answer_is_no_gold(gold: str) -> None:
    assert gold_of(gold) is None
    assert ungradable_reason("Find x.", gold) == "missing"


@pytest.mark.parametrize(
    ("gold", "is_one"),
    [
        *(
            (gold, True)
            for gold in ("Yes", "no", r"\text{Yes}", "$\\text{No}$", "True", "FALSE.", "是", r"\textbf{no}")
        ),
        *((gold, False) for gold in ("5", "None", "no solution", "Yes, 3", "", None)),
    ],
)
def test_yes_and_no_are_known_in_any_spelling(gold: str | None, is_one: bool) -> None:
    assert is_yes_or_no(gold) is is_one


@pytest.mark.parametrize(
    ("prompt", "gold"),
    [
        ("Find $x$. The answer is 104.", "104"),
        ("Find $x$. $\\boxed{104}$", "104"),
        ("Find $x$.\n\n104", "104"),
        ("Find $BC$ where $AB = 107$. 7", "7"),
        ("Of 385 marbles, how many are not blue?", "385"),
    ],
    ids=["stated", "boxed", "on a line of its own", "as its last words", "as a long number"],
)
def test_a_problem_that_tells_its_own_answer_is_flagged(prompt: str, gold: str) -> None:
    assert is_in_prompt(prompt, gold)


@pytest.mark.parametrize(
    ("prompt", "gold"),
    [
        ("Anna has 7 bags with 5 apples. She gives 2 away. How many bags are left?", "5"),
        ("What is 3850 / 10?", "385"),
        ("What is 1,385 - 1000?", "385"),
        ("What is 0.385 * 1000?", "385"),
        ("Find $x$.", None),
    ],
    ids=["a short number", "part of a number", "thousands", "decimals", "no gold"],
)
def test_a_number_that_stands_there_by_chance_is_none(prompt: str, gold: str | None) -> None:
    assert not is_in_prompt(prompt, gold)


@pytest.mark.parametrize(
    ("value", "gold"), [(" 033 ", "033"), (0, "0"), (0.5, "0.5"), (None, None), ("  ", None), ("$$", None)]
)
def test_a_gold_is_text_or_nothing(value: object, gold: str | None) -> None:
    assert gold_of(value) == gold
