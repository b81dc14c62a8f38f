# ruff: noqa: ANN401 - transformers' models
"""A student made ready for its training, and a look at whether traces that share a row stay apart in it."""

from typing import Any

import torch
from transformers import PreTrainedModel

from stages.core.training import attention, batches

WEIGHTS = torch.float32
"""The type that the weights are trained in, also where they are computed and handed on in bfloat16."""
TRACE = 24
"""Tokens of each trace of the look: more than a convolution over tokens reaches back."""
MOST_MOVED = {torch.float32: 1e-4, torch.bfloat16: 1e-2}
"""Rounding: how far logits, as a share of the largest, may move by what is computed beside them."""


def prepare(model: Any, max_positions: int | None, bf16: bool) -> None:
    """Set the positions that the student is for (None: as its configuration says) and the type of its activations.

    Raises:
        ValueError: its attention would leave out a part of its arithmetic.
    """
    config = model.config.get_text_config()
    if getattr(config, "attn_logit_softcapping", None) and model.config._attn_implementation == "sdpa":
        raise ValueError(
            "sdpa leaves out the cap on this student's attention: set runtime.padding to true and runtime.attention "
            "to eager"
        )
    if max_positions:
        model.config.max_position_embeddings = max_positions
    if bf16:
        in_bfloat16(model)


def in_bfloat16(model: PreTrainedModel) -> None:
    """Keep activations in bfloat16 from the embedding on, as with bfloat16 weights; the weights stay float32.

    Autocast by itself would hand on float32 between layers, at twice the memory.
    """
    embedding = model.get_input_embeddings()
    embedding.register_forward_hook(lambda _module, _inputs, output: output.to(torch.bfloat16))


def compile_layers(model: PreTrainedModel) -> None:
    """Compile each decoder layer (they share the result): fused norms, rotations and activations."""
    for layers in (module for module in model.modules() if isinstance(module, torch.nn.ModuleList)):
        for layer in layers:
            layer.compile(dynamic=True)


def on_device(batch: dict[str, Any], model: PreTrainedModel, device: torch.device) -> dict[str, Any]:
    """A micro-batch where the model is; the bounds of its traces stay where our attention reads them."""
    own = model.config._attn_implementation == attention.NAME
    return {
        name: each.to(device) if torch.is_tensor(each) and not (own and name.startswith("cu_seq")) else each
        for name, each in batch.items()
    }


def check_apart(model: Any, device: torch.device, bf16: bool) -> None:
    """See that traces side by side in a row do not see each other: what one holds must not move another's logits.

    Attention keeps them apart by their bounds; convolutions over tokens, states and some positions know no bounds.

    Raises:
        ValueError: they do.
    """
    was_training = model.training
    model.eval()
    vocabulary = model.config.get_text_config().vocab_size
    logits = []
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for first in (0, 1):
            ids = torch.arange(2 * TRACE)
            ids[:TRACE] = ids[:TRACE] * 7 + 1 + 3 * first
            batch = batches.joined([(each, each) for each in (ids % vocabulary).split(TRACE)])
            del batch["labels"]
            inputs = on_device(batch, model, device)
            logits.append(model(**inputs, use_cache=False).logits[0, TRACE:].float())
    model.train(was_training)
    one, other = logits
    share = float((one - other).abs().max() / one.abs().max().clamp(min=1e-30))
    if share > MOST_MOVED[torch.bfloat16 if bf16 else torch.float32]:
        raise ValueError(
            f"traces side by side in a row see each other in a {type(model).__name__} (its logits move by "
            f"{100 * share:.2g} %): set runtime.padding to true"
        )
