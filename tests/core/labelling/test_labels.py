from collections.abc import Mapping, Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.keys import canonical
from stages.core.labelling.labels import (
    PROBLEMS_IN,
    SHARE_HISTOGRAM,
    Policy,
    accepts,
    changed,
    compare_with_gold,
    gold_pairs_to_decide,
    share_histogram,
    vote_metrics,
    votes,
)
from stages.core.labelling.voting import COUNTED, Outcomes, Tally, tallies
from stages.core.tables.votes import CHANGED, VOTES, VOTES_KEY
from tests.rules import vote as vote_rule

FIRST, SECOND = r"\sum_{k=1}^{3} k^2", r"\sum_{k=0}^{3} k^2"
Answers = Sequence[str | None]


def counted(answers: Mapping[str, Answers]) -> dict[str, Tally]:
    rows = [
        (problem_id, answer, answer and canonical(answer), 1)
        for problem_id, given in answers.items()
        for answer in given
    ]
    return tallies(pl.DataFrame(rows, schema=COUNTED, orient="row"))


def problems(golds: Mapping[str, str | None], ungradable: Sequence[str] = ()) -> pl.DataFrame:
    rows = [(name, gold, gold is not None and name not in ungradable) for name, gold in golds.items()]
    return pl.DataFrame(rows, schema=PROBLEMS_IN, orient="row")


def label(
    answers: Answers,
    gold: str | None,
    *,
    policy: Policy = "reasonlite",
    ungradable: bool = False,
    accepted: Outcomes | None = None,
) -> tuple[str | None, str]:
    table = votes(
        counted({"p": answers}),
        problems({"p": gold}, ["p"] if ungradable else []),
        same={},
        accepted=accepted or {},
        rule=vote_rule(policy, 0.9, 4, 0.95),
    )
    return table.select("label", "label_source").row(0)


# labels


@pytest.mark.parametrize(
    ("answers", "gold", "expected"),
    [
        (["7"] * 9 + ["8"], "5", ("7", "vote")),
        (["7"] * 4, "5", ("7", "vote")),
        (["7"] * 4 + [None] * 28, "5", ("7", "vote")),
        (["7"] * 8 + ["8"], "5", ("5", "gold")),
        (["7"] * 3, "5", ("5", "gold")),
        (["7"] * 4 + ["8"] * 4, "5", ("5", "gold")),
        ([None] * 4, "5", ("5", "gold")),
        ([], "5", ("5", "gold")),
        (["7"] * 4, None, ("7", "vote")),
        (["7"] * 3, None, (None, "none")),
        (["7"] * 4 + ["8"] * 4, None, (None, "none")),
        ([], None, (None, "none")),
    ],
)
def test_a_vote_labels_with_nine_tenths_of_the_answers_and_four_votes_else_the_gold_does(
    answers: Answers, gold: str | None, expected: tuple[str | None, str]
) -> None:
    assert label(answers, gold) == expected


def test_where_the_vote_agrees_the_gold_keeps_its_spelling() -> None:
    assert label(["0.5"] * 4, r"\frac{1}{2}") == (r"\frac{1}{2}", "gold")
    assert label([SECOND] * 4, FIRST, accepted={(FIRST, SECOND): "equal"}) == (FIRST, "gold")


@pytest.mark.parametrize("outcome", ["different", "unparsable", "timeout"])
def test_a_vote_that_is_not_found_to_agree_replaces_the_gold(outcome: str) -> None:
    assert label([SECOND] * 4, FIRST, accepted={(FIRST, SECOND): outcome}) == (SECOND, "vote")


def test_a_gold_that_cannot_be_graded_is_no_label() -> None:
    assert label(["7"] * 3, "^2", ungradable=True) == (None, "none")
    assert label(["7"] * 4, "^2", ungradable=True) == ("7", "vote")


def test_under_policy_never_only_golds_are_labels() -> None:
    assert label(["7"] * 32, "5", policy="never") == ("5", "gold")
    assert label(["7"] * 32, None, policy="never") == (None, "none")


def test_under_policy_all_disagree_one_answer_that_agrees_with_the_gold_keeps_it() -> None:
    assert label(["7"] * 19 + ["5.0"], "5", policy="all_disagree") == ("5", "gold")
    assert label(["7"] * 19 + ["8"], "5", policy="all_disagree") == ("7", "vote")
    assert label(["7"] * 5 + ["8"] * 5, "5", policy="all_disagree") == ("5", "gold"), "the vote has to be clear"
    assert label(["7"] * 10, None, policy="all_disagree") == ("7", "vote")


