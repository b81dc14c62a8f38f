import json
import os
import unicodedata
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers import table
from stages.core.labelling import judging
from stages.core.problems.problems import (
    answers_digest,
    benchmark_rows,
    content_digest,
    difficulty,
    gold_of,
    newest,
    problem_rows,
)
from stages.core.tables.benchmarks import BENCHMARKS, BENCHMARKS_KEY
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.votes import LABELS
from stages.core.text.identity import normalise, problem_id

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real problems"
)


def rows(*pairs: tuple[object, object]) -> list[Mapping[str, object]]:
    return [{"prompt": prompt, "gold": gold, "topic": None, "difficulty": None} for prompt, gold in pairs]


def records(path: str) -> list[dict[str, str]]:
    with (DATA / path).open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


# prompts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Find x.\n", "Find x."),
        ("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
        ("re\u0301sume\u0301", "r\u00e9sum\u00e9"),
        ("two  spaces \n\n stay", "two  spaces \n\n stay"),
        ("x\u00b2 stays x\u00b2", "x\u00b2 stays x\u00b2"),
        ("a\u2028b\u0085c", "a\u2028b\u0085c"),
        (" \r\n ", ""),
    ],
    ids=["ends", "line ends", "composed", "inner spaces", "no compatibility forms", "other separators stay", "nothing"],
)
def test_a_text_is_normalised_in_its_ends_its_line_ends_and_its_composition_only(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)


def test_an_id_is_16_hex_digits_that_depend_on_the_normalised_prompt_alone() -> None:
    assert problem_id("Caf\u00e9?\nYes.") == problem_id("  Cafe\u0301?\r\nYes.\n") == "6e2fbeca6e4d6bab"
    assert problem_id("Cafe?\nYes.") != problem_id("Caf\u00e9?\nYes.")


@given(st.lists(st.sampled_from(["Find 1.", "Find 2.", "Find 3.", "Find 4."]), unique=True), st.randoms())
def test_ids_stay_when_rows_are_reordered_or_come_from_another_source(prompts: list[str], shuffler: object) -> None:
    shuffled = list(prompts)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    one = problem_rows("one", rows(*((prompt, "1") for prompt in prompts)))
    other = problem_rows("other", rows(*((prompt, "2") for prompt in shuffled)))
    assert dict(one.select("prompt", "problem_id").rows()) == dict(other.select("prompt", "problem_id").rows())


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7/8", 0.875), ("0/8", 0.0), ("5", 5.0), (5, 5.0), (0.4, 0.4), (" 3 / 4 ", 0.75), ("", None), (None, None)],
)
def test_a_difficulty_is_a_number_or_a_share(value: object, expected: float | None) -> None:
    assert difficulty(value) == expected


@pytest.mark.parametrize("value", ["hard", "1/0", "0/0", "7/", "/8", "7/8/9", "nan", float("nan"), "inf", True, [1]])
def test_any_other_difficulty_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match=r"difficulty .* is neither a number nor a share"):
        difficulty(value)


# tables


def test_a_row_becomes_a_problem_with_all_it_brings() -> None:
    row = {"prompt": " Find\r\n$x$. ", "gold": "$\\boxed{5}$", "id": "pol:0_1", "topic": "algebra", "difficulty": "1/8"}
    table = problem_rows("polaris", [row])
    assert table.schema == PROBLEMS
    assert table.rows(named=True) == [
        {
            "problem_id": problem_id("Find\n$x$."),
            "source": "polaris",
            "source_id": "pol:0_1",
            "topic": "algebra",
            "prompt": "Find\n$x$.",
            "gold": "5",
            "gradable": True,
            "ungradable_reason": None,
            "gold_in_prompt": False,
            "difficulty": 0.125,
        }
    ]


def test_a_row_may_bring_no_more_than_a_prompt() -> None:
    table = problem_rows("bare", [{"prompt": "Find x."}])
    assert table.select("gold", "topic", "gradable", "ungradable_reason", "difficulty").rows() == [
        (None, None, False, "missing", None)
    ]


@pytest.mark.parametrize("gold", [None, "", "  ", "$$", "\\boxed{}"])
def test_a_gold_of_nothing_is_null(gold: str | None) -> None:
    assert problem_rows("s", rows(("Find x.", gold))).select("gold", "ungradable_reason").rows() == [(None, "missing")]


