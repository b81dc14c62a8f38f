"""The life of one problem: where it came from, what was asked, answered and learnt.

python -m stages.trace 0860935e6f990775
"""

from pathlib import Path

from stages.edge.cli import running
from stages.edge.results import lineage


def main() -> None:
    """Show a problem of the training set, or an exam question."""
    parser = running.parser(__doc__)
    parser.add_argument("problem_id")
    args = parser.parse_args()
    print("\n".join(lineage.lines(Path.cwd(), args.problem_id)))


if __name__ == "__main__":
    running.run(main, is_stage=False)
