"""Asking a model: every answer stored once, failures retried, refused or reported, nothing left to the server."""

import asyncio
import contextlib
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest

from stages.core.sampling.queries import SEED_STEP, Answer, Query, Request
from stages.edge import store
from stages.edge.asking import backlog, clients, probes, replies, retries
from stages.edge.asking.progress import Progress
from stages.edge.asking.sampler import Sampler
from stages.edge.engines import pool
from stages.edge.engines.pool import Endpoint
from stages.edge.errors import ServerError
from stages.edge.params import Runtime
from tests.scripted_server import Reply, ScriptedServer

SAMPLING = {"temperature": 0.8, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1, "max_tokens": 7}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path))
    monkeypatch.setattr(retries, "LONGEST_BACKOFF", 0.01)
    monkeypatch.setattr(pool, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(probes, "PROBE_SECONDS", 0.02)


def runtime(**changes: Any) -> Runtime:
    fields: dict[str, Any] = {
        "endpoints": {},
        "concurrency": 4,
        "samples_per_request": 1,
        "request_seconds": 5.0,
        "stall_seconds": 5.0,
        "give_up_seconds": 1.0,
        "max_attempts": 3,
        "max_failed_share": 0.5,
        "budget": None,
        "engine": {"args": [], "env": {}, "start_seconds": 1.0, "tensor_parallel_size": 1, "replicas": None},
        "pool": "local",
        "num_workers": 1,
        "num_processes": 1,
        "num_hosts": 1,
        "launcher": [],
        "micro_batch_tokens": 64,
        "micro_batch_size": None,
        "padding": False,
        "attention": "auto",
        "gradient_checkpointing": False,
        "compile": False,
        "deepspeed": None,
        "save_steps": 1,
    }
    return Runtime.model_validate({**fields, **changes})


def request(
    fields: Mapping[str, Any] = SAMPLING, num_samples: int = 1, identity: Mapping[str, Any] = {"model": "m"}
) -> Request:
    """What is asked of the model `m`."""
    return Request("m", identity, fields, None, num_samples, None, None, [])


def some_problems(number: int, num_samples: int = 1) -> list[list[Query]]:
    return [
        [
            Query(f"{place:08x}{sample:08x}" + "0" * 48, None, f"p{place}", sample, (_asks(place),))
            for sample in range(num_samples)
        ]
        for place in range(number)
    ]


def _asks(place: int) -> dict[str, str]:
    return {"role": "user", "content": f"question {place}"}


class Outcome(NamedTuple):
    """What failed for good, by key; all stored answers by key; the progress."""

    failed: dict[str, Answer]
    answers: dict[str, Answer]
    progress: Progress


def ask(
    urls: Sequence[str],
    number: int,
    effort: str | None = None,
    sampling: dict[str, Any] = SAMPLING,
    num_samples: int = 1,
    restart: Callable[[str | None], bool] | None = None,
    extra_body: dict[str, Any] | None = None,
    **changes: Any,
) -> Outcome:
    """Ask `num_samples` of `number` problems, as far as they are not stored yet."""
    problems = some_problems(number, num_samples)
    settings = runtime(**changes)
    with store.opened("model", "part") as answers:
        progress = Progress("test", number * num_samples, lambda figures: None)
        whole_request = request({**sampling, "reasoning_effort": effort, **(extra_body or {})})
        endpoints = [Endpoint(url, settings.concurrency) for url in urls]
        asker = Sampler(endpoints, whole_request, answers, settings, progress, restart)
        failed = asker.ask(backlog.Fixed(problems, answers, progress))
        return Outcome(failed, answers.get([query.key for each in problems for query in each]), progress)


def question(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def test_each_answer_is_stored_with_its_status_reasoning_and_tokens() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if question(body) == "question 1":
            return Reply("cut of", "a long thought", finish_reason="length", prompt_tokens=3, completion_tokens=7)
        return Reply(f"to {question(body)}")

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 3)
    assert not failed
    by_problem = {int(key[:8], 16): answer for key, answer in answers.items()}
    assert by_problem[0][:3] == ("stop", "to question 0", None)
    assert by_problem[1][:5] == ("length", "cut of", "a long thought", 3, 7)
    assert by_problem[2].content == "to question 2"


def test_every_sampling_field_is_sent_and_nothing_is_left_to_the_server() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        ask([server.url], 1)
        ask([server.url], 2, effort="high", extra_body={"chat_template_kwargs": {"enable_thinking": True}})
    first, second = server.requests
    assert {name: first[name] for name in SAMPLING} == SAMPLING
    assert first["seed"] == 0 and second["seed"] == 1
    assert "chat_template_kwargs" not in first and second["chat_template_kwargs"] == {"enable_thinking": True}
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


def test_no_limit_of_the_client_stands_below_ours() -> None:
    together = threading.Barrier(150)

    def once_all_are_there(_: object) -> Reply:
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(timeout=30)
        return Reply("4")

    with ScriptedServer(["m"], once_all_are_there) as server:
        ask([server.url], 150, concurrency=150)
    assert not together.broken


def test_two_servers_share_the_work() -> None:
    with (
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.02)) as one,
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.02)) as other,
    ):
        ask([one.url, other.url], 40, concurrency=2)
    assert len(one.requests) + len(other.requests) == 40
    assert abs(len(one.requests) - len(other.requests)) <= 8


