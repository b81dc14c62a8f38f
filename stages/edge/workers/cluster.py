"""Ray, where `runtime.pool` asks for it: connecting to the cluster, and its failures as sentences.

All nodes need the project's folder and its environment under the same path; a node may be started anywhere.
"""

import os
import socket
from pathlib import Path
from typing import Any

from stages.edge.errors import InputError, PipelineError, ServerError, SettingError

OUR_MODULES = Path(__file__).resolve().parents[2]
KNOCK_SECONDS = 10

ALONE = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""Environment of a worker: there are as many as cores, and with threads for all each takes six times as long."""


def connected() -> Any:  # noqa: ANN401
    """Ray, connected to the cluster at `RAY_ADDRESS`, or to one on this machine. Its tasks find our own modules.

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
        here = {"env_vars": {"PYTHONPATH": str(OUR_MODULES), **ALONE}}
        address = os.environ.get("RAY_ADDRESS")
        try:
            _knock(address)
            ray.init(address=address, runtime_env=here, log_to_driver=False, include_dashboard=False)
        except (OSError, RuntimeError, ValueError) as error:
            where = address or "on this machine"
            raise ServerError(
                f"the Ray cluster {where} cannot be reached ({_first_line(error)}): start it, correct "
                "RAY_ADDRESS, or give the cluster's token by RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
            ) from error
    return ray


def num_cpus() -> int:
    """Processors of all nodes that are there now."""
    return max(1, int(connected().cluster_resources().get("CPU", 1)))


def _knock(address: str | None) -> None:
    """Whether someone listens there, which Ray by itself takes minutes to give up on. Raises OSError: nobody does."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


def taken(asked: Any) -> Any:  # noqa: ANN401
    """What `ray.get` gives; a task's own exception comes through as it was raised there.

    Raises:
        ServerError: the cluster lost a task more often than it tries again.
    """
    import ray

    try:
        return ray.get(asked)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, PipelineError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise ServerError(
            f"the Ray cluster lost its work ({_first_line(error)}): see by `ray status` which nodes live, and run again"
        ) from error


def _first_line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def stand_in(project: Path) -> None:
    """Make the project's folder that of this worker, whose node may stand anywhere: paths are relative to it.

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
