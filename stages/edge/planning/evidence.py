"""What runs of a profile left: numbers of problems, lengths of answers, rows, hours and bytes, for its plan."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.core.sampling import queries
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.traces import TRACES
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.cli import stage_log
from stages.edge.engines import endpoints
from stages.edge.errors import InputError
from stages.edge.files import lockfile, tables
from stages.edge.models import weights
from stages.edge.planning.repro_state import Stage, Verdict
from stages.edge.store import keeping

MAX_READ = 2_000
"""Stored answers that are read for their lengths."""
DONE = (Verdict.CACHED, Verdict.RESTORED)


class AnswerStats(NamedTuple):
    """Answers of one model at one effort."""

    num: int
    prompt: float | None
    written: float | None
    """`prompt` and `written` are mean tokens."""


class Evidence(NamedTuple):
    """By stage; empty where nothing of this profile has run."""

    metrics: Mapping[str, Mapping[str, Any]]
    """The numbers of its JSON outs."""
    answers: Mapping[str, Mapping[tuple[str, str | None], AnswerStats]]
    """In its traces, by model and effort."""
    stored: Mapping[str, Mapping[str, AnswerStats]]
    """Answers in the store to what it would ask, by the teacher's label; only of stages that are to run."""
    hours: Mapping[str, float]
    """Of the longest run that is logged: a rerun that finds all stored says nothing of what it took."""
    out_bytes: Mapping[str, int]
    """Of stages whose outs are all there."""
    parameters: int | None
    """Of the student's starting weights."""


NONE = Evidence({}, {}, {}, {}, {}, None)


def gather(folder: Path, profile: str, settings: params.Profile, stages: Mapping[str, Stage]) -> Evidence:
    """What lies in `folder` of the stages whose last run, by dvc.lock, was one of `profile` with the present settings.

    What other settings left says nothing of these: answers of another teacher, rows of another filter. Answers in the
    store are known by all that determines them, and count whatever changed.
    """
    locked = lockfile.read(folder)
    ours = {
        name: stage
        for name, stage in stages.items()
        if name in locked
        and any(_is_of(profile, keys) for keys in locked[name].params.values())
        and not _is_of(profile, stage.changed)
    }
    return Evidence(
        {name: metrics for name, stage in ours.items() if (metrics := _metrics(stage.outs, folder, locked[name].outs))},
        {name: answers for name, stage in ours.items() if (answers := _answers(stage.outs))},
        {name: stored for name in stages if (stored := _stored(name, settings, stages))},
        _hours(folder, profile, {name: locked[name].params for name in ours}),
        {name: sum(map(_bytes, each.outs)) for name, each in ours.items() if all(out.exists() for out in each.outs)},
        weights.num_parameters(stages["base"].outs[0]) or None if "base" in ours else None,
    )


def _is_of(profile: str, keys: Iterable[str]) -> bool:
    return any(key == f"profiles.{profile}" or key.startswith(f"profiles.{profile}.") for key in keys)


def _metrics(outs: Iterable[Path], folder: Path, recorded: Mapping[str, str]) -> dict[str, Any]:
    """The JSON files among `outs` that are as dvc.lock recorded them, as one."""
    metrics: dict[str, Any] = {}
    for path in outs:
        there = path.suffix == ".json" and path.is_file()
        if there and lockfile.md5(path) == recorded.get(path.relative_to(folder).as_posix()):
            metrics |= json.loads(path.read_bytes())
    return metrics


def _answers(outs: Iterable[Path]) -> dict[tuple[str, str | None], AnswerStats]:
    files = [file for path in outs if path.is_dir() for file in path.rglob("*.parquet")]
    files = [file for file in files if pl.read_parquet_schema(file) == TRACES]
    if not files:
        return {}
    means = (
        pl.scan_parquet(files)
        .group_by("model", "effort")
        .agg(pl.len(), pl.mean("prompt_tokens"), pl.mean("completion_tokens"))
    )
    return {(model, effort): AnswerStats(*rest) for model, effort, *rest in means.collect().iter_rows()}


