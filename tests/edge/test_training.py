"""What watches a Trainer and finds where it stopped."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from stages.edge import training
from stages.edge.errors import PipelineError
from tests.edge.test_sampler import runtime
from tests.test_kills import write_sft
from tests.tiny_models import save_tiny_model


def checkpoint(folder: Path, step: int, state: str | None) -> None:
    (folder / f"checkpoint-{step}").mkdir()
    (folder / f"checkpoint-{step}/model.safetensors").write_bytes(b"weights")
    if state is not None:
        (folder / f"checkpoint-{step}/trainer_state.json").write_text(state)


def test_the_newest_checkpoint_is_the_one_of_the_highest_step(tmp_path: Path) -> None:
    assert training.last_checkpoint(tmp_path) is None
    assert training.last_checkpoint(tmp_path / "nowhere") is None
    for step in (9, 100, 10):
        checkpoint(tmp_path, step, "{}")
    assert training.last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-100")


@pytest.mark.parametrize("state", [None, "", '{"global_step": 1', '{"log_history": [{"loss": 0.'])
def test_a_checkpoint_that_a_kill_cut_off_does_not_count(state: str | None, tmp_path: Path) -> None:
    checkpoint(tmp_path, 20, state)
    assert training.last_checkpoint(tmp_path) is None
    checkpoint(tmp_path, 10, '{"global_step": 10}')
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
    steps = training.Progress(run, peak_flops=None)  # type: ignore[arg-type]
    for step, tokens in ((41, 1000.0), (42, 2000.0), (43, 2200.0)):
        steps.logged(step, 44, {"loss": 0.5, "num_tokens": tokens, "grad_norm": 1.0, "learning_rate": 1e-4})
    assert [step for step, _ in run.logged] == [41, 42, 43]
    assert run.logged[1][1] == {"loss": 0.5, "grad_norm": 1.0, "learning_rate": 1e-4, "tokens_per_second": 100.0}
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["step 42/44, loss 0.500, 100 tok/s, 20 s left"]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (lambda: torch.OutOfMemoryError("CUDA out of memory"), "set runtime.gradient_checkpointing: true"),
        (lambda: OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (lambda: RuntimeError("PytorchStreamWriter failed writing file"), "the disk is full"),
    ],
)
def test_a_lack_of_memory_or_disk_says_what_to_do(raised: Callable[[], Exception], told: str) -> None:
    with pytest.raises(PipelineError, match=told), training.failures(runtime()):
        raise raised()
    with pytest.raises(RuntimeError, match="a fault"), training.failures(runtime()):
        raise RuntimeError("a fault of the program")


def test_with_activations_computed_anew_already_only_smaller_passes_help() -> None:
    told = pytest.raises(PipelineError, match=r"lower runtime\.micro_batch_tokens")
    with told, training.failures(runtime(gradient_checkpointing=True)):
        raise torch.OutOfMemoryError


def test_a_disk_too_small_for_tokens_and_checkpoints_is_refused_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_tiny_model(tmp_path / "models/base")
    write_sft(tmp_path, 5)  # five rows of 200 tokens, as they say
    num_weights = sum(each.size for each in load_file(tmp_path / "models/base/model.safetensors").values())
    needed = (9 + 2 + 2) * 4 * num_weights + 4 * 5 * 200
    usage = shutil.disk_usage(tmp_path)
    where = tmp_path / "scratch", tmp_path / "models/base", tmp_path / "data/sft/turbo", 2
    monkeypatch.setattr(training.shutil, "disk_usage", lambda _: usage._replace(free=needed))
    training.check_space(*where)
    monkeypatch.setattr(training.shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(PipelineError, match=r"tokens and checkpoints need about 0\.0 GiB.*make room"):
        training.check_space(*where)


def test_only_the_processes_that_wrote_a_checkpoint_go_on_from_it(tmp_path: Path) -> None:
    four = runtime(num_processes=4, deepspeed=__file__)
    training.record_machine(tmp_path, four)
    training.check_machine(tmp_path, runtime())  # nothing to go on from
    checkpoint(tmp_path, 10, "{}")
    training.check_machine(tmp_path, four)
    for other in (runtime(num_processes=2, deepspeed=__file__), runtime(num_processes=4)):
        with pytest.raises(PipelineError, match=r"were written with .*'num_processes': 4.*set it so until"):
            training.check_machine(tmp_path, other)
    # Without DeepSpeed a checkpoint is whole, and any number of processes can go on from it.
    training.record_machine(tmp_path, runtime(num_processes=4))
    training.check_machine(tmp_path, runtime(num_processes=2))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_a_number_that_is_none_stops_before_its_weights_are_kept(name: str, value: float) -> None:
    steps = training.Progress(Recorder(), peak_flops=None)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"of step 7 is (nan|inf): lower train's learning_rate"):
        steps.logged(7, 9, {"loss": 0.5, "grad_norm": 1.0, name: value})


def test_what_a_finished_run_left_is_swept_away(tmp_path: Path) -> None:
    for name in ("done", "tokens", "checkpoint-5", "learned"):
        (tmp_path / name).mkdir()
    (tmp_path / "machine.json").write_text("{}")
    training.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_a_known_gpu_has_its_peak_and_another_none() -> None:
    assert training.peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert training.peak_flops("NVIDIA H100 PCIe") == 756e12
    assert training.peak_flops("AMD Instinct MI300X") == 1_307e12
    assert training.peak_flops("Voodoo 2") is None


def test_mfu_is_model_flops_a_second_over_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr(training.time, "monotonic", lambda: next(clock))
    run = Recorder()
    steps = training.Progress(run, peak_flops=100e12)  # type: ignore[arg-type]
    for step in (1, 2):
        steps.logged(step, 9, {"loss": 0.5, "num_tokens": 100.0 * step, "tera_flops": 500.0})
    assert run.logged[1][1]["mfu"] == pytest.approx(500e12 / 10 / 100e12)
