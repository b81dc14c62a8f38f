r"""Explanation: how both sides of a pair were read, what each tier makes of them, and why a pair stays undecided.

Nothing here decides: the verdicts are those of `relations`, and of the workers that run its symbolic tier.
"""

from enum import StrEnum
from typing import NamedTuple

from stages.core.answers import forms
from stages.core.answers.brackets import SET
from stages.core.answers.conclusions import payload
from stages.core.answers.extraction import extract
from stages.core.answers.forms import CASES, CYCLES, EITHER, FAMILY, LIST, MATRIX, ROW, SCALAR, TUPLE
from stages.core.answers.keys import canonical
from stages.core.answers.quantities import quantity
from stages.core.equality.comparison import MAX_UNORDERED, Rules, compare
from stages.core.equality.relations import Decision, Tier, accepts_extracted
from stages.core.equality.symbolic import check

_KINDS = {
    SCALAR: "one value",
    LIST: "a list",
    SET: "a set",
    TUPLE: "a tuple",
    MATRIX: "a matrix",
    EITHER: "statements of which one holds",
    ROW: "a row of numbers",
    CYCLES: "cycles of a permutation",
    CASES: "cases with conditions",
    FAMILY: "a family with an integer k, and what k may be",
}
_TOO_LONG = ("longer than", "more than", "lists too long")
"""How the messages of `check` begin that speak of a length."""


class Undecided(StrEnum):
    """Why no tier decides a pair: `REFUSED` could take for ever, `TIMEOUT` went over its limits of time or memory."""

    TOO_LONG = "too long"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    TIMEOUT = "timeout"


class Side(NamedTuple):
    """How one side of a pair is read."""

    given: str
    answer: str
    """The answer inside `given`."""
    found_by: str
    """A box, a statement, the last sentence, or the whole text."""
    kind: str
    parts: tuple[str, ...]
    """Each with its name, exact value and unit, where it has them."""
    key: str


def side(given: str) -> Side:
    """How a response or a bare answer is read."""
    extracted, answer = extract(given), payload(given)
    found_by = {"box": "box", "stated": "statement"}.get(extracted.rule, "whole text")
    if answer != extracted.answer and answer != given:
        found_by = "last sentence"
    form = forms.read(answer)
    kind = _KINDS.get(form.brackets, f"an interval or a list in {form.brackets}") if form.parts else "nothing"
    parts = tuple(_part(name, part) for name, part in zip(form.names, form.parts, strict=True))
    return Side(given, answer, found_by, kind, parts, canonical(answer))


def _part(name: str, part: str) -> str:
    measured = quantity(part)
    notes = (
        [f"exactly {_short(str(measured.value))}"] if measured.value is not None and str(measured.value) != part else []
    )
    notes += [f"unit {measured.unit}"] if measured.unit else []
    return (f"{name} = {part}" if name else part) + (f" ({', '.join(notes)})" if notes else "")


def _short(digits: str) -> str:
    return digits if len(digits) <= 60 else f"{digits[:20]}... of {len(digits)} digits"


def formulas(gold: str, answer: str, lenient: bool = True) -> list[tuple[str, str]]:
    """The pairs of formulas that the comparison of two extracted answers comes down to; none where structure decides.

    `lenient` compares as `accepts` does, else as `same` does.

    Raises:
        RecursionError: they are nested too deep.
    """
    found: list[tuple[str, str]] = []

    def note(one: str, other: str) -> None:
        found.append((one, other))

    left = extract(gold).answer or gold if lenient else gold
    compare(forms.read(left), forms.read(answer), Rules(lenient, note))
    return found


def reason(gold: str, answer: str, lenient: bool = True) -> str:
    """Why algebra could neither tell that two extracted answers are equal nor that they differ, but for a timeout.

    It starts with a value of `Undecided`; a detail follows behind a colon. `lenient` as in `formulas`.
    """
    try:
        pairs = formulas(gold, answer, lenient)
        for formula in (each for pair in pairs for each in pair):
            check(formula)
    except RecursionError:
        return f"{Undecided.UNREADABLE}: nested too deep"
    except ValueError as error:
        message = str(error)
        if message.startswith(_TOO_LONG):
            return f"{Undecided.TOO_LONG}: {message}"
        kind = Undecided.REFUSED if message.endswith("not evaluated") else Undecided.UNREADABLE
        return f"{kind}: {message}"
    if not pairs and max(len(forms.read(text).parts) for text in (gold, answer)) > MAX_UNORDERED:
        return f"{Undecided.TOO_LONG}: lists of more than {MAX_UNORDERED} parts are compared by their keys alone"
    return f"{Undecided.UNREADABLE}: algebra cannot read a side, or cannot compare the two"


def explained(gold: str, prediction: str, algebra: str) -> list[str]:
    """Lines that tell how both sides were read and what each tier makes of them.

    Args:
        gold: as it was given.
        prediction: as it was given; either may be a whole response.
        algebra: what the symbolic tier makes of the pair where it is asked: "equal", "different", or why it is neither.
    """
    sides = side(gold), side(prediction)
    decision = accepts_extracted(sides[0].answer, sides[1].answer)
    lines = [line for name, each in zip(("gold", "prediction"), sides, strict=True) for line in _side_lines(name, each)]
    lines.append(f"text: the keys {'are equal' if sides[0].key == sides[1].key != '' else 'differ'}")
    lines += [f"{tier}: {_tier(tier, decision)}" for tier in Tier if tier not in (Tier.TEXT, Tier.SYMBOLIC, Tier.LLM)]
    if decision.equal is None:
        lines += [f"symbolic: compares {one} with {other}" for one, other in _asked(*(each.answer for each in sides))]
        lines.append(f"symbolic: {algebra}")
        verdict = f"{algebra}, decided by symbolic" if algebra in ("equal", "different") else f"undecided, {algebra}"
    else:
        lines.append("symbolic: is not asked")
        verdict = f"{'equal' if decision.equal else 'different'}, decided by {decision.tier}"
    return [*lines, f"verdict: {verdict}"]


def _side_lines(name: str, read: Side) -> list[str]:
    return [
        f"{name}: {read.given}",
        f"    answer: {read.answer} (from the {read.found_by})",
        f"    read as: {read.kind}" + "".join(f"\n        {part}" for part in read.parts),
        f"    key: {read.key}",
    ]


def _tier(tier: Tier, decision: Decision) -> str:
    if decision.tier == tier:
        return f"decides that they {'are equal' if decision.equal else 'differ'}"
    return "does not decide" if decision.equal is None else "is not what decides"


def _asked(gold: str, answer: str) -> list[tuple[str, str]]:
    try:
        return formulas(gold, answer)
    except RecursionError:
        return []
