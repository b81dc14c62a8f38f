"""The judge for other programs: whether an answer is right, whether two are the same, and a reward for training.

    >>> from stages.edge.judge import accepts, same
    >>> accepts("1/2", r"So the answer is \\boxed{0.5}.")
    True
    >>> same("0.5", "1/2")
    True

The names in `__all__` are stable: their meaning and their arguments change with a note in CHANGELOG.md only. They need
no params.yaml, may be called from any thread, and never take longer than a few seconds a pair: what may hang runs in a
process of its own that is killed. That process starts with the first pair that needs algebra, and does not run the
caller's main module again.
"""

from stages.edge.judge.pairs import Judge, Verdict, accepts, same
from stages.edge.judge.reward import accuracy_reward, reward_on

__all__ = ["Judge", "Verdict", "accepts", "accuracy_reward", "reward_on", "same"]
