"""Where a model is asked: at servers that list it, else at an engine of the stage's own."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.edge import params
from stages.edge.engines import endpoints, server
from stages.edge.engines.endpoints import Served
from stages.edge.errors import ServerError, SettingError
from stages.edge.models import weights
from tests.edge.asking.test_sampler import runtime
from tests.scripted_server import Reply, ScriptedServer
from tests.tiny_models import save_tiny_model

MODEL = Served("student", "turbo-1", "models/turbo", {"weights": "1"}, {"dtype": "float32"}, {})


def reply(_body: dict[str, Any]) -> Reply:
    return Reply("4")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Command lines of the engines that were started."""
    started: list[list[str]] = []

    @contextlib.contextmanager
    def running(engines: list[server.Engine]) -> Iterator[None]:
        started.extend(list(engine._serve) for engine in engines)
        yield

    monkeypatch.setattr(server, "all_running", running)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return started


def test_a_model_goes_to_those_servers_that_list_it(engines: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        ScriptedServer(["other"], reply) as one,
        ScriptedServer(["turbo-1"], reply) as two,
        ScriptedServer(["turbo-1", "x"], reply) as three,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", f"{one.url}, {two.url}")
        settings = runtime(endpoints={"student": [{"url": three.url, "concurrency": 9}]})
        with endpoints.serving(MODEL, settings) as serving:
            assert [(each.url, each.limit) for each in serving.endpoints] == [(two.url, 4), (three.url, 9)]
            assert serving.revive is None
    assert engines == []


def test_a_model_that_no_server_has_gets_an_engine_of_its_own(
    engines: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(["turbo-0"], reply) as stale:
        monkeypatch.setenv("OPENAI_BASE_URL", stale.url)
        with endpoints.serving(MODEL, runtime()) as serving:
            assert len(serving.endpoints) == 1 and serving.endpoints[0].url != stale.url
            assert serving.revive is not None
    assert "models/turbo" in engines[0] and "turbo-1" in engines[0]
    named = f"no server that is named has turbo-1, so an engine is started here: {stale.url} has turbo-0"
    assert named in capsys.readouterr().err, "a name that is misspelt shows before anything is loaded"


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
        pytest.raises(ServerError, match=f"{url} does not answer.*correct OPENAI_BASE_URL or runtime"),
        endpoints.serving(MODEL, runtime()),
    ):
        pass
    assert engines == []


def test_a_wrong_key_is_told(engines: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with ScriptedServer(["turbo-1"], reply, key="right") as closed:
        monkeypatch.setenv("OPENAI_BASE_URL", closed.url)
        with pytest.raises(ServerError, match="OPENAI_API_KEY"), endpoints.serving(MODEL, runtime()):
            pass


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[]", b"not json", b'{"data": 4}', b"null"])
def test_a_page_that_is_no_list_of_models_is_told_and_left_out_when_another_has_the_model(
    body: bytes, engines: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if body.startswith(b"<") else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as site, ScriptedServer(["turbo-1"], reply) as turbo:
        threading.Thread(target=site.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{site.server_port}"
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        with (
            pytest.raises(ServerError, match=rf"{url}/models is no list of models: .*ends in /v1"),
            endpoints.serving(MODEL, runtime()),
        ):
            pass
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url},{turbo.url}")
        with endpoints.serving(MODEL, runtime()) as serving:
            assert [each.url for each in serving.endpoints] == [turbo.url]
        site.shutdown()
    assert engines == [] and "is no list of models" in capsys.readouterr().err


def test_a_silent_server_is_left_out_with_a_word_when_another_has_the_model(
    engines: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = f"http://127.0.0.1:{server.free_port()}/v1"
    with ScriptedServer(["turbo-1"], reply) as turbo, ScriptedServer(["other"], reply) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{silent},{turbo.url}")
        with endpoints.serving(MODEL, runtime()) as serving:
            assert [each.url for each in serving.endpoints] == [turbo.url]
        assert f"{silent} does not answer" in capsys.readouterr().err
        monkeypatch.setenv("OPENAI_BASE_URL", f"{silent},{other.url}")
        with pytest.raises(ServerError, match=silent), endpoints.serving(MODEL, runtime()):
            pass
    assert engines == []


def model(**changes: Any) -> params.Model:
    fields = {"name": "a/b", "revision": None, "dtype": "auto", "quantization": None, "reasoning_parser": None}
    return params.Model.model_validate({**fields, "extra_body": {}, **changes})


def test_what_tells_an_answer_apart_is_part_of_who_gave_it() -> None:
    """Otherwise the answers that a wrong parser cut would come from the store for ever."""
    plain, parsed = (
        endpoints.from_settings("teacher", "t", model(reasoning_parser=parser), Path()).identity
        for parser in (None, "deepseek_r1")
    )
    assert parsed == {**plain, "reasoning_parser": "deepseek_r1"}
    assert set(plain) == {"name", "revision", "dtype", "quantization"}


def test_the_date_that_gpt_oss_is_told_is_fixed_and_part_of_its_identity(engines: list[list[str]]) -> None:
    served = endpoints.from_settings("teacher", "t", model(reasoning_parser="openai_gptoss"), Path())
    assert served.identity["system_date"] == server.SYSTEM_DATE == server.PINNED["VLLM_SYSTEM_START_DATE"]


def test_a_folder_that_is_named_as_a_model_is_known_by_its_weights(tmp_path: Path) -> None:
    save_tiny_model(tmp_path / "mine")
    served = endpoints.from_settings("teacher", "t", model(name=str(tmp_path / "mine")), Path())
    assert served.identity["weights"] == weights.identity(tmp_path / "mine")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://bob:hunter2@127.0.0.1:9/v1", "holds a password: leave it out"),
        ("127.0.0.1:8000/v1", "is no base URL"),
        ("http:///v1", "is no base URL"),
        ("http://[::1/v1", "is no base URL"),
    ],
)
@pytest.mark.parametrize("by", ["environment", "settings"])
def test_a_url_that_is_none_or_holds_a_password_is_refused_without_showing_it(
    by: str, url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    named = {"student": [{"url": url, "concurrency": None}]} if by == "settings" else {}
    if by == "environment":
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(SettingError, match=message) as error:
        endpoints.named(runtime(endpoints=named), "student")
    assert "hunter2" not in str(error.value)
    assert ("runtime.endpoints" if by == "settings" else "OPENAI_BASE_URL") in str(error.value)


def test_a_key_with_a_line_break_is_taken_without_it_and_one_that_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret\n")
    assert endpoints.client_settings("http://x/v1", 1.0)["api_key"] == "secret"
    monkeypatch.setenv("OPENAI_API_KEY", "sécret")
    with pytest.raises(SettingError, match="copy it anew") as error:
        endpoints.client_settings("http://x/v1", 1.0)
    assert "cret" not in str(error.value)
