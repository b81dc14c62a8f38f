"""Tables are checked on the way in and out, whole or not there, and the same rows are the same bytes."""

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.edge.errors import InputError
from stages.edge.files import tables

SCHEMA = pl.Schema({"key": pl.String(), "sample": pl.Int16(), "value": pl.Float64()})
KEY = ["key", "sample"]


def frame(*rows: tuple[str | None, int, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


@pytest.mark.parametrize("name", ["table.parquet", "table"])
def test_what_was_written_is_read_sorted_by_its_key(name: str, tmp_path: Path) -> None:
    tables.write(frame(("b", 0, 1.0), ("a", 1, 2.0), ("a", 0, 3.0)), tmp_path / name, SCHEMA, KEY)
    assert tables.read(tmp_path / name, SCHEMA).rows() == [("a", 0, 3.0), ("a", 1, 2.0), ("b", 0, 1.0)]


@given(order=st.permutations(range(6)))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_rows_changes_no_byte(order: list[int], tmp_path: Path) -> None:
    rows = [(f"k{number}", number, number / 3) for number in range(6)]
    tables.write(frame(*rows), tmp_path / "one.parquet", SCHEMA, KEY)
    tables.write(frame(*[rows[place] for place in order]), tmp_path / "two.parquet", SCHEMA, KEY)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_folder_holds_parts_and_no_part_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_PER_PART", 2)
    tables.write(frame(*[("k", number, 0.0) for number in range(5)]), tmp_path / "t", SCHEMA, KEY)
    assert sorted(file.name for file in (tmp_path / "t").iterdir()) == [
        f"part-{number:04d}.parquet" for number in range(3)
    ]
    tables.write(frame(("k", 0, 0.0)), tmp_path / "t", SCHEMA, KEY)
    assert [file.name for file in (tmp_path / "t").iterdir()] == ["part-0000.parquet"]


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    tables.write(frame(), tmp_path / "t", SCHEMA, KEY)
    assert tables.read(tmp_path / "t", SCHEMA).schema == SCHEMA


def test_another_schema_or_a_key_that_comes_twice_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="schema"):
        tables.write(frame(("a", 0, 1.0)).drop("value"), tmp_path / "t", SCHEMA, KEY)
    with pytest.raises(ValueError, match="share a key"):
        tables.write(frame(("a", 0, 1.0), ("a", 0, 2.0)), tmp_path / "t", SCHEMA, KEY)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_table_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.write(frame(("a", 0, 1.0)), tmp_path / "t.parquet", SCHEMA, KEY)

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(InputError, match=r"t\.parquet: cannot be written \(no space"):
        tables.write(frame(("b", 0, 1.0)), tmp_path / "t.parquet", SCHEMA, KEY)
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
    assert tables.read(tmp_path / "t.parquet", SCHEMA)["key"].to_list() == ["a"]


def test_columns_that_are_missing_or_of_another_type_are_named(tmp_path: Path) -> None:
    pl.DataFrame({"key": ["a"], "value": ["x"]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet.*sample: Int16 \(found None\), value: Float64 \(found String\)"):
        tables.read(tmp_path / "t.parquet", SCHEMA)


def test_a_table_that_is_not_there_or_no_parquet_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table there; run `dvc repro`"):
        tables.read(tmp_path / "gone.parquet", SCHEMA)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no table there"):
        tables.read(tmp_path / "folder", SCHEMA)
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InputError, match=r"t\.parquet: cannot be read as Parquet"):
        tables.read(tmp_path / "t.parquet", SCHEMA)


@given(cuts=st.lists(st.integers(0, 9), max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_that_comes_in_pieces_has_the_bytes_of_one_that_comes_whole(cuts: list[int], tmp_path: Path) -> None:
    rows = [(None if number < 2 else f"k{number}", number, number / 3) for number in range(9)]
    ends = [0, *sorted(cuts), 9]
    pieces = [frame(*rows[start:end]) for start, end in pairwise(ends)]
    before, tables.ROWS_PER_PART = tables.ROWS_PER_PART, 4
    try:
        tables.write(frame(*reversed(rows)), tmp_path / "whole", SCHEMA, KEY)
        assert tables.write_sorted(iter(pieces), tmp_path / "pieces", SCHEMA, KEY) == 9
        tables.write(frame(*reversed(rows)), tmp_path / "whole.parquet", SCHEMA, KEY)
        assert tables.write_sorted(iter(pieces), tmp_path / "pieces.parquet", SCHEMA, KEY) == 9
    finally:
        tables.ROWS_PER_PART = before
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "pieces.parquet").read_bytes()
    found = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("whole", "pieces")]
    assert found[0] == found[1] and len(found[0]) == 3


@pytest.mark.parametrize("name", ["t", "t.parquet"])
def test_pieces_of_nothing_are_an_empty_table(name: str, tmp_path: Path) -> None:
    assert tables.write_sorted([], tmp_path / name, SCHEMA, KEY) == 0
    assert tables.read(tmp_path / name, SCHEMA).is_empty()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["t", "t.parquet"])
@pytest.mark.parametrize(
    "pieces",
    [
        [frame(("b", 0, 1.0)), frame(("a", 0, 1.0))],
        [frame(("b", 0, 1.0), ("a", 0, 1.0))],
        [frame(("a", 0, 1.0)), frame(("a", 0, 2.0))],
        [frame(("a", 0, 1.0)), frame(), frame((None, 0, 2.0))],
        [frame(("a", 0, 1.0)).drop("value")],
    ],
    ids=["between pieces", "in a piece", "twice", "null after a value", "schema"],
)
def test_pieces_out_of_order_are_refused_and_the_table_of_before_stays(
    pieces: list[pl.DataFrame], name: str, tmp_path: Path
) -> None:
    tables.write(frame(("old", 0, 0.0)), tmp_path / name, SCHEMA, KEY)
    with pytest.raises(ValueError):
        tables.write_sorted(pieces, tmp_path / name, SCHEMA, KEY)
    assert tables.read(tmp_path / name, SCHEMA).rows() == [("old", 0, 0.0)]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_killed_process_left_is_no_part_of_a_table_and_is_swept_up_by_the_next(tmp_path: Path) -> None:
    rows = frame(("k", 0, 0.0), ("k", 1, 0.0))
    tables.write(rows, tmp_path / "all" / "t", SCHEMA, KEY)
    left = tmp_path / "all" / ".t.0123abcd.partial"
    left.mkdir()
    (left / "part-0000.parquet").write_bytes((tmp_path / "all/t/part-0000.parquet").read_bytes())
    (tmp_path / "all" / ".other.0123abcd.partial").mkdir()
    assert tables.read(tmp_path / "all", SCHEMA).height == 2
    tables.write(rows, tmp_path / "all" / "t", SCHEMA, KEY)
    assert sorted(each.name for each in (tmp_path / "all").iterdir()) == [".other.0123abcd.partial", "t"]
