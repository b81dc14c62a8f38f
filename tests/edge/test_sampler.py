"""Asking a model: every answer stored once, failures retried, refused or reported, nothing left to the server."""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.core.queries import Answer, Query
from stages.edge import sampler, store
from stages.edge.errors import ServerError
from stages.edge.params import Engine, Runtime
from stages.edge.progress import Progress
from stages.edge.sampler import Request, Sampler
from tests.scripted_server import Reply, ScriptedServer

SAMPLING = {"temperature": 0.8, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1, "max_tokens": 7}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path))
    monkeypatch.setattr(sampler, "LONGEST_BACKOFF", 0.01)


def runtime(**changes: Any) -> Runtime:
    fields: dict[str, Any] = {
        "endpoints": [],
        "concurrency": 4,
        "request_seconds": 5.0,
        "max_attempts": 3,
        "max_failed_share": 0.5,
        "engine": Engine(args=[], env={}, start_seconds=1.0),
        "num_workers": 1,
        "num_processes": 1,
        "micro_batch_size": 1,
        "deepspeed": None,
        "save_steps": 1,
    }
    return Runtime(**{**fields, **changes})


def some_queries(number: int) -> list[Query]:
    return [
        Query(f"{place:08x}" + "0" * 56, None, f"p{place}", 0, ({"role": "user", "content": f"question {place}"},))
        for place in range(number)
    ]


def ask(
    urls: Sequence[str], number: int, effort: str | None = None, sampling: dict[str, Any] = SAMPLING, **changes: Any
) -> tuple[int, dict[str, Any]]:
    """Ask `number` queries that are not stored yet; (failed ones, all stored answers)."""
    asked = some_queries(number)
    settings = runtime(**changes)
    with store.opened("model") as answers:
        known = answers.known(query.key for query in asked)
        progress = Progress("test", number, len(known), lambda figures: None)
        request = Request("m", sampling, effort)
        failed = Sampler(urls, request, answers, settings, progress).ask([q for q in asked if q.key not in known])
        return failed, answers.get(query.key for query in asked)


def question(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def test_each_answer_is_stored_with_its_status_reasoning_and_tokens() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if question(body) == "question 1":
            return Reply("cut of", "a long thought", finish_reason="length", prompt_tokens=3, completion_tokens=7)
        return Reply(f"to {question(body)}")

    with ScriptedServer(["m"], reply) as server:
        failed, found = ask([server.url], 3)
    assert failed == 0
    by_problem = {int(key[:8], 16): answer for key, answer in found.items()}
    assert by_problem[0][:3] == ("stop", "to question 0", None)
    assert by_problem[1][:5] == ("length", "cut of", "a long thought", 3, 7)
    assert by_problem[2].content == "to question 2"


def test_every_sampling_field_is_sent_and_nothing_is_left_to_the_server() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        ask([server.url], 1)
        ask([server.url], 2, effort="high")
    first, second = server.requests
    assert {name: first[name] for name in SAMPLING} == SAMPLING
    assert first["seed"] == 0 and second["seed"] == 1
    assert "reasoning_effort" not in first and second["reasoning_effort"] == "high"
    assert first["model"] == "m" and "n" not in first


def test_a_stored_answer_is_not_asked_for_again() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        ask([server.url], 3)
        ask([server.url], 5)
    assert Counter(map(question, server.requests)) == {f"question {place}": 1 for place in range(5)}


def test_several_requests_are_in_flight_and_never_more_than_allowed() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4", seconds=0.05)) as server:
        ask([server.url], 24, concurrency=6)
    assert server.most_in_flight == 6


def test_two_servers_share_the_work() -> None:
    with (
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.02)) as one,
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.02)) as other,
    ):
        ask([one.url, other.url], 40, concurrency=2)
    assert len(one.requests) + len(other.requests) == 40
    assert abs(len(one.requests) - len(other.requests)) <= 8


