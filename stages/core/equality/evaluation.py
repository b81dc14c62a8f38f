"""Evaluation: the value of an expression at a point, to as many digits as its context has, or a refusal.

Every operation is bounded, so that evaluating any expression takes microseconds: what is large is refused.
"""

from collections.abc import Mapping
from typing import Any

from stages.core.equality.expressions import Tree
from stages.core.equality.operations import LARGEST, OPERATIONS, NoValueError, applied, power, root

LARGEST_SERIES = 200

BRANCHING = frozenset(
    (
        "abs",
        "root",
        "arcsin",
        "arccos",
        "arctan",
        "arccot",
        "arcsec",
        "arccsc",
        "ln",
        "log",
        "floor",
        "ceil",
        "part",
        "mod",
        "min",
        "max",
        "gcd",
        "lcm",
        "conj",
    )
)


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
    if kind in ("sum", "prod"):
        return _series(tree, at, context)
    if kind == "^" and (root := _odd_root(tree, at, context)) is not None:
        return root
    if kind == "applied":
        return applied(context, tree[1], [_evaluate(each, at, context) for each in tree[2:]])
    values = [_evaluate(each, at, context) for each in tree[1:]]
    if any(abs(each) > LARGEST for each in values):
        raise NoValueError
    value = OPERATIONS[kind](context, *values)
    if not context.isfinite(value):
        raise NoValueError
    return value


def _odd_root(tree: Tree, at: Mapping[str, Any], context: Any) -> Any | None:  # noqa: ANN401
    """(-8)^{1/3} as people mean it, the real -2; None for any other power."""
    exponent = tree[2]
    if exponent[0] != "/" or exponent[1][0] != "number" or exponent[2][0] != "number" or _varies(tree[1]):
        return None
    base = _evaluate(tree[1], at, context)
    if not exponent[2][1].isdigit() or int(exponent[2][1]) % 2 == 0 or context.im(base) != 0 or context.re(base) >= 0:
        return None
    return power(context, root(context, base, context.mpf(exponent[2][1])), context.mpf(exponent[1][1]))


def _series(tree: Tree, at: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401
    """The terms of a sum or a product, one by one."""
    _, letter, low, high, body = tree
    first, last = (_evaluate(each, at, context) for each in (low, high))
    if not (context.isint(first) and context.isint(last)) or not 0 <= last - first < LARGEST_SERIES:
        raise NoValueError
    total = context.mpf(tree[0] == "prod")
    for value in range(int(first), int(last) + 1):
        term = _evaluate(body, {**at, letter: context.mpf(value)}, context)
        total = total * term if tree[0] == "prod" else total + term
        if abs(total) > LARGEST:
            raise NoValueError
    return total


def is_undefined(tree: Tree) -> bool:
    """Whether a constant divides by zero as it is written."""
    if tree[0] == "/" and tree[2][0] == "number" and not float(tree[2][1]):
        return True
    return any(is_undefined(each) for each in tree[1:] if isinstance(each, tuple))
