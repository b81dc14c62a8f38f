import json
import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import arithmetic
from stages.core.contamination import EVIDENCE, EVIDENCE_KEY, RULES, evidence, fingerprint
from stages.core.problems import benchmark_rows, deduplicate, problem_rows

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real problems"
)


def same(one: str, other: str, rule: str) -> bool:
    return fingerprint(one, rule) == fingerprint(other, rule)


def table(*prompts: str, benchmark: str | None = None) -> pl.DataFrame:
    made = problem_rows("made", [{"prompt": prompt, "gold": "1"} for prompt in prompts])
    return made if benchmark is None else benchmark_rows(benchmark, None, made)


def from_file(path: str, columns: Sequence[str] = ("problem", "answer")) -> pl.DataFrame:
    with (DATA / path).open(encoding="utf-8", newline="\n") as lines:
        rows = [json.loads(line) for line in lines]
    return problem_rows(Path(path).stem, [{"prompt": row[columns[0]], "gold": row[columns[1]]} for row in rows])


# the rules


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find $x$.", "find x"),
        ("What is  2 + 2 ?", "what is 2+2"),
        ("Solve \\[2x = 4.\\]", "Solve $2 x=4$"),
        ("the root $r_1$ of", "the root $r_{1}$ of"),
        ("\\overline{r}_1", "\\overline{r_1}"),
        ("a\nb", "a b"),
    ],
    ids=["case and dollars", "spaces", "delimiters", "subscript", "braces", "line ends"],
)
def test_case_punctuation_and_spacing_of_formulas_do_not_hide_a_copy(one: str, other: str) -> None:
    assert same(one, other, "exact")
    assert same(one, other, "unordered")


def test_only_unordered_finds_the_same_words_and_numbers_in_another_order() -> None:
    one, other = "Anna has 7 bags with 5 apples.", "Anna has 5 bags with 7 apples."
    assert not same(one, other, "exact")
    assert same(one, other, "unordered")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna has 7 bags with 5 apples.", "Anna has 7 bags with 6 apples."),
        ("a pipe of 2.5 m", "a pipe of 25 m"),
        ("numbers 12 and 3", "numbers 1 and 23"),
        ("Anna has 7 bags", "Anna has 7 boxes"),
        ("7 bags", "7 bags and 7 bags"),
    ],
    ids=["other number", "decimal point", "other cut of digits", "other word", "said twice"],
)
def test_other_numbers_or_words_are_another_problem(rule: str, one: str, other: str) -> None:
    assert not same(one, other, rule)


@given(st.text(), st.text())
def test_what_is_the_same_in_order_is_the_same_without(one: str, other: str) -> None:
    assert not same(one, other, "exact") or same(one, other, "unordered")


@given(st.lists(st.sampled_from(["apples", "bags", "7", "5", "x"])), st.randoms())
def test_unordered_sees_no_order(words: list[str], shuffler: object) -> None:
    shuffled = list(words)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    assert same(" ".join(words), ", ".join(shuffled), "unordered")


def test_a_rule_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'ngram'.*exact.*unordered"):
        fingerprint("a", "ngram")
    with pytest.raises(ValueError, match="ngram"):
        evidence(table("a"), table("a", benchmark="exam"), ["ngram"])


# the evidence


def test_evidence_names_both_sides_and_the_rule() -> None:
    ours, exam = table("Find $x$.", "Find $y$."), table("find x", benchmark="exam")
    found = evidence(ours, exam, ["exact"])
    assert found.schema == EVIDENCE
    assert found.rows(named=True) == [
        {
            "problem_id": ours["problem_id"][0],
            "benchmark": "exam",
            "benchmark_problem_id": exam["problem_id"][0],
            "rule": "exact",
            "prompt": "Find $x$.",
            "benchmark_prompt": "find x",
        }
    ]


def test_every_rule_and_every_benchmark_question_gives_its_own_row() -> None:
    ours = table("Find x.", "find X!")
    exams = pl.concat([table("find x", "FIND x", benchmark="one"), table("Find x", benchmark="two")])
    found = evidence(ours, exams, list(RULES))
    assert found.height == 2 * 3 * 2
    assert not found.select(EVIDENCE_KEY).is_duplicated().any()
    assert set(found.select("benchmark", "rule").rows()) == set(product(("one", "two"), RULES))


@pytest.mark.parametrize("rules", [[], ["exact"], list(RULES)])
def test_nothing_shared_or_nothing_asked_is_an_empty_table_of_the_schema(rules: list[str]) -> None:
    for ours in (table("Find x."), table()):
        found = evidence(ours, table("Find y.", benchmark="exam"), rules)
        assert found.schema == EVIDENCE
        assert found.is_empty()
    assert evidence(table("Find x."), table("Find x.", benchmark="exam"), []).is_empty()


def test_generated_training_problems_of_other_operands_are_not_taken_for_the_exams() -> None:
    sides = []
    for split in ("train", "exam"):
        made = arithmetic.problems("one_step", arithmetic.pairs(2, 12, 22, 1, split), 1)
        sides.append([prompt for prompt, _ in made])
    assert evidence(table(*sides[0]), table(*sides[1], benchmark="one_step"), list(RULES)).is_empty()


# real sets


@needs_data
def test_the_problems_of_math_500_in_public_training_sets_are_found_with_their_evidence() -> None:
    # Their number is that of comparing prompts with all but letters and digits removed.
    exam = from_file("bench/math500.jsonl").with_columns(benchmark=pl.lit("math500"))
    found = {
        name: evidence(deduplicate(from_file(f"train/{name}.jsonl")), exam, ["exact"])
        for name in ("aime_1983_2023", "deepscaler_sample5k")
    }
    assert {name: rows["problem_id"].n_unique() for name, rows in found.items()} == {
        "aime_1983_2023": 6,
        "deepscaler_sample5k": 3,
    }
    for rows in found.values():
        logarithms = rows.filter(pl.col("prompt").str.contains(r"log\s*\(?kx\b"))
        assert logarithms.height == 1
        assert all(same(*pair, "exact") for pair in rows.select("prompt", "benchmark_prompt").rows())


@needs_data
def test_none_of_the_public_training_sets_holds_a_problem_of_aime_24_aime_25_or_amc_23() -> None:
    exams = pl.concat(
        benchmark_rows(name, None, from_file(f"bench/{name}.jsonl")) for name in ("aime24", "aime25", "amc23")
    )
    for name in ("aime_1983_2023", "deepscaler_sample5k"):
        assert evidence(deduplicate(from_file(f"train/{name}.jsonl")), exams, list(RULES)).is_empty()
