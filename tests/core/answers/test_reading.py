r"""Reading: the answer of a response, with its key and the rule that found it."""

import pytest

from stages.core.answers.reading import NOTHING, Reading, answer_of, read


@pytest.mark.parametrize(
    ("content", "reading"),
    [
        (r"so \boxed{x=5}", Reading("x=5", "5", "box")), (r"\boxed{1} and \boxed{2}", Reading("1, 2", "{1, 2}", "box")),
        ("The answer is 1,234.", Reading("1,234", "1234", "stated")), (r"\boxed{\text{Yes}}", Reading(r"\text{Yes}", "yes", "box")),
        (r"The answer is 4. In a box: \boxed{5}", Reading("5", "5", "box")), ("We get 5", NOTHING), (r"\boxed{5", NOTHING), ("", NOTHING), (None, NOTHING),
    ],
)  # fmt: skip
def test_a_response_is_read_once_for_all(content: str | None, reading: Reading) -> None:
    assert read(content) == reading
    assert answer_of(content) == reading.answer


@pytest.mark.parametrize("content", [r"\boxed{}", r"\boxed{\,}", r"\boxed{?}", r"\boxed{$ $}", r"\boxed{...}"])
def test_a_box_without_an_answer_is_none(content: str) -> None:
    assert read(content) == NOTHING