def test_a_server_of_few_slots_is_given_less_than_one_of_many() -> None:
    with (
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.02)) as fast,
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.2)) as slow,
    ):
        ask([fast.url, slow.url], 100, concurrency=3)
    assert len(fast.requests) > 2 * len(slow.requests) > 0


FAULTS = {
    "429": Reply("slow down", status=429),
    "429 with Retry-After": Reply("slow down", status=429, headers=(("Retry-After", "0.1"),)),
    "500": Reply("broken", status=500),
    "503": Reply("away", status=503),
    "408": Reply("late", status=408),
    "dropped": Reply(drop=True),
    "half a body": Reply("4", half=True),
    "no chunk": Reply("4", no_chunk=True),
    "timeout": Reply("late", seconds=4),
    "html": Reply(raw=b"<html>no JSON</html>"),
    "empty": Reply(raw=b""),
    "no choice": Reply(raw=b'{"object": "chat.completion", "choices": []}'),
    "null choices": Reply(raw=b'{"object": "chat.completion", "choices": null}'),
    "two choices": Reply("4", choices=2),
    "no content": Reply(None, finish_reason="stop"),
    "odd finish": Reply("x", finish_reason="error"),
    "harmony": Reply("HarmonyError: unexpected tokens remaining in message header", status=400),
}


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_tried_again(fault: Reply, streams: bool) -> None:
    seen: Counter[str] = Counter()
    turn = threading.Lock()

    def reply(body: dict[str, Any]) -> Reply:
        with turn:
            seen[question(body)] += 1
            return fault if seen[question(body)] == 1 else Reply("4")

    with ScriptedServer(["m"], reply, metrics=not streams) as server:
        failed, answers, _ = ask([server.url], 2, request_seconds=2.0, stall_seconds=30.0 if streams else None)
    assert not failed and server.requests[0].get("stream", False) == streams
    assert [answer.content for answer in answers.values()] == ["4", "4"]
    assert seen == {"question 0": 2, "question 1": 2}


def test_a_query_that_keeps_failing_is_told_with_its_reason_not_stored_and_asked_again_by_the_next_run() -> None:
    broken = True

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("broken", status=500) if broken and question(body) == "question 1" else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 4)
        (answer,) = failed.values()
        assert answer.status == "failed" and "500" in str(answer.reason) and len(answers) == 3
        assert Counter(map(question, server.requests))["question 1"] == 3
        broken = False
        failed, answers, _ = ask([server.url], 4)
    assert not failed and len(answers) == 4
    assert len(server.requests) == 3 + 3 + 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_query_has_its_reason_is_not_tried_again_and_is_asked_by_the_next_run(status: int) -> None:
    with ScriptedServer(["m"], lambda body: Reply("prompt is too long", status=status)) as server:
        failed, answers, _ = ask([server.url], 1)
        assert len(server.requests) == 1
        ask([server.url], 1)
    (answer,) = failed.values()
    assert not answers and answer.status == "refused"
    assert "prompt is too long" in str(answer.reason)
    assert len(server.requests) == 2, "another server, or a longer context, may take it"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply("no", status=401), "OPENAI_API_KEY"),
        (Reply("no", status=403), "OPENAI_API_KEY"),
        (Reply("no", status=404), "has no model m"),
        (Reply("4", model="another"), "was asked for m and answered as another"),
    ],
)
def test_a_server_that_cannot_serve_us_stops_the_run_with_one_sentence(reply: Reply, message: str) -> None:
    with ScriptedServer(["m"], lambda body: reply) as server, pytest.raises(ServerError) as error:
        ask([server.url], 50)
    assert message in str(error.value) and server.url in str(error.value)
    assert len(server.requests) <= 8


