"""Small results: strict JSON, and rows for a plot."""

import json
from pathlib import Path

import pytest

from stages.edge.files.metrics import write_csv, write_metrics


def test_metrics_are_strict_json(tmp_path: Path) -> None:
    write_metrics({"a": {"b": 1.5}}, tmp_path / "new/metrics.json")
    assert json.loads((tmp_path / "new/metrics.json").read_text()) == {"a": {"b": 1.5}}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_metrics({"a": float("nan")}, tmp_path / "metrics.json")


def test_rows_for_a_plot(tmp_path: Path) -> None:
    write_csv([{"step": "a, b", "n": 1}, {"step": "c", "n": 2}], tmp_path / "new/plot.csv")
    assert (tmp_path / "new/plot.csv").read_text() == 'step,n\n"a, b",1\nc,2\n'
    write_csv([], tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_text() == "\n"
