"""The exam of a training's candidates, and the best of them."""

from typing import Any

import polars as pl
import pytest

from stages.core.checkpoints import averaging, scores
from stages.core.checkpoints.scores import CheckpointScore
from stages.core.tables.answers import VERDICTS
from stages.core.tables.sft import SFT


def held_out(*rows: tuple[str, str, str], system: str | None = None) -> pl.DataFrame:
    """Rows of (problem id, question, answer)."""
    first = [{"role": "system", "content": system}] if system else []
    return pl.DataFrame(
        [
            {
                "model": "teacher",
                "effort": "medium",
                "problem_id": problem_id,
                "sample": place,
                "messages": [*first, {"role": "user", "content": question}, {"role": "assistant", "content": answer}],
                "num_tokens": 9,
            }
            for place, (problem_id, question, answer) in enumerate(rows)
        ],
        schema=SFT,
    )


def test_a_problem_is_asked_once_and_labelled_with_its_judged_answer() -> None:
    rows = held_out(
        ("b", "What is 2+2?", "<think>\nperhaps \\boxed{5}\n</think>It is \\boxed{4}."),
        ("a", "What is 1+1?", "The answer is \\boxed{2}."),
        ("b", "What is 2+2?", "\\boxed{4}"),
        ("c", "Why?", "Because."),
    )
    problems, system = scores.problems(rows)
    assert problems.select("problem_id", "prompt", "label").rows() == [
        ("a", "What is 1+1?", "2"),
        ("b", "What is 2+2?", "4"),
    ]
    assert system is None
    assert scores.problems(held_out(("a", "1+1?", "\\boxed{2}"), system="Be brief."))[1] == "Be brief."


def test_without_an_answer_there_is_nothing_to_examine() -> None:
    with pytest.raises(ValueError, match="no held-out row states an answer"):
        scores.problems(held_out(("c", "Why?", "Because.")))


def test_what_was_not_answered_counts_neither_way() -> None:
    def verdict(problem_id: str, sample: int, verdict: str) -> dict[str, Any]:
        keys = {"model": "m", "effort": None, "benchmark": None, "problem_id": problem_id, "sample": sample}
        return {**keys, "answer": "1", "extracted_by": "box", "verdict": verdict, "decided_by": None}

    rows = [
        verdict("a", 0, "correct"),
        verdict("a", 1, "unscored"),
        verdict("b", 0, "no_answer"),
        verdict("b", 1, "correct"),
    ]
    score = scores.score(pl.DataFrame(rows, schema=VERDICTS), 2)
    assert score == (0.75, 1.0)  # a: 1 of 1, too few for pass@2; b: 1 of 2
    nothing = [verdict("a", 0, "unscored")]
    assert scores.score(pl.DataFrame(nothing, schema=VERDICTS), 1) == (None, None)


def test_the_best_goes_by_what_was_asked_for_and_of_equals_the_last_is_taken() -> None:
    candidates = [
        CheckpointScore(0.5, 0.9),
        CheckpointScore(0.6, 0.8),
        CheckpointScore(0.6, None),
        CheckpointScore(None, 0.9),
    ]
    assert scores.best(candidates, by_pass=False) == 2
    assert scores.best(candidates, by_pass=True) == 3


def test_a_mean_is_summed_in_float64_and_keeps_the_type() -> None:
    import torch

    parts = [torch.tensor([1.0, 2.0**-24], dtype=torch.float32), torch.tensor([2.0, 2.0**-24], dtype=torch.float32)]
    mean = averaging.mean([*parts, torch.tensor([0.0, 2.0**-24])])
    assert mean.dtype == torch.float32 and mean.tolist() == [1.0, 2.0**-24]
