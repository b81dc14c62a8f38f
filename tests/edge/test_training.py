"""What watches a Trainer and finds where it stopped."""

from pathlib import Path

import pytest

from stages.edge import training


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
