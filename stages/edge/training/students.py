# ruff: noqa: ANN401 - transformers' models
"""The student's weights read from a folder, and written to one."""

from pathlib import Path
from typing import Any

from stages.core.training import attention, student
from stages.core.training.trainer import Trainer
from stages.edge import params
from stages.edge.errors import InputError, SettingError


def load(init: Path, settings: params.Training, runtime: params.Runtime) -> tuple[Any, str | None]:
    """(model with float32 weights, name of its attention or None for its own), ready to be trained.

    Raises:
        SettingError: the architecture needs another `runtime.padding` or `runtime.attention`.
        InputError: its generation settings cannot be written.
    """
    from transformers import AutoModelForCausalLM

    keeps_own = runtime.padding and runtime.attention == "auto"
    name = None if keeps_own else attention.choose(runtime.attention)
    options = {} if name is None else {"attn_implementation": name}
    try:
        model = AutoModelForCausalLM.from_pretrained(init, dtype=student.WEIGHTS, **options)
    except KeyError as error:
        if attention.NAME not in str(error):
            raise
        raise SettingError(
            f"params.yaml: {init} has an attention of its own that takes no other: set runtime.padding to true for it"
        ) from error
    mend_generation_config(model, init)
    try:
        student.prepare(model, settings.max_positions, settings.bf16)
    except ValueError as error:
        raise SettingError(f"params.yaml: {init}: {error}") from error
    return model, name


def mend_generation_config(model: Any, init: Path) -> None:
    """Mend generation settings that could not be written with the weights, hours later.

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


def write(learner: Trainer, folder: Path) -> None:
    """Write a student with its tokenizer, in the type that its weights are computed in. All devices call it."""
    weights = learner.weights()
    if not learner.is_world_process_zero():
        return
    model: Any = learner.accelerator.unwrap_model(learner.model, keep_torch_compile=False)
    before, model.config.dtype = model.config.dtype, learner.kind
    model.save_pretrained(folder, state_dict=weights)
    model.config.dtype = before
    learner.processing_class.save_pretrained(folder)
