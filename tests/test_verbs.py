"""Each verb on tables small enough to work out by hand: its outs, its metrics, its plot, and the same bytes again."""

import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import yaml

from stages.core.problems.dropped import DUPLICATES, EVIDENCE
from stages.core.tables.answers import ANSWERS, ANSWERS_KEY, TIERS, VERDICT, VERDICTS
from stages.core.tables.benchmarks import BENCHMARKS
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.rejects import REASONS, REJECTS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.core.tables.votes import VOTES
from stages.core.text.identity import problem_id
from stages.edge import params
from stages.edge.curating import candidates
from stages.edge.files import tables
from tests import projects
from tests.projects import ROOT, environment
from tests.tiny_models import save_tiny_model


class Ended(NamedTuple):
    """A verb that ran to its end in this process: as a process of its own, but without the seconds of its imports."""

    returncode: int
    stdout: str
    stderr: str


def call(folder: Path, *arguments: str, is_stage: bool = True) -> Ended:
    """Run `python -m stages.<arguments>` in `folder`, within this process. A bug comes through as its exception."""
    stdout, stderr = io.StringIO(), io.StringIO()
    at_sigterm, variables = signal.getsignal(signal.SIGTERM), dict(os.environ)
    module = importlib.import_module(f"stages.{arguments[0]}")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [f"stages/{arguments[0]}.py", *arguments[1:]])
        os.environ["MLFLOW_TRACKING_URI"] = "off"
        os.environ.pop("DVC_STAGE", None)
        params.content.cache_clear()
        try:
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                module.running.run(module.main, is_stage=is_stage)
        finally:
            params.content.cache_clear()
            signal.signal(signal.SIGTERM, at_sigterm)
            os.environ.clear()
            os.environ.update(variables)
    return Ended(int(ended.value.code or 0), stdout.getvalue(), stderr.getvalue())


