"""A verdict per answer of an exam, against the gold of its question.

python -m stages.mark --traces data/exams/turbo --benchmarks data/benchmarks.parquet --output data/marks/turbo.parquet
"""

from functools import partial

import polars as pl

from stages.core.answers import table
from stages.core.labelling import judging
from stages.core.tables.benchmarks import GOLDS
from stages.edge import params
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.workers.judging import Settings, judge


def main() -> None:
    """Read the answers out of the texts, judge them, and group those that are equal."""
    args = running.parser(__doc__, "traces", "benchmarks", "output").parse_args()
    rules = params.load(params.Judge, "judge")
    settings = Settings(
        limits=params.load(params.SymbolicLimits, "symbolic"),
        llm=rules.llm,
        versions=params.load_shared(params.Versions, "versions"),
    )
    rule = params.load_part(params.Cut, "exam.protocol")
    golds = tables.read(args.benchmarks, GOLDS).rename({"gold": "label"})
    prepare = partial(_prepare, golds=golds, answer_before_cut=rule.answer_before_cut, rounded=rules.rounded_golds)
    judge(f"mark@{args.traces.name}", settings, args.traces, table.TRACES_IN, prepare, args.output, is_exam=True)


def _prepare(traces: pl.DataFrame, golds: pl.DataFrame, answer_before_cut: bool, rounded: bool) -> pl.DataFrame:
    return judging.prepare(table.read_answers(traces, answer_before_cut=answer_before_cut), golds, rounded)


if __name__ == "__main__":
    running.run(main)
