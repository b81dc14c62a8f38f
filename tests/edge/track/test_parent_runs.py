"""The parent run of an experiment: complete when its last stage ends, and its artifacts beside the database."""

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.edge.track.test_track import Stored, project, python

EVAL = {
    "turbo": {"two_steps": {"avg_at_4": 0.25, "ci_low": 0.125, "ci_high": 0.5, "mean_tokens": 60.0}},
    "final": {"two_steps": {"avg_at_4": 0.5, "ci_low": 0.25, "ci_high": 0.75, "mean_tokens": 80.5}},
}
SUMMARY = {"mean": {"final": {"value": 0.5, "ci_low": 0.25, "ci_high": 0.75}}, "difference": {}}
LAST = """
    from stages.edge import track
    with track.stage("page", {}, is_last=LAST) as run:
        OUTCOME
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose report ran with a setting that is not the committed one."""
    folder = project(tmp_path / "project")
    params = "profile: cpu\nprofiles: {cpu: {train: {rate: 1e-04, epochs: 2}}, gpu: {}}\n"
    (folder / "params.yaml").write_text(params)
    python(
        "import subprocess; subprocess.run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qam', 'x'])",
        folder,
    )
    (folder / "params.yaml").write_text(params.replace("1e-04", "0.0003"))
    written = {
        "metrics/eval.json": json.dumps(EVAL),
        "metrics/summary.json": json.dumps(SUMMARY),
        "metrics/results.md": "| table |",
    }
    outs = []
    for path, text in written.items():
        (folder / path).write_text(text)
        outs.append(f"{{path: {path}, hash: md5, md5: {hashlib.md5(text.encode()).hexdigest()}, size: 1}}")
    (folder / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  report:\n    cmd: r\n    outs: [{', '.join(outs)}]\n")
    (folder / ".cache").mkdir()
    rows = [("report", 30.0), ("report", 60.0), ("train@final", 240.0)]
    (folder / ".cache/stages.jsonl").write_text(
        "".join(
            json.dumps({"stage": n, "seconds": s, "peak_gib": 1, "load": 1, "profile": "cpu"}) + "\n" for n, s in rows
        )
    )
    return folder


def last_stage(folder: Path, *, is_last: bool = True, outcome: str = "pass", name: str = "swift-otter") -> Stored:
    code = LAST.replace("LAST", str(is_last)).replace("OUTCOME", outcome)
    python(code, folder, DVC_STAGE="page", DVC_EXP_NAME=name, DVC_EXP_BASELINE_REV="HEAD")
    return Stored(folder / "mlflow.db")


def test_the_last_stage_leaves_settings_changes_results_and_reports_in_the_parent(folder: Path) -> None:
    stored = last_stage(folder)
    parent = stored.one("swift-otter")
    assert stored.tags[parent, "changed"] == "train.rate: 0.0001 -> 0.0003"
    params = {key: value for (run, key), value in stored.params.items() if run == parent}
    assert params == {"profile": "cpu", "train.rate": "0.0003", "train.epochs": "2"}
    metrics = {name: value for run, name, value, _ in stored.metrics if run == "swift-otter"}
    assert metrics["mean/final"] == 50.0
    assert (metrics["mean/final_ci_low"], metrics["mean/final_ci_high"]) == (25.0, 75.0)
    assert (metrics["two_steps/turbo"], metrics["two_steps/final_tokens"]) == (25.0, 80.5)
    assert (metrics["minutes/all_stages"], metrics["minutes/train_final"]) == (5.0, 4.0)
    assert {path.name for path in folder.glob(f"mlruns/*/{parent}/artifacts/*")} == {
        "dvc.lock",
        "params.yaml",
        "results.md",
    }


@pytest.mark.parametrize(("is_last", "outcome"), [(False, "pass"), (True, "raise OSError('disk')")])
def test_an_earlier_stage_or_one_that_failed_leaves_no_results(is_last: bool, outcome: str, folder: Path) -> None:
    stored = last_stage(folder, is_last=is_last, outcome=outcome)
    assert not [name for run, name, _, _ in stored.metrics if run == "swift-otter"]


def test_the_experiment_is_one_of_models(folder: Path) -> None:
    last_stage(folder)
    with sqlite3.connect(folder / "mlflow.db") as connection:
        tags = dict(connection.execute("SELECT key, value FROM experiment_tags"))
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_copied_checkout_writes_beside_its_own_database(folder: Path, tmp_path: Path) -> None:
    before = last_stage(folder)
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    untouched = sorted(folder.glob("mlruns/*/*"))
    stored = last_stage(copied, name="in-the-copy")
    new = stored.one("in-the-copy")
    assert list(copied.glob(f"mlruns/*/{new}/artifacts/results.md"))
    assert sorted(folder.glob("mlruns/*/*")) == untouched
    with sqlite3.connect(copied / "mlflow.db") as connection:
        places = dict(connection.execute("SELECT run_uuid, artifact_uri FROM runs"))
    old = before.one("swift-otter")
    assert places[old] == (next(copied.glob(f"mlruns/*/{old}")) / "artifacts").as_uri()
