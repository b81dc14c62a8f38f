"""A student as the mean of its training's candidates."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from stages.core.checkpoints import averaging
from stages.edge.models import weights


def average(folders: Sequence[Path], output: Path) -> None:
    """Write the mean of models' weights to the folder `output`, with the other files of the last.

    One model is passed on as it is.
    """
    if len(folders) == 1:
        weights.share(folders[0], output)
        return
    import safetensors
    from safetensors.torch import save_file

    shutil.copytree(folders[-1], output, dirs_exist_ok=True)
    for file in sorted(output.glob("*.safetensors")):
        # Each model has the same files: they are cut by size alone.
        parts = [safetensors.safe_open(folder / file.name, "pt") for folder in folders]
        names: list[str] = parts[-1].keys()  # type: ignore[no-untyped-call]
        mean = {name: averaging.mean([part.get_tensor(name) for part in parts]) for name in names}  # type: ignore[no-untyped-call]
        save_file(mean, file, metadata={"format": "pt"})
