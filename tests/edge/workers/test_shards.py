"""A table worked on piece by piece comes out the same however many work on it, and wherever."""

import socket
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import ray

from stages.core.answers import table as table_of_answers
from stages.core.labelling import judging
from stages.core.tables.traces import STATUSES
from stages.edge.errors import InputError, ServerError
from stages.edge.files import tables
from stages.edge.workers import cluster, shards


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files of 25 traces to five problems."""
    monkeypatch.setattr(shards, "ROWS_PER_SHARD", 10)
    schema = {**table_of_answers.TRACES_IN, "status": pl.Enum(STATUSES)}
    for part in range(3):
        rows = [
            ("teacher", "high", None, f"p{sample % 5}", 25 * part + sample, rf"\boxed{{{sample % 7}}}", "stop")
            for sample in range(25)
        ]
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        (tmp_path / "traces").mkdir(exist_ok=True)
        frame.write_parquet(tmp_path / f"traces/part-{part}.parquet")
    return tmp_path / "traces"


LABELS = pl.DataFrame({"problem_id": [f"p{number}" for number in range(5)], "label": ["0", "1", "2", "3", None]})


def judged(traces: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    return judging.prepare(table_of_answers.read_answers(traces), labels)


WORK = partial(judged, labels=LABELS)


def mapped(path: Path, num_workers: int, pool: str) -> pl.DataFrame:
    return pl.concat(shards.mapped(path, table_of_answers.TRACES_IN, WORK, num_workers, pool))


def test_pieces_cover_every_row_once_in_order(table: Path) -> None:
    pieces = shards.pieces(table)
    assert [(piece.file.name, piece.start, piece.num_rows) for (piece,) in pieces] == [
        (f"part-{part}.parquet", start, number) for part in range(3) for start, number in ((0, 10), (10, 10), (20, 5))
    ]


@pytest.mark.parametrize(("num_rows", "expected"), [(12, [12, 12, 12]), (3, [6, 6, 6, 6, 6, 6]), (100, [36])])
def test_rows_of_one_problem_stay_in_one_piece_also_over_the_end_of_a_file(
    num_rows: int, expected: list[int], tmp_path: Path
) -> None:
    rows = pl.DataFrame({"effort": ["high"] * 18 + ["low"] * 18, "problem": [f"p{n // 6 % 3}" for n in range(36)]})
    (tmp_path / "table").mkdir()
    for part, (start, length) in enumerate([(0, 8), (8, 1), (9, 20), (29, 7)]):
        rows.slice(start, length).write_parquet(tmp_path / f"table/part-{part}.parquet")
    found = shards.pieces(tmp_path / "table", num_rows, ["effort", "problem"])
    tables_of = [shards.read(piece, pl.Schema({"effort": pl.String(), "problem": pl.String()})) for piece in found]
    assert [table.height for table in tables_of] == expected
    assert pl.concat(tables_of).equals(rows)
    apart = shards.pieces(tmp_path / "table", 100, ["effort", "problem"], num_apart=1)
    assert [sum(shard.num_rows for shard in piece) for piece in apart] == [18, 18]


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_any_number_of_workers_gives_what_one_reading_gives(table: Path, num_workers: int) -> None:
    whole = judged(tables.read(table, table_of_answers.TRACES_IN), LABELS)
    assert mapped(table, num_workers, "local").equals(whole)
    assert whole["sample"].to_list() == list(range(75))


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same(table: Path) -> None:
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    try:
        assert mapped(table, 2, "ray").equals(mapped(table, 2, "local"))
        (table / "part-1.parquet").write_bytes((table / "part-1.parquet").read_bytes()[:-50] + b"x" * 50)
        with pytest.raises(InputError) as told:
            mapped(table, 2, "ray")
        assert len(str(told.value).splitlines()) == 1 and "cannot be read as Parquet" in str(told.value)
    finally:
        ray.shutdown()


def test_a_cluster_that_is_not_there_is_told(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ServerError, match=f"the Ray cluster {address} cannot be reached .*: start it, correct") as told:
        mapped(table, 2, "ray")
    assert len(str(told.value).splitlines()) == 1


def test_a_node_without_the_projects_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere is not on .*: let all nodes"):
        cluster.enter_project(tmp_path / "nowhere")


def test_an_empty_table_gives_no_rows(table: Path, tmp_path: Path) -> None:
    tables.read(table, table_of_answers.TRACES_IN).head(0).write_parquet(tmp_path / "empty.parquet")
    assert mapped(tmp_path / "empty.parquet", 2, "local").height == 0


def test_a_table_that_is_not_there_or_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table there"):
        mapped(tmp_path / "nothing", 2, "local")
    (tmp_path / "bad.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        mapped(tmp_path / "bad.parquet", 2, "local")


def test_a_fault_in_a_worker_reaches_the_caller(table: Path) -> None:
    (table / "part-1.parquet").write_bytes((table / "part-1.parquet").read_bytes()[:-50] + b"x" * 50)
    with pytest.raises(InputError):
        mapped(table, 2, "local")
