"""What another revision does better: its scores from DVC's cache, its settings from git."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages.core.scoring.scores import SCORES, SCORES_KEY
from stages.edge.files import tables
from tests.projects import ROOT
from tests.test_verbs import Ended, call

pytestmark = pytest.mark.slow

STAGE = {
    "cmd": "python -c \"import shutil; shutil.copy('made.parquet', 'data/scores.parquet')\"",
    "deps": ["made.parquet"],
    "outs": ["data/scores.parquet"],
}
NUM_PROBLEMS, NUM_SAMPLES = 30, 8


def scores(right: dict[str, int]) -> pl.DataFrame:
    """`right` samples of eight on each problem by student; the first problem is never solved."""
    rows = [
        {
            "student": student, "benchmark": "exam", "problem_id": f"p{n:02}", "num_samples": NUM_SAMPLES,
            "num_correct": number if n else 0, "num_unscored": 0, "majority_correct": float(number > 4),
        }
        for student, number in right.items()
        for n in range(NUM_PROBLEMS)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SCORES)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose branch `better` has another `final` and another setting; here nothing has changed."""
    folder = tmp_path_factory.mktemp("compare") / "project"
    (folder / "data").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["dvc", "init", "-q"], cwd=folder, check=True, env=environment)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"report": STAGE}}))
    for branch, right, seed in (("main", 3, 42), ("better", 6, 1)):
        if branch != "main":
            git(folder, "checkout", "-q", "-b", branch)
        document: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
        document["profiles"]["cpu"]["train"]["turbo"]["seed"] = seed
        (folder / "params.yaml").write_text(yaml.safe_dump(document))
        tables.write(scores({"final": right, "teacher": 4}), folder / "made.parquet", SCORES, SCORES_KEY)
        subprocess.run(["dvc", "repro", "-q"], cwd=folder, check=True, env=environment)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", branch)
    git(folder, "checkout", "-q", "main")
    subprocess.run(["dvc", "checkout", "-q"], cwd=folder, check=True, env=environment)
    return folder


def compare(folder: Path, one: str, other: str) -> Ended:
    return call(folder, "compare", one, other)


@pytest.mark.parametrize("one", ["main", "workspace"])
def test_students_are_compared_on_the_same_problems_and_settings_by_value(one: str, folder: Path) -> None:
    done = compare(folder, one, "better")
    assert done.returncode == 0, done.stderr
    assert (
        "- final: +36.2 points [" in done.stdout
        and "resolved for these weights; 29 problems gained, 0 lost" in done.stdout
    )
    assert "gained p01, p02, p03, p04, p05, ..." in done.stdout
    assert "- teacher: no difference" in done.stdout
    assert done.stdout.rstrip().endswith("settings that differ:\n\n- train.turbo.seed: 42 -> 1")


def test_the_other_way_round_they_are_lost(folder: Path) -> None:
    shown = compare(folder, "better", "main").stdout
    assert "- final: -36.2 points [" in shown and "0 problems gained, 29 lost" in shown


def test_where_no_setting_differs_that_is_said(folder: Path) -> None:
    assert compare(folder, "main", "workspace").stdout.endswith("\nsettings that differ: none\n")


def test_a_revision_that_is_none_and_one_whose_scores_are_gone_are_told(folder: Path) -> None:
    done = compare(folder, "main", "nowhere")
    assert done.returncode == 1 and "nowhere: is no commit, branch or experiment that has dvc.lock" in done.stderr
    shutil.move(folder / ".dvc/cache", folder / ".dvc/away")
    try:
        done = compare(folder, "workspace", "better")
    finally:
        shutil.rmtree(folder / ".dvc/cache", ignore_errors=True)
        shutil.move(folder / ".dvc/away", folder / ".dvc/cache")
    assert done.returncode == 1 and "neither in the cache here nor in a remote" in done.stderr, json.dumps(done)


