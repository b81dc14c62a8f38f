"""Labels and numbers that must not be fooled, each through the verbs: texts that were cut off, and majorities."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.tables.answers import EXAM_VERDICTS
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.core.tables.votes import VOTES
from stages.core.text.identity import problem_id
from stages.edge.files import tables
from tests import test_verbs
from tests.test_verbs import HALF, JUDGE_EXAM, PRODUCT, SUM, call, curate, judge, metrics, read, vote, works

GUESS = r"First guess \boxed{n+1} but let me check"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `collect`, with a few of the usual answers at the effort high."""
    folder = tmp_path_factory.mktemp("collected")
    test_verbs.write_sources(folder, lambda profile: None)
    test_verbs.write_traces(folder, "high", {PRODUCT: ["56"]})
    works(folder, *test_verbs.COLLECT)
    works(folder, *read("high"))
    works(folder, *vote("high"))
    works(folder, *judge("high"))
    return folder


def write(folder: Path, out: str, rows: Sequence[dict[str, object]]) -> None:
    tables.write(pl.DataFrame(list(rows), schema=TRACES), folder / out, TRACES, TRACES_KEY)


def cut_off(model: str, effort: str | None, benchmark: str | None, prompt: str, sample: int) -> dict[str, object]:
    return test_verbs.trace(model, effort, benchmark, prompt, sample) | {"content": GUESS, "status": "length"}


def test_texts_that_were_cut_off_do_not_vote_are_not_right_and_become_no_row(collected: Path) -> None:
    rows = [cut_off("teacher", "medium", None, prompt, sample) for prompt in (SUM, PRODUCT) for sample in range(4)]
    write(collected, "data/traces/medium", rows)
    for verb in (read("medium"), vote("medium"), judge("medium")):
        works(collected, *verb)
    votes = tables.read(collected / "data/votes/medium.parquet", VOTES)
    assert votes["num_answered"].sum() == 0 and votes.height == 5
    labels = dict(votes.select("problem_id", "label").iter_rows())
    assert (labels[problem_id(SUM)], labels[problem_id(PRODUCT)]) == ("4", "56"), "the golds"
    assert metrics(collected, "vote_medium")["num_changed_labels"] == 0
    judged = metrics(collected, "judge_medium")
    assert (judged["num_no_answer"], judged["num_correct"], judged["correct_share"]) == (8, 0, 0.0)
    curated = call(collected, *curate("turbo", "medium"))
    assert curated.returncode == 1 and "no trace is left of 8: 8 fell to 'truncated'" in curated.stderr


@pytest.mark.parametrize(("counts", "verdicts"), [(True, ["correct", "correct"]), (False, ["no_answer", "correct"])])
def test_the_protocol_says_whether_an_answer_before_the_cut_counts_in_an_exam(
    counts: bool, verdicts: list[str], tmp_path: Path, collected: Path
) -> None:
    def protocol(profile: dict[str, Any]) -> None:
        profile["exam"]["protocol"]["answer_before_cut"] = counts

    test_verbs.write_params(tmp_path, protocol)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/benchmarks.parquet").symlink_to(collected / "data/benchmarks.parquet")
    rows = [test_verbs.trace("base", None, "fruit", HALF, sample) for sample in range(2)]
    rows[0] |= {"content": r"It is \boxed{3/2}. Let me", "status": "length"}
    rows[1] |= {"content": r"It is \boxed{1.5}."}
    write(tmp_path, "data/exams/base", rows)
    works(tmp_path, *JUDGE_EXAM)
    marks = tables.read(tmp_path / "data/marks/base.parquet", EXAM_VERDICTS).sort("sample")
    assert marks["verdict"].to_list() == verdicts
    assert marks["before_cut"].to_list() == [True, False]


WRONG_ONES = ("1", "1", r"\sqrt{12}", r"2\sqrt3", r"\frac6{\sqrt3}")
"""Two right answers where the gold is 1, and three spellings of one wrong one."""


def test_mark_puts_equal_answers_into_one_class_whether_right_or_wrong(tmp_path: Path, collected: Path) -> None:
    test_verbs.write_params(tmp_path, lambda profile: None)
    benchmarks = pl.read_parquet(collected / "data/benchmarks.parquet").with_columns(gold=pl.lit("1"))
    (tmp_path / "data").mkdir()
    benchmarks.write_parquet(tmp_path / "data/benchmarks.parquet")
    rows = [
        test_verbs.trace("base", None, "fruit", HALF, sample) | {"content": f"\\boxed{{{answer}}}"}
        for sample, answer in enumerate((*WRONG_ONES, "7"))
    ]
    rows.append(test_verbs.trace("base", None, "fruit", HALF, 6) | {"content": "I do not know"})
    write(tmp_path, "data/exams/base", rows)
    works(tmp_path, *JUDGE_EXAM)
    marks = tables.read(tmp_path / "data/marks/base.parquet", EXAM_VERDICTS).sort("sample")
    classes = marks["answer_class"].to_list()
    assert classes[0] == classes[1] and classes[2] == classes[3] == classes[4]
    assert len(set(classes[:6])) == 3 and classes[6] is None
    assert marks["verdict"].to_list() == ["correct"] * 2 + ["incorrect"] * 4 + ["no_answer"]


def test_three_spellings_of_one_wrong_answer_outvote_two_right_ones(tmp_path: Path) -> None:
    test_verbs.write_params(tmp_path, lambda profile: None)
    lines = [
        {"problem_id": "p", "sample": sample, "text": f"So \\boxed{{{answer}}}."}
        for sample, answer in enumerate(WRONG_ONES)
    ]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "golds.jsonl").write_text('{"problem_id": "p", "gold": "1"}\n')
    files = ("--traces", "texts.jsonl", "--golds", "golds.jsonl", "--output", "metrics.json")
    done = call(tmp_path, "score", *files, is_stage=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["maj_at"]["5"] == 0 and found["maj_at"]["3"] == 1 and found["maj_at"]["4"] == 0.5
    assert found["avg"] == pytest.approx(2 / 5) and found["pass_at"]["5"] == 1
