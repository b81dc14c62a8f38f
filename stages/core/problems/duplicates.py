"""Duplicates: rows of the sources that are one problem, and whose gold is kept.

Three rules: the same normalised prompt; the same words, numbers and operators; and nearly the same words, with the very
same numbers and no other gold. Of two problems that differ in one word ("at least", "at most"), the golds differ.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl
from rensa import RMinHash, RMinHashLSH

from stages.core.answers.keys import canonical
from stages.core.problems.dropped import DUPLICATE_RULES, DUPLICATES
from stages.core.text.normalisation import NUMERALS, jaccard, runs, words_and_signs

SHINGLE = 3
AT_ONCE = 10_000
NUM_PERM, NUM_BANDS, SEED = 128, 32, 1
"""Bands of four: of two prompts with similarity 0.8, one pair in 10**7 goes unseen; with 0.6, one in 90."""


BRACKETS = ("(", ")", "[", "]")


class Kept(NamedTuple):
    """One row a problem, in the order of the sources, and the duplicates of them."""

    problems: pl.DataFrame
    duplicates: pl.DataFrame


def drop(problems: pl.DataFrame, min_similarity: float | None) -> Kept:
    """One row for each problem: the one with the most frequent gradable gold, else the first.

    Args:
        problems: columns of `problems.PROBLEMS`; a prompt may come several times.
        min_similarity: Jaccard similarity of sets of three words from which prompts with the same numbers are near
            duplicates (Broder, 1997; found by MinHash, then computed exactly); None leaves near ones alone.
    """
    prompts, ids = problems["prompt"].to_list(), problems["problem_id"].to_list()
    texts = [" ".join(words_and_signs(prompt)) for prompt in prompts]
    is_gradable = problems["gradable"].to_list()
    golds = [canonical(gold) if usable else None for gold, usable in zip(problems["gold"], is_gradable, strict=True)]
    groups = _Groups(golds)
    rules: dict[int, tuple[str, float]] = {}
    for rule, keys in (("same", ids), ("exact", texts)):
        first: dict[str, int] = {}
        for row, key in enumerate(keys):
            if (joined := groups.join(first.setdefault(key or ids[row], row), row)) is not None:
                rules[joined] = (rule, 1.0)
    if min_similarity is not None:
        alone = [row for row in range(len(prompts)) if groups.find(row) == row]
        for one, other, similarity in _near(alone, texts, golds, min_similarity):
            if groups.agree(one, other) and (joined := groups.join(one, other)) is not None:
                rules[joined] = ("near", similarity)
    kept = list(range(len(prompts)))
    for members in groups.of_several():
        best = _best(members, golds)
        for row in members:
            kept[row] = best
    if all(row == best for row, best in enumerate(kept)):
        return Kept(problems, pl.DataFrame(schema=DUPLICATES))
    return Kept(
        problems.filter(pl.Series([row == best for row, best in enumerate(kept)], dtype=pl.Boolean)),
        _table(problems, kept, rules, golds),
    )


class _Groups:
    """Union-find over rows; the root of a group is its first row. Each group knows the golds of its rows."""

    def __init__(self, golds: list[str | None]) -> None:
        self._parent = list(range(len(golds)))
        self._golds = {row: {gold} for row, gold in enumerate(golds) if gold is not None}

    def find(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, one: int, other: int) -> int | None:
        """The row that stops being the root of a group; None if both were in one group."""
        first, second = sorted((self.find(one), self.find(other)))
        if first == second:
            return None
        self._parent[second] = first
        if golds := self._golds.pop(second, None):
            self._golds.setdefault(first, set()).update(golds)
        return second

    def agree(self, one: int, other: int) -> bool:
        """Whether two groups have a gold in common, or one has none. A row without a gold joins no two that differ."""
        first, second = (self._golds.get(self.find(row)) for row in (one, other))
        return not first or not second or not first.isdisjoint(second)

    def of_several(self) -> Iterator[list[int]]:
        groups: dict[int, list[int]] = {}
        for row in range(len(self._parent)):
            groups.setdefault(self.find(row), []).append(row)
        return (members for members in groups.values() if len(members) > 1)


def _near(
    rows: list[int], texts: list[str], golds: list[str | None], min_similarity: float
) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows with equal numbers in equal order, alike shingles and no different golds, the earlier row first."""
    index = RMinHashLSH(threshold=min_similarity, num_perm=NUM_PERM, num_bands=NUM_BANDS)
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        # Shingles are computed again for the few pairs compared: those of all rows would take gigabytes.
        sets = [sorted(_shingles(texts[row])) for row in some]
        for row, sketch in zip(some, RMinHash.from_token_sets(sets, NUM_PERM, SEED), strict=True):
            for other in sorted(index.query(sketch)):
                if (golds[other] is None or golds[row] in (None, golds[other])) and (
                    _numbers(texts[other]) == _numbers(texts[row])
                ):
                    similarity = jaccard(_shingles(texts[other]), _shingles(texts[row]))
                    if similarity >= min_similarity:
                        yield other, row, similarity
            index.insert(row, sketch)


def _shingles(text: str) -> set[str]:
    """Runs of words and signs; brackets are ignored, for 1/b may be typeset as a fraction."""
    return runs([word for word in text.split(" ") if word not in BRACKETS], SHINGLE)


def _numbers(text: str) -> list[str]:
    return [NUMERALS.get(word, word) for word in text.split(" ") if word in NUMERALS or word.isdigit()]


def _best(members: list[int], golds: list[str | None]) -> int:
    """The row to keep: a gradable gold before none, then one that more copies agree on, then the first."""
    votes = Counter(golds[row] for row in members if golds[row] is not None)
    return min(members, key=lambda row: (-votes[golds[row]], row))


def _table(
    problems: pl.DataFrame, kept: list[int], rules: dict[int, tuple[str, float]], golds: list[str | None]
) -> pl.DataFrame:
    dropped = [row for row, best in enumerate(kept) if row != best]
    gone = problems[dropped]
    stays = problems[[kept[row] for row in dropped]]
    # Each row but a group's first has the rule by which it came in; for the first, that of the row kept in its place.
    evidence = [rules.get(row) or rules[kept[row]] for row in dropped]
    conflicts = [golds[row] is not None and golds[kept[row]] not in (None, golds[row]) for row in dropped]
    places = problems.select(pl.int_range(pl.len(), dtype=pl.Int32).over("source"))[dropped].to_series()
    return gone.select("problem_id", "source", "gold", "prompt").with_columns(
        row=places,
        rule=pl.Series([rule for rule, _ in evidence], dtype=pl.Enum(DUPLICATE_RULES)),
        similarity=pl.Series([similarity for _, similarity in evidence], dtype=pl.Float32),
        kept_problem_id=stays["problem_id"],
        kept_source=stays["source"],
        kept_gold=stays["gold"],
        conflict=pl.Series(conflicts, dtype=pl.Boolean),
    ).select(list(DUPLICATES))  # fmt: skip
