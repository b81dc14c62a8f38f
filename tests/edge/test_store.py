"""The store of answers: nothing committed is lost, one writer at a time, found from everywhere."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.core.queries import Answer
from stages.edge import store
from stages.edge.errors import InputError

ROOT = Path(__file__).parents[2]
ANSWER = Answer("stop", "x = 2 \x00 \U0001f600", None, 3, 4, None)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path))
    return tmp_path


def start(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_was_put_comes_back_as_it_was_also_later() -> None:
    many = [(f"{number:064x}", ANSWER._replace(prompt_tokens=number)) for number in range(1200)]
    with store.opened("model") as answers:
        answers.put(many)
    with store.opened("model") as answers:
        assert answers.get(key for key, _ in many) == dict(many)
        assert answers.known([many[0][0], "unknown"]) == {many[0][0]}
        assert answers.get(["unknown"]) == {}


def test_collections_are_apart() -> None:
    with store.opened("one") as answers:
        answers.put([("k", ANSWER)])
    with store.opened("other") as answers:
        assert answers.known(["k"]) == set()


WRITER = """
from stages.core.queries import Answer
from stages.edge import store
with store.opened("model") as answers:
    for number in range(10**6):
        answers.put([(str(number), Answer("stop", "text " * 50, None, 1, 1, None))])
        print(number, flush=True)
"""


def test_after_a_kill_every_committed_answer_is_there_and_the_claim_is_free() -> None:
    writer = start(WRITER)
    assert writer.stdout is not None
    committed = [int(writer.stdout.readline()) for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    with store.opened("model") as answers:
        assert len(answers.get(map(str, committed))) == 20


def test_a_second_writer_waits_for_the_first() -> None:
    with store.opened("model") as answers:
        second = start(
            "from stages.edge import store\nwith store.opened('model') as a: print(len(a.known(['k'])), flush=True)"
        )
        time.sleep(1.5)
        assert second.poll() is None
        answers.put([("k", ANSWER)])
    output, _ = second.communicate(timeout=30)
    assert output == "1\n"


def test_a_damaged_store_is_named_and_nothing_is_asked_for_anew(folder: Path) -> None:
    with store.opened("model") as answers:
        answers.put([(str(number), ANSWER) for number in range(2000)])
    file = folder / "model.sqlite"
    content = bytearray(file.read_bytes())
    content[100:9000] = os.urandom(8900)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.sqlite.*damaged"), store.opened("model") as answers:
        answers.known(map(str, range(2000)))
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"model\.sqlite.*damaged"), store.opened("model") as answers:
        answers.known(["1"])


def test_a_temporary_workspace_of_dvc_uses_the_store_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("REASONLITE_STORE")
    workspace = tmp_path / ".dvc/tmp/exps/standalone/abc"
    workspace.mkdir(parents=True)
    monkeypatch.chdir(workspace)
    assert store.root() == tmp_path / ".cache" / "answers"
