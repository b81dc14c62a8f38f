import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.sampling.prompts import Example, render
from stages.core.sampling.queries import (
    BENCHMARKS_IN,
    PROBLEMS_IN,
    Answer,
    Query,
    Request,
    escape_surrogates,
    split_reasoning,
    traces,
    unescape_surrogates,
)
from stages.core.tables.traces import TRACES

IDENTITY = {"model": "openai/gpt-oss-120b", "revision": "b5c939d", "dtype": "bfloat16", "quantization": "mxfp4"}
MESSAGES = ({"role": "system", "content": "Today is 2025-01-01."}, {"role": "user", "content": "What is 2 + 2?"})
SAMPLING = {
    "temperature": 1.0,
    "top_p": 0.95,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "max_tokens": 32768,
    "reasoning_effort": "medium",
}


def key(
    identity: Mapping[str, object] = IDENTITY,
    messages: Sequence[dict[str, str]] = MESSAGES,
    sampling: Mapping[str, object] = SAMPLING,
    effort: str | None = "medium",
    sample: int = 0,
) -> str:
    return request(identity=identity, fields=sampling, effort=effort).key(messages, sample)


def request(**changed: Any) -> Request:
    settings: dict[str, Any] = {
        "model": "m",
        "identity": IDENTITY,
        "fields": SAMPLING,
        "effort": "medium",
        "num_samples": 2,
        "system": None,
        "suffix": None,
        "examples": [],
    }
    return Request(**(settings | changed))


def ask(problems: pl.DataFrame, **changed: Any) -> list[Query]:
    return [query for samples in request(**changed).queries(problems) for query in samples]


def problem_table(*ids: str) -> pl.DataFrame:
    return pl.DataFrame([(name, None, f"What is {name}?") for name in ids], schema=PROBLEMS_IN, orient="row")


# the key


def test_a_key_is_the_hex_sha_256_of_one_canonical_text() -> None:
    # Written out, because a change here orphans every answer that was ever stored.
    text = (
        '{"effort":"high","identity":{"model":"m","revision":null},'
        '"messages":[{"content":"Caf\\u00e9?","role":"user"}],'
        '"sample":3,"sampling":{"max_tokens":64,"temperature":0.8}}'
    )
    messages = [{"role": "user", "content": "Caf\u00e9?"}]
    fields = {"temperature": 0.8, "max_tokens": 64}
    key = request(identity={"model": "m", "revision": None}, fields=fields, effort="high").key(messages, 3)
    assert key == hashlib.sha256(text.encode("ascii")).hexdigest()


@pytest.mark.parametrize("field", sorted(IDENTITY))
def test_each_part_of_the_models_identity_is_in_the_key(field: str) -> None:
    assert key(identity={**IDENTITY, field: "other"}) != key()
    assert key(identity={**IDENTITY, field: None}) != key()


@pytest.mark.parametrize("field", sorted(SAMPLING))
def test_each_sampling_field_is_in_the_key(field: str) -> None:
    assert key(sampling={**SAMPLING, field: 7}) != key()
    assert key(sampling={name: value for name, value in SAMPLING.items() if name != field}) != key()


def test_effort_and_sample_are_in_the_key() -> None:
    keys = {key(effort=effort, sample=sample) for effort in ("medium", "high", None) for sample in range(32)}
    assert len(keys) == 3 * 32


@pytest.mark.parametrize(
    "messages",
    [
        MESSAGES[1:],
        MESSAGES[::-1],
        ({**MESSAGES[0], "content": "Today is 2025-01-02."}, MESSAGES[1]),
        (MESSAGES[0], {**MESSAGES[1], "content": "What is 2 + 2? "}),
        (MESSAGES[0], {**MESSAGES[1], "role": "assistant"}),
        (*MESSAGES, {"role": "assistant", "content": ""}),
    ],
    ids=["no system", "other order", "other date", "one space more", "other role", "one turn more"],
)
def test_the_rendered_messages_are_in_the_key_to_the_letter(messages: Sequence[dict[str, str]]) -> None:
    assert key(messages=messages) != key()


def test_the_order_in_which_fields_were_written_is_not_in_the_key() -> None:
    def turned(fields: Mapping[str, Any]) -> dict[str, Any]:
        return dict(reversed(list(fields.items())))

    assert key(turned(IDENTITY), [turned(message) for message in MESSAGES], turned(SAMPLING)) == key()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_setting_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        key(sampling={**SAMPLING, "temperature": value})


