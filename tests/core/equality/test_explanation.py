r"""How a pair was read, what each tier makes of it, and why a pair that nobody decides is undecided."""

import pytest

from stages.core.equality.explanation import Undecided, explained, formulas, reason, side
from stages.core.equality.relations import accepts_extracted


@pytest.mark.parametrize(
    ("gold", "answer", "kind"),
    [
        ("x+" * 200 + "1", "y+" * 200 + "2", Undecided.TOO_LONG),
        (", ".join(f"a^{n}+b" for n in range(70)), ", ".join(f"a^{n}+c" for n in range(70)), Undecided.TOO_LONG),
        ("10^{10^{10}}+1", "x=10^{10^{10}}", Undecided.REFUSED),
        (r"\gcd(2^{100}, a)", r"\gcd(a, 3)", Undecided.REFUSED),
        ("a*/", "b+*", Undecided.UNREADABLE),
    ],
)
def test_a_pair_that_algebra_leaves_undecided_has_its_reason(gold: str, answer: str, kind: Undecided) -> None:
    assert accepts_extracted(gold, answer).equal is None
    assert reason(gold, answer).startswith(f"{kind}: ")


@pytest.mark.parametrize("text", ["(" * 5000, "{" * 3000 + "1" + "}" * 3000, "\\frac" * 400, "", "\ud800", "1," * 5000])
def test_any_text_can_be_explained(text: str) -> None:
    assert explained(text, "1", "different")[-1].startswith("verdict: ")
    assert explained("x", text, "different")[-1].startswith("verdict: ")
    assert reason(text, "x+y").split(":")[0] in list(Undecided)


def test_a_side_is_shown_with_where_its_answer_stands_its_kind_its_parts_and_its_key() -> None:
    boxed = side(r"We add. So it is \boxed{x=1, y=\frac{2}{4}}.")
    assert boxed[1:] == (r"x=1, y=\frac{2}{4}", "box", "a list", ("x = 1", r"y = \frac{2}{4} (exactly 1/2)"), boxed.key)
    assert boxed.key == "{x=1, y=1/2}"
    assert side("The answer is 50%.")[1:4] == ("50%", "statement", "one value")
    assert side("The answer is 50%.").parts == ("50% (exactly 50, unit %)",)
    assert side("We add both. Therefore there are 12 ways.").found_by == "last sentence"
    assert side("(1,2)")[2:4] == ("whole text", "a tuple")
    assert side("").kind == "nothing"


def test_the_tier_that_decides_is_named_and_those_behind_it_are_not_asked() -> None:
    lines = explained("4", "5", "not asked")
    assert "number: decides that they differ" in lines and "evaluated: is not what decides" in lines
    assert lines[-2:] == ["symbolic: is not asked", "verdict: different, decided by number"]


def test_where_only_algebra_can_tell_the_formulas_that_it_compares_are_shown() -> None:
    lines = explained(r"\int x dx", r"\frac{x^2}{2}", "equal")
    assert [line.split(" ")[1] for line in lines if line.startswith("symbolic")] == ["compares", "equal"]
    assert lines[-1] == "verdict: equal, decided by symbolic"
    assert formulas("4", "5") == []
    assert explained(r"\int x dx", r"\frac{x^2}{2}", "timeout")[-1] == "verdict: undecided, timeout"
