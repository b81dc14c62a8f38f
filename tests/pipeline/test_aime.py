"""AIME through the same graph: `dvc repro` on real transcripts that a scripted server replays, checked against known numbers.

The teacher replays Qwen2.5-Math-Instruct's eight answers to each of 100 MATH problems. The last student replays
Llama-3.1-8B's greedy answers to AIME24 (3 of 30 right) and AMC23 (13 of 40), and Gemini 2.0 Flash's sixteen answers to
OTIS Mock AIME, whose published mean is 0.3111. What is trained between them is a tiny Qwen3 with random weights.
"""

import json
import math
import os
import re
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import yaml

from stages.edge.asking.copies import PROBE_TEMPERATURE
from stages.edge.models import weights
from tests.projects import copy_project, dvc
from tests.scripted_server import Reply, ScriptedServer
from tests.tiny_models import save_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TEACHER = "openai/gpt-oss-120b"
SUFFIX = "\nPlease reason step by step, and put your final answer within \\boxed{}."
NUM_TRUNCATED = 10
"""Problems whose first answer at effort high is cut off in its reasoning."""

Rows = list[dict[str, Any]]


class Data(NamedTuple):
    """Real rows: MATH problems with the teacher's answers, exams, and the last student's answers by question."""

    math: Rows
    exams: dict[str, Rows]
    answers: dict[str, list[str]]
    otis: Rows


@pytest.fixture(scope="module")
def data() -> Data:
    folder = os.environ.get("REASONLITE_TEST_DATA")
    if not folder:
        pytest.skip("REASONLITE_TEST_DATA names no folder with real transcripts")

    def read(name: str) -> Rows:
        return [json.loads(line) for line in (Path(folder) / name).read_text(encoding="utf-8").splitlines()]

    exams = {"aime24": read("bench/aime24.jsonl"), "amc23": read("bench/amc23.jsonl")}
    exams["otis"] = read("bench/otis_mock_aime_45.jsonl")
    answers: dict[str, list[str]] = {}
    for name in ("aime24", "amc23"):
        by_question = {row["problem"].strip(): row["responses"] for row in read(f"gen/llama31_8b_greedy_{name}.jsonl")}
        answers |= {row["problem"]: by_question[row["problem"].strip()] * 16 for row in exams[name]}
    otis = read("gen/otis_mock_aime/gemini-2.0-flash_x16.jsonl")
    by_id = defaultdict(list)
    for row in otis:
        by_id[row["problem_id"]].append(row["response"])
    answers |= {row["problem"]: by_id[row["id"]] for row in exams["otis"]}
    return Data(read("gen/qwen25math_math100x8.jsonl"), exams, answers, otis)


class Replay:
    """Answers each question with its next transcript; whose depends on the model that is asked."""

    def __init__(self, data: Data) -> None:
        self._teacher = {normal(row["problem"]): row["responses"] for row in data.math}
        self._truncated = {normal(row["problem"]) for row in data.math[:NUM_TRUNCATED]}
        self._student = {normal(question): texts for question, texts in data.answers.items()}
        self._seen: Counter[tuple[str, str | None, str]] = Counter()
        self._turn = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        content = body["messages"][-1]["content"]
        assert content.endswith(SUFFIX)
        question, effort = normal(content.removesuffix(SUFFIX)), body.get("reasoning_effort")
        if body["temperature"] == PROBE_TEMPERATURE:
            # Llama's transcripts are greedy, so its sixteen samples are one: the server has to show that it samples.
            return Reply(f"{uuid.uuid4().hex} {question}")
        with self._turn:
            place = self._seen[body["model"], effort, question]
            self._seen[body["model"], effort, question] += 1
        if body["model"] == TEACHER:
            text = self._teacher[question][place]
            if effort == "medium":
                return Reply(text)
            # Effort high reasons apart: all but the last paragraph of the transcript.
            thought, _, last = text.rpartition("\n\n")
            cut = place == 0 and question in self._truncated
            return Reply(None, thought, finish_reason="length") if cut else Reply(last, thought)
        role = body["model"].partition("-")[0]
        if role == "base":
            return Reply("I do not know.")
        if role == "turbo":
            return Reply("Let us see. First", finish_reason="length")
        return Reply(self._student[question][place])


