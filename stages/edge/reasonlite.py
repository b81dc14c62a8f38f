"""The experiment folders of AMD-AGI/ReasonLite, read into our store and tables, and written from them.

python -m stages.edge.reasonlite import datas/example --effort medium --model teacher --output data/imported
python -m stages.edge.reasonlite export datas/ours --effort medium --model teacher --problems data/problems.parquet \
    --traces data/traces/medium --votes data/votes/medium.parquet --verdicts data/verdicts/medium.parquet

`import` puts the answers where `teach` looks for them: what was paid for once is not asked again. The profile in
params.yaml has to say how they were made: the model called MODEL, its sampling, and the effort. What the rows tell of
that, the prompt and the reasoning effort, is compared; an import of anything else is refused. `info.jsonl` itself is a
source of `collect`: `{kind: files, name: mine, path: .../info.jsonl, columns: reasonlite, ...}`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.core import harmony, judging, original, problems, queries, voting
from stages.core.original import Asked
from stages.core.queries import Answer
from stages.edge import cli, endpoints, jobs, params, replies, store, tables
from stages.edge.errors import InputError, SettingError, writing
from stages.edge.jobs import Job

ROWS_AT_ONCE = 1_000
SHOWN = 5
"""Broken lines that are shown; all are counted."""
PART = "imported"
EXPORTED = pl.Schema(
    {**judging.TRACES_IN, "reasoning": pl.String(), "prompt_tokens": pl.Int32(), "completion_tokens": pl.Int32()}
)
PROBLEMS_IN = pl.Schema(
    {
        **queries.PROBLEMS_IN,
        "source_id": pl.String(),
        "gold": pl.String(),
        "difficulty": pl.Float32(),
    }
)


def main() -> None:
    """Dispatch to import or export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for name, verb, options in (
        ("import", read, ("output",)),
        ("export", write, ("problems", "traces", "votes", "verdicts")),
    ):
        command = verbs.add_parser(name, help=verb.__doc__)
        command.set_defaults(verb=verb)
        command.add_argument("folder", type=Path, help="the experiment")
        command.add_argument("--effort", required=True, help="section of `teach` in params.yaml")
        command.add_argument("--model", required=True, help="label of one of `teach.models`")
        command.add_argument("--base", type=Path, help="folder of the weights, if the teacher is `base`")
        for option in options:
            command.add_argument(f"--{option}", type=Path, required=True)
    args = parser.parse_args()
    args.verb(args, _job(args))


class _Asking(NamedTuple):
    """A job without problems, the collection its answers are in, and the effort that the model is told."""

    job: Job
    collection: str
    reasoning_effort: str | None


def _job(args: argparse.Namespace) -> _Asking:
    models = {model.label: model for model in params.load(list[params.TeacherModel], "teach.models")}
    if args.model not in models:
        raise SettingError(
            f"params.yaml: teach.models has no {args.model!r}, only {', '.join(models)}; name one of them"
        )
    effort = params.load(params.Teach, f"teach.{args.effort}")
    if effort.examples or effort.system:
        raise SettingError(
            f"params.yaml: teach.{args.effort}: the original's rows know neither `system` nor `examples`: a profile "
            "that has them asks something else"
        )
    if models[args.model].name == "base" and args.base is None:
        raise SettingError(f"{args.model} is the student's own weights: name their folder with --base")
    served = endpoints.from_settings("teacher", args.model, models[args.model], args.base)
    none = pl.DataFrame(schema=queries.PROBLEMS_IN)
    job = jobs.made(args.model, args.effort, PART, served, none, effort, effort.sampling, effort.num_samples)
    return _Asking(job, served.collection, effort.reasoning_effort)


def read(args: argparse.Namespace, asking: _Asking) -> None:
    """Put an experiment's answers into the answer store, and its votes and verdicts into tables."""
    lines = _Lines(args.folder)
    num_new = num_known = num_empty = 0
    with store.opened(asking.collection, PART) as answers:
        for batch in _batches(lines.rows("answer_origin", original.asked)):
            found: dict[str, Answer] = {}
            for place, row in batch:
                message = _checked(place, row, asking)
                if (answer := _answer(row)) is None:
                    num_empty += 1
                    continue
                asked = asking.job.asking
                key = queries.query_key(asked.identity, message, asked.sampling, asked.effort, row.sample)
                found.setdefault(key, answer)  # of several answers to one question the first
            known = answers.known(list(found))
            fresh = [pair for pair, there in zip(found.items(), known, strict=True) if not there]
            answers.put(fresh)
            num_new, num_known = num_new + len(fresh), num_known + len(found) - len(fresh)
    if not num_new + num_known:
        raise InputError(f"{args.folder}/answer_origin: holds no answer that can be read{lines.told()}")
    _write_tables(args, lines, asking)
    print(
        f"{num_new} answers put into {store.root() / asking.collection}; {num_known} were there, {num_empty} rows hold "
        f"none{lines.told()}"
    )


