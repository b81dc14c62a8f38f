"""Which server answered is recorded beside the answers and the traces, and mixed versions are told; no key has it."""

import contextlib
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stages.core.publishing import card
from stages.core.sampling.queries import Answer
from stages.edge import store, track
from stages.edge.store import __main__ as command
from stages.edge.store import keeping
from stages.edge.store.segments import UNKNOWN
from tests.edge.asking import test_routes
from tests.edge.asking.test_sampler import ask, quick
from tests.scripted_server import Reply, ScriptedServer

folder = test_routes.folder
__all__ = ["folder", "quick"]


def shown() -> str:
    with contextlib.redirect_stdout(io.StringIO()) as text:
        command.show()
    return text.getvalue()


@pytest.mark.parametrize("metrics", [True, False], ids=["whole", "streamed"])
def test_an_answer_has_the_name_and_the_version_of_its_server_and_the_fingerprint_of_its_completion(
    metrics: bool,
) -> None:
    reply = Reply("4", fingerprint="fp_1")
    with ScriptedServer(["m"], lambda body: reply, metrics=metrics, version="0.11.0") as server:
        _, answers, _ = ask([server.url], 2)
    assert {answer.server for answer in answers.values()} == {"vllm 0.11.0 fp_1"}


def test_a_server_that_tells_nothing_is_no_fault() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        _, answers, _ = ask([server.url], 2)
    assert [answer.server for answer in answers.values()] == [None, None]
    (held,) = keeping.holdings()
    assert held.servers == (UNKNOWN,)


@pytest.mark.parametrize("told", ["0.11.0\x1b[2J", "9" * 500, {"a": 1}, None, 7])
def test_what_a_server_says_of_itself_is_short_and_may_be_shown(told: Any) -> None:
    with ScriptedServer(["m"], lambda body: Reply("4", fingerprint="x"), version=told) as server:
        _, answers, _ = ask([server.url], 1)
    (answer,) = answers.values()
    assert answer.server is not None and len(answer.server) <= 80 and answer.server.isprintable()


def test_a_store_that_mixes_versions_says_so_and_asks_nothing_again() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4"), version="0.10.2") as server:
        ask([server.url], 2)
    assert "answered by vllm 0.10.2" in shown() and "mixed" not in shown()
    with ScriptedServer(["m"], lambda body: Reply("4"), version="0.11.0") as server:
        ask([server.url], 3)
        assert len(server.requests) == 1, "the version is no part of the key"
    assert "model, part: answered by vllm 0.10.2, vllm 0.11.0: versions are mixed" in shown()
    assert keeping.seal_parts() == [], "nobody writes"
    assert "vllm 0.10.2, vllm 0.11.0: versions are mixed" in shown()


def test_a_store_from_before_servers_were_recorded_is_read_and_added_to(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    answer, keys = Answer("stop", "4", None, 1, 2, None), [f"{number:064x}" for number in range(2)]
    with store.opened("m", "high") as answers:
        answers.put([(keys[0], answer)])
    (path,) = keeping.files("m")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE servers; DROP TABLE slips;")
    assert "answered by unknown" in shown()
    with store.reading("m") as old:
        assert old.get(keys[:1]) == {keys[0]: answer}
    with store.opened("m", "high") as answers:
        answers.put([(keys[1], answer._replace(server="vllm 0.11.0"))])
    (held,) = keeping.holdings()
    assert held.servers == (UNKNOWN, "vllm 0.11.0")


def test_traces_have_their_servers_beside_them_and_the_run_has_them_as_a_tag(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags: dict[str, object] = {}
    monkeypatch.setattr(track.Run, "tags", lambda self, values: tags.update(values))
    with ScriptedServer([test_routes.HUB], lambda body: Reply("\\boxed{2}"), version="0.11.0") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        test_routes.teach()
    assert json.loads((folder / "traces/servers.json").read_text()) == {"vllm 0.11.0": 2}
    assert tags["servers"] == "vllm 0.11.0 (2)"
    before = (folder / "traces/part-0000.parquet").read_bytes()
    test_routes.teach()
    assert (folder / "traces/part-0000.parquet").read_bytes() == before


def test_the_card_says_which_servers_answered_and_that_versions_are_mixed() -> None:
    one, two = {"vllm 0.11.0": 1200}, {"vllm 0.10.2": 3, "vllm 0.11.0": 1200}
    assert card.servers("high", one) == ["Answered at high by vllm 0.11.0 (1,200 answers).", ""]
    assert "Versions are mixed." in card.servers("high", two)[0]
    assert card.servers("high", {}) == []
