import pytest

from stages.core.scoring.results import cells, footnotes, markdown, notes
from stages.core.scoring.scoring import Method
from stages.edge import params

METHOD = Method(16, 8, 1000, 1, is_open=False)
NUMBERS = {"avg_at_16": 0.752, "ci_low": 0.6, "ci_high": 0.85, "pass_at_8": 0.902, "num_problems": 30}
FOUND = {"final": {"aime24": NUMBERS, "aime26": NUMBERS}}
MEANS = {"mean": {"final": {"value": 0.752, "ci_low": 0.6, "ci_high": 0.85}}}
PUBLISHED = params.PublishedFigures(source="https://example.org", figures={"final": {"aime24": (75.2, 90.2)}})
EXAMS = {"aime24": ("2024-02-07", False), "aime26": ("2026-02-28", True)}


TOLD = notes(FOUND, METHOD, PUBLISHED, EXAMS, answer_before_cut=True)


def test_each_number_has_its_interval_and_what_was_published_stands_in_its_own_column() -> None:
    heads, row = cells(FOUND, MEANS, METHOD, PUBLISHED, [])
    found = dict(zip(heads, row, strict=True))
    assert found["aime24 avg@16 / pass@8"] == "75.2 [60.0, 85.0] / 90.2"
    assert found["aime24 published"] == "75.2 / 90.2"
    assert found["mean avg"] == "75.2 [60.0, 85.0]"
    assert "aime26 published" not in found


def test_a_student_that_was_not_asked_by_the_protocol_is_flagged_with_what_differs() -> None:
    departures: dict[str, dict[str, object]] = {"final": {"temperature": 1.0, "max_tokens": 65536}}
    table = markdown(cells(FOUND, MEANS, METHOD, PUBLISHED, list(departures)), TOLD, footnotes(departures, {}), {})
    assert "| final * " in table
    assert "\\* final was asked with temperature 1.0, max_tokens 65536, not as the protocol says.\n" in table
    assert "*" not in markdown(cells(FOUND, MEANS, METHOD, PUBLISHED, []), TOLD, [], {})


def test_the_notes_count_the_problems_of_an_exam_and_name_who_has_scored_answers_to_fewer() -> None:
    fewer = {"base": {"aime24": NUMBERS | {"num_problems": 28}}, **FOUND}
    found = notes(fewer, METHOD, PUBLISHED, EXAMS, answer_before_cut=True)
    assert "aime24 30 problems x 16 samples, aime26 30 problems x 16 samples." in found
    assert "base has scored answers to 28 of aime24 only." in found
    assert not any("only" in each for each in TOLD)


def test_without_an_exam_or_a_difference_nothing_is_said_of_them() -> None:
    assert notes({}, METHOD, PUBLISHED, {}, answer_before_cut=True) == [
        "Percent; in brackets 95% intervals over problems."
    ]
    assert "On the same problems" not in markdown([["student"]], TOLD, [], {})


def test_an_exam_is_said_to_be_older_or_younger_than_the_problems() -> None:
    assert "Older than the newest problems, and may be among them: aime24 (2024-02-07)." in TOLD
    assert "Younger than the newest problems, and cannot be among them: aime26 (2026-02-28)." in TOLD
    unknown = notes(FOUND, METHOD, PUBLISHED, {"aime24": (None, None), "aime26": (None, None)}, answer_before_cut=True)
    assert not any("newest problems" in each for each in unknown)


def test_where_samples_were_drawn_until_the_interval_was_narrow_each_cell_says_how_many() -> None:
    method = METHOD._replace(is_open=True)
    numbers = {"avg": 0.752, "ci_low": 0.7, "ci_high": 0.8, "pass_at_8": 0.902, "num_problems": 30, "samples_drawn": 48}
    found = {"final": {"aime24": numbers}}
    heads, row = cells(found, MEANS, method, PUBLISHED, [])
    assert dict(zip(heads, row, strict=True))["aime24 avg / pass@8, samples"] == "75.2 [70.0, 80.0] / 90.2, 48"
    told = notes(found, method, PUBLISHED, {"aime24": EXAMS["aime24"]}, answer_before_cut=True)
    assert (
        "aime24 30 problems x 16 samples or more, until the interval was narrow or more would not have helped." in told
    )


@pytest.mark.parametrize(("counts", "word"), [(True, "counts"), (False, "does not count")])
def test_the_protocol_says_what_an_answer_before_the_cut_is_worth_and_how_many_samples_have_one(
    counts: bool, word: str
) -> None:
    rule = f"An answer that stands before the cut of a text that was cut off {word}"
    numbers = {"aime24": NUMBERS | {"before_cut_share": 0.125}, "aime26": NUMBERS | {"before_cut_share": 0.0}}
    found = {"base": numbers, **FOUND}
    assert f"{rule}: base 12.5 of aime24." in notes(found, METHOD, PUBLISHED, EXAMS, answer_before_cut=counts)
    assert f"{rule}." in notes(FOUND, METHOD, PUBLISHED, EXAMS, answer_before_cut=counts)


def test_a_student_without_a_scored_answer_to_one_exam_has_no_mean() -> None:
    heads, row = cells(FOUND, {"mean": {}}, METHOD, PUBLISHED, [])
    assert dict(zip(heads, row, strict=True))["mean avg"] == "unscored"


def test_who_was_asked_as_it_teaches_is_told_with_the_efforts_that_it_was_chosen_from() -> None:
    told = footnotes({}, {"teacher": {"high": 0.4, "medium": 0.123}})
    asked = "teacher was asked as it teaches, with the teacher's prompt and examples"
    assert f"{asked}; of the means at high 40.0, medium 12.3 the better is shown." in told
    (once,) = [each for each in footnotes({}, {"teacher": {"high": 0.4}}) if "asked as" in each]
    assert once == f"{asked}, at high 40.0."
