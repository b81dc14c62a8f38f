"""Where a training run goes on, with whom, and whether there is room for it."""

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from stages.edge.errors import PipelineError
from stages.edge.training import resuming, token_file
from tests.edge.asking.test_sampler import runtime
from tests.test_kills import write_sft
from tests.tiny_models import save_tiny_model


def checkpoint(folder: Path, step: int, state: str | None) -> None:
    (folder / f"checkpoint-{step}").mkdir()
    (folder / f"checkpoint-{step}/model.safetensors").write_bytes(b"weights")
    if state is not None:
        (folder / f"checkpoint-{step}/trainer_state.json").write_text(state)


def test_the_newest_checkpoint_is_the_one_of_the_highest_step(tmp_path: Path) -> None:
    assert resuming.last_checkpoint(tmp_path) is None
    assert resuming.last_checkpoint(tmp_path / "nowhere") is None
    for step in (9, 100, 10):
        checkpoint(tmp_path, step, "{}")
    assert resuming.last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-100")


@pytest.mark.parametrize("state", [None, "", '{"global_step": 1', '{"log_history": [{"loss": 0.'])
def test_a_checkpoint_that_a_kill_cut_off_does_not_count(state: str | None, tmp_path: Path) -> None:
    checkpoint(tmp_path, 20, state)
    assert resuming.last_checkpoint(tmp_path) is None
    checkpoint(tmp_path, 10, '{"global_step": 10}')
    assert resuming.last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


def test_a_disk_too_small_for_tokens_and_checkpoints_is_refused_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_tiny_model(tmp_path / "models/base")
    write_sft(tmp_path, 5)
    num_tokens = int(token_file.lengths(tmp_path / "data/sft/turbo")[0].sum())
    num_weights = sum(each.size for each in load_file(tmp_path / "models/base/model.safetensors").values())
    needed = (9 + 2 * 2 + 2) * 4 * num_weights + 4 * num_tokens
    usage = shutil.disk_usage(tmp_path)
    where = tmp_path / "scratch", tmp_path / "models/base", tmp_path / "data/sft/turbo", 2
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed))
    resuming.check_space(*where)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(PipelineError, match=r"tokens and checkpoints need about 0\.0 GiB more.*make room"):
        resuming.check_space(*where)
    # A run that goes on has the room that its own files take.
    checkpoint(tmp_path / "scratch", 10, "{}")
    resuming.check_space(*where)


def test_only_the_processes_that_wrote_a_checkpoint_go_on_from_it(tmp_path: Path) -> None:
    four = runtime(num_processes=4, deepspeed=__file__)
    resuming.record_machine(tmp_path, four)
    resuming.check_machine(tmp_path, runtime())  # nothing to go on from
    checkpoint(tmp_path, 10, "{}")
    resuming.check_machine(tmp_path, four)
    for other in (runtime(num_processes=2, deepspeed=__file__), runtime(num_processes=4)):
        with pytest.raises(PipelineError, match=r"were written with .*'num_processes': 4.*set it so until"):
            resuming.check_machine(tmp_path, other)
    # Without DeepSpeed a checkpoint is whole, and any number of processes can go on from it.
    resuming.record_machine(tmp_path, runtime(num_processes=4))
    resuming.check_machine(tmp_path, runtime(num_processes=2))


def test_what_a_finished_run_left_is_swept_away(tmp_path: Path) -> None:
    for name in ("done", "tokens", "checkpoint-5", "learned"):
        (tmp_path / name).mkdir()
    (tmp_path / "machine.json").write_text("{}")
    resuming.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["done"]