def test_a_server_that_dies_stops_the_run_and_what_was_answered_stays() -> None:
    answered = threading.Semaphore(10)

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("4") if answered.acquire(blocking=False) else Reply(drop=True)

    with ScriptedServer(["m"], reply) as server:
        with pytest.raises(ServerError, match="every answer so far is stored"):
            ask([server.url], 500, max_attempts=50)
        assert len(server.requests) < 200
        with store.opened("model", "part") as answers:
            assert sum(answers.known([query.key for (query,) in some_problems(500)])) == 10


def test_replies_that_are_no_answers_stop_the_run_before_all_is_asked() -> None:
    with ScriptedServer(["m"], lambda body: Reply(None)) as server:
        with pytest.raises(ServerError, match=r"runtime.max_failed_share allows .*no content"):
            ask([server.url], 5000)
        assert len(server.requests) < 100


def test_a_hiccup_of_all_requests_at_once_stops_nothing() -> None:
    first = threading.Semaphore(8)

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("busy", status=503) if first.acquire(blocking=False) else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 20, concurrency=8)
    assert not failed and len(answers) == 20


def test_the_work_of_a_sick_server_is_done_by_the_others() -> None:
    with (
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.01)) as well,
        ScriptedServer(["m"], lambda body: Reply("broken", status=500)) as sick,
    ):
        failed, answers, _ = ask([well.url, sick.url], 200, max_attempts=20)
    assert not failed and len(answers) == 200
    assert len(sick.requests) < 60, "it is left alone, and probed now and then"


def test_a_server_that_is_always_busy_does_not_draw_the_work_to_itself() -> None:
    with (
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.01)) as well,
        ScriptedServer(["m"], lambda body: Reply("later", status=503)) as busy,
    ):
        failed, answers, _ = ask([well.url, busy.url], 200)
    assert not failed and len(answers) == 200
    assert len(busy.requests) < 60


def test_a_server_that_is_always_busy_and_the_only_one_is_given_up() -> None:
    message = r"no answer for \d+ s .*429: later.*every answer so far is stored"
    with (
        ScriptedServer(["m"], lambda body: Reply("later", status=429)) as server,
        pytest.raises(ServerError, match=message),
    ):
        ask([server.url], 50)


def test_a_server_that_comes_back_gets_its_share_again() -> None:
    back = threading.Event()

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("4", seconds=0.01) if back.is_set() else Reply("broken", status=500)

    def healthy(body: dict[str, Any]) -> Reply:
        if len(well.requests) == 40:
            back.set()
        return Reply("4", seconds=0.01)

    with ScriptedServer(["m"], healthy) as well, ScriptedServer(["m"], reply) as ill:
        ask([well.url, ill.url], 800, max_attempts=20)
        answered_by_ill = sum(1 for _ in ill.requests)
    assert answered_by_ill > 150, "half of what was left when it came back, less its pause"


@pytest.mark.parametrize("metrics", [True, False], ids=["counters", "streams"])
def test_a_server_that_holds_requests_without_a_token_is_left_alone(metrics: bool) -> None:
    stuck = threading.Semaphore(2)

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("late", seconds=60) if stuck.acquire(blocking=False) else Reply("4")

    with (
        ScriptedServer(["m"], reply, metrics=metrics) as sick,
        ScriptedServer(["m"], lambda body: Reply("4", seconds=0.01), metrics=metrics) as well,
    ):
        failed, answers, _ = ask([sick.url, well.url], 60, concurrency=2, stall_seconds=0.6, request_seconds=120.0)
        assert not failed and len(answers) == 60
        assert {each.content for each in answers.values()} == {"4"}, "nobody waited for the late ones"
        assert Counter(map(question, sick.requests + well.requests)).most_common(3)[2][1] == 1