@given(st.text(), st.text())
def test_two_prompts_share_a_key_only_if_they_are_the_same_text(one: str, other: str) -> None:
    first, second = (key(messages=[{"role": "user", "content": text}]) for text in (one, other))
    assert (first == second) == (one == other)


def test_a_prompt_that_is_no_valid_unicode_still_has_a_key() -> None:
    assert key(messages=[{"role": "user", "content": "\ud800"}]) != key(messages=[{"role": "user", "content": "?"}])


@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_the_seed_fits_the_engines_31_bits_and_comes_from_the_key(digest: str) -> None:
    seed = Query(digest, None, "p", 0, ()).seed
    assert 0 <= seed < 2**31
    assert seed == int(digest[:8], 16) % 2**31


def test_samples_of_a_problem_have_different_seeds() -> None:
    queries = ask(problem_table("1+1"), num_samples=64)
    assert len({query.seed for query in queries}) == 64


# rendering

LEAF, ROOT = Example("leaf", "A leaf?", "Green."), Example("root", "A root?", "Brown.")
ALWAYS = Example(None, "A plant?", "Both.")


def turns(messages: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


def test_a_bare_problem_is_one_user_turn() -> None:
    assert turns(render("What?", None, None, None, [])) == [("user", "What?")]


def test_the_system_prompt_comes_first_and_the_suffix_ends_every_user_turn_but_no_other() -> None:
    suffix = r"Put your final answer within \boxed{}."
    assert turns(render("What?", None, "Be brief.", suffix, [ALWAYS])) == [
        ("system", "Be brief."),
        ("user", f"A plant?\n{suffix}"),
        ("assistant", "Both."),
        ("user", f"What?\n{suffix}"),
    ]


@pytest.mark.parametrize(
    ("topic", "shown"),
    [
        ("leaf", ["A leaf?", "A plant?"]),
        ("root", ["A plant?", "A root?"]),
        ("bark", ["A plant?"]),
        (None, ["A plant?"]),
    ],
)
def test_a_problem_is_shown_the_examples_of_its_topic_and_those_of_none_in_their_order(
    topic: str | None, shown: list[str]
) -> None:
    messages = render("What?", topic, None, None, [LEAF, ALWAYS, ROOT])
    assert [text for role, text in turns(messages) if role == "user"] == [*shown, "What?"]
    assert [role for role, _ in turns(messages)] == ["user", "assistant"] * len(shown) + ["user"]


def test_an_empty_system_prompt_or_suffix_adds_nothing() -> None:
    assert render("What?", None, "", "", []) == render("What?", None, None, None, [])


# queries


def test_queries_come_in_the_order_of_the_rows_then_by_sample() -> None:
    queries = ask(problem_table("b", "a"), num_samples=2)
    assert [(query.problem_id, query.sample) for query in queries] == [("b", 0), ("b", 1), ("a", 0), ("a", 1)]
    assert all(query.benchmark is None for query in queries)


def test_more_samples_ask_only_for_the_difference() -> None:
    four, eight = (ask(problem_table("a", "b"), num_samples=num) for num in (4, 8))
    assert {query.key for query in four} == {query.key for query in eight if query.sample < 4}
    assert len({query.key for query in eight}) == 16


def test_keys_do_not_depend_on_what_else_is_asked() -> None:
    few, many = ask(problem_table("a")), ask(problem_table("c", "a", "b"))
    assert {query.key for query in few} == {query.key for query in many if query.problem_id == "a"}


def test_an_exam_knows_its_benchmark_and_asks_one_question_of_two_benchmarks_only_once() -> None:
    exams = pl.DataFrame(
        [(name, "same", None, "What is 1?") for name in ("aime24", "aime25")], schema=BENCHMARKS_IN, orient="row"
    )
    queries = ask(exams, num_samples=1)
    assert [query.benchmark for query in queries] == ["aime24", "aime25"]
    assert queries[0].key == queries[1].key


def test_no_problems_make_no_queries() -> None:
    assert ask(problem_table()) == []


# reasoning apart from content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<think>\nR\n</think>\n\n42", ("42", "R")),
        ("\n <think>R</think>42", ("42", "R")),
        ("<think>R</think>", ("", "R")),
        ("<think>R1</think>42 <think>R2</think> 43", ("42 <think>R2</think> 43", "R1")),
        ("<think>R without an end, 41", (None, "R without an end, 41")),
        ("42", ("42", None)),
        (" 42 ", (" 42 ", None)),
        ("First <think>R</think> 42", ("First <think>R</think> 42", None)),
        ("", ("", None)),
        (None, (None, None)),
    ],
    ids=[
        "closed", "after space", "nothing after", "second block stays", "unclosed",
        "none", "none with spaces", "in the middle", "empty", "no content",
    ],
)  # fmt: skip
def test_a_leading_think_block_is_moved_to_the_reasoning(
    content: str | None, expected: tuple[str | None, str | None]
) -> None:
    assert split_reasoning(content, None) == expected


