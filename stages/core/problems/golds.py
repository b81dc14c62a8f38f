r"""Golds: the answers of sources, normalised, and whether they can be graded."""

import re
from itertools import accumulate

from stages.core.answers.conclusions import payload
from stages.core.answers.extraction import extract
from stages.core.answers.keys import agree, canonical
from stages.core.problems.proofs import asks_for_proof

MIN_GOLD_CHARS = 3
"""A shorter number stands in many a problem by chance."""

_PLACEHOLDERS = re.compile(
    r"nan|null|n/a|n\.a\.|tbd|todo|unknown|unavailable|omitted|missing"
    r"|(?:the )?answer (?:is )?(?:unknown|omitted|missing)"
    r"|none given|no (?:final )?answer (?:is )?(?:given|provided|available)"
    r"|(?:answer )?not (?:available|applicable|provided|given|known|specified|stated)"
    r"|(?:the )?proof(?: (?:omitted|given|needed|required))?|(?:the )?(?:solution|proof|answer) (?:above|below)"
    r"|(?:please )?(?:see|refer to|cf\.?|check|given in|in) (?:the )?(?:(?:full|official|above|attached) )?"
    r"(?:solutions?|explanations?|proofs?|answers?|attachments?|figures?|diagrams?|above|below)(?: (?:above|below))?"
    r"|(?:答案|证明)?略|见(?:解析|答案|详解|解答)|暂?无(?:答案|解析)|未知",
    re.IGNORECASE,
)
"""What sources write where they have no answer. "No solution" and "undefined" are answers."""
_EXPORTED = ("None", "NA")
"""Python's and R's words for nothing, by this very spelling. `\\text{None}` is an answer."""
_YES_OR_NO = re.compile(r"yes|no|true|false|是|否|对|错", re.IGNORECASE)
_IN_WORDS = re.compile(r"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}]*)\}")
_SYSTEM = re.compile(r"\\\{\s*\\begin|\\right\s*\.")
_WHOLE_DOLLARS = re.compile(r"^\$+([^$]*)\$+$")
_WHOLE_BOX = re.compile(r"^\\boxed\{(.*)\}$", re.DOTALL)
_DAMAGED = re.compile(r"^[\^_=]|[\^_/=\\]$|(?<![\^_])[-+*]$")
"""Cut off at either end. A sign may be raised or lowered: `\\mathbb{R}^+` is whole."""
_LETTER = re.compile(r"\W*(?:\\(?:text|textbf|mathrm|mathbf)\W*)?([A-E])\W*")
_CHOICES = re.compile(r"(?:[({]\s*([A-E])\s*[)}]|(?:^|[\s,;$])([A-E])\s*[.):])")


def normalise_gold(gold: str) -> str:
    r"""A gold without the `$...$` or `\boxed{...}` around all of it, and without the degree sign AIME copies carry.

    `gold` is a text from `identity.normalise`.
    """
    text = gold
    for whole in (_WHOLE_DOLLARS, _WHOLE_BOX, _WHOLE_DOLLARS):
        if (match := whole.match(text)) and _is_balanced(match.group(1)):
            text = match.group(1).strip()
    return re.sub(r"^(-?\d+)\s*\^\s*\{?\\circ\}?$", r"\1", text)


def _is_balanced(text: str) -> bool:
    r"""Whether no brace closes before it opens: of `\boxed{1} and \boxed{2}`, the outer two braces are no pair."""
    return min(accumulate((char == "{") - (char == "}") for char in text), default=0) >= 0


def ungradable_reason(prompt: str, gold: str | None) -> str | None:
    """Why no answer could be graded against this gold, or None where one can."""
    if not gold or is_placeholder(gold):
        return "missing"
    if asks_for_proof(prompt):
        return "proof"
    if _DAMAGED.search(gold) or not _is_whole(gold):
        return "damaged"
    if _is_choice_without_choices(prompt, gold):
        return "choice"
    return None if _accepts_itself(gold) else "unreadable"


def is_placeholder(gold: str) -> bool:
    """Whether this is what a source writes where it has no answer: nan, N/A, unknown, "see solution"."""
    return gold in _EXPORTED or _PLACEHOLDERS.fullmatch(_words(gold)) is not None


def is_yes_or_no(gold: str | None) -> bool:
    """Whether a gold is one of two words, so that every second guess is right."""
    return gold is not None and _YES_OR_NO.fullmatch(_words(gold)) is not None


def _words(gold: str) -> str:
    """A gold of words without its LaTeX, its brackets and its full stop."""
    return " ".join(_IN_WORDS.sub(r"\1", gold).split()).strip("$ .()[]*_\"'<>")


def _is_whole(gold: str) -> bool:
    r"""Whether all braces and environments are closed. The brace ``\{`` of a system of equations needs no partner."""
    text = gold.replace(r"\\", " ")
    groups = text.replace(r"\{", "").replace(r"\}", "")
    if groups.count("{") != groups.count("}") or text.count(r"\begin") != text.count(r"\end"):
        return False
    num_open = text.count(r"\{") - text.count(r"\}")
    return 0 <= num_open <= len(_SYSTEM.findall(text)) or 0 <= -num_open <= len(re.findall(r"\\left\s*\.", text))


def _is_choice_without_choices(prompt: str, gold: str) -> bool:
    letter = _LETTER.fullmatch(gold)
    if letter is None:
        return False
    offered = {first or second for first, second in _CHOICES.findall(prompt)}
    # A point, a set or a letter of the problem may be the answer too; "A train" names none.
    named = rf"{letter[1]}(?![a-z'\u2019])" + (r"(?!\s[a-z])" if letter[1] == "A" else "")
    return letter[1] not in offered and re.search(named, prompt) is None


def _accepts_itself(gold: str) -> bool:
    """Whether the gold, put into a box, is read as the same answer."""
    if not canonical(gold):
        return False
    answer = extract(f"\\boxed{{{gold}}}").answer
    return answer is not None and agree(payload(gold), answer)


def is_in_prompt(prompt: str, gold: str | None) -> bool:
    """Whether a problem contains its own answer: in a box or statement, as its last words, or as a long number.

    Copies of AIME 2024 were published so (AIME-Preview#4). It is a flag, for a long number may stand there by right.
    """
    if not gold:
        return False
    stated = extract(prompt).answer
    if stated is not None and agree(payload(gold), stated):
        return True
    last = re.split(r"[.?!]\s+|\n", prompt.strip(" .$\n"))[-1].strip(" .$")
    if last == gold and last != prompt:
        return True
    if len(gold) < MIN_GOLD_CHARS or not re.fullmatch(r"\d+", gold):
        return False
    return re.search(rf"(?<![\d.,]){gold}(?![\d]|[.,]\d)", prompt) is not None
