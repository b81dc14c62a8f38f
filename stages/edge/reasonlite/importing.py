"""From an experiment folder of AMD-AGI/ReasonLite into our store and tables."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.core.answers import reading
from stages.core.formats import original
from stages.core.formats.original import AnswerRow
from stages.core.sampling import harmony
from stages.core.sampling.prompts import Message
from stages.core.sampling.queries import Answer
from stages.core.tables.answers import VERDICTS, VERDICTS_KEY
from stages.core.tables.votes import VOTES, VOTES_KEY
from stages.core.text.identity import normalise, problem_id
from stages.edge import store
from stages.edge.asking import replies
from stages.edge.asking.jobs import Job
from stages.edge.errors import InputError
from stages.edge.files import json_lines, tables

ROWS_AT_ONCE = 1_000
SHOWN = 5
"""Broken lines that are shown; all are counted."""
PART = "imported"


class AnswerTarget(NamedTuple):
    """A job without problems, and the collection its answers are in."""

    job: Job
    collection: str


def read(args: argparse.Namespace, target: AnswerTarget) -> None:
    """Put an experiment's answers into the answer store, and its votes and verdicts into tables."""
    lines = _Lines(args.folder)
    num_new = num_known = num_empty = 0
    with store.opened(target.collection, PART) as answers:
        for batch in _batches(lines.rows("answer_origin", original.parse_answer)):
            answers_by_key: dict[str, Answer] = {}
            for place, row in batch:
                message = _checked_messages(place, row, target)
                if (answer := _answer(row)) is None:
                    num_empty += 1
                    continue
                key = target.job.request.key(message, row.sample)
                answers_by_key.setdefault(key, answer)  # of several answers to one question the first
            known = answers.known(list(answers_by_key))
            fresh = [pair for pair, there in zip(answers_by_key.items(), known, strict=True) if not there]
            answers.put(fresh)
            num_new, num_known = num_new + len(fresh), num_known + len(answers_by_key) - len(fresh)
    if not num_new + num_known:
        raise InputError(f"{args.folder}/answer_origin: holds no answer that can be read{lines.note()}")
    _write_tables(args, lines)
    print(
        f"{num_new} answers put into {store.root() / target.collection}; {num_known} were there, {num_empty} rows hold "
        f"none{lines.note()}"
    )


def _checked_messages(place: str, row: AnswerRow, target: AnswerTarget) -> tuple[Message, ...]:
    """The messages that our profile sends for this row's problem, if they are those that were sent."""
    prompt = normalise(row.prompt)
    request = target.job.request
    messages = request.messages(prompt)
    theirs, ours = normalise(original.user_turn(row.model_input)), messages[-1]["content"]
    if theirs != ours and not ("<|start|>" not in row.model_input and ours in theirs):
        at = next((n for n, (one, other) in enumerate(zip(theirs, ours, strict=False)) if one != other), len(ours))
        raise InputError(
            f"{place}: was asked ...{theirs[max(0, at - 20) : at + 60]!r}, but the profile would ask "
            f"...{ours[max(0, at - 20) : at + 60]!r}: set teach.{request.effort}.suffix in params.yaml as it was"
        )
    reasoning_effort = original.effort(row.model_input)
    if reasoning_effort not in (None, request.reasoning_effort):
        raise InputError(
            f"{place}: was asked with reasoning effort {reasoning_effort}, but in params.yaml "
            f"prompts.{request.effort}.reasoning_effort is {request.reasoning_effort}: name the effort that these rows "
            "come from"
        )
    return messages


def _answer(row: AnswerRow) -> Answer | None:
    """The answer of a row; None where nothing came back, or nothing that can be read: it is to be asked again."""
    if not row.raw:
        return None
    if not harmony.is_raw(row.raw) and "<|start|>" not in row.model_input:
        return original.plain_answer(row)
    turn = original.plain_turn(row.raw)
    if turn is None and "content" not in row.extra:
        try:
            turn = harmony.split(row.raw, replies.harmony_encoding())
        except ValueError:
            return None
    return original.answer(row, turn)


def _write_tables(args: argparse.Namespace, lines: "_Lines") -> None:
    """`votes.parquet` and `verdicts.parquet` in the output folder, if the experiment has them."""
    judged: dict[tuple[str, int], tuple[object, ...]] = {}
    for folder in ("answer_judge", "answer_judge_vote"):  # the later verdict is against the better label
        for _, row in lines.rows(folder, original.parse_answer):
            answer = _answer(row)
            key = (problem_id(row.prompt), row.sample)
            stated = reading.read(answer.content if answer else None)
            judged[key] = (args.model, args.effort, None, *key, stated.answer, stated.rule, *original.verdict(row))
    if judged:
        table = pl.DataFrame(list(judged.values()), schema=VERDICTS, orient="row")
        tables.write(table, args.output / "verdicts.parquet", VERDICTS, VERDICTS_KEY)
    counted = {problem_id(prompt): vote for _, (prompt, vote) in lines.rows("vote", original.vote)}
    if counted:
        rows = [(problem_id, *vote) for problem_id, vote in counted.items()]
        table = pl.DataFrame(rows, schema=VOTES, orient="row")
        tables.write(table, args.output / "votes.parquet", VOTES, VOTES_KEY)


class _Lines:
    """Reads an experiment's rows; broken lines are counted, and the first of them printed."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: is no folder; name the experiment's")
        self._folder = folder
        self.num_broken = 0

    def rows(self, name: str, parse: Callable[[Mapping[str, Any]], Any]) -> Iterator[tuple[str, Any]]:
        """(place, row) of every line of every run below `name`, the earliest run first."""
        for file in sorted((self._folder / name).glob("*/*.jsonl")):
            with file.open("rb") as stream:
                for place, line in json_lines.lines(stream, str(file)):
                    if not line.strip():
                        continue
                    try:
                        row = parse(json_lines.parsed_object(line))
                    except ValueError as error:
                        self._broken(place, error)
                        continue
                    yield place, row

    def _broken(self, place: str, error: Exception) -> None:
        self.num_broken += 1
        if self.num_broken <= SHOWN:
            print(f"warning: {place}: left out: {error}", file=sys.stderr)

    def note(self) -> str:
        """How many lines were left out, for the end of a sentence."""
        return f"; {self.num_broken} broken lines were left out" if self.num_broken else ""


def _batches(rows: Iterator[tuple[str, AnswerRow]]) -> Iterator[list[tuple[str, AnswerRow]]]:
    batch: list[tuple[str, AnswerRow]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
