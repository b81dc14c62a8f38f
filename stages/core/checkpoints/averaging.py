"""The mean of several checkpoints' weights.

The mean of the last checkpoints of a run often beats each of them (Izmailov et al., 2018, "Averaging Weights Leads to
Wider Optima and Better Generalization").
"""

from collections.abc import Sequence
from typing import Any


def mean(tensors: Sequence[Any]) -> Any:  # noqa: ANN401 - torch's tensors, of which no more than this is needed
    """The mean of tensors of one shape, summed in float64, in the type of the last."""
    return (sum(each.double() for each in tensors) / len(tensors)).to(tensors[-1].dtype)
