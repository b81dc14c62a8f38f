"""A stage more, or one less, is an entry of params.yaml: the rest of the graph stays as it is, and the whole runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages.core.tables.sft import SFT
from stages.core.tables.traces import TRACES
from stages.edge.files import lockfile, tables
from tests import small_pipeline
from tests.projects import ROOT, add_own_effort, add_stage, copy_project, dvc, pool
from tests.test_architecture import expanded
from tests.tiny_models import save_tiny_model

Change = Callable[[dict[str, Any]], object]
STUDENTS = ["base", "turbo", "final", "polish", "blend"]


def longer(document: dict[str, Any]) -> None:
    """A third stage learns from the answers of the second one's student, a fourth from both efforts of the teacher."""
    add_own_effort(document, "final")
    pool(document)
    add_stage(document, "polish", effort="own", init="final", after="final")
    add_stage(document, "blend", effort="both", init="polish", after="polish")


def graph(folder: Path, change: Change) -> dict[str, tuple[str, list[str], list[str]]]:
    """Command, deps and outs of each stage after a change of params.yaml."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    change(document)
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    (folder / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    return {name: (command, deps, outs) for name, command, deps, outs in expanded(folder)}


def test_stages_that_are_added_change_nothing_of_the_others_but_what_report_and_page_read(tmp_path: Path) -> None:
    before, after = graph(tmp_path / "before", lambda _: None), graph(tmp_path / "after", longer)
    shown = {"report@", "page@"}
    assert {name: after[name] for name in before.keys() - shown} == {
        name: before[name] for name in before.keys() - shown
    }
    for name in shown:
        assert str(after[name]).replace("gathered/blend", "gathered/final") == str(before[name])
    verbs = ("curate", "train", "choose", "exam", "mark", "excerpt", "gather")
    efforts = {f"{verb}@{effort}" for verb in ("read", "vote", "judge") for effort in ("own", "both")}
    added = {f"{verb}@{stage}" for verb in verbs for stage in ("polish", "blend")}
    assert after.keys() - before.keys() == {*added, *efforts, "teach@own", "pool@both"}
    assert "models/final" in after["teach@own"][1] and "models/base" not in after["teach@own"][1]


def test_a_stage_that_is_taken_away_leaves_the_graph_without_it(tmp_path: Path) -> None:
    def shorter(document: dict[str, Any]) -> None:
        longer(document)
        for kind, name in (("sft", "polish"), ("sft", "blend"), ("teachers", "own"), ("pools", "both")):
            del document[kind][name]
        for kind, names in (("efforts", ("own", "both")), ("students", STUDENTS[3:]), ("marked", STUDENTS[3:])):
            for name in names:
                del document[kind][name]
        document["last"] = "final"

    assert graph(tmp_path / "shorter", shorter) == graph(tmp_path / "before", lambda _: None)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A project of four SFT stages after a run, and what its servers were asked."""
    folder = tmp_path_factory.mktemp("longer")
    model = save_tiny_model(folder / "model")

    def change(document: dict[str, Any]) -> None:
        small_pipeline.settings(model)(document)
        longer(document)

    project = copy_project(folder / "project", change)
    with small_pipeline.server(project) as server:
        with dvc(project, "repro", OPENAI_BASE_URL=server.url, REASONLITE_STORE=str(folder / "store")) as process:
            said, _ = process.communicate(timeout=1100)
        assert process.returncode == 0, said
        return project, list(server.requests)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_pipeline_of_four_stages_runs(ran: tuple[Path, list[dict[str, Any]]]) -> None:
    project, _ = ran
    assert lockfile.declared(project) == set(lockfile.read(project))
    assert list(json.loads((project / "metrics/eval.json").read_text())) == STUDENTS
    summary = json.loads((project / "metrics/summary.json").read_text())
    assert set(summary["difference"]) == {f"blend_over_{student}" for student in STUDENTS[:-1]}
    for name in ("funnels", "lengths", "losses"):
        plotted = pl.read_csv(project / f"metrics/plots/{name}.csv")["stage"].unique(maintain_order=True).to_list()
        assert plotted == STUDENTS[1:], name
    page = (project / "metrics/report.html").read_text()
    assert all(f"From traces to rows of {stage}" in page for stage in STUDENTS[1:])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_student_taught_and_the_one_after_it_learnt_from_its_answers(
    ran: tuple[Path, list[dict[str, Any]]],
) -> None:
    project, requests = ran
    own = tables.read(project / "data/traces/own", TRACES)
    assert set(own["model"]) == {"final"} and set(own["effort"]) == {"own"}
    assert set(tables.read(project / "data/sft/polish", SFT)["effort"]) == {"own"}
    assert set(tables.read(project / "data/sft/blend", SFT)["effort"]) == {"medium", "high"}
    asked = small_pipeline.asked(requests)
    assert len(asked) == len(set(asked)), "a pool asks nothing"
