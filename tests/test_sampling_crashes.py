"""The teach stage under fire: killed again and again, asked of servers that fail in every way that is known to us."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stages.core.problems import problems
from stages.core.sampling.queries import SEED_STEP, SEEDS
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.edge.files import tables
from stages.edge.store import segments
from tests.projects import copy_project, environment
from tests.scripted_server import Reply, ScriptedServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUM_PROBLEMS, NUM_SAMPLES, CONCURRENCY, NUM_KILLS = 480, 6, 8, 12
NUM_QUERIES = NUM_PROBLEMS * NUM_SAMPLES
MAX_ATTEMPTS = 20
BATCH = 32
"""Answers that start a commit; those that come while it is written wait for the next."""
MODEL = "some/model"
TEACH = (
    *("-m", "stages.teach", "--effort", "medium", "--problems", "data/problems.parquet"),
    *("--model", "models/base", "--output", "data/traces/medium"),
)
FAULTS = (
    Reply("broken", status=500),
    Reply("slow down", status=429, headers=(("Retry-After", "0.05"),)),
    Reply("away", status=503),
    Reply("late", seconds=4.5),
    Reply("4", half=True),
    Reply(raw=b'{"choices": [{"index": 0, "mess'),
    Reply(raw=b""),
    Reply(None),
    Reply("4", choices=2),
    Reply(drop=True),
)


class Request(NamedTuple):
    """A request as the servers saw it: the query, by the seed of its first attempt, and whether a whole answer was sent."""

    seed: int
    is_good: bool


class Fire:
    """Answers each query always in the same words, but fails one first request in twelve, and dies for a while."""

    def __init__(self, fault_share: float, seeds: set[int] | None = None) -> None:
        """`seeds` are those of all first attempts, by which later ones are known."""
        self._fault_share, self._seeds = fault_share, seeds
        self.log: list[Request] = []
        self._seen: Counter[int] = Counter()
        self._turn = threading.Lock()
        self.dead_until = 0.0

    def __call__(self, body: dict[str, Any]) -> Reply:
        seed = self._first(body["seed"])
        with self._turn:
            place, self._seen[seed] = self._seen[seed], self._seen[seed] + 1
            draw = random.Random(zlib.crc32(f"{seed}".encode()))
            fault = draw.choice(FAULTS) if place == 0 and draw.random() < self._fault_share else None
            if time.monotonic() < self.dead_until:
                fault = Reply(drop=True)
            self.log.append(Request(seed, fault is None))
        if fault:
            return fault
        text = f"To {body['messages'][-1]['content']} \u2028 {seed}: \\boxed{{{seed % 97}}}"
        return Reply(text, completion_tokens=seed % 50, seconds=draw.uniform(0, 0.02))

    def _first(self, seed: int) -> int:
        if self._seeds is None:
            return seed
        steps = ((seed - attempt * SEED_STEP) % SEEDS for attempt in range(MAX_ATTEMPTS))
        return next(first for first in steps if first in self._seeds)


def settings(params: dict[str, Any]) -> None:
    profile = params["profiles"]["cpu"]
    params["profiles"] = {"cpu": profile}
    profile["teach"]["models"][0]["name"] = MODEL
    profile["teach"]["medium"]["num_samples"] = NUM_SAMPLES
    profile["runtime"].update(
        concurrency=CONCURRENCY, request_seconds=3.0, stall_seconds=None, give_up_seconds=60.0, max_failed_share=0.9,
        max_attempts=MAX_ATTEMPTS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("fire") / "project", settings)
    write(folder)
    return folder


def write(folder: Path) -> None:
    """The problems table."""
    sums = [{"prompt": f"What is {number} plus {number}?", "gold": str(2 * number)} for number in range(NUM_PROBLEMS)]
    rows = problems.problem_rows("made", sums)
    tables.write(rows, folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)


def start(folder: Path, urls: list[str], name: str) -> "subprocess.Popen[str]":
    env = environment(OPENAI_BASE_URL=",".join(urls), REASONLITE_STORE=str(folder / name))
    return subprocess.Popen(
        [sys.executable, *TEACH], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def stored(folder: Path, name: str) -> set[int]:
    """Seeds of the queries whose answers are in the store."""
    found = set()
    for path in (folder / name).glob("*/*.sqlite"):
        file = segments.File(path)
        found |= {int.from_bytes(key[:4], "big") & 0x7FFFFFFF for key, *_ in file.rows()}
        file.close()
    return found


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "data/traces/medium").iterdir())}


def asked_after_an_answer(requests: list[Request]) -> set[int]:
    """Queries that one run asked again although a whole answer had been sent."""
    good: set[int] = set()
    again: set[int] = set()
    for request in requests:
        again |= {request.seed} & good
        good |= {request.seed} if request.is_good else set()
    return again


def until(condition: Callable[[], bool], run: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not condition() and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_dozen_kills_and_every_fault_leave_the_table_of_an_undisturbed_run_and_ask_nothing_twice(
    project: Path,
) -> None:
    calm = Fire(0.0)
    with ScriptedServer([MODEL], lambda body: calm(body)._replace(seconds=0.0)) as server:
        run = start(project, [server.url], "calm")
        output, _ = run.communicate(timeout=300)
        assert run.returncode == 0, output
    undisturbed = bytes_of(project)

    seeds = {request.seed for request in calm.log}
    assert len(calm.log) == len(seeds) == NUM_QUERIES, "undisturbed, each query is asked once"

    draw, fire = random.Random(1), Fire(1 / 12, seeds)
    known: set[int] = set()
    with ScriptedServer([MODEL], fire) as one, ScriptedServer([MODEL], fire) as other:
        for kill in range(NUM_KILLS):
            before = len(fire.log)
            run = start(project, [one.url, other.url], "fire")
            until(lambda before=before: len(fire.log) > before, run)  # type: ignore[misc]
            if kill % 4 == 1:
                fire.dead_until = time.monotonic() + 0.5
            time.sleep(draw.uniform(0, 0.6))
            os.kill(run.pid, signal.SIGKILL)
            run.communicate()
            requests = fire.log[before:]
            assert not {request.seed for request in requests} & known, "a stored answer was asked for again"
            assert not asked_after_an_answer(requests)
            now = stored(project, "fire")
            answered = {request.seed for request in requests if request.is_good}
            lost = answered - now
            assert len(lost) <= 2 * CONCURRENCY + 4 * BATCH, "more than what was in flight or not yet committed"
            assert now - known <= answered, "nothing is stored that no server said"
            known = now
        before = len(fire.log)
        run = start(project, [one.url, other.url], "fire")
        output, _ = run.communicate(timeout=300)
        assert run.returncode == 0, output
        assert not {request.seed for request in fire.log[before:]} & known
        assert not asked_after_an_answer(fire.log[before:])
    assert bytes_of(project) == undisturbed
    assert stored(project, "fire") == {request.seed for request in fire.log}
    assert len(fire.log) > NUM_QUERIES, "faults and kills were there"
    assert len({request.seed for request in fire.log}) == NUM_QUERIES
