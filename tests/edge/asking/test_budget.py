"""What a stage may spend, and samples until enough are right: `teach` itself, with a server that counts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.core.problems import problems
from stages.core.sampling.queries import Answer
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.traces import TRACES
from stages.edge import params
from stages.edge.asking.budget import Budget
from stages.edge.files import tables
from tests.projects import ROOT
from tests.scripted_server import Reply, ScriptedServer
from tests.test_verbs import Ended, call

NUM_PROBLEMS, NUM_SAMPLES, PROMPT_TOKENS, TOKENS = 6, 8, 4, 10
EACH = PROMPT_TOKENS + TOKENS


def limits(**changes: Any) -> dict[str, Any]:
    return {"max_total_tokens": None, "max_cost": None, "price": None, **changes}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
    rows = [{"prompt": f"question {number}", "gold": "7"} for number in range(NUM_PROBLEMS)]
    tables.write(problems.problem_rows("mine", rows), tmp_path / "problems.parquet", PROBLEMS, PROBLEMS_KEY)
    return tmp_path


def right(body: dict[str, Any]) -> Reply:
    return Reply("\\boxed{7}", prompt_tokens=PROMPT_TOKENS, completion_tokens=TOKENS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(["some/model"], right) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


def teach(folder: Path, budget: dict[str, Any] | None, adaptive: dict[str, Any] | None = None) -> Ended:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    profile = document["profiles"]["cpu"]
    profile["teach"]["models"][0]["name"] = "some/model"
    profile["teach"]["medium"].update(num_samples=NUM_SAMPLES, adaptive=adaptive)
    profile["prompts"]["medium"].update(examples=[])
    profile["runtime"].update(budget=budget, concurrency=2)
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    return call(
        folder, "teach", "--effort", "medium", "--problems", "problems.parquet", "--model", "none", "--output", "traces"
    )


@pytest.mark.parametrize(
    ("budget", "more", "sentence"),
    [
        (limits(max_total_tokens=10 * EACH), limits(max_total_tokens=10**6), "tokens of runtime.budget.max_total_tokens 140;"),
        # 4 tokens at 1 and 10 at 5 a million are 54 millionths: ten answers, and all of them with the second limit.
        (
            limits(max_cost=0.00054, price={"prompt": 1.0, "completion": 5.0}),
            limits(max_cost=1.0, price={"prompt": 1.0, "completion": 5.0}),
            "of runtime.budget.max_cost 0.00054;",
        ),
    ],
    ids=["tokens", "money"],
)  # fmt: skip
def test_a_stage_stops_when_its_budget_is_spent_and_goes_on_where_it_stopped(
    budget: dict[str, Any], more: dict[str, Any], sentence: str, folder: Path, server: ScriptedServer
) -> None:
    done = teach(folder, budget)
    assert done.returncode == 1 and not (folder / "traces").exists()
    assert sentence in done.stderr and "every answer is stored: set it higher and run again" in done.stderr
    num_asked = len(server.requests)
    assert 10 <= num_asked <= 11, "the one that was in flight beside the tenth is paid for"
    assert teach(folder, budget).returncode == 1
    assert len(server.requests) == num_asked, "what is stored counts: running again is no new budget"
    done = teach(folder, more)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == NUM_PROBLEMS * NUM_SAMPLES, "nothing is asked twice"
    assert tables.read(folder / "traces", TRACES).height == NUM_PROBLEMS * NUM_SAMPLES


def test_a_run_whose_last_answer_spends_the_budget_has_all_that_it_wants(folder: Path, server: ScriptedServer) -> None:
    enough = limits(max_total_tokens=NUM_PROBLEMS * NUM_SAMPLES * EACH)
    assert teach(folder, enough).returncode == 0
    assert teach(folder, limits(max_total_tokens=1)).returncode == 0, "nothing is missing, so nothing is to be paid"
    assert len(server.requests) == NUM_PROBLEMS * NUM_SAMPLES


def test_samples_are_drawn_until_enough_are_right_where_there_is_a_gold(
    folder: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, object]] = [
        {"prompt": "known", "gold": "7.0"},
        {"prompt": "other", "gold": "5"},
        {"prompt": "open", "gold": None},
    ]
    tables.write(problems.problem_rows("mine", rows), folder / "problems.parquet", PROBLEMS, PROBLEMS_KEY)
    rule = {"start": 4, "step": 1, "confidence": 0.95, "hopeless_share": 0.1, "until_right": 6}
    done = teach(folder, None, rule)
    assert done.returncode == 0, done.stderr
    traces = tables.read(folder / "traces", TRACES)
    prompts: dict[str, str] = dict(problems.problem_rows("mine", rows).select("problem_id", "prompt").iter_rows())
    counts = {prompts[name]: number for name, number in traces["problem_id"].value_counts().iter_rows()}
    assert counts == {"known": 6, "other": 4, "open": 4}, "six right ones; four votes against the gold; four votes"


def test_each_answer_counts_once_and_one_without_counts_by_its_length() -> None:
    budget = Budget(params.Budget.model_validate(limits(max_total_tokens=30)))
    answer = Answer("stop", "4", None, 5, 6, None)
    budget.count({"a" * 64: answer})
    budget.count({"a" * 64: answer, "b" * 64: Answer("stop", "x" * 40, "y" * 20, None, None, None)})
    assert budget.tokens == 5 + 6 + 15 and not budget.is_spent
    budget.count({"c" * 64: answer})
    assert budget.is_spent
    nothing = Budget(None)
    nothing.count({"a" * 64: answer})
    assert not nothing.is_spent and not nothing.is_limited
