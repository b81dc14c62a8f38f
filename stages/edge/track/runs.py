"""The two programs that write to MLflow: `record` follows one stage, `sync` settles the pipeline's state.

A stage never imports this module: `track` runs it in a process of its own.
"""

import contextlib
import hashlib
import json
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Run
from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from stages.edge.files import lockfile, state
from stages.edge.track import summaries
from stages.edge.track.events import Event, flat, legal, numbers
from stages.edge.track.ledger import Ledger, claimed


def record(inbox: "queue.SimpleQueue[Event]", uri: str, folder: Path) -> None:
    """Write a stage's events, from its opening to its end, into a child run of the pipeline's state in `folder`."""
    opening = inbox.get()
    if opening.kind == "end":
        return
    name, arguments = str(opening.values["name"]), opening.values["arguments"]
    now = state.current(folder)
    inputs = lockfile.upstream(lockfile.read(folder), name, arguments if isinstance(arguments, list) else [])
    with claimed(uri):
        ledger = Ledger(uri)
        ledger.close_orphans()
        child = ledger.child(ledger.parent(now), name, now, inputs, opening.time)
    events = [opening]
    problem: Exception | None = None
    with _system_metrics(child.info.run_id, uri):
        while events[-1].kind != "end":
            try:
                _write(ledger, child.info.run_id, events)
            except (MlflowException, OSError) as error:
                # What the store refused is lost, but the run goes on and must end.
                problem = problem or error
            events = _next_events(inbox)
    status = str(events[-1].values["status"])
    try:
        _write(ledger, child.info.run_id, events)
    finally:
        ledger.end(child, status, events[-1].time)
    if opening.values.get("is_last") and status == "FINISHED":
        with claimed(uri):
            _settle(ledger, ledger.parent(now), now, folder)
    if problem:
        raise problem


@contextlib.contextmanager
def _system_metrics(run_id: str, uri: str) -> Iterator[None]:
    """MLflow's system metrics (processor, memory, disk, network, GPU) in a run, unless its own switch is off."""
    if MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get_raw() is not None and not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        yield
        return
    monitor = SystemMetricsMonitor(run_id, tracking_uri=uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def sync(uri: str, folder: Path) -> str:
    """Bring the parent run of the state in `folder` up to date with dvc.lock; a sentence that says what it holds."""
    now, stages = state.current(folder), lockfile.read(folder)
    with claimed(uri):
        ledger = Ledger(uri)
        orphans = ledger.close_orphans()
        closed = f", closed {orphans} runs whose process was killed" if orphans else ""
        if not stages:
            return f"tracking: dvc.lock names no stage that ran{closed}"
        parent = ledger.parent(now, of_any_experiment=True)
    return f"{_settle(ledger, parent, now, folder)}{closed}"


def _settle(ledger: Ledger, parent: Run, now: state.State, folder: Path) -> str:
    """Write into a parent run what the state holds and it lacks; a sentence that says what it holds then."""
    stages = lockfile.read(folder)
    run_id, known = parent.info.run_id, parent.data.tags
    stale = lockfile.stale(stages, folder)
    outs = {path: md5 for stage in stages.values() for path, md5 in stage.outs.items()}
    values = _metrics({path: md5 for name in stages.keys() - stale for path, md5 in stages[name].outs.items()}, folder)
    settings = summaries.settings(folder)
    results = summaries.results(folder, now.profile)
    digest = hashlib.sha256((folder / "dvc.lock").read_bytes()).hexdigest()
    if known.get("dvc.lock.sha256") != digest:
        for path in (folder / "dvc.lock", folder / "params.yaml", *summaries.reports(folder)):
            ledger.client.log_artifact(run_id, str(path))
    tags = {"dvc.lock.sha256": digest, **{legal(f"dvc.out.{path}"): md5 for path, md5 in outs.items()}}
    tags |= summaries.tags(folder, settings, now.baseline)
    time_ms = int(time.time() * 1000)
    changed = [
        Metric(name, value, time_ms, 0)
        for name, value in (values | results).items()
        if parent.data.metrics.get(name) != value
    ]
    fresh = {name: value for name, value in settings.items() if legal(name) not in parent.data.params}
    ledger.write(run_id, changed, fresh, {name: value for name, value in tags.items() if known.get(name) != value})
    if not stale and not lockfile.declared(folder) - stages.keys() and parent.info.status != "FINISHED":
        ledger.client.set_terminated(run_id)
    left_out = f", not those of what changed since it ran: {', '.join(sorted(stale))}" if stale else ""
    held = f"{len(values)} metrics{left_out}, {len(settings)} settings, {len(outs)} outs"
    return f"tracking: run {parent.info.run_name!r} holds {held}"


def _write(ledger: Ledger, run_id: str, events: Sequence[Event]) -> None:
    """Write events of any kind; those of a kind go together."""
    metrics: list[Metric] = []
    texts: dict[str, dict[str, object]] = {"params": {}, "tags": {}}
    for event in events:
        if event.kind == "metrics":
            metrics += [Metric(name, value, event.time, event.step) for name, value in numbers(event.values).items()]
        elif event.kind in texts:
            texts[event.kind] |= event.values
    ledger.write(run_id, metrics, texts["params"], texts["tags"])
    for path in (Path(str(event.values["path"])) for event in events if event.kind == "artifact"):
        log = ledger.client.log_artifacts if path.is_dir() else ledger.client.log_artifact
        log(run_id, str(path))


def _next_events(inbox: "queue.SimpleQueue[Event]") -> list[Event]:
    """The next event and those that already wait behind it, up to the end."""
    events = [inbox.get()]
    with contextlib.suppress(queue.Empty):
        while events[-1].kind != "end":
            events.append(inbox.get_nowait())
    return events


def _metrics(outs: Mapping[str, str], folder: Path) -> dict[str, float]:
    """Numbers of the JSON files among `outs` that are in `folder` as dvc.lock knows them, after the file's name."""
    metrics: dict[str, float] = {}
    for path, md5 in outs.items():
        file = folder / path
        if file.suffix == ".json" and file.is_file() and lockfile.md5(file) == md5:
            metrics |= numbers(flat({file.stem: json.loads(file.read_bytes())}, "/"))
    return metrics
