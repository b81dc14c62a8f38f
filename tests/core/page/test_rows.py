import polars as pl

from stages.core.page import browser
from stages.core.page.excerpt import EXCERPT, merged


def rows(*given: dict[str, object]) -> pl.DataFrame:
    base = {"part": "exam@base", "model": "base", "benchmark": "exam", "set": "exam", "problem_id": "p", "sample": 0}
    filled = [{**dict.fromkeys(EXCERPT), **base, "status": "stop", "prompt": "What?", **each} for each in given]
    return pl.DataFrame(filled, schema=EXCERPT)


def test_a_trace_is_right_or_wrong_or_unscored() -> None:
    found = browser.encoded(
        rows(
            {"verdict": "correct"},
            {"verdict": "timeout", "sample": 1},
            {"verdict": "no_label", "sample": 2},
            {"verdict": None, "sample": 3},
            {"verdict": "incorrect", "status": "failed", "sample": 4},
        ),
        100,
        ["base"],
    )
    assert found["columns"]["right"] == [True, False, None, None, None]
    assert (found["rows_per_block"], found["students"]) == (100, ["base"])


def test_a_problem_stands_once_for_all_who_answered_it_and_apart_from_an_exam_question_of_the_same_words() -> None:
    learned: dict[str, object] = {
        "part": "teach@high",
        "model": "teacher",
        "effort": "high",
        "benchmark": None,
        "set": "source",
    }
    found = browser.encoded(
        rows({}, {"part": "exam@turbo", "model": "turbo"}, learned | {"label": "4", "label_source": "vote"}), 100, []
    )
    assert found["columns"]["problem"] == [0, 0, 1]
    exam, source = found["problems"]
    assert (exam["exam"], source["exam"]) == ("exam", None)
    assert "labels" not in exam and source["labels"] == {"teach@high": ["4", "vote"]}
    assert exam["line"] == source["line"] == "What?"


def test_a_trace_from_which_two_stages_learn_stands_once_with_both_fates() -> None:
    trace: dict[str, object] = {"part": "teach@high", "model": "teacher", "effort": "high", "benchmark": None}
    pooled = trace | {"part": "pool@both", "verdict": "no_label"}
    given = rows(trace | {"fate": "turbo: row"}, pooled, trace | {"fate": "final: too_long"}, {})
    found = merged(given).select("part", "fate", "verdict").rows()
    assert found == [
        ("teach@high", "final: too_long; turbo: row", None),
        ("pool@both", None, "no_label"),
        ("exam@base", None, None),
    ]
