r"""Identities: whether two formulas are the same, decided by their values.

Two expressions are evaluated at a few fixed points to many digits. Where the values differ the expressions differ;
where they agree at all points, to many more digits than chance explains, they are taken as equal (the randomised
identity test of Schwartz and Zippel, with points independent of the expressions). It takes less than a
millisecond where a computer algebra system takes fifty, and cannot hang: what is large is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mpmath

from stages.core.equality.evaluation import branches, evaluate, is_undefined
from stages.core.equality.expressions import Expression, read
from stages.core.equality.operations import SCALES, NoValueError, context, coordinate

LOW_DIGITS, HIGH_DIGITS = 30, 60
FINE_DIGITS, FINE_SLACK = 1_000, 50
NUM_POINTS = 4
ROUNDED_DIGITS = 6
AGREEMENT = mpmath.mpf(10) ** -45
"""Relative difference that rounding at `HIGH_DIGITS` explains."""
DOUBT = mpmath.mpf(10) ** 15
"""A difference so many times larger than what rounding explains is real; one between is undecided."""
INFINITY = mpmath.inf
Real = Any
"""One of mpmath's numbers, which have no types of their own."""

_GAINED = mpmath.mpf(10) ** (LOW_DIGITS - HIGH_DIGITS + 8)
_FINE = context(FINE_DIGITS)
_LOW, _HIGH = context(LOW_DIGITS), context(HIGH_DIGITS)


def equal(a: str, b: str, rounded: bool = False) -> bool | None:
    """Whether two tidied texts are the same expression; None when one of them cannot be read or evaluated.

    With `rounded` a decimal of `ROUNDED_DIGITS` significant digits stands for a constant of which it is the beginning.
    """
    left, right = read(a), read(b)
    if left is None or right is None:
        return None
    if left.tree == right.tree or (rounded and (_is_rounding(left, right) or _is_rounding(right, left))):
        return True
    if not left.variables | right.variables:
        undefined = [is_undefined(each.tree) for each in (left, right)]
        if any(undefined):
            return None if all(undefined) else False
    verdicts = {_agree(left, right, point) for point in range(_num_points(left, right))}
    if verdicts <= {True}:
        return _agree_exactly(left, right)
    if (left.is_vague or right.is_vague) or verdicts != {False}:
        return None
    return False


def same_equation(a: str, b: str) -> bool | None:
    """Whether two tidied equations are equivalent; None when that cannot be decided.

    They are when the differences of their sides are multiples of one another. They are not when both are linear, and
    not multiples.
    """
    left, right = _difference(a), _difference(b)
    if left is None or right is None or left.is_vague or right.is_vague:
        return None
    if left.variables != right.variables:
        return None
    names = sorted(left.variables)
    ratios = []
    for point in range(NUM_POINTS):
        where = {name: coordinate(name, point, _HIGH) for name in names}
        above, below = _at_point(left, where), _at_point(right, where)
        if above is None or below is None or below == 0 or above == 0:
            return None
        ratios.append(above / below)
    if all(abs(ratio - ratios[0]) <= AGREEMENT * DOUBT * abs(ratios[0]) for ratio in ratios):
        return True
    return False if _is_linear(left, names) and _is_linear(right, names) else None


def _difference(equation: str) -> Expression | None:
    sides = [read(side.strip()) for side in equation.split("=")]
    if len(sides) != 2:
        return None
    left, right = sides
    if left is None or right is None or not left.variables | right.variables:
        return None
    tree = ("-", left.tree, right.tree)
    return Expression(tree, left.variables | right.variables, left.is_vague or right.is_vague)


def _is_linear(expression: Expression, names: Sequence[str]) -> bool:
    """Whether f(u + v) - f(u) - f(v) + f(0) vanishes, at fixed points."""
    u, v = ({name: coordinate(name, point, _HIGH) for name in names} for point in (0, 2))
    both, nowhere = {name: u[name] + v[name] for name in names}, dict.fromkeys(names, _HIGH.mpf(0))
    values: list[Any] = [_at_point(expression, where) for where in (both, u, v, nowhere)]
    if None in values:
        return False
    sizes = max(map(abs, values))
    return bool(abs(values[0] - values[1] - values[2] + values[3]) <= AGREEMENT * DOUBT * sizes)


def _at_point(expression: Expression, where: Mapping[str, Any]) -> Any | None:  # noqa: ANN401
    try:
        return evaluate(expression.tree, where, _HIGH)
    except NoValueError:
        return None


def real(text: str) -> Real | None:
    """The value of a tidied text that is a real constant, to `HIGH_DIGITS` digits."""
    expression = read(text)
    if expression is None or expression.variables or expression.is_vague:
        return None
    value = _at_point(expression, {})
    return None if value is None or _HIGH.im(value) != 0 else _HIGH.re(value)


def _is_rounding(decimal: Expression, exact: Expression) -> bool:
    sign, literal = (-1, decimal.tree[1]) if decimal.tree[0] == "neg" else (1, decimal.tree)
    if (
        literal[0] != "number"
        or "." not in literal[1]
        or exact.tree[0] == "number"
        or exact.variables
        or exact.is_vague
    ):
        return False
    whole, places = literal[1].split(".")
    if len((whole + places).lstrip("0")) < ROUNDED_DIGITS:
        return False
    value = _at_point(exact, {})
    if value is None or _HIGH.im(value) != 0:
        return False
    unit, error = _HIGH.mpf(10) ** -len(places), sign * _HIGH.mpf(literal[1]) - value
    if _HIGH.isint(_HIGH.nint(value / unit)) and abs(value / unit - _HIGH.nint(value / unit)) < AGREEMENT:
        return False  # it has no more places than these, so there is nothing to round
    is_cut = abs(error) < unit and abs(_HIGH.mpf(literal[1])) <= abs(value)
    return bool(is_cut or abs(error) * 2 <= unit)


def _num_points(left: Expression, right: Expression) -> int:
    """One for constants; many, near and far, where an absolute value or a root could change its branch."""
    if not left.variables | right.variables:
        return 1
    return NUM_POINTS * len(SCALES) if branches(left.tree) or branches(right.tree) else NUM_POINTS


def _agree_exactly(left: Expression, right: Expression) -> bool | None:
    """A last check, at one point and to a thousand digits: sqrt(10^50 + 1) is not 10^25."""
    where = {name: coordinate(name, 0, _FINE) for name in left.variables | right.variables}
    try:
        a, b = evaluate(left.tree, where, _FINE), evaluate(right.tree, where, _FINE)
    except NoValueError:
        return None
    return bool(abs(a - b) <= _FINE.mpf(10) ** (FINE_SLACK - FINE_DIGITS) * max(abs(a), abs(b)))


def _agree(a: Expression, b: Expression, point: int) -> bool | None:
    """Whether both have one value at a point; None when rounding could explain either, or there is no value."""
    try:
        pairs = []
        for each in (a, b):
            low, high = (
                evaluate(each.tree, {name: coordinate(name, point, arithmetic) for name in each.variables}, arithmetic)
                for arithmetic in (_LOW, _HIGH)
            )
            pairs.append((high, abs(_HIGH.convert(low) - high)))
    except NoValueError:
        return None
    (left, left_error), (right, right_error) = pairs
    difference = abs(left - right)
    # The error of the lower precision bounds that of the higher one, which has so many digits more.
    explained = max(left_error, right_error) * _GAINED
    explained += AGREEMENT * max(abs(left), abs(right))
    if difference <= explained:
        return True
    return False if difference > explained * DOUBT else None
