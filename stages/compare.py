"""How much better the students of revision B are than those of revision A, on the same problems.

python -m stages.compare main my-experiment
"""

from collections.abc import Mapping
from pathlib import Path

from stages.core.scoring import differences
from stages.core.scoring import results as core
from stages.core.scoring.scores import SCORES
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.results import result_table, revisions

SHOWN = 5
"""Ids of problems gained or lost that are named."""
SHOWN_CHARS = 60


def main() -> None:
    """Show the difference of each student, the problems gained and lost, and the settings that differ."""
    parser = running.parser(__doc__)
    for name in ("a", "b"):
        parser.add_argument(name, help="commit, branch, experiment, or `workspace`")
    args = parser.parse_args()
    method = result_table.method(params.load(params.Report, "report"), params.load(params.Protocol, "exam.protocol"))
    students = params.document().get("students")
    order = list(students) if isinstance(students, Mapping) else []
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
        gained, lost = differences.gained_and_lost(before[name], after[name])
        print(f"- {name}{effort_note}: {core.gain(difference)}; {len(gained)} problems gained, {len(lost)} lost")
        for word, ids in (("gained", gained), ("lost", lost)):
            if ids:
                print(f"    {word} {', '.join(ids[:SHOWN])}{', ...' if len(ids) > SHOWN else ''}")
    differing = revisions.differing(one, other)
    print("\nsettings that differ:\n" if differing else "\nsettings that differ: none")
    for key, (left, right) in differing.items():
        print(f"- {key}: {_brief(left)} -> {_brief(right)}")


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


if __name__ == "__main__":
    running.run(main, is_stage=False)
