"""The life of a problem and of an exam question; nothing is told of what cannot be seen."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import yaml

from stages.core.answers import table as table_of_answers
from stages.core.labelling import answer_classes, judging
from stages.core.problems import problems
from stages.core.problems.dropped import DUPLICATES, EVIDENCE
from stages.core.tables.answers import EXAM_VERDICTS, VERDICTS, VERDICTS_KEY
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.core.tables.votes import VOTES, VOTES_KEY
from stages.core.text.identity import problem_id
from stages.edge.errors import InputError
from stages.edge.files import tables
from stages.edge.results import lineage
from tests.test_verbs import trace

SUM, HALF = "What is 2+2?", "What is half of 3?"
QUESTION = problem_id(HALF)
LOCKED = {
    "collect": [f"data/{name}.parquet" for name in ("problems", "benchmarks", "duplicates", "contamination")],
    "teach@medium": ["data/traces/medium"],
    "vote@medium": ["data/votes/medium.parquet"],
    "judge@medium": ["data/verdicts/medium.parquet", "metrics/judge_medium.json"],
    "exam@final": ["data/exams/final"],
    "mark@final": ["data/marks/final.parquet"],
    "baselines": ["data/exams/baselines"],
    "mark@baselines": ["data/marks/baselines.parquet"],
}


def write_traces(folder: Path, traces: str, verdicts: str, rows: list[dict[str, object]], label: str) -> None:
    table = pl.DataFrame(rows, schema=TRACES)
    tables.write(table, folder / traces, TRACES, TRACES_KEY)
    keys = ["benchmark", "problem_id"] if rows[0]["benchmark"] else ["problem_id"]
    labels = table.select(keys).unique().with_columns(label=pl.lit(label))
    answers = table_of_answers.read_answers(table.select(list(table_of_answers.TRACES_IN)))
    classes = answer_classes.classes([answers], lambda pairs: {})
    finish = partial(judging.exam_verdicts, classes=classes) if rows[0]["benchmark"] else judging.verdicts
    judged = finish(judging.prepare(answers, labels), {})
    tables.write(judged, folder / verdicts, EXAM_VERDICTS if rows[0]["benchmark"] else VERDICTS, VERDICTS_KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run left of one problem, to which the teacher gave two answers, and of an exam of one question."""
    made = problems.problem_rows("mine", [{"prompt": SUM, "gold": "4"}])
    tables.write(made, tmp_path / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)
    exam = problems.benchmark_rows("fruit", None, problems.problem_rows("fruit", [{"prompt": HALF, "gold": "3/2"}]))
    tables.write(exam, tmp_path / "data/benchmarks.parquet", BENCHMARKS, BENCHMARKS_KEY)
    for name, schema in (("duplicates", DUPLICATES), ("contamination", EVIDENCE)):
        pl.DataFrame(schema=schema).write_parquet(tmp_path / f"data/{name}.parquet")
    votes = (problem_id(SUM), 2, 2, "4", 2, 1.0, False, [{"answer": "4", "votes": 2}], "4", "gold")
    table = pl.DataFrame([votes], schema=VOTES, orient="row")
    tables.write(table, tmp_path / "data/votes/medium.parquet", VOTES, VOTES_KEY)

    def answers(model: str, effort: str | None, prompt: str, *given: str) -> list[dict[str, object]]:
        benchmark = "fruit" if prompt == HALF else None
        return [
            {**trace(model, effort, benchmark, prompt, sample), "content": f"\\boxed{{{answer}}}"}
            for sample, answer in enumerate(given)
        ]

    taught = answers("teacher", "medium", SUM, "4", "4")
    write_traces(tmp_path, "data/traces/medium", "data/verdicts/medium.parquet", taught, "4")
    for name, rows in (
        ("final", answers("final", None, HALF, "1.5", "2")),
        ("baselines", answers("teacher", "high", HALF, "7") + answers("teacher", "medium", HALF, "3/2")),
    ):
        write_traces(tmp_path, f"data/exams/{name}", f"data/marks/{name}.parquet", rows, "3/2")
    lock(tmp_path, LOCKED)
    return tmp_path


