"""Proofs: problems that demand one, and ask for nothing that an answer could be compared with."""

import re

_SENTENCE = re.compile(r"(?<=[.?!:;])\s+|\n\s*\n")
_VERB = r"(?:prove|show|demonstrate)\s+that\b"
_LEAD = (
    r"^\W*+(?:(?:[a-z0-9]{1,3}[).]|please|hence|then|thus|also|now|further(?:more)?|moreover|finally|next|first|"
    r"therefore|problem|exercise)\W++)*+"
)
"""What may stand before the first word that counts: a number, a letter, "Hence"."""
_DEMAND = re.compile(
    rf"{_LEAD}{_VERB}|[,;]\s*(?:\w+\s+)?{_VERB}|\b(?:and|then|hence|please|must)\s+{_VERB}"
    rf"|{_LEAD}(?:use|using|apply|try|by)\b.*\bto\s+{_VERB}|\b(?:can|could|would)\s+you\s+(?:please\s+)?{_VERB}",
    re.IGNORECASE | re.DOTALL,
)
"""A verb that commands, rather than one with a subject: "Records show that ..."."""
_TASK = re.compile(
    rf"(?:{_LEAD}|,\s*(?:and\s+)?|\b(?:and|then|also)\s+)(?:(?:find|give)(?!\s+(?:a|the)\s+proof)|determine|compute|calculate"
    r"|evaluate|solve(?!\s+(?:the|this|each)(?:\s+\w+)?\s+(?:problem|exercise|question|task))|state|express|simplify"
    r"|what\s+is|how\s+many|how\s+much)\b",
    re.IGNORECASE,
)


def asks_for_proof(prompt: str) -> bool:
    """Whether a problem demands a proof and asks for no value besides.

    "Show that" may stand inside a question ("What is the least n for which one can show that ..."), or beside a task
    ("Find all n, and prove that there are no others"): these have an answer that can be compared.
    """
    sentences = _SENTENCE.split(prompt)
    demands = [_DEMAND.search(each) is not None for each in sentences]
    is_asked = any(
        _TASK.search(each) or (each.rstrip().endswith("?") and not demand)
        for each, demand in zip(sentences, demands, strict=True)
    )
    return any(demands) and not is_asked
