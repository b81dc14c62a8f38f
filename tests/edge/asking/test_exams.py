"""Exams that go on until their intervals are as narrow as asked."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.sampling.precision import PrecisionTarget
from stages.core.tables.traces import TRACES_KEY
from stages.edge.asking import exams, jobs
from stages.edge.asking.jobs import Job
from stages.edge.engines.endpoints import Served
from tests.edge.asking.test_sampler import request, runtime
from tests.scripted_server import Reply, ScriptedServer

START, MOST, PROBLEMS = 4, 16, 12
GOLDS = pl.DataFrame(
    [(benchmark, f"{benchmark}-{number:02}", "7") for benchmark in ("alike", "known") for number in range(PROBLEMS)],
    schema=["benchmark", "problem_id", "gold"],
    orient="row",
)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)


def job() -> Job:
    problems = GOLDS.select("benchmark", "problem_id", topic=pl.lit("t"), prompt=pl.col("problem_id"))
    return Job("m", "exam", problems, request(num_samples=START))


def reply(body: dict[str, Any]) -> Reply:
    """Half of the samples are right on what is alike; of what is known, the even problems always and the others never."""
    benchmark, number = body["messages"][-1]["content"].split("-")
    is_right = body["seed"] % 2 if benchmark == "alike" else int(number) % 2 == 0
    return Reply("\\boxed{7}" if is_right else "\\boxed{8}")


def ask(server: ScriptedServer, ci_width: float, most: int = MOST) -> dict[str, Job]:
    served = Served("student", "m", "m", {"model": "m"}, {}, {})
    settings = runtime(endpoints={"student": [{"url": server.url, "concurrency": None}]})
    failures: jobs.Failures = {}
    target = PrecisionTarget(ci_width, most)
    drawn = exams.ask(served, [job()], settings, lambda figures: None, failures, golds=GOLDS, target=target)
    assert not failures
    return {each.problems["benchmark"][0]: each for each in drawn}


def num_asked(server: ScriptedServer) -> Counter[str]:
    return Counter(body["messages"][-1]["content"].split("-")[0] for body in server.requests if "seed" in body)


def test_each_benchmark_is_asked_as_often_as_its_own_interval_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(["m"], reply) as server:
        drawn = ask(server, 0.27)
        alike, known = drawn["alike"], drawn["known"]
        assert (known.request.num_samples, known.stopped) == (START, "hopeless")
        assert START < alike.request.num_samples <= MOST and alike.stopped == "settled"
        assert num_asked(server) == {"known": PROBLEMS * START, "alike": PROBLEMS * alike.request.num_samples}
        output = capsys.readouterr().err
        assert "m, known: 4 samples of 12 problems, interval 50.6 points wide, 27.0 asked" in output
        assert "more samples would leave it at about 50.6" in output and "only more problems narrow it" in output
        assert f"going on to {alike.request.num_samples} samples" in output
        assert "27.0 asked: as narrow as asked" in output


def test_what_was_drawn_is_not_drawn_again_and_a_narrower_interval_asks_for_the_difference() -> None:
    with ScriptedServer(["m"], reply) as server:
        first = ask(server, 0.27)
        num = len(server.requests)
        again = ask(server, 0.27)
        assert [each.request.num_samples for each in again.values()] == [
            each.request.num_samples for each in first.values()
        ]
        assert len(server.requests) == num, "nothing is asked twice"
        narrower = ask(server, 0.05)["alike"]
        assert (narrower.request.num_samples, narrower.stopped) == (MOST, "exhausted")
        assert num_asked(server)["alike"] == PROBLEMS * MOST


def test_the_traces_say_why_no_more_were_drawn_and_stand_in_order() -> None:
    with ScriptedServer(["m"], reply) as server:
        drawn = ask(server, 0.27)
    served = Served("student", "m", "m", {"model": "m"}, {}, {})
    traces = pl.concat(
        table
        for each in sorted(drawn.values(), key=lambda job: job.place)
        for table in jobs.traces(served, each, {}, {})
    )
    assert dict(traces.select("benchmark", "stopped").unique().iter_rows()) == {"alike": "settled", "known": "hopeless"}
    assert traces.select(TRACES_KEY).equals(traces.select(TRACES_KEY).sort(TRACES_KEY))


def test_a_problem_that_is_always_refused_is_asked_once_and_ends_no_exam() -> None:
    """One of 24 is within a share of 0.05 of the exam; in the later rounds it is one of twelve."""

    def broken(body: dict[str, Any]) -> Reply:
        is_first = body["messages"][-1]["content"] == "alike-00"
        return Reply(status=400, raw=b'{"error": {"message": "no"}}') if is_first else reply(body)

    served = Served("student", "m", "m", {"model": "m"}, {}, {})
    failures: jobs.Failures = {}
    with ScriptedServer(["m"], broken) as server:
        settings = runtime(endpoints={"student": [{"url": server.url, "concurrency": None}]}, max_failed_share=0.05)
        target = PrecisionTarget(0.28, MOST)
        drawn = exams.ask(served, [job()], settings, lambda figures: None, failures, golds=GOLDS, target=target)
        num_refused = sum(body["messages"][-1]["content"] == "alike-00" for body in server.requests if "seed" in body)
    alike = drawn[0]
    assert alike.request.num_samples > START and len(failures) == alike.request.num_samples == num_refused
    traces = pl.concat(jobs.traces(served, alike, failures, {}))
    refused = traces.filter(pl.col("status") == "refused")
    assert refused["problem_id"].unique().to_list() == ["alike-00"] and refused.height == len(failures)


def test_an_exam_of_which_nothing_can_be_scored_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    served = Served("student", "m", "m", {"model": "m"}, {}, {})
    with ScriptedServer(["m"], reply) as server:
        settings = runtime(endpoints={"student": [{"url": server.url, "concurrency": None}]})
        no_golds = GOLDS.with_columns(gold=pl.lit(None, pl.String))
        target = PrecisionTarget(0.27, MOST)
        drawn = exams.ask(served, [job()], settings, lambda figures: None, {}, golds=no_golds, target=target)
    assert [(each.request.num_samples, each.stopped) for each in drawn] == [(START, "hopeless")] * 2
    assert "m, alike: 4 samples of 12 problems, of which none was scored\n" in capsys.readouterr().err
