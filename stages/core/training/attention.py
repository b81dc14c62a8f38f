# ruff: noqa: ANN401 - transformers' interface
"""Attention within each trace of a row that holds several one after the other, by the best kernel of the machine.

`register` makes it known to transformers as "documents". It needs `cu_seq_lens_q` (int32, on the CPU, as the collator
gives it): the bounds of the traces. A row without them is one trace.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F

NAME = "documents"
LONG = 2_048
"""Tokens of a trace from which one kernel launch a trace beats one for all: each then fills the device by itself."""

ROUND = 512
"""On a GPU a trace is filled up to a multiple of so many tokens, which no token before them sees: cuDNN prepares a plan
for each new shape, which takes longer than the attention itself, and keeps it."""

Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, list[int], float], torch.Tensor]


def choose(setting: str) -> str:
    """The attention for rows without padding: "auto" is a flash-attention package's, where one is installed."""
    if setting == "auto":
        from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

        installed = {"flash_attention_3": is_flash_attn_3_available, "flash_attention_2": is_flash_attn_2_available}
        setting = next((name for name, is_there in installed.items() if is_there()), NAME)
    return register() if setting == NAME else setting


def register() -> str:
    """Tell transformers of "documents" and return that name."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def _no_mask(*_: Any, attention_mask: torch.Tensor | None = None, **__: Any) -> None:
    if attention_mask is not None and not bool(attention_mask.all()):
        raise ValueError(f"attention {NAME!r} is for rows without padding")


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **other: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' attention interface: (batch, heads, tokens, width) in, (batch, tokens, heads, width) out."""
    asked = [name for name in ("sliding_window", "softcap", "s_aux", "dropout") if other.get(name)]
    if asked:
        more = " and runtime.attention to eager" if "softcap" in asked else ""  # which sdpa leaves out without a word
        raise ValueError(
            f"attention {NAME!r} has no {', '.join(asked)}: set runtime.padding to true{more} for this model"
        )
    query, key = query.to(value.dtype), key.to(value.dtype)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    bounds = [0, query.shape[2]] if cu_seq_lens_q is None else _bounds(cu_seq_lens_q)
    if key.shape[2] != query.shape[2]:
        raise ValueError(f"attention {NAME!r} is for training; generate with sdpa")
    return kernel(value, bounds)(query, key, value, bounds, scale), None


_last: tuple[torch.Tensor, list[int]] | None = None


def _bounds(cu_seq_lens: torch.Tensor) -> list[int]:
    """The bounds as numbers, looked up once for all layers: where they lie on a GPU each look would make it wait."""
    global _last
    if _last is None or _last[0] is not cu_seq_lens:
        _last = cu_seq_lens, cu_seq_lens.tolist()
    return _last[1]


def kernel(value: torch.Tensor, bounds: list[int]) -> Kernel:
    """One launch for all traces where they are short on a GPU, else one a trace."""
    short = (bounds[-1] - bounds[0]) / (len(bounds) - 1) < LONG
    return varlen if value.is_cuda and short and value.dtype != torch.float32 else one_by_one


def one_by_one(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: list[int], scale: float
) -> torch.Tensor:
    """Torch's fused attention for each trace by itself: cuDNN's kernel on Hopper and later, a CPU's own on a CPU."""
    lengths = [end - start for start, end in pairwise(bounds)]
    # Split, not slices: the gradients of slices would each be as large as the whole row.
    parts = [
        _sdpa(q, k, v, scale).transpose(1, 2)
        for q, k, v in zip(*(each.split(lengths, dim=2) for each in (query, key, value)), strict=True)
    ]
    return torch.cat(parts, dim=1)


def _sdpa(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    grouped = query.shape[1] != key.shape[1]
    if not query.is_cuda:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=grouped)
    from torch.nn.attention import SDPBackend, sdpa_kernel

    length = query.shape[2]
    query, key, value = (F.pad(each, (0, 0, 0, -length % ROUND)).contiguous() for each in (query, key, value))
    order = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    with sdpa_kernel(order, set_priority=True):
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=grouped)
    return found[:, :, :length]


def varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: list[int], scale: float
) -> torch.Tensor:
    """Torch's variable-length flash attention: all traces in one launch."""
    import inspect

    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (each[0].transpose(0, 1).contiguous() for each in (query, key, value))
    accepted = inspect.signature(varlen_attn).parameters
    causal: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in accepted else {"is_causal": True}
    if key.shape[1] != query.shape[1]:
        if "enable_gqa" in accepted:
            causal["enable_gqa"] = True
        else:
            repeats = query.shape[1] // key.shape[1]
            key, value = (each.repeat_interleave(repeats, dim=1) for each in (key, value))
    longest = max(end - start for start, end in pairwise(bounds))
    where = torch.tensor(bounds, dtype=torch.int32, device=query.device)
    found = varlen_attn(query, key, value, where, where, longest, longest, scale=scale, **causal)
    return found[None]
