"""A verdict per answer of an exam, against the gold of its question.

python -m stages.mark --traces data/exams/turbo --benchmarks data/benchmarks.parquet --output data/marks/turbo.parquet
"""

from functools import partial

import polars as pl

from stages.core.answers import table
from stages.core.labelling import judging
from stages.core.tables.answers import EXAM_VERDICTS
from stages.core.tables.benchmarks import GOLDS
from stages.edge import params
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.workers.judging import Settings, judge


def main() -> None:
    """Read the answers out of the texts, and judge them."""
    args = running.parser(__doc__, "traces", "benchmarks", "output").parse_args()
    settings = Settings(
        limits=params.load(params.SymbolicLimits, "symbolic"),
        llm=params.load(params.Judge, "judge").llm,
        versions=params.load_shared(params.Versions, "versions"),
    )
    prepare = partial(_prepare, golds=tables.read(args.benchmarks, GOLDS).rename({"gold": "label"}))
    stage, finish = f"mark@{args.traces.name}", judging.exam_verdicts
    judge(stage, settings, args.traces, table.TRACES_IN, prepare, finish, args.output, EXAM_VERDICTS)


def _prepare(traces: pl.DataFrame, golds: pl.DataFrame) -> pl.DataFrame:
    return judging.prepare(table.read_answers(traces), golds)


if __name__ == "__main__":
    running.run(main)
