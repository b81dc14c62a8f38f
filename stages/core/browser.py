"""What the page of results shows beside its charts: warnings, the tables of rejected rows, and traces to read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import polars as pl

from stages.core import chat, curation, judging, problems, queries, voting
from stages.core.results import Metrics, is_resolved

KEPT = "row"
LOOPS = 0.01
"""A student that loops in more of its answers than this is warned of."""

_KEYS = {name: queries.TRACES[name] for name in judging.KEY}
_MARK = {name: judging.VERDICTS[name] for name in ("answer", "extracted_by", "verdict", "decided_by")}
TRACES_IN = pl.Schema(
    {
        **_KEYS,
        **{name: queries.TRACES[name] for name in ("reasoning", "content", "status", "completion_tokens")},
    }
)
MARKS_IN = pl.Schema({**_KEYS, **_MARK})
PROBLEMS_IN = pl.Schema({name: problems.PROBLEMS[name] for name in ("problem_id", "source", "prompt", "gold")})
EXAMS_IN = pl.Schema(
    {
        name: problems.BENCHMARKS[name]
        for name in ("benchmark", "problem_id", "prompt", "gold", "published", "younger_than_sources")
    }
)
VOTES_IN = pl.Schema({name: voting.VOTES[name] for name in ("problem_id", "label", "label_source")})
SFT_IN = pl.Schema({name: chat.SFT[name] for name in curation.KEY})
ROWS = pl.Schema(
    {
        "part": pl.String(),
        **TRACES_IN,
        **_MARK,
        **dict.fromkeys(("set", "prompt", "gold", "label", "label_source", "fate"), pl.String()),
    }
)
"""Traces to read: `part` is the stage that asked for them, `set` the problem's source or benchmark, `label` what the
vote made of its gold, and `fate` what the SFT sets did with them."""
COLUMNS = ("part", "model", "effort", "set", "problem", "sample", "status", "tokens", *_MARK, "fate")
TEXTS = ("reasoning", "content")


class Table(NamedTuple):
    """A small table; the first cell of a row names it."""

    title: str
    heads: list[str]
    rows: list[list[str]]


def chosen(problem_ids: Collection[str], share: float) -> list[str]:
    """This share of the problems, one at least: by a draw that is the same in every run."""
    ordered = sorted(problem_ids, key=lambda name: (sha256(name.encode()).digest(), name))
    return ordered[: max(1, round(share * len(ordered)))]


def fates(rejects: Mapping[str, pl.DataFrame], kept: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """By the key of a trace, what each SFT set did with it: "turbo: row", or the reason against it.

    `rejects` has `curation.REJECTS` and `kept` `SFT_IN`, by stage.
    """
    parts = [
        frame.select(
            *curation.KEY,
            fate=pl.lit(f"{stage}: ") + (pl.col("reason").cast(pl.String) if has_reason else pl.lit(KEPT)),
        )
        for has_reason, tables in ((True, rejects), (False, kept))
        for stage, frame in tables.items()
    ]
    empty = pl.DataFrame(schema={**SFT_IN, "fate": pl.String()})
    return pl.concat([empty, *parts]).group_by(curation.KEY).agg(pl.col("fate").sort().str.join("; "))


def taught(
    traces: pl.DataFrame, marks: pl.DataFrame, asked: pl.DataFrame, votes: pl.DataFrame, fate: pl.DataFrame
) -> pl.DataFrame:
    """`ROWS` of the teacher's `TRACES_IN` at one effort, from `MARKS_IN`, `PROBLEMS_IN`, `VOTES_IN` and `fates`."""
    return _rows(
        "teach@" + pl.col("effort").fill_null(""),
        traces.join(marks, on=judging.KEY, how="left", nulls_equal=True)
        .join(asked.rename({"source": "set"}), on="problem_id", how="left")
        .join(votes, on="problem_id", how="left")
        .join(fate, on=curation.KEY, how="left", nulls_equal=True),
    )


def examined(student: str, traces: pl.DataFrame, marks: pl.DataFrame, exams: pl.DataFrame) -> pl.DataFrame:
    """`ROWS` of a student's `TRACES_IN` in the exams, from `MARKS_IN` and `EXAMS_IN`."""
    questions = exams.select("benchmark", "problem_id", "prompt", "gold", set="benchmark")
    return _rows(
        pl.lit(f"exam@{student}"),
        traces.join(marks, on=judging.KEY, how="left", nulls_equal=True).join(
            questions, on=["benchmark", "problem_id"], how="left"
        ),
    )


def _rows(part: pl.Expr, found: pl.DataFrame) -> pl.DataFrame:
    absent = {name: pl.lit(None) for name in ROWS if name not in (*found.columns, "part")}
    typed = found.with_columns(part=part, **absent).select(pl.col(name).cast(kind) for name, kind in ROWS.items())
    return typed.sort("benchmark", "problem_id", "model", "effort", "sample", nulls_last=False)


