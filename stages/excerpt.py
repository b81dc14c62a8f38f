"""The teacher's traces of some problems, with all that became of them: for the page, on hosts that lack the rest.

python -m stages.excerpt --problems data/problems.parquet --traces data/traces --verdicts data/verdicts \
    --votes data/votes --rejects data/rejects --sft data/sft --output data/excerpt.parquet
"""

import polars as pl

from stages.core.page import teacher
from stages.core.page.excerpt import EXCERPT, EXCERPT_KEY, TRACES_IN, VERDICTS_IN
from stages.core.tables.rejects import REJECTS
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.results import excerpts


def main() -> None:
    """Take whole problems, the same in every run, until there are about as many traces as asked for."""
    paths = ("problems", "traces", "verdicts", "votes", "rejects", "sft", "output")
    args = running.parser(__doc__, *paths).parse_args()
    num_traces = params.load(int, "report.num_traces")
    with track.stage("excerpt", {"num_traces": num_traces}) as run:
        folders = tables.folders(args.traces)
        ids = excerpts.problem_ids(folders, num_traces)
        texts = {folder.name: excerpts.of(folder, TRACES_IN, ids) for folder in folders}
        rejects = {file.stem: excerpts.of(file, REJECTS, ids) for file in tables.files(args.rejects)}
        kept = {folder.name: excerpts.of(folder, teacher.SFT_IN, ids) for folder in tables.folders(args.sft)}
        outcomes, problems = teacher.outcomes(rejects, kept), excerpts.of(args.problems, teacher.PROBLEMS_IN, ids)
        parts = [
            teacher.teacher_excerpt(
                traces,
                excerpts.of(args.verdicts / f"{effort}.parquet", VERDICTS_IN, ids),
                problems,
                excerpts.of(args.votes / f"{effort}.parquet", teacher.VOTES_IN, ids),
                outcomes,
            )
            for effort, traces in texts.items()
        ]
        table = pl.concat(parts)
        tables.write(table, args.output, EXCERPT, EXCERPT_KEY)
        run.metrics({"num_traces": table.height, "num_problems": len(ids)})


if __name__ == "__main__":
    running.run(main)
