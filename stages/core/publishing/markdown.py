"""Markdown with escaped text: settings and data are shown as they are, never taken as markup."""

import re
from collections.abc import Sequence

_MARKUP = re.compile(r"[\\`*{}\[\]<>|#~!$&]|(?<![^\W_])_|_(?![^\W_])")
"""What begins markup. An underscore within a word begins none."""


def escaped(value: object) -> str:
    """One line that shows a value as it is: no markup, no HTML, no cell or line of its own, no control characters."""
    line = " ".join(str(value).split())
    safe = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
    return _MARKUP.sub(lambda match: f"\\{match[0]}", safe)


def fenced(text: str, language: str = "") -> str:
    """A block of code that no text can close: its fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; its cells are Markdown, so what comes from outside is `escaped` before."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
