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
    def spare_time(params: dict[str, Any]) -> None:
        params["profiles"]["cpu"]["symbolic"]["seconds"] = (
            30.0  # a busy machine must not turn a verdict into a time-out
        )

    return copy_project(tmp_path_factory.mktemp("equal") / "project", spare_time)


def run(project: Path, text: str | bytes) -> "subprocess.CompletedProcess[str]":
    (project / "pairs.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    return equal(project, "--input", "pairs.jsonl", "--output", "out/verdicts.jsonl")


def equal(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "stages.equal", *arguments]
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
        ("\\int x dx", "\\frac{x^2}{2}", True, "symbolic", "\\frac{x^2}{2}"),
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
    assert [each["reason"] for each in found if each["equal"] is not None] == [None] * (len(pairs) - 1)
    assert found[4]["reason"].startswith("refused: a power in an exponent")


def test_labelled_pairs_are_counted_with_the_misses_by_kind_and_the_time(project: Path) -> None:
    """The columns of VerifierBench; C is a response that was cut off."""
    texts = [("4", r"\boxed{4}", "A"), ("4", r"\boxed{5}", "B"), ("4", "I hope", "C"), ("7 apples", r"\boxed{8}", "A")]
    rows = [
        {"question": "?", "gold_answer": gold, "llm_response": text, "gold_judgment": label, "answer_type": "n" + label}
        for gold, text, label in texts
    ]
    done = run(project, "".join(json.dumps(row) + "\n" for row in rows))
    head, columns, *errors = done.stdout.splitlines()
    assert head.startswith("4 labelled pairs in ") and " a second)" in head
    assert head.endswith("accuracy 75.0%, 0 false equal, 1 missed, 0 undecided")
    assert columns.split() == ["kind", "pairs", "false", "equal", "missed"]
    assert [row.split() for row in errors] == [["nA", "2", "0", "1"]]
    found = [json.loads(line) for line in (project / "out/verdicts.jsonl").read_text().splitlines()]
    assert [(each["equal"], each["label"]) for each in found] == [
        (True, True), (False, False), (False, False), (False, True),
    ]  # fmt: skip
    assert found[0]["gold_judgment"] == "A" and found[0]["answer"] == "4"


def test_a_false_equal_is_told_from_a_miss_and_our_own_labels_are_read(project: Path) -> None:
    done = run(project, '{"gold": "4", "pred": "4", "equal": false, "kind": "integer"}\n')
    assert "0.0%, 1 false equal, 0 missed" in done.stdout and done.stdout.splitlines()[2].split()[0] == "integer"
    assert run(project, PAIR).stdout == "", "without labels there is nothing to count"


def test_a_pair_is_explained_tier_by_tier(project: Path) -> None:
    done = equal(project, "--explain", "1/2", r"So it is \boxed{0.5}.")
    assert done.returncode == 0, done.stderr
    assert r"    answer: 0.5 (from the box)" in done.stdout and "        0.5 (exactly 1/2)" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["verdict: equal, decided by number", ""]
    (project / "pairs.jsonl").write_text('{"gold": "10^{10^{10}}+1", "pred": "x=10^{10^{10}}"}\n' + PAIR)
    both = equal(project, "--explain", "--input", "pairs.jsonl").stdout
    assert "verdict: undecided, refused: a power in an exponent is not evaluated" in both
    assert both.count("verdict: ") == 2
    minus = equal(project, "--explain", "--", "-x", "x-2x")
    assert "prediction: x-2x" in minus.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--explain", "1"), "a gold and a prediction"),
        (("--explain",), "--input is missing"),
        (("--input", "p.jsonl"), "--output is missing"),
        (("1", "2"), "a gold and a prediction"),
        (("--control", "0", "--input", "p.jsonl"), "less than 1"),
    ],
)
def test_arguments_that_do_not_go_together_are_told(project: Path, arguments: tuple[str, ...], told: str) -> None:
    done = equal(project, *arguments)
    assert done.returncode == 2 and told in done.stderr


def test_golds_of_different_problems_are_judged_against_each_other(project: Path) -> None:
    golds = ["1/2", "0.5", "3", "x=3", "5", r"\sqrt{2}", "3", ""]
    (project / "golds.jsonl").write_text("".join(json.dumps({"answer": gold}) + "\n" for gold in golds))
    done = equal(project, "--control", "50", "--input", "golds.jsonl")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("30 pairs of golds of different problems in ")
    assert last.endswith(
        "4 accepted, 4 of them the same number or spelling; 0 listed above: at most 0.0000% are false equals"
    )
    (project / "golds.jsonl").write_text('{"x": 1}')
    bad = equal(project, "--control", "5", "--input", "golds.jsonl")
    assert "has none of gold, gold_answer, answer" in bad.stderr


def test_a_second_run_gives_the_same_bytes_and_asks_no_algebra(project: Path) -> None:
    pair = {"gold": "x \\equiv 1", "pred": "x \\equiv 2"}
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
        (
            '{"gold_answer": "1", "llm_response": "1", "gold_judgment": "D"}\n',
            "line 1: gold_judgment 'D' is none of A, B, C",
        ),
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
