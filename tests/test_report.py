"""Marks of the exams become numbers that a person can check by hand."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages.core.answers import table as table_of_answers
from stages.core.labelling import answer_classes, judging
from stages.core.problems import problems
from stages.core.tables.answers import EXAM_VERDICTS, VERDICTS_KEY
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge.files import tables
from tests.projects import ROOT, copy_project, environment
from tests.test_verbs import call

GOLDS = {"easy": ["1", "2"], "hard": ["3", "4"]}
# Right answers of four samples, for each of a benchmark's two problems.
RIGHT: dict[tuple[str, str, str | None], dict[str, tuple[int, int]]] = {
    ("base", "base", None): {"easy": (0, 0), "hard": (0, 0)},
    ("turbo", "turbo", None): {"easy": (4, 2), "hard": (0, 1)},
    ("final", "final", None): {"easy": (4, 4), "hard": (2, 3)},
    ("baselines", "teacher", "medium"): {"easy": (4, 4), "hard": (0, 0)},
    ("baselines", "teacher", "high"): {"easy": (3, 3), "hard": (3, 0)},
}


def report_of(last: str) -> tuple[str, ...]:
    """The arguments of `report` on what was gathered of the students up to `last`."""
    plots = ("budgets", "funnels", "lengths", "votes", "losses")
    return (
        *("--benchmarks", "data/benchmarks.parquet", "--gathered", f"data/gathered/{last}"),
        *("--scores", "data/scores.parquet", "--eval", "metrics/eval.json", "--summary", "metrics/summary.json"),
        *("--table", "metrics/results.md", "--plot", "metrics/plots/accuracy.csv"),
        *(word for name in plots for word in (f"--{name}", f"metrics/plots/{name}.csv")),
    )


REPORT = report_of("final")
EFFORTS = {"turbo": "medium", "final": "high"}


def gather(folder: Path, *students: str, others: Sequence[str] = (), efforts: Mapping[str, str] = EFFORTS) -> Path:
    """What `gather` makes of a chain of students, from those of their files that lie there; the last of its folders."""
    before = None
    for student in students:
        names = [student, *(others if before is None else ())]
        files = [folder / path for name in names for path in (f"data/exams/{name}", f"data/marks/{name}.parquet")]
        options = ["--student", student]
        if before is None:
            files.append(folder / "metrics/collect.json")
        else:
            effort = efforts[student]
            options += ["--effort", effort, "--after", f"data/gathered/{before}"]
            files += [folder / f"metrics/{name}.json" for name in (f"curate_{student}", f"judge_{effort}")]
            plots = (f"funnel_{student}", f"lengths_{student}", f"vote_{effort}")
            files += [folder / f"metrics/plots/{name}.csv" for name in plots]
            files += [folder / f"data/train_log/{student}.csv", folder / f"data/excerpts/{student}.parquet"]
        there = [str(path.relative_to(folder)) for path in files if path.exists()]
        done = call(folder, "gather", *options, "--output", f"data/gathered/{student}", "--files", *there)
        assert done.returncode == 0, done.stderr
        before = student
    return folder / f"data/gathered/{before}"


def write_exams(folder: Path) -> None:
    """Exams, marked by `judging`, in which RIGHT says how many of four answers are right."""
    made = []
    for name, golds in GOLDS.items():
        rows = [{"prompt": f"{name} question {place}", "gold": gold} for place, gold in enumerate(golds)]
        made.append(problems.benchmark_rows(name, None, problems.problem_rows(name, rows)))
    exams = pl.concat(made)
    tables.write(exams, folder / "data/benchmarks.parquet", BENCHMARKS, BENCHMARKS_KEY)
    traces: dict[str, list[dict[str, object]]] = {}
    for (part, model, effort), counts in RIGHT.items():
        for name, numbers in counts.items():
            for place, right in enumerate(numbers):
                row = exams.filter(pl.col("prompt") == f"{name} question {place}").row(0, named=True)
                for sample in range(4):
                    answer = row["gold"] if sample < right else "99"
                    traces.setdefault(part, []).append(
                        {
                            "model": model, "effort": effort, "benchmark": name, "problem_id": row["problem_id"],
                            "sample": sample, "query_key": "k", "reasoning": None, "content": f"\\boxed{{{answer}}}",
                            "status": "stop", "prompt_tokens": 5, "completion_tokens": 10 + sample,
                        }
                    )  # fmt: skip
    labels = exams.select("benchmark", "problem_id", label="gold")
    for part, answered in traces.items():
        table = pl.DataFrame(answered, schema=TRACES)
        tables.write(table, folder / "data/exams" / part, TRACES, TRACES_KEY)
        answers = table_of_answers.read_answers(table.select(list(table_of_answers.TRACES_IN)))
        classes = answer_classes.classes([answers], lambda pairs: {})
        verdicts = judging.exam_verdicts(judging.prepare(answers, labels), {}, classes=classes)
        tables.write(verdicts, folder / "data/marks" / f"{part}.parquet", EXAM_VERDICTS, VERDICTS_KEY)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project after `report`, and what it printed."""
    folder = copy_project(tmp_path_factory.mktemp("report") / "project", lambda params: None)
    write_exams(folder)
    gather(folder, "base", "turbo", "final", others=["baselines"])
    return folder, report(folder)


