"""Which stored answers become traces: up to where the rule stops, and the longer one for what was cut off."""

import polars as pl
import pytest

from stages.core.sampling import sample_selection
from stages.core.sampling.adaptive import Rule
from stages.core.sampling.queries import Answer, Query

RULE = Rule(start=4, step=2, most=8, confidence=0.95, hopeless_share=0.25)


def samples_of(problem: str, number: int = 8, budget: str = "") -> list[Query]:
    return [Query(f"{problem}{sample}{budget}", None, problem, sample, ()) for sample in range(number)]


def answer(answer: str, status: str = "stop") -> Answer:
    return Answer(status, f"\\boxed{{{answer}}}", None, 1, 1, None)


def test_without_a_rule_every_sample_is_drawn_also_one_without_an_answer() -> None:
    drawn = sample_selection.drawn([samples_of("a", 2), samples_of("b", 1)], None, {"a0": answer("4")}, None)
    assert [query.key for query in drawn.queries] == ["a0", "a1", "b0"]
    assert drawn.stopped == ["fixed"] * 3


def test_with_a_rule_each_problem_has_its_own_end() -> None:
    stored = {query.key: answer("4") for query in samples_of("a")}
    stored |= {query.key: answer(str(query.sample % 2)) for query in samples_of("b")}
    drawn = sample_selection.drawn([samples_of("a"), samples_of("b")], None, stored, RULE)
    assert [query.key for query in drawn.queries] == ["a0", "a1", "a2", "a3", *(f"b{sample}" for sample in range(8))]
    assert drawn.stopped == ["settled"] * 4 + ["exhausted"] * 8
    assert drawn.doubts == [pytest.approx(1 / 32)], "Beta(5, 1) below 1/2"


def test_a_longer_answer_stands_in_for_one_that_was_cut_off_and_for_no_other() -> None:
    stored = {
        "a0": answer("4"), "a1": answer("4", "length"), "a2": answer("4", "length"),
        "a0+": answer("5"), "a1+": answer("5"), "a3+": answer("5"),
    }  # fmt: skip
    drawn = sample_selection.drawn([samples_of("a", 4)], [samples_of("a", 4, "+")], stored, None)
    assert [query.key for query in drawn.queries] == ["a0", "a1+", "a2", "a3"]
    longer = sample_selection.longer([samples_of("a", 4)], [samples_of("a", 4, "+")], stored, None)
    assert [[query.key for query in each] for each in longer] == [["a1+", "a2+"]]


def test_a_sample_that_the_rule_did_not_draw_is_not_asked_for_again_though_the_store_has_it() -> None:
    stored = {query.key: answer("4", "length" if query.sample in (1, 6) else "stop") for query in samples_of("a")}
    longer = sample_selection.longer([samples_of("a")], [samples_of("a", 8, "+")], stored, RULE)
    assert [[query.key for query in each] for each in longer] == [["a1+"]]


def table(*problems: tuple[str, str, list[str], list[int | None]]) -> pl.DataFrame:
    rows = [
        (name, None, why, status, tokens)
        for name, why, statuses, counts in problems
        for status, tokens in zip(statuses, counts, strict=True)
    ]
    columns = {"problem_id": pl.String, "benchmark": pl.String, "stopped": pl.String, "status": pl.String}
    return pl.DataFrame(rows, schema=columns | {"completion_tokens": pl.Int32}, orient="row")


def test_rows_tokens_statuses_and_reasons_are_counted() -> None:
    counts = sample_selection.counts(
        table(("a", "settled", ["stop", "length"], [10, 20]), ("b", "hopeless", ["failed"], [None]))
    )
    assert counts == {
        "num_traces": 3, "num_tokens": 30, "num_stop": 1, "num_length": 1, "num_failed": 1,
        "num_problems_settled": 1, "num_problems_hopeless": 1,
    }  # fmt: skip
    assert sample_selection.counts(table())["num_tokens"] == 0


def test_what_was_not_drawn_counts_like_the_mean_of_its_problem() -> None:
    traces = table(("a", "settled", ["stop"] * 2, [10, 20]), ("b", "exhausted", ["stop"] * 4, [5] * 4))
    assert sample_selection.saved(traces, [0.25, 0.125], 4) == {
        "num_samples_saved": 2,
        "num_tokens_saved": 30,
        "settled_leaders_in_doubt": 0.375,
    }
    nothing = sample_selection.saved(table(("a", "hopeless", ["failed"] * 2, [None, None])), [], 4)
    assert nothing == {"num_samples_saved": 2, "num_tokens_saved": 0, "settled_leaders_in_doubt": 0}


def test_longer_answers_do_not_change_where_a_problem_stops() -> None:
    stored = {query.key: answer(str(query.sample), "length") for query in samples_of("a")}
    stored |= {query.key: answer("4") for query in samples_of("a", 8, "+")}
    drawn = sample_selection.drawn([samples_of("a")], [samples_of("a", 8, "+")], stored, RULE)
    assert [query.key for query in drawn.queries] == [f"a{sample}+" for sample in range(8)]
    assert set(drawn.stopped) == {"exhausted"}
