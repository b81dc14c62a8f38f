"""A judge with time to spare: a busy machine must not turn a verdict into a time-out."""

import os
from collections.abc import Iterator

import pytest

from stages.edge.judge import Judge, pairs
from stages.edge.workers.algebra import Symbolic


@pytest.fixture(autouse=True, scope="module")
def patient() -> Iterator[None]:
    with Judge(Symbolic(1, 60.0, 4.0)) as judge, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_shared", (os.getpid(), judge))
        yield
