"""Where a model is served: by a server that is already there, or by an engine that the stage starts for itself."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import openai

from stages.core.sampling.harmony import PARSER
from stages.edge.engines import server
from stages.edge.engines.pool import Endpoint
from stages.edge.errors import ServerError, SettingError
from stages.edge.files.paths import project_root
from stages.edge.models import weights
from stages.edge.params import Model, Role, Runtime
from stages.edge.track.events import redacted

SECONDS_TO_LIST_MODELS = 30.0
MOST_NAMES = 8
NAMED_IN = "OPENAI_BASE_URL or runtime.endpoints"
ASK = "REASONLITE_ASK"
"""Environment variable; with `no` nothing is asked of a model, and all answers must be in the store."""

Limit = int | Literal["auto"]


class SilentServerError(ServerError):
    """A server that does not answer."""


class Served(NamedTuple):
    """A model to be asked: its role, the name a server lists, what `vllm serve` loads, its identity and its flags."""

    role: Role
    name: str
    source: str
    identity: dict[str, str | None]
    flags: dict[str, str | None]
    extra_body: dict[str, Any]

    @property
    def collection(self) -> str:
        """Name of its answers in the store."""
        return self.name.replace("/", "_")


def from_folder(
    role: Role, label: str, folder: Path, dtype: str, quantization: str | None, parser: str | None
) -> Served:
    """The weights in `folder`, identified by their content; `label` begins the name that they are served by."""
    identity = weights.identity(folder)
    content = {"weights": identity, "dtype": dtype, "quantization": quantization, **_parser_identity(parser)}
    name = weights.served_name(label, identity)
    return Served(role, name, str(folder), content, _flags(dtype, quantization, parser, None), {})


def from_settings(role: Role, label: str, model: Model, own: Path) -> Served:
    """The model that params.yaml names: the student of the graph in the folder `own`, by the folder's name, another
    folder, or a hub id."""
    is_own = model.name == own.name
    folder = own if is_own else Path(model.name)
    if is_own or folder.is_dir():
        served = from_folder(role, label, folder, model.dtype, model.quantization, model.reasoning_parser)
        return served._replace(extra_body=model.extra_body)
    content = {key: getattr(model, key) for key in ("name", "revision", "dtype", "quantization")}
    content |= _parser_identity(model.reasoning_parser)
    flags = _flags(model.dtype, model.quantization, model.reasoning_parser, model.revision)
    return Served(role, model.name, model.name, content, flags, model.extra_body)


def _parser_identity(parser: str | None) -> dict[str, str | None]:
    """What else decides the text of an answer: its reasoning parser, and the date in gpt-oss's system message."""
    if parser is None:
        return {}
    date: dict[str, str | None] = {"system_date": server.SYSTEM_DATE} if parser == PARSER else {}
    return {"reasoning_parser": parser, **date}


def _flags(dtype: str, quantization: str | None, parser: str | None, revision: str | None) -> dict[str, str | None]:
    return {"dtype": dtype, "quantization": quantization, "reasoning-parser": parser, "revision": revision}


class Serving(NamedTuple):
    """The endpoints of a model, and the function that restarts our engines (None: they are not ours).

    `revive(url)` starts those anew that have died, and the one at `url`, if any, even if it reports to be healthy.
    """

    endpoints: list[Endpoint]
    revive: Callable[[str | None], bool] | None


class Lazy(contextlib.ExitStack):
    """Serves a model from the first time that it is needed to the end of the `with` block: most runs ask nothing."""

    def __init__(self, model: Served, runtime: Runtime) -> None:
        """Nothing is started before `start`."""
        super().__init__()
        self._model, self._runtime = model, runtime
        self._serving: Serving | None = None

    def start(self) -> Serving:
        """The endpoints, found or started the first time.

        Raises:
            ServerError: as `serving`.
        """
        if self._serving is None:
            self._serving = self.enter_context(serving(self._model, self._runtime))
        return self._serving