def normal(question: str) -> str:
    return question.replace("\r\n", "\n").strip()


def settings(model: Path, data: Data) -> Any:
    """The profile `aime`: the recipe's values where they are not a matter of size."""

    def source(name: str) -> dict[str, Any]:
        rest: dict[str, Any] = {"columns": "math", "where": {}, "published": None}
        return {"kind": "files", "name": name, "path": f"{name}.jsonl", **rest}

    def change(params: dict[str, Any]) -> None:
        profile = params["profiles"]["reasonlite"]
        params["profile"], params["profiles"] = "aime", {"aime": profile}
        profile["base"] = {"kind": "folder", "name": str(model), "file": None, "revision": None}
        profile["collect"]["sources"] = [source("math")]
        profile["collect"]["benchmarks"] = [
            {
                "source": source(name),
                "published": None,
                "num_problems": len(rows),
                "answers": None,
                "answers_digest": None,
            }
            for name, rows in data.exams.items()
        ]
        for effort in ("medium", "high"):
            profile["teach"][effort]["num_samples"] = 8
        for stage in ("turbo", "final"):
            profile["curate"][stage].update(max_per_problem=1, num_held_out_problems=3)
            profile["train"][stage].update(epochs=1, batch_size=32, bf16=False)
        profile["exam"]["protocol"].update(dtype="float32", reasoning_parser=None)
        profile["baselines"], profile["examine"] = [], []
        profile["runtime"].update(num_workers=2, num_processes=1, compile=False, deepspeed=None, concurrency=16)

    return change


class Ran(NamedTuple):
    """A finished run: the project's folder, its server, what dvc printed."""

    folder: Path
    server: ScriptedServer
    output: str
    answers_before: int


def repro(folder: Path, server: ScriptedServer, *arguments: str) -> str:
    run = dvc(folder, *arguments, OPENAI_BASE_URL=server.url)
    output, _ = run.communicate(timeout=900)
    assert run.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def ran(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    model = save_tiny_model(tmp_path_factory.mktemp("model"), "Qwen3", num_positions=131_072)
    folder = copy_project(tmp_path_factory.mktemp("aime") / "project", settings(model, data))
    planted = {"problem": data.exams["aime24"][0]["problem"].upper() + " ", "answer": "0"}
    for name, rows in {"math": [*data.math, planted], **data.exams}.items():
        kept = [{"problem": row["problem"], "answer": row["answer"]} for row in rows]
        (folder / "data/sources" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, kept)) + "\n")

    def models() -> list[str]:
        present = [role for role in ("base", "turbo", "final") if (folder / "models" / role).is_dir()]
        return [TEACHER, *(weights.served_name(role, weights.identity(folder / "models" / role)) for role in present)]

    with ScriptedServer(models, Replay(data)) as server:
        output = repro(folder, server, "repro")
        yield Ran(folder, server, output, len(server.requests))


def table(ran: Ran, name: str) -> pl.DataFrame:
    path = ran.folder / name
    return pl.read_parquet(path if path.is_file() else path / "*.parquet")


