r"""Expressions: formulas parsed into trees without a parser generator.

`read` knows what answers are made of: numbers, letters, roots, fractions, powers, logarithms, trigonometry, factorials,
functions by their name, whole parts, finite sums. Anything else (relations, units, words) is no expression here.
"""

from functools import lru_cache
from typing import NamedTuple

from stages.core.equality.grammar import MAX_LENGTH, Parser, Tree
from stages.core.equality.tokens import NotAnExpressionError

__all__ = ["MAX_CHARS", "MAX_LENGTH", "Expression", "Tree", "read"]

MAX_CHARS = 500


class Expression(NamedTuple):
    """A formula as a tree, with the names of its variables.

    `is_vague` when it has a logarithm without a base, which is natural to some and decimal to others.
    """

    tree: Tree
    variables: frozenset[str]
    is_vague: bool


@lru_cache(maxsize=10_000)
def read(text: str) -> Expression | None:
    """A tidied text as an expression; None where it is none."""
    if len(text) > MAX_CHARS:
        return None
    try:
        parser = Parser(text)
        tree = parser.parse()
    except NotAnExpressionError:
        return None
    return Expression(tree, frozenset(parser.variables), parser.is_vague)
