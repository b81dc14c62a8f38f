"""Programs of a cluster for a PATH on one machine: `srun`, `scontrol`, and a `vllm` that serves without a model.

The hosts of a job are addresses of this machine's loopback. Run as `python -m tests.stand_ins NAME ARGUMENTS`.
"""

import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from tests.projects import ROOT
from tests.scripted_server import Reply, ScriptedServer

NAMES = ("srun", "scontrol", "vllm")
SECONDS_TO_LOAD = 1.0


def write(folder: Path) -> Path:
    """The three programs in `folder/bin`, which is returned; what `vllm` sees goes to `folder/log`."""
    (folder / "bin").mkdir()
    for name in NAMES:
        program = folder / "bin" / name
        program.write_text(
            f"#!/bin/sh\nexport STAND_IN_LOG={shlex.quote(str(folder / 'log'))} PYTHONPATH={shlex.quote(str(ROOT))}\n"
            f'exec {shlex.quote(sys.executable)} -m tests.stand_ins {name} "$@"\n'
        )
        program.chmod(0o755)
    return folder / "bin"


def read_log(folder: Path) -> list[dict[str, object]]:
    """What the servers wrote: their command lines when they start, and a line for each answer."""
    found: list[dict[str, object]] = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    return found


def _write_log(**row: object) -> None:
    line = json.dumps(row).encode() + b"\n"
    file = os.open(os.environ["STAND_IN_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)  # at once, since several servers write
    os.close(file)


def scontrol(arguments: list[str]) -> int:
    """`scontrol show hostnames LIST`, for a list without ranges."""
    assert arguments[:2] == ["show", "hostnames"], arguments
    print("\n".join(arguments[2].split(",")))
    return 0


def srun(arguments: list[str]) -> int:
    """Run a command once for each task of the job, each as if on its host; end all when it is told to, or one fails."""
    options = dict(
        each.partition("=")[::2] for each in itertools.takewhile(lambda each: each.startswith("-"), arguments)
    )
    unknown = options.keys() - {"--ntasks-per-node", "--kill-on-bad-exit"}
    assert not unknown, unknown
    command = arguments[len(options) :]
    per_node = int(options.get("--ntasks-per-node", os.environ["SLURM_NTASKS_PER_NODE"]))
    hosts = os.environ["SLURM_JOB_NODELIST"].split(",")
    tasks = []
    for rank, (node, local) in enumerate(itertools.product(range(len(hosts)), range(per_node))):
        own = {"SLURMD_NODENAME": hosts[node], "SLURM_NODEID": node, "SLURM_LOCALID": local, "SLURM_PROCID": rank}
        env = os.environ | {name: str(value) for name, value in own.items()}
        tasks.append(subprocess.Popen(command, env=env, start_new_session=True))

    def end(*_: int | FrameType | None) -> None:
        for task in tasks:
            if task.poll() is None:
                task.terminate()

    signal.signal(signal.SIGTERM, end)
    while any(task.poll() is None for task in tasks):
        if any(task.poll() for task in tasks) and options.get("--kill-on-bad-exit") == "1":
            end()
        time.sleep(0.05)
    return max(abs(task.returncode) for task in tasks)


def vllm(arguments: list[str]) -> int:
    """`vllm serve MODEL --host H --port P ...`: answers 42 to everything, after a while, to who has the key."""
    assert arguments[0] == "serve", arguments
    model, host, port = arguments[1], *(arguments[arguments.index(flag) + 1] for flag in ("--host", "--port"))
    _write_log(host=host, started=arguments)
    if "--fail" in arguments:
        return 3
    time.sleep(SECONDS_TO_LOAD)

    def reply(_: object) -> Reply:
        _write_log(host=host, answered=True)
        return Reply(r"It is \boxed{42}.")

    with ScriptedServer([model], reply, key=os.environ["VLLM_API_KEY"], address=(host, int(port))):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT} if sys.argv[1] == "vllm" else set())
    sys.exit({"srun": srun, "scontrol": scontrol, "vllm": vllm}[sys.argv[1]](sys.argv[2:]))
