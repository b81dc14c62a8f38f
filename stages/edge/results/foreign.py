"""Answers that other programs made and scored: read from their files, judged by ours, and two of them compared."""

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.core.answers import conclusions, table
from stages.core.answers.keys import agree
from stages.core.answers.reading import answer_of
from stages.core.formats import generations
from stages.core.formats.generations import Generation
from stages.core.labelling import answer_classes, judging
from stages.core.sampling import channels, queries
from stages.core.scoring import scoring
from stages.core.scoring.scores import SCORES
from stages.core.text.normalisation import words_and_signs
from stages.edge import params
from stages.edge.errors import InputError
from stages.edge.fetching import sources
from stages.edge.workers import algebra

NAME = "answers"


class Answers(NamedTuple):
    """What a file holds, by problem; `metrics` has what its own program made of each line."""

    samples: list[Generation]
    golds: dict[str, str]
    questions: dict[str, str]
    metrics: dict[str, list[Mapping[str, float]]]


class Scored(NamedTuple):
    """Scores by problem, with the columns that a paired difference needs, and what says which problems are the same."""

    scores: pl.DataFrame
    golds: Mapping[str, str]
    questions: Mapping[str, str]


NEEDED = pl.Schema(
    {
        **{name: SCORES[name] for name in ("student", "effort", "benchmark", "problem_id")},
        "num_samples": pl.Float64(),
        "num_correct": pl.Float64(),
    }
)


def scored(
    path: Path,
    golds_file: Path | None,
    metric: str | None,
    student: str | None,
    strict: bool,
    limits: params.SymbolicLimits,
    runtime: params.Runtime,
) -> Scored:
    """The scores that a file holds or that our judge gives its answers.

    `metric` takes the file's own score of that name; `student` one of several in a table of scores of ours.

    Raises:
        InputError: as `read`, or the file has no such metric or student.
    """
    if path.suffix == ".parquet" and path.is_file() and {"num_correct", "num_samples"} <= set(_schema(path)):
        return _own_scores(path, student)
    if metric is not None:
        answers = _samples(path)
        return Scored(_by_metric(path, answers, metric), answers.golds, answers.questions)
    answers = read(path, golds_file)
    marks, traces = judged(answers, strict, limits, runtime)
    joined = scoring.joined(marks, traces)
    counted = joined.group_by(list(NEEDED)[1:4]).agg(
        num_samples=pl.col("scored").sum(), num_correct=pl.col("right").sum()
    )
    table_of_scores = counted.with_columns(student=pl.lit(NAME)).select(list(NEEDED)).cast(NEEDED)
    return Scored(table_of_scores, answers.golds, answers.questions)


def _schema(path: Path) -> pl.Schema:
    try:
        return pl.Schema(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error}); name another file") from error


def _own_scores(path: Path, student: str | None) -> Scored:
    if missing := [name for name in NEEDED if name not in _schema(path)]:
        raise InputError(f"{path}: is no table of scores: it has no column {missing[0]!r}; name another file")
    scores = pl.read_parquet(path, columns=list(NEEDED)).select(list(NEEDED)).cast(NEEDED)
    names = scores["student"].unique().sort().to_list()
    if student is None and len(names) > 1:
        raise InputError(f"{path}: has the scores of {', '.join(names)}: name one with --student")
    if student is not None and student not in names:
        raise InputError(f"{path}: has no student {student!r}, but {', '.join(names)}")
    scores = scores.filter(pl.col("student") == (student or names[0]))
    if scores["effort"].n_unique() > 1:
        raise InputError(f"{path}: has {student or names[0]} at several efforts: keep the rows of one")
    return Scored(scores, {}, {})


