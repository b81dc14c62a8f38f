import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.core.page import excerpt, teacher, warnings


@given(ids=st.sets(st.text(max_size=4), min_size=1, max_size=40), share=st.floats(0, 1))
def test_of_the_problems_a_share_is_chosen_by_a_draw_that_does_not_change(ids: set[str], share: float) -> None:
    found = excerpt.chosen(sorted(ids), share)
    assert found == excerpt.chosen(sorted(ids, reverse=True), share)
    assert len(found) == max(1, round(share * len(ids))) and set(found) <= ids
    assert set(excerpt.chosen(ids, share / 2)) <= set(found), "a smaller share is a part of a larger one"


def test_what_each_set_did_with_a_trace_stands_in_one_line() -> None:
    key = {"model": ["t"], "effort": ["high"], "problem_id": ["p"], "sample": [1]}
    rejects = pl.DataFrame({**key, "reason": ["over_cap"]}, schema={**teacher.SFT_IN, "reason": pl.String()})
    kept = pl.DataFrame(key, schema=teacher.SFT_IN)
    assert teacher.outcomes({"turbo": rejects}, {"final": kept})["fate"].to_list() == ["final: row; turbo: over_cap"]
    assert teacher.outcomes({}, {}).is_empty()


def test_a_warning_names_what_makes_a_number_worth_less() -> None:
    numbers = {"truncated_share": 0.25, "looping_share": 0.005, "unscored_share": 0.0}
    gains = {
        "final_over_base": {"ci_low": -0.01, "ci_high": 0.2},
        "final_over_teacher": {"ci_low": 0.1, "ci_high": 0.2},
    }
    told = warnings.warnings(
        {"base": {"aime24": numbers}},
        gains,
        {"high": {"num_right_but_not_extracted": 3}},
        {"num_ungradable": 7},
        ["aime24"],
    )
    assert told == [
        "teacher, effort high: a right answer is there in 3 traces but was not extracted.",
        "base, aime24: 25.0% of the answers hit the limit of tokens.",
        "aime24 is older than the newest problems: its questions may be known.",
        "final over base: not resolved, these exams are too small to tell.",
        "There are 7 problems whose gold no judge can use.",
    ]