def test_a_stream_is_put_together_as_it_would_have_come_whole() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply("cut \u2028of", "a long thought", finish_reason="length", prompt_tokens=3, completion_tokens=7)

    with ScriptedServer(["m"], reply, metrics=False) as server:
        _, streamed, _ = ask([server.url], 1)
    assert server.requests[0]["stream"] is True
    (answer,) = streamed.values()
    assert answer == Answer("length", "cut \u2028of", "a long thought", 3, 7, None)


def test_a_streamed_reply_without_content_is_no_answer_and_each_choice_has_its_tokens() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if len(server.requests) == 1:
            return Reply(None, "a thought that lost its answer")
        return Reply("4", "a thought", completion_tokens=3 + body.get("choice", 0))

    with ScriptedServer(["m"], reply, metrics=False) as server:
        failed, answers, _ = ask([server.url], 1, num_samples=2, samples_per_request=2)
    assert not failed and len(server.requests) == 2
    assert sorted((answer.content, answer.completion_tokens) for answer in answers.values()) == [("4", 3), ("4", 4)]


def test_a_line_comes_also_while_no_answer_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stages.edge.asking.progress.SECONDS_IN_LOG", 0.3)
    with ScriptedServer(["m"], lambda body: Reply("4", seconds=1.5)) as server:
        server.num_waiting = 2
        ask([server.url], 2, stall_seconds=4.0)
    lines = [line for line in capsys.readouterr().err.splitlines() if "0/2 answers" in line]
    assert len(lines) >= 3 and "running 2/4 (2 waiting)" in lines[-1]


def test_without_a_limit_on_stalls_nothing_is_streamed() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4"), metrics=False) as server:
        ask([server.url], 1, stall_seconds=None)
    assert "stream" not in server.requests[0]


def test_an_engine_of_our_own_is_started_anew_when_it_fails() -> None:
    alive, restarts = threading.Event(), []

    def revive(hangs: str | None) -> bool:
        restarts.append(time.monotonic())
        alive.set()
        return True

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("4") if alive.is_set() else Reply("EngineDeadError", status=500)

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 30, restart=revive, max_attempts=10)
    assert not failed and len(answers) == 30 and len(restarts) == 1


def test_an_engine_that_cannot_be_started_anew_stops_the_run() -> None:
    def revive(hangs: str | None) -> bool:
        raise ServerError("the engine ended 4 times")

    with (
        ScriptedServer(["m"], lambda body: Reply("dead", status=500)) as server,
        pytest.raises(ServerError, match="ended 4 times"),
    ):
        ask([server.url], 30, restart=revive, max_attempts=50, give_up_seconds=20.0)


def test_an_engine_of_our_own_that_hangs_is_started_anew_though_it_says_that_it_is_well() -> None:
    hung: list[str | None] = []
    alive = threading.Event()

    def revive(hangs: str | None) -> bool:
        hung.append(hangs)
        alive.set()
        return True

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("4") if alive.is_set() else Reply("4", seconds=8.0)

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 10, restart=revive, stall_seconds=0.6, give_up_seconds=20.0)
    assert not failed and len(answers) == 10 and hung == [server.url]


def test_a_run_is_not_given_up_while_its_engine_is_being_started() -> None:
    alive = threading.Event()

    def revive(hangs: str | None) -> bool:
        if alive.is_set():
            return False
        time.sleep(2.5)
        alive.set()
        return True

    def reply(body: dict[str, Any]) -> Reply:
        return Reply("4") if alive.is_set() else Reply("EngineDeadError", status=500)

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 5, restart=revive, max_attempts=50, give_up_seconds=1.0)
    assert not failed and len(answers) == 5


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as at a terminal: a shell starts what runs in its background with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_does_not_wait_for_an_engine_that_is_being_started() -> None:
    over, was_over = threading.Event(), threading.Event()

    def revive(hangs: str | None) -> bool:
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
        if over.wait(60):
            was_over.set()
        return True

    with ScriptedServer(["m"], lambda body: Reply("dead", status=500)) as server, pytest.raises(KeyboardInterrupt):
        ask([server.url], 30, restart=revive, max_attempts=50, give_up_seconds=20.0)
    over.set()
    assert was_over.wait(10), "the engine was still being started"


