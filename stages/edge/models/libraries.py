"""Settings of the model libraries, made before their first use."""

import os


def settle() -> None:
    """Name the CPU to DeepSpeed where there is no GPU, and silence bars that would bury a stage's own lines."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # tqdm reads it when imported; some bars have no other switch
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
