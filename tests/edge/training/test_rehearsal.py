"""The largest pass of a run."""

from stages.core.training import batching, trainer
from stages.edge.training import rehearsal
from tests.core.training.test_trainer import Rows


def test_the_rehearsed_pass_is_as_full_as_any_of_the_run() -> None:
    # By the longest first alone it would be the row of 17 tokens.
    lengths = [17, 16, 15, 9, 3]
    packed = trainer.Steps(Rows(lengths), batching.Plan(5, 5, 1, 0), batching.Limit(32, None, False), 0, 1, pad=0)
    assert sum(lengths[row] for row in rehearsal.largest(packed)) == 32
    few = trainer.Steps(Rows(lengths), batching.Plan(5, 5, 1, 0), batching.Limit(32, 1, False), 0, 1, pad=0)
    assert rehearsal.largest(few) == [0]
    padded = trainer.Steps(Rows(lengths), batching.Plan(5, 5, 1, 0), batching.Limit(60, None, True), 0, 1, pad=0)
    assert rehearsal.largest(padded) == [0, 0, 0]
