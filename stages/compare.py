"""How much better the students of revision B are than those of revision A, on the same problems.

python -m stages.compare main my-experiment
python -m stages.compare samples_aime24.jsonl details_aime24.parquet

Two files of other programs are compared too: samples of lm-evaluation-harness, details of lighteval, and of ours a
table of scores, a table of traces, or lines of `stages.score`. Their answers are judged by this pipeline, both alike;
with `--metric NAME` the score counts that their own program gave. Problems are paired by id, or by their questions.
"""

import argparse
from pathlib import Path

import polars as pl

from stages.core.scoring import differences, scoring
from stages.core.scoring import results as core
from stages.core.scoring.scores import SCORES
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.results import foreign, result_table, revisions

SHOWN = 5
"""Ids of problems gained or lost that are named."""
SHOWN_CHARS = 60


def main() -> None:
    """Show the difference of each student, the problems gained and lost, and the settings that differ."""
    parser = running.parser(__doc__)
    for name in ("a", "b"):
        parser.add_argument(name, help="commit, branch, experiment, or `workspace`; or both are files")
    parser.add_argument("--golds", type=Path, help="for files that do not hold them")
    parser.add_argument("--metric", nargs="+", help="of files: the name of the score in each, or of both")
    parser.add_argument("--student", nargs="+", help="of tables of scores: whose, in each or in both")
    parser.add_argument("--strict", action="store_true", help="of files: only boxes and statements are answers")
    args = parser.parse_args()
    method = result_table.method(params.load(params.Report, "report"), params.load(params.Protocol, "exam.protocol"))
    places = [Path(name) for name in (args.a, args.b)]
    if any(place.is_file() for place in places):
        _compare_files(args, places, method)
    else:
        _compare_revisions(args, method)


def _compare_files(args: argparse.Namespace, places: list[Path], method: scoring.Method) -> None:
    if missing := [place for place in places if not place.is_file()]:
        raise InputError(f"{missing[0]}: there is no such file; name two files or two revisions")
    limits, runtime = params.load(params.SymbolicLimits, "symbolic"), params.load(params.Runtime, "runtime")
    metrics, students = (_of_each(name, getattr(args, name)) for name in ("metric", "student"))
    one, other = (
        foreign.scored(place, args.golds, metric, student, args.strict, limits, runtime)
        for place, metric, student in zip(places, metrics, students, strict=True)
    )
    before, after, num_alone = foreign.paired(one, other)
    difference = core.difference(before, after, method)
    print(f"{args.b} against {args.a}, on the {before.height} problems that both have:\n")
    if num_alone:
        print(f"{num_alone} problems stand in one file only and are left out\n")
    if difference is None:
        print("unscored: no problem has a scored answer in both")
        return
    for name, table in ((args.a, before), (args.b, after)):
        share = (table["num_correct"] / table["num_samples"]).fill_nan(None).mean()
        print(f"- {name}: {'unscored' if share is None else f'{100 * float(str(share)):.1f} %'}")
    _show_difference("difference", difference, before, after)


def _of_each(name: str, values: list[str] | None) -> list[str | None]:
    """What an option gives for each file."""
    if values is not None and len(values) > 2:
        raise InputError(f"--{name} takes one name for both files, or one for each")
    return [None, None] if values is None else [values[0], values[-1]]


def _show_difference(name: str, difference: dict[str, float], before: pl.DataFrame, after: pl.DataFrame) -> None:
    gained, lost = differences.gained_and_lost(before, after)
    print(f"- {name}: {core.gain(difference)}; {len(gained)} problems gained, {len(lost)} lost")
    for word, ids in (("gained", gained), ("lost", lost)):
        if ids:
            print(f"    {word} {', '.join(map(_brief, ids[:SHOWN]))}{', ...' if len(ids) > SHOWN else ''}")


def _compare_revisions(args: argparse.Namespace, method: scoring.Method) -> None:
    order = params.graph().chain
    one, other = (revisions.load(Path.cwd(), name, "report", SCORES) for name in (args.a, args.b))
    before, after = (core.students(each.table, method, order) for each in (one, other))
    print(f"{args.b} against {args.a}, mean over the benchmarks, on the same problems:\n")
    for name in [name for name in before if name in after]:
        try:
            difference = core.difference(before[name], after[name], method)
        except ValueError as error:
            raise InputError(f"{args.a} and {args.b} had other exams: {error}") from error
        if difference is None:
            print(f"- {name}: unscored")
            continue
        if before[name].equals(after[name]):
            print(f"- {name}: no difference")
            continue
        efforts = [table["effort"][0] or "none" for table in (before[name], after[name])]
        effort_note = f" (effort {efforts[0]}, then {efforts[1]})" if len(set(efforts)) > 1 else ""
        _show_difference(f"{name}{effort_note}", difference, before[name], after[name])
    differing = revisions.differing(one, other)
    print("\nsettings that differ:\n" if differing else "\nsettings that differ: none")
    for key, (left, right) in differing.items():
        print(f"- {key}: {_brief(left)} -> {_brief(right)}")


def _brief(value: object) -> str:
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value))
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


if __name__ == "__main__":
    running.run(main, is_stage=False)
