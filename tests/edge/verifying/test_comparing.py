"""Two outs compared: tables row by row, other files by their bytes."""

from pathlib import Path

import polars as pl
import pytest

from stages.edge.verifying import comparing

ROWS = {
    "problem_id": ["a", "a", "b"],
    "sample": [0, 1, 0],
    "answer": ["4", None, "5"],
    "votes": [[{"answer": "4", "votes": 2}], [], [{"answer": "5", "votes": 1}]],
}
TABLE = pl.DataFrame(ROWS)


def differences(old: pl.DataFrame, new: pl.DataFrame, folder: Path, ids: list[str] | None = None) -> list[str]:
    old.write_parquet(folder / "old.parquet")
    new.write_parquet(folder / "new.parquet")
    return comparing.compare(folder / "old.parquet", folder / "new.parquet", ids).differences


def test_equal_tables_do_not_differ_and_their_rows_are_counted(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "a.parquet")
    assert comparing.compare(tmp_path / "a.parquet", tmp_path / "a.parquet", None) == (3, [])
    assert comparing.compare(tmp_path / "a.parquet", tmp_path / "a.parquet", ["b"]).num_rows == 1


def test_of_a_sample_only_its_own_rows_are_compared(tmp_path: Path) -> None:
    assert differences(TABLE, TABLE.filter(problem_id="b"), tmp_path, ["b"]) == []
    assert differences(TABLE, TABLE.filter(problem_id="b"), tmp_path) == [
        "2 of 3 rows are not made any more, such as problem_id='a' sample=0"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            pl.when(problem_id="b").then(pl.lit("6")).otherwise("answer").alias("answer"),
            "1 of 3 rows differ, in answer; the first, problem_id='b' sample=0: answer is '6', was '5'",
        ),
        (
            pl.col("answer").fill_null(""),
            "1 of 3 rows differ, in answer; the first, problem_id='a' sample=1: answer is '', was None",
        ),
        (
            pl.col("votes").list.head(0),
            "2 of 3 rows differ, in votes; the first, problem_id='a' sample=0: votes is [], was "
            "[{'answer': '4', 'votes': 2}]",
        ),
        (pl.lit(1).alias("new"), "column new is Int32, was not there"),
        (pl.col("sample").cast(pl.Int16), "column sample is Int16, was Int64"),
    ],
)
def test_a_difference_is_named_by_row_and_column(change: pl.Expr, said: str, tmp_path: Path) -> None:
    assert differences(TABLE, TABLE.with_columns(change), tmp_path)[0] == said


def test_a_new_row_and_another_order_are_named(tmp_path: Path) -> None:
    assert differences(TABLE.head(2), TABLE, tmp_path) == ["1 of 3 rows are new, such as problem_id='b' sample=0"]
    assert differences(TABLE, TABLE.reverse(), tmp_path) == ["the rows are in another order"]


def test_files_and_folders_are_compared_by_their_bytes(tmp_path: Path) -> None:
    for name, content in (("old", "1"), ("new", "2")):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner/same").write_text("same")
        (tmp_path / name / "other").write_text(content)
    (tmp_path / "new/more").touch()
    compare = comparing.compare
    assert compare(tmp_path / "old", tmp_path / "old", None) == (None, [])
    assert compare(tmp_path / "old", tmp_path / "new", None).differences == ["more is new", "other has another content"]
    assert compare(tmp_path / "old/other", tmp_path / "new/other", None).differences == ["has another content"]
    assert compare(tmp_path / "old/other", tmp_path / "none", None).differences == ["is not made any more"]
