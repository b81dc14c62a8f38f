"""Training with the real trainer on a tiny model: what is kept, what is trained anew, and DeepSpeed."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.edge import training, weights
from tests.projects import ROOT, copy_project, environment
from tests.test_kills import write_sft
from tests.tiny_models import save_tiny_model

TRAIN = (
    *("--init", "models/base", "--sft", "data/sft/turbo"),
    *("--output", "models/turbo", "--losses", "data/train_log/turbo.csv"),
)


def project(folder: Path, runtime: dict[str, Any], **settings: object) -> Path:
    def change(params: dict[str, Any]) -> None:
        params["profiles"]["cpu"]["train"]["turbo"].update(max_length=512, learning_rate=0.01, **settings)
        params["profiles"]["cpu"]["runtime"].update(runtime)

    copy_project(folder, change)
    save_tiny_model(folder / "models/base")
    write_sft(folder, 64)
    return folder


def train(folder: Path, **changes: str) -> str:
    command = [sys.executable, "-m", "stages.train", "--stage", "turbo", *TRAIN]
    done = subprocess.run(command, cwd=folder, env=environment(**changes), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("train") / "project", {}, epochs=2)
    train(folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_loss_falls_and_every_step_is_logged(trained: Path) -> None:
    log = pl.read_csv(trained / "data/train_log/turbo.csv")
    assert log["step"].to_list() == list(range(1, 17))
    assert log["loss"][-4:].mean() < 0.9 * log["loss"][0]  # type: ignore[operator]
    # Warm-up is one of 16 steps; the cosine ends near a tenth of the peak.
    assert log["learning_rate"].max() == pytest.approx(1e-2)
    assert log["learning_rate"][-1] < 2e-3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_run_from_scratch_gives_the_same_weights(trained: Path, tmp_path: Path) -> None:
    again = project(tmp_path / "project", {}, epochs=2)
    train(again)
    assert (again / "data/train_log/turbo.csv").read_text() == (trained / "data/train_log/turbo.csv").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_finished_run_is_reused_and_another_learning_rate_is_trained_anew(trained: Path) -> None:
    before = weights.identity(trained / "models/turbo")
    shutil.rmtree(trained / "models/turbo")
    assert "step " not in train(trained)
    assert weights.identity(trained / "models/turbo") == before
    file = trained / "params.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.01", "learning_rate: 0.02", 1))
    assert "step " in train(trained)
    assert weights.identity(trained / "models/turbo") != before


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_deepspeed_zero_1_trains_to_a_loadable_checkpoint(tmp_path: Path) -> None:
    zero = ROOT / "examples/deepspeed/zero1.json"
    folder = project(tmp_path / "project", {"deepspeed": str(zero)}, epochs=1)
    train(folder)
    losses = pl.read_csv(folder / "data/train_log/turbo.csv")["loss"]
    assert losses.len() == 8 and losses[-1] < losses[0]
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "models/turbo")
    assert sum(each.numel() for each in model.parameters()) > 50_000
    assert not list((folder / "models/turbo").glob("*.bin")), "no pickle in what is handed on"


def test_only_a_checkpoint_that_was_written_to_its_end_counts(tmp_path: Path) -> None:
    assert training.last_checkpoint(tmp_path) is None
    for step in (9, 10, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if step < 100:
            (tmp_path / f"checkpoint-{step}/trainer_state.json").write_text("{}")
    assert training.last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


class Recorder:
    """Stands for a run of `edge/track`."""

    def __init__(self) -> None:
        self.logged: list[tuple[int | None, dict[str, float]]] = []

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        self.logged.append((step, values))


def test_every_step_is_tracked_and_a_line_shows_the_rate_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 100.0, 110.0, 112.0])
    monkeypatch.setattr(training.time, "monotonic", lambda: next(clock))
    run = Recorder()
    steps = training.Steps(run)  # type: ignore[arg-type]
    for step, tokens in ((41, 1000.0), (42, 2000.0), (43, 2200.0)):
        steps.logged(step, 44, {"loss": 0.5, "num_tokens": tokens, "grad_norm": 1.0, "learning_rate": 1e-4})
    assert [step for step, _ in run.logged] == [41, 42, 43]
    assert run.logged[1][1] == {"loss": 0.5, "grad_norm": 1.0, "learning_rate": 1e-4, "tokens_per_second": 100.0}
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["step 42/44, loss 0.500, 100 tok/s, 20 s left"]