@contextlib.contextmanager
def serving(model: Served, runtime: Runtime) -> Iterator[Serving]:
    """Endpoints that serve `model`: those of the named servers that list it, else engines of our own.

    Raises:
        ServerError: a named server refuses us, or none that has the model answers, or our engine does not start; or
            nothing may be asked.
    """
    if os.environ.get(ASK) == "no":
        raise ServerError(
            f"{model.name} would be asked: not all requests have keys under which an answer is stored, so they differ "
            "from those before; `dvc repro` asks them"
        )
    listed = _listing(model.name, named(runtime, model.role))
    if listed:
        yield Serving(listed, None)
        return
    log = project_root(Path.cwd()) / ".cache" / "logs" / f"{model.name.replace('/', '_')}.log"
    engines = server.replicas(model.source, model.name, model.flags, runtime.engine, log, None)
    with server.all_running(engines):
        endpoints = [Endpoint(engine.url, runtime.concurrency) for engine in engines]
        turn = threading.Lock()

        def revive(hung_url: str | None) -> bool:
            with turn:  # each endpoint asks for it, and one engine must not be started twice
                return any([engine.revive(engine.url == hung_url) for engine in engines])

        yield Serving(endpoints, revive)


def _listing(model: str, urls: Mapping[str, Limit]) -> list[Endpoint]:
    """The endpoints that list the model. A silent one is skipped with a message if another has the model."""
    endpoints: list[Endpoint] = []
    silent: list[SilentServerError] = []
    others: list[str] = []
    for url, limit in urls.items():
        try:
            names = models(url)
            if model in names:
                endpoints.append(Endpoint(url, limit))
            else:
                others.append(f"{url} has {', '.join(names[:MOST_NAMES]) or 'no model'}")
        except SilentServerError as error:
            silent.append(error)
    if silent and not endpoints:
        raise silent[0]
    for each in silent:
        print(f"{each}; going on without it", file=sys.stderr, flush=True)
    if others and not endpoints:
        print(
            f"no server that is named has {model}, so an engine is started here: {'; '.join(others)}", file=sys.stderr
        )
    return endpoints


def named(runtime: Runtime, role: Role) -> dict[str, Limit]:
    """Base URLs of servers that are already there, and how many requests each may have at once.

    Those in `OPENAI_BASE_URL` (comma-separated), then those that `runtime.endpoints` has for the role, and for all.
    """
    urls = [url.strip() for url in os.environ.get("OPENAI_BASE_URL", "").split(",")]
    limits: dict[str, Limit] = {_check_url(url, "OPENAI_BASE_URL"): runtime.concurrency for url in urls if url}
    for each in [*runtime.endpoints.get(role, []), *runtime.endpoints.get("all", [])]:
        limits.setdefault(_check_url(each.url, "runtime.endpoints"), each.concurrency or runtime.concurrency)
    return limits


def _check_url(url: str, source: str) -> str:
    """The base URL `url` from the setting `source`.

    Raises:
        SettingError: it is no URL, or holds a user and password, which would be shown and logged with it.
    """
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise SettingError(f"{source}: {redacted(url)!r} is no base URL such as http://127.0.0.1:8000/v1; correct it")
    if "@" in parts.netloc:
        raise SettingError(f"{source}: {redacted(url)} holds a password: leave it out, and set OPENAI_API_KEY instead")
    return url


def models(url: str) -> list[str]:
    """Names in the server's `/v1/models`.

    Raises:
        ServerError: it refuses the key, or (SilentServerError) does not answer, or with no list of models.
    """
    try:
        with openai.OpenAI(**client_settings(url, SECONDS_TO_LIST_MODELS)) as client:
            return [str(served.id) for served in client.models.list()]
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ServerError(f"{url} refuses the key; set OPENAI_API_KEY to one that it takes") from error
    except openai.OpenAIError as error:
        raise SilentServerError(f"{url} does not answer ({error}); start it, or correct {NAMED_IN}") from error
    except (ValueError, AttributeError, TypeError) as error:  # what the client meets in a body of another kind
        raise SilentServerError(
            f"{url} answers, but {url}/models is no list of models: correct {NAMED_IN}; it ends in /v1"
        ) from error


def client_settings(url: str, seconds: float) -> dict[str, Any]:
    """Arguments of an `openai` client. Its own retries are off: a slow answer must never be asked for a second time.

    Raises:
        SettingError: the key cannot stand in a header.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip() or "none"
    if not (key.isascii() and key.isprintable()):
        raise SettingError("OPENAI_API_KEY holds a character that no key has: copy it anew")
    return {"base_url": url, "api_key": key, "max_retries": 0, "timeout": seconds}
