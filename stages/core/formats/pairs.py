"""Pairs of answers with labels, as graders' test sets are written, and how far verdicts agree with the labels."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

COLUMNS = (("gold", "pred", "equal"), ("gold_answer", "llm_response", "gold_judgment"))
"""Names for the gold, the prediction and its label: our own, and those of VerifierBench (CompassVerifier)."""
KINDS = ("kind", "answer_type", "domain", "data_source")
"""Columns by which errors are counted: the first that a record has."""
GOLDS = ("gold", "gold_answer", "answer")
LABELS = {
    **dict.fromkeys(("a", "correct", "true", "1", "yes"), True),
    # C is a response that was cut off, repeats itself or refuses: it is not right either
    **dict.fromkeys(("b", "c", "incorrect", "wrong", "invalid", "false", "0", "no"), False),
}


class Pair(NamedTuple):
    """A gold and a prediction, either of them bare or a whole response."""

    gold: str
    prediction: str
    label: bool | None
    """Whether the prediction is right; None where the record does not tell."""
    kind: str


def read(record: Mapping[str, object]) -> Pair:
    """The pair of a record.

    Raises:
        ValueError: it has no gold or no prediction, one is neither text nor number nor null, or its label is unknown.
    """
    for names in COLUMNS:
        if all(name in record and _is_answer(record[name]) for name in names[:2]):
            gold, prediction = (_text(record[name]) for name in names[:2])
            kind = next((str(record[name]) for name in KINDS if record.get(name)), "all")
            return Pair(gold, prediction, _label(names[2], record.get(names[2])), kind)
    ways = " or ".join(f'"{gold}" and "{prediction}"' for gold, prediction, _ in COLUMNS)
    raise ValueError(f"not an object with {ways}, each a text or null")


def gold_of(record: Mapping[str, object]) -> str:
    """The gold of a record.

    Raises:
        ValueError: it has none of the columns `GOLDS`.
    """
    for name in GOLDS:
        if name in record and _is_answer(record[name]):
            return _text(record[name])
    raise ValueError(f"has none of {', '.join(GOLDS)} as a text or a number")


def _is_answer(value: object) -> bool:
    return isinstance(value, str | int | float | None) and not isinstance(value, bool)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _label(name: str, value: object) -> bool | None:
    if value is None or value == "" or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    label = LABELS.get(str(value).strip().lower())
    if label is None:
        raise ValueError(f"{name} {str(value)[:40]!r} is none of A, B, C, correct, incorrect, invalid, true, false")
    return label


class Agreement:
    """Verdicts counted against labels, by kind. An undecided pair counts as not accepted."""

    def __init__(self) -> None:
        self._pairs: Counter[str] = Counter()
        self._false_equal: Counter[str] = Counter()
        self._missed: Counter[str] = Counter()
        self.num_undecided = 0

    def add(self, pair: Pair, equal: bool | None) -> None:
        """Count a verdict, where the pair has a label."""
        if pair.label is None:
            return
        self._pairs[pair.kind] += 1
        self.num_undecided += equal is None
        if bool(equal) != pair.label:
            (self._missed if pair.label else self._false_equal)[pair.kind] += 1

    @property
    def num_pairs(self) -> int:
        """Labelled pairs."""
        return self._pairs.total()

    @property
    def num_false_equal(self) -> int:
        """Pairs accepted that differ: the errors that make wrong labels."""
        return self._false_equal.total()

    @property
    def num_missed(self) -> int:
        """Pairs not accepted that are equal."""
        return self._missed.total()

    @property
    def accuracy(self) -> float:
        """Share of the pairs that are decided as labelled; 0 without any."""
        return 1 - (self.num_false_equal + self.num_missed) / self.num_pairs if self.num_pairs else 0.0

    def lines(self, seconds: float) -> list[str]:
        """A summary, and a row for each kind with an error."""
        rate = f"{self.num_pairs / seconds:,.0f} a second" if seconds > 0 else "at once"
        head = (
            f"{self.num_pairs:,} labelled pairs in {seconds:.1f} s ({rate}): accuracy {self.accuracy:.1%}, "
            f"{self.num_false_equal} false equal, {self.num_missed} missed, {self.num_undecided} undecided"
        )
        wrong = self._false_equal + self._missed
        rows = [
            f"{kind[:40]:<40} {self._pairs[kind]:>7,} {self._false_equal[kind]:>12,} {self._missed[kind]:>7,}"
            for kind, _ in sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
        ]
        return [head, f"{'kind':<40} {'pairs':>7} {'false equal':>12} {'missed':>7}", *rows] if rows else [head]


def with_others(golds: Iterable[str], number: int, seed: int) -> Iterator[tuple[str, str]]:
    """Each distinct gold with the golds of `number` other problems, drawn by `seed`: pairs that should differ."""
    distinct = sorted({gold for gold in golds if gold.strip()})
    draw = random.Random(seed)
    for place, gold in enumerate(distinct):
        rest: Sequence[int] = range(len(distinct) - 1)
        for other in draw.sample(rest, min(number, len(rest))):
            yield gold, distinct[other + (other >= place)]
