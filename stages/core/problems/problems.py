"""Problems and benchmarks: their tables, and what turns a source's row into one of theirs."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from stages.core.answers.keys import canonical
from stages.core.problems.golds import is_in_prompt, is_placeholder, normalise_gold, ungradable_reason
from stages.core.tables.benchmarks import BENCHMARKS
from stages.core.tables.problems import PROBLEMS
from stages.core.text.identity import normalise, problem_id


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


def problem_rows(source: str, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Problems from rows with `prompt`, and `id`, `gold`, `topic`, `difficulty` where they have them.

    Rows without a prompt are dropped.
    """
    table = []
    for row in rows:
        prompt = normalise(str(row["prompt"] or ""))
        if not prompt:
            continue
        gold = gold_of(row.get("gold"))
        reason = ungradable_reason(prompt, gold)
        own_id, topic = (None if row.get(name) is None else str(row[name]) for name in ("id", "topic"))
        graded = (gold, reason is None, reason, is_in_prompt(prompt, gold))
        table.append((problem_id(prompt), source, own_id, topic, prompt, *graded, difficulty(row.get("difficulty"))))
    return pl.DataFrame(table, schema=PROBLEMS, orient="row")


def gold_of(value: object) -> str | None:
    """A source's gold as normalised text; None for an empty one, and for a placeholder such as N/A."""
    gold = "" if value is None else normalise_gold(normalise(str(value)))
    return None if not gold or is_placeholder(gold) else gold


def benchmark_rows(
    name: str,
    published: object,
    problems: pl.DataFrame,
    answers: tuple[int, int] | None = None,
    newest_source: object = None,
) -> pl.DataFrame:
    """The benchmark with these `problems`; with `answers` its golds must be integers between these bounds, inclusive.

    `published` and `newest_source` are dates, or None where that of the exam, or of any source, is not known;
    `younger_than_sources` is null where one of them is.

    Raises:
        ValueError: a question comes twice, has no gold that can be graded, or one out of bounds.
    """
    if problems["problem_id"].is_duplicated().any():
        raise ValueError(f"benchmark {name}: the same question comes twice")
    if not problems["gradable"].all():
        bad = problems.filter(~pl.col("gradable"))["prompt"][0]
        raise ValueError(f"benchmark {name}: no usable answer for the question {bad[:80]!r}")
    if answers is not None:
        lowest, highest = answers
        for prompt, gold in problems.select("prompt", "gold").iter_rows():
            if not re.fullmatch(r"-?\d+", gold) or not lowest <= int(gold) <= highest:
                raise ValueError(
                    f"benchmark {name}: the answer {gold!r} to {prompt[:80]!r} is no integer in {lowest}..{highest}"
                )
    return problems.with_columns(
        benchmark=pl.lit(name, pl.String),
        published=pl.lit(published, pl.Date),
        younger_than_sources=pl.lit(published, pl.Date) > pl.lit(newest_source, pl.Date),
    ).select(list(BENCHMARKS))


def newest(days: Sequence[object]) -> object:
    """The last of the days when sources became public; None where one is not known, for it may be later still."""
    known = pl.Series(days, dtype=pl.Date)
    return None if known.null_count() else known.max()


def answers_digest(golds: Iterable[str]) -> str:
    """First 16 hex digits of the SHA-256 of a benchmark's golds, sorted, by their canonical text.

    Copies of a benchmark differ in the spelling of their questions, and in their order; their answers must not differ.
    """
    return hashlib.sha256("\n".join(sorted(map(canonical, golds))).encode()).hexdigest()[:16]


def content_digest(problems: pl.DataFrame) -> str:
    """First 16 hex digits of the SHA-256 of prompts and golds in any order: this very copy of a set."""
    rows = sorted(f"{prompt}\0{gold}" for prompt, gold in problems.select("prompt", "gold").iter_rows())
    return hashlib.sha256("\0".join(rows).encode()).hexdigest()[:16]
