"""Full and read-only disks, signals, and two pipelines at once: one sentence, no lost answer, no corrupt out, and the next run goes on."""

import hashlib
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil
import pytest

from stages.core.tables.traces import TRACES
from stages.edge.files import tables
from tests import scripted_engine, small_pipeline
from tests.projects import copy_project, dvc, environment
from tests.scripted_server import Reply, ScriptedServer
from tests.test_kills import await_, family, member, stored
from tests.tiny_models import save_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUM_QUERIES = 42 * 3
IN_FLIGHT, BATCH = 8, 32
LENGTH = 3000
"""Bytes that an answer of these tests takes on a disk, whatever packs it."""
DVC = str(Path(sys.executable).with_name("dvc"))


def long_reply(body: dict[str, Any]) -> Reply:
    """An answer that cannot be packed."""
    return Reply(f"{secrets.token_hex(LENGTH)} {small_pipeline.reply(body).content}")


class Disks:
    """A shell in a mount namespace of its own, where anybody may have small disks and read-only folders."""

    def __init__(self, folder: Path, **variables: str) -> None:
        """Its commands run in `folder`."""
        self._shell = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "bash"], cwd=folder, env=environment(**variables),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, command: str) -> tuple[int, str]:
        """(exit status, output) of a command line."""
        mark = secrets.token_hex(8)
        print(f"{{ {command}\n}} </dev/null; echo {mark} $?", file=_pipe(self._shell.stdin), flush=True)
        lines: list[Any] = []
        for line in _pipe(self._shell.stdout):
            if line.startswith(mark):
                return int(line.split()[1]), "".join(lines)
            lines.append(line)
        raise AssertionError("the shell ended:\n" + "".join(lines))

    def close(self) -> None:
        """End the shell; its mounts go with it."""
        self._shell.communicate("exit\n")


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


class Place(NamedTuple):
    """A project whose problems are collected, its server, and its disks."""

    project: Path
    server: ScriptedServer
    disks: Disks

    def asked(self) -> list[tuple[str, int]]:
        return small_pipeline.asked(self.server.requests)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose problems are collected."""
    folder = tmp_path_factory.mktemp("faults")
    project = copy_project(folder / "project", small_pipeline.settings(save_tiny_model(folder / "model")))
    output, _ = (run := dvc(project, "repro", "base", "collect")).communicate(timeout=200)
    assert run.returncode == 0, output
    return project


@pytest.fixture
def place(collected: Path, tmp_path: Path) -> Iterator[Place]:
    """A copy of it, in a shell that may mount."""
    if subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount disks of their own")
    project = tmp_path / "project"
    subprocess.run(["cp", "-a", str(collected), str(project)], check=True)
    with small_pipeline.server(project, long_reply) as server:
        disks = Disks(project, OPENAI_BASE_URL=server.url)
        try:
            yield Place(project, server, disks)
        finally:
            disks.close()


def is_whole(project: Path) -> bool:
    """Whether every object in DVC's cache has the content that its name says."""
    objects = [path for path in (project / ".dvc/cache/files/md5").glob("*/[!.]*") if path.is_file()]
    assert objects
    return all(
        hashlib.md5(path.read_bytes()).hexdigest() == path.parent.name + path.name.removesuffix(".dir")
        for path in objects
    )


def answers_in(table: Path) -> int:
    """Answers in a table of traces."""
    return tables.read(table, TRACES)["content"].count()


@pytest.mark.parametrize(
    ("folder", "kib", "told"),
    [
        (".cache/answers", 200, r"error: \S+\.sqlite: cannot be written \(.*full.*\); see to the room on its disk"),
        ("data/traces", 100, r"error: data/traces/medium: cannot be written \(.*No space left.*\); see to the disk"),
        (".dvc/cache", 100, r"No space left on device"),
    ],
)
def test_a_full_disk_loses_no_stored_answer_and_the_next_run_goes_on(
    folder: str, kib: int, told: str, place: Place
) -> None:
    (place.project / folder).mkdir(parents=True, exist_ok=True)
    assert place.disks.run(f"mount -t tmpfs -o size={kib}k tmpfs {folder}") == (0, "")
    status, output = place.disks.run(f"{DVC} repro --single-item teach@medium")
    # DVC by itself says that it has no copy of the out, and goes on.
    assert status != 0 or folder == ".dvc/cache"
    assert re.search(told, output), output
    assert "Traceback" not in output and "damaged" not in output
    first = place.asked()

    assert place.disks.run(f"mount -o remount,size=64m {folder}") == (0, "")
    status, output = place.disks.run(f"{DVC} repro --single-item teach@medium")
    assert status == 0, output
    again = place.asked()[len(first) :]
    assert len(set(first) | set(again)) == NUM_QUERIES
    num_lost = len(first) + len(again) - NUM_QUERIES
    if folder == ".cache/answers":
        found = re.search(r"(\d+) already stored", output)
        assert found and int(found[1]) == NUM_QUERIES - len(again)
        assert num_lost <= IN_FLIGHT + 2 * BATCH
    else:
        assert num_lost == 0
    place.disks.run("mkdir seen && cp -r data/traces/medium .dvc/cache seen/ && chmod -R u+w seen")
    assert answers_in(place.project / "seen/medium") == NUM_QUERIES
    (place.project / "seen/.dvc").mkdir()
    (place.project / "seen/cache").rename(place.project / "seen/.dvc/cache")
    assert is_whole(place.project / "seen")


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        (".cache", r"error: \.cache/locks/teach@medium\.lock: cannot be written \(.*Read-only.*\); see to the disk"),
        (".cache/answers", r"error: \S+: cannot be written \(.*Read-only.*\); see to the disk"),
        (".dvc/cache", r"Read-only file system"),
    ],
)
def test_a_cache_that_may_not_be_written_to_is_named_and_the_next_run_goes_on(
    folder: str, told: str, place: Place
) -> None:
    (place.project / folder).mkdir(parents=True, exist_ok=True)
    assert place.disks.run(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}") == (0, "")
    status, output = place.disks.run(f"{DVC} repro --single-item teach@medium")
    assert status != 0
    assert re.search(told, output), output
    assert "Traceback" not in output and "damaged" not in output

    assert place.disks.run(f"mount -o remount,bind,rw {folder}") == (0, "")
    status, output = place.disks.run(f"{DVC} repro --single-item teach@medium")
    assert status == 0, output
    assert len(place.asked()) == len(set(place.asked())) == NUM_QUERIES
    assert is_whole(place.project) and answers_in(place.project / "data/traces/medium") == NUM_QUERIES


