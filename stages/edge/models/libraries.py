"""What the model libraries are told before their first use."""

import os


def settle() -> None:
    """Name the CPU to DeepSpeed where there is no GPU, and silence bars that would bury a stage's own lines."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported, and some bars ask nobody else
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