def encoded(found: pl.DataFrame) -> dict[str, Any]:
    """`ROWS` without their texts, by column, and the problems that they are about, for a script to read."""
    key = ["benchmark", "problem_id"]
    known = found.unique(key, keep="first", maintain_order=True).with_row_index("problem")
    places = known.select("problem", *key)
    shown = found.join(places, on=key, how="left", nulls_equal=True, maintain_order="left")
    labels: dict[str, dict[str, list[str | None]]] = {}
    labelled = found.filter(pl.col("label_source").is_not_null()).unique(["problem_id", "effort"], maintain_order=True)
    for problem_id, effort, *label in labelled.select("problem_id", "effort", "label", "label_source").iter_rows():
        labels.setdefault(problem_id, {})[effort] = label
    listed = [
        {"id": row["problem_id"], "prompt": row["prompt"], "gold": row["gold"]}
        | ({"labels": labels[row["problem_id"]]} if row["benchmark"] is None and row["problem_id"] in labels else {})
        for row in known.iter_rows(named=True)
    ]
    columns = shown.rename({"completion_tokens": "tokens"}).select(COLUMNS)
    return {"columns": columns.to_dict(as_series=False), "problems": listed}


def texts(found: pl.DataFrame, rows_per_block: int) -> Iterator[list[list[str | None]]]:
    """(reasoning, content) of the rows, in blocks."""
    for start in range(0, found.height, rows_per_block):
        yield [list(row) for row in found.slice(start, rows_per_block).select(TEXTS).iter_rows()]


def funnels(collected: Mapping[str, Any], curated: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """What `collect` and `curate` left out, by source, from their metrics; the latter by stage."""
    sources = collected["by_source"]
    steps = [
        name
        for name in ("num_rows", "num_filtered", "num_empty", "num_repeated", "num_duplicates")
        if name in collected
    ]
    steps += ["num_contaminated", "num_problems", "num_ungradable"]
    tables = [
        Table(
            "Problems",
            ["", "all", *sources],
            [
                [_words(step), _count(collected[step]), *(_count(each.get(step, 0)) for each in sources.values())]
                for step in steps
            ],
        )
    ]
    for stage, metrics in curated.items():
        by_source = metrics["by_source"]
        lines = [
            ("traces", "num_traces"),
            *((reason, None) for reason, number in metrics["rejected"].items() if number),
        ]
        tables.append(
            Table(
                f"SFT set of {stage}",
                ["", "all", *by_source],
                [
                    *(
                        [
                            name,
                            _count(metrics[key] if key else metrics["rejected"][name]),
                            *(
                                _count(each[key] if key else each["rejected"].get(name, 0))
                                for each in by_source.values()
                            ),
                        ]
                        for name, key in [*lines, ("rows to learn from", "num_rows")]
                    )
                ],
            )
        )
    return tables


def _words(step: str) -> str:
    return step.removeprefix("num_").replace("_", " ")


def _count(number: int) -> str:
    return f"{number:,}"


def warnings(
    found: Metrics,
    gains: Mapping[str, Mapping[str, float]],
    judged: Mapping[str, Mapping[str, float]],
    collected: Mapping[str, Any],
    older: Sequence[str],
) -> list[str]:
    """What makes a number worth less than it looks.

    Args:
        found: numbers by student and benchmark.
        gains: differences by name.
        judged: metrics of `judge` by effort.
        collected: metrics of `collect`.
        older: exams that are older than the newest problems.
    """
    told = [
        f"teacher, effort {effort}: a right answer is there in {_count(int(number))} traces but was not extracted."
        for effort, metrics in judged.items()
        if (number := metrics.get("num_right_but_not_extracted", 0))
    ]
    for name, benchmarks in found.items():
        for benchmark, numbers in benchmarks.items():
            for key, most, what in (
                ("truncated_share", 0.0, "hit the limit of tokens"),
                ("looping_share", LOOPS, "go round in circles"),
                ("unscored_share", 0.0, "are unscored: no model answered, or no gold can judge them"),
            ):
                if numbers.get(key, 0.0) > most:
                    told.append(f"{name}, {benchmark}: {100 * numbers[key]:.1f}% of the answers {what}.")
    told += [f"{name} is older than the newest problems: its questions may be known." for name in older]
    told += [
        f"{name.replace('_', ' ')}: not resolved, these exams are too small to tell."
        for name, gain in gains.items()
        if not is_resolved(gain)
    ]
    for key, what in (
        ("num_gold_conflicts", "problems whose copies have other golds"),
        ("num_gold_in_prompt", "problems whose gold stands in their text"),
        ("num_ungradable", "problems whose gold no judge can use"),
    ):
        if collected.get(key):
            told.append(f"There are {_count(collected[key])} {what}.")
    return told
