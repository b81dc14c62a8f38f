import json
import os
import random
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.problems import arithmetic
from stages.core.problems.contamination import DecontaminationRules, Embedded, evidence
from stages.core.problems.dropped import EVIDENCE, EVIDENCE_KEY
from stages.core.problems.duplicates import drop
from stages.core.problems.problems import benchmark_rows, problem_rows
from tests.rules import decontamination

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real problems"
)


def table(*prompts: str, benchmark: str | None = None) -> pl.DataFrame:
    made = problem_rows("made", [{"prompt": prompt, "gold": "1"} for prompt in prompts])
    return made if benchmark is None else benchmark_rows(benchmark, None, made)


def from_file(path: str, columns: Sequence[str] = ("problem", "answer")) -> pl.DataFrame:
    with (DATA / path).open(encoding="utf-8", newline="\n") as lines:
        rows = [json.loads(line) for line in lines]
    return problem_rows(Path(path).stem, [{"prompt": row[columns[0]], "gold": row[columns[1]]} for row in rows])


# the rules


def hits(rules: DecontaminationRules, ours: str, question: str) -> bool:
    return not evidence(table(ours), table(question, benchmark="exam"), rules).is_empty()


EXACT, UNORDERED = decontamination(exact=True), decontamination(unordered=True)
NGRAM, MASKED = decontamination(ngram=(8, 0.5)), decontamination(masked=(8, 0.7))
ALL = decontamination(exact=True, unordered=True, ngram=(8, 0.5), masked=(8, 0.7))


@pytest.mark.parametrize("rules", [EXACT, UNORDERED])
def test_typesetting_does_not_hide_a_copy(rules: DecontaminationRules) -> None:
    assert hits(rules, "Solve \\[2x = 4.\\]", "solve $2 x=4$")


def test_only_unordered_finds_the_same_words_and_numbers_in_another_order() -> None:
    one, other = "Anna has 7 bags with 5 apples.", "Anna has 5 bags with 7 apples."
    assert not hits(EXACT, one, other)
    assert hits(UNORDERED, one, other)


@pytest.mark.parametrize("rules", [EXACT, UNORDERED])
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
def test_other_numbers_or_words_are_another_problem(rules: DecontaminationRules, one: str, other: str) -> None:
    assert not hits(rules, one, other)


@given(st.text(), st.text())
def test_what_is_the_same_in_order_is_the_same_without(one: str, other: str) -> None:
    made = table(one or "x"), table(other or "y", benchmark="exam")
    if all(not each.is_empty() for each in made):
        assert evidence(*made, EXACT).is_empty() or not evidence(*made, UNORDERED).is_empty()


QUESTION = (
    "Every morning Aya goes for a walk of 9 kilometers and stops at a coffee shop afterwards. When she walks at a constant "
    "speed of $s$ kilometers per hour, the walk takes her 4 hours, including $t$ minutes spent in the coffee shop. Find it."
)


