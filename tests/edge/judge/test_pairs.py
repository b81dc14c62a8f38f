r"""The judge as others use it: by name, from any thread, in any script, never for long."""

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.core.equality.explanation import Undecided
from stages.edge import judge
from stages.edge.judge import Judge, Verdict, accepts, same
from stages.edge.workers.algebra import Symbolic
from tests.projects import ROOT

SLOW = ("1+x-x", r"\int_0^1 \sin(x^x)/(1+x^5)dx")
REFUSED = ("10^{10^{10}}+1", "x=10^{10^{10}}")


@pytest.fixture(scope="module")
def judging() -> Iterator[Judge]:
    with Judge(Symbolic(1, 10.0, 2.0)) as mine:
        yield mine


def test_the_public_names_are_these() -> None:
    assert judge.__all__ == ["Judge", "Verdict", "accepts", "accuracy_reward", "reward_on", "same"]
    assert all(getattr(judge, name).__doc__ for name in judge.__all__)


def test_a_verdict_tells_what_decided_or_why_nothing_did(judging: Judge) -> None:
    pairs = [("4", r"So \boxed{4.0}."), ("4", "5"), (r"\int x dx", r"\frac{x^2}{2}"), REFUSED, SLOW, ("3", "")]
    found = judging.accepts(pairs)
    assert [each[:2] for each in found[:3]] == [(True, "number"), (False, "number"), (True, "symbolic")]
    assert found[0].answer == "4.0" and all(each.reason is None for each in found[:3])
    assert found[3] == Verdict(None, None, found[3].reason, REFUSED[1])
    assert found[3].reason and found[3].reason.startswith(f"{Undecided.REFUSED}: ")
    assert found[4].reason == f"{Undecided.TIMEOUT}: over its limit of time or memory"
    assert found[5] == Verdict(False, "text", None, None)


def test_accepts_may_leave_out_a_unit_and_same_may_not(judging: Judge) -> None:
    assert judging.accepts([("5 cm", "5")])[0].equal is True
    assert judging.same([("5 cm", "5")])[0].equal is False
    assert [each.equal for each in judging.same([("0.5", "1/2"), ("1/2", r"\boxed{0.5}")])] == [True, True]
    assert judging.accepts([]) == []


def test_by_their_names_alone_they_work_off_the_main_thread() -> None:
    found: list[bool | None] = []

    def work() -> None:
        found.extend(
            [accepts("1/2", r"The answer is \boxed{0.5}."), same(r"\int x dx", r"\frac{x^2}{2}"), accepts(*REFUSED)]
        )

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True, True, None] * 3


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    """Processes started by multiprocessing run the main module again; a training script would train again."""
    script = tmp_path / "train.py"
    script.write_text(
        "print('trains')\n"
        "from stages.edge.judge import Judge\n"
        "from stages.edge.workers.algebra import Symbolic\n"
        "with Judge(Symbolic(1, 60.0, 4.0)) as judge:\n"
        "    print([each.equal for each in judge.accepts([('\\\\int x dx', '\\\\frac{x^2}{2}'), ('\\\\int x dx', '\\\\frac{x^2}{3}')])])\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "trains" and ast.literal_eval(lines[1]) == [True, False] and len(lines) == 2
