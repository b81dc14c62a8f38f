"""Publishing: a folder that is written whole or not at all, and sent to the hub with the token in HF_TOKEN."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from stages.edge.errors import InputError, SettingError, writing
from stages.edge.files import scratch


@contextlib.contextmanager
def whole(output: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `output` at the end.

    Raises:
        InputError: it is there already, or cannot be written.
    """
    if output.exists():
        raise InputError(f"{output}: is there already; name a new folder, or remove it")
    with scratch.replacing(output, is_folder=True) as partial, writing(output):
        yield partial


def token() -> str:
    """The token that may write to the hub.

    Raises:
        SettingError: HF_TOKEN is not set.
    """
    value = os.environ.get("HF_TOKEN")
    if not value:
        raise SettingError("HF_TOKEN is not set: put a token that may write there into the environment")
    return value


def push(folder: Path, repository: str, kind: Literal["dataset", "model"]) -> str:
    """Send a folder to a repository of the hub, which is made private if it is not there; the address of the commit.

    Raises:
        SettingError: HF_TOKEN is not set.
        InputError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi

    hub = HfApi(token=token())
    try:
        hub.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
        return str(hub.upload_folder(folder_path=folder, repo_id=repository, repo_type=kind))
    except failures() as error:
        raise InputError(
            f"{repository}: cannot be pushed to ({type(error).__name__}); {folder} is whole: check the name, the token "
            f"and the network, and push again (hf upload --repo-type {kind})"
        ) from error


def failures() -> tuple[type[Exception], ...]:
    """Exceptions of requests to the hub."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError  # type: ignore[attr-defined]

    return (HTTPError, HfHubHTTPError, HFValidationError, OSError)