def test_two_pipelines_at_once_in_one_checkout_ask_nothing_twice_and_leave_whole_outs(
    collected: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    subprocess.run(["cp", "-a", str(collected), str(project)], check=True)
    with small_pipeline.server(project, lambda body: small_pipeline.reply(body)._replace(seconds=0.1)) as server:
        both = [dvc(project, "repro", "vote@medium", "vote@high", OPENAI_BASE_URL=server.url) for _ in range(2)]
        said = [run.communicate(timeout=300)[0] for run in both]
        assert 0 in [run.returncode for run in both], said
        assert "Traceback" not in "".join(said)
        last = dvc(project, "repro", "vote@medium", "vote@high", OPENAI_BASE_URL=server.url)
        output, _ = last.communicate(timeout=300)
        assert last.returncode == 0, output
    asked = small_pipeline.asked(server.requests)
    assert len(asked) == len(set(asked)) == stored(project) == 42 * 5
    assert is_whole(project)
    status, _ = dvc(project, "status", "vote@medium", "vote@high").communicate(timeout=100)
    assert "up to date" in status


@pytest.mark.parametrize(
    ("victim", "number"),
    [("dvc", signal.SIGTERM), (r"stages\.teach", signal.SIGTERM), (r"stages\.edge\.cli\.guard", signal.SIGKILL)],
    ids=["dvc", "stage", "guard"],
)
def test_a_signal_to_one_process_leaves_no_engine_behind_and_loses_no_stored_answer(
    victim: str, number: signal.Signals, collected: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    subprocess.run(["cp", "-a", str(collected), str(project)], check=True)
    path = f"{scripted_engine.install(tmp_path / 'environment')}{os.pathsep}{environment()['PATH']}"
    repro = ("repro", "--single-item", "teach@medium")
    run = dvc(project, *repro, PATH=path)
    await_(lambda: stored(project) >= BATCH, run)
    engine = member(run, "EngineCore")
    relatives = family(run)
    (psutil.Process(run.pid) if victim == "dvc" else member(run, victim)).send_signal(number)
    output, _ = run.communicate(timeout=200)
    _, alive = psutil.wait_procs([*relatives, engine], timeout=60)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert "Traceback" not in output
    before = stored(project)
    if victim == r"stages\.edge\.cli\.guard":
        assert run.returncode == 0 and "has died: starting it anew" in output
    else:
        assert run.returncode != 0 and BATCH <= before < NUM_QUERIES
    last = dvc(project, *repro, PATH=path)
    output, _ = last.communicate(timeout=200)
    assert last.returncode == 0, output
    assert stored(project) == NUM_QUERIES and is_whole(project)
    assert "didn't change" in output or f"{before} already stored" in output


def test_told_to_end_at_any_moment_the_stage_does_so_without_a_word_and_asks_no_stored_answer_again(
    collected: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    subprocess.run(["cp", "-a", str(collected), str(project)], check=True)
    teach = ("--effort", "medium", "--problems", "data/problems.parquet", "--model", "models/base")
    command = [sys.executable, "-m", "stages.teach", *teach, "--output", "data/traces/medium"]
    with small_pipeline.server(project, lambda body: small_pipeline.reply(body)._replace(seconds=0.02)) as server:

        def start() -> "subprocess.Popen[str]":
            return subprocess.Popen(
                command, cwd=project, env=environment(OPENAI_BASE_URL=server.url),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip

        for _ in range(5):
            before = len(server.requests)
            run = start()
            await_(lambda seen=before: len(server.requests) > seen, run)  # type: ignore[misc]
            run.terminate()
            output, _ = run.communicate(timeout=60)
            assert run.returncode == 143 and "Traceback" not in output, output
        kept = stored(project)
        asked = len(server.requests)
        run = start()
        output, _ = run.communicate(timeout=60)
        assert run.returncode == 0, output
        assert len(server.requests) - asked == NUM_QUERIES - kept


def test_dvc_may_be_the_first_process_of_a_container(collected: Path, tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make namespaces")
    project = tmp_path / "project"
    subprocess.run(["cp", "-a", str(collected), str(project)], check=True)
    container = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run(
        [*container, DVC, "repro", "--force", "--single-item", "base"], cwd=project, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
