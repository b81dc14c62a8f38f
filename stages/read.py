"""The teacher's texts, each read once -> the answer that it gives, with its key. A text that was cut off gives none.

python -m stages.read --traces data/traces/medium --output data/answers/medium.parquet
"""

from stages.core.answers import table
from stages.core.tables.answers import ANSWERS, ANSWERS_KEY
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.workers import shards


def main() -> None:
    """Read every trace of one effort."""
    args = running.parser(__doc__, "traces", "output").parse_args()
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(f"read@{args.traces.name}", {}) as run:
        answers = shards.mapped(args.traces, table.TRACES_IN, table.read_answers, runtime.num_workers, runtime.pool)
        num_rows = tables.write_sorted(answers, args.output, ANSWERS, ANSWERS_KEY)
        run.metrics({"num_traces": num_rows})


if __name__ == "__main__":
    running.run(main)
