"""Whether pairs of answers are equal, line by line: the judge of this pipeline for anybody's answers.

python -m stages.equal --input pairs.jsonl --output verdicts.jsonl

Records of the input (JSON Lines, or by its suffix .json, .csv or .parquet) are {"gold": ..., "pred": ...}, each a bare
answer, a whole response or null. Each comes back with `equal` (true, false, or null when it cannot be decided),
`decided_by` (the tier; null too) and `answer`, what was read as the prediction's answer; other fields stay. The pairs
that need algebra are remembered in `.cache/decisions.sqlite`, so a run that was cut short is simply run again.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from stages.core.answers import extraction
from stages.core.equality.relations import Tier, accepts_extracted
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.fetching import sources
from stages.edge.files import scratch
from stages.edge.workers import algebra
from stages.edge.workers.algebra import Outcome

LINES_AT_ONCE = 20_000

Record = Mapping[str, Any]


def main() -> None:
    """Judge every line, in order."""
    args = running.parser(__doc__, "input", "output").parse_args()
    limits = params.load(params.SymbolicLimits, "symbolic")
    runtime = params.load(params.Runtime, "runtime")
    with (
        scratch.replacing(args.output, is_folder=False) as partial,
        algebra.symbolic(limits, runtime) as pool,
        partial.open("w", encoding="utf-8", newline="\n") as output,
    ):
        records = _records(args.input)
        while some := list(islice(records, LINES_AT_ONCE)):
            output.writelines(_line(record, args.input) for record in _judged(some, pool))


def _records(path: Path) -> Iterator[Record]:
    for place, record in sources.records(path, otherwise=".jsonl"):
        if not all(name in record and _is_answer(record[name]) for name in ("gold", "pred")):
            raise InputError(f'{place}: not an object with "gold" and "pred", each a text or null')
        yield record


def _is_answer(value: object) -> bool:
    return isinstance(value, str | int | float | None) and not isinstance(value, bool)


def _judged(records: list[Record], pool: algebra.Symbolic) -> Iterator[Record]:
    pairs = [(_text(record["gold"]), _text(record["pred"])) for record in records]
    payloads = {pair: (extraction.payload(pair[0]), extraction.payload(pair[1])) for pair in set(pairs)}
    cheap = {payload: accepts_extracted(*payload) for payload in set(payloads.values())}
    outcomes = pool.decide([payload for payload, decision in cheap.items() if decision.equal is None], "accepts")
    for record, pair in zip(records, pairs, strict=True):
        payload = payloads[pair]
        equal, tier = cheap[payload]
        if equal is None:
            equal = {Outcome.EQUAL: True, Outcome.DIFFERENT: False}.get(outcomes[payload])
            tier = None if equal is None else Tier.SYMBOLIC
        answer = payload[1] if pair[1] else None
        yield {**record, "equal": equal, "decided_by": tier and str(tier), "answer": answer}


def _line(record: Record, path: Path) -> str:
    try:
        return json.dumps(record, default=str, allow_nan=False) + "\n"
    except ValueError as error:
        raise InputError(f"{path}: holds NaN or an infinity, which JSON does not know; put null there") from error


def _text(value: object) -> str:
    return "" if value is None else str(value)


if __name__ == "__main__":
    running.run(main, is_stage=False)
