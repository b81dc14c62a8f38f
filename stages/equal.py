"""Whether pairs of answers are equal, line by line: the judge of this pipeline for anybody's answers.

python -m stages.equal --input pairs.jsonl --output verdicts.jsonl
python -m stages.equal --explain GOLD PREDICTION
python -m stages.equal --explain --input pairs.jsonl
python -m stages.equal --control 50 --input golds.jsonl

Records of the input (JSON Lines, or by its suffix .json, .csv or .parquet) are {"gold": ..., "pred": ...}, or with
VerifierBench's names {"gold_answer": ..., "llm_response": ...}; each is a bare answer, a whole response or null. Each
comes back with `equal` (true, false, or null when it cannot be decided), `decided_by` (the tier; null too), `reason`
(why it cannot be decided; null where it was) and `answer`, what was read as the prediction's answer; other fields stay.

Where records have a label (`equal`, or `gold_judgment`: A or correct, B or incorrect, C or invalid), it comes back as
`label`, and accuracy, false equals, misses by kind and the time are printed.

--explain prints how both sides are read and what each tier makes of them. --control judges each gold (`gold`,
`gold_answer` or `answer`) against the golds of so many other problems and prints those that are accepted. An answer
that begins with a minus sign goes behind `--`.

The pairs that need algebra are remembered in `.cache/decisions.sqlite`: a run that was cut short is run again.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from stages.core.answers.keys import agree
from stages.core.equality import explanation
from stages.core.formats import pairs
from stages.core.formats.pairs import Agreement, Pair
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.fetching import sources
from stages.edge.files import scratch
from stages.edge.judge import Judge
from stages.edge.workers import algebra

LINES_AT_ONCE = 20_000
SEED = 42

Record = Mapping[str, Any]


def main() -> None:
    """Judge every line, in order; or explain pairs; or judge golds against each other."""
    args = _arguments()
    limits = params.load(params.SymbolicLimits, "symbolic")
    runtime = params.load(params.Runtime, "runtime")
    with Judge(algebra.symbolic(limits, runtime)) as judge:
        if args.explain:
            given = [tuple(args.pair)] if args.pair else ((each.gold, each.prediction) for _, each in _read(args.input))
            for gold, prediction in given:
                print("\n".join(_explained(gold, prediction, judge)), end="\n\n")
        elif args.control:
            _control(args.input, args.control, judge)
        else:
            _judge_lines(args.input, args.output, judge)


def _arguments() -> argparse.Namespace:
    parser = running.parser(__doc__)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--explain", action="store_true", help="print how pairs are read; judge nothing else")
    parser.add_argument("--control", type=running.count, metavar="N", help="judge each gold against N golds of others")
    parser.add_argument("pair", nargs="*", metavar="GOLD PREDICTION", help="with --explain")
    args = parser.parse_args()
    if len(args.pair) not in ((0, 2) if args.explain else (0,)):
        parser.error("--explain takes a gold and a prediction; put quotes around each")
    if args.input is None and not args.pair:
        parser.error("--input is missing: a file of pairs")
    if args.output is None and not (args.explain or args.control):
        parser.error("--output is missing: a file for the verdicts")
    return args


def _judge_lines(source: Path, target: Path, judge: Judge) -> None:
    agreement, started = Agreement(), time.monotonic()
    with (
        scratch.replacing(target, is_folder=False) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as output,
    ):
        records = _read(source)
        while some := list(islice(records, LINES_AT_ONCE)):
            output.writelines(_line(record, source) for record in _judged(some, judge, agreement))
    if agreement.num_pairs:
        print("\n".join(agreement.lines(time.monotonic() - started)))


def _read(path: Path) -> Iterator[tuple[Record, Pair]]:
    for place, record in sources.records(path, otherwise=".jsonl"):
        try:
            yield record, pairs.read(record)
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error


def _judged(records: Iterable[tuple[Record, Pair]], judge: Judge, agreement: Agreement) -> Iterator[Record]:
    some = list(records)
    verdicts = judge.accepts([(pair.gold, pair.prediction) for _, pair in some])
    for (record, pair), verdict in zip(some, verdicts, strict=True):
        agreement.add(pair, verdict.equal)
        label = {} if pair.label is None else {"label": pair.label}
        yield {**record, **label, **verdict._asdict(), "answer": verdict.answer if pair.prediction else None}


def _line(record: Record, path: Path) -> str:
    try:
        return json.dumps(record, default=str, allow_nan=False) + "\n"
    except ValueError as error:
        raise InputError(f"{path}: holds NaN or an infinity, which JSON does not know; put null there") from error


def _explained(gold: str, prediction: str, judge: Judge) -> list[str]:
    verdict = judge.accepts([(gold, prediction)])[0]
    return explanation.explained(gold, prediction, verdict.reason or ("equal" if verdict.equal else "different"))


def _control(path: Path, number: int, judge: Judge) -> None:
    """A negative control: golds of different problems differ, but for those that are the same number or spelling."""
    golds, started = [], time.monotonic()
    for place, record in sources.records(path, otherwise=".jsonl"):
        try:
            golds.append(pairs.gold_of(record))
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error
    tried = list(pairs.with_others(golds, number, SEED))
    verdicts = zip(tried, judge.accepts(tried), strict=True)
    accepted = [(*pair, verdict.decided_by) for pair, verdict in verdicts if verdict.equal]
    doubtful = [each for each in accepted if not agree(each[0], each[1])]
    for gold, other, tier in doubtful:
        print(f"{gold}    accepts    {other}    ({tier})")
    share = len(doubtful) / len(tried) if tried else 0.0
    print(
        f"{len(tried):,} pairs of golds of different problems in {time.monotonic() - started:.1f} s; "
        f"{len(accepted):,} accepted, {len(accepted) - len(doubtful):,} of them the same number or spelling; "
        f"{len(doubtful):,} listed above: at most {share:.4%} are false equals"
    )


if __name__ == "__main__":
    running.run(main, is_stage=False)
