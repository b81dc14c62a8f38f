"""Which traces an optimiser step takes, and how a machine's memory cuts a step into forward passes.

The first decides the trained weights and depends on the recipe alone. The second does not: a step's loss is the mean
over the trained tokens of all its traces, however they are cut into micro-batches and spread over devices.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


class Limit(NamedTuple):
    """What one forward pass of a device may hold. With `padded`, rows count as long as the longest beside them."""

    tokens: int
    rows: int | None
    padded: bool


@lru_cache(maxsize=2)
def _order(num_rows: int, seed: int, epoch: int) -> Rows:
    return np.random.default_rng((seed, epoch)).permutation(num_rows)


class Plan(NamedTuple):
    """The steps of all epochs, one after the other."""

    num_rows: int
    batch_size: int
    epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps that go once through all traces; the last of them may have fewer."""
        return -(-self.num_rows // self.batch_size)

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def rows(self, step: int) -> Rows:
        """Indices of the traces of a step, counted from 0: each epoch is a new permutation, a function of the seed."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return _order(self.num_rows, self.seed, epoch)[place * self.batch_size : (place + 1) * self.batch_size]


def micro_batches(rows: Sequence[int], lengths: Sequence[int], num_devices: int, limit: Limit) -> list[list[list[int]]]:
    """Each device's forward passes of one step, as lists of rows: as many for each device, each within `limit`.

    `lengths` are those of `rows`, in tokens. Work is spread evenly: attention costs the square of a length, so it is
    cost that is balanced and tokens that are limited. A device has an empty list where a step has too few rows for it.

    Raises:
        ValueError: a row is longer than `limit.tokens`.
    """
    by_length = sorted(zip(lengths, rows, strict=True), reverse=True)
    if by_length and by_length[0][0] > limit.tokens:
        raise ValueError(f"a trace has {by_length[0][0]} tokens, more than the {limit.tokens} of a forward pass")
    bins = _contiguous(by_length, limit) if limit.padded else _packed(by_length, num_devices, limit)
    bins += [[] for _ in range(-len(bins) % num_devices)]
    # The i-th passes of all devices wait for one another, so passes of about the same cost go side by side.
    bins.sort(key=_cost, reverse=True)
    waves = [bins[start : start + num_devices] for start in range(0, len(bins), num_devices)]
    return [
        [[row for _, row in wave[device if index % 2 == 0 else -1 - device]] for index, wave in enumerate(waves)]
        for device in range(num_devices)
    ]


Bin = list[tuple[int, int]]
"""Length and row of each trace of a forward pass."""

SQUARE_PER_TOKEN = 1 / 6_000
"""One over the tokens at which attention costs as much as all else, roughly, in a 0.6B model: for balance alone."""


def _cost(rows: Bin) -> float:
    return sum(length * (1 + length * SQUARE_PER_TOKEN) for length, _ in rows)


def _contiguous(by_length: Bin, limit: Limit) -> list[Bin]:
    """Passes of rows of similar length, for the least padding."""
    bins: list[Bin] = []
    for length, row in by_length:
        longest = bins[-1][0][0] if bins else 0
        num = len(bins[-1]) + 1 if bins else 0
        if bins and num * longest <= limit.tokens and (limit.rows is None or num <= limit.rows):
            bins[-1].append((length, row))
        else:
            bins.append([(length, row)])
    return bins


def _packed(by_length: Bin, num_devices: int, limit: Limit) -> list[Bin]:
    """As few passes as first fit, the longest first, finds for all devices, and then of about equal cost."""
    first: list[Bin] = []
    for pair in by_length:
        place = next((each for each in first if _fits(each, pair, limit)), None)
        if place is None:
            first.append([pair])
        else:
            place.append(pair)
    even: list[Bin] = [[] for _ in range(-(-len(first) // num_devices) * num_devices)]
    for pair in by_length:
        place = min((each for each in even if _fits(each, pair, limit)), key=_cost, default=None)
        if place is None:
            return first
        place.append(pair)
    return [each for each in even if each]


def _fits(rows: Bin, pair: tuple[int, int], limit: Limit) -> bool:
    full = limit.rows is not None and len(rows) >= limit.rows
    return not full and sum(length for length, _ in rows) + pair[0] <= limit.tokens


class Shape(NamedTuple):
    """What the arithmetic of a decoder-only transformer depends on."""

    matrix_parameters: int
    """Parameters that multiply each token: all but the input embedding, the output head among them."""
    num_layers: int
    attention_width: int
    """Heads times the width of one."""


def training_flops(shape: Shape, lengths: Sequence[int]) -> int:
    """Floating-point operations of a forward and a backward pass over traces of these lengths (model FLOPs).

    6 per matrix parameter and token, and for causal attention 6 per layer, width and pair of positions, of which a
    trace of n tokens has n^2 / 2 twice over (scores and values): PaLM (Chowdhery et al., 2022, appendix B), with half
    of the pairs, since a causal kernel computes no others. Recomputation of activations does not count.
    """
    pairs = sum(length * length for length in lengths)
    return 6 * shape.matrix_parameters * sum(lengths) + 6 * shape.num_layers * shape.attention_width * pairs
