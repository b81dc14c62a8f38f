"""Which stored answers become traces: up to where the rule stops, and the longer one for what was cut off."""

from stages.core import drawing
from stages.core.adaptive import Rule
from stages.core.queries import Answer, Query

RULE = Rule(start=4, step=2, most=8, confidence=0.95, hopeless_share=0.25)


def asked(problem: str, number: int = 8, budget: str = "") -> list[Query]:
    return [Query(f"{problem}{sample}{budget}", None, problem, sample, ()) for sample in range(number)]


def says(answer: str, status: str = "stop") -> Answer:
    return Answer(status, f"\\boxed{{{answer}}}", None, 1, 1, None)


def test_without_a_rule_every_sample_is_drawn_also_one_without_an_answer() -> None:
    found = drawing.drawn([asked("a", 2), asked("b", 1)], None, {"a0": says("4")}, None)
    assert [query.key for query in found.asked] == ["a0", "a1", "b0"]
    assert found.stopped == ["fixed"] * 3


def test_with_a_rule_each_problem_has_its_own_end() -> None:
    stored = {query.key: says("4") for query in asked("a")}
    stored |= {query.key: says(str(query.sample % 2)) for query in asked("b")}
    found = drawing.drawn([asked("a"), asked("b")], None, stored, RULE)
    assert [query.key for query in found.asked] == ["a0", "a1", "a2", "a3", *(f"b{sample}" for sample in range(8))]
    assert found.stopped == ["settled"] * 4 + ["exhausted"] * 8


def test_a_longer_answer_stands_in_for_one_that_was_cut_off_and_for_no_other() -> None:
    stored = {
        "a0": says("4"), "a1": says("4", "length"), "a2": says("4", "length"),
        "a0+": says("5"), "a1+": says("5"), "a3+": says("5"),
    }  # fmt: skip
    found = drawing.drawn([asked("a", 4)], [asked("a", 4, "+")], stored, None)
    assert [query.key for query in found.asked] == ["a0", "a1+", "a2", "a3"]
    assert [drawing.is_cut_off(query, stored) for query in asked("a", 4)] == [False, True, True, False]


def test_longer_answers_do_not_change_where_a_problem_stops() -> None:
    stored = {query.key: says(str(query.sample), "length") for query in asked("a")}
    stored |= {query.key: says("4") for query in asked("a", 8, "+")}
    found = drawing.drawn([asked("a")], [asked("a", 8, "+")], stored, RULE)
    assert [query.key for query in found.asked] == [f"a{sample}+" for sample in range(8)]
    assert set(found.stopped) == {"exhausted"}
