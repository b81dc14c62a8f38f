"""Training with the real trainer on a tiny model: what is trained, what is kept, what is trained anew, and DeepSpeed."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core import chat
from stages.edge import tables, weights
from tests.projects import ROOT, copy_project, environment
from tests.test_kills import write_sft
from tests.tiny_models import save_tiny_model

TRAIN = (
    *("--init", "models/base", "--sft", "data/sft/turbo"),
    *("--output", "models/turbo", "--losses", "data/train_log/turbo.csv"),
)


FINAL = (
    *("--init", "models/turbo", "--sft", "data/sft/turbo"),
    *("--output", "models/final", "--losses", "data/train_log/final.csv"),
)


def project(folder: Path, runtime: dict[str, Any], num_rows: int = 64, **settings: object) -> Path:
    def change(params: dict[str, Any]) -> None:
        train = params["profiles"]["cpu"]["train"]
        train["turbo"].update({"max_length": 512, "learning_rate": 0.01, "batch_size": 8, **settings})
        # A rate so small that the weights stay where they were.
        train["final"].update({**train["turbo"], "learning_rate": 1e-9})
        params["profiles"]["cpu"]["runtime"].update({"micro_batch_size": 8, "save_steps": 10, **runtime})

    copy_project(folder, change)
    save_tiny_model(folder / "models/base")
    write_sft(folder, num_rows)
    return folder


def command(stage: str = "turbo", paths: Sequence[str] = TRAIN) -> list[str]:
    return [sys.executable, "-m", "stages.train", "--stage", stage, *paths]


def train(folder: Path, stage: str = "turbo", paths: Sequence[str] = TRAIN) -> str:
    done = subprocess.run(
        command(stage, paths), cwd=folder, env=environment(), capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def log(folder: Path, stage: str = "turbo") -> pl.DataFrame:
    return pl.read_csv(folder / f"data/train_log/{stage}.csv")


def matrices(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    found: dict[str, Any] = load_file(folder / "model.safetensors")
    return found


def distance(first: Path, second: Path) -> float:
    """The largest difference between two checkpoints' weights."""
    one, other = matrices(first), matrices(second)
    assert one.keys() == other.keys()
    return max(float(abs(one[name] - other[name]).max()) for name in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("train") / "project", {}, epochs=2)
    train(folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_loss_falls_and_every_step_is_logged(trained: Path) -> None:
    found = log(trained)
    assert found["step"].to_list() == list(range(1, 17))
    assert found["loss"][-4:].mean() < 0.9 * found["loss"][0]  # type: ignore[operator]
    # Warm-up is one of 16 steps; the cosine ends near a tenth of the peak.
    assert found["learning_rate"].max() == pytest.approx(1e-2)
    assert found["learning_rate"][-1] < 2e-3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_loss_is_that_of_the_assistants_tokens_alone(tmp_path: Path) -> None:
    """The first step's loss, which the starting weights have, is worked out from the logits of the same rows."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = project(tmp_path / "project", {}, num_rows=8, epochs=1)
    train(folder)
    model = AutoModelForCausalLM.from_pretrained(folder / "models/base")
    tokenizer = AutoTokenizer.from_pretrained(folder / "models/base")
    of_all: list[Any] = []
    of_answer: list[Any] = []
    for asked, answer in tables.read(folder / "data/sft/turbo", chat.SFT)["messages"].to_list():
        # Written out instead of by the template, so that a fault of the template's use would show.
        prompt = f"<|im_start|>user\n{asked['content']}<|im_end|>\n<|im_start|>assistant\n"
        length = len(tokenizer(prompt)["input_ids"])
        tokens = torch.tensor([tokenizer(f"{prompt}{answer['content']}<|im_end|>")["input_ids"]])
        with torch.no_grad():
            logits = model(tokens).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="none")
        of_all += losses.tolist()
        of_answer += losses[length - 1 :].tolist()
    wanted = sum(of_answer) / len(of_answer)
    assert log(folder)["loss"].to_list() == [pytest.approx(wanted, abs=1e-5)]
    assert abs(sum(of_all) / len(of_all) - wanted) > 1e-3, "these rows could not tell the two apart"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_second_stage_starts_from_the_weights_of_the_first(trained: Path) -> None:
    train(trained, "final", FINAL)
    assert 0 < distance(trained / "models/final", trained / "models/turbo") < 1e-6
    assert distance(trained / "models/final", trained / "models/base") > 1e-2
    # Its loss goes on where the first stage's ended.
    assert log(trained, "final")["loss"][0] < log(trained)["loss"][0] - 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_run_from_scratch_gives_the_same_weights(trained: Path, tmp_path: Path) -> None:
    again = project(tmp_path / "project", {}, epochs=2)
    train(again)
    assert log(again).equals(log(trained))
    assert weights.identity(again / "models/turbo") == weights.identity(trained / "models/turbo")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_run_goes_on_from_its_checkpoint_to_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    one, other = (project(tmp_path / name, {}, num_rows=480, epochs=2) for name in ("whole", "killed"))
    train(one)
    run = subprocess.Popen(command(), cwd=other, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 200
    while not (states := list((other / ".cache/training").glob("*/checkpoint-[2-9]0/trainer_state.json"))):
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    scratch = states[0].parents[1]
    assert not (scratch / "done").exists() and not (other / "models/turbo").exists()
    # A mark in what the checkpoint remembers shows whether it was used; half of another one must not be.
    for state in scratch.glob("checkpoint-*/trainer_state.json"):
        remembered = json.loads(state.read_text())
        remembered["log_history"][0]["loss"] = 123.0
        state.write_text(json.dumps(remembered))
    (scratch / "checkpoint-119").mkdir()
    (scratch / "checkpoint-119/trainer_state.json").write_text('{"global_step": ')
    train(other)
    assert log(other)["loss"][0] == 123.0
    assert log(other)[1:].equals(log(one)[1:])
    assert weights.identity(other / "models/turbo") == weights.identity(one / "models/turbo")


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
@pytest.mark.parametrize("num_processes", [1, 2])
def test_deepspeed_zero_1_trains_to_a_loadable_checkpoint(num_processes: int, tmp_path: Path) -> None:
    # The first time on a machine DeepSpeed compiles its collectives, which takes a minute.
    zero = str(ROOT / "examples/deepspeed/zero1.json")
    runtime = {"deepspeed": zero, "num_processes": num_processes, "micro_batch_size": 4}
    folder = project(tmp_path / "project", runtime, epochs=1)
    train(folder)
    # 64 rows in batches of 8, however many processes share a batch.
    losses = log(folder)["loss"]
    assert losses.len() == 8 and losses[-1] < losses[0] - 1
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "models/turbo")
    assert sum(each.numel() for each in model.parameters()) > 50_000
    assert distance(folder / "models/turbo", folder / "models/base") > 1e-2
    assert not list((folder / "models/turbo").glob("*.bin")), "no pickle in what is handed on"
