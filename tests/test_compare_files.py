"""Two files that other programs made: who is better on the same problems, and by how much."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.scoring.scores import SCORES, SCORES_KEY
from stages.edge.files import tables
from tests.projects import copy_project
from tests.test_verbs import Ended, call

NUM = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("compare_files") / "project", lambda _: None)


def question(number: int) -> str:
    return f"What is {number} plus one, said the {['first', 'second', 'third', 'fourth', 'fifth'][number % 5]} of {number} men?"


def right(number: int, of: int) -> bool:
    """The first `of` of the problems, so that two files differ on those between."""
    return number < of


def lm_eval(path: Path, num_right: int, samples: int = 1, **more: Any) -> Path:
    """As `lm_eval --log_samples` writes them, each sample once for each filter."""
    rows = []
    for number in range(NUM):
        texts = [f"So \\boxed{{{number + 1 if right(number, num_right) else 0}}}."] * samples
        row = {
            "doc_id": number, "doc": {"problem": question(number), "answer": str(number + 1)}, "target": str(number + 1),
            "arguments": {"gen_args_0": {"arg_0": question(number)}}, "resps": [texts], "filtered_resps": texts[:1],
            "doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "metrics": ["exact_match"],
            "exact_match": float(right(number, num_right + 2)), **more,
        }  # fmt: skip
        rows += [{**row, "filter": name} for name in ("none", "strict-match")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lighteval(path: Path, num_right: int) -> Path:
    """As `--save-details` writes them: another order, an instruction before each question."""
    rows = [
        {
            "doc": {
                "query": f"Solve the following problem.\n\n{question(number)}\n\nPut it into \\boxed.", "id": str(NUM - number),
                "choices": [str(number + 1)], "gold_index": [0], "task_name": "mine",
            },
            "model_response": {"text": [f"\\boxed{{{number + 1 if right(number, num_right) else 0}}}"]},
            "metric": {"pass@k:k=1": float(right(number, num_right))},
        }
        for number in reversed(range(NUM))
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(path)
    return path


def compare(folder: Path, one: Path, other: Path, *more: str) -> Ended:
    return call(folder, "compare", str(one), str(other), *more, is_stage=False)


def test_samples_of_lm_eval_are_paired_and_judged_alike(folder: Path) -> None:
    one, other = lm_eval(folder / "a.jsonl", 10), lm_eval(folder / "b.jsonl", 16, samples=3)
    done = compare(folder, one, other)
    assert done.returncode == 0, done.stderr
    assert f"on the {NUM} problems that both have" in done.stdout
    assert f"- {one}: 50.0 %" in done.stdout and f"- {other}: 80.0 %" in done.stdout
    assert (
        "- difference: +30.0 points [+" in done.stdout
        and "resolved for these weights; 6 problems gained, 0 lost" in done.stdout
    )
    assert "gained 10, 11, 12, 13, 14, ..." in done.stdout
    back = compare(folder, other, one).stdout
    assert "- difference: -30.0 points [-" in back and "0 problems gained, 6 lost" in back


def test_a_file_of_lm_eval_and_one_of_lighteval_are_paired_by_their_questions(folder: Path) -> None:
    done = compare(folder, lm_eval(folder / "a.jsonl", 10), lighteval(folder / "b.parquet", 13))
    assert done.returncode == 0, done.stderr
    assert f"on the {NUM} problems that both have" in done.stdout
    assert "- difference: +15.0 points" in done.stdout and "gained 10, 11, 12\n" in done.stdout
    done = compare(folder, lighteval(folder / "b.parquet", 13), lm_eval(folder / "a.jsonl", 10))
    assert "- difference: -15.0 points" in done.stdout and "3 lost" in done.stdout


def test_the_score_of_their_own_program_counts_where_it_is_named(folder: Path) -> None:
    one, other = lm_eval(folder / "a.jsonl", 10), lighteval(folder / "b.parquet", 13)
    done = compare(folder, one, other, "--metric", "exact_match", "pass@k:k=1")
    assert done.returncode == 0, done.stderr
    assert "- difference: +5.0 points" in done.stdout, "13 by lighteval, 12 by lm-eval"
    done = compare(folder, one, other, "--metric", "acc")
    assert done.returncode == 1 and "has no metric 'acc'; its metrics are exact_match" in done.stderr


def test_older_samples_whose_metrics_are_not_named_have_them_all_the_same(folder: Path) -> None:
    one = lm_eval(folder / "a.jsonl", 10, metrics=None)
    done = compare(folder, one, lm_eval(folder / "b.jsonl", 12), "--metric", "exact_match")
    assert done.returncode == 0 and "- difference: +10.0 points" in done.stdout, done.stderr


def scores(path: Path, **num_right: int) -> Path:
    rows = [
        {
            "student": student, "benchmark": "exam", "problem_id": str(n), "num_samples": 4,
            "num_correct": 4 * right(n, number), "num_unscored": 0,
        }
        for student, number in num_right.items()
        for n in range(NUM)
    ]  # fmt: skip
    tables.write(pl.DataFrame(rows, schema=SCORES), path, SCORES, SCORES_KEY)
    return path


def test_our_scores_are_compared_with_theirs(folder: Path) -> None:
    ours = scores(folder / "scores.parquet", final=18, base=2)
    done = compare(folder, lm_eval(folder / "a.jsonl", 10), ours, "--student", "final")
    assert done.returncode == 0, done.stderr
    assert "- difference: +40.0 points" in done.stdout and "8 problems gained" in done.stdout
    assert "- difference: +80.0 points" in compare(folder, ours, ours, "--student", "base", "final").stdout
    done = compare(folder, ours, ours)
    assert done.returncode == 1 and "has the scores of base, final: name one with --student" in done.stderr


def test_our_traces_and_lines_are_judged_with_golds_from_a_file(folder: Path) -> None:
    golds = folder / "golds.jsonl"
    golds.write_text("".join(json.dumps({"problem_id": str(n), "gold": n + 1}) + "\n" for n in range(NUM)))
    lines = folder / "lines.jsonl"
    rows = [{"problem_id": str(n), "sample": 0, "text": f"\\boxed{{{n + 1}}}"} for n in range(NUM - 5)]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    traces = folder / "traces.parquet"
    pl.DataFrame(
        [
            {"problem_id": str(n), "sample": 0, "content": "\\boxed{1}", "status": "stop" if n < 19 else "failed"}
            for n in range(NUM)
        ]
    ).write_parquet(traces)
    done = compare(folder, traces, lines, "--golds", str(golds))
    assert done.returncode == 0, done.stderr
    assert "on the 15 problems that both have" in done.stdout and "5 problems stand in one file only" in done.stdout
    assert "14 problems gained, 0 lost" in done.stdout
    done = compare(folder, traces, lines)
    assert done.returncode == 1 and "name a file that has them with --golds" in done.stderr


@pytest.mark.parametrize("hostile", ["\x1b[2J", "</script>\x00"])
def test_a_hostile_name_of_a_problem_is_shown_and_never_sent_to_the_terminal(hostile: str, folder: Path) -> None:
    for name, answer in (("a", "0"), ("b", "1")):
        rows = [{"id": f"{hostile}{n}", "answer": "1", "response": [f"\\boxed{{{answer}}}"]} for n in range(3)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = compare(folder, folder / "a.jsonl", folder / "b.jsonl").stdout
    assert "3 problems gained" in shown and not set(shown) & {"\x1b", "\x00"}


def test_other_exams_and_files_that_are_none_are_refused(folder: Path) -> None:
    one = lm_eval(folder / "a.jsonl", 10)
    other = folder / "other.jsonl"
    rows = [{"doc_id": n, "target": str(n + 100), "resps": [["\\boxed{1}"]]} for n in range(NUM)]
    other.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = compare(folder, one, other)
    assert done.returncode == 1 and "share no problem, by id or by question" in done.stderr
    done = compare(folder, one, folder / "none.jsonl")
    assert done.returncode == 1 and "none.jsonl: there is no such file; name two files or two revisions" in done.stderr
    bad = folder / "bad.parquet"
    bad.write_bytes(b"no Parquet")
    assert "cannot be read" in compare(folder, one, bad).stderr
    done = compare(folder, one, one, "--metric", "a", "b", "c")
    assert done.returncode == 1 and "--metric takes one name for both files, or one for each" in done.stderr
