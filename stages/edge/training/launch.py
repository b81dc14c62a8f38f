"""The command that starts the processes of one training, on this host and through a launcher on others."""

import os
import socket
import sys
from collections.abc import Sequence

from stages.edge.params import Runtime

PORT = 29_500


def command(runtime: Runtime, module: Sequence[str]) -> list[str]:
    """torchrun with `runtime.num_processes` of the module on each host.

    Hosts meet at MASTER_ADDR:MASTER_PORT, by default a port of this one. torchrun's command is appended to the
    launcher's, which starts it once a host. All hosts need the project's folder under the same path.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={runtime.num_processes}"]
    if runtime.num_hosts == 1:
        return [*torchrun, "--standalone", "-m", *module]
    address = f"{os.environ.get('MASTER_ADDR') or socket.gethostname()}:{os.environ.get('MASTER_PORT') or PORT}"
    run_id = os.environ.get("SLURM_JOB_ID", str(os.getpid()))
    rendezvous = ["--rdzv-backend=c10d", f"--rdzv-endpoint={address}", f"--rdzv-id={run_id}"]
    return [*runtime.launcher, *torchrun, f"--nnodes={runtime.num_hosts}", *rendezvous, "-m", *module]
