"""Other graders of pairs, each in a process that is killed when a pair takes too long, as ours are.

math-verify gets both sides as its users give them: a response as it is, a bare answer between dollar signs. sympy reads
no responses, so it gets the answers that we extract; two are equal when its LaTeX parser reads them as the same, or as
two expressions whose difference simplifies to zero.
"""

import logging
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import NamedTuple

from pebble import ProcessExpired, ProcessPool

from stages.core.answers.conclusions import payload

Texts = tuple[str, str]
Grader = Callable[[str, str], bool]
GIB = 2**30


class Graded(NamedTuple):
    """Verdicts (None: over its time, its memory, or an error), and the seconds for all of them."""

    equal: list[bool | None]
    seconds: float


def math_verify(gold: str, prediction: str) -> bool:
    """`verify(parse(gold), parse(prediction))` with the library's defaults."""
    from math_verify import parse, verify

    return bool(verify(parse(_between_dollars(gold)), parse(_between_dollars(prediction))))


def sympy(gold: str, prediction: str) -> bool:
    """sympy's own LaTeX parser (by lark) and `simplify`."""
    from sympy import Expr, simplify
    from sympy.parsing.latex import parse_latex

    left, right = (parse_latex(payload(text).strip(" $."), backend="lark") for text in (gold, prediction))
    if left == right:
        return True
    return isinstance(left, Expr) and isinstance(right, Expr) and simplify(left - right) == 0


def _between_dollars(text: str) -> str:
    is_bare = payload(text) == text and not any(mark in text for mark in ("$", r"\boxed", r"\(", r"\["))
    return f"${text}$" if is_bare else text


def graded(grader: Grader, pairs: Sequence[Texts], seconds: float, memory_gib: float) -> Graded:
    """The verdicts of one process on pairs one by one; imports are done before the clock starts."""
    verdicts: list[bool | None] = []
    context = multiprocessing.get_context("forkserver")
    with ProcessPool(max_workers=1, context=context, initializer=_limit, initargs=(memory_gib,)) as pool:
        pool.schedule(_verdict, args=(grader, "1", "1")).result()
        started = time.perf_counter()
        for gold, prediction in pairs:
            try:
                verdicts.append(pool.schedule(_verdict, args=(grader, gold, prediction), timeout=seconds).result())
            except (FutureTimeoutError, ProcessExpired):
                verdicts.append(None)
        return Graded(verdicts, time.perf_counter() - started)


def _limit(memory_gib: float) -> None:
    logging.disable(logging.WARNING)  # math-verify writes a line for each text that it cannot read
    warnings.simplefilter("ignore")  # and sympy one for each that it misreads
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_gib * GIB),) * 2)


def _verdict(grader: Grader, gold: str, prediction: str) -> bool | None:
    """Runs in the worker. A grader that raises does not accept; what it raises may be anything."""
    try:
        return grader(gold, prediction)
    except BaseException:
        return None
