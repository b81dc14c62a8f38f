"""Where a model is asked: at servers that list it, else at an engine of the stage's own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.edge import endpoints, server
from stages.edge.endpoints import Served
from stages.edge.errors import ServerError
from tests.edge.test_sampler import runtime
from tests.scripted_server import Reply, ScriptedServer

MODEL = Served("student", "turbo-1", "models/turbo", {"weights": "1"}, {"dtype": "float32"}, {})


def say(_body: dict[str, Any]) -> Reply:
    return Reply("4")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Command lines of the engines that were started."""
    started: list[list[str]] = []

    @contextlib.contextmanager
    def running(engines: list[server.Engine]) -> Iterator[None]:
        started.extend(list(engine._serve) for engine in engines)
        yield

    monkeypatch.setattr(server, "running", running)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return started


def test_a_model_goes_to_those_servers_that_list_it(engines: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        ScriptedServer(["other"], say) as one,
        ScriptedServer(["turbo-1"], say) as two,
        ScriptedServer(["turbo-1", "x"], say) as three,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", f"{one.url}, {two.url}")
        settings = runtime(endpoints={"student": [{"url": three.url, "concurrency": 9}]})
        with endpoints.serving(MODEL, settings) as found:
            assert [(each.url, each.limit) for each in found.endpoints] == [(two.url, 4), (three.url, 9)]
            assert found.revive is None
    assert engines == []


def test_a_model_that_no_server_has_gets_an_engine_of_its_own(
    engines: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(["turbo-0"], say) as stale:
        monkeypatch.setenv("OPENAI_BASE_URL", stale.url)
        with endpoints.serving(MODEL, runtime()) as found:
            assert len(found.endpoints) == 1 and found.endpoints[0].url != stale.url
            assert found.revive is not None
    assert "models/turbo" in engines[0] and "turbo-1" in engines[0]


def test_a_role_is_asked_only_at_its_own_servers_and_at_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    named = {role: [{"url": f"http://{role}/v1", "concurrency": None}] for role in ("teacher", "student", "all")}
    settings = runtime(endpoints=named, concurrency="auto")
    assert endpoints.named(settings, "student") == {"http://student/v1": "auto", "http://all/v1": "auto"}
    assert endpoints.named(settings, "baseline") == {"http://all/v1": "auto"}


def test_nothing_is_started_for_a_model_that_is_not_needed(engines: list[list[str]]) -> None:
    with endpoints.Lazy(MODEL, runtime()):
        pass
    assert engines == []
    with endpoints.Lazy(MODEL, runtime()) as serving:
        assert serving.start() is serving.start()
    assert len(engines) == 1


def test_without_servers_an_engine_is_started(engines: list[list[str]]) -> None:
    with endpoints.serving(MODEL, runtime()):
        assert len(engines) == 1


def test_a_named_server_that_is_not_there_is_an_error_and_no_reason_for_an_engine(
    engines: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{server.free_port()}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with (
        pytest.raises(ServerError, match=f"{url} does not answer.*OPENAI_BASE_URL"),
        endpoints.serving(MODEL, runtime()),
    ):
        pass
    assert engines == []


def test_a_wrong_key_is_told(engines: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with ScriptedServer(["turbo-1"], say, key="right") as closed:
        monkeypatch.setenv("OPENAI_BASE_URL", closed.url)
        with pytest.raises(ServerError, match="OPENAI_API_KEY"), endpoints.serving(MODEL, runtime()):
            pass


def test_a_silent_server_is_left_out_with_a_word_when_another_has_the_model(
    engines: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = f"http://127.0.0.1:{server.free_port()}/v1"
    with ScriptedServer(["turbo-1"], say) as there, ScriptedServer(["other"], say) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{silent},{there.url}")
        with endpoints.serving(MODEL, runtime()) as found:
            assert [each.url for each in found.endpoints] == [there.url]
        assert f"{silent} does not answer" in capsys.readouterr().err
        monkeypatch.setenv("OPENAI_BASE_URL", f"{silent},{other.url}")
        with pytest.raises(ServerError, match=silent), endpoints.serving(MODEL, runtime()):
            pass
    assert engines == []
