"""What counts as the final answer of a response."""

import time

import pytest

from stages.core.answers.conclusions import conclusion, payload
from stages.core.answers.extraction import Extracted, extract


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{42}", "42"),
        (r"First \boxed{3}, no, finally \boxed{5}", "5"),
        (r"\boxed{5} ... wait, \boxed{7", "5"),
        (r"\boxed{\frac{1}{\sqrt{2}}} ends", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\fbox{9}", "9"),
        (r"\boxed 5", "5"),
        (r"\boxed{\boxed{8}}", "{8}"),
        (r"\boxed{3}. Put the answer in \boxed{}.", "3"),
        (r"an open { brace, then \boxed{6}", "6"),
        (r"a stray } brace, then \boxed{6}", "6"),
        (r"\\boxed{35}", "35"),
        (r"\boxed{1} and \boxed{2} and \boxed{3}", "1, 2, 3"),
        (r"$\boxed{(1, 2)}, \boxed{(2, 1)}$", "(1, 2), (2, 1)"),
        (r"$$\boxed{4} \quad \text{and} \quad \boxed{6}$$", "4, 6"),
        (r"\boxed{1}\boxed{2}", "1, 2"),
        (r"\boxed{840}, \boxed{840}", "840"),
        ("\\boxed{1}\n\nBut the other is \\boxed{2}", "2"),
        ("\\boxed{1}\n\n\\boxed{2}", "2"),
    ],
)
def test_the_last_complete_box_counts(response: str, answer: str) -> None:
    assert extract(response) == Extracted(answer, "box")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is 42.", "42"),
        ("ANSWER: 199", "199"),
        ("**Final Answer**\n**73**", "73"),
        ("Final Answer: **73**", "73"),
        (r"The final answer is $\frac{5}{6}$. I hope it is correct.", r"\frac{5}{6}"),
        (r"The answer is \(3\).", "3"),
        (r"Answer: \[ 9 \]", "9"),
        ("The answer is 3.5 hours. Good.", "3.5 hours"),
        ("The answer is 1. No: the answer is 2", "2"),
        ("Final Answer: The largest $n$ is 34.", "34"),
        ("5 + 5 = 10\n#### 10", "10"),
        ("答案是5", "5"),
        (r"The final answer is $\$160$.", r"\$160"),
        ("The answer is 12. This answer is reasonable because 12 < 20.", "12"),
        ("Answer: 42\n\nThis answer is correct.", "42"),
        ("Answer: correct", "correct"),
        ("The answer is 3. No, the answer is wrong, it is 4", "wrong, it is 4"),
        ("The answer is a right triangle.", "a right triangle"),
        (r"The final answer is $x \le -2$ or $x \ge 3$.", r"x \le -2 or x \ge 3"),
        ("The answer is $x=3$ or $x=4$.", "x=3, x=4"),
        (r"It costs \$5 and \$6, so the answer is $x$.", "x"),
    ],
)
def test_without_a_box_the_last_statement_counts(response: str, answer: str) -> None:
    assert extract(response) == Extracted(answer, "stated")


@pytest.mark.parametrize("response", ["", "we get 12, and", r"\boxed{5", r"\boxed{}", "the answer is", "Answer:   \n"])
def test_an_unfinished_response_has_no_answer(response: str) -> None:
    assert extract(response) == Extracted(None, "none")


def test_a_box_outranks_a_statement() -> None:
    assert extract(r"The answer is \boxed{4}. In other words, the answer is 5.") == Extracted("4", "box")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{7}", "7"),
        (r"We find that $x < 3$.", "x < 3"),
        (r"$10/9$", r"$10/9$"),
        (r"\text{Evelyn}", r"\text{Evelyn}"),
        ("no answer here" * 100, "no answer here" * 100),
    ],
)
def test_payload_is_the_answer_or_the_text_itself(text: str, answer: str) -> None:
    assert payload(text).strip() == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("We add. Therefore, there are 12 ways to do it. I hope it is correct.", "12"),
        ("First 3 of them. So the ordered pair is $(7, 6)$.", "(7, 6)"),
        ("The chance is 1/2. Thus the total is **25%**.", "25%"),
        ("The probability that she wins is 2/3. <|im_start|>user", "2/3"),
        ("which is 1,000.99€", "1,000.99"),
        ("计划的比例为13/28", "13/28"),
        ("12000升/40升=300分钟。因此，水将在300分钟内被放完。", "300"),  # noqa: RUF001
        ("Réponse: elle aura encore 220 € dans 12 mois.", "220"),
        ("दुकान में 56 थीं। इसलिए, अब 67 हैं।", "67"),
        ("It is what it is.", None),
        ("n is any positive integer", None),
        ("1 and all odd prime numbers", None),
        ("42", None),
        ("2022! - 1", None),
        ("x = 1\ny = 2", None),
        ("(1,\n2)", None),
        ("Alice is 6 and Bob is 7", None),
        ("all even $n$", None),
        ("Yes, $x = 2$ is a solution", None),
        ("A. x^2 + 1", None),
        ("If Alice is 4 and Bob is 5, the sum is 9.", "9"),
        ("There are 5 boys, so there are 12 ways", "12"),
        ("We are done! There are 12 ways.", "12"),
        ("We get\n\\begin{cases}\nx=1\\\\\ny=2\n\\end{cases}", "\\begin{cases} x=1\\\\ y=2 \\end{cases}"),
        ("", None),
    ],
)
def test_a_conclusion_is_what_the_last_sentence_comes_to(text: str, answer: str | None) -> None:
    assert conclusion(text) == answer
    if not text.startswith("Réponse"):
        assert extract(text).rule == "none", "a vote does not read it"


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "unit",
    [
        "\\boxed{",
        "\\",
        "{",
        "{}",
        "\\boxed{1},",
        "answer ",
        "answer is 1 ",
        " ",
        "\\boxed ",
        "$",
        "1",
        "\n",
        "答案",
        "\\boxed{1} and ",
    ],
)
def test_a_megabyte_of_anything_takes_linear_time(unit: str) -> None:
    start = time.process_time()
    extract(unit * (MEGABYTE // len(unit)))
    conclusion(unit * (MEGABYTE // len(unit)))
    assert time.process_time() - start < 30


def test_a_megabyte_of_nested_boxes_takes_linear_time_and_memory() -> None:
    depth = MEGABYTE // 8
    start = time.process_time()
    assert extract("\\boxed{" * depth + "1" + "}" * depth).rule == "box"
    assert time.process_time() - start < 30
