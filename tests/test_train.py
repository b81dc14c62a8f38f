"""Training with the real trainer on a tiny model: what is trained, kept, trained anew, and shared by many processes."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from stages.core.curation import chat
from stages.core.tables.sft import SFT, SFT_KEY
from stages.edge.cli import claims
from stages.edge.files import tables
from stages.edge.models import weights
from tests.projects import ROOT, copy_project, environment
from tests.test_examples import free_port, slurm
from tests.test_kills import write_sft
from tests.tiny_models import save_tiny_model, sft_row

TRAIN = (
    *("--init", "models/base", "--sft", "data/sft/turbo", "--held-out", "data/held_out/turbo"),
    *("--output", "models/candidates/turbo", "--losses", "data/train_log/turbo.csv"),
    *("--metrics", "metrics/train_turbo.json"),
)

FINAL = (
    *("--init", "models/turbo", "--sft", "data/sft/turbo", "--held-out", "data/held_out/turbo"),
    *("--output", "models/candidates/final", "--losses", "data/train_log/final.csv"),
    *("--metrics", "metrics/train_final.json"),
)


def choose(stage: str) -> tuple[str, ...]:
    """Arguments of the stage that follows, but for what training counted."""
    return (
        *("--stage", stage, "--candidates", f"models/candidates/{stage}", "--held-out", "data/held_out/turbo"),
        *("--output", f"models/{stage}", "--card", f"models/{stage}.md", "--metrics", f"metrics/choose_{stage}.json"),
    )


CHOOSE = choose("turbo")


def project(folder: Path, runtime: dict[str, Any], num_rows: int = 64, **settings: object) -> Path:
    def change(params: dict[str, Any]) -> None:
        train = params["profiles"]["cpu"]["train"]
        train["turbo"].update({"max_length": 512, "learning_rate": 0.01, "batch_size": 8, **settings})
        # A rate so small that the weights stay where they were.
        train["final"].update({**train["turbo"], "learning_rate": 1e-9})
        params["profiles"]["cpu"]["runtime"].update({"micro_batch_tokens": 4096, "save_steps": 10, **runtime})

    copy_project(folder, change)
    save_tiny_model(folder / "models/base")
    write_sft(folder, num_rows)
    return folder


def command(stage: str = "turbo", paths: Sequence[str] = TRAIN) -> list[str]:
    return [sys.executable, "-m", "stages.train", "--stage", stage, *paths]


def train(folder: Path, stage: str = "turbo", paths: Sequence[str] = TRAIN) -> str:
    """Train, and choose the student; what training wrote to stderr."""
    choosing = [sys.executable, "-m", "stages.choose", *choose(stage), "--trained", f"metrics/train_{stage}.json"]
    told = []
    for each in (command(stage, paths), choosing):
        done = subprocess.run(each, cwd=folder, env=environment(), capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
        told.append(done.stderr)
    return told[0]


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
    assert found["loss"][-4:].mean() < 0.9 * found["loss"][0]
    # Warm-up is one of 16 steps; the cosine ends near a tenth of the peak.
    assert found["learning_rate"].max() == pytest.approx(1e-2)
    assert found["learning_rate"][-1] < 2e-3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_loss_is_that_of_the_assistants_tokens_alone_and_a_student_can_be_for_more_positions(
    tmp_path: Path,
) -> None:
    """The first step's loss, which the starting weights have, is worked out from the logits of the same rows."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = project(tmp_path / "project", {}, num_rows=8, epochs=1, max_positions=40_000)
    train(folder)
    assert weights.positions(folder / "models/base") == 32_768
    assert weights.positions(folder / "models/turbo") == 40_000
    model = AutoModelForCausalLM.from_pretrained(folder / "models/base")
    tokenizer = AutoTokenizer.from_pretrained(folder / "models/base")
    of_all: list[Any] = []
    of_answer: list[Any] = []
    for asked, answer in tables.read(folder / "data/sft/turbo", SFT)["messages"].to_list():
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


ONE_LEFT = 65
"""Rows of which one is left for the last step: of two processes one has nothing to do there but to wait."""


