"""Exam results as the hub wants them: all in a card's `model-index`, some in files of `.eval_results/`.

The second is for data sets that the hub knows as benchmarks: they have an eval.yaml that names their tasks
(https://huggingface.co/docs/hub/eval-results).
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from stages.core.publishing import model_card
from stages.core.publishing.model_card import Checkpoint
from stages.edge.errors import InputError
from stages.edge.publish import upload
from stages.edge.publish.record import RunRecord

HUB = "https://huggingface.co"


class Task(NamedTuple):
    """Where the hub keeps the results of a benchmark: a data set, its commit, and the task's name there."""

    dataset: str
    revision: str | None
    name: str


def commit(source: Mapping[str, Any], record: RunRecord) -> str | None:
    """The commit of a hub data set that was read."""
    revisions = record.document("collect", "revisions")["revisions"]
    revision = source["revision"] or revisions.get(f"{source['dataset']}@newest")
    return None if revision is None else str(revision)


def _benchmarks(record: RunRecord) -> dict[str, dict[str, Any]]:
    """The sources of the exams, by name."""
    return {each["source"]["name"]: each["source"] for each in record.settings("collect")["collect"]["benchmarks"]}


def index(model: Checkpoint, record: RunRecord) -> list[Any]:
    """The results as the card's front matter has them."""
    from huggingface_hub import EvalResult

    benchmarks, results = _benchmarks(record), []
    for result in model_card.results(model.exam, model.student):
        source = benchmarks[result.benchmark]
        is_hub = source["kind"] == "hub"
        results.append(
            EvalResult(
                task_type="text-generation",
                # A benchmark of ours is its own type: the hub takes results of one type and split for one benchmark's.
                dataset_type=source["dataset"] if is_hub else result.benchmark,
                dataset_name=result.benchmark,
                dataset_config=source["config"] if is_hub else None,
                dataset_split=source["split"] if is_hub else None,
                dataset_revision=commit(source, record) if is_hub else None,
                metric_type="accuracy" if result.metric.startswith("avg") else result.metric,
                metric_name=f"{result.benchmark} {result.metric}",
                metric_value=result.percent,
            )
        )
    return results


def _tasks(named: Mapping[str, Task], record: RunRecord) -> dict[str, Task]:
    """Where the hub keeps results, by benchmark: as it was named, else as the data set's own eval.yaml says."""
    benchmarks = _benchmarks(record)
    if strangers := sorted(named.keys() - benchmarks.keys()):
        raise InputError(f"--benchmark {strangers[0]}: the exams are {', '.join(benchmarks)}; name one of them")
    tasks = dict(named)
    for name, source in benchmarks.items():
        if source["kind"] != "hub" or name in tasks:
            continue
        if task := _known_task(source):
            tasks[name] = Task(source["dataset"], commit(source, record), task)
        else:
            print(
                f"{name}: {source['dataset']} is no benchmark of the hub; its results are only in the card, "
                f"unless you name it with --benchmark {name}={source['dataset']}:TASK",
                file=sys.stderr,
            )
    return tasks


def _known_task(source: Mapping[str, Any]) -> str | None:
    """The task of a data set's eval.yaml that is this configuration and split, if it has one and can be read."""
    from huggingface_hub import hf_hub_download

    unreadable: tuple[type[Exception], ...] = (*upload.failures(), yaml.YAMLError, KeyError, TypeError)
    try:
        path = hf_hub_download(source["dataset"], "eval.yaml", repo_type="dataset")
        tasks = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["tasks"]
        wanted = (source["config"] or "default", source["split"])
        return next((str(t["id"]) for t in tasks if (t.get("config", "default"), t["split"]) == wanted), None)
    except unreadable:
        return None


def write(
    folder: Path, model: Checkpoint, record: RunRecord, named: Mapping[str, Task], repository: str | None
) -> None:
    """A file for each benchmark that the hub knows: it takes one number of a benchmark, the average.

    `named` says where the hub keeps results, for what it does not tell itself; `repository` is the model's, if any.

    Raises:
        InputError: `named` has what is no exam.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    from huggingface_hub.constants import EVAL_RESULTS_FOLDER

    tasks, source = _tasks(named, record), f"{HUB}/{repository}" if repository else None
    for result in model_card.results(model.exam, model.student):
        if result.benchmark not in tasks or not result.metric.startswith("avg"):
            continue
        task = tasks[result.benchmark]
        entry = EvalResultEntry(
            task.dataset,
            task.name,
            result.percent,
            dataset_revision=task.revision,
            source_url=source,
            source_name="Model card" if source else None,
            notes=result.notes,
        )
        file = folder / EVAL_RESULTS_FOLDER / f"{re.sub(r'[^A-Za-z0-9_-]', '_', result.benchmark)}.yaml"
        file.parent.mkdir(exist_ok=True)
        text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
        file.write_text(text, encoding="utf-8")
