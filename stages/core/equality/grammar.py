"""Grammar: the parser of formulas, a tree for each, in time linear in the length."""

from typing import Any

from stages.core.equality.functions import (
    APPLIED_LETTERS,
    APPLIED_MACROS,
    CLOSERS,
    FUNCTIONS,
    GREEK,
    INVERSES,
    PAIRS,
    PRODUCTS,
    SELECTING,
)
from stages.core.equality.tokens import NotAnExpressionError, Tokens

MAX_DEPTH = 40
MAX_LENGTH = 60
"""Terms of a sum, and factors of a product."""

Tree = tuple[Any, ...]
"""(operation, operands...), or a leaf: ("number", digits), ("variable", name), ("pi",), ("e",), ("i",)."""


class Parser(Tokens):
    """A recursive-descent parser: sum, term, factor, power, atom."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.variables: set[str] = set()
        self.is_vague = False
        self._depth = 0

    def parse(self) -> Tree:
        """The tree of the text; raises NotAnExpressionError where it is no formula."""
        tree = self._sum()
        if self._next < len(self._tokens):
            raise NotAnExpressionError
        return tree

    def _sum(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotAnExpressionError
        tree = self._term()
        length = 0
        while self._peek() in ("+", "-"):
            tree = (self._take(), tree, self._term())
            length += 1
            if length > MAX_LENGTH:
                raise NotAnExpressionError
        self._depth -= 1
        return tree

    def _term(self) -> Tree:
        tree = self._factor()
        for _ in range(MAX_LENGTH):
            token = self._peek()
            if token in PRODUCTS:
                self._take()
                tree = (PRODUCTS[token], tree, self._factor())
            elif self._begins_factor(token):
                before = self._tokens[self._next - 1]
                if (token[0].isdigit() or token[0] == ".") and (before[-1:].isalnum() or before[-1:] == "."):
                    raise NotAnExpressionError  # "2 3", "1.5.2" and "x2" are no products
                tree = ("*", tree, self._power())
            else:
                return tree
        raise NotAnExpressionError

    @staticmethod
    def _begins_factor(token: str) -> bool:
        is_open = token in ("(", "{", "[") or (token[:1] == "\\" and token not in CLOSERS)
        return bool(token) and (token[0].isalnum() or token[0] == "." or is_open)

    def _factor(self) -> Tree:
        if self._peek() in ("+", "-"):
            sign = self._take()
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise NotAnExpressionError
            tree = self._factor()
            self._depth -= 1
            return tree if sign == "+" else ("neg", tree)
        return self._power()

    def _power(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotAnExpressionError
        tree = self._atom()
        self._depth -= 1
        if self._peek() == "!":
            self._take()
            tree = ("!", tree)
            if self._peek() == "!":
                raise NotAnExpressionError  # 5!! is no factorial of a factorial
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
        raise NotAnExpressionError

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
            raise NotAnExpressionError  # a derivative
        if self._peek() == "(" and (letter in APPLIED_LETTERS or self._is_argument()):
            return self._applied(letter)
        if letter == "d" and self._peek().isalpha():
            raise NotAnExpressionError  # a differential
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
            is_counting = (
                self._peek() == "(" and self._is_argument() and not (before[-1:].isdigit() or before in ("}", ")"))
            )
            return self._applied("\\pi") if is_counting else ("pi",)
        if name in FUNCTIONS:
            return self._function(name)
        if name in PAIRS:
            return (PAIRS[name][0], self._closed(PAIRS[name][1]))
        if name in SELECTING:
            return (name, *self._arguments())
        if name in ("sum", "prod"):
            return self._series(name)
        if name in ("overline", "bar"):
            inside = self._argument()
            if inside[0] == "variable" or _has(inside, "variable") or not _has(inside, "i"):
                raise NotAnExpressionError  # a segment, digits side by side, or the mean of something
            return ("conj", inside)
        if self._peek() == "(" and (name in APPLIED_MACROS or self._is_argument()):
            return self._applied("\\" + name)
        if GREEK.fullmatch(name):
            return self._variable("\\" + name)
        raise NotAnExpressionError

    def _applied(self, name: str) -> Tree:
        """A function that is only known by its name, of one argument or more."""
        return ("applied", name, *self._arguments())

    def _arguments(self) -> list[Tree]:
        closing = {"(": ")", r"\{": r"\}"}.get(self._take())
        if closing is None:
            raise NotAnExpressionError
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
                if name not in INVERSES:
                    raise NotAnExpressionError
                name, power = INVERSES[name], None
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
            if not self._begins_factor(self._peek()) or self._peek()[1:] in FUNCTIONS or self._peek() == "(":
                return tree
            tree = ("*", tree, self._power())
        raise NotAnExpressionError


def _has(tree: Tree, kind: str) -> bool:
    return tree[0] == kind or any(_has(each, kind) for each in tree[1:] if isinstance(each, tuple))
