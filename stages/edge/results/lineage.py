"""The life of one problem, from the outs that dvc.lock names: its source, its answers, and the SFT rows made of it.

Of an exam question: what each student answered. Tables are found by stage and schema, so no path is
written here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.page import excerpt, teacher
from stages.core.problems.dropped import DUPLICATES, EVIDENCE
from stages.core.tables.answers import EXAM_VERDICTS, VERDICTS
from stages.core.tables.benchmarks import BENCHMARKS
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.rejects import REJECTS
from stages.core.tables.sft import SFT
from stages.core.tables.traces import TRACES
from stages.core.tables.votes import VOTES
from stages.core.text.normalisation import prose
from stages.edge.errors import InputError
from stages.edge.files import lockfile, tables

NUM_NEAREST = 3
WIDTH = 100
Rows = list[dict[str, Any]]


def lines(folder: Path, problem_id: str) -> Iterator[str]:
    """The lines to print.

    Raises:
        InputError: no stage ran, an out is missing, or no table knows the problem.
    """
    outs = _Outs(folder)
    problems = outs.rows("collect", PROBLEMS, problem_id=problem_id)
    copies = outs.rows("collect", DUPLICATES, problem_id=problem_id)
    evidence = outs.rows("collect", EVIDENCE, problem_id=problem_id)
    questions = outs.rows("collect", BENCHMARKS, problem_id=problem_id)
    if not (problems or copies or evidence or questions):
        raise InputError(
            f"{problem_id}: no problem of this run has that id, and no exam question; the ids stand in the tables of "
            "problems and of benchmarks"
        )
    if problems or copies or evidence:
        yield f"problem {problem_id}"
        yield from _origin(problems, copies, evidence, outs, problem_id)
    if problems:
        for effort in sorted([*outs.stages("teach"), *outs.stages("pool")]):
            yield from _effort(outs, effort, problem_id)
        yield "nearest exam questions"
        for share, row in _nearest(problems[0]["prompt"], outs.table("collect", BENCHMARKS)):
            yield f"  {share:5.2f}  {row['benchmark']:<12} {_short(row['prompt'])}"
    for question in questions:
        yield from _question(outs, question)


def _origin(problems: Rows, copies: Rows, evidence: Rows, outs: "_Outs", problem_id: str) -> Iterator[str]:
    for row in problems:
        own = f" ({_short(str(row['source_id']))})" if row["source_id"] else ""
        yield f"  source      {row['source']}{own}"
        yield f"  prompt      {_short(row['prompt'])}"
        reason = f", ungradable: {row['ungradable_reason']}" if row["ungradable_reason"] else ""
        leak = ", stands in the prompt" if row["gold_in_prompt"] else ""
        yield f"  gold        {_short(str(row['gold']))}{reason}{leak}"
        if row["difficulty"] is not None:
            yield f"  difficulty  {row['difficulty']:g}"
    for row in copies:
        if row["kept_problem_id"] == problem_id:
            continue  # shown below, as a copy
        yield f"  dropped     from {row['source']}, row {row['row']}: {row['rule']} as {row['kept_problem_id']}"
    for row in outs.rows("collect", DUPLICATES, kept_problem_id=problem_id):
        other = f", its gold is {_short(str(row['gold']))}" if row["conflict"] else ""
        yield f"  copy        {row['problem_id']} in {row['source']}, row {row['row']} ({row['rule']}{other})"
    for row in evidence:
        outcome = "kept by hand" if row["kept"] else "dropped"
        question = f"{row['benchmark']} {row['benchmark_problem_id']}"
        yield f"  exam        {outcome}: {row['rule']} {row['score']:.2f} with {question}"
    if problems and not evidence:
        yield "  exam        in none, by the rules in force"


def _effort(outs: "_Outs", effort: str, problem_id: str) -> Iterator[str]:
    """The teachers' answers at one effort, or in a pool of efforts, and what happened to them."""

    def table(stage: str, schema: pl.Schema) -> pl.DataFrame:
        return pl.DataFrame(outs.rows(stage, schema, problem_id=problem_id), schema=schema)

    traces = pl.concat([table(f"teach@{effort}", TRACES), table(f"pool@{effort}", TRACES)])
    votes = table(f"vote@{effort}", VOTES)
    yield f"effort {effort}: {traces.height} samples"
    for row in votes.iter_rows(named=True):
        counts = ", ".join(f"{_short(str(each['answer']), 60)} x{each['votes']}" for each in row["histogram"]) or "none"
        yield f"  votes       {counts}"
        yield f"  label       {_short(str(row['label']))} from the {row['label_source']}"
    stages = outs.stages("curate")
    kept = {stage: table(f"curate@{stage}", SFT) for stage in stages}
    rejects = {stage: table(f"curate@{stage}", REJECTS) for stage in stages}
    outcomes = teacher.outcomes(rejects, kept, pl.format("row of {} tokens", "num_tokens"))
    problems = table("collect", PROBLEMS).select(list(teacher.PROBLEMS_IN))
    labels = votes.select(list(teacher.VOTES_IN))
    samples = teacher.teacher_excerpt(effort, traces, table(f"judge@{effort}", VERDICTS), problems, labels, outcomes)
    yield from map(_sample, samples.iter_rows(named=True))


