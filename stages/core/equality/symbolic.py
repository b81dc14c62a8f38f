r"""Symbolic: the last tier, where math-verify decides whether two formulas are equal.

It can take seconds, or hang in code that no signal reaches: call it only in a process that may be killed, and there in
the main thread (math-verify sets alarms). `ValueError` means "not decided": refused as dangerous, or not readable.
"""

import re

import sympy
from math_verify import LatexExtractionConfig, parse, verify
from math_verify.errors import TimeoutException

from stages.core.answers.numerals import DATE
from stages.core.equality.functions import APPLIED_GREEK, CALL, FLOOR, ORDER

MAX_CHARS = 300
MAX_DEPTH = 9
MAX_TERMS = 60
PARSE_SECONDS = 2
VERIFY_SECONDS = 3
"""math-verify's own limits: whole seconds only, or it returns nothing without a word."""
DIGITS = 30
RELATION_DIGITS = 60
"""Of numbers in relations and sets, which are not re-checked: in math-verify's own six places 2^-99 equals 2^-98."""
NUM_POINTS = 23
"""At which an equation is looked at for a change of sign."""
RELATIVE_ERROR = sympy.Float("1e-12")
ROUNDED_ERROR = sympy.Float("1e-6")

_CONFIG = [LatexExtractionConfig(boxed_match_priority=0)]
_DANGERS = {
    "a power in an exponent": re.compile(r"\^\s*(?:\{[^{}]*|\()[\^!]"),
    "an exponent of four digits or more": re.compile(r"\^\s*[{(]?\s*[-+]?\s*\d{4,}|\*\*"),
    "a large factorial": re.compile(r"\d{4,}\s*!|[)}]\s*!|!\s*!"),
    "a large binomial": re.compile(r"\\binom[^a-z]*?(?:\d{4,}|\^)"),
    "a sum, product or integral with large or nested bounds": re.compile(
        r"\\(?:sum|prod|int)(?![a-zA-Z]).*?(?:\d{5,}|\^\s*\{[^{}]*\^|\\infty.*\\infty)"
    ),
    "a high power of a sum": re.compile(r"[)}]\s*\^\s*\{?\s*\d{2,}"),
    "a logarithm in a logarithm": re.compile(r"\\log.*\\log.*\\log"),
    "a common divisor": re.compile(r"\\(?:gcd|lcm)(?![a-zA-Z])"),
    "a modulus": re.compile(r"\\[bp]?mod(?![a-zA-Z])"),
    "an ellipsis": re.compile(r"\\ldots"),
    "a numeral of another base or of two points": re.compile(r"\d(?:[xXeE][-+]?|\.\d+\.)\d"),
    "a date": DATE,
    "a product of vectors": re.compile(r"\\cross(?![a-zA-Z])"),
    "a ratio or a time": re.compile(":"),
    "a derivative": re.compile(
        r"\\partial|\\frac\s*\{\s*d\s*(?:[A-Za-z\\(^](?:[^{}]|\{[^{}]*\})*)?\}\s*\{\s*d\s*[A-Za-z\\]"
    ),
    "a transpose": re.compile(r"\^\s*\{?\s*(?:T|\\top|\\mathsf|\\intercal)(?![a-zA-Z])"),
    "an order of a derivative": ORDER,
    "a digit behind a letter": re.compile(r"(?<![\\a-zA-Z])[A-Za-z]\s*\d"),
    "a function with the name of a number": APPLIED_GREEK,
    "a function known by its name alone": CALL,
    "a whole or a fractional part": FLOOR,
    "numbers side by side": re.compile(r"\d\s+\d|\)\s*\(\s*\d+\s+\d"),
    "a prime": re.compile(r"\d\s*'"),
    "a set cut and joined": re.compile(r"\\setminus.*\\cup"),
    "a matrix in an equation": re.compile(r"\\begin.*=|=.*\\begin"),
}  # fmt: skip
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\{\\circ\}")
_CHAIN = re.compile(r"=[^,;]*=")
_BOUND = re.compile(r"_\{[^{}]*\}")
_IMAGINARY = re.compile(r"(?<![a-zA-Z\\])i(?![a-zA-Z])")


def check(text: str) -> None:
    """Raise ValueError when evaluating `text` could take for ever; sound inputs pass in linear time."""
    if len(text) > MAX_CHARS:
        raise ValueError(f"longer than {MAX_CHARS} characters")
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or depth != 0:
        raise ValueError(f"brackets nested deeper than {MAX_DEPTH}, or not closed")
    if len(re.findall(r"[-+,&]", text)) > MAX_TERMS:
        raise ValueError(f"more than {MAX_TERMS} terms")
    for danger, pattern in _DANGERS.items():
        if pattern.search(text):
            raise ValueError(f"{danger} is not evaluated")
    if _CHAIN.search(_BOUND.sub("", text)):
        raise ValueError("a chain of equations is not evaluated")


