"""Judging anybody's pairs: line by line, in order, whatever stands in them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.projects import copy_project, environment

PAIR = '{"gold": "4", "pred": "4.0"}\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("equal") / "project", lambda params: None)


def run(project: Path, text: str | bytes) -> "subprocess.CompletedProcess[str]":
    (project / "pairs.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    command = [sys.executable, "-m", "stages.equal", "--input", "pairs.jsonl", "--output", "out/verdicts.jsonl"]
    return subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=100)


def judged(project: Path, *records: dict[str, Any]) -> list[dict[str, Any]]:
    done = run(project, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (project / "out/verdicts.jsonl").read_text().split("\n") if line]


def test_each_line_comes_back_in_order_with_its_verdict_its_tier_and_its_answer(project: Path) -> None:
    pairs: list[tuple[Any, Any, bool | None, str | None, str | None]] = [
        ("42", "So the answer is \\boxed{42}.", True, "number", "42"),
        ("42", "43", False, "number", "43"),
        ("\\frac{\\sqrt3}{3}", "\\boxed{1/\\sqrt{3}}", True, "evaluated", "1/\\sqrt{3}"),
        ("x>3", "(3,\\infty)", True, "symbolic", "(3,\\infty)"),
        ("10^{10^{10}}+1", "x=10^{10^{10}}", None, None, "x=10^{10^{10}}"),
        (None, "3", False, "text", "3"),
        ("3", None, False, "text", None),
        (3, 3.0, True, "number", "3.0"),
        ("a\u2028b\u0085c", "a\u2028b\u0085c", True, "text", "a\u2028b\u0085c"),
        ("Therefore, we have 7 of them. There are 12 ways.", "12", True, "number", "12"),
    ]
    found = judged(
        project, *({"gold": gold, "pred": pred, "id": place} for place, (gold, pred, *_) in enumerate(pairs))
    )
    assert [record["id"] for record in found] == list(range(len(pairs)))
    assert [(each["equal"], each["decided_by"], each["answer"]) for each in found] == [each[2:] for each in pairs]
    assert [(each["gold"], each["pred"]) for each in found] == [(gold, pred) for gold, pred, *_ in pairs]


def test_a_second_run_gives_the_same_bytes_and_asks_no_algebra(project: Path) -> None:
    pair = {"gold": "x>4", "pred": "(4,\\infty)"}
    first = judged(project, pair)
    written = (project / "out/verdicts.jsonl").read_bytes()
    assert judged(project, pair) == first
    assert (project / "out/verdicts.jsonl").read_bytes() == written


def test_lone_surrogates_and_nul_go_through(project: Path) -> None:
    done = run(project, '{"gold": "\\ud800", "pred": "\\ud800"}\n\n{"gold": "\\u0000 4", "pred": "4"}')
    assert done.returncode == 0, done.stderr
    lines = (project / "out/verdicts.jsonl").read_text().split("\n")
    assert [json.loads(line)["gold"] for line in lines if line] == ["\ud800", "\x00 4"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json\n", "line 1: is no JSON"),
        ('{"gold": "1", "pred": "1"}\n[1]\n', "line 2: is no JSON object"),
        ('{"gold": "1"}\n', "line 1: not an object"),
        ('{"gold": "1", "pred": ["1"]}\n', "line 1: not an object"),
        ('{"gold": "1", "pred": true}\n', "line 1: not an object"),
        (b"\xff\xfe\n", "byte 1 is no UTF-8"),
        ("[" * 100_000 + "\n", "line 1: is no JSON"),
    ],
)
def test_what_is_no_pair_is_named_by_its_line_and_nothing_is_written(
    project: Path, text: str | bytes, said: str
) -> None:
    (project / "out/verdicts.jsonl").unlink(missing_ok=True)
    done = run(project, text)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
    assert not list((project / "out").glob("*"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nope.jsonl", "nope.jsonl: there is no such file; name another"),
        ("stages", "stages: cannot be read (IsADirectoryError"),
    ],
)
def test_a_file_that_is_not_there_or_is_none_is_told(project: Path, name: str, said: str) -> None:
    command = [sys.executable, "-m", "stages.equal", "--input", name, "--output", "out/verdicts.jsonl"]
    done = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=100)
    assert done.returncode == 1 and done.stderr.startswith(f"error: {said}") and done.stderr.count("\n") == 1


def test_a_number_that_json_does_not_know_is_refused(project: Path) -> None:
    done = run(project, '{"gold": "1", "pred": "1", "more": [NaN]}\n')
    assert done.returncode == 1 and "holds NaN or an infinity" in done.stderr


def test_pairs_may_stand_in_any_kind_of_file_that_is_known(project: Path) -> None:
    for name, text in (("p.csv", "gold,pred\n4,4\n"), ("p.json", '[{"gold": "4", "pred": 4}]'), ("p.txt", PAIR)):
        (project / name).write_text(text)
        command = [sys.executable, "-m", "stages.equal", "--input", name, "--output", "verdicts"]
        subprocess.run(command, cwd=project, env=environment(), check=True, timeout=100)
        assert json.loads((project / "verdicts").read_text())["equal"] is True
