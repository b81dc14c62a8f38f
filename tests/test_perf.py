"""The scripts that measure: each runs at its smallest size and prints its figures as the last line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import ROOT

HELPERS = {"data_folder", "fake_server", "graders", "measuring"}
FIGURES = {
    "adaptive": {"gemini-2.0-flash, OTIS x16", "qwen2.5-72b, OTIS x16", "qwen2.5-math, MATH x8"},
    "curation": {"rows_per_second", "peak_gib", "rows"},
    "judging": {"speedup_over_naive", "answers_per_second_per_core", "peak_gib", "graders"},
    "majority": {"gemini-2.0-flash, OTIS x16", "qwen2.5-72b, OTIS x16", "qwen2.5-math, MATH x8"},
    "outside": {"answers", "ours", "exact_match", "math_verify", "verdicts_that_differ"},
    "problems": {"seconds", "peak_gib", "rows"},
    "sampling": {"occupancy", "speedup_over_original", "cpu_ms_per_answer", "peak_gib", "seconds_to_first_request"},
    "scale": {"traces", "read", "vote", "judge", "curate", "mark", "gather", "report"},
    "training": {"tokens_per_second", "mfu", "speedup_over_original_settings", "loss_difference", "peak_gib"},
}
"""What the JSON object of each script has at least."""
NEED_DATA = {"adaptive", "judging", "majority", "outside"}


def test_every_script_is_run_here() -> None:
    assert {file.stem for file in (ROOT / "perf").glob("*.py")} == FIGURES.keys() | HELPERS


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_a_script_measures_at_its_smallest_size(name: str, tmp_path: Path) -> None:
    if name in NEED_DATA and not os.environ.get("REASONLITE_TEST_DATA"):
        pytest.skip("REASONLITE_TEST_DATA names no folder of published problems and generations")
    done = subprocess.run(
        [sys.executable, str(ROOT / f"perf/{name}.py"), "--quick"],
        cwd=tmp_path,
        env={**os.environ, "REASONLITE_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() >= FIGURES[name]
    assert None not in [found[key] for key in FIGURES[name]]


def test_without_its_data_a_script_names_what_it_wants(tmp_path: Path) -> None:
    for name in sorted(NEED_DATA):
        command = [sys.executable, str(ROOT / f"perf/{name}.py"), "--quick", "--data", str(tmp_path)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2
        assert "perf/README.md" in done.stderr and ".jsonl" in done.stderr
