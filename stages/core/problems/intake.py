"""From a source's rows under its own names to rows under ours: which columns, which rows, each problem once."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import polars as pl

from stages.core.problems import problems

Raw = tuple[str, Mapping[str, object]]
"""Where a row stands (such as `line 7`), and the row."""


class Columns(NamedTuple):
    """A source's names for ours; None where it has none."""

    prompt: str
    gold: str | None
    id: str | None = None
    topic: str | None = None
    difficulty: str | None = None


PRESETS = {
    # Hub ids are from the data sets' own cards.
    "polaris": Columns("problem", "answer", difficulty="difficulty"),  # POLARIS-Project/Polaris-Dataset-53K
    "openmathreasoning": Columns("problem", "expected_answer", topic="problem_type"),  # nvidia/OpenMathReasoning
    "deepscaler": Columns("problem", "answer"),  # agentica-org/DeepScaleR-Preview-Dataset
    "reasonlite": Columns("prompt", "expected_answer", id="index"),  # info.jsonl of AMD-AGI/ReasonLite
    "math": Columns("problem", "answer"),  # HuggingFaceH4/MATH-500, HuggingFaceH4/aime_2024, math-ai/aime25
    "matharena": Columns("problem", "answer", id="problem_idx"),  # MathArena/aime_2026, MathArena/hmmt_feb_2026
    "amc23": Columns("question", "answer", id="id"),  # math-ai/amc23
    "gsm8k": Columns("question", "answer"),  # openai/gsm8k
}
"""Columns of public data sets, by the name that `columns` in params.yaml may take."""


class Excluded(Protocol):
    """Values that a row must not have."""

    @property
    def without(self) -> Sequence[object]:
        """The values."""


Wanted = Sequence[object] | Excluded
"""The values that a column may have, or those that it may not have."""


class Intake(NamedTuple):
    """The problems of a source, each prompt and gold once, and how many rows went where."""

    problems: pl.DataFrame
    num_rows: int
    num_filtered: int
    """Kept out by `where`."""
    num_empty: int
    """Without a prompt."""
    num_repeated: int
    """With the prompt and the gold of an earlier row, such as one row a solution."""


def needed(columns: Columns, where: Mapping[str, Wanted]) -> list[str]:
    """The columns of a source that are read at all."""
    return list(dict.fromkeys([*(name for name in columns if name is not None), *where]))


def take(name: str, rows: Iterable[Raw], columns: Columns, where: Mapping[str, Wanted]) -> Intake:
    """The problems of a source.

    Args:
        name: the source's.
        rows: each with its place. They are read once, and of those that repeat a problem nothing is kept.
        columns: its names for ours.
        where: values that a row must have, or must not have, by column; all of them.

    Raises:
        ValueError: a column is missing or of a wrong type, a difficulty is no number, an id comes twice. The message
            starts with the row's place.
    """
    counts = {"rows": 0, "filtered": 0, "empty": 0, "repeated": 0}

    def unique_rows() -> Iterator[Mapping[str, object]]:
        seen: set[bytes] = set()
        ids: dict[object, str] = {}
        for place, row in rows:
            counts["rows"] += 1
            if not all(_is_wanted(_named(row, column, place), wanted) for column, wanted in where.items()):
                counts["filtered"] += 1
                continue
            ours = _mapped(row, columns, place)
            if not str(ours["prompt"] or "").strip():
                counts["empty"] += 1
                continue
            digest = hashlib.sha256(f"{ours['prompt']}\0{ours['gold']}".encode("utf-8", "surrogatepass")).digest()
            if digest in seen:
                counts["repeated"] += 1
                continue
            seen.add(digest)
            if ours["id"] is not None and ids.setdefault(ours["id"], place) != place:
                raise ValueError(
                    f"{place}, column {columns.id!r}: the id {ours['id']!r} stands at {ids[ours['id']]} too"
                )
            yield ours

    table = problems.problem_rows(name, unique_rows())
    return Intake(table, counts["rows"], counts["filtered"], counts["empty"], counts["repeated"])


def _is_wanted(value: object, wanted: Wanted) -> bool:
    return _is_among(value, wanted) if isinstance(wanted, Sequence) else not _is_among(value, wanted.without)


def _is_among(value: object, values: Sequence[object]) -> bool:
    """Whether a row has one of the values. In CSV all is text, so a number there is one by its spelling."""
    return value in values or (isinstance(value, str) and value.strip() in [str(each) for each in values])


def _named(row: Mapping[str, object], column: str, place: str) -> object:
    if column not in row:
        raise ValueError(f"{place}: no column {column!r} (it has {', '.join(map(str, row))})")
    return row[column]


def _mapped(row: Mapping[str, object], columns: Columns, place: str) -> dict[str, object]:
    cells = {ours: None if theirs is None else _named(row, theirs, place) for ours, theirs in columns._asdict().items()}
    for ours in ("prompt", "gold", "id", "topic"):
        value = cells[ours]
        if isinstance(value, float) and value.is_integer() and ours != "prompt":
            cells[ours] = value = int(value)  # a column of integers with gaps comes as floats
        allowed = (str,) if ours == "prompt" else (str, int, float)
        is_allowed = isinstance(value, allowed) and not isinstance(value, bool)
        if value is not None and not (is_allowed and not (isinstance(value, float) and not math.isfinite(value))):
            kind = "text" if ours == "prompt" else "text or a number"
            raise ValueError(f"{place}, column {getattr(columns, ours)!r}: {str(value)[:40]!r} is no {kind}")
        if isinstance(value, str) and not _is_unicode(value):
            raise ValueError(f"{place}, column {getattr(columns, ours)!r}: holds half a character (a lone surrogate)")
    try:
        problems.difficulty(cells["difficulty"])
    except ValueError as error:
        raise ValueError(f"{place}, column {columns.difficulty!r}: {error}") from error
    return cells


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
