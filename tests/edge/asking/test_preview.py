"""A look before a long run: prompts, answers, tokens and time are shown, and efforts that make no difference refused."""

from typing import Any

import pytest

from stages.core.sampling.queries import Query
from stages.edge.asking import preview
from stages.edge.engines.pool import Endpoint
from stages.edge.errors import ServerError
from tests.edge.asking.test_sampler import SAMPLING, request, some_problems
from tests.scripted_server import Reply, ScriptedServer


def show(url: str, effort: str | None = None, number: int = 3, seconds: float = 10.0) -> None:
    queries: list[Query] = [query for (query,) in some_problems(number)]
    preview.show(request({**SAMPLING, "reasoning_effort": effort}), queries, [Endpoint(url, 2)], 1_000_000, seconds)


def test_prompts_answers_tokens_and_projected_time_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        cut = body["messages"][-1]["content"] == "question 2"
        return Reply(
            "4\x1b[2J", "thought " * 500, completion_tokens=500, finish_reason="length" if cut else "stop", seconds=0.05
        )

    with ScriptedServer(["m"], reply) as server:
        show(server.url)
    output = capsys.readouterr().err
    assert "[user] question 0" in output, "a server that does not render prompts: the messages"
    assert "content: 4\N{REPLACEMENT CHARACTER}[2J" in output and "\x1b" not in output
    assert "thought thought" in output and "(4000 characters)" in output
    assert "3 of 3 answered, 500 tokens each, 1 truncated. 1,000,000 queries are about 500.0M tokens" in output


def test_a_server_that_answers_nothing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        ScriptedServer(["m"], lambda body: Reply("too long", status=400)) as server,
        pytest.raises(ServerError) as error,
    ):
        show(server.url)
    assert "answered none of 3 queries" in str(error.value)
    assert "400: too long" in capsys.readouterr().err


@pytest.mark.parametrize("knows", [True, False])
def test_efforts_that_the_server_renders_alike_are_refused(knows: bool, capsys: pytest.CaptureFixture[str]) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply("4", prompt_ids=(1, 2, len(body["reasoning_effort"]) if knows else 3))

    with ScriptedServer(["m"], reply) as server:
        if knows:
            show(server.url, "high")
        else:
            with pytest.raises(
                ServerError, match=r"renders the reasoning efforts low and high of m alike.*system prompt"
            ):
                show(server.url, "high")
    assert [body["reasoning_effort"] for body in server.requests[:2]] == ["low", "high"]
    assert all(body["max_tokens"] == 1 for body in server.requests[:2])


@pytest.mark.parametrize(
    "fault",
    [
        Reply("no", status=500),
        Reply("no such field", status=400),
        Reply(raw=b"<html>"),
        Reply(drop=True),
        Reply("4", seconds=3),
    ],
)
def test_a_server_that_does_not_say_how_it_renders_or_hangs_is_no_crash(
    fault: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return fault if body.get("max_tokens") == 1 else Reply("4")

    with ScriptedServer(["m"], reply) as server:
        show(server.url, "high", seconds=1.0)
    output = capsys.readouterr().err
    assert "it is unknown whether" in output and "3 of 3 answered" in output


def test_a_server_that_hangs_ends_the_look() -> None:
    with (
        ScriptedServer(["m"], lambda body: Reply("4", seconds=3)) as server,
        pytest.raises(ServerError, match="answered none of 3"),
    ):
        show(server.url, seconds=0.5)


def test_where_it_cannot_be_told_whether_efforts_differ_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        show(server.url, "high")
    assert "it is unknown whether" in capsys.readouterr().err


def test_the_prompt_is_rendered_with_the_fields_that_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        queries = [query for (query,) in some_problems(1)]
        fields = {"chat_template_kwargs": {"enable_thinking": False}}
        preview.show(request({**SAMPLING, **fields}), queries, [Endpoint(server.url, 2)], 1, 10.0)
    rendered = next(body for body in server.requests if "add_generation_prompt" in body)
    assert rendered["chat_template_kwargs"] == {"enable_thinking": False}
