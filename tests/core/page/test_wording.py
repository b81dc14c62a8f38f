import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.page import wording
from stages.core.page.wording import distinguishing

TASK = "Solve the following competition problem with care and show every step."


def test_what_many_prompts_share_is_left_out_at_both_ends() -> None:
    prompts = [f"{TASK} What is {number} times {number + 1}? Give the answer as an integer." for number in range(9)]
    assert distinguishing(prompts)[4] == "… 4 times 5? …"


def test_wording_of_a_few_prompts_is_their_own() -> None:
    prompts = [f"{TASK} What is {number} times {number + 1}?" for number in range(3)]
    assert distinguishing(prompts) == prompts


def test_short_pieces_that_are_shared_stay_for_the_sentence_to_be_read() -> None:
    prompts = [
        f"{name} has {number} rows with {number} in each, and {number} more." for number, name in enumerate("ABCDEF")
    ]
    assert distinguishing(prompts) == prompts


def test_a_long_prompt_keeps_its_beginning_and_its_question() -> None:
    (line,) = distinguishing(["Let $ABC$ be a triangle. " + "It has many further properties. " * 30 + "Find its area."])
    assert line.startswith("Let $ABC$ be a triangle.") and line.endswith("Find its area.")
    assert len(line) <= wording.LONGEST + 3


@pytest.mark.parametrize("prompt", ["", TASK])
def test_a_prompt_that_is_all_wording_keeps_its_words(prompt: str) -> None:
    assert distinguishing([prompt] * 5) == [prompt] * 5


@given(st.lists(st.text(alphabet="ab \n", max_size=400), max_size=8))
def test_each_prompt_has_one_short_line(prompts: list[str]) -> None:
    lines = distinguishing(prompts)
    assert len(lines) == len(prompts)
    assert all(len(line) <= wording.LONGEST + 3 and "\n" not in line for line in lines)
    assert all(bool(line) == bool(prompt.split()) for line, prompt in zip(lines, prompts, strict=True))