def test_under_policy_posterior_as_many_votes_are_needed_as_make_the_share_credible() -> None:
    # P(p <= 0.9) for Beta(v + 1, 1) is 0.9^(v + 1), at most 0.05 from v = 28 on
    assert label(["7"] * 27, "5", policy="posterior") == ("5", "gold")
    assert label(["7"] * 28, "5", policy="posterior") == ("7", "vote")
    assert label(["7"] * 28 + ["8"] * 3, "5", policy="posterior") == ("5", "gold")
    assert label(["7"] * 28 + [None] * 9, "5", policy="posterior") == ("7", "vote"), "abstentions are not counted"


def test_each_changed_label_is_listed_with_its_evidence() -> None:
    tallied = counted({"p": ["7"] * 9 + ["8"], "q": ["7"] * 9 + ["8"], "r": ["5"] * 10, "s": ["7"] * 10})
    golds = problems({"p": "5", "q": None, "r": "5", "s": "^2"}, ungradable=["s"])
    table = votes(tallied, golds, same={}, accepted={}, rule=vote_rule("reasonlite", 0.9, 4, 0.95))
    found = changed(table, golds)
    assert found.schema == CHANGED
    histogram = [{"answer": "7", "votes": 9}, {"answer": "8", "votes": 1}]
    assert found.rows() == [("p", "5", "7", 9, 10, 0.9, histogram)]


def test_ten_of_ten_samples_of_a_share_met_exactly_are_enough() -> None:
    for num_traces in range(10, 101, 10):
        right = num_traces * 9 // 10
        assert label(["7"] * right + ["8"] * (num_traces - right), None) == ("7", "vote")


def test_the_table_has_the_declared_schema_and_a_row_for_every_problem() -> None:
    table = votes(
        counted({"b": ["8", "7", "7", None], "a": ["1", "2"]}),
        problems({"b": "7", "c": "3", "a": None}),
        same={},
        accepted={},
        rule=vote_rule("reasonlite", 0.6, 2, 0.95),
    )
    assert table.schema == VOTES
    assert table[VOTES_KEY[0]].to_list() == ["a", "b", "c"]
    assert table.row(1, named=True) == {
        "problem_id": "b", "num_traces": 4, "num_answered": 3, "answer": "7", "votes": 2, "share": 2 / 3, "tied": False,
        "histogram": [{"answer": "7", "votes": 2}, {"answer": "8", "votes": 1}], "label": "7", "label_source": "gold",
    }  # fmt: skip
    assert table["tied"].to_list() == [True, False, False]
    assert table["num_traces"].to_list() == [2, 4, 0]


def test_answers_to_a_problem_that_is_not_in_the_table_are_refused() -> None:
    with pytest.raises(ValueError, match="not in the table of problems: lost"):
        votes(
            counted({"lost": ["7"]}),
            problems({"p": "7"}),
            same={},
            accepted={},
            rule=vote_rule("never", 0.9, 4, 0.95),
        )


# agreement with the gold


def test_gold_pairs_are_those_that_need_algebra_gold_first_and_only_where_it_is_gradable() -> None:
    tallied = counted({"p": [SECOND, "7", "7.0"], "q": [SECOND], "r": [SECOND]})
    golds = problems({"p": FIRST, "q": None, "r": "^2", "without traces": FIRST}, ungradable=["r"])
    pairs = gold_pairs_to_decide(tallied, golds)
    assert (FIRST, SECOND) in pairs
    assert {gold for gold, _ in pairs} == {FIRST}
    assert gold_pairs_to_decide(tallied, golds.clear()) == []


def test_an_answer_is_right_by_the_cheap_tiers_or_by_its_outcome_and_asking_too_much_is_refused() -> None:
    assert accepts("50", r"50\text{ apples}", {})
    assert not accepts("50", "51", {})
    assert accepts(FIRST, SECOND, {(FIRST, SECOND): "equal"})
    assert not accepts(FIRST, SECOND, {(FIRST, SECOND): "timeout"})
    with pytest.raises(ValueError, match="no outcome for the pair"):
        accepts(FIRST, SECOND, {(SECOND, FIRST): "equal"})


# metrics

ANSWERS: dict[str, Answers] = {
    "clear and right": ["7"] * 4,
    "clear and wrong": ["8"] * 3 + [None],
    "unclear and right": ["7", "7", "8", None],
    "too few and right": ["7", "7"],
    "tied": ["7", "8"],
    "silent": [None, None],
    "no gold, clear": ["7"] * 3,
    "no gold, unclear": ["7", "8"],
}
GOLDS = {name: None if name.startswith("no gold") else "7" for name in ANSWERS}


