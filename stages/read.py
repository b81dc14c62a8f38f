"""The teacher's texts, each read once -> the answer that it gives, with its key. A text that was cut off gives none.

python -m stages.read --traces data/traces/medium --output data/answers/medium.parquet
"""

import itertools

import polars as pl

from stages.core.answers import table
from stages.core.tables.answers import ANSWERS, ANSWERS_KEY
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.workers import shards

WHOLE = ("model", "effort", "problem_id")


def main() -> None:
    """Read every trace of one effort, or pool of efforts."""
    args = running.parser(__doc__, "traces", "output").parse_args()
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(f"read@{args.traces.name}", {}) as run:
        parts = shards.pieces(args.traces, None, WHOLE, num_apart=2)
        pieces = [piece for _, piece in shards.in_order(parts, WHOLE)]  # those of a pool lie by effort, not by model
        read = shards.each(pieces, table.TRACES_IN, table.read_answers, runtime.num_workers, runtime.pool)
        answers = itertools.chain([pl.DataFrame(schema=ANSWERS)], read)
        num_rows = tables.write_sorted(answers, args.output, ANSWERS, ANSWERS_KEY)
        run.metrics({"num_traces": num_rows})


if __name__ == "__main__":
    running.run(main)
