r"""Real golds, rewritten so that they stay right, and changed so that they do not."""

import json
import os
import random
import re
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.answers.conclusions import payload
from stages.core.answers.forms import LIST, TUPLE, read
from stages.core.answers.keys import canonical
from stages.core.equality.relations import accepts_extracted, accepts_symbolically, same_cheaply

pytestmark = pytest.mark.no_cover

Rewrite = Callable[[str], str | None]
SAMPLE = 400
"""Golds that each rewrite and each mutation is counted on; hypothesis draws from all."""
FRACTION = re.compile(r"\\d?frac\{(\d+)\}\{(\d+)\}")
INTEGER = re.compile(r"-?[1-9]\d*|0")


@cache
def golds() -> list[str]:
    root = os.environ.get("REASONLITE_TEST_DATA")
    if not root:
        pytest.skip("REASONLITE_TEST_DATA names no folder of test data")
    found: dict[str, None] = {}
    for name in ("math_train", "deepscaler_sample5k", "aime_1983_2023"):
        for line in Path(root, "train", f"{name}.jsonl").read_text(encoding="utf-8").split("\n"):
            gold = str(json.loads(line)["answer"]) if line else ""
            if 0 < len(gold) < 200 and r"\boxed" not in gold:
                found[gold] = None
    return list(found)


def integer(rewrite: Callable[[str], str]) -> Rewrite:
    return lambda gold: rewrite(gold) if INTEGER.fullmatch(gold) else None


def fraction(rewrite: Callable[[str, str], str]) -> Rewrite:
    def apply(gold: str) -> str | None:
        match = FRACTION.fullmatch(gold)
        return rewrite(match[1], match[2]) if match else None

    return apply


def replacing(pattern: str, by: str) -> Rewrite:
    return lambda gold: re.sub(pattern, by, gold) if re.search(pattern, gold) else None


def around(template: str, unless: str = r"$^") -> Rewrite:
    return lambda gold: None if re.search(unless, gold) else template.replace("GOLD", gold)


def sized(gold: str) -> str | None:
    if not re.search(r"[(\[]", gold) or re.search(r"left|sqrt\[|\\\\\[", gold):
        return None
    return re.sub(r"(?<!\\)([)\]])", r"\\right\1", re.sub(r"(?<!\\)([(\[])", r"\\left\1", gold))


def backwards(gold: str) -> str | None:
    form = read(gold)
    is_list = form.brackets == LIST and not any(form.names) and r"\pm" not in gold
    return ", ".join(reversed(form.parts)) if is_list else None


KEEPING: dict[str, Rewrite] = {
    "box": around(r"\boxed{GOLD}"), "box in a sentence": around(r"So we find \boxed{GOLD}."),
    "dollars": around("$GOLD$", r"\$"),
    "round math": around(r"\(GOLD\)", r"\$"), "stop": around("GOLD."), "space": around(" GOLD "),
    "line end": around("GOLD\n"),
    "thin spaces": around(r"\,GOLD\,"), "thick space": around(r"GOLD\;"), "braces": around("{GOLD}"),
    "a stray brace": around("GOLD}"),
    "colour": around(r"\color{red}{GOLD}"), "text colour": around(r"\textcolor{blue}{GOLD}"),
    "Large": around(r"\Large GOLD"),
    "display style": around(r"\displaystyle GOLD"), "bold": around(r"\mathbf{GOLD}", r"\\begin"),
    "bold symbol": around(r"\boldsymbol{GOLD}"),
    "tag": around("<answer>GOLD</answer>"), "statement": around("The final answer is $GOLD$.", r"\$"),
    "answer": around("Answer: $GOLD$", r"\$"),
    "dfrac": replacing(r"\\frac", r"\\dfrac"), "tfrac": replacing(r"\\frac", r"\\tfrac"),
    "cfrac": replacing(r"\\frac", r"\\cfrac"),
    "over": replacing(r"(?<!\\)\\frac\{(\d+)\}\{(\d+)\}", r"{\1 \\over \2}"), "times": replacing(r"\\cdot", r"\\times"),
    "Greek pi": replacing(r"\\pi(?![a-zA-Z])", "\u03c0"), "long minus": replacing("-", "\u2212"),
    "left and right": sized,
    "root sign": lambda gold: re.sub(r"\\sqrt\{(\d+)\}", "\u221a\\1", gold) if re.fullmatch(r"\d*\\sqrt\{\d+\}",
    gold) else None,
    "backwards": backwards, "slash": fraction(lambda a, b: f"{a}/{b}"), "doubled": fraction(lambda a,
    b: rf"\frac{{{2 * int(a)}}}{{{2 * int(b)}}}"),
    "about": fraction(lambda a, b: rf"\frac{{{a}}}{{{b}}} \approx 1.234"), "x=": integer(lambda n: f"x={n}"),
    "N =": integer(lambda n: f"N = {n}"),
    "point zero": integer(lambda n: f"{n}.0"), "brackets": integer(lambda n: f"({n})"),
    "plus": integer(lambda n: n if n[0] == "-" else f"+{n}"),
    "cm": integer(lambda n: rf"{n}\text{{ cm}}"), "km/h": integer(lambda n: rf"{n}\ \mathrm{{km/h}}"),
    "N": integer(lambda n: rf"{n}\text{{ N}}"),
    "square units": integer(lambda n: rf"{n} \text{{ square units}}"),
    "because": integer(lambda n: f"The answer is {n}, because we counted."),
    "choice": integer(lambda n: rf"\textbf{{(B) }}{n}"), "thousands": integer(lambda n: f"{int(n):,}"),
    "braced thousands": integer(lambda n: f"{int(n):,}".replace(",", "{,}")),
    "text": lambda gold: rf"\text{{{gold}}}" if not re.search(r"[\\$]", gold) else None,
}  # fmt: skip


