"""Ray, where `runtime.pool` is ray: connecting to the cluster, and its failures as sentences.

All nodes need the project's folder and its environment under the same path; a node may be started anywhere.
"""

import os
import socket
from pathlib import Path
from typing import Any

from stages.edge.errors import InputError, PipelineError, ServerError, SettingError

PROJECT_ROOT = Path(__file__).resolve().parents[3]
CONNECT_SECONDS = 10

SINGLE_THREADED = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""Environment of a worker. There is one a core: with a thread a core in each, each takes six times as long."""


def connected() -> Any:  # noqa: ANN401
    """Ray, connected to the cluster at `RAY_ADDRESS`, or to one on this machine. Its tasks can import our modules.

    Raises:
        ServerError: there is no cluster at that address, or it does not let us in.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingError(
            f"params.yaml: runtime.pool is ray, but Ray cannot be imported ({error}); install the extra `ray`"
        ) from error
    if not ray.is_initialized():
        environment = {"env_vars": {"PYTHONPATH": str(PROJECT_ROOT), **SINGLE_THREADED}}
        address = os.environ.get("RAY_ADDRESS")
        try:
            _check_listening(address)
            ray.init(address=address, runtime_env=environment, log_to_driver=False, include_dashboard=False)
        except (OSError, RuntimeError, ValueError) as error:
            place = address or "on this machine"
            raise ServerError(
                f"the Ray cluster {place} cannot be reached ({_first_line(error)}): start it, correct "
                "RAY_ADDRESS, or give the cluster's token by RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
            ) from error
    return ray


def num_cpus() -> int:
    """Processors of all nodes that are there now."""
    return max(1, int(connected().cluster_resources().get("CPU", 1)))


def _check_listening(address: str | None) -> None:
    """Connect once: Ray itself gives up only after minutes. Raises OSError: nobody listens there."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


def fetched(references: Any) -> Any:  # noqa: ANN401
    """What `ray.get` gives; a task's own exception is raised as it was there.

    Raises:
        ServerError: the cluster lost a task more often than it tries again.
    """
    import ray

    try:
        return ray.get(references)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, PipelineError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise ServerError(
            f"the Ray cluster lost its work ({_first_line(error)}): see by `ray status` which nodes live, and run again"
        ) from error


def _first_line(error: BaseException) -> str:
    """The first line of an exception's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def enter_project(project: Path) -> None:
    """Make the project's folder this worker's working directory: paths are relative to it.

    Raises:
        InputError: the folder is not there.
    """
    try:
        os.chdir(project)
    except OSError as error:
        raise InputError(
            f"{project} is not on {socket.gethostname()}: let all nodes of the Ray cluster have the project's folder "
            "under the same path"
        ) from error
