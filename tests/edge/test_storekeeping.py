"""Looking after the store: shown, checked, exported, brought to another disk and back, freed of what nobody uses."""

import contextlib
import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core import queries
from stages.core.queries import Answer, unescape_surrogates
from stages.edge import pruning, store, storekeeping, tables
from stages.edge.errors import InputError
from tests.object_store import object_store
from tests.projects import copy_project, dvc, environment

TEXT = "x = 2 \x00 \ud800 \u2028 \U0001f600 \uffff"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def fill(model: str, part: str, numbers: range) -> None:
    with store.opened(model, part) as answers:
        answers.put([(key(number), Answer("stop", TEXT, None, 1, number, None)) for number in numbers])


def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "stages.edge.store", *arguments], capture_output=True, text=True, timeout=100
    )


def test_what_it_holds_is_shown_by_model_and_part(folder: Path) -> None:
    fill("teacher-1", "medium", range(1200))
    fill("teacher-1", "high", range(30))
    storekeeping.seal_parts()
    fill("turbo-2", "exam", range(7))
    found = {(each.model, each.part): each for each in storekeeping.holdings()}
    assert {name: each.num_answers for name, each in found.items()} == {
        ("teacher-1", "medium"): 1200,
        ("teacher-1", "high"): 30,
        ("turbo-2", "exam"): 7,
    }
    assert [found["teacher-1", "medium"].num_segments, found["turbo-2", "exam"].num_segments] == [1, 0]
    assert sum(each.num_bytes for each in found.values()) == sum(path.stat().st_size for path in storekeeping.files())
    shown = call().stdout
    assert "1,200 answers" in shown and "1,237 answers" in shown


def test_an_empty_store_is_no_error() -> None:
    done = call("show")
    assert done.returncode == 0 and "0 answers" in done.stdout


def test_a_flipped_bit_is_found(folder: Path) -> None:
    fill("teacher-1", "high", range(500))
    storekeeping.seal_parts()
    assert [fault for _, fault in storekeeping.verify()] == [None]
    (segment,) = storekeeping.files()
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(content)
    ((path, fault),) = storekeeping.verify()
    assert path == segment and "hash" in str(fault)
    done = call("verify")
    assert done.returncode == 1 and "1 damaged files" in done.stderr and "Traceback" not in done.stderr


def test_an_export_holds_every_text_and_can_be_undone(tmp_path: Path) -> None:
    fill("teacher-1", "high", range(20))
    fill("other", "medium", range(5))
    assert storekeeping.export(tmp_path / "out", "teacher-1") == 20
    found = pl.read_parquet(tmp_path / "out")
    assert found.schema == storekeeping.EXPORT
    assert set(found["query_key"]) == {key(number) for number in range(20)}
    assert unescape_surrogates(found["content"][0]) == TEXT
    assert storekeeping.export(tmp_path / "all", None) == 25


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_copy_elsewhere_brings_the_answers_to_another_machine(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(tmp_path / "copy") if kind == "folder" else f"memory://{tmp_path.name}"
    fill("teacher-1", "high", range(40))
    fill("teacher-1", "medium", range(40, 60))
    assert len(storekeeping.sync(url).pushed) == 2
    assert storekeeping.sync(url) == storekeeping.Synced([], [], []), "nothing is sent twice"
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "second"))
    fill("teacher-1", "high", range(100, 110))
    done = storekeeping.sync(url)
    assert (len(done.pushed), len(done.pulled)) == (1, 2)
    with store.opened("teacher-1", "high") as answers:
        assert sum(answers.known([key(number) for number in range(200)])) == 70
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
    assert len(storekeeping.sync(url, push=False).pulled) == 1
    assert not list(tmp_path.rglob("*.partial"))


def test_an_s3_bucket_brings_the_answers_to_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store(tmp_path / "served") as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        fill("teacher-1", "high", range(40))
        fill("teacher-2", "high", range(5))
        url = f"{there.url}/answers"
        assert call("sync", url).stdout == "2 segments pushed, 0 pulled\n"
        assert call("sync", url).stdout == "0 segments pushed, 0 pulled\n"
        monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "second"))
        fill("teacher-1", "high", range(100, 110))
        assert call("sync", url).stdout == "1 segments pushed, 2 pulled\n"
        with store.opened("teacher-1", "high") as answers:
            assert sum(answers.known([key(number) for number in range(200)])) == 50
        assert "damaged" not in call("verify").stderr
        names = {path.name for path in there.folder.rglob("*") if path.is_file()}
        assert names == {path.name for path in storekeeping.files() if path.match("segment-*")}, (
            "nothing else is left there"
        )

        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-right-one")
        done = call("sync", url)
        assert done.returncode == 1 and "Forbidden" in done.stderr and "credentials" in done.stderr
        assert "not-the-right-one" not in done.stdout + done.stderr


def test_a_part_that_is_being_written_is_left_out_of_a_sync(tmp_path: Path) -> None:
    fill("teacher-1", "medium", range(3))
    with store.opened("teacher-1", "high") as answers:
        answers.put([(key(1), Answer("stop", "4", None, 1, 1, None))])
        assert len(storekeeping.sync(str(tmp_path / "copy")).pushed) == 1
        answers.put([(key(2), Answer("stop", "4", None, 1, 1, None))])
    assert len(storekeeping.sync(str(tmp_path / "copy")).pushed) == 1


