"""Problems and benchmarks: their tables, and what turns a source's row into one of theirs."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import accumulate

import polars as pl

UNGRADABLE = ("missing", "proof", "damaged")
PROBLEMS = pl.Schema(
    {
        "problem_id": pl.String(),
        "source": pl.String(),
        "topic": pl.String(),
        "prompt": pl.String(),
        "gold": pl.String(),
        "gradable": pl.Boolean(),
        "ungradable_reason": pl.Enum(UNGRADABLE),
        "difficulty": pl.Float32(),
    }
)
PROBLEMS_KEY = ["problem_id"]
BENCHMARKS = pl.Schema(
    {
        "benchmark": pl.String(),
        "problem_id": pl.String(),
        "topic": pl.String(),
        "prompt": pl.String(),
        "gold": pl.String(),
        "published": pl.Date(),
    }
)
BENCHMARKS_KEY = ["benchmark", "problem_id"]

_PROOF = re.compile(r"\b(prove|show|demonstrate)\s+that\b", re.IGNORECASE)
_WHOLE_DOLLARS = re.compile(r"^\$+([^$]*)\$+$")
_WHOLE_BOX = re.compile(r"^\\boxed\{(.*)\}$", re.DOTALL)
_DAMAGED = re.compile(r"^[\^_=]|[\^_/=\\]$|(?<![\^_])[-+*]$")
"""Cut off at either end. A sign may be raised or lowered: `\\mathbb{R}^+` is whole."""


def normalise(text: str) -> str:
    """Text in Unicode NFC, line ends as newlines, no space at either end."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def normalise_gold(gold: str) -> str:
    r"""A gold without the `$...$` or `\boxed{...}` around all of it, and without the degree sign AIME copies carry."""
    text = normalise(gold)
    for whole in (_WHOLE_DOLLARS, _WHOLE_BOX, _WHOLE_DOLLARS):
        if (found := whole.match(text)) and _is_balanced(found.group(1)):
            text = found.group(1).strip()
    return re.sub(r"^(-?\d+)\s*\^\s*\{?\\circ\}?$", r"\1", text)


def _is_balanced(text: str) -> bool:
    r"""Whether no brace closes before it opens: of `\boxed{1} and \boxed{2}`, the outer two braces are no pair."""
    return min(accumulate((char == "{") - (char == "}") for char in text), default=0) >= 0


def problem_id(prompt: str) -> str:
    """16 hex digits of the SHA-256 of the normalised prompt: the same wherever a problem stands in whatever source."""
    return hashlib.sha256(normalise(prompt).encode()).hexdigest()[:16]


def difficulty(value: object) -> float | None:
    """A difficulty as a number: `0.4`, `"5"`, or Polaris' `"7/8"`.

    Raises:
        ValueError: it is none of these.
    """
    if value is None or value == "":
        return None
    top, slash, bottom = str(value).partition("/")
    try:
        number = float(top) / float(bottom if slash else 1)
    except (ValueError, ZeroDivisionError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"difficulty {value!r} is neither a number nor a share such as 7/8")
    return number


def ungradable_reason(prompt: str, gold: str | None) -> str | None:
    """Why no answer could be graded against this gold, or None where one can."""
    if not gold:
        return "missing"
    if _PROOF.search(prompt):
        return "proof"
    if _DAMAGED.search(gold) or gold.count("{") != gold.count("}"):
        return "damaged"
    return None


def problem_rows(source: str, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Problems from a source's rows with `prompt`, `gold`, `topic`, `difficulty`; rows without a prompt are dropped."""
    made = []
    for row in rows:
        prompt = normalise(str(row["prompt"] or ""))
        if not prompt:
            continue
        gold = normalise_gold(str(row["gold"])) if row.get("gold") is not None else None
        reason = ungradable_reason(prompt, gold)
        topic = None if row.get("topic") is None else str(row["topic"])
        made.append(
            (
                problem_id(prompt),
                source,
                topic,
                prompt,
                gold or None,
                reason is None,
                reason,
                difficulty(row.get("difficulty")),
            )
        )
    return pl.DataFrame(made, schema=PROBLEMS, orient="row")


def benchmark_rows(name: str, published: object, problems: pl.DataFrame) -> pl.DataFrame:
    """The benchmark made of `problems`.

    Raises:
        ValueError: a question comes twice, or has no gold that can be graded.
    """
    if problems["problem_id"].is_duplicated().any():
        raise ValueError(f"benchmark {name}: the same question comes twice")
    if not problems["gradable"].all():
        bad = problems.filter(~pl.col("gradable"))["prompt"][0]
        raise ValueError(f"benchmark {name}: no usable answer for the question {bad[:80]!r}")
    return problems.with_columns(
        benchmark=pl.lit(name, pl.String), published=pl.lit(published, pl.Date)
    ).select(list(BENCHMARKS))  # fmt: skip


def deduplicate(problems: pl.DataFrame) -> pl.DataFrame:
    """One row a problem: of equal prompts the first with a gradable gold stays, in the order of the sources."""
    ordered = problems.with_row_index().sort(~pl.col("gradable"), "index")
    return ordered.unique("problem_id", keep="first", maintain_order=True).sort("index").drop("index")
