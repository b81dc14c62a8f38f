"""The scratch folder of a training run: its room, one run at a time in it, and from which checkpoint a run goes on."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from stages.edge import params
from stages.edge.cli import claims
from stages.edge.errors import InputError, SettingError
from stages.edge.models import weights
from stages.edge.training import token_file

GIB = 2**30
CHECKPOINTS = 3
BYTES_PER_WEIGHT = BYTES_PER_TOKEN = 4
MACHINE = "machine.json"


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; the Trainer writes `trainer_state.json` last."""
    finished = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_whole(path)]
    return str(max(finished, key=lambda path: int(path.name.rpartition("-")[2]))) if finished else None


def _is_whole(state: Path) -> bool:
    """Whether a kill did not come in the middle of this JSON file, which the Trainer writes in place."""
    try:
        json.loads(state.read_bytes())
    except ValueError:
        return False
    return True


def copies_of_weights(num_candidates: int) -> int:
    """How many times the weights lie on the disk: each with two moments in all checkpoints, the last ones, the
    candidates in the scratch folder and as the stage's out, and the student that is made of them."""
    return 3 * CHECKPOINTS + 2 * num_candidates + 2


def check_space(scratch: Path, init: Path, sft: Path, num_candidates: int) -> None:
    """Refuse to start where tokens and checkpoints will not fit: float32 weights and their two moments, in two
    checkpoints and one that is being written, and the candidates. What a run that goes on has written already needs no
    more room.

    Raises:
        InputError: the disk has too little room.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    num_tokens = int(token_file.lengths(sft)[0].sum())
    weights_bytes = BYTES_PER_WEIGHT * weights.num_parameters(init)
    needed = copies_of_weights(num_candidates) * weights_bytes + BYTES_PER_TOKEN * num_tokens
    written = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
    free = shutil.disk_usage(scratch).free
    if free < needed - written:
        raise InputError(
            f"{scratch}: tokens and checkpoints need about {(needed - written) / GIB:.1f} GiB more, and "
            f"{free / GIB:.1f} GiB are free: make room"
        )


@contextlib.contextmanager
def claimed(scratch: Path) -> Iterator[None]:
    """One run at a time below a scratch folder, also of experiments in DVC's temporary workspaces.

    Of a run's own processes the first holds the claim.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    with claims.held(scratch.with_name(f"{scratch.name}.lock"), "trains the same"):
        yield


def record_machine(scratch: Path, runtime: params.Runtime) -> None:
    """Record how checkpoints are split: only the same number of processes can read them again."""
    (scratch / MACHINE).write_text(json.dumps(_machine(runtime)))


def check_machine(scratch: Path, runtime: params.Runtime) -> None:
    """Refuse to go on from a checkpoint that was written by another number of DeepSpeed processes, or without it.

    Raises:
        SettingError: naming the settings to go back to.
    """
    if last_checkpoint(scratch) is None or not (scratch / MACHINE).exists():
        return
    before = json.loads((scratch / MACHINE).read_text())
    if before != _machine(runtime):
        raise SettingError(
            f"params.yaml: runtime: the checkpoints of this run were written with {before}, and nothing else can "
            f"read them: set it so until the stage is done, or remove {scratch}"
        )


def _machine(runtime: params.Runtime) -> dict[str, object]:
    if runtime.deepspeed is None:
        return {"deepspeed": None}
    return {"deepspeed": runtime.deepspeed, "num_processes": runtime.num_processes, "num_hosts": runtime.num_hosts}


def kept(scratch: Path) -> list[Path]:
    """Folders of the weights that were kept at measurements, the latest step last."""
    folders = [path for path in (scratch / "kept").glob("*") if path.name.isdigit()]
    return sorted(folders, key=lambda path: int(path.name))


def sweep(scratch: Path) -> None:
    """Remove what a finished run has no use for."""
    for leftover in scratch.iterdir():
        if leftover.name != "done":
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