def test_a_damaged_copy_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill("teacher-1", "high", range(40))
    storekeeping.sync(str(tmp_path / "copy"))
    (copied,) = (tmp_path / "copy").rglob("*.sqlite")
    copied.chmod(0o644)
    copied.write_bytes(copied.read_bytes()[:-100])
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "second"))
    with pytest.raises(InputError, match=r"is damaged.*nothing was kept"):
        storekeeping.sync(str(tmp_path / "copy"))
    assert not [path for path in (tmp_path / "second").rglob("*") if path.is_file()]


def test_a_damaged_segment_is_not_passed_on(tmp_path: Path, folder: Path) -> None:
    fill("teacher-1", "high", range(40))
    storekeeping.seal_parts()
    (segment,) = folder.rglob("segment-*.sqlite")
    segment.chmod(0o644)
    segment.write_bytes(segment.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"is damaged.*move it away"):
        storekeeping.sync(str(tmp_path / "copy"))
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]


def test_a_row_that_is_no_answer_is_found(folder: Path) -> None:
    fill("teacher-1", "high", range(3))
    (part,) = folder.rglob("high.*.sqlite")
    with contextlib.closing(sqlite3.connect(part)) as file, file:
        file.execute("UPDATE answers SET answer = ? WHERE rowid = 2", (b"torn",))
    ((_, fault),) = storekeeping.verify()
    assert fault is not None and "damaged" in fault
    done = call("verify")
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_a_place_that_cannot_be_reached_is_one_sentence() -> None:
    fill("teacher-1", "high", range(2))
    done = call("sync", "nonsense://x/y")
    assert done.returncode == 1 and "error: nonsense://x/y" in done.stderr and "Traceback" not in done.stderr


def test_pruning_drops_what_is_unused_and_keeps_the_rest_readable() -> None:
    fill("teacher-1", "high", range(50))
    fill("teacher-1", "medium", range(50, 60))
    fill("turbo-2", "exam", range(60, 65))
    used = {bytes.fromhex(key(number)) for number in range(5, 60)}
    pruned = pruning.prune(used, keep_days=0)
    assert (pruned.num_kept, pruned.num_dropped) == (55, 10)
    with store.opened("teacher-1", "high") as answers:
        held = answers.known([key(number) for number in range(60)])
        assert held == [False] * 5 + [True] * 55
        assert answers.get([key(7)])[key(7)].completion_tokens == 7
    assert [fault for _, fault in storekeeping.verify()] == [None, None, None], "two segments and an open part"
    assert not list(store.root().glob("turbo-2/segment*"))


def traces(numbers: range) -> pl.DataFrame:
    asked = [queries.Query(key(number), None, f"p{number}", 0, ()) for number in numbers]
    return queries.traces(asked, {}, "teacher", "medium", ["fixed"] * len(asked))


@pytest.mark.slow
def test_a_model_that_is_being_asked_and_what_was_asked_lately_are_not_pruned(folder: Path) -> None:
    fill("teacher-1", "medium", range(40))
    fill("teacher-2", "medium", range(40))
    storekeeping.seal_parts()
    with store.opened("teacher-1", "high") as answers:
        answers.put([(key(100), Answer("stop", "4", None, 1, 1, None))])
        pruned = pruning.prune(set(), keep_days=0)
        assert (pruned.num_kept, pruned.num_dropped, pruned.busy) == (0, 40, ["teacher-1"])
    with store.opened("teacher-1", "high") as answers:
        assert sum(answers.known([key(number) for number in range(101)])) == 41
    pruned = pruning.prune(set(), keep_days=1)
    assert (pruned.num_kept, pruned.num_dropped, pruned.busy) == (41, 0, [])
    assert pruning.prune(set(), keep_days=0).num_dropped == 41


def test_what_any_branch_tag_or_working_tree_names_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = copy_project(tmp_path / "project", lambda params: None)

    def record(numbers: range, *then: tuple[str, ...]) -> None:
        tables.write(traces(numbers), project / "data/traces/medium", queries.TRACES, queries.TRACES_KEY)
        run("dvc", "commit", "-f", "teach@medium")
        for command in then:
            run(*command)

    def run(*command: str) -> None:
        if command[0] == "dvc":
            assert dvc(project, *command[1:]).wait(60) == 0
        else:
            subprocess.run(
                ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *command], cwd=project, check=True
            )

    for name in ("models/base/x", "data/problems.parquet"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(b"")
    commit = ("commit", "-qam", "x")
    record(range(5), ("add", "-A"), commit, ("tag", "published"))
    record(range(5, 10), commit, ("branch", "kept"), ("reset", "-q", "--hard", "published"))
    record(range(10, 15))
    assert pruning.used_keys(project, False) == {bytes.fromhex(key(number)) for number in range(15)}
    run("tag", "-d", "published")
    run("branch", "-qf", "kept", "HEAD")
    for path in (project / ".dvc/cache").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.unlink()
    (project / "data/traces/medium/part-0000.parquet").unlink()
    with pytest.raises(InputError, match="dvc fetch --all-branches"):
        pruning.used_keys(project, False)
    assert pruning.used_keys(project, True) == set()
    done: Any = subprocess.run(
        [sys.executable, "-m", "stages.edge.store", "prune", "--keep-days", "0"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "--ignore-missing" in done.stderr