def measured(policy: Policy = "reasonlite") -> tuple[pl.DataFrame, pl.DataFrame]:
    tallied, golds = counted(ANSWERS), problems(GOLDS)
    table = votes(tallied, golds, same={}, accepted={}, rule=vote_rule(policy, 0.7, 3, 0.95))
    return table, compare_with_gold(table, tallied, golds, {})


def test_metrics_count_labels_and_measure_them_by_the_golds_there_are() -> None:
    assert vote_metrics(*measured(), vote_rule("reasonlite", 0.7, 3, 0.95)) == {
        "num_problems": 8,
        "num_labelled_by_vote": 2,
        "num_labelled_by_gold": 5,
        "num_unlabelled": 1,
        "num_tied": 2,
        "num_changed_labels": 1,
        "answered_share": 19 / 23,
        "sample_accuracy": 9 / 18,
        "majority_accuracy": 3 / 4,
        "label_by_vote_accuracy": 1 / 2,
    }


def test_the_policy_changes_the_labels_and_not_what_is_measured_of_the_vote() -> None:
    by_vote, by_gold = (
        vote_metrics(*measured(policy), vote_rule("reasonlite", 0.7, 3, 0.95)) for policy in ("reasonlite", "never")
    )
    assert (by_gold["num_labelled_by_vote"], by_gold["num_labelled_by_gold"], by_gold["num_unlabelled"]) == (0, 6, 2)
    assert all(by_vote[name] == by_gold[name] for name in by_vote if name.endswith(("_accuracy", "_share")))


def test_a_share_of_nothing_is_left_out() -> None:
    tallied, golds = counted({"p": []}), problems({"p": None})
    table = votes(tallied, golds, same={}, accepted={}, rule=vote_rule("never", 0.7, 3, 0.95))
    found = vote_metrics(table, compare_with_gold(table, tallied, golds, {}), vote_rule("never", 0.7, 3, 0.95))
    assert [name for name in found if not name.startswith("num_")] == []
    assert found["num_unlabelled"] == 1


def test_the_histogram_of_shares_has_a_row_a_bin_with_the_accuracy_of_its_votes() -> None:
    histogram = share_histogram(*measured())
    assert histogram.schema == SHARE_HISTOGRAM
    # 0.5: two ties, neither right nor wrong. 0.6: two votes of three. 0.9: unanimous, one of four without gold.
    assert histogram.rows() == [(0.5, 2, None), (0.6, 1, 1.0), (0.9, 4, 2 / 3)]


@pytest.mark.parametrize("tenths", range(1, 11))
def test_a_share_on_the_edge_of_two_bins_is_in_the_upper_one_and_all_of_the_answers_in_the_last(tenths: int) -> None:
    answers = ["7"] * tenths + [str(place) for place in range(10, 20 - tenths)]
    table = votes(
        counted({"p": answers}),
        problems({"p": "7"}),
        same={},
        accepted={},
        rule=vote_rule("never", 0.0, 1, 0.95),
    )
    compared = compare_with_gold(table, counted({"p": answers}), problems({"p": "7"}), {})
    assert share_histogram(table, compared)["bin"].to_list() == [min(tenths, 9) / 10]


LISTS = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.sampled_from(["7", "7.0", "8", "9", None]), max_size=8), min_size=1
)


@given(LISTS, st.booleans(), st.floats(0, 1), st.integers(1, 5))
def test_every_problem_has_its_label_from_one_source_and_all_shares_are_in_0_to_1(
    answers: dict[str, list[str | None]], has_gold: bool, min_share: float, min_votes: int
) -> None:
    tallied, golds = counted(answers), problems(dict.fromkeys(answers, "7" if has_gold else None))
    table = votes(tallied, golds, same={}, accepted={}, rule=vote_rule("reasonlite", min_share, min_votes, 0.95))
    assert table.filter((pl.col("label_source") == "none") != pl.col("label").is_null()).is_empty()
    found = vote_metrics(
        table, compare_with_gold(table, tallied, golds, {}), vote_rule("reasonlite", min_share, min_votes, 0.95)
    )
    assert (
        found["num_labelled_by_vote"] + found["num_labelled_by_gold"] + found["num_unlabelled"] == found["num_problems"]
    )
    assert all(0 <= value <= 1 for name, value in found.items() if not name.startswith("num_"))
    assert share_histogram(table, compare_with_gold(table, tallied, golds, {}))["num_problems"].sum() == sum(
        any(given) for given in answers.values()
    )
    upside_down = votes(
        dict(reversed(tallied.items())),
        golds.reverse(),
        same={},
        accepted={},
        rule=vote_rule("reasonlite", min_share, min_votes, 0.95),
    )
    assert upside_down.equals(table)
