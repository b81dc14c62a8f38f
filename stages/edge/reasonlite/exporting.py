"""From our tables to an experiment folder of AMD-AGI/ReasonLite."""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.answers import table
from stages.core.formats import original
from stages.core.sampling import queries
from stages.core.tables.answers import VERDICTS
from stages.core.tables.votes import VOTES
from stages.edge.errors import InputError, writing
from stages.edge.files import tables
from stages.edge.reasonlite.importing import AnswerTarget

EXPORTED = pl.Schema(
    {**table.TRACES_IN, "reasoning": pl.String(), "prompt_tokens": pl.Int32(), "completion_tokens": pl.Int32()}
)
PROBLEMS_IN = pl.Schema(
    {
        **queries.PROBLEMS_IN,
        "source_id": pl.String(),
        "gold": pl.String(),
        "difficulty": pl.Float32(),
    }
)


def write(args: argparse.Namespace, target: AnswerTarget) -> None:
    """Write problems, answers, votes and verdicts in the original's layout."""
    if args.folder.exists() and any(args.folder.iterdir()):
        raise InputError(f"{args.folder}: is not empty; name a new folder")
    rows = tables.read(args.problems, PROBLEMS_IN).iter_rows(named=True)
    known = {row["problem_id"]: original.info_row(row) for row in rows}
    stamp = time.strftime("%Y%m%d_%H%M%S")
    _write_lines(args.folder / "info.jsonl", known.values())
    voted = tables.read(args.votes, VOTES).iter_rows(named=True)
    known |= {row["problem_id"]: _of(known, row["problem_id"]) | original.vote_row(row) for row in voted}
    _write_lines(args.folder / "vote" / stamp / "0_1.jsonl", [row for row in known.values() if "vote" in row])
    verdicts = tables.read(args.verdicts, VERDICTS).filter(model=args.model)
    marks = {(row["problem_id"], row["sample"]): row for row in verdicts.iter_rows(named=True)}
    reasoning_effort = target.job.request.reasoning_effort
    num_rows = 0

    def answers(with_verdict: bool) -> Iterator[Mapping[str, Any]]:
        nonlocal num_rows
        for file in tables.files(args.traces):
            for trace in tables.read(file, EXPORTED).filter(model=args.model, effort=args.effort).iter_rows(named=True):
                info = _of(known, trace["problem_id"])
                user = target.job.request.messages(info["prompt"])[-1]["content"]
                row = original.answer_row(trace, info, original.model_input(user, reasoning_effort))
                mark = marks.get((trace["problem_id"], trace["sample"]))
                if not with_verdict:
                    num_rows += 1
                    yield row
                elif mark is not None:
                    yield original.judged_row(row, mark)

    _write_lines(args.folder / "answer_origin" / stamp / "0_1.jsonl", answers(with_verdict=False))
    _write_lines(args.folder / "answer_judge_vote" / stamp / "0_1.jsonl", answers(with_verdict=True))
    print(f"{num_rows} answers to {len(known)} problems written to {args.folder}")


def _of(known: Mapping[str, dict[str, Any]], problem_id: str) -> dict[str, Any]:
    if problem_id not in known:
        raise InputError(f"problem {problem_id} is not among the problems: name the tables of one and the same run")
    return known[problem_id]


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(_json(row) + "\n" for row in rows)


def _json(row: Mapping[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, which only an escape can hold
        return json.dumps(row)
    return text
