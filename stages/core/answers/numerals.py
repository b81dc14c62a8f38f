r"""Numerals: the exact rational value of an answer that is plain arithmetic.

Integers, decimals, repeating decimals, fractions, mixed numbers, scientific notation, powers, factorials and binomials
are evaluated with `fractions.Fraction`: there is no tolerance, so 10^20 and 10^20 + 1 differ. Numbers of more
than a few thousand digits are refused, not computed.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction

MAX_CHARS = 2_000
MAX_BITS = 12_000
MAX_FACTORIAL = 1_000
MAX_DEPTH = 40
ROUNDED_PLACES = 6
"""A decimal may stand for an endless fraction from this many places on."""
ROUNDED_DIGITS = 4
"""So many of its digits have to be significant: 0.000000 is no small fraction."""
GOLD_DIGITS = 3
"""A gold of so many significant digits may be the rounding of an exact answer."""

_TOKEN = re.compile(
    r"\s*(?:(?P<repeating>\d*\.\d*\\overline\{\d+\})|(?P<literal>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4}(?![\d.]))?)"
    r"|(?P<macro>\\frac|\\binom|\\gcd|\\lcm)(?![a-zA-Z])|(?P<sign>[-+*/^!(){},]))"
)
_MIXED = re.compile(r"(-?)(\d{1,9})\s+(\d{1,9})/(\d{1,9})")
DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}\s*")
"""2020-01-05 is no difference."""
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALED = re.compile(rf"(.+?)\s+({'|'.join(_SCALES)})s?")


class _NotExact(Exception):
    """The text is not plain arithmetic, or too big to evaluate."""


def evaluate(text: str) -> Fraction | None:
    """The exact value of a tidied text, or None when it is not arithmetic on rational numbers."""
    if len(text) > MAX_CHARS or not any(char.isdigit() for char in text) or DATE.fullmatch(text):
        return None
    mixed = _MIXED.fullmatch(text)
    if mixed and 0 < int(mixed[3]) < int(mixed[4]):
        return (-1 if mixed[1] else 1) * (int(mixed[2]) + Fraction(int(mixed[3]), int(mixed[4])))
    scaled = _SCALED.fullmatch(text)
    try:
        if scaled:
            return _ArithmeticParser(scaled[1]).parse() * _SCALES[scaled[2]]
        return _ArithmeticParser(text).parse()
    except _NotExact:
        return None


def is_rounded(text: str, decimal: Fraction, exact: Fraction) -> bool:
    """Whether `decimal`, a literal of three significant digits or more written as `text`, is `exact` rounded there.

    Unlike `is_rounding_of` it needs no six places, so only the decimal of a gold may be looked at in this way.
    """
    literal = re.fullmatch(r"[-+]?(\d*)\.(\d+)", text.replace(" ", ""))
    if not literal or len((literal[1] + literal[2]).lstrip("0")) < GOLD_DIGITS:
        return False
    return decimal != exact and abs(decimal - exact) * 2 <= Fraction(1, 10 ** len(literal[2]))


def is_rounding_of(text: str, decimal: Fraction, exact: Fraction) -> bool:
    """Whether `decimal`, a literal written as `text`, is `exact` rounded or cut there; `exact` must not terminate."""
    literal = re.fullmatch(r"[-+]?\d*\.(\d+)", text.replace(" ", ""))
    places = len(literal[1]) if literal else 0
    if places < ROUNDED_PLACES or len(re.sub(r"\D", "", text).lstrip("0")) < ROUNDED_DIGITS:
        return False
    rest = exact.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        return False
    unit = Fraction(1, 10**places)
    return (abs(decimal - exact) < unit and abs(decimal) <= abs(exact)) or abs(decimal - exact) * 2 <= unit


class _ArithmeticParser:
    """A recursive-descent parser of arithmetic: sum, term, factor, power, atom."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._next = 0
        self._depth = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match or match.lastgroup is None:
                raise _NotExact
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def parse(self) -> Fraction:
        value = self._sum()
        if self._next < len(self._tokens):
            raise _NotExact
        return value

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self, expected: str = "") -> tuple[str, str]:
        if self._next >= len(self._tokens) or (expected and self._peek() != expected):
            raise _NotExact
        self._next += 1
        return self._tokens[self._next - 1]

    def _sum(self) -> Fraction:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotExact
        value = self._term()
        while self._peek() in ("+", "-"):
            sign = self._take()[1]
            value = _small(value + self._term() if sign == "+" else value - self._term())
        self._depth -= 1
        return value

    def _term(self) -> Fraction:
        value = self._factor()
        while self._peek():
            if self._peek() in ("*", "/"):
                sign = self._take()[1]
                factor = self._factor()
                value = value * factor if sign == "*" else _ratio(value, factor)
            elif self._peek() == "(" or self._after_power():
                value *= self._power()
            else:
                break
            _small(value)
        return value

    def _after_power(self) -> bool:
        """Whether a product is written by juxtaposition here, as in 2^{6} 3^{5} or (2)3."""
        starts = self._tokens[self._next][0] == "literal" or self._peek() in ("{", r"\frac", r"\binom")
        return starts and self._tokens[self._next - 1][1] in ("}", ")", "!")

    def _factor(self) -> Fraction:
        sign = 1
        while self._peek() in ("+", "-"):
            sign = -sign if self._take()[1] == "-" else sign
        return sign * self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if self._peek() == "!":
            self._take()
            if base.denominator != 1 or not 0 <= base <= MAX_FACTORIAL or self._peek() == "!":
                raise _NotExact
            base = Fraction(math.factorial(int(base)))
        if self._peek() != "^":
            return base
        self._take()
        exponent = self._atom() if self._peek() not in ("+", "-") else self._factor()
        return _power(base, exponent)

    def _atom(self) -> Fraction:
        kind, token = self._take()
        if kind == "repeating":
            return _repeating(token)
        if kind == "literal":
            value = Fraction(token.rstrip("."))
            return value + self._mixed_part(token) if self._peek() == r"\frac" else _small(value)
        if token in (r"\frac", r"\binom"):
            above, below = self._group("{", "}"), self._group("{", "}")
            return _ratio(above, below) if token == r"\frac" else _binomial(above, below)
        if token in (r"\gcd", r"\lcm"):
            return self._common(math.gcd if token == r"\gcd" else math.lcm)
        if token in ("(", "{"):
            self._next -= 1
            return self._group(token, ")" if token == "(" else "}")
        raise _NotExact

    def _common(self, combine: Callable[..., int]) -> Fraction:
        """The greatest common divisor, or the least common multiple, of the values in brackets."""
        self._take("(")
        values = [self._sum()]
        while self._peek() == ",":
            self._take()
            values.append(self._sum())
        self._take(")")
        if any(value.denominator != 1 for value in values):
            raise _NotExact
        return _small(Fraction(combine(*map(int, values))))

    def _mixed_part(self, token: str) -> Fraction:
        part = self._atom()
        if not token.isdigit() or not 0 < part < 1:
            raise _NotExact
        return part

    def _group(self, opening: str, closing: str) -> Fraction:
        self._take(opening)
        value = self._sum()
        self._take(closing)
        return value


def _refuse() -> Fraction:
    raise _NotExact


def _small(value: Fraction) -> Fraction:
    return value if value.numerator.bit_length() + value.denominator.bit_length() <= MAX_BITS else _refuse()


def _ratio(above: Fraction, below: Fraction) -> Fraction:
    return above / below if below else _refuse()


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or bits * abs(exponent) > MAX_BITS or (base == 0 and exponent <= 0):
        raise _NotExact
    return base ** int(exponent)


def _binomial(above: Fraction, below: Fraction) -> Fraction:
    if above.denominator != 1 or below.denominator != 1 or not 0 <= below <= above <= MAX_FACTORIAL:
        raise _NotExact
    return Fraction(math.comb(int(above), int(below)))


def _repeating(token: str) -> Fraction:
    """0.3\\overline{6} = 0.3 + 6/90."""
    head, cycle = token.rstrip("}").split(r"\overline{")
    places = len(head.split(".")[1])
    return Fraction(head.rstrip(".") or 0) + Fraction(int(cycle), (10 ** len(cycle) - 1) * 10**places)
