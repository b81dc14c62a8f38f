"""Decided pairs are remembered, until what decides them changes, and never at the price of a run."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from stages.core.equality import relations
from stages.edge.workers import decisions
from stages.edge.workers.algebra import Outcome, Symbolic
from stages.edge.workers.decisions import Decisions

PAIR = (r"\sum_{k=0}^{3} k^2", r"\sum_{k=1}^{3} k^2")
OTHER = ("x>3", r"(3,\infty)")
SLOW = ("1+x-x", r"\int_0^1 \sin(x^x)/(1+x^5)dx")


def test_what_one_run_decided_the_next_one_does_not_ask(tmp_path: Path) -> None:
    for number in range(2):
        with Symbolic(1, 10.0, 2.0, Decisions(tmp_path / "d.sqlite")) as pool:
            assert pool.decide([PAIR, OTHER], "accepts") == {PAIR: Outcome.EQUAL, OTHER: Outcome.EQUAL}
            assert pool.metrics()["num_pairs_by_algebra"] == (0 if number else 2)
            assert pool.metrics()["num_pairs_remembered"] == (2 if number else 0)


def test_relations_and_the_order_of_a_pair_are_told_apart(tmp_path: Path) -> None:
    found = Decisions(tmp_path / "d.sqlite")
    found.put("accepts", {PAIR: "equal"})
    assert found.get("accepts", [PAIR, OTHER]) == {PAIR: "equal"}
    assert found.get("same", [PAIR]) == {}
    assert found.get("accepts", [PAIR[::-1]]) == {}


def test_another_version_of_a_library_or_of_our_rules_forgets_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Decisions(tmp_path / "d.sqlite")
    found.put("same", {PAIR: "equal"})
    monkeypatch.setattr(decisions, "rules", lambda: "another")
    assert found.get("same", [PAIR]) == {}


def test_the_rules_name_every_module_and_version_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    before = decisions.rules.__wrapped__()
    assert before == decisions.rules.__wrapped__()
    monkeypatch.setattr(decisions, "version", lambda name: "9.9")
    assert decisions.rules.__wrapped__() != before


@pytest.mark.parametrize(
    ("file", "forgets"), [("answers/keys.py", True), ("equality/matching.py", True), ("page/charts.py", False)]
)
def test_an_edit_of_what_reads_or_compares_answers_forgets_all_and_no_other_edit_does(
    file: str, forgets: bool, tmp_path: Path
) -> None:
    core = shutil.copytree(Path(relations.__file__).parents[1], tmp_path / "core")
    before = decisions.rules.__wrapped__(core)
    with (core / file).open("a") as module:
        module.write("# an edit\n")
    assert (decisions.rules.__wrapped__(core) != before) == forgets


def test_a_pair_that_ran_out_of_time_is_asked_again(tmp_path: Path) -> None:
    with Symbolic(1, 1.0, 2.0, Decisions(tmp_path / "d.sqlite")) as pool:
        assert pool.decide([SLOW], "accepts") == {SLOW: Outcome.TIMEOUT}
    assert Decisions(tmp_path / "d.sqlite").get("accepts", [SLOW]) == {}


@pytest.mark.parametrize("fault", ["no database", "a folder", "locked"])
def test_a_file_that_cannot_be_used_is_done_without(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d.sqlite"
    if fault == "no database":
        path.write_bytes(b"no database at all" * 100)
    elif fault == "a folder":
        path.mkdir()
    else:
        monkeypatch.setattr(decisions, "SECONDS_TO_LOCK", 0.1)
        Decisions(path).close()
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
    found = Decisions(path)
    found.put("same", {PAIR: "equal"})
    assert found.get("same", [PAIR]) == {}


def test_lone_surrogates_have_a_key(tmp_path: Path) -> None:
    found = Decisions(tmp_path / "d.sqlite")
    found.put("same", {("\ud800", "1"): "different"})
    assert found.get("same", [("\ud800", "1")]) == {("\ud800", "1"): "different"}
