"""The part of a prompt by which a reader knows it among others: problems of one source often share their wording."""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from itertools import groupby

GRAM = 3
"""Words in a row that are looked for in the other prompts."""
SHARED_BY, FEWEST = 0.2, 4
"""The share of the prompts, and the least number of them, in which such words are wording."""
SHORTEST_CUT = 20
"""Characters of wording that are left out; shorter pieces cost less to read than their absence."""
LONGEST, END = 160, 80
"""Characters of a prompt that are shown, and how many of them are its end, where the question usually stands."""
LEFT_OUT = "…"


def distinguishing(prompts: Sequence[str]) -> list[str]:
    """A line for each prompt of one source: its words without the long runs that many of the prompts share.

    What is still longer than `LONGEST` keeps its beginning and its end. A prompt that is all wording keeps its words.
    """
    split = [prompt.split() for prompt in prompts]
    counts = Counter(gram for words in split for gram in set(_grams(words)))
    least = max(FEWEST, SHARED_BY * len(prompts))
    wording = {gram for gram, number in counts.items() if number >= least}
    return [_cut(_without(words, wording)) for words in split]


def _grams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(len(words) - GRAM + 1):
        yield tuple(words[start : start + GRAM])


def _without(words: Sequence[str], wording: Set[tuple[str, ...]]) -> str:
    """The words with a sign for each long run of them that is covered by wording."""
    covered = [False] * len(words)
    for start, gram in enumerate(_grams(words)):
        if gram in wording:
            covered[start : start + GRAM] = [True] * GRAM
    if all(covered):
        return " ".join(words)
    parts = []
    for is_wording, run in groupby(zip(covered, words, strict=True), key=lambda pair: pair[0]):
        text = " ".join(word for _, word in run)
        parts.append(LEFT_OUT if is_wording and len(text) >= SHORTEST_CUT else text)
    return " ".join(parts)


def _cut(text: str) -> str:
    """The beginning and the end of a text, cut between words where there is a space nearby."""
    if len(text) <= LONGEST:
        return text
    start, end = text[: LONGEST - END], text[-END:]
    whole_start, space, _ = start.rpartition(" ")
    _, other, whole_end = end.partition(" ")
    start = whole_start if space and len(whole_start) > len(start) / 2 else start
    end = whole_end if other and len(whole_end) > len(end) / 2 else end
    return f"{start} {LEFT_OUT} {end}"
