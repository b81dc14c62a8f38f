"""Hub data sets: streamed, pinned by the first run, and read from the hub's cache where there is no network."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import huggingface_hub
import polars as pl
import pytest
from huggingface_hub import constants

from stages.edge.errors import InputError, SettingError
from stages.edge.fetching import hub, sources
from stages.edge.params import Columns, Generator, HubSource

GENERATOR = Generator(lowest=2, highest=5, num_exam_pairs=3, seed=1)
COLUMNS = Columns(prompt="problem", gold="answer", id=None, topic=None, difficulty=None)
FIRST, SECOND = "1" * 40, "2" * 40
ROWS = [{"problem": f"{n}?", "answer": str(n), "kind": "ab"[n % 2], "solution": "x" * 1000} for n in range(6)]


def source(dataset: str, revision: str | None = None, **changed: Any) -> HubSource:
    values = {"config": None, "split": "train", "columns": COLUMNS, "where": {}, "published": None} | changed
    return HubSource(kind="hub", name="n", dataset=dataset, revision=revision, **values)


def golds(of: HubSource, commit: str | None) -> list[str]:
    return sources.take(of, Path(), GENERATOR, commit).problems["gold"].to_list()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository to run in."""
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    return tmp_path


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the hub says is the newest commit of a data set."""

    newest: dict[str, str] = {"a/b": FIRST}

    class Info:
        def __init__(self, sha: str) -> None:
            self.sha = sha

    def dataset_info(_: object, name: str, revision: str | None = None) -> Info:
        return Info(revision or newest[name])

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    return newest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds `a/b` at its first commit, on a machine without a network."""
    from huggingface_hub import constants

    store = tmp_path / "hub"
    copy = store / "datasets--a--b"
    snapshot = copy / "snapshots" / FIRST
    (snapshot / "data").mkdir(parents=True)
    pl.DataFrame(ROWS).write_parquet(snapshot / "data/train-00000-of-00001.parquet")
    (snapshot / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n"
    )
    (copy / "refs").mkdir()
    (copy / "refs/main").write_text(FIRST)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(store))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(store))
    return store


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_folder_is_read_by_the_same_code_as_a_repository_on_the_hub(kind: str, tmp_path: Path) -> None:
    table = pl.DataFrame(ROWS)
    if kind == "parquet":
        table.write_parquet(tmp_path / "train.parquet")
    else:
        table.write_ndjson(tmp_path / "train.jsonl")
    assert golds(source(str(tmp_path)), None) == [row["answer"] for row in ROWS]
    assert golds(source(str(tmp_path), where={"kind": ["b"]}), None) == ["1", "3", "5"]


def test_only_the_wanted_columns_of_parquet_leave_the_hub(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "train.parquet")
    (_, row), *_ = hub.rows(source(str(tmp_path)), None, ["problem", "answer"])
    assert set(row) == {"problem", "answer"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"split": "test"}, "check name, split and network"),
        ({"config": "other"}, "cannot be read from the hub"),
        ({"columns": COLUMNS.model_copy(update={"gold": "solved"})}, "solved"),
    ],
)
def test_what_a_data_set_does_not_have_is_told(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "train.parquet")
    with pytest.raises(InputError, match=told):
        golds(source(str(tmp_path), **changed), None)


def test_the_first_run_takes_the_newest_commit_and_a_later_one_refuses_another(
    folder: Path, commits: dict[str, str]
) -> None:
    record = Path("metrics/sources.json")
    first = hub.Commits([source("a/b")], record)
    assert first.of(source("a/b")) == FIRST
    assert first.by_name() == {"a/b@newest": FIRST}
    first.remember()
    assert hub.Commits([source("a/b")], record).of(source("a/b")) == FIRST
    commits["a/b"] = SECOND
    with pytest.raises(SettingError, match=f"a/b changed on the hub from {FIRST} to {SECOND}.* set its `revision`"):
        hub.Commits([source("a/b")], record)
    for pinned in (FIRST, SECOND):
        assert hub.Commits([source("a/b", pinned)], record).of(source("a/b", pinned)) == pinned


