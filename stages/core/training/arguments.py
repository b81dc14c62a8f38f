"""The arguments of TRL's trainer that decide the weights. What is not a setting is fixed here on purpose."""

from typing import Any, NamedTuple


class Optimisation(NamedTuple):
    """The settings of an SFT stage that the optimiser goes by."""

    learning_rate: float
    min_lr_ratio: float
    """The cosine ends at this share of the peak."""
    warmup_ratio: float
    max_grad_norm: float
    weight_decay: float
    bf16: bool
    seed: int


def of(settings: Optimisation) -> dict[str, Any]:
    """SFTConfig's arguments, but for those that tell how the machine trains."""
    return {
        "num_train_epochs": 1,  # the plan's steps are those of all epochs, and each is one batch
        "per_device_train_batch_size": 1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": settings.min_lr_ratio},
        "warmup_steps": settings.warmup_ratio,  # below 1 transformers takes it as a share of all steps
        "max_grad_norm": settings.max_grad_norm,
        "weight_decay": settings.weight_decay,
        "bf16": settings.bf16,
        "seed": settings.seed,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
    }
