"""The weights that a run keeps at its measurements."""

from pathlib import Path
from types import SimpleNamespace

from stages.edge.training import held_out, resuming
from tests.core.training.test_trainer import Rows


def test_a_run_that_goes_on_forgets_the_weights_that_a_killed_attempt_kept_after_its_checkpoint(tmp_path: Path) -> None:
    for step in (100, 300, 400):
        (tmp_path / "kept" / str(step)).mkdir(parents=True)
    watch = held_out.HeldOut(Rows([5]), 100, "best_loss", 1, tmp_path)
    watch.learner = SimpleNamespace(is_world_process_zero=lambda: True)  # type: ignore[assignment]
    watch.on_train_begin(None, SimpleNamespace(global_step=300), None)
    assert [path.name for path in resuming.kept(tmp_path)] == ["100", "300"]
