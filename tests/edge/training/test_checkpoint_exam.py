"""Checkpoints that sit an exam on held-out problems."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.checkpoints.scores import CheckpointScore
from stages.core.tables.sft import SFT
from stages.edge import params
from stages.edge.errors import EmptyError
from stages.edge.models import weights
from stages.edge.training import checkpoint_exam
from tests.core.checkpoints.test_scores import held_out
from tests.edge.asking.test_sampler import runtime
from tests.projects import copy_project
from tests.scripted_server import Reply, ScriptedServer
from tests.test_verbs import call
from tests.tiny_models import save_tiny_model, sft_row

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


def test_the_exam_is_on_all_parts_of_a_held_out_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`choose` itself, with an exam that only writes down its problems."""

    def change(document: dict[str, Any]) -> None:
        document["profiles"]["cpu"]["train"]["turbo"].update(
            keep="best_avg", held_out_every=4, checkpoint_exam=SETTINGS.model_dump()
        )

    folder = copy_project(tmp_path / "project", change)
    for number in range(2):
        rows = pl.DataFrame([sft_row(f"p{number}", "What is 1+1?", "\\boxed{2}")], schema=SFT)
        path = folder / f"data/held_out/part-{number:04}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(path)
    save_tiny_model(folder / "candidates/last")
    (folder / "candidates/origin.json").write_text('{"init": "base", "identity": "x", "versions": {}}')
    (folder / "trained.json").write_text('{"num_steps": 1}')
    examined: list[pl.DataFrame] = []

    def examine(_folders: object, rows: pl.DataFrame, *_: object) -> list[CheckpointScore]:
        examined.append(rows)
        raise EmptyError("enough is known")

    monkeypatch.setattr(checkpoint_exam, "examine", examine)
    call(
        folder, "choose", "--stage", "turbo", "--candidates", "candidates", "--held-out", "data/held_out",
        "--trained", "trained.json", "--output", "models/turbo", "--card", "models/turbo.md", "--metrics", "choose.json",
    )  # fmt: skip
    assert examined[0]["problem_id"].to_list() == ["p0", "p1"]


def test_without_an_answer_there_is_nothing_to_examine() -> None:
    with pytest.raises(EmptyError, match="no held-out row states an answer"):
        checkpoint_exam.examine([], held_out(("c", "Why?", "Because.")), SETTINGS, LIMITS, runtime(), lambda _: None)