def metrics(ran: Ran, name: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((ran.folder / "metrics" / f"{name}.json").read_text(), parse_constant=refuse)


def test_collect_drops_the_exam_question_that_was_planted(ran: Ran) -> None:
    found = metrics(ran, "collect")
    assert found["num_rows"] == 101
    assert found["num_contaminated"] == 1
    assert found["num_problems"] == 100
    assert found["num_exam_problems"] == 30 + 40 + 45
    assert set(table(ran, "data/contamination.parquet")["rule"]) == {"exact", "unordered", "ngram", "masked"}


def test_teach_asks_everything_once_and_keeps_reasoning_and_truncation(ran: Ran, data: Data) -> None:
    medium, high = table(ran, "data/traces/medium"), table(ran, "data/traces/high")
    assert medium.height == high.height == 800
    assert set(medium["status"]) == {"stop"} and medium["reasoning"].null_count() == 800
    assert Counter(high["status"]) == {"stop": 800 - NUM_TRUNCATED, "length": NUM_TRUNCATED}
    texts = sorted(text for row in data.math for text in row["responses"])
    assert high["reasoning"].null_count() == sum("\n\n" not in text for text in texts)
    assert high.filter(pl.col("status") == "length")["content"].null_count() == NUM_TRUNCATED
    assert sorted(medium["content"]) == texts
    assert Counter(body["model"] for body in ran.server.requests)[TEACHER] == 1600


def test_vote_agrees_with_the_transcripts_own_labels(ran: Ran, data: Data) -> None:
    found = metrics(ran, "vote_medium")
    right = sum(sum(row["correct"]) for row in data.math)
    # Qwen's labels call 728 of 800 right; ours may differ where its grader guesses.
    assert abs(found["sample_accuracy"] * 800 - right) <= 8
    votes = table(ran, "data/votes/medium.parquet")
    unanimous = [row for row in data.math if len(set(row["preds"])) == 1 and row["preds"][0]]
    clear = votes.filter((pl.col("share") >= 0.9) & (pl.col("votes") >= 4))
    assert len(unanimous) <= clear.height <= len(unanimous) + 10
    assert found["label_by_vote_accuracy"] > found["sample_accuracy"]


def test_judge_agrees_with_the_transcripts_own_labels_where_the_label_is_the_gold(ran: Ran, data: Data) -> None:
    by_prompt = {normal(row["problem"]): row for row in data.math}
    traces = table(ran, "data/traces/medium").join(table(ran, "data/problems.parquet"), on="problem_id")
    gold = table(ran, "data/votes/medium.parquet").filter(pl.col("label_source") == "gold")
    judged = table(ran, "data/verdicts/medium.parquet").join(
        traces.select("problem_id", "sample", "content", "prompt"), on=["problem_id", "sample"]
    )
    judged = judged.filter(pl.col("problem_id").is_in(gold["problem_id"].to_list()))
    different = 0
    for verdict, content, prompt in judged.select("verdict", "content", "prompt").iter_rows():
        row = by_prompt[prompt]
        different += (verdict == "correct") != row["correct"][row["responses"].index(content)]
    assert judged.height >= 700
    assert different <= 8
    high = table(ran, "data/verdicts/high.parquet")
    assert high.filter(pl.col("verdict") == "no_answer").height >= NUM_TRUNCATED


def test_curate_keeps_right_finished_traces_in_the_recipes_form(ran: Ran) -> None:
    for stage, effort in (("turbo", "medium"), ("final", "high")):
        sft = table(ran, f"data/sft/{stage}")
        rejects = table(ran, f"data/rejects/{stage}.parquet")
        verdicts = table(ran, f"data/verdicts/{effort}.parquet")
        traces = table(ran, f"data/traces/{effort}")
        assert sft.height + rejects.height == 800
        right = verdicts.filter(pl.col("verdict") == "correct").join(
            traces.filter(pl.col("status") == "stop"), on=["problem_id", "sample"], how="semi"
        )
        held_out = table(ran, f"data/held_out/{stage}")
        assert sft.height + held_out.height == right["problem_id"].n_unique()
        assert held_out["problem_id"].n_unique() == held_out.height == 3
        assert (rejects["reason"] == "truncated").sum() == (NUM_TRUNCATED if effort == "high" else 0)
        reasoned = sft.join(traces, on=["problem_id", "sample"])["reasoning"].is_not_null()
        for (user, assistant), apart in zip(sft["messages"], reasoned, strict=True):
            assert user["role"] == "user" and user["content"].endswith(SUFFIX)
            thinks = assistant["content"].startswith("<think>\n") and "\n</think>" in assistant["content"]
            assert thinks == apart
        assert reasoned.any() == (effort == "high")


def test_train_writes_both_checkpoints_the_second_from_the_first(ran: Ran) -> None:
    for stage in ("turbo", "final"):
        losses = pl.read_csv(ran.folder / f"data/train_log/{stage}.csv")["loss"]
        assert losses.len() == math.ceil(table(ran, f"data/sft/{stage}").height / 32)
        assert losses[-1] < losses[0]
    names = {weights.identity(ran.folder / "models" / each) for each in ("base", "turbo", "final")}
    assert len(names) == 3


def unbiased_pass_at(k: int, right: list[int], num_samples: int = 16) -> float:
    """Chen et al. 2021, equation 1, written out."""
    return sum(1 - math.comb(num_samples - c, k) / math.comb(num_samples, k) for c in right) / len(right)


def test_report_has_the_published_numbers(ran: Ran, data: Data) -> None:
    found = metrics(ran, "eval")
    assert list(found) == ["base", "turbo", "final"]
    final = found["final"]
    assert final["aime24"]["avg_at_16"] == pytest.approx(3 / 30)
    assert final["amc23"]["avg_at_16"] == pytest.approx(13 / 40)
    right: Counter[str] = Counter({row["problem_id"]: 0 for row in data.otis})
    for row in data.otis:
        right[row["problem_id"]] += row["graded"] == "C"
    assert final["otis"]["avg_at_16"] == pytest.approx(0.3111111111)
    assert final["otis"]["pass_at_8"] == pytest.approx(unbiased_pass_at(8, list(right.values())))
    for name, number in (("aime24", 30), ("amc23", 40), ("otis", 45)):
        assert final[name]["num_problems"] == number and final[name]["num_samples"] == 16 * number
        assert found["base"][name]["no_answer_share"] == 1.0 and found["base"][name]["avg_at_16"] == 0.0
        assert found["base"][name]["ci_low"] == 0.0 < found["base"][name]["ci_high"]
        assert found["turbo"][name]["truncated_share"] == 1.0
        assert all(isinstance(leaf, int | float) for leaf in final[name].values())
        assert final[name]["ci_low"] < final[name]["avg_at_16"] < final[name]["ci_high"]
    assert re.search(r"\| final \* +\| 10\.0 \[", ran.output)


def test_a_second_run_asks_nothing_and_runs_nothing(ran: Ran) -> None:
    before = len(ran.server.requests)
    output = repro(ran.folder, ran.server, "repro")
    assert "Running stage" not in output and "up to date" in output
    assert len(ran.server.requests) == before


def test_the_learning_rate_of_stage_two_reruns_stage_two_and_what_follows(ran: Ran) -> None:
    before = len(ran.server.requests)
    output = repro(ran.folder, ran.server, "exp", "run", "-S", "profiles.aime.train.final.learning_rate=1e-4")
    stages = [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
    assert stages == ["train@final", "choose@final", "exam@final", "mark@final", "gather@final", "report", "page"]
    asked = [body for body in ran.server.requests[before:] if body["temperature"] != PROBE_TEMPERATURE]
    assert Counter(body["model"].partition("-")[0] for body in asked) == {"final": 115 * 16}


def test_a_vote_threshold_asks_the_teacher_nothing(ran: Ran) -> None:
    before = len(ran.server.requests)
    file = ran.folder / "params.yaml"
    params = yaml.safe_load(file.read_text())
    params["profiles"]["aime"]["vote"]["min_share"] = 0.6
    file.write_text(yaml.safe_dump(params, sort_keys=False))
    output = repro(ran.folder, ran.server, "repro", "judge@medium")
    stages = [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
    assert stages[0] == "vote@medium" and not any(stage.startswith("teach") for stage in stages)
    assert len(ran.server.requests) == before
