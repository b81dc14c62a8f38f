"""Verdicts on parts, and what they say of the whole."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from stages.core.equality.matching import all_of, paired

VERDICTS = st.sampled_from([True, False, None])
TABLES = st.integers(0, 4).flatmap(
    lambda size: st.lists(st.lists(VERDICTS, min_size=size, max_size=size), min_size=size, max_size=size)
)


@given(TABLES)
def test_multisets_are_equal_where_some_order_pairs_all_their_parts(verdicts: list[list[bool | None]]) -> None:
    orders = [
        [verdicts[row][column] for row, column in enumerate(order)] for order in permutations(range(len(verdicts)))
    ]
    if any(all(order) for order in orders):
        assert paired(verdicts) is True
    elif any(False not in order for order in orders):
        assert paired(verdicts) is None
    else:
        assert paired(verdicts) is False


@given(st.lists(VERDICTS))
def test_one_part_that_differs_decides_whatever_is_unknown(verdicts: list[bool | None]) -> None:
    assert all_of(verdicts) is (False if False in verdicts else None if None in verdicts else True)