def test_an_excerpt_with_more_around_it_is_found_by_its_ngrams() -> None:
    part = QUESTION[: len(QUESTION) * 2 // 3]
    assert hits(NGRAM, f"Here is a story. {part} How far does she go?", QUESTION)
    assert not hits(NGRAM, QUESTION[: len(QUESTION) // 3], QUESTION)
    assert not hits(EXACT, part, QUESTION)


def test_changed_numbers_are_found_once_they_are_masked() -> None:
    clone = QUESTION.replace("9", "eleven").replace("4", "35")
    assert hits(MASKED, clone, QUESTION)
    assert not hits(EXACT, clone, QUESTION) and not hits(UNORDERED, clone, QUESTION)
    more = (
        "Then her brother joins, who is slower, and both stop at every bench, bridge, shop, church and well on the way."
    )
    assert not hits(MASKED, f"{clone} {more} {more[::-1]}", QUESTION)


@pytest.mark.parametrize("rules", [NGRAM, MASKED])
def test_nothing_is_said_of_a_question_too_short_to_tell(rules: DecontaminationRules) -> None:
    assert not hits(
        rules, "Find the greatest common divisor of 91 and 72.", "Find the greatest common divisor of 12 and 20."
    )


def test_a_phrase_of_many_questions_tells_nothing() -> None:
    phrase = (
        "can be written in the form m over n where m and n are relatively prime positive integers and we find m plus n"
    )
    exams = table(*(f"Question about thing{n} so that it {phrase}" for n in range(6)), benchmark="exam")
    ours = table(f"Something else entirely {phrase}")
    assert evidence(ours, exams, NGRAM).is_empty()
    assert not evidence(ours, exams.head(1), NGRAM).is_empty()


def test_embeddings_are_compared_by_their_cosine() -> None:
    ours, exams = table("One.", "Two.", "Three."), table("Eins.", "Zwei.", benchmark="exam")
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32), np.eye(2, dtype=np.float32)
    found = evidence(ours, exams, decontamination(), Embedded(*vectors, 0.75))
    assert found.select("prompt", "benchmark_prompt", "score").rows() == [
        ("One.", "Eins.", 1.0),
        ("Two.", "Zwei.", 1.0),
        ("Three.", "Zwei.", pytest.approx(0.8)),
    ]


# the evidence


def test_evidence_names_both_sides_and_the_rule() -> None:
    ours, exam = table("Find $x$.", "Find $y$."), table("find x", benchmark="exam")
    found = evidence(ours, exam, EXACT)
    assert found.schema == EVIDENCE
    assert found.rows(named=True) == [
        {
            "problem_id": ours["problem_id"][0],
            "benchmark": "exam",
            "benchmark_problem_id": exam["problem_id"][0],
            "rule": "exact",
            "score": 1.0,
            "prompt": "Find $x$.",
            "benchmark_prompt": "find x",
            "kept": False,
        }
    ]


def test_every_rule_and_every_benchmark_question_gives_its_own_row() -> None:
    ours = table("Find x.", "find X!")
    exams = pl.concat([table("find x", "FIND x", benchmark="one"), table("Find x", benchmark="two")])
    found = evidence(ours, exams, decontamination(exact=True, unordered=True))
    assert found.height == 2 * 3 * 2
    assert not found.select(EVIDENCE_KEY).is_duplicated().any()
    assert set(found.select("benchmark", "rule").rows()) == set(product(("one", "two"), ("exact", "unordered")))


@pytest.mark.parametrize("rules", [decontamination(), EXACT, ALL])
def test_nothing_shared_or_nothing_asked_is_an_empty_table_of_the_schema(rules: DecontaminationRules) -> None:
    for ours in (table("Find x."), table()):
        found = evidence(ours, table("Find y.", benchmark="exam"), rules)
        assert found.schema == EVIDENCE
        assert found.is_empty()
    assert evidence(table("Find x."), table("Find x.", benchmark="exam"), decontamination()).is_empty()


def test_a_problem_that_a_person_keeps_is_marked_and_stays_in_the_evidence() -> None:
    ours, exam = table("Find x.", "Find y."), table("find x", "find y", benchmark="exam")
    found = evidence(ours, exam, decontamination(exact=True, keep=[ours["problem_id"][1]]))
    assert found.select("prompt", "kept").rows() == [("Find x.", False), ("Find y.", True)]


def test_generated_training_problems_of_other_operands_are_not_taken_for_the_exams() -> None:
    sides = []
    for split in ("train", "exam"):
        made = arithmetic.problems("one_step", arithmetic.pairs(2, 12, 22, 1, split), 1)
        sides.append([prompt for prompt, _ in made])
    assert evidence(
        table(*sides[0]), table(*sides[1], benchmark="one_step"), decontamination(exact=True, unordered=True)
    ).is_empty()


# real sets


@needs_data
def test_the_problems_of_math_500_in_public_training_sets_are_found_with_their_evidence() -> None:
    # Their number is that of comparing prompts with all but letters and digits removed.
    exam = from_file("bench/math500.jsonl").with_columns(benchmark=pl.lit("math500"))
    found = {
        name: evidence(drop(from_file(f"train/{name}.jsonl"), None).problems, exam, EXACT)
        for name in ("aime_1983_2023", "deepscaler_sample5k")
    }
    assert {name: rows["problem_id"].n_unique() for name, rows in found.items()} == {
        "aime_1983_2023": 6,
        "deepscaler_sample5k": 3,
    }
    for rows in found.values():
        logarithms = rows.filter(pl.col("prompt").str.contains(r"log\s*\(?kx\b"))
        assert logarithms.height == 1


@needs_data
def test_none_of_the_public_training_sets_holds_a_problem_of_aime_24_aime_25_or_amc_23() -> None:
    exams = pl.concat(
        benchmark_rows(name, None, from_file(f"bench/{name}.jsonl")) for name in ("aime24", "aime25", "amc23")
    )
    for name in ("aime_1983_2023", "deepscaler_sample5k"):
        assert evidence(drop(from_file(f"train/{name}.jsonl"), None).problems, exams, ALL).is_empty()


@needs_data
def test_the_rules_find_what_math_500_shares_with_public_sets_and_little_else() -> None:
    """82 rows of `ngram` and `masked`; 75 were read: 8 are other questions, on the same drawing or a common phrase."""
    exams = from_file("bench/math500.jsonl").with_columns(benchmark=pl.lit("math500"))
    found = {
        name: evidence(drop(from_file(f"train/{name}.jsonl"), 0.6).problems, exams, ALL)
        for name in ("aime_1983_2023", "deepscaler_sample5k", "math_train")
    }
    counts = {name: dict(rows.group_by("rule").len().rows()) for name, rows in found.items()}
    assert counts["aime_1983_2023"] == {"exact": 6, "unordered": 6, "ngram": 9, "masked": 7}
    assert counts["deepscaler_sample5k"] == {"exact": 3, "unordered": 3, "ngram": 5, "masked": 11}
    assert counts["math_train"] == {"ngram": 21, "masked": 29}, "the two halves of MATH share their templates"


def swapped(prompt: str, seed: int) -> str:
    """The prompt with other numbers."""
    rng = random.Random(seed)
    return re.sub(r"\d+", lambda found: str(int(found[0]) + rng.randint(1, 9)), prompt)


@needs_data
def test_clones_of_aime_problems_with_other_numbers_are_found_and_unrelated_problems_are_not() -> None:
    exams = pl.concat(
        benchmark_rows(name, None, from_file(f"bench/{name}.jsonl")) for name in ("aime24", "aime25", "amc23")
    )
    originals = exams.filter(pl.col("prompt").str.contains(r"\d"), pl.col("benchmark") != "amc23")["prompt"].to_list()
    chosen = random.Random(7).sample(originals, 20)
    clones = table(*(swapped(prompt, seed) for seed, prompt in enumerate(chosen)))
    found = evidence(clones, exams, MASKED)
    assert found.height == 20 and set(found["benchmark_prompt"]) == set(chosen)
    assert evidence(clones, exams, EXACT).is_empty()
    assert evidence(from_file("train/gsm8k_train.jsonl").head(1000), exams, ALL).is_empty()
