"""Workers that survive whatever they are given, and lose only the pair that did it."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import ray

from stages.core.answers.conclusions import conclusion
from stages.core.answers.keys import canonical
from stages.core.equality.relations import accepts_cheaply, same_cheaply
from stages.edge.workers.algebra import GIB, Outcome, Relation, Symbolic, _decide, pairs_at_once, pairs_per_task
from stages.edge.workers.decisions import Pair
from tests.hostile import HOSTILE

SECONDS = 2.0
LINEAR = 30.0
"""Seconds that the longest text does not take, on a slow machine, where the time grows with the length."""
SLACK = 3.0
"""What a busy machine may take to notice that a second is over, and to start the next worker."""
SLOW = ("1+x-x", r"\int_0^1 \sin(x^x)/(1+x^5)dx")
EQUAL = ("2x", "x+x")
DIFFERENT = ("2x", "3x")
UNREADABLE = ("x+1", "x+*/")
UNDECIDED = (r"\sum_{k=0}^{3} k^2", r"\sum_{k=1}^{3} k^2")
UNEQUAL = [(rf"\sum_{{k=1}}^{{{end}}} k", str(end)) for end in range(3, 9)]


@pytest.fixture(scope="module")
def workers() -> Iterator[Symbolic]:
    with Symbolic(num_workers=2, seconds=SECONDS, memory_gib=2.0) as pool:
        yield pool


def test_one_slow_pair_times_out_and_the_others_do_not(workers: Symbolic) -> None:
    start = time.monotonic()
    outcomes = workers.decide([EQUAL, SLOW, DIFFERENT, UNREADABLE, EQUAL], "accepts")
    assert outcomes == {
        EQUAL: Outcome.EQUAL,
        SLOW: Outcome.TIMEOUT,
        DIFFERENT: Outcome.DIFFERENT,
        UNREADABLE: Outcome.UNPARSABLE,
    }
    assert time.monotonic() - start < SECONDS + 15
    assert workers.decide([EQUAL], "same") == {EQUAL: Outcome.EQUAL}


@pytest.mark.parametrize(
    "hostile",
    [
        "10^{10^{10}}",
        "9**9**9**9",
        "(" * 50 + "x" + ")" * 50,
        "(10^7)!",
        "x+" * 500_000,
        r"\sqrt{" * 20 + "x" + "}" * 20,
    ],
)
def test_hostile_input_is_bounded_and_the_pool_lives(workers: Symbolic, hostile: str) -> None:
    start = time.monotonic()
    outcomes = workers.decide([("x+1", hostile), (hostile, "x+1"), EQUAL], "accepts")
    assert outcomes[EQUAL] is Outcome.EQUAL
    assert Outcome.EQUAL not in [outcomes["x+1", hostile], outcomes[hostile, "x+1"]]
    assert time.monotonic() - start < 2 * SECONDS + 15


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hundreds_of_hostile_texts_are_bounded_each_and_leave_no_process_behind() -> None:
    assert len(HOSTILE) > 250
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    late, big = [], []
    with Symbolic(num_workers=2, seconds=1.0, memory_gib=1.5) as pool:
        pool.decide([UNDECIDED], "same")
        for place, text in enumerate(HOSTILE):
            relation, pair = (("accepts", ("x+1", text)), ("same", (text, r"\sum_{k=1}^{4} k")))[place % 2]
            started = time.monotonic()
            outcome = pool.decide([pair], relation)[pair]  # type: ignore[arg-type]
            if (seconds := time.monotonic() - started) > 1.0 + SLACK:
                late.append((place, text[:40], relation, seconds))
            if outcome is Outcome.EQUAL:
                big.append((place, text[:40], relation))
        assert not late
        assert not big, "none of them is x+1 or ten"
        assert pool.decide([UNDECIDED], "same") == {UNDECIDED: Outcome.EQUAL}, "the pool lives"
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert not [process for process in left if process.status() == psutil.STATUS_ZOMBIE]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", range(0, len(HOSTILE), 20))
@pytest.mark.parametrize("length", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_what_runs_outside_of_the_workers_is_quick_whatever_it_is_given(place: int, length: int) -> None:
    for whole in HOSTILE[place : place + 20]:
        text = whole[:length]
        started = time.process_time()
        accepts_cheaply("x+1", text)
        accepts_cheaply(text, text)
        canonical(text)
        conclusion(text)
        assert time.process_time() - started < LINEAR, text[:60]
        same = same_cheaply(text, "10"), same_cheaply("10", text)
        assert same[0].equal == same[1].equal
        assert time.process_time() - started < 2 * LINEAR, text[:60]


@pytest.mark.slow
def test_a_thread_a_process_and_a_ray_worker_give_the_same_verdicts() -> None:
    pairs = [EQUAL, DIFFERENT, UNREADABLE, UNDECIDED, ("x>3", r"(3,\infty)"), (r"\sqrt{2}", "1.41421356"), *UNEQUAL]
    found: list[dict[Pair, Outcome]] = []

    def decide(on_ray: bool) -> None:
        with Symbolic(2, 10.0, 3.0, on_ray=on_ray) as pool:
            found.append(pool.decide(pairs, "accepts"))

    decide(on_ray=False)
    thread = threading.Thread(target=decide, args=(False,))
    thread.start()
    thread.join()
    try:
        decide(on_ray=True)
    finally:
        ray.shutdown()
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == len(pairs) and {Outcome.EQUAL, Outcome.DIFFERENT} <= set(found[0].values())


def test_relations_differ(workers: Symbolic) -> None:
    rounded: Pair = (r"\sqrt{2}", "1.41421356")
    assert workers.decide([rounded], "accepts") == {rounded: Outcome.EQUAL}
    assert workers.decide([rounded], "same") == {rounded: Outcome.DIFFERENT}


def test_judging_from_a_thread_is_right(workers: Symbolic) -> None:
    third: Pair = (r"\frac{x}{3}", r"\boxed{\frac{2x}{6}}")
    found: list[dict[Pair, Outcome]] = []
    thread = threading.Thread(target=lambda: found.append(workers.decide([third], "accepts")))
    thread.start()
    thread.join()
    assert found == [{third: Outcome.EQUAL}]


def test_tasks_run_in_the_main_thread_of_a_capped_process(workers: Symbolic) -> None:
    pool = workers._pool
    # only a main thread may set a signal's handler
    assert pool.schedule(signal.signal, args=(signal.SIGUSR1, signal.SIG_IGN)).result() == signal.SIG_DFL
    with pytest.raises(MemoryError):
        pool.schedule(bytearray, args=(3 * GIB,)).result()


def test_a_pool_can_start_in_a_thread() -> None:
    found: list[Outcome] = []

    def judge() -> None:
        with Symbolic(num_workers=1, seconds=20, memory_gib=2) as pool:
            found.extend(pool.decide([EQUAL], "same").values())

    thread = threading.Thread(target=judge)
    thread.start()
    thread.join()
    assert found == [Outcome.EQUAL]


def test_a_worker_that_dies_loses_only_its_pair() -> None:
    with Symbolic(num_workers=1, seconds=60, memory_gib=2) as pool:
        assert pool.decide([EQUAL], "accepts") == {EQUAL: Outcome.EQUAL}
        found: list[dict[Pair, Outcome]] = []
        thread = threading.Thread(target=lambda: found.append(pool.decide([SLOW, DIFFERENT], "accepts")))
        before = {child.pid for child in multiprocessing.active_children()}
        thread.start()
        time.sleep(0.7)
        for child in multiprocessing.active_children():
            if child.pid in before:
                child.kill()
        thread.join()
        assert found[0][DIFFERENT] is Outcome.DIFFERENT
        assert found[0][SLOW] is Outcome.TIMEOUT


def test_a_pool_whose_idle_workers_were_killed_starts_again() -> None:
    with Symbolic(num_workers=1, seconds=20, memory_gib=2) as pool:
        before = {child.pid for child in multiprocessing.active_children()}
        pool.decide([EQUAL], "accepts")
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.kill()
        time.sleep(0.5)
        assert pool.decide([EQUAL, DIFFERENT], "accepts") == {EQUAL: Outcome.EQUAL, DIFFERENT: Outcome.DIFFERENT}


def test_a_pool_that_cannot_live_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    with Symbolic(num_workers=1, seconds=20, memory_gib=2) as pool:

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("Unexpected error within the Pool")

        monkeypatch.setattr("pebble.ProcessPool.schedule", broken)
        with pytest.raises(RuntimeError, match="is there memory for 1 workers"):
            pool.decide([EQUAL], "accepts")


@pytest.mark.parametrize(
    ("pair", "relation", "outcome"),
    [
        (EQUAL, "accepts", Outcome.EQUAL),
        (EQUAL, "same", Outcome.EQUAL),
        (DIFFERENT, "same", Outcome.DIFFERENT),
        (UNREADABLE, "accepts", Outcome.UNPARSABLE),
    ],
)
def test_what_a_worker_answers(pair: Pair, relation: Relation, outcome: Outcome) -> None:
    assert _decide(*pair, relation) is outcome


def test_running_out_inside_a_worker_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(a: str, b: str) -> bool:
        raise MemoryError

    monkeypatch.setattr("stages.edge.workers.algebra.accepts_symbolically", exhausted)
    assert _decide(*EQUAL, "accepts") is Outcome.TIMEOUT


def test_impossible_limits_are_refused() -> None:
    for limits in ((0, 1.0, 1.0), (1, 0.0, 1.0), (1, 1.0, 0.0)):
        with pytest.raises(ValueError, match="positive"):
            Symbolic(*limits)


def test_no_pairs_need_no_workers(workers: Symbolic) -> None:
    assert workers.decide([], "accepts") == {}


@pytest.mark.parametrize(
    ("num_pairs", "num_cpus", "size"),
    [(1, 64, 1), (80, 2, 10), (1_000, 2, 50), (1_000, 16, 16), (100_000, 2, 50)],
)
def test_a_cluster_has_work_for_all_its_processors(num_pairs: int, num_cpus: int, size: int) -> None:
    assert pairs_per_task(num_pairs, num_cpus) == size
    at_once = pairs_at_once(num_cpus)
    assert at_once >= 1_000
    assert at_once / pairs_per_task(at_once, num_cpus) >= 4 * num_cpus
