"""What counts as right between the rounds of an exam."""

import polars as pl
import pytest

from stages.core.sampling.grading import GOLDS_IN, TRACES_IN, counts

GOLDS = pl.DataFrame(
    [("exam", "a", "1/2"), ("exam", "b", None), ("exam", "c", "So \\boxed{7}."), ("other", "a", "3")],
    schema=GOLDS_IN,
    orient="row",
)


def graded(*samples: tuple[str, str | None, str]) -> list[tuple[int, int]]:
    """(right, graded) of each problem, from (problem id, content, status)."""
    rows = [("exam", *sample) for sample in samples]
    right, of = counts(pl.DataFrame(rows, schema=TRACES_IN, orient="row"), GOLDS)
    return list(zip(right.tolist(), of.tolist(), strict=True))


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("0.5", True),
        ("\\frac{2}{4}", True),
        ("50\\%", True),
        ("x = \\frac12", True),
        ("3", False),  # the gold of a problem of the same name in another exam
        ("\\sin^2 1 - \\frac12 + \\cos^2 1", False),  # equal, but only algebra can tell
    ],
)
def test_an_answer_is_right_by_its_key_or_its_number(answer: str, is_right: bool) -> None:
    assert graded(("a", f"It is \\boxed{{{answer}}}.", "stop")) == [(is_right, 1)]


def test_a_gold_that_is_a_whole_solution_counts_by_what_it_states() -> None:
    assert graded(("c", "The answer is 7.", "stop")) == [(1, 1)]


def test_what_nobody_answered_or_has_no_gold_is_not_graded_and_no_answer_is_wrong() -> None:
    samples = [
        ("a", None, "failed"),
        ("a", None, "refused"),
        ("a", "I do not know", "stop"),
        ("b", "\\boxed{1}", "stop"),
    ]
    assert graded(*samples, ("a", None, "length"), ("a", "\\boxed{0.5}", "stop")) == [(1, 3), (0, 0)]


def test_an_answer_before_a_cut_is_read() -> None:
    assert graded(("a", "A guess: \\boxed{1/2}. Let me check", "length")) == [(1, 1)]
