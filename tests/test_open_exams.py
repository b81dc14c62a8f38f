"""Exams with `until`, from the questions to the table: drawn, marked and reported by the stages themselves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.problems import problems
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.traces import TRACES
from stages.edge.files import tables
from tests.projects import copy_project, environment
from tests.scripted_server import Reply, ScriptedServer
from tests.test_report import report_of

WIDTH, START, MOST, NUM_PROBLEMS = 0.27, 4, 16, 12
ASK = (
    *("stages.baselines", "--benchmarks", "data/benchmarks.parquet", "--base", "models/base"),
    *("--output", "data/exams/baselines"),
)
MARK = (
    *("stages.mark", "--traces", "data/exams/baselines", "--benchmarks", "data/benchmarks.parquet"),
    *("--output", "data/marks/baselines.parquet"),
)
GATHER = (
    *("stages.gather", "--student", "base", "--output", "data/gathered/base"),
    *("--files", "data/exams/baselines", "data/marks/baselines.parquet"),
)


def settings(params: dict[str, Any]) -> None:
    profile = params["profiles"]["cpu"]
    profile["exam"]["protocol"].update(num_samples=START, until={"ci_width": WIDTH, "max_samples": MOST})
    profile["baselines"][0]["model"]["name"] = "some/model"


def reply(body: dict[str, Any]) -> Reply:
    """Where a question is known its answer is right always or never, elsewhere every other time."""
    kind, number = body["messages"][-1]["content"].split("\n")[0].split()
    is_right = int(number) % 2 if kind == "known" else body["seed"] % 2
    return Reply("\\boxed{7}" if is_right else "\\boxed{8}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project after the report, and what the exam said."""
    folder = copy_project(tmp_path_factory.mktemp("open") / "project", settings)
    exams = []
    for kind in ("alike", "known"):
        rows = [{"prompt": f"{kind} {number}", "gold": "7"} for number in range(NUM_PROBLEMS)]
        exams.append(problems.benchmark_rows(kind, None, problems.problem_rows(kind, rows)))
    first = pl.col("prompt") == "alike 0"
    made = pl.concat(exams).with_columns(gold=pl.when(first).then(None).otherwise(pl.col("gold")))
    tables.write(made, folder / "data/benchmarks.parquet", BENCHMARKS, BENCHMARKS_KEY)
    (folder / "models/base").mkdir(parents=True)
    (folder / "metrics").mkdir(exist_ok=True)
    said = ""
    with ScriptedServer(["some/model"], reply) as server:
        for command in (ASK, MARK, GATHER, ("stages.report", *report_of("base"))):
            done = subprocess.run(
                [sys.executable, "-m", *command],
                cwd=folder, env=environment(OPENAI_BASE_URL=server.url), capture_output=True, text=True, timeout=100,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            said += done.stderr
    return folder, said


def test_each_benchmark_and_effort_has_as_many_samples_as_it_needed(run: tuple[Path, str]) -> None:
    traces = tables.read(run[0] / "data/exams/baselines", TRACES)
    drawn = traces.group_by("effort", "benchmark").agg(
        num=pl.len() / NUM_PROBLEMS, most=pl.col("sample").max() + 1, why=pl.col("stopped").unique()
    )
    found = {(effort, benchmark): rest for effort, benchmark, *rest in drawn.iter_rows()}
    assert set(found) == {(effort, name) for effort in ("medium", "high") for name in ("alike", "known")}
    for (_, benchmark), (num, most, why) in found.items():
        assert num == most
        if benchmark == "known":
            assert (num, why) == (START, ["hopeless"])
        else:
            assert START < num <= MOST and why == ["settled"]


def test_the_printed_interval_is_as_narrow_as_was_asked_and_of_those_that_can_be_scored(run: tuple[Path, str]) -> None:
    found = json.loads((run[0] / "metrics/eval.json").read_text())["teacher"]
    assert found["alike"]["ci_high"] - found["alike"]["ci_low"] <= 1.03 * WIDTH
    assert found["known"]["ci_high"] - found["known"]["ci_low"] > 1.5 * WIDTH
    assert found["alike"]["num_problems"] == NUM_PROBLEMS - 1, "one has no gold"
    assert found["alike"]["unscored_share"] == pytest.approx(1 / NUM_PROBLEMS)
    assert found["alike"]["samples_drawn"] > found["known"]["samples_drawn"] == START
    assert {"avg", "maj_at_4", "pass_at_2"} <= set(found["known"]) and "avg_at_4" not in found["known"]


def test_the_table_and_the_log_say_how_it_ended(run: tuple[Path, str]) -> None:
    folder, said = run
    table = (folder / "metrics/results.md").read_text()
    assert "| alike avg / pass@2, samples |" in " ".join(table.split())
    assert f"known {NUM_PROBLEMS} problems x {START} samples or more, until the interval was narrow" in table
    assert "teacher, effort medium, alike: 4 samples of 12 problems, interval" in said
    assert "as narrow as asked" in said and "only more problems narrow it" in said
