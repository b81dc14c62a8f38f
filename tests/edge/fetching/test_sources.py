"""Rows of files of every kind, here and on S3, and every fault with its place."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from stages.core.problems.intake import Intake
from stages.edge.errors import InputError, SettingError
from stages.edge.fetching import sources
from stages.edge.params import Columns, FilesSource, GeneratedSource, Generator
from tests.object_store import object_store

GENERATOR = Generator(lowest=2, highest=5, num_exam_pairs=3, seed=1)
COLUMNS = Columns(prompt="problem", gold="answer", id=None, topic=None, difficulty="level")
ROWS = [
    {"problem": "1+1?", "answer": "2", "level": "1/8", "more": "x"},
    {"problem": 'ü, "q"\n?', "answer": "3", "level": "7/8", "more": ""},
]
FOUND = [("1+1?", "2", 0.125), ('ü, "q"\n?', "3", 0.875)]
LINES = "\n".join(json.dumps(row) for row in ROWS).encode()


def take(folder: Path, path: str, columns: Columns | str = COLUMNS, **where: list[Any]) -> Intake:
    source = FilesSource(kind="files", name="n", path=path, columns=columns, where=where, published=None)
    return sources.take(source, folder, GENERATOR, None)


def rows(folder: Path, path: str) -> list[tuple[object, ...]]:
    return take(folder, path).problems.select("prompt", "gold", "difficulty").rows()


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + LINES + b"\n\n")
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    pl.DataFrame(ROWS).write_csv(tmp_path / "a.csv")
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    for suffix in ("jsonl", "json", "csv", "parquet"):
        assert rows(tmp_path, f"a.{suffix}") == FOUND
    assert rows(Path("/nowhere"), str(tmp_path / "a.jsonl")) == FOUND, "an absolute path stands for itself"
    assert rows(Path("/nowhere"), f"file://{tmp_path}/a.jsonl") == FOUND


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstandard.compress)],
)
def test_packed_files_are_unpacked(suffix: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(pack(LINES))
    assert rows(tmp_path, f"a.jsonl.{suffix}") == FOUND
    (tmp_path / f"b.jsonl.{suffix}").write_bytes(pack(LINES)[:-9])
    with pytest.raises(InputError, match=rf"b\.jsonl\.{suffix}"):
        rows(tmp_path, f"b.jsonl.{suffix}")


def test_a_star_names_many_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        (tmp_path / f"part-{1 - number}.jsonl").write_text(json.dumps(row))
    assert rows(tmp_path, "part-*.jsonl") == FOUND[::-1]
    with pytest.raises(InputError, match=r"none-\*\.jsonl: there is no such file"):
        rows(tmp_path, "none-*.jsonl")


def test_a_preset_names_the_columns_and_where_chooses_the_rows(tmp_path: Path) -> None:
    lines = [{"problem": f"{n}?", "expected_answer": str(n), "problem_type": kind} for n, kind in enumerate("aab")]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = take(tmp_path, "a.jsonl", "openmathreasoning", problem_type=["a"])
    assert found.problems.select("gold", "topic").rows() == [("0", "a"), ("1", "a")]
    assert (found.num_rows, found.num_filtered) == (3, 1)
    with pytest.raises(SettingError, match=r"columns 'polar' is none of polaris, .*"):
        take(tmp_path, "a.jsonl", "polar")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", LINES + b'\n{"problem": "?"}\n', "a.jsonl: line 3: no column 'answer' (it has problem); correct"),
        ("a.jsonl", b'{"problem": 1', "a.jsonl: line 1: is no JSON"),
        ("a.jsonl", LINES + b'\n{"problem": "\xff"}', "a.jsonl: line 3: byte 14 is no UTF-8"),
        ("a.jsonl", LINES + b'\n{"problem": ["x"], "answer": 1, "level": 1}', "line 3, column 'problem': \"['x']\" is"),
        ("a.jsonl", b"[" * 200_000, "a.jsonl: line 1: is no JSON"),
        ("a.jsonl", b"9" * 5_000, "a.jsonl: line 1: is no JSON"),
        ("a.jsonl", b"", "a.jsonl holds no rows"),
        ("a.json", b"[]", "a.json holds no rows"),
        ("a.json", b"[1", "a.json: is no JSON"),
        ("a.json", b'{"problem": "x"}', "is no list of records"),
        ("a.json", b"[1, 2]", "record 0: is no JSON object"),
        ("a.csv", b"problem,answer,level\n?,1\n", "a.csv: line 2: has fewer fields than the header"),
        ("a.csv", b"problem,answer,level\n?,1,1/2,4\n", "a.csv: line 2: has more fields than the header"),
        ("a.csv", b"problem,answer,level\n?,1,1/2\n\xe9,1,1\n", "a.csv: line 3: byte 1 is no UTF-8"),
        ("a.csv", b"question,answer\n?,1\n", "a.csv: line 2: no column 'problem'"),
        ("a.parquet", b"PAR1", "a.parquet: cannot be read"),
        ("a.txt", b"", "is none of .jsonl, .json, .csv, .parquet"),
        ("a.gz", b"", "is none of .jsonl, .json, .csv, .parquet"),
    ],
)
def test_a_broken_file_is_told_with_line_and_column(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        rows(tmp_path, name)
    assert told in str(error.value) and name in str(error.value)


def test_a_torn_parquet_file_and_one_without_a_column_are_told(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"torn\.parquet: cannot be read"):
        rows(tmp_path, "torn.parquet")
    pl.DataFrame(ROWS).drop("answer").write_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: no column 'answer' \(it has problem, level, more\)"):
        rows(tmp_path, "b.parquet")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_line_of_a_hundred_megabytes_is_refused_without_being_read(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        file.write(LINES + b"\n" if name.endswith("jsonl") else b"problem,answer,level\n1?,1,1\n")
        file.write(b'{"problem": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
    with pytest.raises(InputError, match=rf"{name}: line 3: has more than 64 MiB"):
        rows(tmp_path, name)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"gone\.jsonl: cannot be read \(FileNotFoundError.*; correct `path` or the file"
    ):
        rows(tmp_path, "gone.jsonl")


def test_generated_rows_are_those_of_the_wanted_side() -> None:
    total = 0
    for split in ("train", "exam"):
        source = GeneratedSource(kind="generated", name="n", topic="one_step", split=split)
        found = sources.take(source, Path(), GENERATOR, None).problems
        assert set(found["topic"]) == {"one_step"} and not found["gold_in_prompt"].any()
        total += found.height
    assert total == 16


def test_files_on_s3_are_read_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store(tmp_path / "served") as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        (there.folder / "a.jsonl.gz").write_bytes(gzip.compress(LINES))
        pl.DataFrame(ROWS).write_parquet(there.folder / "part-0.parquet")
        assert rows(tmp_path, f"{there.url}/a.jsonl.gz") == FOUND
        assert rows(tmp_path, f"{there.url}/part-*.parquet") == FOUND
        with pytest.raises(InputError, match=r"s3://bucket/gone\.jsonl: cannot be read"):
            rows(tmp_path, f"{there.url}/gone.jsonl")


def test_numbers_of_where_are_found_in_csv_too_and_a_source_of_which_nothing_is_left_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("problem,expected_answer,problem_type\n?,1,4\n!,2,5\n")
    found = take(tmp_path, "a.csv", "openmathreasoning", problem_type=[4])
    assert found.problems["gold"].to_list() == ["1"]
    with pytest.raises(InputError, match=r"none of its 2 rows has what `where` asks for"):
        take(tmp_path, "a.csv", "openmathreasoning", problem_type=[6])