def test_numbers_are_golds_too() -> None:
    assert problem_rows("s", rows(("Find 0.", 0), ("Find a half.", 0.5)))["gold"].to_list() == ["0", "0.5"]


def test_a_row_without_a_prompt_is_dropped() -> None:
    table = problem_rows("s", rows((None, "1"), ("", "2"), (" \r\n", "3"), ("Find x.", "4")))
    assert table["gold"].to_list() == ["4"]


def test_a_zero_padded_gold_stays_gradable_as_the_number_that_it_is() -> None:
    table = problem_rows("aime", rows(("Find x.", "025")))
    assert table.select("gold", "gradable").rows() == [("025", True)]
    assert verdict_of("25", "025") == verdict_of("025", "25") == "correct"
    assert verdict_of("250", "025") == "incorrect"


def test_no_rows_are_an_empty_table() -> None:
    assert problem_rows("s", []).schema == PROBLEMS


# benchmarks


@pytest.mark.parametrize("published", [date(2024, 2, 1), None])
def test_a_benchmark_holds_its_problems_under_its_name(published: date | None) -> None:
    exam = benchmark_rows("aime24", published, problem_rows("file", rows(("A?", "1"), ("B?", "2"))))
    assert exam.schema == BENCHMARKS
    assert exam.select("benchmark", "prompt", "gold", "published").rows() == [
        ("aime24", "A?", "1", published),
        ("aime24", "B?", "2", published),
    ]


def test_a_benchmark_with_a_question_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="aime24: the same question comes twice"):
        benchmark_rows("aime24", None, problem_rows("file", rows(("A?", "1"), (" A?", "2"))))


@pytest.mark.parametrize("gold", [None, "5+"])
def test_a_benchmark_with_a_question_that_cannot_be_graded_is_refused_with_that_question(gold: str | None) -> None:
    made = problem_rows("file", rows(("A?", "1"), ("Which one is it?", gold)))
    with pytest.raises(ValueError, match="aime24: no usable answer for the question 'Which one is it"):
        benchmark_rows("aime24", None, made)


@pytest.mark.parametrize(
    ("published", "newest", "younger"),
    [
        (date(2026, 2, 28), date(2025, 6, 12), True),
        (date(2024, 2, 7), date(2025, 6, 12), False),
        (date(2025, 6, 12), date(2025, 6, 12), False),
        (None, date(2025, 6, 12), None),
        (date(2026, 2, 28), None, None),
    ],
)
def test_an_exam_is_younger_than_the_sources_when_it_came_out_after_the_last_of_them(
    published: date | None, newest: date | None, younger: bool | None
) -> None:
    exam = benchmark_rows("aime26", published, problem_rows("file", rows(("A?", "1"))), None, newest)
    assert exam["younger_than_sources"].to_list() == [younger]


def test_a_source_of_an_unknown_day_is_never_evidence_that_an_exam_is_younger() -> None:
    days = [date(2024, 1, 31), date(2025, 1, 31)]
    assert newest(days) == date(2025, 1, 31)
    assert newest([*days, None]) is None and newest([]) is None


@pytest.mark.parametrize("gold", ["1000", "-1", "1/2", "x"])
def test_an_answer_out_of_the_exams_range_is_refused_with_its_question(gold: str) -> None:
    made = problem_rows("file", rows(("A?", "025"), ("Which one is it?", gold)))
    with pytest.raises(ValueError, match=r"aime24: the answer .* to 'Which one is it\?' is no integer in 0\.\.999"):
        benchmark_rows("aime24", None, made, (0, 999))
    assert benchmark_rows("aime24", None, made.head(1), (0, 999)).height == 1


def test_the_digest_of_answers_is_that_of_their_values_in_any_order() -> None:
    assert answers_digest(["25", "\\frac{1}{2}", "7"]) == answers_digest(["7", "025", "1/2"])
    assert answers_digest(["25", "7"]) != answers_digest(["25", "7", "7"])
    assert answers_digest(["25", "7"]) != answers_digest(["26", "7"])


