"""The teacher's traces of some problems, with what an SFT stage made of them, for the page: other hosts lack the rest.

python -m stages.excerpt --problems data/problems.parquet --traces data/traces/medium \
    --verdicts data/verdicts/medium.parquet --votes data/votes/medium.parquet \
    --rejects data/rejects/turbo.parquet --sft data/sft/turbo --output data/excerpts/turbo.parquet
"""

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
    stage = tables.name(args.sft)
    with track.stage(f"excerpt@{stage}", {"num_traces": num_traces}) as run:
        ids = excerpts.problem_ids([args.traces], num_traces)
        rejects, kept = excerpts.of(args.rejects, REJECTS, ids), excerpts.of(args.sft, teacher.SFT_IN, ids)
        table = teacher.teacher_excerpt(
            tables.name(args.traces),
            excerpts.of(args.traces, TRACES_IN, ids),
            excerpts.of(args.verdicts, VERDICTS_IN, ids),
            excerpts.of(args.problems, teacher.PROBLEMS_IN, ids),
            excerpts.of(args.votes, teacher.VOTES_IN, ids),
            teacher.outcomes({stage: rejects}, {stage: kept}),
        )
        tables.write(table, args.output, EXCERPT, EXCERPT_KEY)
        run.metrics({"num_traces": table.height, "num_problems": len(ids)})


if __name__ == "__main__":
    running.run(main)