def _checked(place: str, row: Asked, asking: _Asking) -> tuple[queries.Message, ...]:
    """The messages that our profile sends for this row's problem, if they are those that were sent."""
    prompt = problems.normalise(row.prompt)
    asked = asking.job.asking
    messages = queries.render(prompt, None, asked.system, asked.suffix, asked.examples)
    theirs, ours = problems.normalise(original.user_turn(row.model_input)), messages[-1]["content"]
    if theirs != ours and not ("<|start|>" not in row.model_input and ours in theirs):
        at = next((n for n, (one, other) in enumerate(zip(theirs, ours, strict=False)) if one != other), len(ours))
        raise InputError(
            f"{place}: was asked ...{theirs[max(0, at - 20) : at + 60]!r}, but the profile would ask "
            f"...{ours[max(0, at - 20) : at + 60]!r}: set teach.{asked.effort}.suffix in params.yaml as it was"
        )
    told = original.effort(row.model_input)
    if told not in (None, asking.reasoning_effort):
        raise InputError(
            f"{place}: was asked with reasoning effort {told}, but teach.{asked.effort}.reasoning_effort in "
            f"params.yaml is {asking.reasoning_effort}: name the effort that these rows come from"
        )
    return messages


def _answer(row: Asked) -> Answer | None:
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


def _write_tables(args: argparse.Namespace, lines: "_Lines", asking: _Asking) -> None:
    """`votes.parquet` and `verdicts.parquet` in the output folder, if the experiment has them."""
    judged: dict[tuple[str, int], tuple[object, ...]] = {}
    for folder in ("answer_judge", "answer_judge_vote"):  # the later verdict is against the better label
        for _, row in lines.rows(folder, original.asked):
            answer = _answer(row)
            key = (problems.problem_id(row.prompt), row.sample)
            found = judging.extracted(answer.content if answer else None)
            judged[key] = (args.model, args.effort, None, *key, *found, *original.verdict(row))
    if judged:
        table = pl.DataFrame(list(judged.values()), schema=judging.VERDICTS, orient="row")
        tables.write(table, args.output / "verdicts.parquet", judging.VERDICTS, judging.KEY)
    counted = {problems.problem_id(prompt): vote for _, (prompt, vote) in lines.rows("vote", original.vote)}
    if counted:
        rows = [(problem_id, *vote) for problem_id, vote in counted.items()]
        table = pl.DataFrame(rows, schema=voting.VOTES, orient="row")
        tables.write(table, args.output / "votes.parquet", voting.VOTES, voting.VOTES_KEY)


class _Lines:
    """Reads an experiment's rows; those that are none are counted and the first of them shown."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: is no folder; name the experiment's")
        self._folder = folder
        self.num_broken = 0

    def rows(self, name: str, parse: Callable[[Mapping[str, Any]], Any]) -> Iterator[tuple[str, Any]]:
        """(place, row) of every line of every run below `name`, the earliest run first."""
        for file in sorted((self._folder / name).glob("*/*.jsonl")):
            with file.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    place = f"{file}: line {number}"
                    if not line.strip():
                        continue
                    try:
                        row = json.loads(line)
                        if not isinstance(row, dict):
                            raise ValueError("is no JSON object")
                        found = parse(row)
                    except (ValueError, RecursionError) as error:
                        self._broken(place, error)
                        continue
                    yield place, found

    def _broken(self, place: str, error: Exception) -> None:
        self.num_broken += 1
        if self.num_broken <= SHOWN:
            print(f"warning: {place}: left out: {error}", file=sys.stderr)

    def told(self) -> str:
        """How many lines were left out, for the end of a sentence."""
        return f"; {self.num_broken} broken lines were left out" if self.num_broken else ""


def _batches(rows: Iterator[tuple[str, Asked]]) -> Iterator[list[tuple[str, Asked]]]:
    batch: list[tuple[str, Asked]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def write(args: argparse.Namespace, asking: _Asking) -> None:
    """Write problems, answers, votes and verdicts in the original's layout."""
    if args.folder.exists() and any(args.folder.iterdir()):
        raise InputError(f"{args.folder}: is not empty; name a new folder")
    rows = tables.read(args.problems, PROBLEMS_IN).iter_rows(named=True)
    known = {row["problem_id"]: original.info_row(row) for row in rows}
    stamp = time.strftime("%Y%m%d_%H%M%S")
    _write_lines(args.folder / "info.jsonl", known.values())
    voted = tables.read(args.votes, voting.VOTES).iter_rows(named=True)
    known |= {row["problem_id"]: _of(known, row["problem_id"]) | original.vote_row(row) for row in voted}
    _write_lines(args.folder / "vote" / stamp / "0_1.jsonl", [row for row in known.values() if "vote" in row])
    verdicts = tables.read(args.verdicts, judging.VERDICTS).filter(model=args.model)
    marks = {(row["problem_id"], row["sample"]): row for row in verdicts.iter_rows(named=True)}
    num_rows = 0

    def answers(with_verdict: bool) -> Iterator[Mapping[str, Any]]:
        nonlocal num_rows
        for file in tables.files(args.traces):
            for trace in tables.read(file, EXPORTED).filter(model=args.model, effort=args.effort).iter_rows(named=True):
                info = _of(known, trace["problem_id"])
                asked = asking.job.asking
                user = queries.render(info["prompt"], None, asked.system, asked.suffix, asked.examples)[-1]["content"]
                row = original.asked_row(trace, info, original.model_input(user, asking.reasoning_effort))
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


if __name__ == "__main__":
    cli.run(main, is_stage=False)