def test_a_reply_that_was_no_answer_is_asked_for_with_another_seed_and_stored_under_the_same_key() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply(str(body["seed"])) if body["seed"] != 0 else Reply(None)

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 1)
    assert not failed
    assert [body["seed"] for body in server.requests] == [0, SEED_STEP]
    assert [answer.content for answer in answers.values()] == [str(SEED_STEP)]


def test_a_few_failures_among_many_calls_are_chance_and_many_stop_the_run() -> None:
    calls = retries.RecentCalls(0.01)
    for number in range(5000):
        calls.record("no content" if number % 100 == 50 else None)
    with pytest.raises(ServerError, match=r"calls brought no answer.*no content"):
        for _ in range(100):
            calls.record("no content")


def test_one_bad_reply_early_in_a_run_does_not_stop_it() -> None:
    bad = {"question 60"}

    def reply(body: dict[str, Any]) -> Reply:
        if question(body) in bad:
            bad.clear()
            return Reply(None)
        return Reply("4")

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 100, max_failed_share=0.01)
    assert not failed and len(answers) == 100


def test_a_server_that_wants_a_day_for_one_request_gets_a_minute() -> None:
    waiting = retries.Retries()
    waiting.schedule(retries.Batch([]), replies.Failure("busy", "429", 86_400.0), 3)
    assert waiting.seconds_to_next() <= pool.LONGEST_PAUSE


def test_a_query_for_which_servers_are_always_busy_is_given_up_at_last() -> None:
    batch, waiting = retries.Batch([]), retries.Retries()
    scheduled = [waiting.schedule(batch, replies.Failure("busy", "429"), 3) for _ in range(retries.MOST_BUSY + 3)]
    assert scheduled == [True] * (retries.MOST_BUSY + 2) + [False]


def test_several_samples_of_a_problem_may_travel_together_and_are_rows_of_their_own() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply(f"{question(body)}, choice {body.get('choice', 0)}", completion_tokens=3 + body.get("choice", 0))

    with ScriptedServer(["m"], reply) as server:
        _, answers, _ = ask([server.url], 2, num_samples=5, samples_per_request=4)
    assert sorted((question(body), body.get("n", 1)) for body in server.requests) == [
        ("question 0", 1), ("question 0", 4), ("question 1", 1), ("question 1", 4),
    ]  # fmt: skip
    first = [answers[query.key] for query in some_problems(1, 5)[0]]
    assert [answer.content for answer in first[:4]] == [f"question 0, choice {place}" for place in range(4)]
    assert [answer.completion_tokens for answer in first[:4]] == [3, 4, 5, 6]


def test_of_samples_that_travelled_together_only_the_lost_are_asked_again() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply(None) if body.get("choice") == 2 else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 1, num_samples=4, samples_per_request=4)
    assert not failed and len(answers) == 4
    assert [body.get("n", 1) for body in server.requests] == [4, 1]


def test_the_client_has_no_patience_and_no_second_tries_of_its_own() -> None:
    one = clients.client("http://127.0.0.1:1/v1")
    assert one.max_retries == 0
    assert one.timeout == openai.Timeout(None, connect=clients.SECONDS_TO_CONNECT), "30,000 tokens outlast any default"


def test_the_limit_finds_itself() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4", seconds=0.02)) as server:
        ask([server.url], 600, concurrency="auto")
    assert server.most_in_flight > pool.FIRST_LIMIT


