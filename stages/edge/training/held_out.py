# ruff: noqa: ANN401, D102 - the libraries' interfaces
"""The loss on rows that are never trained on, and the weights that are kept by it."""

import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from stages.core.training import keeping
from stages.core.training.batches import Traces
from stages.core.training.trainer import Trainer
from stages.edge.training import resuming, students, watching


class HeldOut(TrainerCallback):
    """Measures the held-out loss every so many steps and at the end, and keeps the weights that may be wanted.

    The measurements stand in the Trainer's log, so a run that goes on knows those before it.
    """

    def __init__(self, traces: Traces, every: int, keep: keeping.Keep, num: int, scratch: Path) -> None:
        """Of the weights that `keep` wants, the latest `num` stay below `scratch`; of the best there is one."""
        self._traces, self._every, self._keep, self._num, self._scratch = traces, every, keep, num, scratch
        self.learner: Trainer | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Drop what an attempt that was killed kept after the checkpoint from which this one goes on."""
        assert self.learner is not None
        if self.learner.is_world_process_zero():
            for folder in resuming.kept(self._scratch):
                if int(folder.name) > state.global_step:
                    shutil.rmtree(folder)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        assert self.learner is not None
        if not keeping.is_measured(state.global_step, self._every, state.max_steps):
            return
        loss = self.learner.held_out_loss(self._traces)
        watching.check_finite("the held-out loss", loss, state.global_step)
        before = [entry["held_out_loss"] for entry in state.log_history if "held_out_loss" in entry]
        state.log_history.append({"step": state.global_step, "held_out_loss": loss})
        if keeping.is_kept(self._keep, loss, before):
            self._save(state.global_step)

    def _save(self, step: int) -> None:
        assert self.learner is not None
        partial = self._scratch / "kept.partial"
        if self.learner.is_world_process_zero():
            shutil.rmtree(partial, ignore_errors=True)
        students.write(self.learner, partial)
        if self.learner.is_world_process_zero():
            folder = self._scratch / "kept" / str(step)
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)
            partial.replace(folder)
            steps = [int(each.name) for each in resuming.kept(self._scratch)]
            for old in keeping.superseded(self._keep, steps, self._num):
                shutil.rmtree(folder.with_name(str(old)))