def _question(outs: "_Outs", question: dict[str, Any]) -> Iterator[str]:
    """An exam question, and each student's answers."""
    where = {name: question[name] for name in ("benchmark", "problem_id")}
    yield f"exam question {question['problem_id']}"
    yield f"  benchmark   {question['benchmark']}"
    yield f"  prompt      {_short(question['prompt'])}"
    yield f"  gold        {_short(question['gold'])}"
    exams = pl.DataFrame([question], schema=BENCHMARKS)
    exams_taken = {student: (f"exam@{student}", f"mark@{student}") for student in outs.stages("exam")}
    for student, (exam, marked) in {**exams_taken, "baselines": ("baselines", "mark@baselines")}.items():
        traces = pl.DataFrame(outs.rows(exam, TRACES, **where), schema=TRACES)
        marks = pl.DataFrame(outs.rows(marked, EXAM_VERDICTS, **where), schema=EXAM_VERDICTS)
        samples = excerpt.exam_excerpt(student, traces, marks, exams)
        for (model, effort), own in samples.group_by("model", "effort", maintain_order=True):
            correct = f", {(own['verdict'] == 'correct').sum()} correct" if marks.height else ""
            yield f"{model}{f' at {effort}' if effort else ''}: {own.height} samples{correct}"
            yield from map(_sample, own.iter_rows(named=True))


def _sample(row: dict[str, Any]) -> str:
    """One line of an excerpt."""
    verdict = (row["verdict"] or "not judged") + (f" by {row['decided_by']}" if row["decided_by"] else "")
    tokens = "?" if row["completion_tokens"] is None else row["completion_tokens"]
    return (
        f"  {row['model']} {row['sample']:>3}  {row['status']:<7} {tokens:>6} tokens  "
        f"{_short(str(row['answer']), 24):<24} {verdict:<24} {row['fate'] or ''}"
    ).rstrip()


def _nearest(prompt: str, exams: pl.DataFrame | None) -> list[tuple[float, dict[str, Any]]]:
    """The exam questions that share most of their words with a problem, best first (Jaccard)."""
    mine = set(prose(prompt))
    rows = [] if exams is None else list(exams.select("benchmark", "prompt").iter_rows(named=True))
    shares = [
        (len(mine & words) / max(1, len(mine | words)), row) for row in rows for words in [set(prose(row["prompt"]))]
    ]
    return sorted(shares, key=lambda pair: -pair[0])[:NUM_NEAREST]


def _short(text: str, width: int = WIDTH) -> str:
    """One line of a text; control characters of a hostile one are shown, never sent to the terminal."""
    line = " ".join(text.split())
    safe = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
    return safe if len(safe) <= width else safe[: width - 1] + "\u2026"


class _Outs:
    """Tables of the stages that ran, by stage and schema."""

    def __init__(self, folder: Path) -> None:
        self._lock = lockfile.Lock(folder)

    def stages(self, verb: str) -> list[str]:
        return self._lock.names(verb)

    def table(self, stage: str, schema: pl.Schema) -> pl.DataFrame | None:
        files = self._lock.table(stage, schema)
        return pl.concat([tables.read(file, schema) for file in files]) if files else None

    def rows(self, stage: str, schema: pl.Schema, **where: str) -> Rows:
        rows: Rows = []
        for file in self._lock.table(stage, schema):
            wanted = [pl.col(name) == value for name, value in where.items()]
            rows += pl.scan_parquet(file).filter(*wanted).collect().rows(named=True)
        return rows