def bumped(gold: str) -> str | None:
    """Another digit in one place."""
    places = [match.start() for match in re.finditer(r"\d", gold)]
    if not places:
        return None
    draw = random.Random(gold)
    place = draw.choice(places)
    return f"{gold[:place]}{(int(gold[place]) + draw.randrange(1, 9)) % 10}{gold[place + 1 :]}"


def other(unless: str, rewrite: Callable[[str], str]) -> Rewrite:
    """An integer changed, unless it is one that the change keeps."""
    return lambda gold: rewrite(gold) if INTEGER.fullmatch(gold) and gold not in unless.split(" ") else None


def turned(gold: str) -> str | None:
    form = read(gold)
    changes = (
        form.brackets == TUPLE
        and not any(form.names)
        and canonical(gold) != canonical(f"({', '.join(form.parts[::-1])})")
    )
    return f"({', '.join(form.parts[::-1])})" if changes else None


def other_bracket(gold: str) -> str | None:
    form = read(gold)
    is_pair = form.brackets in ("()", "[]", "[)", "(]") and len(form.parts) == 2 and gold[-1] in ")]"
    return gold[:-1] + {")": "]", "]": ")"}[gold[-1]] if is_pair else None


def shortened(gold: str) -> str | None:
    form = read(gold)
    is_list = form.brackets == LIST and not any(form.names) and len(set(map(canonical, form.parts))) > 1
    return ", ".join(form.parts[1:]) if is_list else None