def formulas_equal(gold: str, prediction: str, rounding: bool = True) -> bool:
    """Whether math-verify takes the formula `prediction` for `gold`, with its known false positives re-checked.

    `rounding` lets a decimal of six significant places stand for a constant such as pi.

    Raises ValueError when a side is refused, cannot be read, or when this is not the main thread; TimeoutError when
    math-verify's own limit ran out.
    """
    try:
        left, right = _parsed(gold), _parsed(prediction)
        values = isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)
        precision = {} if values else {"float_rounding": RELATION_DIGITS, "numeric_precision": RELATION_DIGITS + 5}
        equal = verify(
            left,
            right,
            allow_set_relation_comp=True,
            timeout_seconds=VERIFY_SECONDS,
            raise_on_error=True,
            **precision,
        )
        if equal and isinstance(left, sympy.Eq) and isinstance(right, sympy.Eq):
            return _same_solutions(left.lhs - left.rhs, right.lhs - right.rhs)
        return bool(equal and _close(left, right, rounding))
    except TimeoutException as error:
        raise TimeoutError("math-verify ran out of time") from error
    except RecursionError as error:
        raise ValueError("nested too deep to compare") from error
    except (TypeError, AttributeError, NotImplementedError, ArithmeticError, IndexError, KeyError) as error:
        raise ValueError(f"math-verify could not compare: {error}") from error


def _parsed(text: str) -> sympy.Basic | sympy.MatrixBase:
    check(text)
    if re.search(r"\\(?:sin|cos|tan|sec|csc|cot)", text):
        text = _DEGREES.sub(r"\\frac{\1\\pi}{180}", text)
    formulas = parse(
        rf"\boxed{{{text}}}",
        extraction_config=_CONFIG,
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=PARSE_SECONDS,
        raise_on_error=True,
    )
    if not formulas:
        raise ValueError(f"not a formula that math-verify reads: {text}")
    formula = formulas[0]
    if _IMAGINARY.search(text) and isinstance(formula, sympy.Expr) and not re.search(r"\\(?:sum|prod)", text):
        formula = formula.subs({symbol: sympy.I for symbol in formula.free_symbols if symbol.name == "i"})
    return formula


def _same_solutions(left: sympy.Expr, right: sympy.Expr) -> bool:
    """Re-check of two equations: math-verify compares their real solutions, so any two without one are equal.

    Raises ValueError when neither a real solution is in sight nor complex ones can be compared.
    """
    # 1/x changes its sign and is nowhere zero: only the numerators tell
    left, right = (sympy.fraction(sympy.together(each))[0] for each in (left, right))
    if left.is_number or right.is_number:
        raise ValueError("an equation without a solution")
    ratio = sympy.simplify(left / right)
    if ratio.is_number and ratio.is_finite and ratio != 0:
        return True
    names = left.free_symbols | right.free_symbols
    if all(_changes_sign(each) for each in (left, right)):
        return True
    if left.free_symbols != right.free_symbols:
        return False
    if len(names) == 1 and all(each.is_polynomial(*names) for each in (left, right)):
        first, second = (sympy.Poly(each, *names) for each in (left, right))
        if min(first.count_roots(), second.count_roots()) > 0:
            return True
        return bool(first.sqf_part().monic() == second.sqf_part().monic())
    raise ValueError("equations without a solution in sight")


def _changes_sign(difference: sympy.Expr) -> bool:
    """Whether a difference of two sides is above and below zero at some real points, and so zero in between."""
    names = sorted(difference.free_symbols, key=str)
    signs = set()
    for point in range(NUM_POINTS):
        where = {
            name: sympy.Rational((place * 7 + point * (place + 2) * 5) % 23 - 11, 2) for place, name in enumerate(names)
        }
        value = sympy.N(difference.subs(where))
        if value.is_real and value.is_finite:
            signs.add(sympy.sign(value))
    return {sympy.Integer(-1), sympy.Integer(1)} <= signs


def _close(left: object, right: object, rounding: bool) -> bool:
    """Re-check of two constants to 30 digits: math-verify rounds to six places, so 2^-99 would equal 2^-98.

    Anything but a pair of constants passes. With `rounding`, six significant places suffice when a side is a decimal.
    """
    if not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)) or left.free_symbols | right.free_symbols:
        return True
    rounded = rounding and (left.has(sympy.Float) or right.has(sympy.Float))
    difference = abs(sympy.N(left - right, DIGITS))
    scale = max(abs(sympy.N(left, DIGITS)), abs(sympy.N(right, DIGITS)))
    return bool(difference <= (ROUNDED_ERROR if rounded else RELATIVE_ERROR) * scale)
