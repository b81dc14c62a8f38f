r"""Expressions: formulas parsed into trees without a parser generator.

`read` knows what answers are made of: numbers, letters, roots, fractions, powers, logarithms, trigonometry, factorials.
Anything else (relations, sums, units, words) is no expression here. Parsing takes time linear in the length.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from stages.core.answers.numerals import DATE

MAX_CHARS = 500
MAX_DEPTH = 40
MAX_LENGTH = 60
"""Terms of a sum, and factors of a product."""

Tree = tuple[Any, ...]
"""(operation, operands...), or a leaf: ("number", digits), ("variable", name), ("pi",), ("e",), ("i",)."""

_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*|\.\d+)|(\\[a-zA-Z]+|\\[{}])|([a-zA-Z])|([-+*/^_!(){}\[\]|,=']))")
_FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc",
     "ln", "log", "exp", "cis")
)
_SCIENTIFIC = re.compile(r"\d[eE][-+]?\d|(?<![\d.])0[xb]")
_INVERSES = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc")}
_SELECTING = ("min", "max", "gcd", "lcm")
_GREEK = re.compile(
    "alpha|beta|[gG]amma|[dD]elta|(?:var)?epsilon|zeta|eta|[tT]heta|vartheta|kappa|[lL]ambda|mu|nu|[xX]i|rho|"
    "[sS]igma|tau|(?:var)?phi|Phi|chi|[pP]si|[oO]mega"
)
_APPLIED = frozenset("fghFGHPE")
"""Before a bracket these letters are functions more often than factors."""
APPLIED_GREEK = re.compile(
    r"\\(?:(?:zeta|Gamma)\s*\(|(?:(?:var)?phi|Phi|[pP]si|sigma|tau|mu|eta|omega)\s*\(|(?<![\d}).])\\pi\s*\(\s*(?:\d+|[a-zA-Z])\s*\))"
)
"""Greek letters that are functions before a bracket: zeta(3) is no product."""
APPLIED = re.compile(
    r"(?<![\\a-zA-Z])(?:[a-zA-Z]\s*\(\s*(?:\d+|[a-zA-Z])\s*(?:,[^()]*)?\)|[a-zA-Z]\s*\([^()]*,[^()]*\)|[EVP]\s*(?:\(|\[))"
)
"""A letter before a bracket with one letter, one number or a list in it is a function as well: u(t), B(2,3)."""
FLOOR = re.compile(r"(?<!\\sqrt)\s*\[[^\[\]()]*[a-zA-Z\\.][^\[\]()]*\]|\\\{[^{}]*\\\}")
"""Square brackets may be the whole part of what they enclose, braces that are typed its fractional part."""
ORDER = re.compile(r"(?<![\\a-zA-Z])[a-df-zA-Z]'*(?:_(?:\w|\{\w+\}))?\s*\^\s*\{\s*\(\s*\w+\s*\)\s*\}")
"""The fourth derivative y^{(4)} is no power."""


_APPLIED_MACROS = frozenset(("zeta", "Gamma", "phi", "varphi", "Phi", "psi", "Psi", "sigma", "tau", "mu", "eta", "omega"))
_PAIRS = {"lfloor": ("floor", r"\rfloor"), "lceil": ("ceil", r"\rceil"), "{": ("part", r"\}"), "lvert": ("abs", r"\rvert")}
_CLOSERS = frozenset((r"\rfloor", r"\rceil", r"\}", r"\rvert", r"\bmod", r"\mod"))
_PRODUCTS = {"*": "*", "/": "/", r"\bmod": "mod", r"\mod": "mod"}


class Expression(NamedTuple):
    """A formula as a tree, with the names of its variables.

    `is_vague` when it has a logarithm without a base, which is natural to some and decimal to others.
    """

    tree: Tree
    variables: frozenset[str]
    is_vague: bool


class _NotAnExpression(Exception):
    """The text is no expression."""


@lru_cache(maxsize=10_000)
def read(text: str) -> Expression | None:
    """A tidied text as an expression; None where it is none."""
    if len(text) > MAX_CHARS:
        return None
    parser = _ExpressionParser()
    try:
        tree = parser.parse(text)
    except _NotAnExpression:
        return None
    return Expression(tree, frozenset(parser.variables), parser.is_vague)


class _ExpressionParser:
    """A recursive-descent parser: sum, term, factor, power, atom."""

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.is_vague = False
        self._tokens: list[str] = []
        self._next = 0
        self._depth = 0

    def parse(self, text: str) -> Tree:
        position, end = 0, len(text.rstrip())
        if _SCIENTIFIC.search(text) or DATE.fullmatch(text) or ORDER.search(text):
            raise _NotAnExpression
        while position < end:
            match = _TOKEN.match(text, position)
            if not match:
                raise _NotAnExpression
            self._tokens.append(match[match.lastindex or 0])
            position = match.end()
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
        length = 0
        while self._peek() in ("+", "-"):
            tree = (self._take(), tree, self._term())
            length += 1
            if length > MAX_LENGTH:
                raise _NotAnExpression
        self._depth -= 1
        return tree

    def _term(self) -> Tree:
        tree = self._factor()
        for _ in range(MAX_LENGTH):
            token = self._peek()
            if token in _PRODUCTS:
                self._take()
                tree = (_PRODUCTS[token], tree, self._factor())
            elif self._begins_factor(token):
                before = self._tokens[self._next - 1]
                if (token[0].isdigit() or token[0] == ".") and (before[-1:].isalnum() or before[-1:] == "."):
                    raise _NotAnExpression  # "2 3", "1.5.2" and "x2" are no products
                tree = ("*", tree, self._power())
            else:
                return tree
        raise _NotAnExpression

    @staticmethod
    def _begins_factor(token: str) -> bool:
        is_open = token in ("(", "{", "[") or (token[:1] == "\\" and token not in _CLOSERS)
        return bool(token) and (token[0].isalnum() or token[0] == "." or is_open)

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
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotAnExpression
        tree = self._atom()
        self._depth -= 1
        if self._peek() == "!":
            self._take()
            tree = ("!", tree)
            if self._peek() == "!":
                raise _NotAnExpression  # 5!! is no factorial of a factorial
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
        if token == "[":
            return self._whole_part()
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
        if self._peek() == "'":
            raise _NotAnExpression  # a derivative
        if self._peek() == "(" and (letter in _APPLIED or self._is_argument()):
            return self._applied(letter)
        if letter == "d" and self._peek().isalpha():
            raise _NotAnExpression  # a differential
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
            before = self._tokens[self._next - 2] if self._next > 1 else ""
            is_counting = self._peek() == "(" and self._is_argument() and not (before[-1:].isdigit() or before in ("}", ")"))
            return self._applied("\\pi") if is_counting else ("pi",)
        if name in _FUNCTIONS:
            return self._function(name)
        if name in _PAIRS:
            return (_PAIRS[name][0], self._closed(_PAIRS[name][1]))
        if name in _SELECTING:
            return (name, *self._arguments())
        if name in ("sum", "prod"):
            return self._series(name)
        if name in ("overline", "bar"):
            inside = self._argument()
            if inside[0] == "variable" or _has(inside, "variable") or not _has(inside, "i"):
                raise _NotAnExpression  # a segment, digits side by side, or the mean of something
            return ("conj", inside)
        if self._peek() == "(" and (name in _APPLIED_MACROS or self._is_argument()):
            return self._applied("\\" + name)
        if _GREEK.fullmatch(name):
            return self._variable("\\" + name)
        raise _NotAnExpression

    def _is_argument(self) -> bool:
        """Whether the bracket that comes holds one number or one letter, or a list, as that of a function does."""
        if self._peek(1)[:1].isalnum() and self._peek(2) == ")":
            return True
        level = 0
        for token in self._tokens[self._next :]:
            level += (token in "([{") - (token in ")]}")
            if level == 1 and token == ",":
                return True
            if level == 0:
                return False
        return False

    def _applied(self, name: str) -> Tree:
        """A function that is only known by its name, of one argument or more."""
        return ("applied", name, *self._arguments())

    def _arguments(self) -> list[Tree]:
        closing = {"(": ")", r"\{": r"\}"}.get(self._take())
        if closing is None:
            raise _NotAnExpression
        arguments = [self._sum()]
        while self._peek() == "," and len(arguments) < MAX_LENGTH:
            self._take()
            arguments.append(self._sum())
        self._take(closing)
        return arguments

    def _whole_part(self) -> Tree:
        """[x] is the whole part of x, but a bracket only groups where it holds brackets: [(x+1)^2-4]."""
        start = self._next
        inside = self._closed("]")
        return inside if "(" in self._tokens[start : self._next] else ("floor", inside)

    def _series(self, name: str) -> Tree:
        """A sum or a product over whole numbers from one bound to another."""
        self._take("_")
        self._take("{")
        letter = self._take()
        self._take("=")
        low = self._sum()
        self._take("}")
        self._take("^")
        high = self._argument()
        before = set(self.variables)
        body = self._term()
        if letter not in before:
            self.variables.discard(letter)
        return (name, letter, low, high, body)

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
        for _ in range(MAX_LENGTH):
            if not self._begins_factor(self._peek()) or self._peek()[1:] in _FUNCTIONS or self._peek() == "(":
                return tree
            tree = ("*", tree, self._power())
        raise _NotAnExpression


def _has(tree: Tree, kind: str) -> bool:
    return tree[0] == kind or any(_has(each, kind) for each in tree[1:] if isinstance(each, tuple))
