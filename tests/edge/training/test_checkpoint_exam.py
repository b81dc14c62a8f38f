"""Checkpoints that sit an exam on held-out problems."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.tables.sft import SFT
from stages.core.tables.verdicts import VERDICTS
from stages.edge import params
from stages.edge.errors import EmptyError
from stages.edge.models import weights
from stages.edge.training import checkpoint_exam
from tests.edge.asking.test_sampler import runtime
from tests.scripted_server import Reply, ScriptedServer
from tests.tiny_models import save_tiny_model

SETTINGS = params.CheckpointExam.model_validate(
    {
        "num_samples": 4,
        "pass_k": 2,
        "dtype": "float32",
        "reasoning_parser": None,
        "sampling": {
            "temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 32,
        },
    }
)  # fmt: skip
LIMITS = params.Symbolic.model_validate({"seconds": 3.0, "memory_gib": 2.0})


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
    found, system = checkpoint_exam.problems(rows)
    assert found.select("problem_id", "prompt", "label").rows() == [
        ("a", "What is 1+1?", "2"),
        ("b", "What is 2+2?", "4"),
    ]
    assert system is None
    assert checkpoint_exam.problems(held_out(("a", "1+1?", "\\boxed{2}"), system="Be brief."))[1] == "Be brief."


def test_without_an_answer_there_is_nothing_to_examine() -> None:
    with pytest.raises(EmptyError, match="no held-out row states an answer"):
        checkpoint_exam.problems(held_out(("c", "Why?", "Because.")))


def test_each_checkpoint_gets_its_own_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "answers"))
    folders = [save_tiny_model(tmp_path / str(step), seed=step) for step in (5, 10)]
    names = [weights.served_name(f"checkpoint-{each.name}", weights.identity(each)) for each in folders]
    rows = held_out(("a", "What is 1+1?", "\\boxed{2}"), ("b", "What is 2+2?", "\\boxed{4}"))

    def reply(body: dict[str, Any]) -> Reply:
        assert body["max_tokens"] == 32 and len(body["messages"]) == 1
        right = {"What is 1+1?": "2", "What is 2+2?": "4"}[body["messages"][0]["content"]]
        # The later one is right on both, the earlier on the first problem every other time.
        if body["model"] == names[0] and (right == "4" or body["seed"] % 2):
            return Reply("\\boxed{0}")
        return Reply(f"\\boxed{{{right}}}")

    with ScriptedServer(names, reply) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        first, second = checkpoint_exam.examine(folders, rows, SETTINGS, LIMITS, runtime(), lambda _: None)
        asked = len(server.requests)
        again = checkpoint_exam.examine(folders, rows, SETTINGS, LIMITS, runtime(), lambda _: None)
        assert len(server.requests) == asked == 16, "what is stored is not asked again"
    assert second == (1.0, 1.0)
    assert first.avg is not None and first.avg < 0.6
    assert again == [first, second]


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
    found = checkpoint_exam.mark(pl.DataFrame(rows, schema=VERDICTS), 2)
    assert found == (0.75, 1.0)  # a: 1 of 1, too few for pass@2; b: 1 of 2
    nothing = [verdict("a", 0, "unscored")]
    assert checkpoint_exam.mark(pl.DataFrame(nothing, schema=VERDICTS), 1) == (None, None)