CHANGING: dict[str, Rewrite] = {
    "a digit": bumped, "sign": other("0", lambda n: n[1:] if n[0] == "-" else f"-{n}"), "next": other("",
    lambda n: str(int(n) + 1)),
    "inverted": fraction(lambda a, b: rf"\frac{{{b}}}{{{a}}}" if a != b else "1/7"), "turned": turned,
    "bracket": other_bracket,
    "shortened": shortened, "no root": lambda gold: re.sub(r"\\sqrt\{(\d+)\}", r"(\1)",
    gold) if re.fullmatch(r"\d*\\sqrt\{\d+\}", gold) and "{1}" not in gold else None,
    "prime": other("", lambda n: f"{n}'"), "below one": other("1 -1 0", lambda n: rf"\frac{{1}}{{{n}}}"),
    "squared": other("0 1", lambda n: f"({n})^2"),
    "times x": other("", lambda n: f"{n}x"), "percent": other("0", lambda n: rf"{n}\%"), "times pi": other("0",
    lambda n: rf"{n}\pi"),
    "factorial": other("1 2", lambda n: f"({n})!"), "tenfold": other("0", lambda n: f"{n}0"), "imaginary": other("0",
    lambda n: f"{n}i"),
    "either sign": other("0", lambda n: rf"\pm {n}"), "base": lambda gold: f"{gold}_7" if re.fullmatch("[1-6]{2,}",
    gold) else None,
    "apart": lambda gold: f"{gold[0]} {gold[1:]}" if re.fullmatch(r"\d{2,3}|[1-9]\d{4,}", gold) else None,
    "a pair": lambda gold: f"{gold[0]}, {gold[1:]}" if re.fullmatch(r"\d{2,}", gold) else None,
    "a point": lambda gold: f"{gold[0]}.{gold[1:]}" if re.fullmatch(r"[1-9]\d+", gold) else None,
    "whole part": fraction(lambda a, b: rf"\lfloor\frac{{{a}}}{{{b}}}\rfloor" if int(a) % int(b) else "1/7"),
    "another name": lambda gold: gold.replace("x=", "y=", 1) if gold.startswith("x=") else None,
    "strict": lambda gold: re.sub(r"\\le(?:q|qslant)?(?![a-zA-Z])", "<", gold,
    count=1) if re.search(r"\\le(?:q|qslant)?(?![a-zA-Z])", gold) else None,
    "half": other("0", lambda n: rf"\frac{{{n}}}{{2}}"),
}  # fmt: skip


def accepted(gold: str, prediction: str) -> bool:
    said = payload(prediction)
    equal = accepts_extracted(gold, said).equal
    if equal is None:
        try:
            equal = accepts_symbolically(gold, said)
        except (ValueError, TimeoutError):
            return False
    return equal


def drawn() -> list[str]:
    return random.Random(0).sample(golds(), SAMPLE)


def test_rewrites_that_keep_a_gold_are_accepted() -> None:
    made = [(gold, text) for gold in drawn() for rewrite in KEEPING.values() if (text := rewrite(gold)) is not None]
    refused = [pair for pair in made if not accepted(*pair)]
    assert len(refused) <= len(made) / 1_000, refused


def test_mutations_that_change_a_gold_are_neither_accepted_nor_joined() -> None:
    made = [
        (gold, text) for gold in drawn() for change in CHANGING.values() if (text := change(gold)) not in (None, gold)
    ]
    credited = [
        (gold, text)
        for gold, text in made
        if text and (accepts_extracted(gold, text).equal or same_cheaply(gold, text).equal)
    ]
    assert credited == []


@settings(max_examples=200)
@given(st.data())
def test_no_rewrite_of_any_gold_is_refused_outright(data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(golds()))
    text = KEEPING[data.draw(st.sampled_from(list(KEEPING)))](gold)
    assert text is None or accepts_extracted(gold, payload(text)).equal is not False, text


def test_voting_joins_no_two_answers_through_a_third() -> None:
    """`same` is an equivalence on what a benchmark's problems are answered with, in all their spellings."""
    for gold in random.Random(1).sample(golds(), 60):
        spellings = [gold, *(text for rewrite in KEEPING.values() if (text := rewrite(gold)) is not None)]
        changed = [text for change in CHANGING.values() if (text := change(gold)) is not None]
        answers = list(
            dict.fromkeys([canonical(payload(text)) for text in spellings[:40:3]] + spellings[:12] + changed)
        )
        same = {(a, b): same_cheaply(a, b).equal for a in answers for b in answers}
        for a, b in combinations(answers, 2):
            assert same[a, b] == same[b, a]
        broken = [
            (a, b, c)
            for a in answers
            for b in answers
            if same[a, b]
            for c in answers
            if same[b, c] and same[a, c] is False
        ]
        assert not broken


NAMED = [
    "5",
    "x=5",
    "y=5",
    "n=5",
    "5 cm",
    "x=5 cm",
    r"5\%",
    "0.05",
    r"\{5\}",
    "5.0",
    "AB=5",
    "(5)",
    "y = 5.0",
    "500 mm",
]


def test_a_name_or_a_unit_bridges_no_two_answers() -> None:
    same = {(a, b): same_cheaply(a, b).equal for a in NAMED for b in NAMED}
    assert all(same[a, a] for a in NAMED if canonical(a))
    assert not [(a, b, c) for a in NAMED for b in NAMED for c in NAMED if same[a, b] and same[b, c] and not same[a, c]]
