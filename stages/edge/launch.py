"""Starting the processes of one training on this host and, through a launcher such as srun, on others."""

import os
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn

from stages.edge.params import Runtime

PORT = 29_500


def processes(runtime: Runtime, module: Sequence[str]) -> NoReturn:
    """Replace this process by torchrun with `runtime.num_processes` of the module on each host.

    Hosts meet at MASTER_ADDR:MASTER_PORT, by default a port of this one. The launcher's command gets torchrun's behind
    it and starts it once a host. All hosts need the project's folder under the same path.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={runtime.num_processes}"]
    if runtime.num_hosts == 1:
        command = [*torchrun, "--standalone", "-m", *module]
    else:
        where = f"{os.environ.get('MASTER_ADDR') or socket.gethostname()}:{os.environ.get('MASTER_PORT') or PORT}"
        meeting = [
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={where}",
            f"--rdzv-id={os.environ.get('SLURM_JOB_ID', os.getpid())}",
        ]
        command = [*runtime.launcher, *torchrun, f"--nnodes={runtime.num_hosts}", *meeting, "-m", *module]
    os.execvp(command[0], command)
