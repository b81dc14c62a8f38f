"""What the run of a pipeline's state shows in MLflow's table: its settings, what it changed, its results, its price."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.edge.cli import stage_log
from stages.edge.files import lockfile

REPORTS = (".md", ".html")
"""Endings of the outs that a person reads."""
EVAL, SUMMARY = "eval.json", "summary.json"
AS_COMMITTED = "as committed"


def settings(folder: Path) -> dict[str, object]:
    """The settings of the graph and of the profile in force by dotted key, as `params.yaml` has them."""
    return lockfile.settings((folder / "params.yaml").read_text(encoding="utf-8"))


def tags(folder: Path, current: Mapping[str, object], baseline: str) -> dict[str, str]:
    """`changed`: the settings that differ from the baseline of an experiment, or else from the last commit."""
    shown = subprocess.run(
        ["git", "show", f"{baseline or 'HEAD'}:./params.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        return {}
    before = lockfile.settings(shown.stdout)
    names = sorted(current.keys() | before.keys())
    pairs = {name: (before.get(name), current.get(name)) for name in names}
    changed = [f"{name}: {old} -> {new}" for name, (old, new) in pairs.items() if old != new]
    return {"changed": "; ".join(changed) or AS_COMMITTED}


def results(folder: Path, profile: str) -> dict[str, float]:
    """Of each student the mean and each exam with its interval and tokens, in percent; the minutes of the stages.

    The names sort so that the means come first in MLflow's table.
    """
    found: dict[str, float] = {}
    files = {Path(path).name: folder / path for stage in lockfile.read(folder).values() for path in stage.outs}
    for student, numbers in _read(files.get(SUMMARY)).get("mean", {}).items():
        found |= _percent(f"mean/{student}", numbers, "value")
    for student, exams in _read(files.get(EVAL)).items():
        for exam, numbers in exams.items() if isinstance(exams, dict) else ():
            average = next((name for name in numbers if name.startswith("avg")), None)
            if average:
                found |= _percent(f"{exam}/{student}", numbers, average)
            if "mean_tokens" in numbers:
                found[f"{exam}/{student}_tokens"] = float(numbers["mean_tokens"])
    last = {row["stage"]: row for row in stage_log.rows(folder, profile)}
    if last:
        found["minutes/all_stages"] = round(sum(row["seconds"] for row in last.values()) / 60, 2)
        found |= {f"minutes/{name.replace('@', '_')}": round(row["seconds"] / 60, 2) for name, row in last.items()}
    return found


def reports(folder: Path) -> Iterator[Path]:
    """The outs that a person reads, as far as they are there."""
    for stage in lockfile.read(folder).values():
        for path in stage.outs:
            if Path(path).suffix in REPORTS and (folder / path).is_file():
                yield folder / path


def _percent(name: str, numbers: Mapping[str, float], key: str) -> dict[str, float]:
    named = {"": key, "_ci_low": "ci_low", "_ci_high": "ci_high"}
    return {f"{name}{end}": round(100 * numbers[each], 2) for end, each in named.items() if each in numbers}


def _read(path: Path | None) -> Any:  # noqa: ANN401
    return json.loads(path.read_text(encoding="utf-8")) if path is not None and path.is_file() else {}
