"""Copies: a server that ignores the seed is recognised before it has cost much, and honest copies keep their votes."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.problems import problems
from stages.core.sampling.queries import Answer
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.edge import store
from stages.edge.asking import copies
from stages.edge.asking.copies import BET, CopyWatch, repeat_bound
from stages.edge.errors import ServerError
from stages.edge.files import tables
from stages.edge.store import keeping
from tests.edge.asking import test_routes
from tests.edge.asking.test_preview import show
from tests.edge.asking.test_sampler import SAMPLING, ask, question, quick, request, some_problems
from tests.scripted_server import Reply, ScriptedServer

folder = test_routes.folder
__all__ = ["folder", "quick"]

LONG = "We add one to the number and look at what comes of it. " * 40


def ignores_the_seed(body: dict[str, Any]) -> Reply:
    return Reply(f"{question(body)}: {LONG}")


NUMBERS = count()


def honest_samples(body: dict[str, Any]) -> Reply:
    return Reply(f"{question(body)}: {LONG} {next(NUMBERS)}")


def test_a_server_that_ignores_the_seed_is_stopped_after_a_few_problems_and_one_answer_of_each_stays() -> None:
    with ScriptedServer(["m"], ignores_the_seed) as server, pytest.raises(ServerError) as error:
        ask([server.url], 200, num_samples=4)
    assert "ignores `seed` or `n`, or answers from a cache" in str(error.value)
    assert "below 1e-06" in str(error.value) and server.url in str(error.value)
    assert len(server.requests) < 60, "of 800"
    (held,) = keeping.holdings()
    assert 5 <= held.num_answers <= 20
    with store.reading("model") as answers:
        for samples in some_problems(200, 4):
            assert len(answers.get([query.key for query in samples])) <= 1
    with ScriptedServer(["m"], honest_samples) as honest:
        done = ask([honest.url], 50, num_samples=4)
    assert len(done.answers) == 200 and len(honest.requests) == 200 - held.num_answers


def test_a_server_that_repeats_one_choice_where_several_are_asked_for_is_stopped() -> None:
    def repeats(body: dict[str, Any]) -> Reply:
        return Reply(f"{question(body)}: {LONG} {body['seed']}")

    with ScriptedServer(["m"], repeats) as server, pytest.raises(ServerError, match="samples_per_request 1"):
        ask([server.url], 100, num_samples=4, samples_per_request=4)
    assert len(server.requests) < 30


@pytest.mark.parametrize("num_problems", [12, 40])
def test_copies_of_short_texts_are_honest_and_stay(num_problems: int) -> None:
    with ScriptedServer(["m"], lambda body: Reply("\\boxed{4}")) as server:
        done = ask([server.url], num_problems, num_samples=4)
    assert len(done.answers) == len(server.requests) == 4 * num_problems


def test_long_texts_that_differ_are_never_suspected() -> None:
    with ScriptedServer(["m"], honest_samples) as server:
        done = ask([server.url], 30, num_samples=4)
    assert len(done.answers) == len(server.requests) == 120


def test_a_model_that_repeats_itself_and_samples_at_a_high_temperature_is_no_fault_of_its_server() -> None:
    def sure(body: dict[str, Any]) -> Reply:
        return honest_samples(body) if body["temperature"] == copies.PROBE_TEMPERATURE else ignores_the_seed(body)

    with ScriptedServer(["m"], sure) as server:
        done = ask([server.url], 30, num_samples=4)
    assert len(done.answers) == 120 and len(server.requests) == 122
    hot = [body for body in server.requests if body["temperature"] == copies.PROBE_TEMPERATURE]
    assert len({body["seed"] for body in hot}) == 2 and {body["max_tokens"] for body in hot} == {copies.PROBE_TOKENS}


def test_the_most_probable_text_may_come_as_often_as_it_likes() -> None:
    with ScriptedServer(["m"], ignores_the_seed) as server:
        done = ask([server.url], 30, num_samples=2, sampling={**SAMPLING, "temperature": 0.0})
    assert len(done.answers) == 60
    with ScriptedServer(["m"], ignores_the_seed) as server:
        ask([server.url], 30, num_samples=2, sampling={**SAMPLING, "top_k": 1})


def test_of_two_servers_the_one_that_ignores_the_seed_is_named() -> None:
    with (
        ScriptedServer(["m"], honest_samples) as honest,
        ScriptedServer(["m"], ignores_the_seed) as other,
        pytest.raises(ServerError) as error,
    ):
        ask([honest.url, other.url], 300, num_samples=4)
    assert other.url in str(error.value) and honest.url not in str(error.value)


@given(st.integers(0, 100_000), st.floats(0.01, 2.0), st.floats(0, 1))
def test_under_honest_sampling_the_evidence_grows_on_average_by_no_factor(
    num_chars: int, temperature: float, share: float
) -> None:
    bound = repeat_bound(num_chars, temperature)
    honest = share * bound
    assert copies.LOWEST_BOUND <= bound <= 1
    assert honest * (1 - BET + BET / bound) + (1 - honest) * (1 - BET) <= 1 + 1e-9
    assert repeat_bound(num_chars + 100, temperature) <= bound <= repeat_bound(num_chars, temperature / 2)


def test_one_problem_with_a_thousand_copies_says_nothing() -> None:
    watch, (samples,) = CopyWatch(request(num_samples=1_000)), some_problems(1, 1_000)
    answer = Answer("stop", LONG * 10, None, 1, 1, None)
    assert not any(watch.look("url", query, answer) for query in samples)


def test_teach_stops_before_copies_can_vote(folder: Path) -> None:
    rows = problems.problem_rows("mine", [{"prompt": f"What is {n}+1?", "gold": str(n + 1)} for n in range(12)])
    tables.write(rows, folder / "problems.parquet", PROBLEMS, PROBLEMS_KEY)
    with ScriptedServer([test_routes.HUB], ignores_the_seed) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.url)
        with pytest.raises(ServerError, match="copies are no votes"):
            test_routes.teach()
    assert not (folder / "traces").exists()


def test_the_preview_says_that_a_server_ignores_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(["m"], ignores_the_seed) as server:
        show(server.url)
    assert "gives the same text to two seeds at temperature 2: it ignores `seed`" in capsys.readouterr().err
    for reply in (honest_samples, lambda body: Reply("4")):
        with ScriptedServer(["m"], reply) as server:
            show(server.url)
        assert "seed" not in capsys.readouterr().err


def test_what_is_forgotten_is_asked_again_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path))
    keys = [f"{number:064x}" for number in range(4)]
    with store.opened("m", "high") as answers:
        answers.put([(key, Answer("stop", "4", None, 1, 1, None)) for key in keys])
        answers.forget(keys[:2])
        assert answers.known(keys) == [False, False, True, True]
    with store.reading("m") as answers:
        assert set(answers.get(keys)) == set(keys[2:])
