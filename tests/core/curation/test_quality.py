"""Faults of a trace's text, each on the smallest text that shows it."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.curation import quality
from stages.core.text.normalisation import jaccard
from stages.core.text.repetition import repeated_share

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real transcripts"
)


@pytest.mark.parametrize(("content", "empty"), [(None, True), ("", True), (" \n\t", True), ("42", False)])
def test_nothing_after_the_reasoning_is_empty(content: str | None, empty: bool) -> None:
    assert quality.is_empty(content) == empty


@pytest.mark.parametrize("text", ["42</think>", "R</think>42", "a <think> b", "<think>R2</think>42"])
def test_a_think_tag_in_the_text_is_stray(text: str) -> None:
    assert quality.has_stray_tag(text)
    assert not quality.has_stray_tag("I think so, a < b and c > d.")


@pytest.mark.parametrize("token", quality.CONTROL_TOKENS)
def test_a_control_token_is_a_leak_wherever_it_stands(token: str) -> None:
    assert quality.leaks_control_token(f"42{token}") and quality.leaks_control_token(f"a {token} b")
    assert not quality.leaks_control_token("x<|y|>z and |x| < |y|")


@pytest.mark.parametrize(
    ("content", "conflict"),
    [
        (r"\boxed{42}", False),
        (r"So \boxed{42}. Therefore \boxed{42.0}.", False),
        (r"The roots are \boxed{1} and \boxed{2}.", False),
        (r"$\boxed{1}$, $\boxed{2}$", False),
        (r"It is \boxed{41}. Wait, I forgot one of them, so it has to be \boxed{42}.", True),
        (r"First \boxed{1} and \boxed{2}. On second thought, since x is positive, only \boxed{2}.", True),
        (r"We have \boxed{f(5M) = \frac{10}{3}M}, so that the sum of both is \boxed{13}.", False),
        (r"The equation is $4x = \boxed{\phantom{2}}$. The answer is \boxed{4}.", False),
        (r"It is \boxed{\textbf{(A)}}. No, for x is negative it has to be \boxed{B}.", True),
        (r"It is \boxed{50\%}, which as a share of the whole is \boxed{0.5}.", False),
        (r"It is \boxed{\frac{3}{4}}, or as a decimal number \boxed{.75}.", False),
        (r"It is \boxed{50\%}. No, a third of it is left, so it is \boxed{0.3}.", True),
        (r"First \boxed{3 + 4 = 7}. Then each of these counts twice: \boxed{14}", False),
        (r"We solve for the width, \boxed{x = 12}, and the area has to be \boxed{144}", False),
        (r"Hence \boxed{a=2}. Into the second equation this gives \boxed{b = 3}", False),
        (r"Hence \boxed{x=2}. Wait, the sign is wrong, so we have \boxed{x = 3}", True),
        (r"Hence \boxed{x=2}. In other words the answer is the number \boxed{2}", False),
        ("42", False),
    ],
)
def test_boxes_conflict_when_they_say_different_things(content: str, conflict: bool) -> None:
    assert quality.has_conflicting_boxes(content) == conflict


def test_a_loop_is_repeated_nearly_whole_and_a_proof_nearly_not_at_all() -> None:
    assert repeated_share("we try the next number and see that it fails once more. " * 50) > 0.9
    assert repeated_share(" ".join(f"step {n} gives {n * n}" for n in range(200))) == 0
    assert repeated_share("too short to say") == repeated_share("") == 0


@given(st.text())
def test_shares_are_shares(text: str) -> None:
    assert 0 <= repeated_share(text) <= 1
    assert 0 <= quality.foreign_share(text, "") <= 1


@pytest.mark.parametrize(
    ("text", "prompt", "foreign"),
    [
        ("plain", "", 0),
        ("\u03b1 + \u03b2 = \u03c0, \u2113 \u2208 \u2124, na\u00efve", "", 0),
        ("so \u6240\u4ee5", "", 0.5),
        ("so \u6240\u4ee5", "\u6240?", 0),
        ("\u0438\u0442\u0430\u043a", "\u6240?", 1),
        ("42 = 6 \u00d7 7 \u2714", "", 0),
        ("\u0995\u09b0", "", 1),
        ("\u0995\u0995", "\u0996?", 0),
        ("\u10d0\u10d1 ab", "", 0.5),
        ("\u0b95\u0b95\u0531\u0532", "\u0b99", 0.5),
        ("\u16a0\u1820", "", 1),
        ("\uff76\uff77", "\u30ab", 0),
        ("\U0001d400 \u211d \u2135 \u00b5 \u00e9 \u03a9 \u212a", "", 0),
    ],
    ids=[
        *("ascii", "formulas", "mixed", "the problem's own", "another than the problem's", "no letters", "Bengali"),
        *("Bengali of the problem", "Georgian", "Tamil of the problem and Armenian", "Runes and Mongolian"),
        *("Katakana of half width", "letters of formulas"),
    ],
)
def test_letters_of_a_script_that_the_problem_does_not_use_are_foreign(text: str, prompt: str, foreign: float) -> None:
    assert quality.foreign_share(text, prompt) == pytest.approx(foreign)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The user asks for 6 times 7.", 1),
        ("As an AI language model, according to the instructions, I box it.", 2),
        ("The system prompt says to be brief. The user wants a number.", 2),
        ("The problem asks for x. The prompter of the play is late.", 0),
    ],
)
def test_talk_of_the_prompt_is_counted(text: str, number: int) -> None:
    assert quality.num_meta_phrases(text) == number


def test_sketches_come_near_the_similarity() -> None:
    words = [f"w{number}" for number in range(400)]
    one, other = quality.shingles(" ".join(words[:300])), quality.shingles(" ".join(words[60:]))
    left, right = quality.sketches([one, other])
    assert jaccard(one, one) == 1
    assert left.jaccard(right) == pytest.approx(jaccard(one, other), abs=0.13)


@needs_data
def test_real_transcripts_of_good_models_have_few_faults_and_garbage_is_told() -> None:
    """208 long chains of four models, and 800 answers of which three drift into other scripts at their end."""

    def lines(name: str) -> list[dict[str, object]]:
        with (DATA / f"gen/{name}.jsonl").open(encoding="utf-8", newline="\n") as file:
            return [json.loads(line) for line in file]

    long = [(str(row["problem"]), str(row["response"])) for row in lines("mip_math52_longcot_4models")]
    assert max(repeated_share(text) for _, text in long) < 0.12
    assert max(quality.foreign_share(text, problem) for problem, text in long) < 0.001
    short = [(str(row["problem"]), text) for row in lines("qwen25math_math100x8") for text in row["responses"]]  # type: ignore[attr-defined]
    foreign = sorted(quality.foreign_share(text, problem) for problem, text in short)
    assert foreign[-4] == 0 and min(foreign[-3:]) > 0.05
    assert max(repeated_share(text) for _, text in short) < 0.3
    assert sum(quality.has_conflicting_boxes(text) for _, text in short) == 0