def _by_metric(path: Path, answers: Answers, metric: str) -> pl.DataFrame:
    """A file's own scores: the mean over the lines of a problem, as those of one sample."""
    known = sorted({name for rows in answers.metrics.values() for row in rows for name in row})
    values = {name: [row[metric] for row in rows if metric in row] for name, rows in answers.metrics.items()}
    if not any(values.values()):
        has = f"its metrics are {', '.join(known)}" if known else "it has none: leave --metric out to judge its answers"
        raise InputError(f"{path}: has no metric {metric!r}; {has}")
    rows = [(NAME, None, NAME, name, 1.0, sum(each) / len(each)) for name, each in values.items() if each]
    outside = [value for *_, value in rows if not 0 <= value <= 1]
    if outside:
        raise InputError(
            f"{path}: its metric {metric!r} has the value {outside[0]}: only shares from 0 to 1 are compared"
        )
    return pl.DataFrame(rows, schema=NEEDED, orient="row")


def paired(first: Scored, second: Scored) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """The scores of the problems that both have, under the names of the first, and how many problems only one has.

    Problems are the same by their ids and benchmarks; where these do not meet, by their questions: the shorter one,
    without signs, stands in the longer, which may hold instructions too.

    Raises:
        InputError: they share none, or a shared problem has another gold in each.
    """
    one, other = first.scores, second.scores
    on = ["benchmark", "problem_id"]
    if one["benchmark"].n_unique() == other["benchmark"].n_unique() == 1:
        other = other.with_columns(benchmark=pl.lit(one["benchmark"][0]))
    renamed = other
    if one.join(other, on=on).is_empty() or _other_gold(first, second) is not None:
        names = _by_question(first.questions, second.questions)
        renamed = other.filter(pl.col("problem_id").is_in(list(names))).with_columns(
            problem_id=pl.col("problem_id").replace(names)
        )
        second = Scored(renamed, {names[key]: gold for key, gold in second.golds.items() if key in names}, {})
    if (shared := one.join(renamed, on=on).height) == 0:
        raise InputError("the two files share no problem, by id or by question: compare answers to the same exam")
    if (name := _other_gold(first, second)) is not None:
        raise InputError(
            f"the gold of problem {name!r} is {first.golds[name]!r} in one file, {second.golds[name]!r} in the other: "
            "compare answers to the same exam"
        )
    alone = one.height + other.height - 2 * shared
    return one.join(renamed, on=on, how="semi"), renamed.join(one, on=on, how="semi"), alone


def _other_gold(first: Scored, second: Scored) -> str | None:
    """A problem to which both files have a gold, and not the same one."""
    for name in sorted(first.golds.keys() & second.golds.keys()):
        golds = [each.golds[name] for each in (first, second)]
        read_golds = [answer_of(gold) or gold for gold in golds]
        if golds[0] != golds[1] and not agree(*read_golds):
            return name
    return None


