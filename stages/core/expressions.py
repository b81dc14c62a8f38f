r"""Expressions: formulas read without a grammar tool and decided by their values.

Two expressions are evaluated at a few fixed points to many digits. Where the values differ the expressions differ;
where they agree at all points, to many more digits than chance explains, they are taken as equal (the randomised
identity test of Schwartz and Zippel, with points that nobody chose for the expressions at hand). It takes less than a
millisecond where a computer algebra system takes fifty, and cannot hang: what is large is refused.

`read` knows what answers are made of: numbers, letters, roots, fractions, powers, logarithms, trigonometry, factorials.
Anything else (relations, sums, units, words) is not an expression here, and left to the symbolic tier.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import mpmath

MAX_CHARS = 500
MAX_DEPTH = 40
LOW_DIGITS, HIGH_DIGITS = 30, 60
NUM_POINTS = 4
ROUNDED_DIGITS = 6
LARGEST_POWER = 400
"""Decimal digits before or after the point that a power may have."""
LARGEST_EXPONENT = 2_000
LARGEST_FACTORIAL = 150
LARGEST_ANGLE = 10**6
AGREEMENT = mpmath.mpf(10) ** -45
"""Relative difference that rounding at `HIGH_DIGITS` explains."""
DOUBT = mpmath.mpf(10) ** 15
"""A difference so many times larger than what rounding explains is real; what lies between is not told."""

Tree = tuple[Any, ...]
Real = Any
"""One of mpmath's numbers, which have no types of their own."""
INFINITY = mpmath.inf

_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*|\.\d+)|(\\[a-zA-Z]+)|([a-zA-Z])|([-+*/^_!(){}\[\]|,]))")
_FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "ln", "log", "exp")
)
_INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_GREEK = re.compile(
    "alpha|beta|[gG]amma|[dD]elta|(?:var)?epsilon|zeta|eta|[tT]heta|vartheta|kappa|[lL]ambda|mu|nu|[xX]i|rho|"
    "[sS]igma|tau|(?:var)?phi|Phi|chi|[pP]si|[oO]mega"
)
_APPLIED = frozenset("fghFGHP")
"""Before a bracket these letters are functions more often than factors: not read."""


class Expression(NamedTuple):
    """A formula as a tree, with the names of its variables.

    `is_vague` when it has a logarithm without a base, which is natural to some and decimal to others.
    """

    tree: Tree
    variables: frozenset[str]
    is_vague: bool


class _NotAnExpression(Exception):
    """The text is something else, or it would be too large to evaluate."""


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
        is_undefined = [_is_undefined(each.tree) for each in (left, right)]
        if any(is_undefined):
            return None if all(is_undefined) else False
    found = {_agree(left, right, point) for point in range(NUM_POINTS if left.variables | right.variables else 1)}
    if found <= {True}:
        return True
    if (left.is_vague or right.is_vague) or found != {False}:
        return None
    return False


def same_equation(a: str, b: str) -> bool | None:
    """Whether two tidied equations say the same; None when that cannot be told.

    They do when the differences of their sides are multiples of one another. When both are linear, and not multiples,
    they do not.
    """
    left, right = _difference(a), _difference(b)
    if left is None or right is None or left.is_vague or right.is_vague:
        return None
    names = sorted(left.variables | right.variables)
    ratios = []
    for point in range(NUM_POINTS):
        where = {name: _at(name, point, _HIGH) for name in names}
        above, below = _at_point(left, where), _at_point(right, where)
        if above is None or below is None or below == 0:
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
    """Whether f(u + v) - f(u) - f(v) + f(0) vanishes, at points that nobody chose."""
    u, v = ({name: _at(name, point, _HIGH) for name in names} for point in (0, 2))
    both, nowhere = {name: u[name] + v[name] for name in names}, dict.fromkeys(names, _HIGH.mpf(0))
    values: list[Any] = [_at_point(expression, where) for where in (both, u, v, nowhere)]
    if None in values:
        return False
    sizes = max(map(abs, values))
    return bool(abs(values[0] - values[1] - values[2] + values[3]) <= AGREEMENT * DOUBT * sizes)


def _at_point(expression: Expression, where: Mapping[str, Any]) -> Any | None:  # noqa: ANN401
    try:
        return _evaluate(expression.tree, where, _HIGH)
    except (_NotAnExpression, ArithmeticError, ValueError, TypeError):
        return None


def real(text: str) -> Real | None:
    """The value of a tidied text that is a real constant, to `HIGH_DIGITS` digits."""
    found = read(text)
    if found is None or found.variables or found.is_vague:
        return None
    value = _at_point(found, {})
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
    found = _at_point(exact, {})
    return found is not None and abs(found - sign * mpmath.mpf(literal[1])) < mpmath.mpf(10) ** -len(places)


@lru_cache(maxsize=10_000)
def read(text: str) -> Expression | None:
    """The expression that a tidied text is, or None."""
    if len(text) > MAX_CHARS:
        return None
    reader = _Reader()
    try:
        tree = reader.whole(text)
    except _NotAnExpression:
        return None
    return Expression(tree, frozenset(reader.variables), reader.is_vague)


