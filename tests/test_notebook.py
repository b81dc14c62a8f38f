"""The notebooks that read a run's results and its data run from their first cell to their last."""

import json
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient

from stages.core.problems import problems
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.votes import VOTES, VOTES_KEY
from stages.core.text.identity import problem_id
from stages.edge.files import tables
from tests.projects import ROOT
from tests.test_report import REPORT, gather, write_exams
from tests.test_verbs import HIGH, MEDIUM, PRODUCT, VERBS, works, write_params, write_sources, write_traces

NOTEBOOK = ROOT / "notebooks/results.ipynb"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def write_votes(folder: Path, effort: str) -> None:
    """Two problems of training: one that all agree on, one that they do not."""
    rows = problems.problem_rows("mine", [{"prompt": "Easy sum?", "gold": "1"}, {"prompt": "Hard sum?", "gold": "2"}])
    tables.write(rows, folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)
    easy, hard = (problem_id(prompt) for prompt in ("Easy sum?", "Hard sum?"))
    made = [
        (easy, 4, 4, "1", 4, 1.0, False, [{"answer": "1", "votes": 4}], "1", "gold"),
        (hard, 4, 3, "7", 2, 2 / 3, False, [{"answer": "7", "votes": 2}, {"answer": "2", "votes": 1}], "2", "gold"),
    ]
    votes = pl.DataFrame(made, schema=VOTES, orient="row")
    tables.write(votes, folder / f"data/votes/{effort}.parquet", VOTES, VOTES_KEY)
    (folder / "metrics/plots").mkdir(parents=True, exist_ok=True)
    (folder / f"metrics/plots/vote_{effort}.csv").write_text("bin,num_problems,accuracy\n0.6,1,0.0\n0.9,1,1.0\n")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves, as far as the notebook reads it."""
    folder = tmp_path_factory.mktemp("results")
    write_params(folder, lambda profile: None)
    write_exams(folder)
    for effort in ("medium", "high"):
        write_votes(folder, effort)
    for stage in ("turbo", "final"):
        (folder / f"metrics/plots/funnel_{stage}.csv").write_text("step,num_rows\nall traces,9\nnot incorrect,4\n")
        (folder / "data/train_log").mkdir(exist_ok=True)
        (folder / f"data/train_log/{stage}.csv").write_text("step,loss,held_out_loss\n1,2.0,\n2,1.5,1.7\n")
    gather(folder, "base", "turbo", "final", others=["baselines"])
    works(folder, "report", *REPORT)
    return folder


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shown(cell: Any) -> str:
    """All that a cell printed and displayed as text."""
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "\n".join(parts)


@pytest.mark.timeout(180)
def test_every_cell_runs_on_the_results_of_a_run_and_changes_none(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(results)
    monkeypatch.setenv("REASONLITE_RESULTS", str(results))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert json.dumps([cell.outputs for cell in code]).count("image/png") == 3
    text = "\n".join(shown(cell) for cell in code)
    assert all(name in text for name in ("avg_at_4", "ci_low", "pass_at_2", "mean_tokens")), "no column is hidden"
    assert "easy question " in text
    places = [text.index(f"--- {name}") for name in ("base:", "turbo:", "final:", "teacher, effort high:")]
    assert places == sorted(places)
    assert "final_over_turbo" in text
    assert "2 x 7, 1 x 2" in text and text.index("Hard sum?") < text.index("Easy sum?")
    assert "not incorrect" in text
    assert files(results) == before


@pytest.mark.timeout(180)
def test_the_quality_of_the_data_is_shown_with_examples_of_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sources(tmp_path, lambda profile: None)
    write_traces(tmp_path, "medium", MEDIUM)
    write_traces(tmp_path, "high", HIGH)
    for verb in VERBS:
        if verb[0] != "mark":
            works(tmp_path, *verb)
    before = files(tmp_path)
    monkeypatch.setenv("REASONLITE_RESULTS", str(tmp_path))
    notebook = nbformat.read(ROOT / "notebooks/data.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert json.dumps([cell.outputs for cell in code]).count("image/png") == 3
    text = "\n".join(shown(cell) for cell in code)
    assert "proof" in text, "the gold that no judge can use"
    assert "--- incorrect (" in text and "--- truncated (" in text and "--- failed (" in text
    assert PRODUCT in text and "54" in text, "the label that is not the gold"
    assert files(tmp_path) == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_results_do_not_belong_into_git(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert not cell.metadata


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_code_is_led_by_prose(path: Path) -> None:
    kinds = [cell.cell_type for cell in nbformat.read(path, as_version=4).cells]
    assert kinds[0] == "markdown" and kinds.count("markdown") >= 6