def _by_question(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Names in the first by names in the second of problems that have one question, and are the only ones that do."""
    ours, theirs = (
        {name: f" {' '.join(words_and_signs(text))} " for name, text in each.items()} for each in (first, second)
    )
    pairs = [
        (own, name) for own, text in ours.items() for name, words in theirs.items() if text.strip() and text == words
    ]
    pairs = pairs or [
        (own, name)
        for own, text in ours.items()
        for name, words in theirs.items()
        if text.strip() and words.strip() and (text in words or words in text)
    ]
    counts = Counter(own for own, _ in pairs), Counter(name for _, name in pairs)
    return {name: own for own, name in pairs if counts[0][own] == counts[1][name] == 1}


def judged(
    answers: Answers, strict: bool, limits: params.SymbolicLimits, runtime: params.Runtime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Verdicts of our judge, and the traces, in the columns that scoring needs."""
    usable = {name: gold for name, gold in answers.golds.items() if gold.strip()}
    if empty := sorted(answers.golds.keys() - usable.keys()):
        message = f"{len(empty)} golds are empty, such as that of {empty[0]!r}: answers to these problems are unscored"
        print(message, file=sys.stderr)
    traces, labels = _tables(answers.samples, usable, strict)
    prepared = judging.prepare(table.read_answers(traces.select(list(table.TRACES_IN)), answer_before_cut=True), labels)
    with algebra.symbolic(limits, runtime) as pool:
        outcomes = pool.decide(judging.undecided(prepared), "accepts")
        classes = answer_classes.classes([prepared], partial(pool.decide, relation="same"))
    named = {pair: str(outcome) for pair, outcome in outcomes.items()}
    return judging.exam_verdicts(prepared, named, classes=classes), traces


def read(path: Path, golds_file: Path | None) -> Answers:
    """All samples of a file, and the golds that it knows or that `golds_file` has.

    Raises:
        InputError: a form is unknown, a sample stands there twice, or a problem has no gold.
    """
    answers = _samples(path)
    answers.golds.update(_golds(golds_file) if golds_file else {})
    if missing := sorted({each.problem_id for each in answers.samples} - answers.golds.keys()):
        step = f"add what is missing to {golds_file}" if golds_file else "name a file that has them with --golds"
        raise InputError(f"{path}: {len(missing)} problems have no gold, such as {missing[0]!r}: {step}")
    return answers


def _samples(path: Path) -> Answers:
    """All samples of a file, and what it knows of their problems."""
    samples: list[Generation] = []
    answers = Answers(samples, {}, {}, {})
    seen: dict[tuple[str, int], str] = {}
    view: str | None = None
    for number, (place, row) in enumerate(sources.records(path)):
        try:
            parsed = generations.parse(row, number)
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error
        view = view or parsed.view
        if parsed.view != view:
            continue  # the same answers once more, as another filter of lm-eval reads them
        for each in parsed.generations:
            if (before := seen.setdefault((each.problem_id, each.sample), place)) != place:
                raise InputError(
                    f"{place}: sample {each.sample} of problem {each.problem_id!r} stands at {before} too; number the "
                    "samples of a problem"
                )
            samples.append(each)
        if parsed.gold is not None:
            answers.golds[parsed.name] = parsed.gold
        if parsed.question is not None:
            answers.questions[parsed.name] = parsed.question
        if parsed.metrics is not None:
            answers.metrics.setdefault(parsed.name, []).append(parsed.metrics)
    if not samples:
        raise InputError(f"{path}: holds no sample")
    return answers


def _golds(path: Path) -> dict[str, str]:
    golds: dict[str, str] = {}
    for place, row in sources.records(path):
        name, gold = row.get("problem_id"), row.get("gold")
        is_number = isinstance(gold, int | float) and not isinstance(gold, bool) and math.isfinite(gold)
        if name is None or not (isinstance(gold, str) or is_number):
            raise InputError(f'{place}: is no {{"problem_id": ..., "gold": ...}}')
        key, text = queries.escape_surrogates(str(name)), queries.escape_surrogates(str(gold))
        if golds.setdefault(key, text) != text:
            raise InputError(f"{place}: problem {name!r} has another gold before; correct one of them")
    return golds


def _tables(samples: list[Generation], golds: Mapping[str, str], strict: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The traces, in the columns that judging and scoring need, and the labels."""
    rows = list(_rows(samples, strict))
    schema: dict[str, Any] = {**table.TRACES_IN, **scoring.TRACES_IN}
    labels = [(NAME, name, gold) for name, gold in golds.items()]
    label_schema = {"benchmark": pl.String(), "problem_id": pl.String(), "label": pl.String()}
    return pl.DataFrame(rows, schema=schema), pl.DataFrame(labels, schema=label_schema, orient="row")


def _rows(samples: list[Generation], strict: bool) -> Iterator[dict[str, Any]]:
    for each in samples:
        content, _ = channels.split_reasoning(each.text, None)
        if not strict and content is not None and answer_of(content) is None:
            content = f"\\boxed{{{conclusions.payload(content)}}}"
        yield {
            "model": NAME,
            "effort": None,
            "benchmark": NAME,
            "problem_id": each.problem_id,
            "sample": each.sample,
            "content": content,
            "status": "failed" if each.text is None else "stop",
            "completion_tokens": None,
            "looping": None,
        }