def report(folder: Path) -> str:
    command = [sys.executable, "-m", "stages.report", *REPORT]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(reported: tuple[Path, str], name: str) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = json.loads((reported[0] / "metrics" / name).read_text())
    return found


def test_averages_pass_and_majority_are_those_worked_out_by_hand(reported: tuple[Path, str]) -> None:
    turbo = read(reported, "eval.json")["turbo"]
    assert turbo["easy"]["avg_at_4"] == pytest.approx((1 + 2 / 4) / 2)
    # pass@2 of 2 right among 4: 1 - C(2,2)/C(4,2) = 5/6.
    assert turbo["easy"]["pass_at_2"] == pytest.approx((1 + 5 / 6) / 2)
    # 2 votes against 2 is a tie, and counts half.
    assert turbo["easy"]["maj_at_4"] == pytest.approx((1 + 0.5) / 2)
    assert turbo["hard"]["avg_at_4"] == pytest.approx(1 / 8)
    assert turbo["hard"]["mean_tokens"] == pytest.approx(11.5)


def test_the_contract_of_eval_json(reported: tuple[Path, str]) -> None:
    found = read(reported, "eval.json")
    assert list(found) == ["base", "turbo", "final", "teacher"]
    names = {
        *("avg_at_4", "pass_at_2", "maj_at_4", "ci_low", "ci_high", "num_problems", "num_samples"),
        *("truncated_share", "no_answer_share", "before_cut_share", "looping_share", "unscored_share", "mean_tokens"),
    }
    by_verdict = {"mean_tokens_correct", "mean_tokens_wrong"}  # where there are such answers
    for benchmarks in found.values():
        assert set(benchmarks) == {"easy", "hard"}
        for numbers in benchmarks.values():
            assert names <= set(numbers) <= names | by_verdict
            assert all(type(leaf) in (int, float) for leaf in numbers.values())
            assert 0 <= numbers["ci_low"] < numbers["ci_high"] <= 1


def test_intervals_have_a_width_at_nought_and_at_one(reported: tuple[Path, str]) -> None:
    found = read(reported, "eval.json")
    assert found["base"]["easy"]["ci_low"] == 0 < found["base"]["easy"]["ci_high"]
    assert found["final"]["easy"]["ci_low"] < 1 == found["final"]["easy"]["ci_high"]


def test_of_a_teachers_efforts_the_better_mean_counts(reported: tuple[Path, str]) -> None:
    # medium: (1 + 0) / 2; high: (0.75 + 0.375) / 2.
    assert read(reported, "summary.json")["mean"]["teacher"]["value"] == pytest.approx(0.5625)
    assert read(reported, "eval.json")["teacher"]["easy"]["avg_at_4"] == pytest.approx(0.75)


def test_differences_are_paired_and_leave_out_the_student_itself(reported: tuple[Path, str]) -> None:
    found = read(reported, "summary.json")["difference"]
    assert set(found) == {"final_over_base", "final_over_turbo", "final_over_teacher"}
    # final: (1 + 0.625) / 2; turbo: (0.75 + 0.125) / 2.
    assert found["final_over_turbo"]["value"] == pytest.approx(0.8125 - 0.4375)
    assert found["final_over_turbo"]["ci_low"] <= 0.375 <= found["final_over_turbo"]["ci_high"]


