"""What waits on the disk while a stage works."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from stages.edge.errors import InputError
from stages.edge.files import scratch, tables
from tests.edge.files.test_tables import KEY, SCHEMA, frame


def test_tables_on_the_disk_are_there_as_often_as_wanted_in_their_order_and_gone_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [frame((f"k{number}", number, 0.5)) for number in range(12)]
    (tmp_path / ".t.parquet.0123abcd.pieces").mkdir()
    (tmp_path / ".t.parquet.0123abcd.pieces" / "00000099").write_text("a killed process left it")
    monkeypatch.setattr(scratch, "ROWS_AT_ONCE", 5)
    with pytest.raises(KeyError), scratch.on_disk(iter(wanted), tmp_path / "t.parquet") as pieces:
        for _ in range(2):
            assert [piece.height for piece in pieces] == [5, 5, 2]
            assert pl.concat(pieces).equals(pl.concat(wanted))
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_rows_are_cut_as_asked_whatever_tables_they_come_in() -> None:
    rows = frame(*((f"k{number}", number, 0.5) for number in range(9)))
    for pieces in ([rows], [rows.head(2), rows.slice(2, 0), rows.slice(2)], list(rows.iter_slices(1))):
        found = list(scratch.cut(iter(pieces), [4, 0, 1, 4]))
        assert [piece.height for piece in found] == [4, 0, 1, 4]
        assert pl.concat(found).equals(rows)
    with pytest.raises(ValueError, match="6 more rows are wanted, and 5 are left"):
        list(scratch.cut([rows], [4, 6]))


def test_what_fails_where_rows_are_made_is_not_called_a_full_disk(tmp_path: Path) -> None:
    def broken() -> Iterator[pl.DataFrame]:
        yield frame(("k", 0, 0.5))
        raise ConnectionError("a server is gone")

    with pytest.raises(ConnectionError, match="a server is gone"), scratch.on_disk(broken(), tmp_path / "t.parquet"):
        pass
    for name in ("t", "t.parquet"):
        with pytest.raises(ConnectionError, match="a server is gone"):
            tables.write_sorted(broken(), tmp_path / name, SCHEMA, KEY)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_told_by_the_name_of_the_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(InputError, match=r"file/t\.parquet: cannot be written .*; see to the disk and its permissions"),
        scratch.on_disk([frame()], tmp_path / "file" / "t.parquet"),
    ):
        pass