def test_the_key_is_sent_and_stands_in_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-words")
    with ScriptedServer(["m"], lambda body: Reply("4"), key="sk-secret-words") as server:
        failed, _, _ = ask([server.url], 1)
    assert not failed
    with ScriptedServer(["m"], lambda body: Reply("4"), key="another") as server, pytest.raises(ServerError) as error:
        ask([server.url], 2)
    assert "sk-secret-words" not in str(error.value)
    assert all(b"sk-secret-words" not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_any_text_that_a_model_can_emit_is_stored_as_it_came() -> None:
    raw = b'{"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a\\ud800b\\u0000\\u2028"}}]}'
    with ScriptedServer(["m"], lambda body: Reply(raw=raw)) as server:
        _, answers, _ = ask([server.url], 1)
    (answer,) = answers.values()
    assert answer.content == "a\ud800b\x00\u2028"


def test_progress_shows_tokens_truncations_retries_servers_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    progress = Progress("teacher, effort high", 4, shown.append)
    one = Endpoint("http://x/v1", 8)
    progress.watch([one])
    progress.stored(1)
    one.began()
    one.num_waiting = 3
    time.sleep(0.01)
    progress.answered(Answer("length", "x", None, 1, 50, None))
    progress.retried("500: broken")
    progress.show(last=False)
    progress.show()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("teacher, effort high: 2/4 answers, 1 already stored, ")
    assert "1 truncated, 1 retries, 0 failed, running 1/8 (3 waiting), " in lines[0] and lines[0].endswith(" s left")
    assert "2/4 answers" in lines[-1] and "left" not in lines[-1]
    assert shown[-1]["answers"] == 2 and shown[0]["tokens_per_second"] > 0
    assert progress.last_failure == "500: broken"


def test_no_time_is_shown_before_the_first_answer_and_while_an_engine_starts_anew(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("stages.edge.asking.progress.time.monotonic", lambda: clock[0])
    progress = Progress("teacher", 1000, lambda figures: None)
    clock[0] += 10
    progress.show(last=False)
    for _ in range(100):
        progress.answered(Answer("stop", "x", None, 1, 60, None))
    clock[0] += 10
    progress.show(last=False)
    clock[0] += 180
    progress.show(last=False)
    before, running, starting = capsys.readouterr().err.splitlines()
    assert "left" not in before
    assert running.endswith(" s left")
    assert "left" not in starting


@pytest.mark.parametrize(
    ("pieces", "is_answer"),
    [
        ([{"delta": {"content": "4"}, "finish_reason": "stop"}, None], True),
        ([{"delta": {"content": [{"type": "text", "text": "4"}]}, "finish_reason": "stop"}], False),
        ([{"delta": {"content": "4"}, "token_ids": 3, "finish_reason": "stop"}], False),
    ],
    ids=["the last piece has no choices", "content in parts", "token ids that are none"],
)
def test_the_pieces_of_a_foreign_stream_are_an_answer_or_none_and_never_a_crash(
    pieces: list[dict[str, Any] | None], is_answer: bool
) -> None:
    whole = [{"model": "m", "choices": None if each is None else [{"index": 0, **each}]} for each in pieces]
    raw = "".join(f"data: {json.dumps(each)}\n\n" for each in [*whole, None] if each is not None) + "data: [DONE]\n\n"
    reply = Reply(raw=raw.encode(), headers=(("Content-Type", "text/event-stream"),))
    with ScriptedServer(["m"], lambda body: reply, metrics=False) as server:
        failed, answers, _ = ask([server.url], 1, max_attempts=1, max_failed_share=1.0)
    assert [answer.content for answer in answers.values()] == (["4"] if is_answer else [])
    assert len(failed) == (not is_answer)


def test_work_whose_server_stalls_before_its_first_step_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that is cancelled before it runs never comes to what would put its queries back."""
    create = asyncio.create_task
    cancelled: list[Any] = []

    def create_task(work: Any) -> Any:
        task = create(work)
        if getattr(work, "__name__", "") == "_attempt" and not cancelled:
            cancelled.append(task)
            for watch in sampler._watches.values():
                watch.stalled = True
            task.cancel()
        return task

    with (
        ScriptedServer(["m"], lambda body: Reply("4")) as server,
        store.opened("model", "part") as answers,
    ):
        progress = Progress("test", 2, lambda figures: None)
        settings = runtime()
        sampler = Sampler([Endpoint(server.url, 1)], request(), answers, settings, progress)
        monkeypatch.setattr(asyncio, "create_task", create_task)
        queries = some_problems(2)
        assert sampler.ask(backlog.Fixed(queries, answers, progress)) == {}
        assert cancelled and len(answers.get([query.key for each in queries for query in each])) == 2