def test_the_last_student_of_the_graph_is_compared_whatever_it_is_called_and_what_else_lies_there_is_not_read(
    tmp_path: Path,
) -> None:
    folder = copy_project(tmp_path / "project", lambda params: None)
    write_exams(folder)
    for place in ("data/exams/final", "data/exams/turbo"):
        for file in (folder / place).glob("*.parquet"):
            renamed = pl.read_parquet(file).with_columns(
                model=pl.lit({"final": "large", "turbo": "small"}[Path(place).name])
            )
            tables.write(
                renamed, folder / place.replace("final", "large").replace("turbo", "small"), TRACES, TRACES_KEY
            )
        name, new = Path(place).name, Path(place).name.replace("final", "large").replace("turbo", "small")
        marks = pl.read_parquet(folder / f"data/marks/{name}.parquet").with_columns(model=pl.lit(new))
        tables.write(marks, folder / f"data/marks/{new}.parquet", EXAM_VERDICTS, VERDICTS_KEY)
    efforts = {"small": "medium", "large": "high"}
    gather(folder, "base", "small", "large", others=["baselines"], efforts=efforts)
    done = call(folder, "report", *report_of("large"))
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "metrics/summary.json").read_text())["difference"]
    assert set(found) == {"large_over_base", "large_over_small", "large_over_teacher"}
    assert found["large_over_small"]["value"] == pytest.approx(0.8125 - 0.4375)
    assert list(json.loads((folder / "metrics/eval.json").read_text())) == ["base", "small", "large", "teacher"]
    assert "large over teacher: " in done.stdout and "final" not in done.stdout


def test_the_table_is_printed_and_written(reported: tuple[Path, str]) -> None:
    folder, printed = reported
    written = (folder / "metrics/results.md").read_text()
    assert written in printed
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1, "the columns stand under each other"
    squeezed = [" ".join(row.split()) for row in rows]
    assert squeezed[0] == "| student | easy avg@4 / pass@2 | hard avg@4 / pass@2 | mean avg |"
    assert any(row.startswith("| turbo | 75.0 [") for row in squeezed)
    assert "easy 2 problems x 4 samples, hard 2 problems x 4 samples" in written
    (gain,) = [line for line in written.splitlines() if line.startswith("- final over turbo: +37.5 points [")]
    assert (
        "not resolved for these weights: better with probability 0." in gain
        and "problems" in gain
        and "would tell" in gain
    )


def test_what_others_published_stands_in_a_column_of_its_own(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        figures = {"turbo": {"hard": [12.3, 100]}, "unknown": {"hard": [1, 2]}}
        document["profiles"]["cpu"]["report"]["published"] = {"source": "https://example.org/table", "figures": figures}

    folder = copy_project(tmp_path / "project", change)
    write_exams(folder)
    gather(folder, "base", "turbo", "final", others=["baselines"])
    squeezed = [" ".join(line.split()) for line in report(folder).splitlines()]
    assert "| student | easy avg@4 / pass@2 | hard avg@4 / pass@2 | mean avg | hard published |" in squeezed
    (turbo,) = [line for line in squeezed if line.startswith("| turbo |")]
    (final,) = [line for line in squeezed if line.startswith("| final |")]
    assert turbo.endswith("| 12.3 / 100.0 |") and final.endswith("| - |")
    assert any("Published: https://example.org/table." in line for line in squeezed)


def test_the_recipes_table_is_ready_to_be_asked_for_and_to_be_compared_with() -> None:
    """The table of ReasonLite's README: its eleven other models and three exams."""
    profile = yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]["reasonlite"]
    names = [each["name"] for each in profile["baselines"]]
    figures = profile["report"]["published"]["figures"]
    assert len(names) == 12 and profile["examine"] == ["teacher"]
    assert set(figures) == {*names, "base", "turbo", "final"} - {"teacher"}
    assert {tuple(each) for each in figures.values()} == {("amc23", "aime25", "aime24")}
    assert figures["final"]["aime24"] == figures["ReasonLite-0.6B"]["aime24"] == [75.2, 90.2]
    assert figures["base"]["aime24"] == [11.0, 31.5]


def test_a_second_run_writes_the_same_bytes(reported: tuple[Path, str]) -> None:
    folder, _ = reported
    names = (
        "data/scores.parquet",
        "metrics/eval.json",
        "metrics/summary.json",
        "metrics/results.md",
        "metrics/plots/accuracy.csv",
    )
    before = {name: (folder / name).read_bytes() for name in names}
    report(folder)
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_what_is_gathered_takes_no_room_and_holds_the_whole_chain(reported: tuple[Path, str]) -> None:
    folder, _ = reported
    last = folder / "data/gathered/final"
    assert sorted(path.name for path in (last / "exams").iterdir()) == ["base", "baselines", "final", "turbo"]
    assert json.loads((last / "chain.json").read_text()) == {"base": None, "turbo": "medium", "final": "high"}
    assert (last / "exams/base/part-0000.parquet").samefile(folder / "data/exams/base/part-0000.parquet")
    assert not (folder / "data/gathered/base/exams/turbo").exists()


def test_what_lies_at_a_place_where_nothing_was_gathered_is_named(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project", lambda params: None)
    (folder / "data/gathered/final").mkdir(parents=True)
    done = call(folder, "report", *REPORT)
    assert done.returncode == 1 and "data/gathered/final: no table there; run `dvc repro`" in done.stderr