def _stored(name: str, settings: params.Profile, stages: Mapping[str, Stage]) -> dict[str, AnswerStats]:
    """What the answer store holds of a teach stage that is to run on problems that are there."""
    effort = name.removeprefix("teach@")
    collect = stages.get("collect")
    if effort == name or stages[name].verdict in DONE or collect is None or collect.verdict not in DONE:
        return {}
    table = _table(collect.outs)
    if table is None:
        return {}
    stored = {}
    own = _own_model(stages[name].deps)
    for model in settings.teach.models_of(effort):
        try:
            served = endpoints.from_settings("teacher", model.label, model, own)
        except InputError:
            continue  # its weights are not there yet, so nothing was asked of them
        teach = settings.teach.by_effort[effort]
        prompt = settings.prompts[effort]
        job = jobs.made(model.label, effort, effort, served, table, prompt, teach.sampling, teach.num_samples)
        stored[model.label] = _held(job, served.collection)
    return {label: held for label, held in stored.items() if held.num}


def _own_model(deps: Iterable[Path]) -> Path:
    """The student of the graph among what a stage reads, by its name."""
    students = params.graph().chain
    return next((path for path in deps if path.name in students), Path())


def _table(outs: Iterable[Path]) -> pl.DataFrame | None:
    for path in outs:
        if path.suffix == ".parquet" and path.is_file() and pl.read_parquet_schema(path) == PROBLEMS:
            return tables.read(path, queries.PROBLEMS_IN)
    return None


def _held(job: jobs.Job, collection: str) -> AnswerStats:
    num, some = 0, list[queries.Answer]()
    for path in keeping.files(collection):
        with keeping.reading(path) as file:
            keys = file.keys()
            for start in range(0, job.problems.height, jobs.PROBLEMS_AT_ONCE):
                wanted = [bytes.fromhex(query.key) for asked in job.some_queries(start) for query in asked]
                known = [key for key, there in zip(wanted, keys.holds(wanted), strict=True) if there]
                num += len(known)
                some += [answer for _, _, answer in file.get(known[: MAX_READ - len(some)])]
    return AnswerStats(
        min(num, job.num_queries),
        _mean(answer.prompt_tokens for answer in some),
        _mean(answer.completion_tokens for answer in some),
    )


def _mean(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _hours(folder: Path, profile: str, ours: Mapping[str, Mapping[str, Mapping[str, object]]]) -> dict[str, float]:
    """Hours of the longest logged run of each stage with the present settings; `ours` has its params by file."""
    present = params.fingerprints() if profile == params.profile() else {}
    longest: dict[str, float] = {}
    for row in stage_log.rows(folder, profile):
        name = row["stage"]
        if name in ours and _has_settings(row.get("settings", {}), present, profile, ours[name]):
            longest[name] = max(longest.get(name, 0.0), row["seconds"] / 3600)
    return longest


def _has_settings(
    logged: Mapping[str, str], present: Mapping[str, str], profile: str, listed: Mapping[str, Mapping[str, object]]
) -> bool:
    """Whether what a run logged of its settings is what they are now, as far as the stage depends on them.

    A run of another experiment took other hours. A log of before has no hashes, and its runs count.
    """
    keys = [key.removeprefix(f"profiles.{profile}.") for each in listed.values() for key in each]
    sections = {".".join(key.split(".")[:2]) for key in keys}
    return all(logged[each] == present[each] for each in sections if each in logged and each in present)


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def happened(evidence: Evidence, num_epochs: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """What was counted, by stage and field of `planning.Work`, and `wall_hours`; `num_epochs` by SFT stage."""
    counts: dict[str, dict[str, float]] = {}
    for name, answers in evidence.answers.items():
        counts[name] = {
            "samples": sum(each.num for each in answers.values()),
            "prompt_tokens": round(sum(each.num * (each.prompt or 0) for each in answers.values())),
            "tokens": round(sum(each.num * (each.written or 0) for each in answers.values())),
        }
    for name, metrics in evidence.metrics.items():
        verb, _, stage = name.partition("@")
        if verb == "collect":
            counts[name] = {"problems": metrics["num_problems"]}
        elif verb == "judge":
            counts[name] = {"samples": metrics["num_traces"]}
        elif verb == "curate":
            counts[name] = {"samples": metrics["num_rows"], "tokens": metrics["num_tokens"]}
        elif verb == "train":
            tokens = metrics["num_tokens"] * num_epochs[stage]
            counts[name] = {"samples": metrics["num_rows"], "tokens": tokens, "steps": metrics["num_steps"]}
    for name, hours in evidence.hours.items():
        counts.setdefault(name, {})["wall_hours"] = hours
    for name, size in evidence.out_bytes.items():
        counts.setdefault(name, {})["outs_bytes"] = size
    return counts