def test_an_empty_think_block_leaves_the_answer_and_no_thought() -> None:
    content, reasoning = split_reasoning("<think>\n\n</think>\n\n42", None)
    assert content == "42"
    assert not reasoning


@pytest.mark.parametrize("content", ["<think>mine</think>42", "<think>mine", "42", None])
def test_reasoning_that_the_server_parsed_wins(content: str | None) -> None:
    assert split_reasoning(content, "theirs") == (content, "theirs")


# traces


def test_each_query_is_one_row_and_one_without_an_answer_has_failed() -> None:
    queries = ask(problem_table("openmath_reasoning:12"), num_samples=3)
    answers = {
        queries[0].key: Answer("stop", "<think>R</think>42", None, 10, 20, None),
        queries[2].key: Answer("refused", None, None, None, None, "HTTP 400: too long"),
        "a key that nobody asked for": Answer("stop", "1", None, 1, 1, None),
    }
    table = traces(queries, answers, "teacher", "medium", ["fixed"] * 3)
    assert table.schema == TRACES
    assert table.drop("query_key").rows() == [
        ("teacher", "medium", None, "openmath_reasoning:12", 0, "R", "42", "stop", 10, 20, "fixed", None),
        (
            "teacher",
            "medium",
            None,
            "openmath_reasoning:12",
            1,
            None,
            None,
            "failed",
            None,
            None,
            "fixed",
            "never answered",
        ),
        (
            "teacher",
            "medium",
            None,
            "openmath_reasoning:12",
            2,
            None,
            None,
            "refused",
            None,
            None,
            "fixed",
            "HTTP 400: too long",
        ),
    ]
    assert table["query_key"].to_list() == [query.key for query in queries]


def test_a_truncated_trace_is_kept_as_one() -> None:
    (query,) = ask(problem_table("a"), num_samples=1)
    row = traces(
        [query], {query.key: Answer("length", "<think>on and on", None, 5, 32768, None)}, "base", None, ["exhausted"]
    )
    assert row.select("status", "reasoning", "content", "effort").rows() == [("length", "on and on", None, None)]


def test_traces_keep_line_separators_inside_their_text() -> None:
    (query,) = ask(problem_table("a"), num_samples=1)
    text = "one\u2028two\u0085three\r\nfour"
    table = traces([query], {query.key: Answer("stop", text, text, 1, 1, None)}, "teacher", "high", ["fixed"])
    assert table.select("content", "reasoning").rows() == [(text, text)]


@given(st.text(st.characters(codec="utf-16-be", exclude_categories=[]) | st.sampled_from("\ud800\udc00\uffff0af")))
def test_any_text_comes_back_from_the_form_that_a_table_can_hold(text: str) -> None:
    escaped = escape_surrogates(text)
    escaped.encode()  # no half of a surrogate pair is left
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert unescape_surrogates(escaped) == joined


def test_half_a_surrogate_pair_is_written_as_its_number_and_everything_else_as_it_is() -> None:
    assert escape_surrogates("a\ud800b\x00\u2028") == "a\uffffd800b\x00\u2028"
    assert escape_surrogates("\ud83d\ude00") == "\U0001f600", "two halves that belong together are one letter"
    (query,) = ask(problem_table("a"), num_samples=1)
    table = traces([query], {query.key: Answer("stop", "\ud800", None, 1, 1, None)}, "teacher", None, ["fixed"])
    assert unescape_surrogates(table["content"][0]) == "\ud800"


def test_traces_of_nothing_are_an_empty_table_of_the_schema() -> None:
    table = traces([], {}, "teacher", None, [])
    assert table.schema == TRACES
    assert table.is_empty()


def test_a_status_that_is_none_of_the_four_is_no_trace() -> None:
    (query,) = ask(problem_table("a"), num_samples=1)
    with pytest.raises(pl.exceptions.PolarsError):
        traces([query], {query.key: Answer("tool_calls", "x", None, 1, 1, None)}, "teacher", None, ["fixed"])


def test_messages_are_json_ready() -> None:
    (query,) = ask(problem_table("a"), num_samples=1, system="S", suffix="F", examples=[ALWAYS])
    assert json.loads(json.dumps(query.messages)) == list(query.messages)
