"""Where a model is served: by a server that is already there, or by an engine that the stage starts for itself."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import openai

from stages.edge import server, weights
from stages.edge.errors import ServerError
from stages.edge.params import Model, Runtime
from stages.edge.paths import project_root

SECONDS_TO_LIST_MODELS = 30.0


class Served(NamedTuple):
    """A model to be asked: the name a server lists, what `vllm serve` loads, its identity and its flags."""

    name: str
    source: str
    identity: dict[str, str | None]
    flags: dict[str, str | None]


def from_folder(role: str, folder: Path, dtype: str, quantization: str | None, parser: str | None) -> Served:
    """The weights in `folder`, identified by their content."""
    identified = weights.identity(folder)
    content = {"weights": identified, "dtype": dtype, "quantization": quantization}
    return Served(
        weights.served_name(role, identified), str(folder), content, _flags(dtype, quantization, parser, None)
    )


def from_settings(role: str, model: Model, base: Path) -> Served:
    """The model that params.yaml names: `base` for the weights in the folder `base`, otherwise a hub id."""
    if model.name == "base":
        return from_folder(role, base, model.dtype, model.quantization, model.reasoning_parser)
    content = {key: getattr(model, key) for key in ("name", "revision", "dtype", "quantization")}
    flags = _flags(model.dtype, model.quantization, model.reasoning_parser, model.revision)
    return Served(model.name, model.name, content, flags)


def _flags(dtype: str, quantization: str | None, parser: str | None, revision: str | None) -> dict[str, str | None]:
    return {"dtype": dtype, "quantization": quantization, "reasoning-parser": parser, "revision": revision}


@contextlib.contextmanager
def serving(model: Served, runtime: Runtime) -> Iterator[list[str]]:
    """Base URLs that serve `model`: those of the named servers that list it, else an engine of our own.

    Raises:
        ServerError: a named server does not answer or refuses us, or our engine does not start.
    """
    urls = [url for url in named(runtime.endpoints) if lists(url, model.name)]
    if urls:
        yield urls
        return
    port = server.free_port()
    log = project_root(Path.cwd()) / ".cache" / "logs" / f"{model.name.replace('/', '_')}.log"
    serve = server.command(model.source, model.name, port, model.flags, runtime.engine.args)
    with server.engine(serve, port, runtime.engine.env, runtime.engine.start_seconds, log) as url:
        yield [url]


def named(configured: Sequence[str]) -> list[str]:
    """Base URLs of the servers that are already there: `OPENAI_BASE_URL` (comma-separated), then the configured."""
    urls = [url.strip() for url in os.environ.get("OPENAI_BASE_URL", "").split(",")]
    return [url for url in dict.fromkeys([*urls, *configured]) if url]


def lists(url: str, model: str) -> bool:
    """Whether the server's `/v1/models` lists `model`.

    Raises:
        ServerError: it does not answer, or refuses the key.
    """
    try:
        with openai.OpenAI(**client_settings(url, SECONDS_TO_LIST_MODELS)) as client:
            return any(served.id == model for served in client.models.list())
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ServerError(f"{url} refuses the key; set OPENAI_API_KEY to one that it takes") from error
    except openai.OpenAIError as error:
        raise ServerError(f"{url} does not answer ({error}); start it, or correct OPENAI_BASE_URL") from error


def client_settings(url: str, seconds: float) -> dict[str, Any]:
    """Arguments of an `openai` client. Its own retries are off: a slow answer must never be asked for a second time."""
    return {
        "base_url": url,
        "api_key": os.environ.get("OPENAI_API_KEY") or "none",
        "max_retries": 0,
        "timeout": seconds,
    }