class _Reader:
    """A recursive-descent reader: sum, term, factor, power, atom."""

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.is_vague = False
        self._tokens: list[str] = []
        self._next = 0
        self._depth = 0

    def whole(self, text: str) -> Tree:
        position, end = 0, len(text.rstrip())
        while position < end:
            found = _TOKEN.match(text, position)
            if not found:
                raise _NotAnExpression
            self._tokens.append(found[found.lastindex or 0])
            position = found.end()
        tree = self._sum()
        if self._next < len(self._tokens):
            raise _NotAnExpression
        return tree

    def _peek(self, ahead: int = 0) -> str:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise _NotAnExpression
        self._next += 1
        return token

    def _sum(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotAnExpression
        tree = self._term()
        while self._peek() in ("+", "-"):
            tree = (self._take(), tree, self._term())
        self._depth -= 1
        return tree

    def _term(self) -> Tree:
        tree = self._factor()
        while True:
            token = self._peek()
            if token in ("*", "/"):
                self._take()
                tree = (token, tree, self._factor())
            elif self._begins_factor(token):
                if token[0].isdigit() and self._tokens[self._next - 1][-1:].isdigit():
                    raise _NotAnExpression  # "2 3" is no product
                tree = ("*", tree, self._power())
            else:
                return tree

    @staticmethod
    def _begins_factor(token: str) -> bool:
        return bool(token) and (token[0].isalnum() or token[0] == "." or token in ("(", "{") or token[0] == "\\")

    def _factor(self) -> Tree:
        if self._peek() in ("+", "-"):
            sign = self._take()
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise _NotAnExpression
            tree = self._factor()
            self._depth -= 1
            return tree if sign == "+" else ("neg", tree)
        return self._power()

    def _power(self) -> Tree:
        tree = self._atom()
        while self._peek() == "!":
            self._take()
            tree = ("!", tree)
        if self._peek() == "^":
            self._take()
            tree = ("^", tree, self._exponent())
        return tree

    def _exponent(self) -> Tree:
        return self._factor() if self._peek() in ("+", "-") else self._argument()

    def _argument(self) -> Tree:
        """What a macro takes: a group, or one token."""
        return self._group("{", "}") if self._peek() == "{" else self._atom()

    def _group(self, opening: str, closing: str) -> Tree:
        self._take(opening)
        tree = self._sum()
        self._take(closing)
        return tree

    def _atom(self) -> Tree:
        token = self._take()
        if token[0].isdigit() or token[0] == ".":
            return self._number(token)
        if token == "(":
            return self._closed(")")
        if token == "{":
            return self._closed("}")
        if token == "|":
            return ("abs", self._closed("|"))
        if token[0] == "\\":
            return self._macro(token[1:])
        if token.isalpha():
            return self._letter(token)
        raise _NotAnExpression

    def _number(self, token: str) -> Tree:
        if token.isdigit() and self._peek() == r"\frac":
            place = self._next
            self._take()
            above, below = self._argument(), self._argument()
            if above[0] == below[0] == "number" and float(above[1]) < float(below[1]):
                return ("+", ("number", token), ("/", above, below))  # a mixed number
            self._next = place
        return ("number", token)

    def _closed(self, closing: str) -> Tree:
        tree = self._sum()
        self._take(closing)
        return tree

    def _letter(self, letter: str) -> Tree:
        if letter == "e" and self._peek() != "_":
            return ("e",)
        if letter == "i" and self._peek() != "_":
            return ("i",)
        if letter in _APPLIED and self._peek() == "(":
            raise _NotAnExpression
        return self._variable(letter)

    def _variable(self, name: str) -> Tree:
        if self._peek() == "_":
            self._take()
            if self._peek() == "{":
                self._take()
                inside = ""
                while self._peek() != "}":
                    inside += self._take()
                self._take()
            else:
                inside = self._take()
            name += "_" + inside
        self.variables.add(name)
        return ("variable", name)

    def _macro(self, name: str) -> Tree:
        if name == "frac":
            above = self._argument()
            return ("/", above, self._argument())
        if name == "binom":
            above = self._argument()
            return ("binom", above, self._argument())
        if name == "sqrt":
            index: Tree = ("number", "2")
            if self._peek() == "[":
                index = self._group("[", "]")
            return ("root", self._argument(), index)
        if name == "pi":
            return ("pi",)
        if name in _FUNCTIONS:
            return self._function(name)
        if _GREEK.fullmatch(name):
            return self._variable("\\" + name)
        raise _NotAnExpression

    def _function(self, name: str) -> Tree:
        base: Tree | None = None
        power: Tree | None = None
        if name == "log":
            if self._peek() == "_":
                self._take()
                base = self._argument()
            else:
                self.is_vague = True
        if self._peek() == "^":
            self._take()
            power = self._exponent()
            if power == ("neg", ("number", "1")):
                if name not in _INVERSES:
                    raise _NotAnExpression
                name, power = _INVERSES[name], None
        argument = self._power_of_group() if self._peek() in ("(", "{") else self._factors()
        tree: Tree = ("log", argument, base) if base else (name, argument)
        return ("^", tree, power) if power else tree

    def _power_of_group(self) -> Tree:
        """The bracket after a function's name is the whole argument; a power behind it belongs to the function."""
        return self._closed(")") if self._take() == "(" else self._closed("}")

    def _factors(self) -> Tree:
        """The argument of a function without brackets: factors that stand side by side, up to the next function."""
        tree = self._power()
        while self._begins_factor(self._peek()) and self._peek()[1:] not in _FUNCTIONS and self._peek() != "(":
            tree = ("*", tree, self._power())
        return tree


_LARGEST = mpmath.mpf(10) ** LARGEST_POWER
_GAINED = mpmath.mpf(10) ** (LOW_DIGITS - HIGH_DIGITS + 8)
_LOW, _HIGH = mpmath.MPContext(), mpmath.MPContext()
_LOW.dps, _HIGH.dps = LOW_DIGITS, HIGH_DIGITS


def _agree(a: Expression, b: Expression, point: int) -> bool | None:
    """Whether both have one value at a point; None when rounding could explain either, or there is no value."""
    try:
        pairs = []
        for each in (a, b):
            low, high = (
                _evaluate(each.tree, {name: _at(name, point, context) for name in each.variables}, context)
                for context in (_LOW, _HIGH)
            )
            pairs.append((high, abs(_HIGH.convert(low) - high)))
    except (_NotAnExpression, ArithmeticError, ValueError, TypeError):
        return None
    (left, left_error), (right, right_error) = pairs
    difference = abs(left - right)
    # What the lower precision lost tells how much is lost in the higher one, which has as many digits more.
    explained = max(left_error, right_error) * _GAINED
    explained += AGREEMENT * max(abs(left), abs(right))
    if difference <= explained:
        return True
    return False if difference > explained * DOUBT else None


@lru_cache(maxsize=10_000)
def _coordinate(name: str, point: int) -> str:
    drawn = int(sha256(f"{name} {point}".encode()).hexdigest()[:12], 16)
    size = 0.3 + 2.5 * drawn / 16**12
    return f"{'-' if point >= 2 and drawn % 2 else ''}{size:.12f}"


def _at(name: str, point: int, context: Any) -> Any:  # noqa: ANN401
    """The coordinate of a variable: positive in the first two points, of either sign in the others."""
    return context.mpf(_coordinate(name, point))


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
        raise _NotAnExpression
    found = _OPERATIONS[kind](context, *values)
    if not context.isfinite(found):
        raise _NotAnExpression
    return found


def _power_of(context: Any, base: Any, exponent: Any) -> Any:  # noqa: ANN401
    if abs(exponent) > LARGEST_EXPONENT or (base == 0 and context.re(exponent) <= 0):
        raise _NotAnExpression
    if base != 0 and abs(context.log(abs(base), 10) * abs(exponent)) > LARGEST_POWER:
        raise _NotAnExpression
    return base**exponent


def _factorial(context: Any, number: Any) -> Any:  # noqa: ANN401
    if not (context.isint(number) and 0 <= context.re(number) <= LARGEST_FACTORIAL):
        raise _NotAnExpression
    return context.factorial(number)


def _binomial(context: Any, above: Any, below: Any) -> Any:  # noqa: ANN401
    if not all(context.isint(each) and abs(each) <= LARGEST_FACTORIAL for each in (above, below)):
        raise _NotAnExpression
    return context.binomial(above, below)


def _is_undefined(tree: Tree) -> bool:
    """Whether a constant divides by zero as it is written."""
    if tree[0] == "/" and tree[2][0] == "number" and not float(tree[2][1]):
        return True
    return any(_is_undefined(each) for each in tree[1:] if isinstance(each, tuple))


def _quotient(context: Any, above: Any, below: Any) -> Any:  # noqa: ANN401
    if below == 0:
        raise _NotAnExpression
    return above / below


def _root(context: Any, number: Any, index: Any) -> Any:  # noqa: ANN401
    if index == 2:
        return context.sqrt(number)
    if not context.isint(index) or not 1 <= context.re(index) <= 100:
        raise _NotAnExpression
    if context.im(number) == 0 and context.re(number) < 0 and int(index) % 2:
        return -context.root(-number, int(index))  # the real root, as people mean it
    return context.root(number, int(index))


def _bounded(name: str) -> Callable[..., Any]:
    def apply(context: Any, argument: Any) -> Any:  # noqa: ANN401
        limit = 100 if name in ("exp", "sinh", "cosh", "tanh") else LARGEST_ANGLE
        if abs(argument) > limit or abs(context.im(argument)) > 100:
            raise _NotAnExpression
        return getattr(context, name)(argument)

    return apply


def _logarithm(context: Any, argument: Any, base: Any = None) -> Any:  # noqa: ANN401
    if argument == 0 or (base is not None and base in (0, 1)):
        raise _NotAnExpression
    if base is None:
        return context.log(argument) * _at("the base of a logarithm", 0, context)
    return context.log(argument) / context.log(base)


def _natural(context: Any, argument: Any) -> Any:  # noqa: ANN401
    if argument == 0:
        raise _NotAnExpression
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
