"""The project's experiment in an MLflow store: runs of pipeline states, and below them runs of executed stages."""

import contextlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from stages.edge.cli import claims
from stages.edge.files import state
from stages.edge.files.paths import project_root
from stages.edge.track.events import legal, redacted

EXPERIMENT = "reasonlite-dvc"
SQLITE = "sqlite:///"
KIND = "mlflow.experimentKind"
EXPERIMENT_TAGS = {KIND: "custom_model_development"}
"""MLflow's page would otherwise guess, and open an experiment without models among those of generative AI."""
# MLflow's limits (mlflow.utils.validation). It cuts longer values itself, but does not show it.
MAX_PARAM, MAX_TAG = 6000, 8000
MAX_METRICS_A_BATCH, MAX_NAMES_A_BATCH = 1000, 100
CUT = " ... [cut]"
T = TypeVar("T")


class Ledger:
    """The project's experiment in one MLflow store, made if it is not there."""

    def __init__(self, uri: str) -> None:
        """Connect; hold `claimed(uri)` meanwhile, as two first uses of a database disturb each other."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        place = (_artifacts(uri) / name).as_uri() if uri.startswith(SQLITE) else None
        if place:
            _follow_move(Path(uri.removeprefix(SQLITE)), name, place)
        self.client = MlflowClient(tracking_uri=uri)
        known = self.client.get_experiment_by_name(name)
        self.experiment = (
            known.experiment_id
            if known
            else self.client.create_experiment(name, artifact_location=place, tags=EXPERIMENT_TAGS)
        )
        if known and KIND not in known.tags:
            self.client.set_experiment_tag(self.experiment, KIND, EXPERIMENT_TAGS[KIND])

    def parent(self, now: state.State, of_any_experiment: bool = False) -> Run:
        """The run of the pipeline state `now`, made if it is not there.

        `of_any_experiment` also takes that of a DVC experiment with the same commit and settings: once applied to the
        workspace, nothing in the files says any more that it was one.
        """
        same = f"tags.`pipeline.digest` = '{now.digest}' and tags.`pipeline.commit` = '{now.commit}'"
        runs = self.client.search_runs([self.experiment], same, order_by=["attributes.start_time DESC"])
        own = [run for run in runs if run.data.tags["pipeline.key"] == now.key]
        if own or (of_any_experiment and runs):
            return (own or list(runs))[0]
        tags = {
            "pipeline.key": now.key,
            "pipeline.digest": now.digest,
            "pipeline.commit": now.commit,
            **_state_tags(now),
        }
        name = f"{now.profile} {now.digest[:7]}" if now.experiment == state.WORKSPACE else now.experiment
        return self.client.create_run(self.experiment, tags=tags, run_name=name)

    def child(self, parent: Run, name: str, now: state.State, inputs: Mapping[str, str], time_ms: int) -> Run:
        """A new run of the executed stage `name`, owned by this process; `inputs` are md5 by path."""
        tags = {
            "mlflow.parentRunId": parent.info.run_id,
            "dvc.stage": name,
            **_state_tags(now),
            "process.host": socket.gethostname(),
            "process.pid": str(os.getpid()),
            "process.started": start_ticks(os.getpid()),
            **{legal(f"dvc.dep.{path}"): md5 for path, md5 in inputs.items()},
        }
        self.client.update_run(parent.info.run_id, status="RUNNING")
        return self.client.create_run(self.experiment, start_time=time_ms, tags=tags, run_name=name)

    def end(self, child: Run, status: str, time_ms: int) -> None:
        """End a stage's run and, with the same status, its parent: the newest news of the pipeline."""
        for run_id in (child.info.run_id, child.data.tags["mlflow.parentRunId"]):
            self.client.set_terminated(run_id, status, time_ms)

    def close_orphans(self) -> int:
        """End as KILLED what a process of this host left running when it was killed; the number of such runs."""
        mine = f"attributes.status = 'RUNNING' and tags.`process.host` = '{socket.gethostname()}'"
        running = list(self.client.search_runs([self.experiment], mine))
        orphans = [r for r in running if start_ticks(int(r.data.tags["process.pid"])) != r.data.tags["process.started"]]
        for run in orphans:
            self.end(run, "KILLED", int(time.time() * 1000))
        return len(orphans)

    def write(
        self, run_id: str, metrics: Sequence[Metric], params: Mapping[str, object], tags: Mapping[str, object]
    ) -> None:
        """Log in as few calls as MLflow allows. Names are made legal, long texts cut, secrets blotted out."""
        as_params = [Param(legal(name), _text(value, MAX_PARAM)) for name, value in params.items()]
        as_tags = [RunTag(legal(name), _text(value, MAX_TAG)) for name, value in tags.items()]
        for some_params in _parts(as_params, MAX_NAMES_A_BATCH):
            self.client.log_batch(run_id, params=some_params)
        for some_tags in _parts(as_tags, MAX_NAMES_A_BATCH):
            self.client.log_batch(run_id, tags=some_tags)
        for some_metrics in _parts(metrics, MAX_METRICS_A_BATCH):
            self.client.log_batch(run_id, metrics=some_metrics)


@contextlib.contextmanager
def claimed(uri: str) -> Iterator[None]:
    """One process at a time sets up a store or looks for its parent run."""
    folder = _artifacts(uri) if uri.startswith(SQLITE) else project_root(Path.cwd()) / ".cache" / "locks"
    with claims.held(folder / ".tracking.lock", f"writes to {redacted(uri)}"):
        yield


def start_ticks(pid: int) -> str:
    """Start of a living process in clock ticks since boot; empty for one that ended. With the pid it is unique.

    Not the time of `psutil`, which moves when the clock is set.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _follow_move(database: Path, experiment: str, place: str) -> None:
    """Point the experiment and its runs to the artifacts beside `database`, where they stand for another folder.

    MLflow writes absolute places into its database, so a checkout that was moved or copied would go on writing to the
    folder of before. MLflow has no call for this; the two columns are older than its first stable version.
    """
    if not database.is_file():
        return
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return
        query = "SELECT experiment_id, artifact_location FROM experiments WHERE name = ? AND artifact_location != ?"
        for number, old in connection.execute(query, (experiment, place)).fetchall():
            connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (place, number))
            connection.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE experiment_id = ? AND "
                "substr(artifact_uri, 1, ?) = ?",
                (place, len(old) + 1, number, len(old), old),
            )


def _state_tags(now: state.State) -> dict[str, str]:
    return {
        "dvc.exp_name": now.experiment,
        "dvc.exp_baseline": now.baseline,
        "git.dirty": str(now.dirty).lower(),
        "profile": now.profile,
        "mlflow.source.git.commit": now.commit,
    }


def _artifacts(uri: str) -> Path:
    return Path(uri.removeprefix(SQLITE)).parent / "mlruns"


def _text(value: object, limit: int) -> str:
    text = redacted(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
