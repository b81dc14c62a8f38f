"""How much of a text repeats its earlier parts."""

REPEATED_WORDS = 12


def repeated_share(text: str) -> float:
    """The share of runs of twelve words that occur earlier: a loop comes close to 1, a proof stays near 0."""
    words = text.split()
    num = len(words) - REPEATED_WORDS + 1
    if num < 2:
        return 0.0
    runs = {tuple(words[start : start + REPEATED_WORDS]) for start in range(num)}
    return 1 - len(runs) / num
