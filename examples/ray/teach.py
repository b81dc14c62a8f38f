"""The teacher on all GPUs of a Ray cluster, a vLLM server on each, and a command that asks them.

    RAY_ADDRESS=HEAD:6379 python -m examples.ray.teach openai/gpt-oss-120b -- dvc repro teach@medium teach@high

`--gpus 2` gives each server two GPUs; what stands before `--` and is not known here is for `vllm serve`. All hosts need
the project's folder and its environment under the same path. The servers end with the command, however it ends.
"""

import argparse
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

from stages.edge.engines.server import PINNED
from stages.edge.errors import PipelineError, ServerError
from stages.edge.workers import cluster

SECONDS_TO_PLACE = 60.0
"""For Ray to find GPUs for all servers, beyond the time that they take to start."""


class Server:
    """`vllm serve` on the GPUs that Ray gives this actor."""

    def __init__(self, model: str, flags: list[str], key: str) -> None:
        """Start it on a free port of this host. Others reach the port, so it takes only who has the key."""
        import ray

        self._host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        with socket.create_server((self._host, 0)) as free:
            port = free.getsockname()[1]
        where = ["--host", self._host, "--port", str(port), "--generation-config", "vllm"]
        self._url = f"http://{self._host}:{port}"
        # The guard ends the engine and its workers when this actor's process is gone.
        guard = [sys.executable, "-m", "stages.edge.cli.guard", "vllm", "serve", model, *where, *flags]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, env={**os.environ, **PINNED, "VLLM_API_KEY": key})

    def ready(self, seconds: float) -> str:
        """Its base URL, as soon as it is well."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._guard.poll() is not None:
                raise ServerError(f"vllm serve on {self._host} ended before it was ready; see Ray's log of this worker")
            try:
                urllib.request.urlopen(f"{self._url}/health", timeout=5).close()
                return f"{self._url}/v1"
            except OSError:
                time.sleep(1)
        raise ServerError(f"vllm serve on {self._host} was not ready in {seconds:.0f} s; raise --start-seconds")


def main() -> int:
    """Start the servers, run the command with their addresses, and end them; return the command's status."""
    parser = argparse.ArgumentParser(
        usage="python -m examples.ray.teach [-h] [--gpus N] [--start-seconds S] model [vLLM's flags] -- command ...",
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("model", help="hub id or folder")
    parser.add_argument("--gpus", type=int, default=1, help="of one server")
    parser.add_argument("--start-seconds", type=float, default=1800)
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, flags = parser.parse_known_args(sys.argv[1:split])
    command = sys.argv[split + 1 :]
    if not command or args.gpus < 1:
        parser.error("name the command that asks the servers behind `--`, and with --gpus one GPU or more")
    flags += ["--tensor-parallel-size", str(args.gpus)]
    ray = cluster.connected()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    num_servers = sum(int(node.get("GPU", 0)) // args.gpus for node in nodes)  # a server's GPUs are those of one node
    if not num_servers:
        raise ServerError(f"no node of the Ray cluster has {args.gpus} GPUs; see `ray status`")
    key = secrets.token_hex(16)
    actor = ray.remote(num_gpus=args.gpus, num_cpus=0)(Server)
    servers = [actor.remote(args.model, flags, key) for _ in range(num_servers)]
    asked = [server.ready.remote(args.start_seconds) for server in servers]
    _, late = ray.wait(asked, num_returns=len(asked), timeout=args.start_seconds + SECONDS_TO_PLACE)
    if late:
        free = int(ray.available_resources().get("GPU", 0))
        raise ServerError(
            f"{len(late)} of {num_servers} servers got no GPUs, of which {free} are free; end what uses the others "
            "(`ray status`), or wait for it"
        )
    urls = cluster.fetched(asked)
    found = {"OPENAI_BASE_URL": ",".join(urls), "OPENAI_API_KEY": key}
    print(f"OPENAI_BASE_URL={found['OPENAI_BASE_URL']}", file=sys.stderr, flush=True)
    return subprocess.run(command, env={**os.environ, **found}, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PipelineError as error:
        sys.exit(f"error: {error}")
