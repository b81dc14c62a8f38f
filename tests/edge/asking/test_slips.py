"""Slips of the model: what a server cannot parse is asked again with another seed, within bounds, over runs too."""

from typing import Any

import pytest

from stages.core.sampling.queries import SEED_STEP, SEEDS, Answer
from stages.edge import store
from stages.edge.asking import replies
from stages.edge.store import keeping
from stages.edge.store.segments import File, unpack
from tests.edge.asking.test_sampler import ask, question, quick, some_problems
from tests.scripted_server import Reply, ScriptedServer

__all__ = ["quick"]

SLIPS = (
    "openai_harmony.HarmonyError: Unexpected token 12606 while expecting start token 200006",  # vllm#22515
    "Unexpected token 12606 while expecting start token 200006",
    "Unknown role: final",  # vllm#22519
    "channel marker present but no channel value found in header",  # harmony#60
    'unexpected tokens remaining in message header: ["code"]',
    "Unexpected EOS while waiting for message header to complete",
    "message header did not contain a role",
    "error parsing tool call: raw='{\"a\": ', err=unexpected end of JSON input",
    "The model produced output that does not match the expected peg-native format",
    "Failed to parse input at pos 17: <|channel|>",
)
FAULTS_OF_THE_ROW = ("prompt is too long", "This model's maximum context length is 4096 tokens", "top_k must be -1")


@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize("text", SLIPS)
def test_what_a_parser_says_of_the_models_text_is_the_models_slip_whatever_the_status(text: str, status: int) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return Reply(text, status=status) if body["seed"] == first else Reply("4")

    ((query,),) = some_problems(1)
    first = query.seed
    with ScriptedServer(["m"], reply) as server:
        failed, answers, _ = ask([server.url], 1)
    assert not failed and [body["seed"] for body in server.requests] == [first, (first + SEED_STEP) % SEEDS]
    (answer,) = answers.values()
    assert (answer.content, answer.seed) == ("4", first + SEED_STEP), "the seed that answered is recorded"
    assert list(answers) == [query.key], "under the key of the query"


@pytest.mark.parametrize("text", FAULTS_OF_THE_ROW)
def test_a_fault_of_the_row_is_no_slip(text: str) -> None:
    with ScriptedServer(["m"], lambda body: Reply(text, status=400)) as server:
        failed, _, _ = ask([server.url], 1)
    assert [answer.status for answer in failed.values()] == ["refused"] and len(server.requests) == 1
    assert not replies.SLIPS.search(text)


@pytest.mark.parametrize("status", [400, 500])
def test_a_model_that_slips_with_every_seed_is_given_up_and_the_next_run_goes_on_with_other_seeds(status: int) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if question(body) == "question 1" and len(server.requests) < 12:
            return Reply(SLIPS[0], status=status)
        return Reply("4")

    with ScriptedServer(["m"], reply) as server:
        for _ in range(2):
            failed, answers, _ = ask([server.url], 2)
            assert len(failed) == 1 and len(answers) == 1
        failed, answers, _ = ask([server.url], 2, max_attempts=20)
    seeds = [body["seed"] for body in server.requests if question(body) == "question 1"]
    assert not failed and len(answers) == 2
    assert len(set(seeds)) == len(seeds) == 11, "no seed is asked twice, in no run"
    assert max(answer.seed or 0 for answer in answers.values()) == seeds[-1]


def test_an_answer_to_the_querys_own_seed_is_stored_as_it_always_was() -> None:
    with ScriptedServer(["m"], lambda body: Reply("4")) as server:
        _, answers, _ = ask([server.url], 1)
    assert [answer.seed for answer in answers.values()] == [None]


def test_rows_of_older_stores_are_read_and_new_ones_say_no_more_than_they_must() -> None:
    old = [Answer("stop", "4", "r", 1, 2, None), Answer("stop", "<|channel|>", None, 1, 2, None, True)]
    new = [old[0]._replace(seed=7), old[0]._replace(server="vllm 0.11.0"), old[1]._replace(seed=7, server="x")]
    keys = [f"{number:064x}" for number in range(5)]
    with store.opened("m", "high") as answers:
        answers.put(list(zip(keys, [*old, *new], strict=True)))
    (path,) = keeping.files("m")
    file = File(path)
    try:
        packed = [row[3] for row in file.rows()]
    finally:
        file.close()
    assert [unpack(each) for each in packed] == [*old, *new]