def lock(folder: Path, outs: dict[str, list[str]]) -> None:
    stages = {stage: {"outs": [{"path": path, "md5": "m"} for path in paths]} for stage, paths in outs.items()}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def told(folder: Path, problem_id: str) -> list[str]:
    return [" ".join(line.split()) for line in lineage.lines(folder, problem_id)]


def test_an_exam_question_is_shown_with_what_each_student_made_of_it(folder: Path) -> None:
    assert told(folder, QUESTION) == [
        f"exam question {QUESTION}",
        "benchmark fruit",
        f"prompt {HALF}",
        "gold 3/2",
        "final: 2 samples, 1 correct",
        "final 0 stop 7 tokens 1.5 correct by number",
        "final 1 stop 7 tokens 2 incorrect by number",
        "teacher at high: 1 samples, 0 correct",
        "teacher 0 stop 7 tokens 7 incorrect by number",
        "teacher at medium: 1 samples, 1 correct",
        "teacher 0 stop 7 tokens 3/2 correct by number",
    ]


def test_an_exam_that_was_not_marked_counts_nothing_as_wrong(folder: Path) -> None:
    lock(folder, {stage: outs for stage, outs in LOCKED.items() if stage != "mark@final"})
    assert "final: 2 samples" in told(folder, QUESTION)


def test_a_problem_that_is_an_exam_question_too_is_told_as_both(folder: Path) -> None:
    both = problems.benchmark_rows("fruit", None, problems.problem_rows("fruit", [{"prompt": SUM, "gold": "4"}]))
    tables.write(both, folder / "data/benchmarks.parquet", BENCHMARKS, BENCHMARKS_KEY)
    found = told(folder, problem_id(SUM))
    assert found[0] == f"problem {problem_id(SUM)}" and "effort medium: 2 samples" in found
    assert f"exam question {problem_id(SUM)}" in found


@pytest.mark.parametrize("gone", ["data/problems.parquet", "data/benchmarks.parquet", "data/traces/medium"])
def test_what_is_not_there_is_said_to_be_missing_and_not_that_there_is_none(gone: str, folder: Path) -> None:
    (folder / gone).rename(folder / "elsewhere")
    with pytest.raises(InputError, match=f"{gone}: is not there; run `dvc repro`, `dvc pull` or `dvc checkout`"):
        told(folder, problem_id(SUM))


def test_a_table_of_another_version_of_the_program_is_told(folder: Path) -> None:
    pl.DataFrame({"problem_id": [problem_id(SUM)]}).write_parquet(folder / "data/problems.parquet")
    with pytest.raises(InputError, match="no out of collect is the table of this version of the program: run `dvc"):
        told(folder, problem_id(SUM))


def test_a_stage_that_never_ran_is_passed_over(folder: Path) -> None:
    lock(folder, {stage: LOCKED[stage] for stage in ("collect", "teach@medium")})
    found = told(folder, problem_id(SUM))
    assert "effort medium: 2 samples" in found and "teacher 0 stop 7 tokens None not judged" in found


def test_an_id_that_is_neither_a_problem_nor_a_question_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match="no problem of this run has that id, and no exam question"):
        told(folder, "0" * 16)


def test_model_text_is_shown_and_never_sent_to_the_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "\x1b]0;pwned\x07\x1b[2J7"
    row = {"histogram": [{"answer": hostile, "votes": 3}], "label": hostile, "label_source": "vote"}
    outs = SimpleNamespace(
        rows=lambda stage, schema, **_: [row] if stage.startswith("vote@") else [], stages=lambda prefix: []
    )
    lines = list(lineage._effort(outs, "medium", "p"))  # type: ignore[arg-type]
    assert any("pwned" in line and "x3" in line for line in lines)
    assert not any("\x1b" in line or "\x07" in line for line in lines)
