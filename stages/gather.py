"""What is shown of one student and of those before it in the chain: one folder for report and page.

python -m stages.gather --student turbo --effort medium --after data/gathered/base --output data/gathered/turbo \
    --files data/exams/turbo data/marks/turbo.parquet metrics/curate_turbo.json

A file lies there under the last two parts of its path, as a link. dvc.yaml cannot list the files of all students, whose
names stand in params.yaml, and each folder of the chain holds those of the one before it.
"""

from pathlib import Path

from stages.edge.cli import running
from stages.edge.files import links, scratch
from stages.edge.files.metrics import write_metrics
from stages.edge.results import gathered


def main() -> None:
    """Link the files of the student, and of the chain before it those that are not there yet."""
    parser = running.parser(__doc__, "output", several=["files"])
    parser.add_argument("--student", required=True)
    parser.add_argument("--effort", help="that it learns from; none for the starting weights")
    parser.add_argument("--after", type=Path, help="what was gathered of the student before it")
    args = parser.parse_args()
    before = gathered.chain(args.after) if args.after else {}
    with scratch.replacing(args.output) as partial:
        write_metrics({**before, args.student: args.effort}, partial / gathered.CHAIN)
        for path in args.files:
            links.link(path, partial / path.parent.name / path.name)
        for path in sorted(args.after.rglob("*")) if args.after else []:
            place = partial / path.relative_to(args.after)
            if path.is_file() and not place.exists():
                links.link(path, place)


if __name__ == "__main__":
    running.run(main)