def zero(stage: int) -> str:
    return str(ROOT / f"examples/deepspeed/zero{stage}.json")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ({"micro_batch_tokens": 600}, "training on 1 x cpu, attention: documents"),
        ({"padding": True, "micro_batch_size": 1}, "training on 1 x cpu, attention: own"),
        ({"num_processes": 2}, "training on 2 x cpu, sharing by MULTI_CPU"),
        ({"num_processes": 1, "deepspeed": zero(1)}, "training on 1 x cpu, sharing by DEEPSPEED"),
        ({"num_processes": 2, "deepspeed": zero(1), "micro_batch_tokens": 600}, "on 2 x cpu, sharing by DEEPSPEED"),
        ({"num_processes": 2, "deepspeed": zero(2), "micro_batch_tokens": 600}, "on 2 x cpu, sharing by DEEPSPEED"),
        ({"num_processes": 2, "deepspeed": zero(3), "micro_batch_tokens": 600}, "on 2 x cpu, sharing by DEEPSPEED"),
    ],
)
def test_losses_and_weights_are_the_same_however_a_step_is_cut_and_shared(
    runtime: dict[str, Any], said: str, straight: Path, tmp_path: Path
) -> None:
    # The first time on a machine DeepSpeed compiles its collectives, which takes a minute.
    folder = project(tmp_path / "project", runtime, ONE_LEFT, epochs=1)
    assert said in train(folder)
    assert log(folder)["loss"].to_list() == pytest.approx(log(straight)["loss"].to_list(), abs=1e-5)
    assert log(folder)["grad_norm"].to_list() == pytest.approx(log(straight)["grad_norm"].to_list(), rel=1e-4)
    assert distance(folder / "models/turbo", straight / "models/turbo") < 1e-4
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "models/turbo")
    assert sum(each.numel() for each in model.parameters()) > 50_000
    assert not list((folder / "models/turbo").glob("*.bin")), "no pickle in what is handed on"


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("straight") / "project", {}, ONE_LEFT, epochs=1)
    train(folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_slurm_job_trains_on_two_hosts_as_one_process_does(straight: Path, tmp_path: Path) -> None:
    """Each host has its torchrun of its own; they meet at the address that the job makes of Slurm's variables."""
    launcher = ["srun", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    folder = project(tmp_path / "project", {"num_hosts": 2, "launcher": launcher}, ONE_LEFT, epochs=1)
    env = slurm(tmp_path, tasks_per_node=1, job=free_port("") - 20_000)
    script = ["bash", str(ROOT / "examples/slurm/train.sbatch"), "train@turbo"]
    done = subprocess.run(script, cwd=folder, env=env, capture_output=True, text=True, timeout=500)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "training on 2 x cpu, sharing by MULTI_CPU" in said
    assert log(folder)["loss"].to_list() == pytest.approx(log(straight)["loss"].to_list(), abs=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_killed_in_a_later_epoch_go_on_as_if_they_were_not(tmp_path: Path) -> None:
    runtime = {"num_processes": 2, "deepspeed": zero(1), "save_steps": 3}
    one, other = (project(tmp_path / name, runtime, num_rows=40, epochs=8) for name in ("whole", "killed"))
    train(one)
    # Somewhere in the second to the last epoch of five steps each, another place each time.
    place = random.randrange(6, 33)
    run = psutil.Popen(command(), cwd=other, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while last_step(other) < place:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    # Workers first, each by its own: torchrun would end those that are left with a signal that can be handled.
    for process in [*reversed(run.children(recursive=True)), run]:
        process.kill()
    run.wait()
    said = train(other)
    assert "going on from checkpoint-" in said
    assert log(other).equals(log(one)), f"killed at about step {place}"
    assert weights.identity(other / "models/turbo") == weights.identity(one / "models/turbo")


def last_step(folder: Path) -> int:
    steps = [int(path.name.split("-")[1]) for path in (folder / ".cache/training").glob("*/checkpoint-*")]
    return max(steps, default=0)


@pytest.mark.slow
def test_the_stage_says_what_it_will_do_writes_figures_and_a_card(trained: Path) -> None:
    figures = json.loads((trained / "metrics/train_turbo.json").read_text())
    rows = tables.read(trained / "data/sft/turbo", SFT)
    assert figures["num_rows"] == rows.height == 64
    assert figures["epochs"] == 2 and figures["num_steps"] == log(trained)["step"][-1] == 16
    assert figures["num_tokens"] > figures["num_trained_tokens"] > 0
    assert figures["last_loss"] == pytest.approx(log(trained)["loss"][-1])
    card = (trained / "models/turbo.md").read_text()
    assert (
        weights.identity(trained / "models/base")[:12] in card and f"| num tokens | {figures['num_tokens']} |" in card
    )
    assert log(trained)["epoch"].to_list() == pytest.approx([step / 8 for step in range(1, 17)])
    done = subprocess.run(
        [*command(), "--check"], cwd=trained, env=environment(), capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0
    assert (
        "num steps                        16" in done.stderr and "█" in done.stderr and "training on" not in done.stderr
    )


def loss_of(folder: Path, table: Path) -> float:
    """Mean loss of a model over the trained tokens of a table, row by row."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    losses: list[float] = []
    for messages in tables.read(table, SFT)["messages"].to_list():
        row = chat.tokenise(messages, tokenizer)
        with torch.no_grad():
            logits = model(torch.tensor([row.input_ids])).logits[0, :-1]
        found = torch.nn.functional.cross_entropy(logits, torch.tensor(row.input_ids[1:]), reduction="none")
        losses += found[row.num_prompt - 1 :].tolist()
    return sum(losses) / len(losses)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_held_out_loss_is_that_of_the_weights_of_its_step(trained: Path) -> None:
    measured = log(trained).drop_nulls("held_out_loss")
    assert measured["step"].to_list() == [10, 16]
    again = loss_of(trained / "models/turbo", trained / "data/held_out/turbo")
    assert measured["held_out_loss"][-1] == pytest.approx(again, abs=1e-5)
    figures = json.loads((trained / "metrics/train_turbo.json").read_text())
    assert figures["last_held_out_loss"] == measured["held_out_loss"][-1]
    assert json.loads((trained / "metrics/choose_turbo.json").read_text()) == {"kept_steps": [16]}


def kept_steps(folder: Path) -> list[int]:
    found: list[int] = json.loads((folder / "metrics/choose_turbo.json").read_text())["kept_steps"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_best_and_the_average_of_the_last_measured_weights_can_be_kept(tmp_path: Path) -> None:
    # What is held out is unlike what is trained, so that the loss on it rises as training goes on.
    folder = project(tmp_path / "best", {}, epochs=3, held_out_every=4, keep="best_loss")
    strange = [sft_row(f"{place:02}", "Zyx?", "~QWERTY~ @JK@ ~QWERTY~") for place in range(8)]
    rows = pl.DataFrame(strange, schema=SFT)
    tables.write(rows, folder / "data/held_out/turbo", SFT, SFT_KEY)
    train(folder)
    measured = log(folder).drop_nulls("held_out_loss")
    figures = json.loads((folder / "metrics/train_turbo.json").read_text())
    best = measured.sort("held_out_loss")["step"][0]
    assert best != measured["step"][-1], "this run could not tell the best from the last"
    assert kept_steps(folder) == [best] and figures["lowest_held_out_loss"] == measured["held_out_loss"].min()
    assert loss_of(folder / "models/turbo", folder / "data/held_out/turbo") == pytest.approx(
        figures["lowest_held_out_loss"], abs=1e-5
    )

    other = project(
        tmp_path / "average", {"num_processes": 2}, epochs=1, held_out_every=2, keep="average", num_checkpoints=2
    )
    train(other)
    assert kept_steps(other) == [6, 8]
    assert sorted(path.name for path in (other / "models/candidates/turbo").iterdir()) == ["6", "8", "origin.json"]
    last = project(tmp_path / "last", {}, epochs=1, held_out_every=2)
    train(last)
    # The same run: its last weights are half of the average.
    assert log(other)["held_out_loss"].drop_nulls().to_list() == pytest.approx(
        log(last)["held_out_loss"].drop_nulls().to_list(), abs=1e-5
    )
    assert distance(other / "models/turbo", last / "models/turbo") > 1e-6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_loss_that_is_no_number_stops_the_stage_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", {"save_steps": 1}, learning_rate=1e30, max_grad_norm=1e30, warmup_ratio=0.0)
    done = subprocess.run(command(), cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "is nan: lower train's learning_rate" in told or "is inf: lower train's learning_rate" in told
    (step,) = re.findall(r"of step (\d+) is (?:nan|inf)", told)
    assert last_step(folder) == int(step) - 1, "the checkpoint of a step without a number is not written"
    figures = json.loads((folder / "metrics/train_turbo.json").read_text())
    assert figures["num_rows"] == 64 and "last_loss" not in figures, "what the look before the first step found"
    assert not (folder / "models/turbo").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("deepspeed", [None, zero(1)])
def test_bfloat16_with_compiled_layers_and_activations_computed_anew_learns_the_same(
    deepspeed: str | None, straight: Path, tmp_path: Path
) -> None:
    runtime = {"gradient_checkpointing": True, "compile": True, "deepspeed": deepspeed}
    folder = project(tmp_path / "project", runtime, ONE_LEFT, epochs=1, bf16=True)
    train(folder)
    assert log(folder)["loss"].to_list() == pytest.approx(log(straight)["loss"].to_list(), abs=0.05)
    kinds = {str(each.dtype) for each in torch_tensors(folder / "models/turbo").values()}
    assert kinds == {"torch.bfloat16"}, "written as it is computed, whoever held the weights"


def torch_tensors(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_checkpoint_of_other_processes_is_not_gone_on_from_in_silence(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", {"deepspeed": zero(1), "save_steps": 3}, num_rows=200, epochs=8)
    run = psutil.Popen(command(), cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((folder / ".cache/training").glob("*/checkpoint-*/trainer_state.json")):
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    for process in [*reversed(run.children(recursive=True)), run]:
        process.kill()
    run.wait()
    file = folder / "params.yaml"
    file.write_text(file.read_text().replace(f"deepspeed: {zero(1)}", "deepspeed: null"))
    done = subprocess.run(command(), cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "the checkpoints of this run were written with {'deepspeed': " in done.stderr


EXAM = {
    "num_samples": 2,
    "pass_k": 1,
    "dtype": "float32",
    "reasoning_parser": None,
    "sampling": {
        "temperature": 0.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 48,
    },
}  # fmt: skip


def test_an_exam_of_checkpoints_that_cannot_be_held_is_refused_before_the_first_step(tmp_path: Path) -> None:
    exam = {**EXAM, "sampling": {**EXAM["sampling"], "max_tokens": 32_768}}  # type: ignore[dict-item]
    folder = project(tmp_path / "project", {}, keep="best_avg", held_out_every=10, checkpoint_exam=exam)
    done = subprocess.run(
        [*command(), "--check"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=100
    )
    assert done.returncode and "lower train.turbo.checkpoint_exam.sampling.max_tokens" in done.stderr, done.stderr


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a training of two steps, to be copied."""
    folder = project(tmp_path_factory.mktemp("short") / "project", {}, num_rows=16, epochs=1)
    assert "training on" in train(folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_who_waits_for_another_that_trains_the_same_takes_its_weights(short: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(short, tmp_path / "project", symlinks=True)
    shutil.rmtree(folder / "models/candidates")
    (done,) = (folder / ".cache/training").glob("*/done")
    scratch = done.parent
    done.rename(tmp_path / "done")
    with claims.held(scratch.with_name(f"{scratch.name}.lock"), "trains the same"):
        second = subprocess.Popen(
            command(), cwd=folder, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert second.stderr is not None
        assert any("trains the same" in line for line in second.stderr)
        (tmp_path / "done").rename(done)
    rest = second.stderr.read()
    assert second.wait(200) == 0, rest
    assert "step" not in rest and [path.name for path in scratch.iterdir()] == ["done"]
    assert weights.identity(folder / "models/candidates/turbo/last") == weights.identity(folder / "models/turbo")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_edit_of_what_decides_the_weights_trains_anew_and_a_comment_or_a_line_on_the_screen_does_not(
    short: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(short, tmp_path / "project", symlinks=True)
    before = weights.identity(folder / "models/turbo")
    edit(
        folder / "stages/core/training/trainer.py",
        "        total: Any = 0\n",
        "        # Summed up.\n        total: Any = 0\n",
    )
    edit(folder / "stages/edge/training/watching.py", "tok/s", "tokens a second")
    assert "training on" not in train(folder), "the finished run is reused"
    edit(folder / "stages/core/training/batches.py", "labels[: max(num_prompt, 1)] = IGNORED", "labels[:1] = IGNORED")
    assert "training on" in train(folder), "the loss of the prompt is another loss"
    assert weights.identity(folder / "models/turbo") != before
