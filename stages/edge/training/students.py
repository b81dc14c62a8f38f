# ruff: noqa: ANN401 - transformers' models
"""The student's weights loaded for training, and a look at whether its architecture can be trained as is asked."""

from pathlib import Path
from typing import Any

import torch

from stages.edge import params
from stages.edge.errors import InputError, SettingError
from stages.edge.training import attention, batches, trainer

TRACE = 24
"""Tokens of each trace of the look: more than a convolution over tokens reaches back."""
MOST_MOVED = {torch.float32: 1e-4, torch.bfloat16: 1e-2}
"""Rounding: how far logits, as a share of the largest, may move by what is computed beside them."""


def loaded(init: Path, settings: params.Train, runtime: params.Runtime) -> tuple[Any, str | None]:
    """(model with float32 weights, name of its attention or None for its own), ready to be trained.

    Raises:
        SettingError: the architecture needs another `runtime.padding` or `runtime.attention`.
        InputError: its generation settings cannot be written.
    """
    from transformers import AutoModelForCausalLM

    own = runtime.padding and runtime.attention == "auto"
    named = None if own else attention.choose(runtime.attention)
    chosen = {} if named is None else {"attn_implementation": named}
    try:
        model = AutoModelForCausalLM.from_pretrained(init, dtype=torch.float32, **chosen)
    except KeyError as error:
        if attention.NAME not in str(error):
            raise
        raise SettingError(
            f"params.yaml: {init} has an attention of its own that takes no other: set runtime.padding to true for it"
        ) from error
    if (
        getattr(model.config.get_text_config(), "attn_logit_softcapping", None)
        and model.config._attn_implementation == "sdpa"
    ):
        raise SettingError(
            f"params.yaml: sdpa leaves out the cap on the attention of {init}: set runtime.padding to true and "
            "runtime.attention to eager"
        )
    let_write(model, init)
    if settings.max_positions:
        model.config.max_position_embeddings = settings.max_positions
    if settings.bf16:
        trainer.in_bfloat16(model)
    return model, named


def let_write(model: Any, init: Path) -> None:
    """See that the generation settings can be written with the weights, hours later.

    Published models often have a temperature and do not say that they sample, which transformers refuses to write.

    Raises:
        InputError: they are wrong otherwise.
    """
    settings = model.generation_config
    if settings is None:
        return
    try:
        settings.validate(strict=True)
    except ValueError:
        settings.do_sample = True
        try:
            settings.validate(strict=True)
        except ValueError as error:
            text = str(error).splitlines()[1:2] or [str(error)]
            raise InputError(
                f"{init}/generation_config.json: mend it, it could not be written again: {text[0]}"
            ) from error


def check_apart(model: Any, device: torch.device, bf16: bool) -> None:
    """See that traces side by side in a row do not see each other: what one holds must not move another's logits.

    Attention keeps them apart by their bounds; convolutions over tokens, states and some positions know no bounds.

    Raises:
        SettingError: they do.
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
            inputs = trainer.on_device(batch, model, device)
            logits.append(model(**inputs, use_cache=False).logits[0, TRACE:].float())
    model.train(was_training)
    one, other = logits
    share = float((one - other).abs().max() / one.abs().max().clamp(min=1e-30))
    if share > MOST_MOVED[torch.bfloat16 if bf16 else torch.float32]:
        raise SettingError(
            f"params.yaml: traces side by side in a row see each other in a {type(model).__name__} (its logits move by "
            f"{100 * share:.2g} %): set runtime.padding to true"
        )
