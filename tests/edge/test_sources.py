"""Rows of files and hub datasets under our names, and every fault with its place."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.edge import sources
from stages.edge.errors import InputError
from stages.edge.params import Columns, FilesSource, GeneratedSource, Generator, HubSource

GENERATOR = Generator(lowest=2, highest=5, num_exam_pairs=3, seed=1)
COLUMNS = Columns(prompt="problem", gold="answer", topic=None, difficulty="level")
ROWS = [
    {"problem": "1+1?", "answer": "2", "level": "1/8", "more": "x"},
    {"problem": 'ü, "q"\n?', "answer": "3", "level": "7/8", "more": ""},
]
MAPPED = [{"prompt": row["problem"], "gold": row["answer"], "topic": None, "difficulty": row["level"]} for row in ROWS]


def rows(folder: Path, path: str, columns: Columns = COLUMNS) -> list[Any]:
    return list(sources.rows(FilesSource(kind="files", name="n", path=path, columns=columns), folder, GENERATOR))


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    pl.DataFrame(ROWS).write_csv(tmp_path / "a.csv")
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    for suffix in ("jsonl", "json", "csv", "parquet"):
        assert rows(tmp_path, f"a.{suffix}") == MAPPED
    assert rows(Path("/nowhere"), str(tmp_path / "a.jsonl")) == MAPPED, "an absolute path stands for itself"


def test_a_missing_column_is_named_with_its_place_and_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[0]) + '\n{"problem": "?"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl: line 2: no column 'answer' \(it has problem\)"):
        rows(tmp_path, "a.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"problem": 1', "line 1: is no JSON"),
        ("a.jsonl", b"\xff\xfe", "cannot be read"),
        ("a.json", b"[1", "cannot be read"),
        ("a.json", b'{"problem": "x"}', "is no list of records"),
        ("a.json", b"[1, 2]", "record 0: is no JSON object"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.txt", b"", "is none of .jsonl, .json, .csv, .parquet"),
    ],
)
def test_a_broken_file_is_named(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        rows(tmp_path, name)
    assert name in str(error.value) and told in str(error.value)


def test_generated_rows_are_those_of_the_wanted_side() -> None:
    for split in ("train", "exam"):
        source = GeneratedSource(kind="generated", name="n", topic="one_step", split=split)  # type: ignore[arg-type]
        found = list(sources.rows(source, Path(), GENERATOR))
        assert found and all(row["topic"] == "one_step" for row in found)
    assert len(found) == 6


def hub(dataset: str) -> HubSource:
    return HubSource(kind="hub", name="n", dataset=dataset, config=None, split="train", revision=None, columns=COLUMNS)


def test_a_dataset_is_streamed_with_the_wanted_columns_only(tmp_path: Path) -> None:
    # A folder of Parquet files is read by the same code as a repository on the hub.
    pl.DataFrame(ROWS).write_parquet(tmp_path / "train.parquet")
    assert list(sources.rows(hub(str(tmp_path)), Path(), GENERATOR)) == MAPPED


def test_a_dataset_out_of_reach_is_told_with_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'a/b' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(InputError, match=r"a/b: cannot be read from the hub .*use a source of kind `files`"):
        list(sources.rows(hub("a/b"), Path(), GENERATOR))
