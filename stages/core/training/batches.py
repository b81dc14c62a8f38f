"""Tensors of the forward passes of a step: traces one after the other, or padded."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from stages.core.training import batching

IGNORED = -100
"""Label of a token that is not trained (PyTorch's cross entropy leaves it out)."""


class Traces(Protocol):
    """Tokenised traces by index, and their lengths in tokens."""

    lengths: Any

    def row(self, index: int) -> tuple[Any, int]:
        """Token ids (int32, one dimension) and how many of them, from the start, are prompt."""
        ...


class Steps(Dataset[list[dict[str, Any]]]):
    """The micro-batches of one device for each step of a plan."""

    def __init__(
        self, traces: Traces, plan: batching.Plan, limit: batching.Limit, device: int, num_devices: int, pad: int
    ) -> None:
        """`pad` is the id that fills rows up where `limit.padded`."""
        self.traces, self.plan, self.limit = traces, plan, limit
        self._device, self._num_devices, self.pad = device, num_devices, pad

    def __len__(self) -> int:
        return self.plan.num_steps

    def __getitem__(self, step: int) -> list[dict[str, Any]]:
        rows = self.plan.rows(step).tolist()
        lengths = [int(self.traces.lengths[row]) for row in rows]
        cut = batching.micro_batches(rows, lengths, self._num_devices, self.limit)[self._device]
        return [self.micro_batch(each) if each else self._nothing(rows[0]) for each in cut]

    def micro_batch(self, rows: Sequence[int]) -> dict[str, Any]:
        """Tensors of (1, tokens), or of (rows, longest) where they are padded."""
        found = [self._tensors(row) for row in rows]
        return _padded(found, self.pad) if self.limit.padded else joined(found)

    def _tensors(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids, num_prompt = self.traces.row(row)
        tokens = torch.from_numpy(np.array(ids, dtype=np.int64))
        labels = tokens.clone()
        labels[: max(num_prompt, 1)] = IGNORED  # nothing comes before the first token that could foretell it
        return tokens, labels

    def _nothing(self, row: int) -> dict[str, Any]:
        """A pass that adds nothing, for a device that has no trace left while others have: they wait for each other."""
        batch = self.micro_batch([row])
        batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        return batch


def joined(rows: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, Any]:
    """Tensors of one row (1, tokens) that holds (ids, labels) of several traces one after the other."""
    lengths = [len(tokens) for tokens, _ in rows]
    bounds = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    return {
        "input_ids": torch.cat([tokens for tokens, _ in rows])[None],
        "labels": torch.cat([labels for _, labels in rows])[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
    }


def _padded(rows: list[tuple[torch.Tensor, torch.Tensor]], pad: int) -> dict[str, Any]:
    from torch.nn.utils.rnn import pad_sequence

    tokens, labels = zip(*rows, strict=True)
    return {
        "input_ids": pad_sequence(list(tokens), batch_first=True, padding_value=pad),
        "labels": pad_sequence(list(labels), batch_first=True, padding_value=IGNORED),
        "attention_mask": pad_sequence([torch.ones_like(each) for each in tokens], batch_first=True),
    }