def works(folder: Path, *arguments: str) -> Ended:
    done = call(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done


COLLECT = (
    *("collect", "--sources", "data/sources", "--problems", "data/problems.parquet"),
    *("--benchmarks", "data/benchmarks.parquet", "--duplicates", "data/duplicates.parquet"),
    *("--evidence", "data/contamination.parquet", "--metrics", "metrics/collect.json"),
    *("--provenance", "metrics/sources.json", "--plot", "metrics/plots/collect.csv"),
)
JUDGE_EXAM = (
    *("mark", "--traces", "data/exams/base", "--benchmarks", "data/benchmarks.parquet"),
    *("--output", "data/marks/base.parquet"),
)


def read(effort: str) -> tuple[str, ...]:
    return ("read", "--traces", f"data/traces/{effort}", "--output", f"data/answers/{effort}.parquet")


def vote(effort: str) -> tuple[str, ...]:
    return (
        *("vote", "--problems", "data/problems.parquet", "--answers", f"data/answers/{effort}.parquet"),
        *("--output", f"data/votes/{effort}.parquet", "--metrics", f"metrics/vote_{effort}.json"),
        *("--plot", f"metrics/plots/vote_{effort}.csv", "--changed", f"data/changed_labels/{effort}.parquet"),
    )


def judge(effort: str) -> tuple[str, ...]:
    return (
        *("judge", "--answers", f"data/answers/{effort}.parquet", "--votes", f"data/votes/{effort}.parquet"),
        *("--output", f"data/verdicts/{effort}.parquet", "--metrics", f"metrics/judge_{effort}.json"),
    )


POOL = ("pool", "--traces", "data/traces/medium", "data/traces/high", "--output", "data/traces/both")


def curate(stage: str, effort: str) -> tuple[str, ...]:
    return (
        *(
            "curate",
            "--stage",
            stage,
            "--problems",
            "data/problems.parquet",
            "--traces",
            f"data/traces/{effort}",
        ),
        *(
            "--verdicts",
            f"data/verdicts/{effort}.parquet",
            "--votes",
            f"data/votes/{effort}.parquet",
            "--student",
            "models/base",
        ),
        *("--sft", f"data/sft/{stage}"),
        *(
            "--held-out",
            f"data/held_out/{stage}",
            "--rejects",
            f"data/rejects/{stage}.parquet",
            "--metrics",
            f"metrics/curate_{stage}.json",
        ),
        *("--plot", f"metrics/plots/funnel_{stage}.csv", "--lengths", f"metrics/plots/lengths_{stage}.csv"),
    )


SUM = "What is 2+2?"
ROOT_OF_2 = "Solve x^2 = 2 for x > 0."
PROOF = "Show that 3 is odd."
PRODUCT = "What is 7 times 8?"
PERCENT = "What is 10% of 50?"
LEAKED = "An apple costs 3 and a pear 5. What do both cost?"
EXAM = "A pear costs 5 and an apple 3. What do both cost?"
HALF = "What is half of 3?"

MINE: list[dict[str, object]] = [
    {"problem": SUM, "answer": "4", "level": "3/8"},
    {"problem": f" {SUM}\r\n", "answer": "5", "level": "1/8"},  # the same problem again: the first one stays
    {"problem": PROOF, "answer": "yes", "level": None},
    {"problem": LEAKED, "answer": "8", "level": None},
    {"problem": ROOT_OF_2, "answer": "$\\sqrt{2}$", "level": None},
    {"problem": PRODUCT, "answer": None, "level": None},  # comes again, with its gold, in the other source
    {"problem": "  ", "answer": "9", "level": None},  # no problem
]
OTHER = f'question,solution\n{PRODUCT},56\n"{PERCENT}",5\n'
EXAMS = [{"problem": EXAM, "answer": "8"}, {"problem": HALF, "answer": "3/2"}]

MEDIUM: dict[str, list[str | None]] = {
    SUM: ["4", "4", "4", "5"],
    ROOT_OF_2: ["\\sqrt{2}", "2^{1/2}", "\\frac{2}{\\sqrt{2}}", "1.41"],  # three ways to write one number
    PROOF: ["yes", "yes", "yes", "no"],
    PRODUCT: ["54", "54", "54", "54"],  # sure, and wrong by the gold
    PERCENT: ["5", "6", "cut off", None],  # a tie, an answer that was cut off and a request that failed
}
HIGH: dict[str, list[str | None]] = {prompt: ["4"] for prompt in MEDIUM}


def source(name: str, path: str, **columns: str | None) -> dict[str, Any]:
    names = {"prompt": "problem", "gold": "answer", "id": None, "topic": None, "difficulty": None, **columns}
    return {"kind": "files", "name": name, "path": path, "columns": names, "where": {}, "published": "2025-01-31"}


def settings(profile: dict[str, Any]) -> None:
    """The cpu profile with the sources above and thresholds that four samples can reach."""
    profile["collect"]["sources"] = [
        source("mine", "mine.jsonl", difficulty="level"),
        source("other", "other.csv", prompt="question", gold="solution"),
    ]
    profile["collect"]["benchmarks"] = [
        {
            "source": source("fruit", "fruit.jsonl"),
            "published": "2025-02-06",
            "num_problems": 2,
            "answers": None,
            "answers_digest": None,
        }
    ]
    profile["vote"].update(min_share=0.75, min_votes=3)
    for stage in profile["curate"].values():
        stage["num_held_out_problems"] = 0
        stage["filters"]["max_tokens"] = 400
    profile["curate"]["turbo"].update(mixture={"medium": 1.0}, max_per_problem=2)
    profile["curate"]["final"].update(mixture={"medium": 1.0, "high": 2.0}, max_per_problem=9)
    for stage in profile["train"].values():
        stage["max_length"] = 400


def write_params(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    projects.pool(document, "final")
    settings(document["profiles"]["cpu"])
    change(document["profiles"]["cpu"])
    (folder / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


def trace(model: str, effort: str | None, benchmark: str | None, prompt: str, sample: int) -> dict[str, object]:
    return {
        "model": model, "effort": effort, "benchmark": benchmark, "problem_id": problem_id(prompt),
        "sample": sample, "query_key": "k", "prompt_tokens": 5, "completion_tokens": 7, "stopped": "fixed", "reason": None,
        "reasoning": None, "content": None, "status": "stop",
    }  # fmt: skip


def write_traces(folder: Path, effort: str, answers: dict[str, list[str | None]]) -> None:
    rows = []
    for prompt, given in answers.items():
        for sample, answer in enumerate(given):
            row = trace("teacher", effort, None, prompt, sample)
            if answer is None:
                row["status"] = "failed"
            elif answer == "cut off":
                row.update(status="length", content="First I take")
            else:
                row.update(reasoning=f"Thought {sample}.", content=f"So it is \\boxed{{{answer}}}.")
            rows.append(row)
    table = pl.DataFrame(rows, schema=TRACES)
    tables.write(table, folder / "data/traces" / effort, TRACES, TRACES_KEY)


def write_exam(folder: Path) -> None:
    given = {EXAM: ["8", "\\text{8 coins}"], HALF: ["1.5", "2"]}
    rows = [
        {**trace("base", None, "fruit", prompt, sample), "content": f"\\boxed{{{answer}}}"}
        for prompt, answers in given.items()
        for sample, answer in enumerate(answers)
    ]
    table = pl.DataFrame(rows, schema=TRACES)
    tables.write(table, folder / "data/exams/base", TRACES, TRACES_KEY)


VERBS: Sequence[tuple[str, ...]] = (
    *(COLLECT, read("medium"), read("high"), vote("medium"), vote("high"), judge("medium"), judge("high")),
    *(POOL, read("both"), vote("both"), judge("both")),
    *(JUDGE_EXAM, curate("turbo", "medium"), curate("final", "both")),
)


def write_sources(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Settings, sources and a student."""
    sources = folder / "data/sources"
    sources.mkdir(parents=True)
    write_params(folder, change)
    (sources / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in MINE))
    (sources / "other.csv").write_text(OTHER)
    (sources / "fruit.jsonl").write_text("".join(json.dumps(row) + "\n" for row in EXAMS))
    save_tiny_model(folder / "models/base")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after all verbs but those that ask or train a model."""
    folder = tmp_path_factory.mktemp("project")
    write_sources(folder, lambda profile: None)
    write_traces(folder, "medium", MEDIUM)
    write_traces(folder, "high", HIGH)
    write_exam(folder)
    for verb in VERBS:
        works(folder, *verb)
    return folder


def metrics(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"metrics/{name}.json").read_text(), parse_constant=pytest.fail)
    return found


def by_prompt(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Rows of a table with one row a problem, by the problem's words."""
    prompts = {problem_id(prompt): prompt for prompt in MEDIUM}
    return {prompts[row["problem_id"]]: row for row in table.iter_rows(named=True)}


def test_collect_keeps_each_problem_once_without_the_exams(project: Path) -> None:
    assert set(by_prompt(tables.read(project / "data/problems.parquet", PROBLEMS))) == set(MEDIUM)
    found = metrics(project, "collect")
    assert {name: number for name, number in found.items() if name.startswith("num_")} == {
        "num_rows": 9,
        "num_filtered": 0,
        "num_empty": 1,
        "num_repeated": 0,
        "num_duplicates": 2,
        "num_contaminated": 1,
        "num_problems": 5,
        "num_ungradable": 1,
        "num_gold_conflicts": 1,
        "num_gold_in_prompt": 0,
        "num_kept_by_hand": 0,
        "num_exam_problems": 2,
    }
    assert found["ungradable"] == {"proof": 1}
    assert found["contaminated"] == {"unordered": {"fruit": 1}}
    each = found["by_source"]
    assert sum(source["num_rows"] for source in each.values()) == 9 and set(each) == {"mine", "other"}
    steps = pl.read_csv(project / "metrics/plots/collect.csv")
    assert steps["num_rows"].to_list() == [9, 9, 8, 8, 6, 5, 4]


def test_collect_writes_down_what_it_read_and_what_it_dropped(project: Path) -> None:
    found = json.loads((project / "metrics/sources.json").read_text())
    assert found["revisions"] == {} and set(found["sources"]) == {"mine", "other"}
    assert set(found["benchmarks"]["fruit"]) == {"content", "answers"}
    dropped = tables.read(project / "data/duplicates.parquet", DUPLICATES)
    assert dropped.height == 2 and set(dropped["rule"]) == {"same"}


def test_collect_keeps_the_first_copy_whose_gold_can_be_graded(project: Path) -> None:
    rows = by_prompt(tables.read(project / "data/problems.parquet", PROBLEMS))
    assert (rows[SUM]["gold"], rows[SUM]["difficulty"]) == ("4", 0.375)
    assert (rows[PRODUCT]["gold"], rows[PRODUCT]["source"]) == ("56", "other")
    assert rows[ROOT_OF_2]["gold"] == "\\sqrt{2}"
    assert (rows[PROOF]["gradable"], rows[PROOF]["ungradable_reason"]) == (False, "proof")


def test_collect_shows_which_exam_question_a_dropped_problem_was(project: Path) -> None:
    evidence = tables.read(project / "data/contamination.parquet", EVIDENCE)
    assert evidence.select("benchmark", "rule", "prompt", "benchmark_prompt").rows() == [
        ("fruit", "unordered", LEAKED, EXAM)
    ]
    exams = tables.read(project / "data/benchmarks.parquet", BENCHMARKS)
    assert sorted(exams["gold"]) == ["3/2", "8"]
    assert {str(day) for day in exams["published"]} == {"2025-02-06"}


def test_vote_takes_what_most_say_before_the_gold_and_the_gold_where_they_are_not_sure(project: Path) -> None:
    rows = by_prompt(tables.read(project / "data/votes/medium.parquet", VOTES))
    labels = {prompt: (row["label"], row["label_source"]) for prompt, row in rows.items()}
    assert labels == {
        SUM: ("4", "gold"),  # the vote says the same, and the gold's spelling is kept
        ROOT_OF_2: ("\\sqrt{2}", "gold"),
        PROOF: ("yes", "vote"),
        PRODUCT: ("54", "vote"),
        PERCENT: ("5", "gold"),
    }
    assert (rows[PERCENT]["tied"], rows[PERCENT]["answer"]) == (True, None)
    assert (rows[PERCENT]["num_traces"], rows[PERCENT]["num_answered"]) == (3, 2)


def test_vote_counts_three_spellings_of_one_number_together(project: Path) -> None:
    row = by_prompt(tables.read(project / "data/votes/medium.parquet", VOTES))[ROOT_OF_2]
    assert (row["votes"], row["share"]) == (3, 0.75)
    assert sorted(each["votes"] for each in row["histogram"]) == [1, 3]


def test_vote_says_how_right_samples_votes_and_labels_are(project: Path) -> None:
    found = metrics(project, "vote_medium")
    assert found == {
        "num_problems": 5,
        "num_labelled_by_vote": 2,
        "num_labelled_by_gold": 3,
        "num_unlabelled": 0,
        "num_tied": 1,
        "num_changed_labels": 1,
        "answered_share": 18 / 19,
        "sample_accuracy": 7 / 15,  # 3 of 4, 3 of 4, 0 of 4, 1 of 3
        "majority_accuracy": 2 / 3,
        "label_by_vote_accuracy": 2 / 3,
    }
    plot = pl.read_csv(project / "metrics/plots/vote_medium.csv")
    assert plot.columns == ["bin", "num_problems", "accuracy"]
    # Shares of 1/2 (the tie, without a vote), 3/4 three times (the proof has no gold), and 1.
    assert plot.rows() == [(0.5, 1, None), (0.7, 3, 1.0), (0.9, 1, 0.0)]


def test_each_effort_votes_alone_and_a_pool_on_the_traces_of_both(project: Path) -> None:
    alone = by_prompt(tables.read(project / "data/votes/high.parquet", VOTES))
    assert {row["num_traces"] for row in alone.values()} == {1}
    assert alone[PROOF]["label_source"] == "none", "one voice is no vote"
    pooled = by_prompt(tables.read(project / "data/votes/both.parquet", VOTES))
    assert {prompt: row["num_traces"] for prompt, row in pooled.items()} == {**dict.fromkeys(MEDIUM, 5), PERCENT: 4}
    assert (pooled[SUM]["votes"], pooled[SUM]["num_answered"]) == (4, 5)


def test_a_pool_holds_the_traces_of_both_efforts_without_taking_room(project: Path) -> None:
    parts = sorted((project / "data/traces/both").iterdir())
    assert [part.name for part in parts] == ["high-part-0000.parquet", "medium-part-0000.parquet"]
    assert parts[0].samefile(project / "data/traces/high/part-0000.parquet")
    both = [tables.read(project / f"data/traces/{effort}", TRACES) for effort in ("high", "medium")]
    assert tables.read(project / "data/traces/both", TRACES).equals(pl.concat(both))


def test_the_answers_of_a_pool_of_several_teachers_are_in_the_order_of_their_key(project: Path, tmp_path: Path) -> None:
    for effort in ("medium", "high"):
        one = tables.read(project / f"data/traces/{effort}", TRACES)
        both = pl.concat([one, one.with_columns(model=pl.lit("second"))])
        tables.write(both, tmp_path / f"data/traces/{effort}", TRACES, TRACES_KEY)
    write_params(tmp_path, lambda _: None)
    for verb in (POOL, read("medium"), read("high"), read("both")):
        works(tmp_path, *verb)
    apart = [tables.read(tmp_path / f"data/answers/{effort}.parquet", ANSWERS) for effort in ("medium", "high")]
    pooled = tables.read(tmp_path / "data/answers/both.parquet", ANSWERS)
    assert pooled.equals(pl.concat(apart).sort(ANSWERS_KEY)) and pooled["model"].n_unique() == 2


def test_the_answers_of_a_teacher_that_has_no_vote_are_not_counted(project: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/problems.parquet").symlink_to(project / "data/problems.parquet")
    shutil.copytree(project / "data/traces", tmp_path / "data/traces")

    def second(profile: dict[str, Any]) -> None:
        profile["teach"]["models"].append({**profile["teach"]["models"][0], "label": "second"})
        profile["vote"]["models"] = ["second"]

    traces = tables.read(project / "data/traces/high", TRACES)
    both = pl.concat(
        [traces, traces.filter(pl.col("problem_id") == problem_id(SUM)).with_columns(model=pl.lit("second"))]
    )
    tables.write(both, tmp_path / "data/traces/high", TRACES, TRACES_KEY)
    write_params(tmp_path, second)
    works(tmp_path, *read("high"))
    works(tmp_path, *vote("high"))
    found = by_prompt(tables.read(tmp_path / "data/votes/high.parquet", VOTES))
    assert {prompt for prompt, row in found.items() if row["num_traces"]} == {SUM}


def test_judge_gives_every_trace_a_verdict_against_the_label(project: Path) -> None:
    verdicts = tables.read(project / "data/verdicts/medium.parquet", VERDICTS)
    assert verdicts.height == 20
    found = {
        prompt: verdicts.filter(pl.col("problem_id") == problem_id(prompt)).sort("sample")["verdict"].to_list()
        for prompt in MEDIUM
    }
    assert found == {
        SUM: ["correct", "correct", "correct", "incorrect"],
        ROOT_OF_2: ["correct", "correct", "correct", "incorrect"],
        PROOF: ["correct", "correct", "correct", "incorrect"],
        PRODUCT: ["correct"] * 4,  # by the label, which the vote made
        PERCENT: ["correct", "incorrect", "no_answer", "unscored"],
    }
    high = tables.read(project / "data/verdicts/high.parquet", VERDICTS)
    assert high.filter(pl.col("verdict") == "no_label")["problem_id"].to_list() == [problem_id(PROOF)]


def test_judge_counts_verdicts_and_what_decided_them(project: Path) -> None:
    found = metrics(project, "judge_medium")
    assert found["num_traces"] == 20
    verdicts = {name: found[f"num_{name}"] for name in VERDICT if found[f"num_{name}"]}
    assert verdicts == {"correct": 14, "incorrect": 4, "no_answer": 1, "unscored": 1}
    assert sum(found[f"num_by_{tier}"] for tier in TIERS) == 18
    assert found["num_by_evaluated"] >= 1 and found["num_by_llm"] == 0
    assert found["correct_share"] == pytest.approx(14 / 19)


def test_an_exam_is_marked_against_the_benchmarks_golds(project: Path) -> None:
    marks = tables.read(project / "data/marks/base.parquet", VERDICTS)
    found = {
        (prompt, row["sample"]): row["verdict"]
        for prompt in (EXAM, HALF)
        for row in marks.filter(pl.col("problem_id") == problem_id(prompt)).iter_rows(named=True)
    }
    assert found == {(EXAM, 0): "correct", (EXAM, 1): "correct", (HALF, 0): "correct", (HALF, 1): "incorrect"}


def test_curate_keeps_or_rejects_every_trace_and_says_why(project: Path) -> None:
    sft = tables.read(project / "data/sft/turbo", SFT)
    rejects = tables.read(project / "data/rejects/turbo.parquet", REJECTS)
    verdicts = tables.read(project / "data/verdicts/medium.parquet", VERDICTS)
    both = pl.concat([sft.select(SFT_KEY), rejects.select(SFT_KEY)])
    assert both.sort(SFT_KEY).equals(verdicts.select(SFT_KEY).sort(SFT_KEY))
    reasons = dict(rejects["reason"].value_counts().iter_rows())
    assert reasons == {"failed": 1, "truncated": 1, "incorrect": 4, "over_cap": 5}
    assert set(sft["problem_id"].value_counts()["count"]) == {1, 2}
    found = metrics(project, "curate_turbo")
    assert (found["num_traces"], found["num_rows"], found["num_problems"]) == (20, 9, 5)
    assert found["num_tokens"] == sft["num_tokens"].sum()
    assert {reason: num for reason, num in found["rejected"].items() if num} == reasons


def test_the_funnel_goes_from_all_traces_to_the_rows_that_stay(project: Path) -> None:
    rows = pl.read_csv(project / "metrics/plots/funnel_turbo.csv").rows()
    assert [step for step, _ in rows] == ["all traces", *(f"not {reason}" for reason in REASONS)]
    left = dict(rows)
    assert [left[step] for step in ("all traces", "not failed", "not truncated", "not unjudged")] == [20, 19, 18, 18]
    assert [left[step] for step in ("not incorrect", "not near_duplicate", "not over_cap", "not target")] == [
        14,
        14,
        9,
        9,
    ]
    lengths = pl.read_csv(project / "metrics/plots/lengths_turbo.csv")
    assert lengths["num_rows"].sum() == 9


def test_a_student_learns_in_the_form_in_which_it_is_examined(project: Path) -> None:
    sft = tables.read(project / "data/sft/turbo", SFT)
    row = sft.filter(pl.col("problem_id") == problem_id(SUM)).row(0, named=True)
    asked, answer = row["messages"]
    assert asked == {
        "role": "user",
        "content": f"{SUM}\nPlease reason step by step, and put your final answer within \\boxed{{}}.",
    }
    assert answer["role"] == "assistant"
    assert answer["content"] == f"<think>\nThought {row['sample']}.\n</think>So it is \\boxed{{4}}."


def test_a_mixture_takes_rows_of_its_efforts_by_their_weights(project: Path) -> None:
    sft = tables.read(project / "data/sft/final", SFT)
    rejects = tables.read(project / "data/rejects/final.parquet", REJECTS)
    counts = dict(sft["effort"].value_counts().iter_rows())
    assert counts["high"] == 1, "the heavier effort keeps all that is right"
    mixed = rejects.filter(pl.col("reason") == "mixture")
    assert set(mixed["effort"]) == {"medium"}, "of the lighter one about half stays"
    assert counts["medium"] + mixed.height == 11
    assert 2 <= counts["medium"] <= 9


def written(folder: Path) -> dict[str, bytes]:
    """Everything that the verbs write."""
    made = ("problems", "benchmarks", "contamination", "votes", "verdicts", "marks", "rejects", "sft")
    files = [path for path in [*folder.glob("data/**/*"), *folder.glob("metrics/**/*")] if path.is_file()]
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: text for name, text in kept.items() if name.startswith(("metrics/", *(f"data/{m}" for m in made)))}


AGAIN = "import pathlib, tests.test_verbs as t; [t.works(pathlib.Path.cwd(), *verb) for verb in t.VERBS]"


@pytest.mark.parametrize(("num_workers", "rows_at_once"), [(1, 5000), (1, 3), (3, 3)])
def test_any_number_of_workers_and_pieces_curates_the_same_bytes(
    num_workers: int, rows_at_once: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "ROWS_AT_ONCE", rows_at_once)
    before = written(project)
    write_params(project, lambda profile: profile["runtime"].update(num_workers=num_workers))
    for stage, effort in (("turbo", "medium"), ("final", "both")):
        works(project, *curate(stage, effort))
    assert written(project) == before


LOCKED = {
    "collect": [
        "data/problems.parquet",
        "data/benchmarks.parquet",
        "data/duplicates.parquet",
        "data/contamination.parquet",
    ],
    "teach@medium": ["data/traces/medium"],
    "vote@medium": ["data/votes/medium.parquet"],
    "judge@medium": ["data/verdicts/medium.parquet"],
    "curate@turbo": ["data/sft/turbo", "data/held_out/turbo", "data/rejects/turbo.parquet"],
}


@pytest.fixture
def locked(project: Path) -> Iterator[Path]:
    """The project with a dvc.lock that names what ran."""
    stages = {
        name: {"cmd": "c", "outs": [{"path": path, "md5": "m"} for path in outs]} for name, outs in LOCKED.items()
    }
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    yield project
    (project / "dvc.lock").unlink()


def test_the_life_of_a_problem_is_told_from_its_source_to_its_rows(locked: Path) -> None:
    done = works(locked, "trace", problem_id(SUM))
    shown = " ".join(done.stdout.split())
    assert f"problem {problem_id(SUM)} source mine prompt {SUM} gold 4 difficulty 0.375 copy" in shown
    assert "exam in none, by the rules in force" in shown
    assert "effort medium: 4 samples votes 4 x3, 5 x1 label 4 from the gold" in shown
    for sample, told in ((0, "correct"), (3, "incorrect")):
        assert f"teacher {sample} stop 7 tokens" in shown and told in shown
    assert "turbo: row of" in shown and "turbo: over_cap" in shown and "turbo: incorrect" in shown
    assert "nearest exam questions" in shown and EXAM in shown


def test_the_life_of_a_problem_that_was_dropped_ends_there(locked: Path) -> None:
    shown = " ".join(works(locked, "trace", problem_id(LEAKED)).stdout.split())
    assert "dropped: unordered 1.00 with fruit" in shown and "effort" not in shown
    assert "copy" in " ".join(works(locked, "trace", problem_id(PRODUCT)).stdout.split())


def test_an_id_that_no_table_knows_is_told(locked: Path) -> None:
    done = call(locked, "trace", "0" * 16)
    assert done.returncode == 1 and "no problem of this run has that id" in done.stderr


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_published_set_takes_the_place_of_ours(num_workers: int, tmp_path: Path) -> None:
    """Nothing is asked, voted or judged; rows that are too long fall, and problems are held out."""
    rows = [
        [
            {"role": "user", "content": f"What is {n}?"},
            {"role": "assistant", "content": f"<think>\n{n}\n</think>{k}" + " so" * (500 if k > 2 else 0)},
        ]
        for n in range(20)
        for k in range(4)
    ]
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    pl.DataFrame({"messages": [*rows, rows[0]]}).write_parquet(theirs / "train.parquet")
    published = {"dataset": str(theirs), "config": None, "split": "train", "revision": None, "messages": "messages"}

    def change(profile: dict[str, Any]) -> None:
        profile["runtime"]["num_workers"] = num_workers
        for effort in ("medium", "high"):
            profile["teach"][effort]["num_samples"] = 0
        for stage in ("turbo", "final"):
            profile["curate"][stage]["num_held_out_problems"] = 2
        profile["curate"]["turbo"]["published"] = published

    folder = tmp_path / "project"
    write_sources(folder, change)
    works(folder, *COLLECT)
    works(
        folder, "teach", "--effort", "medium", "--problems", "data/problems.parquet", "--model", "models/base",
        "--output", "data/traces/medium",
    )  # fmt: skip
    works(folder, *read("medium"))
    works(folder, *vote("medium"))
    works(folder, *judge("medium"))
    works(folder, *curate("turbo", "medium"))
    sft = tables.read(folder / "data/sft/turbo", SFT)
    held_out = tables.read(folder / "data/held_out/turbo", SFT)
    assert (sft.height, held_out.height) == (54, 6) and held_out["problem_id"].n_unique() == 2
    assert all(messages in rows for messages in sft["messages"].to_list()) and set(sft["sample"]) <= {0, 1, 2, 3}
    rejects = tables.read(folder / "data/rejects/turbo.parquet", REJECTS)
    assert dict(rejects["reason"].value_counts().iter_rows()) == {"too_long": 20, "held_out": 6}
    assert metrics(folder, "curate_turbo")["by_source"]["published"]["num_rows"] == 54
    assert not list((folder / "data/sft").glob(".*")), "no scratch is left"


def test_another_process_writes_the_same_bytes_with_every_verb(project: Path) -> None:
    before = written(project)
    assert len(before) == 32
    for name in before:
        (project / name).unlink()
    # Another hash seed is another order of sets: it may show in no out.
    changed = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", AGAIN], cwd=project, env=environment(**changed), check=True, timeout=100)
    assert written(project) == before
    assert not list(project.glob("**/*.partial"))
