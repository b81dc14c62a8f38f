"""Checkpoints that sit an exam on held-out problems."""

from pathlib import Path
from typing import Any

import pytest

from stages.edge import params
from stages.edge.errors import EmptyError
from stages.edge.models import weights
from stages.edge.training import checkpoint_exam
from tests.core.checkpoints.test_scores import held_out
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
LIMITS = params.SymbolicLimits.model_validate({"seconds": 3.0, "memory_gib": 2.0})


def test_each_checkpoint_gets_its_own_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        num_requests = len(server.requests)
        again = checkpoint_exam.examine(folders, rows, SETTINGS, LIMITS, runtime(), lambda _: None)
        assert len(server.requests) == num_requests == 16, "what is stored is not asked again"
    assert second == (1.0, 1.0)
    assert first.avg is not None and first.avg < 0.6
    assert again == [first, second]


def test_without_an_answer_there_is_nothing_to_examine() -> None:
    with pytest.raises(EmptyError, match="no held-out row states an answer"):
        checkpoint_exam.examine([], held_out(("c", "Why?", "Because.")), SETTINGS, LIMITS, runtime(), lambda _: None)