@pytest.mark.parametrize(
    "fault",
    [
        Reply("slow down", status=429),
        Reply("broken", status=500),
        Reply("away", status=503),
        Reply(drop=True),
        Reply("late", seconds=0.6),
        Reply(raw=b"<html>no JSON</html>"),
        Reply(raw=b'{"object": "chat.completion", "choices": []}'),
        Reply(raw=b'{"object": "chat.completion", "choices": null}'),
        Reply(None, finish_reason="stop"),
        Reply("x", finish_reason="error"),
    ],
    ids=["429", "500", "503", "dropped", "timeout", "html", "no choice", "null choices", "no content", "odd finish"],
)
def test_a_fault_is_tried_again(fault: Reply) -> None:
    seen: Counter[str] = Counter()
    turn = threading.Lock()

    def reply(body: dict[str, Any]) -> Reply:
        with turn:
            seen[question(body)] += 1
            return fault if seen[question(body)] == 1 else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        failed, found = ask([server.url], 2, request_seconds=0.3)
    assert failed == 0
    assert [answer.content for answer in found.values()] == ["4", "4"]
    assert seen == {"question 0": 2, "question 1": 2}


def test_a_query_that_keeps_failing_is_counted_not_stored_and_asked_again_by_the_next_run() -> None:
    broken = True

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("broken", status=500) if broken and question(body) == "question 1" else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        failed, found = ask([server.url], 4)
        assert failed == 1 and len(found) == 3
        assert Counter(map(question, server.requests))["question 1"] == 3
        broken = False
        failed, found = ask([server.url], 4)
    assert failed == 0 and len(found) == 4
    assert len(server.requests) == 3 + 3 + 1


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_query_is_an_answer_with_its_reason(status: int) -> None:
    with ScriptedServer(["m"], lambda body: Reply("prompt is too long", status=status)) as server:
        failed, found = ask([server.url], 1)
        ask([server.url], 1)
    (answer,) = found.values()
    assert failed == 0 and answer.status == "refused"
    assert "prompt is too long" in str(answer.reason)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "told"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "has no model m")]
)
def test_a_server_that_refuses_us_stops_the_run_with_one_sentence(status: int, told: str) -> None:
    with ScriptedServer(["m"], lambda body: Reply("no", status=status)) as server, pytest.raises(ServerError) as error:
        ask([server.url], 50)
    assert told in str(error.value) and server.url in str(error.value)


def test_a_server_that_dies_stops_the_run_and_what_was_answered_stays() -> None:
    answered = threading.Semaphore(10)

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("4") if answered.acquire(blocking=False) else Reply(drop=True)

    with ScriptedServer(["m"], reply) as server:
        with pytest.raises(ServerError, match="every answer so far is stored"):
            ask([server.url], 500, max_attempts=5)
        assert len(server.requests) < 100
        with store.opened("model") as answers:
            assert len(answers.known(query.key for query in some_queries(500))) == 10


def test_a_hiccup_of_all_requests_at_once_stops_nothing() -> None:
    first = threading.Semaphore(8)

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("busy", status=503) if first.acquire(blocking=False) else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        failed, found = ask([server.url], 20, concurrency=8)
    assert failed == 0 and len(found) == 20


def test_the_key_is_sent_and_stands_in_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-words")
    with ScriptedServer(["m"], lambda body: Reply("4"), key="sk-secret-words") as server:
        failed, _ = ask([server.url], 1)
    assert failed == 0
    with ScriptedServer(["m"], lambda body: Reply("4"), key="another") as server, pytest.raises(ServerError) as error:
        ask([server.url], 2)
    assert "sk-secret-words" not in str(error.value)
    assert all(b"sk-secret-words" not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_half_a_surrogate_pair_is_replaced_and_control_characters_stay() -> None:
    raw = b'{"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a\\ud800b\\u0000\\ud83d\\ude00"}}]}'
    with ScriptedServer(["m"], lambda body: Reply(raw=raw)) as server:
        _, found = ask([server.url], 1)
    (answer,) = found.values()
    assert answer.content == "a\ufffdb\x00\U0001f600"


def test_progress_shows_tokens_truncations_retries_and_the_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[Any] = []
    progress = Progress("teacher, effort high", 4, 1, shown.append)
    progress.show(last=False)
    progress.answered(Answer("length", "x", None, 1, 50, None))
    progress.retried()
    progress.show()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "teacher, effort high: 4 answers wanted, 1 already stored"
    assert "1/4 answers, 0 tok/s" in lines[1]
    assert "2/4 answers" in lines[-1] and "1 truncated, 1 retries" in lines[-1]
    assert shown[-1]["answers"] == 2 and shown[-1]["tokens_per_second"] > 0
