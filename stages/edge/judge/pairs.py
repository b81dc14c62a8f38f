"""Pairs of answers judged by all tiers: the cheap ones here, algebra in processes that may be killed."""

import atexit
import os
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from stages.core.answers.conclusions import payload
from stages.core.equality import explanation
from stages.core.equality.explanation import Undecided
from stages.core.equality.relations import Pair, Tier, accepts_extracted, same_cheaply
from stages.edge.workers.algebra import Outcome, Relation, Symbolic

NUM_WORKERS = 1
SECONDS = 5.0
MEMORY_GIB = 4.0
"""Limits of algebra for callers that give none, as in the profiles gpu and reasonlite; one process a caller."""


class Verdict(NamedTuple):
    """What the judge makes of a pair."""

    equal: bool | None
    """None: undecided."""
    decided_by: str | None
    """The tier that decided: a value of `stages.core.equality.relations.Tier`; None for an undecided pair."""
    reason: str | None
    """Why the pair is undecided: a value of `explanation.Undecided`, with a detail behind a colon; else None."""
    answer: str | None
    """What was read as the second side's answer; None where it is empty."""


class Judge:
    """Judges pairs, from any thread. A context manager: at its end the processes of algebra end.

    Args:
        algebra: the processes; without them one, with limits of 5 seconds and 4 GiB a pair, starts when it is needed.
    """

    def __init__(self, algebra: Symbolic | None = None) -> None:
        self._algebra = algebra or Symbolic(NUM_WORKERS, SECONDS, MEMORY_GIB)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._algebra.__exit__(kind, error, trace)

    def accepts(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Of each (gold, prediction) whether the prediction is right. Either side may be a whole response.

        A prediction may leave out the gold's unit, name or percent sign, and round an endless decimal.
        """
        return self._judged([(payload(gold), payload(prediction)) for gold, prediction in pairs], "accepts")

    def accepts_extracted(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """As `accepts`, of answers that were extracted before: in the second side every word and line counts."""
        return self._judged(pairs, "accepts")

    def same(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Of each pair whether both answers are the same: symmetric, and stricter than `accepts`, as votes are."""
        return self._judged([(payload(one), payload(other)) for one, other in pairs], "same")

    def _judged(self, pairs: Sequence[Pair], relation: Relation) -> list[Verdict]:
        cheaply = accepts_extracted if relation == "accepts" else same_cheaply
        cheap = {pair: cheaply(*pair) for pair in dict.fromkeys(pairs)}
        undecided = [pair for pair, decision in cheap.items() if decision.equal is None]
        with self._lock:
            outcomes = self._algebra.decide(undecided, relation) if undecided else {}
        verdicts = {}
        for pair, (equal, tier) in cheap.items():
            answer = pair[1] or None
            if equal is not None:
                verdicts[pair] = Verdict(equal, tier and str(tier), None, answer)
            elif outcomes[pair] in (Outcome.EQUAL, Outcome.DIFFERENT):
                verdicts[pair] = Verdict(outcomes[pair] is Outcome.EQUAL, str(Tier.SYMBOLIC), None, answer)
            elif outcomes[pair] is Outcome.TIMEOUT:
                verdicts[pair] = Verdict(None, None, f"{Undecided.TIMEOUT}: over its limit of time or memory", answer)
            else:
                verdicts[pair] = Verdict(None, None, explanation.reason(*pair, lenient=relation == "accepts"), answer)
        return [verdicts[pair] for pair in pairs]


_shared: tuple[int, Judge] | None = None
_starting = threading.Lock()


def shared() -> Judge:
    """The judge of this process; it ends with it. A forked process gets its own: processes are no one else's."""
    global _shared
    with _starting:
        if _shared is None or _shared[0] != os.getpid():
            judge = Judge()
            atexit.register(judge.__exit__, None, None, None)
            _shared = os.getpid(), judge
        return _shared[1]


def accepts(gold: str, prediction: str) -> bool | None:
    r"""Whether `prediction` is right where `gold` is the right answer; None where that cannot be decided.

    Either may be a bare answer, or a whole response, of which the last ``\boxed{}`` or the stated answer counts. The
    prediction may leave out the gold's unit, name or percent sign. `Judge.accepts` judges many pairs at once, and tells
    what decided.
    """
    return shared().accepts([(gold, prediction)])[0].equal


def same(a: str, b: str) -> bool | None:
    """Whether two answers are the same; None where that cannot be decided.

    Symmetric, and stricter than `accepts`: no unit or name may be left out, nothing is rounded.
    """
    return shared().same([(a, b)])[0].equal
