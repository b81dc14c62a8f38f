"""Quality filters on a trace's text: pure functions of the text, each with a reason and a threshold in curation."""

import re
from collections import Counter
from functools import lru_cache

import regex
from rensa import RMinHash

from stages.core.answers.boxes import boxed
from stages.core.answers.keys import agree, canonical, is_numeric
from stages.core.sampling import markers
from stages.core.text.normalisation import runs

CONTROL_TOKENS = tuple(sorted(markers.TOKENS))
"""Tokens of chat formats, of all families that are known."""
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
_FOREIGN = regex.compile(r"[\p{L}--[\p{Script=Latin}\p{Script=Greek}\p{Script=Common}\p{Script=Inherited}]]", regex.V1)
"""Letters of every other script (Unicode Standard Annex #24): Latin and Greek belong to formulas in any language, and a
letter that no script has to itself, such as a double-struck R, is a sign."""
_SCRIPTS = {
    name: regex.compile(rf"\p{{Script={name}}}")
    for name in (
        *("Arabic", "Armenian", "Bengali", "Bopomofo", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Gujarati"),
        *("Gurmukhi", "Han", "Hangul", "Hebrew", "Hiragana", "Kannada", "Katakana", "Khmer", "Lao", "Malayalam"),
        *("Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan"),
    )
}
"""The scripts in wide use today (Unicode Standard Annex #31, table 5). All others are one more class."""


def is_empty(content: str | None) -> bool:
    """Whether nothing comes after the reasoning."""
    return not content or not content.strip()


def has_stray_tag(text: str) -> bool:
    """Whether a text has a tag of a thought, of any family: reasoning that was not closed, or closed twice."""
    return markers.TAG.search(text) is not None


def leaks_control_token(text: str) -> bool:
    """Whether a text has a token of a chat format: a leak, which would end a student's turn early."""
    return markers.TOKEN.search(text) is not None


def has_conflicting_boxes(content: str) -> bool:
    """Whether the boxes of an answer give different numbers or choices. Side by side, or joined by "and", they are one.

    Numbers are compared by value: 50% and 0.5 are one. A step that is boxed too, which is an equation, is no second
    answer, unless the last box is an equation with the same left side.
    """
    answers = boxed(content)
    return len(answers) > 1 and any(_contradict(each, answers[-1]) for each in answers[:-1])


def _contradict(one: str, last: str) -> bool:
    if _CHOICE.fullmatch(one) and _CHOICE.fullmatch(last):
        return canonical(one) != canonical(last)
    if "=" in one and _left_side(one) != _left_side(last):
        return False
    return is_numeric(one) and is_numeric(last) and not agree(one, last)


def _left_side(answer: str) -> str | None:
    """What stands before the last equals sign, without blanks; None for what is no equation."""
    left, sign, _ = answer.rpartition("=")
    return "".join(left.split()) if sign else None


def foreign_share(text: str, prompt: str) -> float:
    """The share of letters in a script that the problem does not use; Latin and Greek belong to any formula."""
    if text.isascii():
        return 0.0
    letters = Counter(_FOREIGN.findall("".join(_NOT_ASCII.findall(text))))
    own = {_script(letter) for letter in set(_FOREIGN.findall(prompt))} if letters else set()
    foreign = sum(number for letter, number in letters.items() if _script(letter) not in own)
    return foreign / max(1, sum(map(str.isalpha, text)))


@lru_cache(maxsize=10_000)
def _script(letter: str) -> str:
    """The script of a letter that `_FOREIGN` matches; "" for one that is not in wide use."""
    return next((name for name, letters in _SCRIPTS.items() if letters.match(letter)), "")


def num_meta_phrases(text: str) -> int:
    """How often a trace mentions its prompt, its instructions or itself instead of the problem."""
    return len(_META.findall(text))


def shingles(text: str) -> set[str]:
    """Runs of five words."""
    return runs(text.split(), SHINGLE)


def sketches(texts: list[set[str]]) -> list[RMinHash]:
    """MinHash sketches of sets of shingles (Broder, 1997), whose `jaccard` is off by some hundredths."""
    return list(RMinHash.from_token_sets([sorted(each) for each in texts], NUM_PERM, SEED))
