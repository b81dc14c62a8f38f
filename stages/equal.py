"""Whether pairs of answers are equal, line by line: the judge of this pipeline for anybody's answers.

python -m stages.equal --input pairs.jsonl --output verdicts.jsonl

Lines of the input are {"gold": ..., "pred": ...}, each a bare answer, a whole response or null. Each comes back with
`equal` (true, false, or null when it cannot be decided), `decided_by` (the tier; null too) and `answer`, what was read
as the prediction's answer; other fields stay. The pairs that need algebra are remembered in `.cache/decisions.sqlite`,
so a run that was cut short is simply run again.
"""

import argparse
import json
import math
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from stages.core.answers import extraction
from stages.core.equality.relations import Tier, accepts_cheaply
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.workers import algebra
from stages.edge.workers.algebra import Outcome

LINES_AT_ONCE = 20_000

Record = dict[str, Any]


def main() -> None:
    """Judge every line, in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    limits = params.load(params.Symbolic, "symbolic")
    runtime = params.load(params.Runtime, "runtime")
    partial = args.output.with_name(f".{args.output.name}.{uuid.uuid4().hex[:8]}.partial")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with algebra.symbolic(limits, runtime) as pool, partial.open("w", encoding="utf-8", newline="\n") as output:
            records = _records(args.input)
            while some := list(islice(records, LINES_AT_ONCE)):
                for record in _judged(some, pool):
                    output.write(json.dumps(record, ensure_ascii=True) + "\n")
        partial.replace(args.output)
    finally:
        partial.unlink(missing_ok=True)


def _records(path: Path) -> Iterator[Record]:
    """The lines of a JSONL file. Only "\\n" ends a line: U+2028 and U+0085 may stand inside of one."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield _record(line, f"{path}, line {number}")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; name another with --input") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name another file with --input") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error}); save it as UTF-8") from error


def _record(line: str, where: str) -> Record:
    try:
        record = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: no JSON ({error}); each line is one object") from error
    wanted = (str, int, float, type(None))
    if not isinstance(record, dict) or not all(
        name in record
        and isinstance(record[name], wanted)
        and not isinstance(record[name], bool)
        and not (isinstance(record[name], float) and not math.isfinite(record[name]))
        for name in ("gold", "pred")
    ):
        raise InputError(f'{where}: not an object with "gold" and "pred", each a text or null')
    return record


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _judged(records: list[Record], pool: algebra.Symbolic) -> Iterator[Record]:
    pairs = [(_text(record["gold"]), _text(record["pred"])) for record in records]
    cheap = [accepts_cheaply(*pair) for pair in pairs]
    payloads = {pair: (extraction.payload(pair[0]), extraction.payload(pair[1])) for pair in set(pairs)}
    undecided = [payloads[pair] for pair, found in zip(pairs, cheap, strict=True) if found.equal is None]
    outcomes = pool.decide(undecided, "accepts")
    for record, pair, (equal, tier) in zip(records, pairs, cheap, strict=True):
        if equal is None:
            outcome = outcomes[payloads[pair]]
            equal = {Outcome.EQUAL: True, Outcome.DIFFERENT: False}.get(outcome)
            tier = None if equal is None else Tier.SYMBOLIC
        answer = payloads[pair][1] if pair[1] else None
        yield {**record, "equal": equal, "decided_by": tier and str(tier), "answer": answer}


def _text(value: object) -> str:
    return "" if value is None else str(value)


if __name__ == "__main__":
    running.run(main, is_stage=False)
