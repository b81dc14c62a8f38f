"""Matching: from verdicts on single parts to one on the whole. True, False, or None for undecided."""

from collections.abc import Iterable, Sequence


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Whether all hold: False if any is False, else None if any is None."""
    known = list(verdicts)
    return False if False in known else None if None in known else True


def paired(verdicts: Sequence[Sequence[bool | None]]) -> bool | None:
    """Whether two multisets of one size are equal, by the verdicts on each part of one (row) and of the other (column).

    Each part has a partner of its own that is equal (True), or could be (None).
    """
    if _is_matched([[verdict is True for verdict in row] for row in verdicts]):
        return True
    return None if _is_matched([[verdict is not False for verdict in row] for row in verdicts]) else False


def _is_matched(allowed: list[list[bool]]) -> bool:
    """Whether each row can have a column of its own (Kuhn's augmenting paths)."""
    owner: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, is_allowed in enumerate(allowed[row]):
            if is_allowed and column not in seen:
                seen.add(column)
                if column not in owner or place(owner[column], seen):
                    owner[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(allowed)))
