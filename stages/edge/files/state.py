"""Which version of the pipeline this is: commit, experiment, settings."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from stages.edge.files import lockfile, yaml_text

WORKSPACE = "workspace"


class State(NamedTuple):
    """One state of the pipeline: what its parent run in MLflow stands for."""

    commit: str
    """HEAD, or "none" outside git or before the first commit."""
    dirty: bool
    """Whether files differ from `commit`, apart from those that the pipeline writes."""
    experiment: str
    """DVC's name of the experiment that runs, else `WORKSPACE`."""
    baseline: str
    """The commit that the experiment started from; empty without one."""
    digest: str
    """sha256 of dvc.yaml and params.yaml."""
    profile: str
    """The profile in force; empty if params.yaml names none."""

    @property
    def key(self) -> str:
        """Tells this state from all others. Hashed: an experiment's name may hold characters that a search refuses."""
        return hashlib.sha256("\0".join((self.commit, self.experiment, self.digest)).encode()).hexdigest()


def current(folder: Path) -> State:
    """The state of the pipeline in `folder`."""
    texts = [path.read_bytes() if path.is_file() else b"" for path in (folder / "dvc.yaml", folder / "params.yaml")]
    settings = yaml_text.parsed(texts[1])
    written = [
        f":(exclude){path}" for path in ("dvc.lock", *(path for s in lockfile.read(folder).values() for path in s.outs))
    ]
    return State(
        commit=_git(folder, "rev-parse", "--verify", "--quiet", "HEAD") or "none",
        dirty=bool(_git(folder, "status", "--porcelain", "--", ".", *written)),
        experiment=os.environ.get("DVC_EXP_NAME") or WORKSPACE,
        baseline=os.environ.get("DVC_EXP_BASELINE_REV", ""),
        digest=hashlib.sha256(b"\0".join(texts)).hexdigest(),
        profile=str(settings.get("profile", "")) if isinstance(settings, dict) else "",
    )


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; empty when it fails or is not there."""
    try:
        return subprocess.run(
            ["git", "--no-optional-locks", *arguments], cwd=folder, capture_output=True, text=True
        ).stdout.strip()
    except OSError:
        return ""
