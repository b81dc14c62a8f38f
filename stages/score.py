"""Score answers that were made anywhere: avg, pass@k and maj@k with a 95 % interval, by this pipeline's judge.

python -m stages.score --traces extraction.jsonl --golds golds.jsonl --output metrics.json

Lines of the traces are {"problem_id": ..., "sample": 0, "text": ...}, of the golds {"problem_id": ..., "gold": ...}.
Files of lm-evaluation-harness (samples_*.jsonl), lighteval (details, JSON Lines or Parquet) and ReasonLite
(generation.jsonl) are read as they are; they know their golds, so that `--golds` may be left out.

A text that is null is unscored: it is not wrong, and it is not counted among the samples. One without a box and
without "the answer is" is read by what its last sentence comes to, or as a bare answer; `--strict` reads it as the
exams of this pipeline do, as no answer.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.answers import extraction, table
from stages.core.answers.reading import answer_of
from stages.core.formats import generations
from stages.core.formats.generations import Generation
from stages.core.labelling import answer_classes, judging
from stages.core.sampling import channels, queries
from stages.core.scoring import scoring
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.fetching import sources
from stages.edge.files.metrics import write_metrics
from stages.edge.workers import algebra

NAME = "answers"


def main() -> None:
    """Judge every sample and write the scores."""
    parser = running.parser(__doc__, "traces", "output")
    parser.add_argument("--golds", type=Path, help="needed where the traces do not hold them")
    parser.add_argument("--strict", action="store_true", help="only boxes and statements are answers")
    args = parser.parse_args()
    limits = params.load(params.SymbolicLimits, "symbolic")
    runtime = params.load(params.Runtime, "runtime")
    settings = params.load(params.Report, "report")
    samples, golds = _samples(args.traces)
    golds |= _golds(args.golds) if args.golds else {}
    if missing := sorted({each.problem_id for each in samples} - golds.keys()):
        step = f"add what is missing to {args.golds}" if args.golds else "name a file that has them with --golds"
        raise InputError(f"{args.traces}: {len(missing)} problems have no gold, such as {missing[0]!r}: {step}")
    usable = {name: gold for name, gold in golds.items() if gold.strip()}
    if empty := sorted(golds.keys() - usable.keys()):
        message = f"{len(empty)} golds are empty, such as that of {empty[0]!r}: answers to these problems are unscored"
        print(message, file=sys.stderr)
    traces, labels = _tables(samples, usable, args.strict)
    prepared = judging.prepare(table.read_answers(traces.select(list(table.TRACES_IN)), answer_before_cut=True), labels)
    with algebra.symbolic(limits, runtime) as pool:
        outcomes = pool.decide(judging.undecided(prepared), "accepts")
        classes = answer_classes.classes([prepared], partial(pool.decide, relation="same"))
    marks = judging.exam_verdicts(prepared, {pair: str(outcome) for pair, outcome in outcomes.items()}, classes=classes)
    metrics = scoring.summary(marks, traces, settings.num_resamples, settings.seed)
    metrics["num_golds_without_samples"] = len(golds.keys() - {each.problem_id for each in samples})
    write_metrics(metrics, args.output)
    shown = {key: value for key, value in metrics.items() if key != "problems"}
    print("\n".join(f"{key:<26} {value}" for key, value in shown.items()))


def _samples(path: Path) -> tuple[list[Generation], dict[str, str]]:
    """All samples of a file, and the golds that it knows."""
    samples: list[Generation] = []
    golds: dict[str, str] = {}
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
            golds[parsed.name] = parsed.gold
    if not samples:
        raise InputError(f"{path}: holds no sample")
    return samples, golds


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
            content = f"\\boxed{{{extraction.payload(content)}}}"
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


if __name__ == "__main__":
    running.run(main, is_stage=False)
