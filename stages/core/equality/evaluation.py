"""Evaluation: the value of an expression at a point, to as many digits as its context has, or a refusal.

Every operation is bounded, so that evaluating any expression takes microseconds: what is large is refused.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

import mpmath

from stages.core.answers.expressions import Tree

LARGEST_POWER = 400
"""Decimal digits before or after the point that a power may have."""
LARGEST_EXPONENT = 2_000
LARGEST_FACTORIAL = 150
LARGEST_ANGLE = 10**6
SCALES = (1.0, 10.0, 0.1, 100.0, 1000.0)

_LARGEST = mpmath.mpf(10) ** LARGEST_POWER


class NoValueError(ValueError):
    """The expression has no value there, or one that is too large to compute."""


def context(digits: int) -> Any:  # noqa: ANN401
    """mpmath with so many digits."""
    context = mpmath.MPContext()
    context.dps = digits
    return context


@lru_cache(maxsize=10_000)
def _decimal(name: str, point: int) -> str:
    number = int(sha256(f"{name} {point // 2 * 2}".encode()).hexdigest()[:12], 16)
    scale = SCALES[point // 4 % len(SCALES)]
    size = scale * (0.3 + 2.5 * number / 16**12) * (1 if point % 2 == 0 else 1.7)
    negative = point % 4 >= 2 and number % 2 == point % 2
    return f"{'-' if negative else ''}{size:.12f}"


def coordinate(name: str, point: int, context: Any) -> Any:  # noqa: ANN401
    """The coordinate of a variable: positive in two points of each four, and negative in one of the others.

    The first four are near 1, those that follow are larger and smaller.
    """
    return context.mpf(_decimal(name, point))


BRANCHING = frozenset(("abs", "root", "arcsin", "arccos", "arctan", "ln", "log"))


def branches(tree: Tree) -> bool:
    """Whether the tree has an operation that takes one of several values, depending on where its variables are."""
    if tree[0] in ("number", "variable"):
        return False
    is_power = tree[0] == "^" and not _is_whole(tree[2]) and _varies(tree[1])
    is_branching = tree[0] in BRANCHING and any(map(_varies, tree[1:]))
    return is_power or is_branching or any(branches(each) for each in tree[1:] if isinstance(each, tuple))


def _is_whole(tree: Tree) -> bool:
    return bool(tree[0] == "number" and tree[1].isdigit()) or (tree[0] == "neg" and _is_whole(tree[1]))


def _varies(tree: Tree) -> bool:
    return tree[0] == "variable" or any(_varies(each) for each in tree[1:] if isinstance(each, tuple))


def evaluate(tree: Tree, at: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401
    """The value of a tree where its variables have the values `at`, in the arithmetic of `context`.

    Raises:
        NoValueError: there is none.
    """
    try:
        return _evaluate(tree, at, context)
    except (ArithmeticError, TypeError, RecursionError) as error:
        raise NoValueError(str(error)) from error


def _evaluate(tree: Tree, at: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401
    kind = tree[0]
    if kind == "number":
        return context.mpf(tree[1])
    if kind == "variable":
        return at[tree[1]]
    if kind in ("pi", "e"):
        return +(context.pi if kind == "pi" else context.e)
    if kind == "i":
        return context.mpc(0, 1)
    values = [_evaluate(each, at, context) for each in tree[1:]]
    if any(abs(each) > _LARGEST for each in values):
        raise NoValueError
    value = _OPERATIONS[kind](context, *values)
    if not context.isfinite(value):
        raise NoValueError
    return value


def _power_of(context: Any, base: Any, exponent: Any) -> Any:  # noqa: ANN401
    if abs(exponent) > LARGEST_EXPONENT or (base == 0 and context.re(exponent) <= 0):
        raise NoValueError
    if base != 0 and abs(context.log(abs(base), 10) * abs(exponent)) > LARGEST_POWER:
        raise NoValueError
    return base**exponent


def _factorial(context: Any, number: Any) -> Any:  # noqa: ANN401
    if not (context.isint(number) and 0 <= context.re(number) <= LARGEST_FACTORIAL):
        raise NoValueError
    return context.factorial(number)


def _binomial(context: Any, above: Any, below: Any) -> Any:  # noqa: ANN401
    if not all(context.isint(each) and abs(each) <= LARGEST_FACTORIAL for each in (above, below)):
        raise NoValueError
    return context.binomial(above, below)


def is_undefined(tree: Tree) -> bool:
    """Whether a constant divides by zero as it is written."""
    if tree[0] == "/" and tree[2][0] == "number" and not float(tree[2][1]):
        return True
    return any(is_undefined(each) for each in tree[1:] if isinstance(each, tuple))


def _quotient(context: Any, above: Any, below: Any) -> Any:  # noqa: ANN401
    if below == 0:
        raise NoValueError
    return above / below


def _root(context: Any, number: Any, index: Any) -> Any:  # noqa: ANN401
    if index == 2:
        return context.sqrt(number)
    if not context.isint(index) or not 1 <= context.re(index) <= 100:
        raise NoValueError
    if context.im(number) == 0 and context.re(number) < 0 and int(index) % 2:
        return -context.root(-number, int(index))  # the real root, as people mean it
    return context.root(number, int(index))


def _bounded(name: str) -> Callable[..., Any]:
    def apply(context: Any, argument: Any) -> Any:  # noqa: ANN401
        limit = 100 if name in ("exp", "sinh", "cosh", "tanh") else LARGEST_ANGLE
        if abs(argument) > limit or abs(context.im(argument)) > 100:
            raise NoValueError
        return getattr(context, name)(argument)

    return apply


def _logarithm(context: Any, argument: Any, base: Any = None) -> Any:  # noqa: ANN401
    if argument == 0 or (base is not None and base in (0, 1)):
        raise NoValueError
    if base is None:
        return context.log(argument) * coordinate("the base of a logarithm", 0, context)
    return context.log(argument) / context.log(base)


def _natural(context: Any, argument: Any) -> Any:  # noqa: ANN401
    if argument == 0:
        raise NoValueError
    return context.log(argument)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda context, a, b: a + b,
    "-": lambda context, a, b: a - b,
    "*": lambda context, a, b: a * b,
    "/": _quotient,
    "neg": lambda context, a: -a,
    "^": _power_of,
    "!": _factorial,
    "abs": lambda context, a: abs(a),
    "root": _root,
    "binom": _binomial,
    "log": _logarithm,
    "ln": _natural,
    "arcsin": _bounded("asin"),
    "arccos": _bounded("acos"),
    "arctan": _bounded("atan"),
    **{name: _bounded(name) for name in ("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "exp")},
}
