"""The student that is made of several candidates."""

from pathlib import Path

import numpy as np

from stages.edge.models import weights
from stages.edge.training import averaging
from tests.tiny_models import save_tiny_model


def test_the_mean_of_weights_is_that_of_each_number(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folders = [save_tiny_model(tmp_path / str(step), seed=step) for step in (1, 2, 3)]
    averaging.average(folders, tmp_path / "mean")
    parts = [load_file(folder / "model.safetensors") for folder in folders]
    mean = load_file(tmp_path / "mean/model.safetensors")
    assert mean.keys() == parts[0].keys()
    for name, tensor in mean.items():
        assert np.allclose(tensor, sum(part[name] for part in parts) / 3, atol=1e-7)
    averaging.average(folders[:1], tmp_path / "one")
    assert weights.identity(tmp_path / "one") == weights.identity(folders[0])
    assert weights.num_parameters(folders[0]) == sum(each.size for each in parts[0].values())
