"""The teacher's traces of some problems, with all that became of them: for the page, on hosts that lack the rest.

python -m stages.excerpt --problems data/problems.parquet --traces data/traces/high data/traces/medium \
    --verdicts data/verdicts/high.parquet data/verdicts/medium.parquet \
    --votes data/votes/high.parquet data/votes/medium.parquet \
    --rejects data/rejects/final.parquet data/rejects/turbo.parquet --sft data/sft/final data/sft/turbo \
    --output data/excerpt.parquet
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
    several = ("traces", "verdicts", "votes", "rejects", "sft")
    args = running.parser(__doc__, "problems", "output", several=several).parse_args()
    num_traces = params.load(int, "report.num_traces")
    with track.stage("excerpt", {"num_traces": num_traces}) as run:
        ids = excerpts.problem_ids(args.traces, num_traces)
        texts = {tables.name(path): excerpts.of(path, TRACES_IN, ids) for path in args.traces}
        rejects = {tables.name(path): excerpts.of(path, REJECTS, ids) for path in args.rejects}
        kept = {tables.name(path): excerpts.of(path, teacher.SFT_IN, ids) for path in args.sft}
        verdicts, votes = ({tables.name(path): path for path in paths} for paths in (args.verdicts, args.votes))
        outcomes, problems = teacher.outcomes(rejects, kept), excerpts.of(args.problems, teacher.PROBLEMS_IN, ids)
        parts = [
            teacher.teacher_excerpt(
                traces,
                excerpts.of(verdicts[effort], VERDICTS_IN, ids),
                problems,
                excerpts.of(votes[effort], teacher.VOTES_IN, ids),
                outcomes,
            )
            for effort, traces in texts.items()
        ]
        table = pl.concat(parts)
        tables.write(table, args.output, EXCERPT, EXCERPT_KEY)
        run.metrics({"num_traces": table.height, "num_problems": len(ids)})


if __name__ == "__main__":
    running.run(main)