def again(folder: Path, right: dict[str, int], **changes: object) -> None:
    """Run the pipeline of `folder` with other scores and settings, and let the report keep them."""
    document = yaml.safe_load((folder / "params.yaml").read_text())
    for key, value in changes.items():
        stage, name = key.split("__")
        document["profiles"]["cpu"]["train"][stage][name] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    tables.write(scores(right), folder / "made.parquet", SCORES, SCORES_KEY)
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["dvc", "repro", "-q"], cwd=folder, check=True, env=environment)
    assert call(folder, "compare", "--list").returncode == 0  # what the report does in a real run


@pytest.fixture
def fresh(folder: Path, tmp_path: Path) -> Path:
    """A copy of the repository in which nothing was kept yet."""
    shutil.copytree(folder, tmp_path / "project")
    shutil.rmtree(tmp_path / "project/.cache", ignore_errors=True)
    return tmp_path / "project"


def test_without_names_an_experiment_is_compared_with_the_run_of_the_committed_settings(fresh: Path) -> None:
    again(fresh, {"final": 3, "teacher": 4})
    again(fresh, {"final": 6, "teacher": 4}, turbo__learning_rate=5.0e-4)
    done = call(fresh, "compare")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("workspace against ")
    assert "- final: +36.2 points [" in done.stdout and "resolved for these weights" in done.stdout
    assert done.stdout.rstrip().endswith("- train.turbo.learning_rate: 0.0001 -> 0.0005")
    listed = call(fresh, "compare", "--list").stdout.splitlines()
    assert len(listed) == 3 and " *" in listed[0] and "train.turbo.learning_rate=0.0005" in listed[0]
    assert "committed settings" in listed[1]


def test_after_an_edit_of_the_code_the_run_before_it_is_the_baseline(fresh: Path) -> None:
    again(fresh, {"final": 3, "teacher": 4})
    again(fresh, {"final": 6, "teacher": 4})
    done = call(fresh, "compare")
    assert "- final: +36.2 points [" in done.stdout
    assert done.stdout.endswith("\nsettings that differ: none\n")


def test_a_run_with_itself_and_an_only_run_are_named_as_such(fresh: Path) -> None:
    done = call(fresh, "compare")
    assert done.returncode == 1 and "this is your only run of the committed settings" in done.stderr
    done = call(fresh, "compare", "workspace", "main")
    assert done.stdout.startswith("main and workspace have the same scores: there is no difference to show")


def test_scores_that_dvc_lost_are_found_among_the_kept_runs(fresh: Path) -> None:
    again(fresh, {"final": 3, "teacher": 4})
    again(fresh, {"final": 6, "teacher": 4}, turbo__seed=7)
    shutil.rmtree(fresh / ".dvc/cache")
    done = compare(fresh, "main", "workspace")
    assert done.returncode == 0 and "- final: +36.2 points [" in done.stdout, done.stderr


def test_over_seeds_both_recipes_count_with_all_their_trainings(fresh: Path) -> None:
    for seed, right in ((1, 2), (2, 3), (3, 4)):
        again(fresh, {"final": right, "teacher": 4}, turbo__seed=seed, turbo__epochs=1)
        if seed < 3:
            again(fresh, {"final": right + 2, "teacher": 4}, turbo__epochs=2)
    names = [line.split()[0] for line in call(fresh, "compare", "--list").stdout.splitlines()]
    early = call(fresh, "compare", "--over", "seeds", names[1], names[0])
    assert early.returncode == 1 and "2 of the 3 seeds of training" in early.stderr
    again(fresh, {"final": 6, "teacher": 4}, turbo__epochs=2)
    one = call(fresh, "compare", names[0], "workspace").stdout
    assert "resolved for these weights" in one
    assert "over 3 seeds of training: final from 24.2 to 48.3, standard deviation 12.1 points" in one
    done = call(fresh, "compare", "--over", "seeds", names[0], "workspace")
    assert done.returncode == 0, done.stderr
    assert "over 3 and 3 seeds of training" in done.stdout
    assert "- final: +24.2 points [" in done.stdout and "resolved over training seeds" in done.stdout