def test_the_digest_of_a_set_tells_copies_apart_but_not_orders() -> None:
    one, other = rows(("A?", "1"), ("B?", "2")), rows(("B?", "2"), ("A?", "1"))
    assert content_digest(problem_rows("s", one)) == content_digest(problem_rows("t", other))
    assert content_digest(problem_rows("s", one)) != content_digest(problem_rows("s", rows(("A ?", "1"), ("B?", "2"))))


# real rows


def verdict_of(answer: str, gold: str) -> str | None:
    """What the cheap tiers say of a trace that ends in the boxed answer."""
    content = f"So 1 + 1 = 2, and the answer is \\boxed{{{answer}}}."
    keys = {"model": "teacher", "effort": None, "benchmark": None, "problem_id": "p", "sample": 0}
    trace = pl.DataFrame([{**keys, "content": content, "status": "stop"}], schema=table.TRACES_IN)
    label = pl.DataFrame([{"problem_id": "p", "label": gold}], schema=LABELS)
    verdict: str | None = judging.prepare(table.read_answers(trace), label)["verdict"].item()
    return verdict


@needs_data
def test_the_five_rows_of_polaris_that_reasonlite_publishes_become_the_known_problems() -> None:
    """Verbatim rows of AMD-AGI/ReasonLite; the second asks for a proof, and its answer has lost letters."""
    found = records("train/reasonlite_polaris_example5.jsonl")
    table = problem_rows(
        "polaris",
        [
            {"prompt": row["prompt"], "gold": row["expected_answer"], "topic": None, "difficulty": row["difficulty"]}
            for row in found
        ],
    )
    assert [row["index"] for row in found] == [f"pol:{number}" for number in range(5)]
    assert table.select("problem_id", "gold", "ungradable_reason", "difficulty").rows() == [
        ("cf53c7b63113e173", "9375", None, 7 / 8),
        (
            "1f47aab65abc4d5f",
            "^2=\\frac{1}{3}(a_1^2+b_1^2+c_1^2)-\\frac{1}{9}(^2+b^2+^2)",
            "proof",
            5 / 8,
        ),
        ("d37232b6e32cd23f", "392", None, 6 / 8),
        ("0c44aed2ecc25b7d", "32.5", None, 1 / 8),
        ("581570a1931beb0a", "\\frac{\\sqrt{3}}{4}", None, 1 / 8),
    ]
    assert table["gradable"].to_list() == [True, False, True, True, True]
    assert [verdict_of(gold, gold) for gold in table["gold"]] == ["correct"] * 5


@needs_data
@pytest.mark.parametrize(("name", "num_problems"), [("aime24", 30), ("aime25", 30), ("amc23", 40)])
def test_the_recipes_benchmarks_are_whole_and_gradable(name: str, num_problems: int) -> None:
    found = records(f"bench/{name}.jsonl")
    exam = benchmark_rows(name, None, problem_rows(name, rows(*((row["problem"], row["answer"]) for row in found))))
    assert exam.height == num_problems
    assert not exam.select(BENCHMARKS_KEY).is_duplicated().any()
    assert exam["gold"].to_list() == [row["answer"] for row in found]
    assert [verdict_of(gold, gold) for gold in exam["gold"]] == ["correct"] * num_problems
    for profile in ("gpu", "reasonlite"):
        (known,) = (each for each in _benchmarks(profile) if each["source"]["name"] == name)
        assert known["answers_digest"] == answers_digest(exam["gold"])
        assert known["num_problems"] == num_problems
        if known["answers"]:
            benchmark_rows(name, None, problem_rows(name, rows(*exam.select("prompt", "gold").iter_rows())), (0, 999))


def _benchmarks(profile: str) -> list[dict[str, Any]]:
    settings = yaml.safe_load((Path(__file__).parents[3] / "params.yaml").read_text())
    found: list[dict[str, Any]] = settings["profiles"][profile]["collect"]["benchmarks"]
    return found


@needs_data
def test_the_answers_of_aime_25_as_first_published_normalise_to_integers() -> None:
    found = records("bench/aime25.jsonl")
    assert any(row["answer_raw"] != row["answer"] for row in found)
    assert [gold_of(row["answer_raw"]) for row in found] == [row["answer"] for row in found]
