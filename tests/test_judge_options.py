"""Judging with a language model for what algebra leaves, and on a Ray cluster: through the stage, as DVC runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.answers.table import TRACES_IN, read_answers
from stages.core.tables.answers import ANSWERS, ANSWERS_KEY, VERDICTS
from stages.core.tables.traces import TRACES
from stages.core.tables.votes import VOTES, VOTES_KEY
from stages.edge.files import tables
from tests.projects import copy_project, environment
from tests.scripted_server import Reply, ScriptedServer

JUDGE = (
    *("judge", "--answers", "data/answers/high.parquet", "--votes", "data/votes.parquet"),
    *("--output", "data/verdicts.parquet", "--metrics", "metrics/judge.json"),
)
VOTE = (
    *("vote", "--problems", "data/problems.parquet", "--answers", "data/answers/high.parquet"),
    *("--output", "data/votes_made.parquet", "--changed", "data/changed.parquet"),
    *("--metrics", "metrics/vote.json", "--plot", "metrics/vote.csv"),
)
TOWER = "10^{10^{10}}+1"
GIVEN = {
    "p0": (TOWER, ["x=10^{10^{10}}", "1+10^{10^{10}}", "7"]),
    "p1": (r"\int x dx", [r"\frac{x^2}{2}", r"\frac{x^2}{3}", r"\frac{1}{2}x^2"]),
    "p2": ("42", ["42", "43", "no answer"]),
}
LLM: dict[str, Any] = {
    "name": "some/judge", "revision": None, "dtype": "auto", "quantization": None, "reasoning_parser": None,
    "extra_body": {}, "reasoning_effort": None, "num_overlap": 4,
    "sampling": {
        "temperature": 0.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 20,
    },
}  # fmt: skip


def project(folder: Path, llm: dict[str, Any] | None = None, pool: str = "local") -> Path:
    def change(params: dict[str, Any]) -> None:
        # Time enough on any machine: a pair that runs out of it here and not there has two verdicts.
        params["profiles"]["cpu"]["symbolic"]["seconds"] = 60.0
        params["profiles"]["cpu"]["judge"]["llm"] = llm
        params["profiles"]["cpu"]["runtime"]["pool"] = pool

    copy_project(folder, change)
    asked = {
        "model": "teacher", "effort": "high", "benchmark": None, "query_key": "k", "reasoning": None, "status": "stop",
        "prompt_tokens": 1, "completion_tokens": 1, "stopped": "fixed", "reason": None,
    }  # fmt: skip
    rows = [
        {
            **asked,
            "problem_id": name,
            "sample": sample,
            "content": rf"\boxed{{{answer}}}" if answer[0] != "n" else answer,
        }
        for name, (_, answers) in GIVEN.items()
        for sample, answer in enumerate(answers)
    ]
    traces = pl.DataFrame(rows, schema=TRACES)
    answers = read_answers(traces.select(list(TRACES_IN)))
    tables.write(answers, folder / "data/answers/high.parquet", ANSWERS, ANSWERS_KEY)
    votes: list[Any] = [
        (name, 3, 3, label, 1, 0.3, False, [], label, "gold") for name, (label, _) in GIVEN.items()
    ]  # fmt: skip
    table = pl.DataFrame(votes, schema=VOTES, orient="row")
    tables.write(table, folder / "data/votes.parquet", VOTES, VOTES_KEY)
    return folder


def run(folder: Path, *arguments: str, **changes: str) -> str:
    command = [sys.executable, "-m", f"stages.{arguments[0]}", *arguments[1:]]
    done = subprocess.run(command, cwd=folder, env=environment(**changes), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stderr


def verdicts(folder: Path) -> dict[tuple[str, int], tuple[str, str | None]]:
    table = tables.read(folder / "data/verdicts.parquet", VERDICTS)
    return {
        (row[0], row[1]): row[2:] for row in table.select("problem_id", "sample", "verdict", "decided_by").iter_rows()
    }


def test_without_a_language_model_what_algebra_cannot_tell_stays_undecided(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    run(folder, *JUDGE)
    found = verdicts(folder)
    assert found["p0", 0] == ("unparsable", None) and found["p1", 0] == ("correct", "symbolic")


def test_a_language_model_decides_what_is_left_in_both_orders_and_nothing_twice(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", LLM)

    def reply(body: dict[str, Any]) -> Reply:
        asked = body["messages"][-1]["content"]
        if "x=10" in asked:
            return Reply('{"equivalent": false}')
        if '"7"' in asked:  # it says yes to whatever stands first
            return Reply(json.dumps({"equivalent": asked.index('"7"') < asked.index(json.dumps(TOWER))}))
        return Reply('{"equivalent": true}')

    with ScriptedServer(["some/judge"], reply) as server:
        run(folder, *JUDGE, OPENAI_BASE_URL=server.url)
        num_asked = len(server.requests)
        first = (folder / "data/verdicts.parquet").read_bytes()
        run(folder, *JUDGE, OPENAI_BASE_URL=server.url)
        assert len(server.requests) == num_asked, "its replies are in the store"
    assert (folder / "data/verdicts.parquet").read_bytes() == first
    assert all(body["response_format"]["json_schema"]["strict"] for body in server.requests)
    assert len({body["messages"][-1]["content"] for body in server.requests}) == num_asked
    found = verdicts(folder)
    assert found["p0", 0] == ("incorrect", "llm")
    assert found["p0", 1] == ("correct", "llm")
    assert found["p0", 2][0] == "unparsable", "it contradicts itself"
    assert found["p1", 0] == ("correct", "symbolic"), "algebra has the word where it can tell"
    assert found["p2", 2] == ("no_answer", None)
    assert json.loads((folder / "metrics/judge.json").read_text())["num_by_llm"] == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_ray_cluster_writes_the_same_bytes(tmp_path: Path) -> None:
    written, found = {}, {}
    for pool in ("local", "ray"):
        folder = project(tmp_path / pool, pool=pool)
        golds = [(name, label, True) for name, (label, _) in GIVEN.items()]
        problems = pl.DataFrame(
            golds, schema={"problem_id": pl.String, "gold": pl.String, "gradable": pl.Boolean}, orient="row"
        )
        problems.write_parquet(folder / "data/problems.parquet")
        run(folder, *JUDGE)
        run(folder, *VOTE)
        names = ("verdicts", "votes_made", "changed")
        found[pool] = verdicts(folder)
        written[pool] = [(folder / f"data/{name}.parquet").read_bytes() for name in names]
    assert found["local"] == found["ray"] and found["ray"]["p1", 0] == ("correct", "symbolic")
    assert written["local"] == written["ray"]