def committed(commit: str) -> Path:
    """The record, with the commit of `a/b` that somebody put into git."""
    record = Path("metrics/sources.json")
    record.parent.mkdir()
    record.write_text(json.dumps({"revisions": {"a/b@newest": commit}}))
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["add", "."], ["commit", "-qm", "x"]):
        subprocess.run(["git", *identity, *command], check=True)
    record.unlink()  # as DVC does before a stage runs
    return record


def test_the_commit_that_git_records_counts_before_that_of_an_earlier_run_here(
    folder: Path, commits: dict[str, str]
) -> None:
    hub.Commits([source("a/b"), source("c/d", FIRST)], None).remember()
    record = committed(SECOND)
    commits["a/b"] = SECOND
    assert hub.Commits([source("a/b")], record).of(source("a/b")) == SECOND
    commits["a/b"] = FIRST
    with pytest.raises(SettingError, match=f"from {SECOND} to {FIRST}"):
        hub.Commits([source("a/b")], record)


def test_what_git_does_not_record_is_known_from_an_earlier_run_here(folder: Path, commits: dict[str, str]) -> None:
    commits["c/d"] = FIRST
    hub.Commits([source("c/d")], None).remember()
    record = committed(FIRST)
    commits["c/d"] = SECOND
    with pytest.raises(SettingError, match=f"c/d changed on the hub from {FIRST} to {SECOND}"):
        hub.Commits([source("c/d")], record)


def test_without_a_network_the_copy_of_the_recorded_commit_is_read_and_no_newer_one(folder: Path, cache: Path) -> None:
    copy = cache / "datasets--a--b"
    shutil.copytree(copy / "snapshots" / FIRST, copy / "snapshots" / SECOND)
    (copy / "refs/main").write_text(SECOND)
    assert hub.Commits([source("a/b")], committed(FIRST)).of(source("a/b")) == FIRST


def test_without_a_network_and_without_the_recorded_commit_it_is_named(folder: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=f"hf download a/b --repo-type dataset --revision {SECOND}"):
        hub.Commits([source("a/b")], committed(SECOND))


def test_a_fresh_clone_knows_the_commit_that_the_committed_record_names(folder: Path, commits: dict[str, str]) -> None:
    record = committed(SECOND)
    with pytest.raises(SettingError, match=f"from {SECOND} to {FIRST}"):
        hub.Commits([source("a/b")], record)


def test_a_folder_and_a_file_have_no_commit(folder: Path) -> None:
    found = hub.Commits([source(str(folder))], Path("metrics/sources.json"))
    assert found.by_name() == {} and found.of(source(str(folder))) is None


def test_without_a_network_the_copy_in_the_hubs_cache_is_read(folder: Path, cache: Path) -> None:
    wanted = source("a/b")
    commit = hub.Commits([wanted], Path("metrics/sources.json")).of(wanted)
    assert commit == FIRST
    assert golds(wanted, commit) == [row["answer"] for row in ROWS]


def test_without_a_network_and_without_a_copy_the_way_around_is_told(folder: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"a/c: cannot be read from the hub .*hf download a/c .*kind `files`"):
        hub.Commits([source("a/c")], Path("metrics/sources.json"))


def test_a_name_that_is_none_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match="a/b/c/d: cannot be read from the hub"):
        hub.Commits([source("a/b/c/d")], Path("metrics/sources.json"))


def test_a_hub_that_does_not_answer_is_as_good_as_none(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody said HF_HUB_OFFLINE, and the network is gone all the same."""

    def dataset_info(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(hub, "_UNREACHABLE", set())
    wanted = source("a/b")
    commit = hub.Commits([wanted], Path("metrics/sources.json")).of(wanted)
    assert golds(wanted, commit) == [row["answer"] for row in ROWS]
