r"""Boxes: what the boxes of a response say, the last one and all of them."""

import pytest

from stages.core.answers.boxes import MAX_JOINED, boxed, last


@pytest.mark.parametrize(
    ("response", "answers"),
    [
        (r"so \boxed{5}", ["5"]), (r"\boxed{1} then \boxed{2}", ["1", "2"]), (r"\boxed{1} and \boxed{2} ... so \boxed{3}", ["1, 2", "3"]),
        (r"\boxed{1}, \boxed{2}. Then \boxed{1, 2}", ["1, 2"]), (r"\boxed 7 \boxed{8}", ["7", "8"]), (r"\boxed{\boxed{3}}", ["{3}"]),
        (r"\fbox{a}", ["a"]), (r"\boxed{\frac{1}{2}}", [r"\frac{1}{2}"]), (r"\boxed{ 5 }", ["5"]), (r"\boxed{5\}}", [r"5\}"]),
        (r"\boxed{5", []), (r"\boxed{}", []), (r"\boxed{ . }", []), ("boxed{5}", []), ("", []), (r"\boxed{5} \boxed{", ["5"]),
    ],
)  # fmt: skip
def test_what_boxes_say_in_order(response: str, answers: list[str]) -> None:
    assert boxed(response) == answers
    assert last(response) == (answers[-1] if answers else None)


@pytest.mark.parametrize(
    ("gap", "joined"),
    [("", True), (", ", True), (" and ", True), (r" \text{ or } ", True), ("$, $", True), (r" \quad ", False), (" ", False), ("; hence ", False),
     ("," + " " * 59, True), ("," + " " * 60, False)],
)  # fmt: skip
def test_boxes_are_joined_by_a_short_connective_alone(gap: str, joined: bool) -> None:
    assert last(rf"\boxed{{1}}{gap}\boxed{{2}}") == ("1, 2" if joined else "2")


def test_the_last_hundred_boxes_are_joined_and_no_more() -> None:
    response = ",".join(rf"\boxed{{{number}}}" for number in range(MAX_JOINED + 50))
    found = last(response)
    assert found is not None
    assert found.split(", ") == [str(number) for number in range(50, MAX_JOINED + 50)]
