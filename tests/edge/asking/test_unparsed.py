"""A server without a parser for its model: the thought that it leaves in the content is told, and read as a thought."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.answers.table import TRACES_IN, read_answers
from stages.core.tables.traces import TRACES
from stages.edge.files import tables
from tests.edge.asking import test_routes
from tests.edge.asking.test_preview import show
from tests.scripted_server import Reply, ScriptedServer

folder = test_routes.folder

TEXTS = {
    "never opened": "It may be \\boxed{3}. No.</think>It is \\boxed{2}.",
    "tags": "<think>It may be \\boxed{3}. No.</think>It is \\boxed{2}.",
    "Magistral": "[THINK]It may be \\boxed{3}. No.[/THINK]It is \\boxed{2}.",
    "gpt-oss without markers": "analysisIt may be \\boxed{3}. No.assistantfinalIt is \\boxed{2}.",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_teach_reads_the_thought_as_reasoning_and_the_answer_behind_it(
    text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([test_routes.HUB], lambda body: Reply(text)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        test_routes.teach()
    traces = tables.read(folder / "traces", TRACES)
    assert traces.height == 2
    assert set(traces.select("reasoning", "content").rows()) == {("It may be \\boxed{3}. No.", "It is \\boxed{2}.")}
    assert set(read_answers(traces.select(list(TRACES_IN)))["answer"]) == {"2"}


def test_a_thought_that_never_ended_is_no_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([test_routes.HUB], lambda body: Reply("<thinking>It may be \\boxed{3}. No.")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        test_routes.teach()
    traces = tables.read(folder / "traces", TRACES)
    assert traces.select(pl.col("content").is_null().all(), pl.col("reasoning").is_not_null().all()).row(0) == (
        True,
        True,
    )


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_preview_says_that_the_server_has_no_parser(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply(text)

    with ScriptedServer(["m"], reply) as server:
        show(server.url)
    told = capsys.readouterr().err
    assert f"{server.url} has no reasoning parser: 3 of 3 answers hold their reasoning in the content" in told
    assert "content: It is \\boxed{2}." in told


def test_the_preview_says_nothing_of_a_server_that_takes_them_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(["m"], lambda body: Reply("It is 2.", "It may be 3.")) as server:
        show(server.url)
    assert "parser" not in capsys.readouterr().err
