"""Jobs: a long run is looked at once before it goes on, and what the look brought is not asked for again."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages.core.sampling.prompts import Example
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.asking.jobs import Job
from stages.edge.engines.endpoints import Served
from stages.edge.errors import ServerError
from tests.edge.asking.test_sampler import SAMPLING, request, runtime
from tests.projects import ROOT
from tests.scripted_server import Reply, ScriptedServer


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(jobs, "LONG_RUN", 30)


def job(num_problems: int) -> Job:
    problems = pl.DataFrame(
        {
            "problem_id": [f"p{number:02}" for number in range(num_problems)],
            "topic": ["t"] * num_problems,
            "prompt": [f"question {number}" for number in range(num_problems)],
        }
    )
    return Job("m", "exam", problems, request(num_samples=2))


def ask(job: Job, server: ScriptedServer) -> None:
    served = Served("teacher", "m", "m", {"model": "m"}, {}, {})
    settings = runtime(endpoints={"teacher": [{"url": server.url, "concurrency": None}]})
    failures: jobs.Failures = {}
    jobs.ask(served, [job], settings, lambda figures: None, failures)
    assert failures == {}


def test_a_long_run_is_looked_at_first_and_what_that_brought_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(["m"], lambda body: Reply(body["messages"][-1]["content"])) as server:
        ask(job(20), server)
        output = capsys.readouterr().err
        assert "8 of 8 answered, 5 tokens each, 0 truncated. 40 queries are about" in output
        assert output.index("8 of 8 answered") < output.index("answers wanted") and "8 already stored" in output
        completions = [body for body in server.requests if "seed" in body]
        assert len(completions) == 40 == len({body["seed"] for body in completions}), "no sample is asked for twice"
        first = {body["messages"][-1]["content"] for body in completions[:8]}
        assert first == {f"question {number}" for number in range(0, 16, 2)}


def test_a_run_that_was_begun_before_or_is_short_is_not_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        ask(job(3), server)
        assert "3 of 3" not in capsys.readouterr().err
        ask(job(20), server)
        assert "answered, 5 tokens each" not in capsys.readouterr().err, "the first three problems were asked before"
        assert len(server.requests) == 40


def test_servers_that_render_efforts_alike_stop_a_long_run_before_it_costs_anything() -> None:
    def reply(body: dict[str, object]) -> Reply:
        return Reply("4", prompt_ids=(1, 2, 3))

    long_job = job(20)._replace(request=request({**SAMPLING, "reasoning_effort": "high"}, num_samples=2))
    with ScriptedServer(["m"], reply) as server:
        with pytest.raises(ServerError, match="renders the reasoning efforts low and high of m alike"):
            ask(long_job, server)
        assert [body["max_tokens"] for body in server.requests] == [1, 1]


def test_what_failed_for_one_job_is_not_asked_again_for_another_of_the_same_run() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply("no", status=400) if "question 1" in body["messages"][-1]["content"] else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        served = Served("teacher", "m", "m", {"model": "m"}, {}, {})
        settings = runtime(endpoints={"teacher": [{"url": server.url, "concurrency": None}]})
        failures: jobs.Failures = {}
        for _ in range(2):
            jobs.ask(served, [job(3)], settings, lambda figures: None, failures)
    assert {answer.status for answer in failures.values()} == {"refused"} and len(failures) == 2
    assert len(server.requests) == 6


def topics(*names: str | None) -> pl.DataFrame:
    return pl.DataFrame({"topic": list(names)}, schema={"topic": pl.String})


def test_problems_that_match_no_example_are_counted_by_topic() -> None:
    examples = [Example("algebra", "1 + 1?", "2"), Example("geometry", "Angles?", "180")]
    text = jobs.without_example(topics(None, None, "algebra", "number theory"), examples)
    assert text is not None
    assert text.startswith(
        "3 of 4 problems match no example and are asked without one (2 of topic null, 1 of topic number theory;"
    )
    assert "the examples are for algebra, geometry" in text and "`topic` of an example to null" in text


def test_no_problem_lacks_an_example_where_one_is_for_all_or_there_is_none() -> None:
    assert jobs.without_example(topics(None, "algebra"), [Example(None, "1 + 1?", "2")]) is None
    assert jobs.without_example(topics("algebra"), [Example("algebra", "1 + 1?", "2")]) is None
    assert jobs.without_example(topics(None), []) is None
    assert jobs.without_example(pl.DataFrame({"benchmark": ["exam"]}), [Example("algebra", "1 + 1?", "2")]) is None


def test_own_problems_without_a_topic_are_warned_of_once_before_they_are_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problems = pl.DataFrame(
        {"problem_id": ["p1"], "topic": [None], "prompt": ["What is 2 + 2?"]},
        schema={"problem_id": pl.String, "topic": pl.String, "prompt": pl.String},
    )
    profile = yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]["cpu"]
    effort = params.Teach.model_validate(profile["teach"]["medium"])
    prompt = params.TeacherPrompt.model_validate(profile["prompts"]["medium"])
    served = Served("teacher", "m", "m", {"model": "m"}, {}, {})
    for _ in range(2):
        jobs.made("teacher", "medium", "medium", served, problems, prompt, effort.sampling, 4)
    warned = capsys.readouterr().err
    assert warned.count("warning: teacher, effort medium: 1 of 1 problems match no example") == 1
    assert "one_step, two_steps" in warned
