"""Operations: what each operation of a formula comes to, bounded so that none takes more than microseconds."""

import math
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any

import mpmath

LARGEST_POWER = 400
"""Decimal digits before or after the point that a power may have."""
LARGEST_EXPONENT = 2_000
LARGEST_FACTORIAL = 150
LARGEST_ANGLE = 10**6
SCALES = (1.0, 10.0, 0.1, 100.0, 1000.0)

LARGEST = mpmath.mpf(10) ** LARGEST_POWER


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


def applied(context: Any, name: str, arguments: list[Any]) -> Any:  # noqa: ANN401
    """The value of a function known by its name alone: a smooth function of its own, so that f(x+x) is f(2x)."""
    if name == r"\zeta" and len(arguments) == 1 and context.isint(arguments[0]) and 1 < context.re(arguments[0]) <= 100:
        return context.zeta(arguments[0])
    if (
        name == r"\Gamma"
        and len(arguments) == 1
        and context.im(arguments[0]) == 0
        and 0 < context.re(arguments[0]) <= LARGEST_FACTORIAL
    ):
        return context.gamma(arguments[0])
    inside = context.mpf(len(arguments))
    for place, argument in enumerate(arguments):
        inside += argument * coordinate(f"{name} {place}", 0, context)
    if abs(inside) > LARGEST_ANGLE or abs(context.im(inside)) > 100:
        raise NoValueError
    return context.sin(inside) + coordinate(name, 0, context)


def _rounded(name: str) -> Callable[..., Any]:
    """Whole part, next whole number, or what is behind the point; refused where rounding errors could decide."""

    def apply(context: Any, number: Any) -> Any:  # noqa: ANN401
        if context.im(number) != 0:
            raise NoValueError
        nearest = context.nint(number)
        if number != nearest and abs(number - nearest) < context.mpf(10) ** (10 - context.dps) * max(1, abs(number)):
            raise NoValueError
        return number - context.floor(number) if name == "part" else getattr(context, name)(number)

    return apply


def _common(combine: Callable[..., int]) -> Callable[..., Any]:
    def apply(context: Any, *numbers: Any) -> Any:  # noqa: ANN401
        if not all(context.isint(each) and abs(each) < 10**25 for each in numbers):
            raise NoValueError
        return context.mpf(combine(*(int(context.re(each)) for each in numbers)))

    return apply


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def apply(context: Any, *numbers: Any) -> Any:  # noqa: ANN401
        if any(context.im(each) != 0 for each in numbers):
            raise NoValueError
        return choose(numbers)

    return apply


def _remainder(context: Any, number: Any, divisor: Any) -> Any:  # noqa: ANN401
    if not (context.isint(number) and context.isint(divisor) and context.re(divisor) > 0):
        raise NoValueError
    return context.mpf(int(context.re(number)) % int(context.re(divisor)))


def power(context: Any, base: Any, exponent: Any) -> Any:  # noqa: ANN401
    """A power of at most `LARGEST_POWER` digits."""
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


def _quotient(context: Any, above: Any, below: Any) -> Any:  # noqa: ANN401
    if below == 0:
        raise NoValueError
    return above / below


def root(context: Any, number: Any, index: Any) -> Any:  # noqa: ANN401
    """A root; of a negative number to an odd index the real one."""
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


OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda context, a, b: a + b,
    "-": lambda context, a, b: a - b,
    "*": lambda context, a, b: a * b,
    "/": _quotient,
    "neg": lambda context, a: -a,
    "^": power,
    "!": _factorial,
    "abs": lambda context, a: abs(a),
    "root": root,
    "binom": _binomial,
    "log": _logarithm,
    "ln": _natural,
    "floor": _rounded("floor"),
    "ceil": _rounded("ceil"),
    "part": _rounded("part"),
    "mod": _remainder,
    "min": _extreme(min),
    "max": _extreme(max),
    "gcd": _common(math.gcd),
    "lcm": _common(math.lcm),
    "conj": lambda context, a: context.conj(a),
    "cis": lambda context, a: context.expjpi(a / context.pi),
    "arccot": _bounded("acot"),
    "arcsec": _bounded("asec"),
    "arccsc": _bounded("acsc"),
    "arcsin": _bounded("asin"),
    "arccos": _bounded("acos"),
    "arctan": _bounded("atan"),
    **{name: _bounded(name) for name in ("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "exp")},
}
