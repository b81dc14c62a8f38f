"""What of a content is reasoning where a server has no parser, by the tags of every family that is known."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.reading import answer_of
from stages.core.curation import quality
from stages.core.sampling.channels import is_unparsed, split_reasoning
from stages.core.sampling.markers import FAMILIES, THOUGHTS, TOKENS


@pytest.mark.parametrize("opening", THOUGHTS)
def test_a_thought_in_the_tags_of_any_family_is_reasoning(opening: str) -> None:
    closing = THOUGHTS[opening]
    assert split_reasoning(f"{opening}\nR\n{closing}\n\\boxed{{4}}", None) == ("\\boxed{4}", "R")
    assert split_reasoning(f"R{closing}\\boxed{{4}}", None) == ("\\boxed{4}", "R"), "opened by the prompt"
    assert split_reasoning(f"{opening}R and \\boxed{{5}}", None) == (None, "R and \\boxed{5}"), "it never ended"
    assert split_reasoning(f"{opening}R{closing}4", "theirs") == (f"{opening}R{closing}4", "theirs"), "already apart"
    assert quality.has_stray_tag(f"x{opening}y") and quality.has_stray_tag(f"x{closing}y")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("analysisWe add.assistantfinalThe answer is \\boxed{4}.", ("The answer is \\boxed{4}.", "We add.")),
        ("analysis We add. assistant final 4", ("4", "We add.")),
        ("analysisWe add.assistantanalysisWe check.assistantfinal4", ("4", "We add.\n\nWe check.")),
        ("analysisWe call.assistantcommentary{}assistantfinal4", ("4", "We call.")),
        ("assistantanalysisWe add.assistantfinal4", ("4", "We add.")),
        ("analysisWe add and never", (None, "We add and never")),
        ("<|begin_of_thought|>R<|end_of_thought|>\n<|begin_of_solution|>4<|end_of_solution|>", ("4", "R")),
        ("<|im_start|><think>R</think>4", ("4", "R")),
        ("<think></think>4", ("4", "")),
    ],
)
def test_a_turn_whose_markers_were_dropped_or_wrapped_comes_apart(content: str, parts: tuple[str, str]) -> None:
    assert split_reasoning(content, None) == parts
    assert is_unparsed(content, None)


@pytest.mark.parametrize(
    "content",
    [
        "The answer is \\boxed{4}.",
        "analysis of the problem shows that the answer is 4",
        "final answer: 4",
        "Finally, an assistant finalised it: 4",
        "We <think>R</think> 4",
        "|x| < 3, <x|y> = 4 and a<s>b",
        "",
    ],
)
def test_an_ordinary_text_stays_as_it_is(content: str) -> None:
    assert split_reasoning(content, None) == (content, None)
    assert not is_unparsed(content, None)


@pytest.mark.parametrize("token", sorted(TOKENS))
def test_a_token_of_any_family_in_an_answer_is_a_leak(token: str) -> None:
    assert quality.leaks_control_token(f"The answer is 4.{token}")


@pytest.mark.parametrize(
    "token", ["<|user|>", "<|constrain|>", "<|call|>", "<|fim_middle|>", "<|reserved_special_token_3|>"]
)
def test_a_token_of_a_family_that_is_not_listed_is_known_by_its_form(token: str) -> None:
    assert quality.leaks_control_token(f"x{token}y")


@pytest.mark.parametrize("text", ["<|x|>", "|<a>|", "<|\\psi|>", "a<s>b", "[1] [THINGS]", "<x|A|y>", "a < b | c > d"])
def test_mathematics_is_no_leak(text: str) -> None:
    assert not quality.leaks_control_token(text) and not quality.has_stray_tag(text)


def test_each_family_has_a_source_and_no_marker_says_two_things() -> None:
    assert all(family.source.startswith("https://") and family.name for family in FAMILIES)
    assert not TOKENS & (THOUGHTS.keys() | set(THOUGHTS.values()))
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


PIECES = st.sampled_from(
    [*THOUGHTS, *THOUGHTS.values(), *TOKENS, "analysis", "assistantfinal", "R", " ", "\\boxed{4}", "\n"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_mixture_comes_apart_and_nothing_is_made_up(text: str) -> None:
    content, reasoning = split_reasoning(text, None)
    assert content is None or content in text
    assert reasoning is None or all(part in text for part in reasoning.split("\n\n"))


@pytest.mark.parametrize(
    "filler", ["<", "<|", "<think>", "assistant ", "analysis", "[THINK", "</s", "\n", "<|a", "assistantfinal"]
)
def test_hostile_repetitions_take_linear_time(filler: str) -> None:
    text = "analysisR" + filler * (300_000 // len(filler))
    started = time.process_time()
    split_reasoning(text, None)
    quality.leaks_control_token(text)
    quality.has_stray_tag(text)
    assert time.process_time() - started < 20


def real(name: str, field: str) -> list[str]:
    data = os.environ.get("REASONLITE_TEST_DATA")
    if data is None:
        pytest.skip("REASONLITE_TEST_DATA names no folder of real transcripts")
    with (Path(data) / name).open(encoding="utf-8", newline="\n") as stream:
        found = [json.loads(line)[field] for line in stream]
    return [text for each in found for text in (each if isinstance(each, list) else [each])]


def test_real_thoughts_that_were_never_opened_come_apart() -> None:
    """Of four reasoning models three leave a lone </think>, from tianyi-lab/MiP-Overthinking."""
    texts = real("gen/mip_math52_longcot_4models.jsonl", "response")
    apart = [split_reasoning(text, None) for text in texts if "</think>" in text]
    assert len(apart) == 156 and all(content and reasoning for content, reasoning in apart)
    assert not any("</think>" in f"{content}{reasoning}" for content, reasoning in apart)


def test_real_texts_of_s1_come_apart_and_give_the_answer_that_its_authors_read() -> None:
    texts, read = (real("gen/s1.1-7B_aime24_2x8.jsonl", field) for field in ("responses", "preds"))
    apart = [split_reasoning(text, None) for text in texts]
    assert [answer_of(content) for content, _ in apart] == read and all(reasoning for _, reasoning in apart)


def test_real_solutions_have_no_marker() -> None:
    for name, field in (("gen/qwen25math_math100x8.jsonl", "responses"), ("train/math_train.jsonl", "problem")):
        for text in real(name, field):
            assert not is_unparsed(text, None) and not quality.leaks_control_token(text)
