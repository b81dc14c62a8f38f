"""What a plan says where code changed, the check that follows it, and that a change of results does not pass it."""

import re
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages import verify
from stages.edge import params
from stages.edge.errors import InputError
from stages.edge.planning.repro_state import Stage, Verdict
from tests import small_pipeline
from tests.projects import copy_project
from tests.projects import dvc as start_dvc
from tests.test_plan import call, planned, stage
from tests.tiny_models import save_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CODE = {
    "stages/core/labelling": ["labels.py"],
    "stages/vote.py": [],
}


def dvc(folder: Path, *arguments: str, **variables: str) -> None:
    with start_dvc(folder, *arguments, **variables) as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments], cwd=folder, check=True)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran up to the votes and the first exam."""
    top = tmp_path_factory.mktemp("verify")
    folder = copy_project(top / "project", small_pipeline.settings(save_tiny_model(top / "model")))
    with small_pipeline.server(folder) as server:
        dvc(folder, "repro", "-q", "judge@medium", "mark@base", OPENAI_BASE_URL=server.url)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "ran")
    return folder


@contextmanager
def edited(folder: Path, file: str, old: str, new: str) -> Iterator[None]:
    path = folder / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(before)


def files(folder: Path) -> dict[Path, bytes | None]:
    """What lies in the project, DVC's and git's own files apart; of the store, which counts its readers, the names."""
    return {
        path: None if "answers" in path.parts else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".dvc", ".git", "__pycache__"} & set(path.relative_to(folder).parts)
    }


STAGES = ("base", "collect", "teach@medium", "read@medium", "vote@medium", "judge@medium", "exam@base", "mark@base")


def test_outs_of_the_present_code_are_equal_and_nothing_changes(ran: Path) -> None:
    before = files(ran)
    done = call(ran, "verify", *STAGES, "--problems", "5")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(STAGES)
    assert all(": equal: " in line for line in lines)
    assert "teach@medium: equal: 5 problems in 1 out, 15 rows" in lines
    assert files(ran) == before


def test_where_only_code_changed_the_plan_names_it_and_how_to_keep_the_outs(ran: Path) -> None:
    with (
        edited(ran, "stages/vote.py", "import polars as pl", "import polars as pl  # a comment"),
        edited(ran, "stages/core/labelling/labels.py", '"""', '"""Another docstring. '),
    ):
        plan = planned(ran)
        found = stage(plan, "vote@medium")
        assert (found["dvc"], found["why"]["code"], found["why"]["settings"]) == ("runs", CODE, {})
        assert found["accept"] == ["python -m stages.verify vote@medium", "dvc commit -f vote@medium"]
        text = call(ran, "plan").stdout
        assert "code stages/vote.py, stages/core/labelling (labels.py)" in text
        assert "\n  python -m stages.verify " in text and "vote@medium" in text.partition("dvc commit -f")[2]
        assert call(ran, "verify", "vote@medium").returncode == 0
        try:
            dvc(ran, "commit", "-q", "-f", *(each["stage"] for each in plan["stages"] if each["accept"]))
            assert stage(planned(ran), "vote@medium")["dvc"] == "cached"
        finally:
            git(ran, "checkout", "-q", "dvc.lock")


def test_a_stage_behind_one_that_runs_for_a_setting_is_not_to_be_accepted(ran: Path) -> None:
    with (
        edited(ran, "stages/vote.py", "import polars as pl", "import polars as pl  # a comment"),
        edited(ran, "params.yaml", "lowest: 2", "lowest: 3"),
    ):
        plan = planned(ran)
        assert stage(plan, "collect")["why"]["settings"] == {"collect.generator.lowest": [2, 3]}
        found = stage(plan, "vote@medium")
        assert (found["dvc"], found["accept"]) == ("runs", [])
        assert "settings collect.generator.lowest 2 -> 3" in call(ran, "plan").stdout
        done = call(ran, "verify", "collect")
        assert done.returncode == 1
        assert "its settings changed since it ran (collect.generator.lowest); run `dvc repro`" in done.stdout


def test_a_change_of_results_is_shown_by_row_and_column(ran: Path) -> None:
    with edited(ran, "stages/vote.py", "tables.write(votes,", 'tables.write(votes.with_columns(tied=~pl.col("tied")),'):
        done = call(ran, "verify", "vote@medium", "read@medium", "--problems", "5")
        assert done.returncode == 1
        first, second, third = done.stdout.splitlines()
        assert first.startswith("vote@medium: differs: all rows and files")
        assert re.match(
            r"  data/votes/medium.parquet: (\d+) of \1 rows differ, in tied; the first, problem_id=", second
        )
        assert third.startswith("read@medium: equal")
        assert done.stderr == "error: vote@medium: keep none of these outs; `dvc repro` makes them anew\n"


def test_requests_with_other_keys_are_noticed_with_the_store_and_without(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for root in (ran / ".cache/answers", tmp_path / "none"):
        monkeypatch.setenv("REASONLITE_STORE", str(root))
        assert "teach@medium: equal" in call(ran, "verify", "teach@medium", "--problems", "3").stdout
        with edited(ran, "stages/core/sampling/prompts.py", '"role": "user"', '"role": "system"'):
            done = call(ran, "verify", "teach@medium", "--problems", "3")
            assert done.returncode == 1
            assert "not all requests have keys under which an answer is stored" in done.stdout
    assert not (tmp_path / "none").exists()


def test_a_stage_that_fails_is_not_equal(ran: Path) -> None:
    with edited(ran, "stages/read.py", "def main() -> None:", "def main() -> None:\n    raise OSError('broken')\n"):
        done = call(ran, "verify", "read@medium")
        assert done.returncode == 1 and "read@medium: not shown to be equal: OSError: broken" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("vote@nobody",), "vote@nobody: is no stage of dvc.yaml, which has base, collect,"),
        (("train@turbo",), "train@turbo: not shown to be equal: it did not run here; run `dvc repro`"),
        (("vote@medium", "--record"), "--record vote@medium: only checks of train stages are recorded"),
    ],
)
def test_what_cannot_be_verified_is_one_sentence(arguments: tuple[str, ...], error: str, ran: Path) -> None:
    done = call(ran, "verify", *arguments)
    assert done.returncode == 1 and error in done.stdout + done.stderr


def train(folder: Path, losses: str) -> Stage:
    rows = "".join(f"{row},2.0\n" for row in losses.split())
    (folder / "log.csv").write_text(f"step,loss,grad_norm\n{rows}")
    return Stage(Verdict.RUNS, (), (), command="exec python -m stages.train --init i --sft s --losses log.csv")


@pytest.mark.parametrize(
    ("losses", "differences"),
    [
        ([1.5, 0.7501], []),
        ([1.5, 0.76], ["step 2: loss 0.76, was 0.75"]),
        ([float("nan"), 0.75], ["step 1: loss nan, was 1.5"]),
    ],
)
def test_the_first_losses_of_training_are_compared_with_the_recorded_ones(
    losses: list[float], differences: list[str], ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def first_steps(init: Path, sft: Path, settings: object, runtime: object, num_steps: int) -> list[dict[str, float]]:
        asked.append((init, sft, num_steps))
        return [{"loss": loss, "grad_norm": 2.0} for loss in losses]

    checking = types.ModuleType("checking")
    checking.COMPARED, checking.first_steps = ("loss", "grad_norm"), first_steps  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stages.edge.training.checking", checking)
    monkeypatch.setattr("stages.edge.training.checking", checking, raising=False)
    monkeypatch.chdir(ran)
    params.content.cache_clear()
    assert verify._first_steps("turbo", train(ran, "1,1.5\n2,0.75\n3,0.7\n"), 2)[1] == differences
    assert asked == [(Path("i"), Path("s"), 2)]
    with pytest.raises(InputError, match="2 steps were made where"):
        verify._first_steps("turbo", train(ran, "1,1.5\n2,0.75\n3,0.7\n"), 3)
    (ran / "log.csv").unlink()
    params.content.cache_clear()
