"""Steps that go through all traces, and their cut into forward passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.training.batching import Limit, Plan, Shape, micro_batches, training_flops

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=60)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**31))
def test_every_epoch_takes_each_trace_once(num_rows: int, batch_size: int, epochs: int, seed: int) -> None:
    plan = Plan(num_rows, batch_size, epochs, seed)
    rows = [plan.rows(step).tolist() for step in range(plan.num_steps)]
    for epoch in range(epochs):
        steps = rows[epoch * plan.steps_per_epoch : (epoch + 1) * plan.steps_per_epoch]
        assert sorted(row for step in steps for row in step) == list(range(num_rows))
        assert all(len(step) == batch_size for step in steps[:-1])


def test_epochs_differ_and_the_order_is_a_function_of_the_seed() -> None:
    plan = Plan(100, 10, 2, seed=7)
    first, second = (np.concatenate([plan.rows(step) for step in steps]) for steps in (range(10), range(10, 20)))
    assert first.tolist() != second.tolist() != list(range(100))
    assert plan.rows(13).tolist() == Plan(100, 10, 2, seed=7).rows(13).tolist() != Plan(100, 10, 2, 8).rows(13).tolist()
    # More epochs change nothing in those before: a longer run begins as a shorter one.
    assert plan.rows(13).tolist() == Plan(100, 10, 5, seed=7).rows(13).tolist()


@given(LENGTHS, st.integers(1, 5), st.integers(500, 3000), st.none() | st.integers(1, 8), st.booleans())
def test_each_trace_is_in_one_pass_and_passes_are_within_the_limit(
    lengths: list[int], num_devices: int, tokens: int, most: int | None, padded: bool
) -> None:
    rows = [10 * place for place in range(len(lengths))]
    found = micro_batches(rows, lengths, num_devices, Limit(tokens, most, padded))
    assert len(found) == num_devices and len({len(device) for device in found}) == 1
    passes = [each for device in found for each in device]
    assert sorted(row for each in passes for row in each) == rows
    for each in filter(None, passes):
        inside = [lengths[row // 10] for row in each]
        assert (len(inside) * max(inside) if padded else sum(inside)) <= tokens
        assert most is None or len(inside) <= most


@given(LENGTHS, st.integers(1, 4))
def test_the_cut_does_not_hang_on_the_order_of_the_rows(lengths: list[int], num_devices: int) -> None:
    rows = list(range(len(lengths)))
    limit = Limit(1000, None, False)
    turned = micro_batches(rows[::-1], lengths[::-1], num_devices, limit)
    assert turned == micro_batches(rows, lengths, num_devices, limit)


def test_traces_are_packed_as_tightly_as_first_fit_and_spread_evenly() -> None:
    # 3000 tokens in passes of 1000 need three at least.
    found = micro_batches(range(6), [900, 800, 700, 300, 200, 100], 1, Limit(1000, None, False))
    assert sorted(map(sorted, found[0])) == [[0, 5], [1, 4], [2, 3]]
    both = micro_batches(range(8), [400] * 8, 2, Limit(1600, None, False))
    assert [[len(each) for each in device] for device in both] == [[4], [4]]


def test_padded_passes_hold_rows_of_similar_length() -> None:
    (found,) = micro_batches(range(6), [10, 100, 11, 99, 12, 98], 1, Limit(300, 3, True))
    assert sorted(map(sorted, found)) == [[0, 2, 4], [1, 3, 5]]


def test_a_device_without_a_trace_has_an_empty_pass() -> None:
    assert sorted(micro_batches([4], [10], 3, Limit(100, None, False))) == [[[]], [[]], [[4]]]


def test_a_trace_that_fits_no_pass_is_an_error() -> None:
    with pytest.raises(ValueError, match="a trace has 101 tokens, more than the 100 of a forward pass"):
        micro_batches([0, 1], [5, 101], 1, Limit(100, None, False))


def test_model_flops_are_counted_as_in_palm_with_half_of_the_attention() -> None:
    # 6 x 10 parameters x 5 tokens + 6 x 2 layers x width 3 x (2^2 + 3^2) pairs
    assert training_flops(Shape(10, 2, 3), [2, 3]) == 6 * 10 * 5 + 6 * 2 * 3 * 13
    # Cut into two, the same tokens attend to fewer.
    assert training_flops(Shape(10, 2, 3), [4]) > training_flops(Shape(10, 2, 3), [2, 2])
