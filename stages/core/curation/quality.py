"""Quality filters on a trace's text: pure functions of the text, each with a reason and a threshold in curation."""

import re

import regex
from rensa import RMinHash

from stages.core.answers.boxes import boxed
from stages.core.answers.keys import agree, canonical, is_numeric
from stages.core.text.normalisation import runs

CONTROL_TOKENS = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|channel|>", "<|message|>", "<|start|>", "<|end|>"),
    *("<|return|>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
)
"""Tokens of chat formats: in an answer's text they are a leak, and would end a student's turn early."""
SHINGLE = 5
NUM_PERM, SEED = 128, 1
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_META = re.compile(
    r"\b(?:as an? (?:ai|language model)|(?:the|this) (?:system|developer) (?:prompt|message)|the (?:user|prompt) "
    r"(?:wants|asks|says|asked|said|is asking|gave|provided|requests)|(?:according to|per) (?:the )?instructions|"
    r"the instructions? (?:say|says|is|are|require)|openai|chatgpt|knowledge cutoff|policy)\b",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"\W*(?:\\text\w*\W*)?[A-E]\W*")
_SCRIPTS = [
    regex.compile(rf"[\p{{L}}&&\p{{Script={name}}}]", regex.V1)
    for name in ("Cyrillic", "Han", "Hiragana", "Katakana", "Hangul", "Arabic", "Hebrew", "Devanagari", "Thai")
]
"""Letters of a script each. Latin and Greek belong to formulas in any language."""


def is_empty(content: str | None) -> bool:
    """Whether nothing comes after the reasoning."""
    return not content or not content.strip()


def has_stray_tag(text: str) -> bool:
    """Whether a text has a think tag: reasoning that was not closed, or closed twice."""
    return "<think>" in text or "</think>" in text


def leaks_control_token(text: str) -> bool:
    """Whether a text has a token of a chat format."""
    return "<|" in text and any(token in text for token in CONTROL_TOKENS)


def has_conflicting_boxes(content: str) -> bool:
    """Whether the boxes of an answer give different numbers or choices. Side by side, or joined by "and", they are one.

    A step that is boxed too, such as an equation, is no second answer.
    """
    answers = boxed(content)
    return len(answers) > 1 and any(_contradict(each, answers[-1]) for each in answers[:-1])


def _contradict(one: str, other: str) -> bool:
    if _CHOICE.fullmatch(one) and _CHOICE.fullmatch(other):
        return canonical(one) != canonical(other)
    return is_numeric(one) and is_numeric(other) and not agree(one, other)


def foreign_share(text: str, prompt: str) -> float:
    """The share of letters in a script that the problem does not use; Latin and Greek belong to any formula."""
    if text.isascii():
        return 0.0
    non_ascii = "".join(_NOT_ASCII.findall(text))
    foreign = sum(len(script.findall(non_ascii)) for script in _SCRIPTS if not script.search(prompt))
    return foreign / max(1, sum(map(str.isalpha, text)))


def num_meta_phrases(text: str) -> int:
    """How often a trace mentions its prompt, its instructions or itself instead of the problem."""
    return len(_META.findall(text))


def shingles(text: str) -> set[str]:
    """Runs of five words."""
    return runs(text.split(), SHINGLE)


def sketches(texts: list[set[str]]) -> list[RMinHash]:
    """MinHash sketches of sets of shingles (Broder, 1997), whose `jaccard` is off by some hundredths."""
    return list(RMinHash.from_token_sets([sorted(each) for each in texts], NUM_PERM, SEED))
