"""Looking after the store: shown, checked, exported, brought to another disk and back, freed of what nobody uses."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages.core.sampling import queries
from stages.core.sampling.queries import Answer, unescape_surrogates
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge import store
from stages.edge.asking import llm_judge
from stages.edge.errors import InputError
from stages.edge.files import tables
from stages.edge.store import keeping, pruning, sync
from stages.edge.training import checkpoint_exam
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
    keeping.seal_parts()
    fill("turbo-2", "exam", range(7))
    found = {(each.model, each.part): each for each in keeping.holdings()}
    assert {name: each.num_answers for name, each in found.items()} == {
        ("teacher-1", "medium"): 1200,
        ("teacher-1", "high"): 30,
        ("turbo-2", "exam"): 7,
    }
    assert [found["teacher-1", "medium"].num_segments, found["turbo-2", "exam"].num_segments] == [1, 0]
    assert sum(each.num_bytes for each in found.values()) == sum(path.stat().st_size for path in keeping.files())
    shown = call().stdout
    assert "1,200 answers" in shown and "1,237 answers" in shown


def test_an_empty_store_is_no_error() -> None:
    done = call("show")
    assert done.returncode == 0 and "0 answers" in done.stdout


def test_a_flipped_bit_is_found(folder: Path) -> None:
    fill("teacher-1", "high", range(500))
    keeping.seal_parts()
    assert [fault for _, fault in keeping.verify()] == [None]
    (segment,) = keeping.files()
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(content)
    ((path, fault),) = keeping.verify()
    assert path == segment and "hash" in str(fault)
    done = call("verify")
    assert done.returncode == 1 and "1 damaged files" in done.stderr and "Traceback" not in done.stderr


def test_an_export_holds_every_text_and_can_be_undone(tmp_path: Path) -> None:
    fill("teacher-1", "high", range(20))
    fill("other", "medium", range(5))
    assert keeping.export(tmp_path / "out", "teacher-1") == 20
    found = pl.read_parquet(tmp_path / "out")
    assert found.schema == keeping.EXPORT
    assert set(found["query_key"]) == {key(number) for number in range(20)}
    assert unescape_surrogates(found["content"][0]) == TEXT
    assert keeping.export(tmp_path / "all", None) == 25


def test_an_export_of_a_model_that_is_not_there_says_where_the_names_stand(tmp_path: Path) -> None:
    fill("teacher-1", "high", range(2))
    done = call("export", str(tmp_path / "out"), "--model", "teacher")
    assert done.returncode == 1 and "no model 'teacher'; `python -m stages.edge.store show` lists" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_copy_elsewhere_brings_the_answers_to_another_machine(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(tmp_path / "copy") if kind == "folder" else f"memory://{tmp_path.name}"
    fill("teacher-1", "high", range(40))
    fill("teacher-1", "medium", range(40, 60))
    assert len(sync.sync(url).pushed) == 2
    assert sync.sync(url) == sync.Synced([], [], []), "nothing is sent twice"
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "second"))
    fill("teacher-1", "high", range(100, 110))
    done = sync.sync(url)
    assert (len(done.pushed), len(done.pulled)) == (1, 2)
    with store.opened("teacher-1", "high") as answers:
        assert sum(answers.known([key(number) for number in range(200)])) == 70
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "store"))
    assert len(sync.sync(url, push=False).pulled) == 1
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
        assert names == {path.name for path in keeping.files() if path.match("segment-*")}, "nothing else is left there"

        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-right-one")
        done = call("sync", url)
        assert done.returncode == 1 and "Forbidden" in done.stderr and "credentials" in done.stderr
        assert "not-the-right-one" not in done.stdout + done.stderr


def test_a_part_that_is_being_written_is_left_out_of_a_sync(tmp_path: Path) -> None:
    fill("teacher-1", "medium", range(3))
    with store.opened("teacher-1", "high") as answers:
        answers.put([(key(1), Answer("stop", "4", None, 1, 1, None))])
        assert len(sync.sync(str(tmp_path / "copy")).pushed) == 1
        answers.put([(key(2), Answer("stop", "4", None, 1, 1, None))])
    assert len(sync.sync(str(tmp_path / "copy")).pushed) == 1


def test_a_damaged_copy_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill("teacher-1", "high", range(40))
    sync.sync(str(tmp_path / "copy"))
    (copied,) = (tmp_path / "copy").rglob("*.sqlite")
    copied.chmod(0o644)
    copied.write_bytes(copied.read_bytes()[:-100])
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "second"))
    with pytest.raises(InputError, match=r"^damaged.*remove it there.*sync from a host that has them whole"):
        sync.sync(str(tmp_path / "copy"))
    assert not [path for path in (tmp_path / "second").rglob("*") if path.is_file()]


def test_one_damaged_segment_keeps_no_other_and_is_sent_anew_by_who_has_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in ("teacher-1", "teacher-2"):
        fill(model, "high", range(40))
    copy = str(tmp_path / "copy")
    sync.sync(copy)
    (copied,) = (tmp_path / "copy/teacher-1").glob("*.sqlite")
    copied.chmod(0o644)
    copied.write_bytes(b"")
    first = os.environ["REASONLITE_STORE"]
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "second"))
    with pytest.raises(InputError, match=r"teacher-1/.*remove it there.*the others are brought together"):
        sync.sync(copy)
    assert [path.parent.name for path in (tmp_path / "second").rglob("segment-*")] == ["teacher-2"]
    monkeypatch.setenv("REASONLITE_STORE", first)
    assert len(sync.sync(copy).pushed) == 1
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path / "second"))
    assert len(sync.sync(copy).pulled) == 1


def test_what_a_killed_transfer_left_there_is_swept_and_one_on_its_way_is_not(tmp_path: Path) -> None:
    fill("teacher-1", "high", range(40))
    copy = tmp_path / "copy"
    sync.sync(str(copy))
    (segment,) = copy.rglob("segment-*.sqlite")
    arrived = segment.with_name(f"{segment.name}.0a1b2c3d.partial")
    old, young = (segment.with_name(f"segment-{digit * 32}.sqlite.0a1b2c3d.partial") for digit in "ef")
    for path in (arrived, old, young):
        path.write_bytes(b"a part")
    os.utime(old, (0, 0))
    sync.sync(str(copy))
    assert set(copy.rglob("*.partial")) == {young}


def test_an_upload_that_fails_leaves_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec.implementations.local

    fill("teacher-1", "high", range(40))

    def mv(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "mv", mv)
    with pytest.raises(InputError, match="No space left"):
        sync.sync(str(tmp_path / "copy"))
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]


def test_a_place_may_have_the_signs_of_a_pattern_in_its_name(tmp_path: Path) -> None:
    fill("teacher-1", "high", range(40))
    assert len(sync.sync(str(tmp_path / "copy[1]*")).pushed) == 1
    assert sync.sync(str(tmp_path / "copy[1]*")).pushed == []


def test_answers_of_a_part_that_is_sealed_meanwhile_are_exported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("teacher-1", "high", range(5))
    fill("teacher-1", "medium", range(5, 10))
    listed: list[Any] = []
    files = keeping.files

    def files_and_seal(model: str | None = None) -> list[Path]:
        found = files(model)
        if not listed:  # another process comes between the list and its files
            listed.append(found)
            keeping.seal_parts()
        return found

    monkeypatch.setattr(keeping, "files", files_and_seal)
    assert keeping.export(tmp_path / "out", None) == 10
    assert sum(each.num_answers for each in keeping.holdings()) == 10
    assert [path for path, fault in keeping.verify() if fault] == []
    assert not list(Path(os.environ["REASONLITE_STORE"]).rglob("high.*.sqlite")), "and none is made anew"


def test_a_damaged_segment_is_not_passed_on(tmp_path: Path, folder: Path) -> None:
    fill("teacher-1", "high", range(40))
    keeping.seal_parts()
    (segment,) = folder.rglob("segment-*.sqlite")
    segment.chmod(0o644)
    segment.write_bytes(segment.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"^damaged.*move it away"):
        sync.sync(str(tmp_path / "copy"))
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]


def test_a_row_that_is_no_answer_is_found(folder: Path) -> None:
    fill("teacher-1", "high", range(3))
    (part,) = folder.rglob("high.*.sqlite")
    with contextlib.closing(sqlite3.connect(part)) as file, file:
        file.execute("UPDATE answers SET answer = ? WHERE rowid = 2", (b"torn",))
    ((_, fault),) = keeping.verify()
    assert fault is not None and "damaged" in fault
    done = call("verify")
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_a_place_that_cannot_be_reached_is_one_sentence() -> None:
    fill("teacher-1", "high", range(2))
    done = call("sync", "nonsense://x/y")
    assert done.returncode == 1 and "error: nonsense://x/y" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "Unable to locate credentials"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
            "Could not connect to the endpoint",
        ),
    ],
)
def test_an_s3_that_cannot_be_reached_or_lacks_credentials_is_one_sentence(
    settings: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    nowhere = str(tmp_path / "none")
    files = {"AWS_SHARED_CREDENTIALS_FILE": nowhere, "AWS_CONFIG_FILE": nowhere, "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in (files | {"AWS_MAX_ATTEMPTS": "1"} | settings).items():
        monkeypatch.setenv(name, value)
    fill("teacher-1", "high", range(2))
    done = call("sync", "s3://bucket/answers")
    assert done.returncode == 1 and done.stderr.startswith(f"error: s3://bucket/answers: {said}"), done.stderr
    assert done.stderr.count("\n") == 1 and "credentials are set, then run again" in done.stderr


def test_a_place_that_holds_nothing_to_pull_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "none"):
        done = call("sync", str(place), "--pull")
        assert done.returncode == 1 and f"{place}: holds no segments to pull; name the place" in done.stderr
    assert not (tmp_path / "none").exists()


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
    assert [fault for _, fault in keeping.verify()] == [None, None, None], "two segments and an open part"
    assert not list(store.root().glob("turbo-2/segment*"))


def test_answers_that_no_table_names_though_a_run_looks_them_up_are_not_pruned() -> None:
    """Of a cut-off answer the longer one that took its place is named, of the judge's and of checkpoints' none."""
    with store.opened("teacher-1", "high") as answers:
        answers.put([(key(number), Answer("length", TEXT, None, 1, number, None)) for number in range(10)])
    fill("teacher-1", "high", range(10, 20))
    fill("judge-1", llm_judge.LABEL, range(20, 25))
    fill("checkpoint-80-1", checkpoint_exam.PART, range(25, 30))
    used = {bytes.fromhex(key(number)) for number in range(10, 15)}
    pruned = pruning.prune(used, keep_days=0)
    assert (pruned.num_kept, pruned.num_dropped) == (10 + 5 + 5 + 5, 5)
    pruned = pruning.prune(set(), keep_days=0)
    assert (pruned.num_kept, pruned.num_dropped) == (10, 15), "of a teacher that nothing uses, nothing stays"


def traces(numbers: range) -> pl.DataFrame:
    asked = [queries.Query(key(number), None, f"p{number}", 0, ()) for number in numbers]
    return queries.traces(asked, {}, "teacher", "medium", ["fixed"] * len(asked))


@pytest.mark.slow
def test_a_model_that_is_being_asked_and_what_was_asked_lately_are_not_pruned(folder: Path) -> None:
    fill("teacher-1", "medium", range(40))
    fill("teacher-2", "medium", range(40))
    keeping.seal_parts()
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
        tables.write(traces(numbers), project / "data/traces/medium", TRACES, TRACES_KEY)
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


def test_a_folder_that_is_not_in_dvcs_cache_is_told_and_passed_over_if_asked_for(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", lambda params: None)
    for effort, numbers in (("medium", range(5)), ("high", range(5, 10))):
        tables.write(traces(numbers), project / "data/traces" / effort, TRACES, TRACES_KEY)
    for name in ("models/base/x", "data/problems.parquet"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(b"")
    assert dvc(project, "commit", "-f", "teach@medium", "teach@high").wait(60) == 0
    lock = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    digest = lock["teach@medium"]["outs"][0]["md5"]
    (project / f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}").unlink()
    shutil.rmtree(project / "data/traces")

    def prune(*more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "stages.edge.store", "prune", "--keep-days", "0", *more]
        here = environment(REASONLITE_STORE=str(tmp_path / "store"))
        return subprocess.run(command, cwd=project, env=here, capture_output=True, text=True, timeout=100)

    fill("teacher-1", "medium", range(12))
    done = prune()
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "error: /data/traces/medium of the working tree cannot be read" in done.stderr
    assert "`dvc fetch --all-branches --all-tags`" in done.stderr and "--ignore-missing" in done.stderr
    assert prune("--ignore-missing").stdout.startswith("7 answers dropped, 5 kept")
