"""Generated word problems with exact answers: bags of things, one step or two.

A problem of one step asks for a product, one of two steps for a product and a sum. Training and exam problems share
their templates by design and differ in their operands: an unordered pair of factors belongs to one side only.
"""

import random
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Literal, NamedTuple

Topic = Literal["one_step", "two_steps"]
Split = Literal["train", "exam"]


class Setting(NamedTuple):
    """Who has what, packed in what."""

    name: str
    container: str
    thing: str


SETTINGS = (
    Setting("Anna", "bags", "apples"),
    Setting("Ben", "boxes", "pens"),
    Setting("Carla", "trays", "cups"),
    Setting("David", "shelves", "books"),
    Setting("Emma", "jars", "coins"),
    Setting("Felix", "rows", "chairs"),
    Setting("Grace", "packs", "cards"),
    Setting("Henry", "baskets", "eggs"),
)
ADDENDS = range(1, 10)


def pairs(lowest: int, highest: int, num_exam_pairs: int, seed: int, split: Split) -> list[tuple[int, int]]:
    """The ordered factor pairs of one side of the split, sorted.

    Unordered pairs in [lowest, highest]**2 are shuffled by `seed`; the first `num_exam_pairs` with two different
    factors are for the exams. Each pair of different factors comes in both orders.

    Raises:
        ValueError: there are not more pairs than the exams take.
    """
    unordered = list(combinations_with_replacement(range(lowest, highest + 1), 2))
    random.Random(seed).shuffle(unordered)
    exam = [pair for pair in unordered if pair[0] != pair[1]][:num_exam_pairs]
    if len(exam) < num_exam_pairs or len(unordered) <= num_exam_pairs:
        raise ValueError(f"num_exam_pairs: {num_exam_pairs} leaves nothing to learn from factors {lowest}..{highest}")
    chosen = exam if split == "exam" else [pair for pair in unordered if pair not in set(exam)]
    return sorted({ordered for a, b in chosen for ordered in ((a, b), (b, a))})


def problem(topic: Topic, a: int, b: int, addend: int, setting: Setting) -> tuple[str, str]:
    """(prompt, gold) of `a` containers with `b` things each, and for two steps `addend` more."""
    name, container, thing = setting
    start = f"{name} has {a} {container} with {b} {thing} in each"
    if topic == "one_step":
        return f"{start}. How many {thing} does {name} have?", str(a * b)
    return f"{start}, and {addend} more {thing}. How many {thing} does {name} have?", str(a * b + addend)


def problems(topic: Topic, factor_pairs: Sequence[tuple[int, int]], seed: int) -> list[tuple[str, str]]:
    """(prompt, gold) for each pair; setting and addend depend on `seed`, topic and pair alone, not on the order."""
    rows = []
    for a, b in factor_pairs:
        rng = random.Random(f"{seed} {topic} {a} {b}")
        rows.append(problem(topic, a, b, rng.choice(ADDENDS), rng.choice(SETTINGS)))
    return rows
