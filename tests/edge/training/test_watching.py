"""What is seen of a training run, and how its failures are told."""

import errno
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from stages.edge.errors import PipelineError
from stages.edge.training import watching
from tests.edge.asking.test_sampler import runtime
from tests.projects import ROOT


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
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    run = Recorder()
    steps = watching.TrainingProgress(run, peak_flops=None)  # type: ignore[arg-type]
    for step, tokens in ((41, 1000.0), (42, 2000.0), (43, 2200.0)):
        steps.logged(step, 44, {"loss": 0.5, "num_tokens": tokens, "grad_norm": 1.0, "learning_rate": 1e-4})
    assert [step for step, _ in run.logged] == [41, 42, 43]
    assert run.logged[1][1] == {"loss": 0.5, "grad_norm": 1.0, "learning_rate": 1e-4, "tokens_per_second": 100.0}
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["step 42/44, loss 0.500, 100 tok/s, 20 s left"]


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (lambda: torch.OutOfMemoryError("CUDA out of memory"), "set runtime.gradient_checkpointing: true"),
        (lambda: OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (lambda: RuntimeError("PytorchStreamWriter failed writing file"), "the disk is full"),
    ],
)
def test_a_lack_of_memory_or_disk_says_what_to_do(raised: Callable[[], Exception], message: str) -> None:
    with pytest.raises(PipelineError, match=message), watching.failures(runtime()):
        raise raised()
    with pytest.raises(RuntimeError, match="a fault"), watching.failures(runtime()):
        raise RuntimeError("a fault of the program")


def test_with_activations_computed_anew_already_only_smaller_passes_help() -> None:
    raises = pytest.raises(PipelineError, match=r"lower runtime\.micro_batch_tokens")
    with raises, watching.failures(runtime(gradient_checkpointing=True)):
        raise torch.OutOfMemoryError


SAVE = """
import sys, numpy, torch
from safetensors.numpy import save_file
from stages.edge.training import resuming, watching
with watching.failures(None):
    if sys.argv[1] == "safetensors":
        save_file({"weights": numpy.zeros(100_000)}, "small/model.safetensors")
    else:
        torch.save({"moments": torch.zeros(100_000)}, "small/optimizer.pt")
"""


@pytest.mark.parametrize("library", ["safetensors", "torch"])
def test_a_checkpoint_for_which_the_disk_has_no_room_is_told_so(library: str, tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount disks of their own")
    (tmp_path / "small").mkdir()
    (tmp_path / "save.py").write_text(SAVE)
    mounted = 'mount -t tmpfs -o size=64k tmpfs small && exec "$0" save.py "$1"'
    done = subprocess.run(
        [*alone, "bash", "-c", mounted, sys.executable, library], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=100,
    )  # fmt: skip
    assert "InputError: the disk is full, or takes no more: make room; the last checkpoint is kept" in done.stderr


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_a_number_that_is_none_stops_before_its_weights_are_kept(name: str, value: float) -> None:
    steps = watching.TrainingProgress(Recorder(), peak_flops=None)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"of step 7 is (nan|inf): lower train's learning_rate"):
        steps.logged(7, 9, {"loss": 0.5, "grad_norm": 1.0, name: value})


def test_a_known_gpu_has_its_peak_and_another_none() -> None:
    assert watching.peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert watching.peak_flops("NVIDIA H100 PCIe") == 756e12
    assert watching.peak_flops("AMD Instinct MI300X") == 1_307e12
    assert watching.peak_flops("Voodoo 2") is None


def test_mfu_is_model_flops_a_second_over_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    run = Recorder()
    steps = watching.TrainingProgress(run, peak_flops=100e12)  # type: ignore[arg-type]
    for step in (1, 2):
        steps.logged(step, 9, {"loss": 0.5, "num_tokens": 100.0 * step, "tera_flops": 500.0})
    assert run.logged[1][1]["mfu"] == pytest.approx(500e12 / 10 / 100e12)


def test_a_resume_says_nothing_of_a_tied_head_and_all_else(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("transformers.trainer")
    accelerator = SimpleNamespace(
        num_processes=1, device=SimpleNamespace(type="cpu"), distributed_type=SimpleNamespace(value="NO")
    )
    watching.print_setup(accelerator, None, "scratch/checkpoint-10")
    try:
        logger.propagate, before = True, logger.propagate
        with caplog.at_level(logging.WARNING):
            logger.warning("There were missing keys in the checkpoint model loaded: ['lm_head.weight'].")
            logger.warning("There were missing keys in the checkpoint model loaded: ['model.norm.weight'].")
    finally:
        logger.propagate = before
        logger.filters.clear()
    assert [record.getMessage()[-22:] for record in caplog.records] == [": ['model.norm.weight']."[-22:]]
